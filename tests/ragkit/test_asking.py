"""Answers by rules and from the cache, cascades, costs and budgets: what saves time and money."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragkit.llm
from ragkit import Answer, AnswerSettings, Budget, KnowledgeBase, Price, Prices, Sources, TextDelta
from ragkit.answer.answer_cache import same_meaning
from ragkit.answer.routes import route
from ragkit.errors import ModelError, UsageError
from ragkit.llm import Delta
from ragkit.question.reading import read_question
from ragkit.results import Usage
from ragkit.testing import HashEmbedder, ScriptedModel

QUESTION = "How long is the warranty of the Volto X?"
WARRANTY = (
    "The warranty of the Volto X lasts 24 months.\n\nThe Volto Y has 12 months of warranty.\n"
)
ANSWER = "The warranty of the Volto X lasts 24 months [1]."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    documents = tmp_path_factory.mktemp("documents")
    (documents / "warranty.md").write_text(WARRANTY, encoding="utf-8")
    (documents / "travel.md").write_text("Hotels in London cost 190 euros.\n", encoding="utf-8")
    return documents


@pytest.fixture(scope="module")
def ingested(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("ingested") / "kb"
    with KnowledgeBase(directory, embedder=HashEmbedder()) as base:
        base.ingest(folder)
    return directory


@pytest.fixture
def kb(ingested: Path, tmp_path: Path) -> Iterator[KnowledgeBase]:
    shutil.copytree(ingested, tmp_path / "kb")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        yield base


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> dict[str, ScriptedModel]:
    """Models that names such as ``"openai:cheap"`` stand for."""
    models: dict[str, ScriptedModel] = {}
    monkeypatch.setattr(ragkit.llm, "load_model", lambda name, **_options: models[name])
    return models


def told(text: str, read: int = 1_000, written: int = 100) -> list[str | Delta]:
    return [text, Delta(finish_reason="stop", usage=Usage(read, written))]


# -- rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is 12 * (3 + 4)?", "84"),
        ("15% of 80", "12"),
        ("what is 7 times 6", "42"),
        ("2^10 =", "1024"),
        ("Combien font 3 + 4 ?", "7"),
        ("Wie viel ist 10 / 4?", "2.5"),
        ("What documents do you have?", "There are 2 documents:\n- travel.md\n- warranty.md"),
        ("List all documents", "There are 2 documents:"),
        ("Welche Dokumente gibt es?", "There are 2 documents:"),
    ],
)
def test_rules_answer_what_needs_no_documents(
    kb: KnowledgeBase, question: str, expected: str
) -> None:
    with ScriptedModel() as model:
        events = list(kb.stream(question, model=model))
    assert [type(event) for event in events] == [Sources, TextDelta, Answer]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.text.startswith(expected)
    assert (answer.refused, answer.citations, answer.model) == (False, (), "rules")
    trace = kb.trace(answer.trace)
    assert "route" in [span.name for span in trace.spans]


@pytest.mark.parametrize(
    "question",
    [
        "What happened on 9/11?",
        "What is 24/7?",
        "2024-05-01",
        "What is section 3.2?",
        "What is 5%?",
        "42",
        "Hello, how long is the warranty?",
        "What documents do you need for a visa?",
        "Which documents mention 3 + 4?",
        "What is the sum of all invoices?",
        "Hello!",
        "What is x?",
        "1/0",
        "",
        "?",
    ],
)
def test_rules_leave_the_rest_to_the_documents(question: str) -> None:
    assert route(question, lambda: ["a.md"]) is None


def test_rules_can_be_switched_off(kb: KnowledgeBase) -> None:
    assert kb.ask("What is 12 * 2?", route=False).model == "extractive"


def test_the_list_of_documents_obeys_the_filter(kb: KnowledgeBase) -> None:
    answer = kb.ask("What documents do you have?", where={"path": "t*"})
    assert answer.text == "There is one document:\n- travel.md"


# -- the cache --------------------------------------------------------------------------------


def test_the_same_question_is_answered_from_the_cache(
    kb: KnowledgeBase, named: dict[str, ScriptedModel]
) -> None:
    with ScriptedModel(told(ANSWER), name="openai:gpt-5-mini") as model:
        named["openai:gpt-5-mini"] = model
        first = list(kb.stream(QUESTION, model="openai:gpt-5-mini"))
        second = list(kb.stream(f"  {QUESTION} ", model="openai:gpt-5-mini"))
    before, after = first[-1], second[-1]
    assert isinstance(before, Answer)
    assert isinstance(after, Answer)
    assert (before.cached, after.cached) == (False, True)
    assert (after.text, after.citations, after.model) == (
        before.text,
        before.citations,
        before.model,
    )
    assert after.usage == Usage(0, 0, cost=0.0)
    assert after.trace != before.trace
    assert first[0] == second[0]
    trace = kb.trace(after.trace)
    (cache,) = [span for span in trace.spans if span.name == "cache"]
    assert cache.attributes["hit"] is True
    assert cache.outputs["trace"] == before.trace


def test_extractive_answers_are_kept_too(kb: KnowledgeBase) -> None:
    first, second = kb.ask(QUESTION), kb.ask(QUESTION)
    assert (first.cached, second.cached) == (False, True)
    assert second.citations == first.citations


def test_nothing_that_matters_is_left_out_of_the_key(
    kb: KnowledgeBase, folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(folder, tmp_path / "documents")
    kb.delete("*")
    kb.ingest(folder)
    kb.ask(QUESTION)
    assert not kb.ask(QUESTION, where={"path": "w*"}).cached
    assert not kb.ask(QUESTION, history=[{"role": "user", "content": "Hi"}]).cached
    assert not kb.ask(QUESTION, verify="model").cached
    assert not kb.ask(QUESTION, mode="map-reduce").cached
    assert not kb.ask(f"{QUESTION} Really", where=None).cached
    assert kb.ask(QUESTION).cached
    (folder / "warranty.md").write_text("The warranty of the Volto X lasts 36 months.\n")
    kb.ingest(folder)
    changed = kb.ask(QUESTION)
    assert not changed.cached
    assert "36 months" in changed.text
    (folder / "travel.md").rename(folder / "journeys.md")
    kb.ingest(folder)
    assert not kb.ask(QUESTION).cached
    since = {"date": "<2002"}
    assert kb.ask(QUESTION, where=since).refused
    os.utime(folder / "warranty.md", (1_000_000_000, 1_000_000_000))
    kb.ingest(folder)
    assert "36 months" in kb.ask(QUESTION, where=since).text


def test_another_version_of_ragkit_answers_anew(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.ask(QUESTION)
    assert kb.ask(QUESTION).cached
    monkeypatch.setattr("ragkit.results.__version__", "99.0")
    assert not kb.ask(QUESTION).cached


def test_the_cache_can_be_avoided_and_emptied(kb: KnowledgeBase) -> None:
    kb.ask(QUESTION)
    assert not kb.ask(QUESTION, cache=False).cached
    assert kb.delete_cache() == 1
    assert not kb.ask(QUESTION).cached


def test_answers_by_objects_and_degraded_answers_are_not_kept(
    kb: KnowledgeBase, named: dict[str, ScriptedModel]
) -> None:
    with ScriptedModel(ANSWER, ANSWER) as model:
        assert not kb.ask(QUESTION, model=model).cached
        assert not kb.ask(QUESTION, model=model).cached
    with ScriptedModel(ModelError("down"), told(ANSWER), name="openai:x") as model:
        named["openai:x"] = model
        assert kb.ask(QUESTION, model="openai:x").degraded
        again = kb.ask(QUESTION, model="openai:x")
    assert not again.cached
    assert again.degraded == ()


def test_where_content_is_not_recorded_nothing_is_kept(kb: KnowledgeBase) -> None:
    with KnowledgeBase(kb.directory, embedder=HashEmbedder(), traces="facts") as quiet:
        quiet.ask(QUESTION)
        assert not quiet.ask(QUESTION).cached
        assert quiet.delete_cache() == 0


def test_a_deleted_session_takes_its_answers_out_of_the_cache(kb: KnowledgeBase) -> None:
    chat = kb.chat("alice")
    chat.ask(QUESTION)
    assert kb.ask(QUESTION).cached
    chat.delete()
    assert not kb.ask(QUESTION).cached


def test_a_question_repeated_at_once_is_not_answered_anew(kb: KnowledgeBase) -> None:
    chat = kb.chat("bob")
    first = chat.ask(QUESTION)
    assert chat.ask(f"{QUESTION[:-1]} ?".replace(" ?", "?")).cached
    chat.ask("What do hotels in London cost?")
    # The same words after something else may mean something else.
    assert not chat.ask(QUESTION).cached
    assert "24 months" in first.text


def test_a_repeated_question_with_a_model(
    kb: KnowledgeBase, named: dict[str, ScriptedModel]
) -> None:
    with ScriptedModel(told(ANSWER), name="openai:y") as model:
        named["openai:y"] = model
        chat = kb.chat("carol", model="openai:y")
        chat.ask(QUESTION)
        again = chat.ask(QUESTION.lower())
    assert again.cached
    assert len(chat.history) == 4


def test_similar_questions_only_where_asked_for(kb: KnowledgeBase) -> None:
    other = "How long is the warranty of the Volto X, please?"
    kb.ask(QUESTION, similar=0.8)
    assert not kb.ask(other).cached
    kb.delete_cache()
    kb.ask(QUESTION, similar=0.8)
    found = kb.ask(other, similar=0.8)
    assert found.cached
    assert any("earlier question like it" in note for note in found.degraded)
    assert not kb.ask("How long is the warranty of the Volto Y?", similar=0.8).cached


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is it covered?", "Is it not covered?"),
        ("What is the minimum age?", "What is the maximum age?"),
        ("How long is the X1 covered?", "How long is the X2 covered?"),
        ("What did Anna say?", "What did Berta say?"),
        ("When was it built?", "Where was it built?"),
        ("What happens after 3 days?", "What happens after 5 days?"),
    ],
)
def test_questions_that_differ_in_what_vectors_miss(one: str, other: str) -> None:
    first, second = read_question(one), read_question(other)
    assert not same_meaning(first, second)
    assert same_meaning(first, read_question(one))


def test_vectors_of_questions_are_kept(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    embed = HashEmbedder.embed

    def counted(self, texts, *, kind):  # type: ignore[no-untyped-def]
        asked.extend(texts if kind == "query" else [])
        return embed(self, texts, kind=kind)

    monkeypatch.setattr(HashEmbedder, "embed", counted)
    first = kb.search("hotels in London")
    assert kb.search("hotels in London") == first
    assert asked == ["hotels in London"]


# -- several models ---------------------------------------------------------------------------


def test_a_sure_answer_of_the_cheap_model_is_taken(kb: KnowledgeBase) -> None:
    with ScriptedModel(ANSWER, name="cheap") as cheap, ScriptedModel(name="strong") as strong:
        answer = kb.ask(QUESTION, model=[cheap, strong])
    assert (answer.text, answer.model) == (ANSWER, "cheap")


@pytest.mark.parametrize(
    ("unsure", "why"),
    [
        ("It also covers theft worldwide [1].", "its sources do not support all it says"),
        ("NO_ANSWER_IN_SOURCES", "it found no answer"),
        ("The warranty of the Volto X lasts 24 months [1][99].", "do not exist"),
    ],
)
def test_an_unsure_answer_gives_way_to_the_stronger_model(
    kb: KnowledgeBase, unsure: str, why: str
) -> None:
    with (
        ScriptedModel(unsure, name="cheap") as cheap,
        ScriptedModel(ANSWER, name="strong") as strong,
    ):
        events = list(kb.stream(QUESTION, model=[cheap, strong]))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.text, answer.model, answer.degraded) == (ANSWER, "strong", ())
    # Nothing of what was given up is shown.
    assert "".join(e.text for e in events[1:-1] if isinstance(e, TextDelta)) == ANSWER
    assert answer.usage.output_tokens > 8
    trace = kb.trace(answer.trace)
    (escalated,) = [span for span in trace.spans if span.name == "escalate"]
    assert why in escalated.attributes["why"]


def test_a_model_that_fails_gives_way_and_says_so(kb: KnowledgeBase) -> None:
    failing = ScriptedModel(ModelError("the server is down"), name="cheap")
    with ScriptedModel(ANSWER, name="strong") as strong:
        answer = kb.ask(QUESTION, model=[failing, strong])
    assert answer.model == "strong"
    assert answer.degraded == ("the server is down; strong was asked instead",)


def test_an_unsure_answer_is_better_than_none(kb: KnowledgeBase) -> None:
    cheap = ScriptedModel("It lasts 24 months [1]. It covers theft.", name="cheap")
    strong = ScriptedModel(ModelError("the server is down"), name="strong")
    answer = kb.ask(QUESTION, model=[cheap, strong])
    assert answer.model == "cheap"
    assert answer.unsupported == ("It covers theft.",)
    assert answer.degraded == ("the server is down; an answer that is less sure was taken",)


def test_models_that_make_no_cascade(kb: KnowledgeBase) -> None:
    for models in ([], ["extractive", "openai:x"]):
        with pytest.raises(UsageError, match="model must be one model or several"):
            kb.ask(QUESTION, model=models)


# -- costs and budgets ------------------------------------------------------------------------

PRICES = Prices({"openai:x": Price(input=2.0, output=10.0)})


def test_tokens_and_costs_are_added_up(kb: KnowledgeBase, named: dict[str, ScriptedModel]) -> None:
    named["openai:x"] = ScriptedModel(
        told(ANSWER),
        told("How long is the warranty of the Volto Y?", 100, 10),  # the question that refers back
        told(ANSWER, 400, 40),
        told(ANSWER),
        name="openai:x",
    )
    chat = kb.chat("dora", model="openai:x")
    first = chat.ask(QUESTION, prices=PRICES)
    assert first.usage == Usage(1_000, 100, cost=pytest.approx(0.003))
    chat.ask("And of the Volto Y?", prices=PRICES)
    kb.ask("Volto X warranty?", model="openai:x", prices=PRICES)
    assert kb.usage()["openai:x"].cost == pytest.approx(0.003 + 0.0015 + 0.003)
    session = kb.usage("dora")["openai:x"]
    assert (session.answers, session.calls) == (2, 3)
    assert (session.input_tokens, session.output_tokens) == (1_500, 150)
    assert session.cost == pytest.approx(0.0045)


def test_an_unknown_price_stays_unknown(kb: KnowledgeBase, named: dict[str, ScriptedModel]) -> None:
    named["openai:mystery"] = ScriptedModel(told(ANSWER), name="openai:mystery")
    assert kb.ask(QUESTION, model="openai:mystery").usage == Usage(1_000, 100, cost=None)
    assert kb.usage()["openai:mystery"].cost is None


def test_known_prices_hold_for_openais_own_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = Prices()
    known = prices.of("openai:gpt-5-mini")
    assert known is not None
    assert prices.of("openai:gpt-5-mini-2025-08-07") == known
    assert prices.of("openai:gpt-5-mini", base_url="http://localhost:1/v1") is None
    assert prices.of("openai:gpt-5-mini-tuned") is None
    assert Prices(known=False).of("openai:gpt-5-mini") is None
    assert prices.of("gguf:model.gguf") == Price(0.0, 0.0)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    assert prices.of("openai:gpt-5-mini") is None


def test_a_budget_stops_before_it_is_passed(kb: KnowledgeBase) -> None:
    with ScriptedModel() as model:
        answer = kb.ask(QUESTION, model=model, budget=Budget(tokens=50))
    assert answer.model == "extractive"
    assert "24 months" in answer.text
    (note,) = answer.degraded
    assert "this answer may use 50 tokens" in note


def test_a_budget_of_a_session_counts_what_was_spent(
    kb: KnowledgeBase, named: dict[str, ScriptedModel]
) -> None:
    named["openai:x"] = ScriptedModel(told(ANSWER, 100_000, 10_000), name="openai:x")
    chat = kb.chat("emil", model="openai:x")
    limits = {"prices": PRICES, "session_budget": Budget(cost=0.25)}
    assert chat.ask(QUESTION, **limits).model == "openai:x"  # type: ignore[arg-type]
    stopped = chat.ask("And of the Volto Y?", **limits)  # type: ignore[arg-type]
    assert stopped.model == "extractive"
    assert any("session 'emil' may cost 0.25" in note for note in stopped.degraded)
    whole = kb.ask("Volto?", model="openai:x", prices=PRICES, base_budget=Budget(cost=0.25))
    assert any("the knowledge base may cost 0.25" in note for note in whole.degraded)
    assert len(named["openai:x"].calls) == 1


def test_a_budget_in_money_needs_a_price(
    kb: KnowledgeBase, named: dict[str, ScriptedModel]
) -> None:
    named["openai:mystery"] = ScriptedModel(name="openai:mystery")
    answer = kb.ask(QUESTION, model="openai:mystery", budget=Budget(cost=1.0))
    assert any("the price is not known" in note for note in answer.degraded)


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="mode must be one of"):
        AnswerSettings(mode="fast")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="similar"):
        AnswerSettings(similar=1.5)
    with pytest.raises(UsageError, match="budget"):
        Budget(cost=-1)
    with pytest.raises(UsageError, match="price"):
        Price(-1.0, 0.0)


# -- two processes ----------------------------------------------------------------------------


def _talk(directory: str, name: str, count: int) -> None:
    with KnowledgeBase(directory, embedder=HashEmbedder()) as kb:
        chat = kb.chat("shared")
        for number in range(count):
            chat.ask(f"How long is the warranty of the Volto {name}{number}?")


def test_two_processes_in_one_session_lose_and_mix_nothing(kb: KnowledgeBase) -> None:
    context = multiprocessing.get_context("spawn")
    directory = str(kb.directory)
    workers = [context.Process(target=_talk, args=(directory, name, 4)) for name in "XY"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    history = kb.chat("shared").history
    assert [turn["role"] for turn in history] == ["user", "assistant"] * 8
    for name in "XY":
        asked = [
            t["content"] for t in history if f"Volto {name}" in t["content"] and t["role"] == "user"
        ]
        assert asked == [f"How long is the warranty of the Volto {name}{n}?" for n in range(4)]
