"""Merging dense and lexical results."""

from hypothesis import given
from hypothesis import strategies as st

from ragkit.retrieve.fusion import fuse

SCORES = st.dictionaries(st.integers(0, 30), st.floats(-1, 1), max_size=12)
BM25 = st.dictionaries(st.integers(0, 30), st.floats(0, 1), max_size=12)


@given(dense=SCORES, lexical=BM25, similarities=SCORES)
def test_every_passage_comes_out_once_in_order_with_a_score_from_0_to_1(
    dense: dict[int, float], lexical: dict[int, float], similarities: dict[int, float]
) -> None:
    fused = fuse(dense, lexical, similarities=similarities)
    assert sorted(passage.chunk_id for passage in fused) == sorted(dense.keys() | lexical.keys())
    scores = [passage.score for passage in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all((passage.dense_rank is not None) == (passage.chunk_id in dense) for passage in fused)
    assert all(
        (passage.lexical_rank is not None) == (passage.chunk_id in lexical) for passage in fused
    )


@given(dense=SCORES)
def test_one_search_alone_keeps_its_order(dense: dict[int, float]) -> None:
    order = sorted(dense, key=lambda chunk: (-max(0.0, dense[chunk]), chunk))
    assert [passage.chunk_id for passage in fuse(dense, {}, dense_weight=1.0)] == order


def test_a_passage_that_both_find_beats_one_that_one_finds() -> None:
    fused = fuse({1: 0.6, 2: 0.6}, {2: 0.7, 3: 0.7}, similarities={3: 0.2})
    assert [passage.chunk_id for passage in fused] == [2, 3, 1]
    assert (fused[0].dense_rank, fused[0].lexical_rank) == (2, 1)
