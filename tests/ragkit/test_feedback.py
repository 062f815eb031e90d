"""Documents like the best ones, among short documents."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragkit import KnowledgeBase
from ragkit.retrieve.feedback import prefer_alike
from ragkit.retrieve.fusion import Fused
from ragkit.store.records import ChunkPlace
from ragkit.testing import HashEmbedder

PASSAGES = 40


def place(
    chunk_id: int, document_id: int, *, chunks: int = 1, page: int | None = None
) -> ChunkPlace:
    return ChunkPlace(document_id, f"{document_id}.txt", None, chunks, page, f"text {chunk_id}")


def ranking_of(scores: list[float]) -> list[Fused]:
    ordered = sorted(range(len(scores)), key=lambda number: -scores[number])
    return [
        Fused(number, scores[number], rank, None) for rank, number in enumerate(ordered, start=1)
    ]


def vectors_for(angles: dict[int, float]):  # type: ignore[no-untyped-def]
    def vectors_of(chunk_ids: list[int]) -> NDArray[np.float32]:
        rows = [(np.cos(angles[number]), np.sin(angles[number])) for number in chunk_ids]
        return np.array(rows, dtype=np.float32)

    return vectors_of


def descending() -> list[float]:
    return [0.9 - number / 100 for number in range(PASSAGES)]


def test_a_document_like_the_best_passes_one_that_is_unlike_them() -> None:
    ranking = ranking_of(descending())
    places = {number: place(number, number) for number in range(PASSAGES)}
    angles = dict.fromkeys(range(PASSAGES), 0.1) | {12: 1.5}
    listed = [one.chunk_id for one in prefer_alike(ranking, places, vectors_for(angles))]
    assert listed == [*range(12), *range(13, PASSAGES), 12]


def test_what_is_found_in_long_documents_or_few_stays_as_it_is() -> None:
    ranking = ranking_of(descending())
    angles = {number: number / 10 for number in range(PASSAGES)}
    for places in (
        {number: place(number, number, chunks=100) for number in range(PASSAGES)},
        {number: place(number, number, page=1) for number in range(PASSAGES)},
        {number: place(number, number % 5) for number in range(PASSAGES)},
    ):
        assert prefer_alike(ranking, places, vectors_for(angles)) == ranking


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.lists(st.floats(0, 6.3), min_size=60, max_size=60),
    st.sets(st.integers(0, 59)),
)
def test_every_passage_is_kept_with_a_score_that_never_rises(
    scores: list[float], angles: list[float], gone: set[int]
) -> None:
    ranking = ranking_of(scores)
    places = {number: place(number, number // 2) for number in range(60) if number not in gone}
    listed = prefer_alike(ranking, places, vectors_for(dict(enumerate(angles))))
    assert sorted(one.chunk_id for one in listed) == list(range(len(scores)))
    assert all(0.0 <= one.score <= scores[one.chunk_id] for one in listed)
    assert [one.score for one in listed] == sorted((one.score for one in listed), reverse=True)


def test_search_says_what_was_lowered_and_quoting_lowers_nothing(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(30):
        words = "wing flutter at high speed" if number % 3 else f"wing number{number} odd{number}"
        (files / f"{number}.txt").write_text(f"{words} {number}\n", encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(files)
        listed = kb.retrieve("flutter of a wing", explain=True)
        quoted = kb.retrieve("flutter of a wing", explain=True, quoting=True)
    lowered = {one.path for one in listed.considered if "unlike the best" in one.outcome}
    odd = {one.path for one in listed.considered if int(Path(one.path).stem) % 3 == 0}
    assert odd
    assert odd <= lowered
    assert not [one for one in quoted.considered if "unlike the best" in one.outcome]


def test_without_vectors_nothing_changes() -> None:
    ranking = ranking_of(descending())
    places = {number: place(number, number) for number in range(PASSAGES)}
    for width in (0, 3):
        zeros = np.zeros((PASSAGES, width), dtype=np.float32)
        assert prefer_alike(ranking, places, lambda _ids, zeros=zeros: zeros) == ranking
