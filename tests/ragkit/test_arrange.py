"""What is listed once: texts that stand in several places, pages, documents, likenesses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ragkit import KnowledgeBase, UsageError
from ragkit.cli.app import cli
from ragkit.retrieve import arrange as arranging
from ragkit.retrieve.arrange import arrange
from ragkit.retrieve.fusion import Fused
from ragkit.retrieve.pipeline import CANDIDATES
from ragkit.store.records import ChunkPlace
from ragkit.testing import HashEmbedder

MANUAL = "# Descaling\n\nDescale the kettle every three months with citric acid.\n"
FILES = {
    "manual.md": MANUAL,
    "copy of manual.md": MANUAL,
    "newer manual.md": MANUAL.replace("three months", "4 months"),
    "shop.md": "# Shop\n\nCitric acid is sold in the shop next to the kettle.\n",
    "other.md": "# Garden\n\nWater the roses at dusk.\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("arranged")
    (root / "files").mkdir()
    for name, text in FILES.items():
        (root / "files" / name).write_text(text, encoding="utf-8")
    long = "\n\n".join(f"# Part {n}\n\nThe kettle boils. " + "Filler. " * 40 for n in range(200))
    (root / "files" / "long.md").write_text(long, encoding="utf-8")
    with KnowledgeBase(root / "kb", embedder=HashEmbedder()) as base:
        base.ingest(root / "files")
    return root


@pytest.fixture
def kb(folder: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder()) as base:
        yield base


def test_a_second_copy_comes_after_what_says_something_else(kb: KnowledgeBase) -> None:
    result = kb.retrieve("how often do I descale the kettle with citric acid", k=4, explain=True)
    paths = [hit.path for hit in result.hits]
    copies = {"manual.md", "copy of manual.md"}
    assert len(copies & set(paths[:2])) == 1
    assert "newer manual.md" in paths[:2], "another figure is another text"
    lowered = [passage for passage in result.considered if "same text as" in passage.outcome]
    assert {passage.path for passage in lowered} <= copies
    assert "put back, for another passage says the same: 1" in result.notes
    first = next(hit for hit in result.hits if hit.path in copies)
    assert f"same text as {first.path} [{first.start}:{first.end}]" in lowered[0].outcome


def test_documents_are_ranked_by_their_best_passage(kb: KnowledgeBase) -> None:
    hits = kb.search("kettle", k=10, by="document")
    assert sorted(hit.path for hit in hits) == sorted([*FILES, "long.md"])
    best: dict[str, float] = {}
    for hit in kb.search("kettle", k=1000):
        best.setdefault(hit.path, hit.score)
    assert {hit.path: hit.score for hit in hits} == pytest.approx(best)
    assert kb.search("kettle", k=2, by="document") == hits[:2]


def test_no_more_documents_are_looked_for_than_there_are(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    indexes = kb._base.indexes()
    search_lexical = indexes.search_lexical

    def counted(question: Any, count: int, **options: Any) -> Any:
        searched.append(count)
        return search_lexical(question, count, **options)

    monkeypatch.setattr(indexes, "search_lexical", counted)
    hits = kb.search("kettle", k=10, by="document", where={"path": "long.md"})
    assert [hit.path for hit in hits] == ["long.md"]
    assert searched == [CANDIDATES]


def test_only_the_first_texts_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    ranking = [Fused(number, 0.9 - number / 10, None, None) for number in range(3)]
    places = {n: ChunkPlace(n, f"{n}.md", None, 50, None, "the same") for n in range(3)}
    listed = arrange(ranking, places, limit=3)
    assert [one.same_as for one in listed] == [None, 0, 0]
    monkeypatch.setattr(arranging, "_COMPARED", 1)
    assert all(one.same_as is None for one in arrange(ranking, places, limit=3))


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_units_and_diversity_work_in_every_mode(kb: KnowledgeBase, mode: str) -> None:
    for options in ({"by": "page"}, {"by": "document", "diversity": 0.5}, {"diversity": 1}):
        hits = kb.search("kettle", k=5, mode=mode, **options)  # type: ignore[arg-type]
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert len(hits) == 5 or mode == "lexical"
        if "by" in options:
            assert len({hit.path for hit in hits}) == len(hits)


def test_diversity_chooses_what_is_unlike_what_came_before(kb: KnowledgeBase) -> None:
    question = "descale the kettle every three months with citric acid"
    manuals = {"manual.md", "newer manual.md", "copy of manual.md"}
    assert {hit.path for hit in kb.search(question, k=2)} < manuals
    result = kb.retrieve(question, k=2, diversity=0.9, explain=True)
    first, second = result.considered[:2]
    assert first.path in manuals
    assert second.path not in manuals
    assert first.likeness == 0
    assert (second.likeness or 0) < 0.5


def test_bad_values_are_errors(kb: KnowledgeBase) -> None:
    for options in ({"by": "chapter"}, {"diversity": 1.1}, {"diversity": "0.5"}):
        with pytest.raises(UsageError, match=next(iter(options))):
            kb.search("kettle", **options)  # type: ignore[arg-type]


def test_the_command_line_ranks_documents(folder: Path) -> None:
    arguments = ["search", "kettle", "--kb", str(folder / "kb"), "--by", "document", "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--diversity", "0.2"])
    assert result.exit_code == 0, result.output
    hits = json.loads(result.stdout)["hits"]
    assert sorted(hit["path"] for hit in hits) == sorted({*FILES, "long.md"} - {"other.md"})
    assert set(hits[0]) == {"path", "page", "start", "end", "text", "score", "heading", "ranks"}


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2), st.integers(0, 3)), max_size=25))
def test_every_passage_is_listed_once_whatever_its_text(
    passages: list[tuple[float, int, int]],
) -> None:
    texts = ["", "one two", "one two three", "1 2 3"]
    scores = {number: score for number, (score, _, _) in enumerate(passages)}
    places = {
        number: ChunkPlace(document, f"{document}.md", None, 50, None, texts[text])
        for number, (_, document, text) in enumerate(passages)
    }
    ranked = sorted(scores, key=lambda number: -scores[number])
    listed = arrange(
        [Fused(number, scores[number], None, None) for number in ranked], places, limit=99
    )
    assert sorted(passage.fused.chunk_id for passage in listed) == sorted(scores)
    values = [passage.score for passage in listed]
    assert values == sorted(values, reverse=True)
    order = {passage.fused.chunk_id: place for place, passage in enumerate(listed)}
    for passage in listed:
        if passage.same_as is not None:
            assert order[passage.same_as] < order[passage.fused.chunk_id]
