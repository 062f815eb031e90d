"""What a search does beyond its defaults, through the public API, on real files."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tiny_models import WIDTH, write_bert

from ragkit import KnowledgeBase, Recall, UsageError
from ragkit.cli.app import cli
from ragkit.embed.cross_encoder import CompiledCrossEncoder
from ragkit.embed.embedder import TextKind
from ragkit.embed.model_folder import NotCompilableError
from ragkit.question import Question
from ragkit.question.history import refers_back, rewrite
from ragkit.results import SearchResult
from ragkit.retrieve.acronyms import meaning
from ragkit.retrieve.finding import Mode
from ragkit.retrieve.rerank import load_reranker
from ragkit.testing import HashEmbedder, ScriptedModel

SECTIONS = "\n".join(
    f"# Part {number}\n\n" + " ".join(f"word{number}x{count} filler text." for count in range(60))
    for number in range(3)
)
FILES = {
    "liquidity.md": (
        "---\nauthor: Ada Lovelace\n---\n# Liquidity\n\nThe quick ratio (QR) was 1.2 last year.\n\n"
        "# Balance\n\nTotal current assets were 300, total current liabilities 250.\n"
    ),
    "kettle.md": "# Warranty\n\nThe warranty for the kettle is three years.\n",
    "teapot.md": "# Warranty\n\nThe teapot has a warranty of one year.\n",
    "long.md": SECTIONS,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stages")
    for name, text in FILES.items():
        (root / name).write_text(text, encoding="utf-8")
    with KnowledgeBase(root / "kb", embedder=HashEmbedder()) as base:
        base.ingest([root / name for name in FILES])
    return root


@pytest.fixture
def kb(folder: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder()) as base:
        yield base


def holds(kb: KnowledgeBase, result: SearchResult) -> bool:
    return all(kb.text(hit.path)[hit.start : hit.end] == hit.text for hit in result.hits)


def test_an_explanation_says_what_became_of_each_passage(kb: KnowledgeBase) -> None:
    result = kb.retrieve("kettle warranty", k=1, explain=True)
    first, second = result.considered[:2]
    assert (first.path, first.outcome) == ("kettle.md", "hit 1")
    assert second.outcome.startswith("dropped: place 2, 1 asked for")
    assert first.score == result.hits[0].score
    assert first.lexical_rank == first.dense_rank == 1
    assert 0 < (first.lexical_score or 0) <= 1
    scores = [passage.score for passage in result.considered]
    assert scores == sorted(scores, reverse=True)
    assert kb.retrieve("kettle warranty", k=1).considered == ()


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_the_length_of_an_embedders_vectors_does_not_matter(tmp_path: Path, mode: Mode) -> None:
    class Longer(HashEmbedder):
        def embed(self, texts: Sequence[str], *, kind: TextKind) -> NDArray[np.float32]:
            return np.float32(9) * super().embed(texts, kind=kind)

    (tmp_path / "docs").mkdir()
    for number, text in enumerate(["A kettle boils.", "A kettle and a teapot.", "A teapot."]):
        (tmp_path / "docs" / f"{number}.txt").write_text(text, encoding="utf-8")
    listed = []
    for embedder in (HashEmbedder(dimension=8), Longer(dimension=8)):
        with KnowledgeBase(tmp_path / type(embedder).__name__, embedder=embedder) as base:
            base.ingest(tmp_path / "docs")
            listed.append([(hit.path, hit.score) for hit in base.search("kettle", mode=mode)])
    assert [path for path, _ in listed[0]] == [path for path, _ in listed[1]]
    assert [score for _, score in listed[0]] == pytest.approx([score for _, score in listed[1]])


def test_a_slip_is_read_as_the_word_that_was_meant_and_said_so(kb: KnowledgeBase) -> None:
    result = kb.retrieve("kettel", mode="lexical")
    assert result.hits[0].path == "kettle.md"
    assert "'kettel'" in result.notes[0]


def test_sentences_rerank_without_another_model(kb: KnowledgeBase) -> None:
    result = kb.retrieve("The teapot has a warranty of one year.", k=3, rerank="sentences")
    assert result.hits[0].path == "teapot.md"
    assert result.hits[0].score == pytest.approx(1, abs=1e-3)
    assert [hit.ranks.rerank for hit in result.hits] == [1, 2, 3]
    assert result.degraded == ()
    assert "rerank" in result.milliseconds


def test_a_language_model_reranks(kb: KnowledgeBase) -> None:
    before = [hit.path for hit in kb.search("warranty", k=2)]
    model = ScriptedModel(["1: 2\n2: 9.5\n3: 0"])
    result = kb.retrieve("warranty", k=2, rerank="llm", model=model)
    assert [hit.path for hit in result.hits] == before[::-1]
    assert result.hits[0].score == pytest.approx(0.95)
    model.assert_done()


@pytest.mark.parametrize("rerank", ["llm", "./no-such-cross-encoder"])
def test_a_reranker_that_fails_is_left_out_out_loud(kb: KnowledgeBase, rerank: str) -> None:
    result = kb.retrieve("warranty", rerank=rerank)
    assert result.hits == tuple(kb.search("warranty"))
    assert result.degraded[-1].startswith("not reranked: ")


class ByLength:
    """A reranker of one's own: the shorter, the better."""

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        return [1 / (1 + len(passage)) for passage in passages]


class Plural:
    """An expander of one's own."""

    def expand(self, question: Question) -> list[str]:
        return [question.text.replace("kettle", "teapot")]


def test_a_reranker_of_ones_own_is_an_object(kb: KnowledgeBase) -> None:
    hits = kb.search("warranty ratio filler", k=4, rerank=ByLength())
    assert [hit.ranks.rerank for hit in hits] == [1, 2, 3, 4]
    assert hits[0].text == min((hit.text for hit in hits), key=len)


@pytest.mark.parametrize(("scores", "said"), [([0.5], "1 scores for"), ([7.0] * 99, "not from 0")])
def test_a_reranker_of_ones_own_that_gives_nonsense_is_left_out_out_loud(
    kb: KnowledgeBase, scores: list[float], said: str
) -> None:
    class Wrong:
        def scores(self, question: str, passages: Sequence[str]) -> list[float]:
            return scores[: len(passages)]

    result = kb.retrieve("warranty", rerank=Wrong())
    assert result.hits == tuple(kb.search("warranty"))
    assert said in result.degraded[-1]


def test_what_somebody_elses_objects_raise_is_told_and_costs_only_them(kb: KnowledgeBase) -> None:
    class Broken:
        def scores(self, question: str, passages: Sequence[str]) -> list[float]:
            raise ZeroDivisionError("no passages today")

        def expand(self, question: Question) -> list[str]:
            raise LookupError("no words today")

    result = kb.retrieve("pump", rerank=Broken(), expand=[Broken()])
    assert result.hits
    assert [each for each in result.degraded if "ZeroDivisionError: no passages today" in each]
    assert [each for each in result.degraded if "LookupError: no words today" in each]


def test_reranked_passages_of_one_score_keep_their_order(kb: KnowledgeBase) -> None:
    class Even:
        def scores(self, question: str, passages: Sequence[str]) -> list[float]:
            return [0.5] * len(passages)

    for question in ("pump", "valve"):
        found = [(hit.path, hit.start) for hit in kb.search(question, rerank=Even(), k=50)]
        assert found
        assert found == [(hit.path, hit.start) for hit in kb.search(question, k=50)]


def test_an_expander_of_ones_own_is_an_object(kb: KnowledgeBase) -> None:
    result = kb.retrieve("the kettle", k=2, expand=[Plural()])
    assert {hit.path for hit in result.hits} == {"kettle.md", "teapot.md"}
    assert "'the teapot' (Plural)" in result.notes[-1]


def test_names_that_are_not_built_in_are_looked_for_in_other_packages(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plugged-1.0.dist-info").mkdir()
    (tmp_path / "plugged-1.0.dist-info" / "METADATA").write_text("Name: plugged\nVersion: 1.0\n")
    (tmp_path / "plugged-1.0.dist-info" / "entry_points.txt").write_text(
        "[ragkit.rerankers]\nshort = plugged:Short\n[ragkit.expanders]\nmore = plugged:More\n"
    )
    (tmp_path / "plugged.py").write_text(
        "class Short:\n"
        "    def scores(self, question, passages):\n"
        "        return [1 / (1 + len(passage)) for passage in passages]\n"
        "class More:\n"
        "    def expand(self, question):\n"
        "        return ['teapot']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    result = kb.retrieve("warranty ratio filler", k=4, rerank="short", expand=["more"])
    assert result.degraded == ()
    assert result.hits == tuple(
        kb.search("warranty ratio filler", k=4, rerank=ByLength(), expand=["more"])
    )
    assert "'teapot' (more)" in result.notes[-1]


def test_a_model_that_gives_no_grades_is_left_out_out_loud(kb: KnowledgeBase) -> None:
    result = kb.retrieve("warranty", rerank="llm", model=ScriptedModel(["I would rather not."]))
    assert result.hits
    assert "no grades" in result.degraded[-1]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["", ":int8"])
def test_a_cross_encoder_reranks(kb: KnowledgeBase, tmp_path: Path, form: str) -> None:
    model = write_cross_encoder(tmp_path / "cross")
    result = kb.retrieve("warranty", k=4, rerank=f"{model}{form}")
    assert result.degraded == ()
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len(set(scores)) > 1


def test_a_cross_encoder_is_loaded_once() -> None:
    first = load_reranker("some/model:int8", embedder=never)
    assert load_reranker("some/model:int8", embedder=never) is first
    assert load_reranker("some/model", embedder=never) is not first


@pytest.mark.slow
def test_a_compiled_cross_encoder_agrees_with_its_original(tmp_path: Path) -> None:
    model = write_cross_encoder(tmp_path / "cross")
    passages = [
        "The warranty lasts two years.",
        "",
        "x",
        "Rain " * 700,
        "Die Garantie: zwei Jahre.",
    ]
    both = [
        load_reranker(f"{model}{form}", embedder=never).scores(
            "How long is the warranty?", passages
        )
        for form in ("", ":int8")
    ]
    assert both[0] == pytest.approx(both[1], abs=0.03)
    assert max(both[0]) - min(both[0]) > 0.1


def test_a_compiled_cross_encoder_needs_no_torch(tmp_path: Path) -> None:
    model = write_cross_encoder(tmp_path / "cross")
    code = (
        "import sys\n"
        "from ragkit.retrieve.rerank import load_reranker\n"
        f"scores = load_reranker({str(model) + ':int8'!r}, embedder=None).scores('q', ['a', 'b'])\n"
        "assert len(scores) == 2 and 'torch' not in sys.modules, scores\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_cross_encoders_of_one_number_are_compiled(tmp_path: Path) -> None:
    model = write_cross_encoder(tmp_path / "cross")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    for change, said in (
        ({"id2label": {"0": "a", "1": "b"}}, "one number"),
        ({"architectures": ["BertModel"]}, "classifier"),
        ({"model_type": "roberta"}, "not a BERT"),
    ):
        (model / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
        with pytest.raises(NotCompilableError, match=said):
            CompiledCrossEncoder(str(model))
    with pytest.raises(NotCompilableError, match="machine"):
        CompiledCrossEncoder(str(tmp_path / "nowhere"))


def never() -> Any:
    raise AssertionError("a cross-encoder needs no embedder")


def write_cross_encoder(folder: Path) -> Path:
    import numpy as np

    write_bert(
        folder,
        architectures=["BertForSequenceClassification"],
        num_labels=1,
        id2label={"0": "relevance"},
        label2id={"relevance": 0},
    )
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / name).unlink()
    random = np.random.default_rng(1)
    weights = {f"bert.{name}": w for name, w in load_file(folder / "model.safetensors").items()}
    for name, outputs in (("bert.pooler.dense", WIDTH), ("classifier", 1)):
        weights[f"{name}.weight"] = random.normal(size=(outputs, WIDTH)).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(outputs, np.float32)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_acronyms_are_read_from_the_documents(kb: KnowledgeBase) -> None:
    for question in ("What was the QR?", "What was the quick ratio?"):
        notes = kb.retrieve(question, expand=["acronyms"]).notes
        assert any("'QR quick ratio' (acronyms)" in note for note in notes), question
    assert kb.retrieve("What is the XQ?", expand=["acronyms"]).notes == ()


@pytest.mark.parametrize(
    ("short", "text", "name"),
    [
        ("QR", "the quick ratio (QR) fell", "quick ratio"),
        ("QR", "QR (quick ratio) fell", "quick ratio"),
        ("ROE", "the return on equity (ROE)", "return on equity"),
        ("CEO", "our chief executive officer (CEO)", "chief executive officer"),
        ("QR", "see the figure (QR)", None),
        ("QR", "QR is not explained", None),
    ],
)
def test_meaning_of_an_acronym(short: str, text: str, name: str | None) -> None:
    found = meaning(short, text)
    assert (found or "").removeprefix("the ") == (name or "")


def test_a_comparison_searches_for_each_side(kb: KnowledgeBase) -> None:
    result = kb.retrieve("difference between kettle and teapot", k=2, expand=["comparison"])
    assert {hit.path for hit in result.hits} == {"kettle.md", "teapot.md"}
    assert "'teapot' (comparison)" in result.notes[-1]


def test_an_imagined_answer_is_searched_for(kb: KnowledgeBase) -> None:
    model = ScriptedModel(["The teapot has a warranty of one year."])
    result = kb.retrieve("How long?", expand=["hyde"], model=model)
    assert result.hits[0].path == "teapot.md"
    without = kb.retrieve("How long?", expand=["hyde"])
    assert "needs a language model" in without.degraded[-1]


HISTORY = [
    {"role": "user", "content": "How long is the warranty of the kettle?"},
    {"role": "assistant", "content": "Three years."},
]


def test_a_question_that_refers_back_is_rewritten_by_the_model(kb: KnowledgeBase) -> None:
    model = ScriptedModel(["How long is the warranty of the teapot?"])
    result = kb.retrieve("And the other one?", history=HISTORY, model=model)
    assert result.hits[0].path == "teapot.md"
    assert "rewritten" in result.notes[0]


def test_a_question_that_stands_alone_is_not_sent_to_the_model(kb: KnowledgeBase) -> None:
    model = ScriptedModel([])
    result = kb.retrieve(
        "How many years of warranty come with a teapot?", history=HISTORY, model=model
    )
    assert result.degraded == ()
    assert model.calls == []


def test_a_rewrite_that_is_no_question_is_not_used(kb: KnowledgeBase) -> None:
    model = ScriptedModel(["Sure!\nHere it is."])
    result = kb.retrieve("And its lid?", history=HISTORY, model=model)
    assert "not rewritten" in result.degraded[0]
    assert "kettle" in result.notes[0]


@pytest.mark.parametrize(
    ("question", "reply", "used"),
    [
        ("And its lid?", "How long is the warranty of the kettle's lid?", True),
        ("And its lid?", "How long is the warranty of the kettle?", False),
        ("And the other one?", "How long is the warranty of the teapot?", True),
        ("そちらは？", "ティーポットの保証は？", True),
    ],
)
def test_a_rewrite_must_keep_what_the_question_says(
    question: str, reply: str, *, used: bool
) -> None:
    assert (rewrite(question, HISTORY, lambda _: reply) == reply) is used


@pytest.mark.parametrize(
    ("question", "refers"),
    [
        ("How long is it?", True),
        ("And the frame?", True),
        ("Benefits?", True),
        ("How many years of warranty come with a kettle?", False),
    ],
)
def test_references_are_noticed(question: str, refers: bool) -> None:
    assert refers_back(question) is refers


def test_context_grows_within_the_section_and_the_budget(kb: KnowledgeBase) -> None:
    plain = kb.retrieve("word1x30", k=1)
    wide = kb.retrieve("word1x30", k=1, context_tokens=10_000)
    assert len(wide.hits[0].text) > len(plain.hits[0].text)
    assert "word1x0" in wide.hits[0].text
    assert "word1x59" in wide.hits[0].text
    assert "word0x" not in wide.hits[0].text
    assert holds(kb, wide)
    for budget in (1, 50, 120, 300):
        result = kb.retrieve("word1x30 word2x4", k=5, context_tokens=budget)
        assert holds(kb, result)
        assert result.hits
        spans = sorted((hit.path, hit.start, hit.end) for hit in result.hits)
        assert all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(spans))
        used = sum(len(hit.text.split()) for hit in result.hits)
        assert used <= budget or len(result.hits) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"expand": ["synonyms"]},
        {"expand": "acronyms"},
        {"context_tokens": 0},
        {"rerank": " "},
        {"rerank": object()},
        {"expand": [object()]},
        {"reranker": "sentences"},
    ],
)
def test_bad_options_are_errors(kb: KnowledgeBase, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        kb.search("warranty", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_filters_on_headings_and_metadata_are_exact(kb: KnowledgeBase, mode: str) -> None:
    def found(**where: str | list[str]) -> set[tuple[str, str]]:
        hits = kb.search("warranty ratio assets kettle", k=50, where=where, mode=mode)  # type: ignore[arg-type]
        return {(hit.path, hit.heading) for hit in hits}

    assert found(heading="warranty") == {("kettle.md", "Warranty"), ("teapot.md", "Warranty")}
    # A small section shares its passage, and that passage's heading is of what comes first.
    assert found(heading="Bal*") == {("liquidity.md", "")}
    assert {path for path, _ in found(heading=["Balance", "Warranty"], path="l*")} == {
        "liquidity.md"
    }
    hits = kb.search("filler text", k=50, where={"heading": "part 1"}, mode=mode)  # type: ignore[arg-type]
    assert hits
    assert {hit.heading for hit in hits} == {"Part 1"}
    assert {path for path, _ in found(author="ada *")} == {"liquidity.md"}
    assert found(heading="Nowhere") == set()
    assert found(author="Nobody") == set()


def test_a_filter_that_allows_nothing_says_so(kb: KnowledgeBase) -> None:
    for where in ({"heading": "Nowhere"}, {"path": "*.pdf"}, {"author": "Nobody"}):
        result = kb.retrieve("warranty", where=where)
        assert result.hits == ()
        assert "filter" in result.notes[0]
    with pytest.raises(UsageError, match="auhtor"):
        kb.retrieve("warranty", where={"auhtor": "Ada"})
    assert {document.path for document in kb.documents({"heading": "Balance"})} == {"liquidity.md"}


@pytest.mark.parametrize(
    "question", ["the of and?", "?!", "...", "Wie lange gilt die Garantie?", "保証期間は", "🙂"]
)
def test_odd_questions_find_something_or_nothing_but_do_not_fail(
    kb: KnowledgeBase, question: str
) -> None:
    for mode in ("hybrid", "dense", "lexical"):
        result = kb.retrieve(question, k=3, mode=mode)  # type: ignore[arg-type]
        assert all(0 <= hit.score <= 1 for hit in result.hits)
        assert holds(kb, result)


@pytest.mark.slow
def test_the_command_line_explains(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    base = ["--kb", str(tmp_path / "kb")]
    assert runner.invoke(cli, ["ingest", str(folder / "kettle.md"), *base]).exit_code == 0
    asked = ["search", "kettel warranty", "--explain", *base]
    shown = runner.invoke(cli, asked)
    assert shown.exit_code == 0, shown.output
    assert "hit 1" in shown.output
    document = json.loads(runner.invoke(cli, [*asked, "--json"]).stdout)
    assert document["considered"][0]["outcome"] == "hit 1"
    assert "kettel" in document["notes"][0]


def test_a_model_of_the_hub_is_asked_for_once_where_there_is_no_network(tmp_path: Path) -> None:
    program = """
import sys
from ragkit import RerankError
from ragkit.retrieve.rerank import load_reranker
from ragkit.testing import HashEmbedder
try:
    load_reranker("nobody/such-model", embedder=HashEmbedder).scores("What?", ["That."])
except RerankError as error:
    print(error)
print("sentence_transformers" in sys.modules)
"""
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=True,
    )
    said, imported = done.stdout.splitlines()
    assert said.startswith("the reranker 'nobody/such-model' cannot be loaded (")
    assert imported == "False"  # which asks again and again
    assert "Retrying" not in done.stderr


def test_a_class_in_place_of_its_object_is_refused(kb: KnowledgeBase, tmp_path: Path) -> None:
    calls: dict[type, Callable[[Any], object]] = {
        ByLength: lambda one: kb.search("warranty", rerank=one),
        Plural: lambda one: kb.search("warranty", expand=[one]),
        ScriptedModel: lambda one: kb.ask("warranty", model=one),
        Notes: lambda one: kb.chat(memory=[one]),
        HashEmbedder: lambda one: KnowledgeBase(tmp_path / "new", embedder=one),
    }
    for each, call in calls.items():
        with pytest.raises(UsageError, match=re.escape(f"write {each.__name__}(…)")):
            call(each)


class Notes:
    """A memory of one's own, as a class."""

    def remember(self, question: str, answer: str, *, trace: str | None = None) -> None: ...

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        return Recall()
