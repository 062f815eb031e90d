"""Other names of things, read from what the documents say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit import KnowledgeBase
from ragkit.retrieve.aliases import find_aliases, other_names
from ragkit.testing import HashEmbedder


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("The Heron, also known as the big bird, is a station.", ("Heron", "big bird")),
        ("Burma (formerly Siam) is a country.", ("Burma", "Siam")),
        (
            'Northwind Trading Ltd, hereinafter referred to as "the Supplier", delivers.',
            ("Northwind Trading Ltd", "Supplier"),
        ),
        ("Acme Holdings (formerly Smith & Sons) bought it.", ("Acme Holdings", "Smith & Sons")),
        ("Die Station Reiher, auch Wetterhahn genannt, steht.", ("Station Reiher", "Wetterhahn")),
        ("Die Corvane GmbH, im Folgenden „Anbieter“, liefert.", ("Corvane GmbH", "Anbieter")),
        ("La station Héron, également appelée Grand Oiseau.", ("station Héron", "Grand Oiseau")),
        ("We use paracetamol (a.k.a. acetaminophen) here.", ("paracetamol", "acetaminophen")),
    ],
)
def test_other_names_are_read(text: str, pair: tuple[str, str]) -> None:
    assert find_aliases([text]) == [pair]


@pytest.mark.parametrize(
    "text",
    [
        "The device was formerly sold by others.",
        "In the past, formerly, it was so.",
        "",
        "also known as",
    ],
)
def test_what_gives_no_name(text: str) -> None:
    assert find_aliases([text]) == []


def test_names_are_found_in_questions_either_way() -> None:
    pairs = [("large Heron station", "big bird"), ("Burma", "Siam")]
    assert other_names("where does the Big Bird stand", pairs) == [
        ("big bird", "large Heron station")
    ]
    assert other_names("where is the Heron station", pairs) == [("Heron station", "big bird")]
    assert other_names("the capital of burma", pairs) == [("Burma", "Siam")]
    assert other_names("from Siam to Burma, stationed", pairs) == []


@given(st.text(max_size=300), st.text(max_size=100))
def test_any_text_can_be_read(text: str, question: str) -> None:
    for one, two in find_aliases([f"Heron, also known as {text}", text]):
        assert one
        assert two
        other_names(question, [(one, two)])


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    (tmp_path / "one.txt").write_text("Paracetamol, also called acetaminophen, is old.\n")
    (tmp_path / "two.txt").write_text("The dose of paracetamol is one gram.\n")
    (tmp_path / "three.txt").write_text("The dose of ibuprofen is half a gram.\n")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest([tmp_path / name for name in ("one.txt", "two.txt", "three.txt")])
        yield base


def test_a_search_for_one_name_finds_the_other(kb: KnowledgeBase, tmp_path: Path) -> None:
    question = "dose of acetaminophen"
    result = kb.retrieve(question, expand=["aliases"], mode="lexical")
    assert "searched also for 'dose of Paracetamol' (aliases)" in result.notes
    expanded = {hit.path: hit.score for hit in result.hits}
    plain = {hit.path: hit.score for hit in kb.search(question, mode="lexical")}
    assert expanded["two.txt"] > plain["two.txt"]
    assert expanded["two.txt"] > expanded["three.txt"]
    (tmp_path / "one.txt").write_text("Nothing of the kind.\n")
    kb.ingest(tmp_path / "one.txt")
    assert kb.retrieve(question, expand=["aliases"], mode="lexical").notes == ()
