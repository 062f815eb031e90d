"""What stands around a passage: whole tables and sections, within a budget, nothing twice."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.document import Document
from ragkit import KnowledgeBase
from ragkit.results import Answer, Hit
from ragkit.retrieve.context import widen
from ragkit.testing import HashEmbedder, ScriptedModel

ROWS = "\n".join(f"| part {n} | {n * 17} grams | shelf {n % 7} |" for n in range(30))
TEXT = (
    "# Stock\n\nWhat is in store.\n\n| part | weight | place |\n|---|---|---|\n"
    f"{ROWS}\n\n# Opening hours\n\nThe shop opens at nine. "
    + "It is a nice shop. " * 40
    + "\n\nOn Sundays it is closed.\n\n# Empty\n\n# Returns\n\nGoods are taken back for a month.\n"
)
PDF = Path(__file__).parents[2] / "sample_docs" / "manuals" / "heron-cv300-manual.pdf"


def count(text: str) -> int:
    return len(text.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("context")
    (root / "shop.md").write_text(TEXT, encoding="utf-8")
    (root / "plain.txt").write_text("word " * 2_000, encoding="utf-8")
    with KnowledgeBase(root / "kb", embedder=HashEmbedder()) as base:
        base.ingest([root / "shop.md", root / "plain.txt", PDF])
    return root


@pytest.fixture(scope="module")
def kb(folder: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder()) as base:
        yield base


@pytest.fixture(scope="module")
def passages(kb: KnowledgeBase) -> list[Hit]:
    store = kb._base.store()
    return [
        Hit(chunk.path, chunk.page, chunk.start, chunk.end, chunk.text, 0.5)
        for document in kb.documents()
        for chunk in store.chunks_of(document.id)
    ]


def around(kb: KnowledgeBase, text: str, tokens: int) -> Hit:
    hit = next(hit for hit in kb.search(text, k=20) if text in hit.text)
    (wide,) = widen([hit], kb.document, tokens=tokens, count=count)
    return wide


def test_a_table_that_was_cut_comes_whole(kb: KnowledgeBase) -> None:
    wide = around(kb, "| part 25 |", 400)
    assert "| part | weight | place |" in wide.text
    assert "| part 0 |" in wide.text
    assert "| part 29 |" in wide.text
    assert "Opening hours" not in wide.text


def test_a_section_comes_whole_and_without_the_next(kb: KnowledgeBase) -> None:
    wide = around(kb, "On Sundays", 400)
    assert wide.text.startswith("# Opening hours")
    assert wide.text.rstrip().endswith("closed.")
    small = around(kb, "On Sundays", 150)
    assert "On Sundays it is closed." in small.text
    assert count(small.text) <= 150


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 999), min_size=1, max_size=12, unique=True), st.integers(1, 1_500))
def test_never_beyond_the_budget_never_overlapping_and_always_where_it_stands(
    kb: KnowledgeBase, passages: list[Hit], chosen: list[int], tokens: int
) -> None:
    numbers = dict.fromkeys(number % len(passages) for number in chosen)
    hits = [replace(passages[number], score=1 / (n + 1)) for n, number in enumerate(numbers)]
    wide = widen(hits, kb.document, tokens=tokens, count=count)
    assert wide
    assert sum(count(hit.text) for hit in wide) <= tokens
    for hit in wide:
        document = kb.document(hit.path)
        assert document.text[hit.start : hit.end] == hit.text
        if document.pages:
            page = next(page for page in document.pages if page.number == hit.page)
            assert page.start <= hit.start < page.end
        else:
            assert hit.page is None
    spans = sorted((hit.path, hit.start, hit.end) for hit in wide)
    assert all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(spans))
    scores = [hit.score for hit in wide]
    assert scores == sorted(scores, reverse=True)
    assert wide[0].score == 1
    # What was found and fits is not given up for what stands around something else.
    left = tokens
    for hit in hits if count(hits[0].text) <= tokens else ():
        if count(hit.text) <= left:
            left -= count(hit.text)
            assert any(
                hit.path == w.path and w.start <= hit.start and hit.end <= w.end for w in wide
            )


def test_a_document_that_is_gone_or_changed_leaves_hits_alone() -> None:
    hit = Hit("a.txt", None, 0, 5, "hello", 1.0)
    changed = Document("other text", "text")
    for document in (None, changed):
        assert widen([hit], lambda _, found=document: found, tokens=9, count=count) == (hit,)


def test_a_passage_longer_than_the_budget_is_cut(kb: KnowledgeBase) -> None:
    for tokens in (1, 5):
        (hit,) = kb.search("shop opens", k=1, context_tokens=tokens)
        assert hit.text
        assert kb.text(hit.path)[hit.start : hit.end] == hit.text


def test_a_language_model_is_shown_whole_sections(kb: KnowledgeBase) -> None:
    def asked(**options: int) -> tuple[str, Answer]:
        model = ScriptedModel(["On Sundays it is closed [1]."])
        answer = kb.ask("Is the shop open on Sundays?", model=model, cache=False, **options)
        return model.calls[0][-1].content, answer

    wide, answer = asked()
    assert "# Opening hours\n\nThe shop opens at nine." in wide
    assert answer.unsupported == ()
    quote = answer.citations[0]
    assert kb.text(quote.path)[quote.start : quote.end] == quote.quote
    narrow, _ = asked(context_tokens=0)
    assert len(narrow) != len(wide)
