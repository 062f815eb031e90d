"""The dense view: exact search, filters, persistence, catching up, and the approximate form."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from store_samples import (
    DIMENSION,
    all_chunk_ids,
    document_of,
    embed_all,
    indexes,
    problems,
    put,
    vector_of,
)

from ragkit.errors import UsageError
from ragkit.index import faiss_index as dense
from ragkit.store import Scored, Store

FOLDER = Path("/home/ada/docs").absolute()
QUERY = vector_of("what is asked")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "kb", create=True) as opened, opened.writing("test"):
        yield opened


def fill(store: Store, documents: int, passages: int) -> list[int]:
    ids = [
        put(
            store,
            FOLDER,
            f"{number}.txt",
            document_of(*(f"passage {number} {part}" for part in range(passages))),
        )
        for number in range(documents)
    ]
    embed_all(store)
    return ids


def brute_force(
    store: Store, query: NDArray[np.float32], k: int, documents: list[int] | None = None
) -> list[Scored]:
    """What an exact search must find, computed from the truth alone."""
    wanted = documents if documents is not None else [one.id for one in store.documents()]
    ids = sorted(chunk.id for number in set(wanted) for chunk in store.chunks_of(number))
    rows = store.vectors_of(ids)
    there = rows.any(axis=1)
    if not there.any():
        return []
    scores = rows @ (query / np.linalg.norm(query))
    found = [Scored(i, float(s)) for i, s, t in zip(ids, scores, there, strict=True) if t]
    return sorted(found, key=lambda hit: (-round(hit.score, 5), hit.chunk_id))[:k]


def agree(found: list[Scored], expected: list[Scored]) -> bool:
    """Whether both are the same, but for the order of what scores alike to five digits."""
    scores = {hit.chunk_id: hit.score for hit in expected}
    least = expected[-1].score if expected else 0.0
    return (
        len(found) == len(expected) == len({hit.chunk_id for hit in found})
        and np.allclose([hit.score for hit in found], [hit.score for hit in expected], atol=1e-5)
        # One that is not expected may stand for another that scores as the last does.
        and all(abs(scores.get(hit.chunk_id, least) - hit.score) < 1e-5 for hit in found)
    )


def files_of(store: Store) -> list[str]:
    return sorted(path.name for path in (store.directory / "dense").iterdir())


def test_exact_from_the_truth_the_file_and_both(store: Store) -> None:
    fill(store, 20, 5)
    expected = brute_force(store, QUERY, 30)
    assert len(expected) == 30
    assert agree(indexes(store).search_dense(QUERY, 30), expected)
    indexes(store).sync(final=True)
    assert len(files_of(store)) == 2
    with Store.open(store.directory) as reader:
        assert agree(indexes(reader).search_dense(QUERY, 30), expected)
        put(store, FOLDER, "0.txt", document_of("something", "new"))
        store.remove_documents([store.documents()[3].id])
        embed_all(store)
        expected = brute_force(store, QUERY, 200)
        assert len(expected) == 92
        assert agree(indexes(reader).search_dense(QUERY, 200), expected)
        assert agree(indexes(store).search_dense(QUERY, 200), expected)
    with Store.open(store.directory) as reader:
        assert agree(indexes(reader).search_dense(QUERY, 7), expected[:7])


def test_any_length_of_query_gives_the_cosine(store: Store) -> None:
    fill(store, 2, 2)
    assert agree(
        indexes(store).search_dense(1000 * QUERY, 4), indexes(store).search_dense(QUERY, 4)
    )
    (best, *_) = indexes(store).search_dense(vector_of("passage 1 1"), 4)
    assert best.score == pytest.approx(1.0, abs=1e-3)
    assert best.score <= 1.0
    assert store.chunks([best.chunk_id])[0].text == "passage 1 1"


def test_strange_queries(store: Store) -> None:
    fill(store, 1, 3)
    assert indexes(store).search_dense(np.zeros(DIMENSION, dtype=np.float32), 5) == []
    assert indexes(store).search_dense(np.full(DIMENSION, np.nan, dtype=np.float32), 5) == []
    assert indexes(store).search_dense(QUERY, 0) == []
    assert indexes(store).search_dense(QUERY, -1) == []
    assert len(indexes(store).search_dense(QUERY, 10**6)) == 3
    assert len(indexes(store).search_dense(QUERY.astype(np.float64), 5)) == 3
    with pytest.raises(UsageError, match="3 numbers"):
        indexes(store).search_dense(np.ones(3, dtype=np.float32), 5)
    with pytest.raises(UsageError, match="one dimension"):
        indexes(store).search_dense(np.ones((1, DIMENSION), dtype=np.float32), 5)


def test_equal_scores_come_by_place_from_file_and_tail_alike(store: Store) -> None:
    for number in range(12):
        put(store, FOLDER, f"{number}.txt", document_of("the same"))
    embed_all(store)

    def paths(base: Store, k: int) -> list[str]:
        found = indexes(base).search_dense(QUERY, k)
        return [chunk.path for chunk in base.chunks([hit.chunk_id for hit in found])]

    assert paths(store, 5) == ["0.txt", "1.txt", "10.txt", "11.txt", "2.txt"]
    indexes(store).sync(final=True)
    put(store, FOLDER, "3.txt", document_of("the same"))
    put(store, FOLDER, "05.txt", document_of("the same"))
    expected = sorted(["05.txt", *(f"{number}.txt" for number in range(12))])
    with Store.open(store.directory) as reader:
        for k in (1, 5, 11, 12, 13, 20):
            assert paths(reader, k) == expected[:k]


def test_filters_keep_to_their_documents(store: Store) -> None:
    documents = fill(store, 30, 4)
    indexes(store).sync(final=True)
    put(store, FOLDER, "late.txt", document_of("late one", "late two"))
    embed_all(store)
    late = next(one.id for one in store.documents() if one.path == "late.txt")
    for chosen in ([], [documents[3]], documents[::7], [*documents[:2], late], [late], [9999]):
        found = indexes(store).search_dense(QUERY, 50, document_ids=chosen)
        assert agree(found, brute_force(store, QUERY, 50, chosen))
    assert indexes(store).search_dense(QUERY, 50, document_ids=[]) == []


def test_products_are_those_of_the_vectors_wherever_they_are(store: Store) -> None:
    fill(store, 10, 4)
    indexes(store).sync(final=True)
    gone = store.chunks_of(store.documents()[2].id)[0].id
    store.remove_documents([store.documents()[2].id])
    put(store, FOLDER, "late.txt", document_of("late one", "late two"))
    embed_all(store)
    put(store, FOLDER, "waiting.txt", document_of("without a vector"))
    ids = all_chunk_ids(store)
    expected = dict(zip(ids, (store.vectors_of(ids) @ QUERY).tolist(), strict=True))
    del expected[ids[-1]]
    for reader in (store, Store.open(store.directory)):
        found = indexes(reader).products(QUERY, [*reversed(ids), gone, 9999])
        assert found == pytest.approx(expected, abs=1e-6)
        assert indexes(reader).products(QUERY, []) == {}
        assert indexes(reader).products(np.ones(3, dtype=np.float32), ids) == {}
        if reader is not store:
            reader.close()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 4), st.integers(0, 4)),
            st.tuples(st.just("remove"), st.integers(0, 4), st.just(0)),
            st.tuples(st.just("embed"), st.just(0), st.just(0)),
            st.tuples(st.just("sync"), st.booleans(), st.just(0)),
            st.tuples(st.just("reopen"), st.just(0), st.just(0)),
        ),
        max_size=12,
    ),
    chosen=st.sets(st.integers(0, 4)),
)
def test_whatever_happens_search_equals_the_truth(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int, int]],
    chosen: set[int],
) -> None:
    directory = tmp_path_factory.mktemp("kb")
    with Store.open(directory, create=True) as writer:
        reader = Store.open(directory)
        try:
            with writer.writing("test"):
                for step, number, size in steps:
                    path = f"{number}.txt"
                    if step == "put":
                        # Paths share passages, so that vectors are shared and freed.
                        passages = [f"passage {part}" for part in range(number, number + size + 1)]
                        put(writer, FOLDER, path, document_of(*passages))
                    elif step == "remove":
                        writer.remove_documents(
                            [one.id for one in writer.documents() if one.path == path]
                        )
                    elif step == "embed":
                        embed_all(writer)
                    elif step == "sync":
                        indexes(writer).sync(final=bool(number))
                    else:
                        reader.close()
                        reader = Store.open(directory)
                    ids = [one.id for one in writer.documents() if int(one.path[0]) in chosen]
                    for store in (writer, reader):
                        assert agree(
                            indexes(store).search_dense(QUERY, 50), brute_force(writer, QUERY, 50)
                        )
                        assert agree(
                            indexes(store).search_dense(QUERY, 3, document_ids=ids),
                            brute_force(writer, QUERY, 3, ids),
                        )
                embed_all(writer)
                indexes(writer).sync(final=True)
                assert problems(writer) == []
        finally:
            reader.close()


@pytest.mark.parametrize("harm", ["delete", "truncate", "flip", "garble note", "file for folder"])
def test_a_lost_or_damaged_file_loses_nothing(store: Store, harm: str) -> None:
    fill(store, 5, 5)
    indexes(store).sync(final=True)
    expected = brute_force(store, QUERY, 10)
    folder = store.directory / "dense"
    (file,) = folder.glob("*.faiss")
    (note,) = folder.glob("*.json")
    if harm == "truncate":
        file.write_bytes(file.read_bytes()[:-100])
    elif harm == "flip":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.write_bytes(data)
    elif harm == "garble note":
        note.write_text('{"format": 1', encoding="utf-8")
    else:
        shutil.rmtree(folder)
        if harm == "file for folder":
            folder.write_text("in the way", encoding="utf-8")
    with Store.open(store.directory) as reader:
        assert agree(indexes(reader).search_dense(QUERY, 10), expected)
        assert any("dense view" in problem for problem in problems(reader))
    if harm == "file for folder":
        folder.unlink()
    indexes(store).rebuild()
    assert problems(store) == []
    assert agree(indexes(store).search_dense(QUERY, 10), expected)


def test_the_file_of_another_base_is_not_used(store: Store, tmp_path: Path) -> None:
    fill(store, 3, 3)
    indexes(store).sync(final=True)
    with Store.open(tmp_path / "other", create=True) as other, other.writing("test"):
        put(other, FOLDER, "a.txt", document_of("alpha"))
        embed_all(other)
        shutil.copytree(store.directory / "dense", other.directory / "dense")
        assert len(indexes(other).search_dense(QUERY, 20)) == 1
        indexes(other).sync(final=True)
        assert len(files_of(other)) == 2
        assert problems(other) == []


def test_small_changes_do_not_rewrite_the_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 4, 5)
    indexes(store).sync(final=True)
    written = files_of(store)
    put(store, FOLDER, "more.txt", document_of("one", "two"))
    embed_all(store)
    indexes(store).sync(final=True)
    assert files_of(store) == written
    monkeypatch.setattr(dense, "_FINAL_TAIL", (10, 0.05))
    fill(store, 8, 5)
    indexes(store).sync(final=True)
    assert len(files_of(store)) == 2
    assert files_of(store) != written


def test_removing_everything_removes_the_file(store: Store) -> None:
    fill(store, 2, 2)
    indexes(store).sync(final=True)
    store.remove_documents([one.id for one in store.documents()])
    indexes(store).sync(final=True)
    assert files_of(store) == []
    assert indexes(store).search_dense(QUERY, 5) == []
    assert problems(store) == []


class TestApproximate:
    """Beyond the limit: an inverted file, here with the limit lowered."""

    @pytest.fixture
    def large(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setattr(dense, "FLAT_LIMIT", 500)
        fill(store, 60, 50)
        indexes(store).sync(final=True)
        return store

    def test_recall_is_measured_kept_and_shown(self, large: Store) -> None:
        (check,) = [check for check in indexes(large).check() if check.name == "dense view"]
        assert "approximate, recall@10" in check.message
        recall = float(check.message.split("recall@10 ")[1].split()[0])
        assert recall >= 0.98
        found = wanted = 0
        for number in range(40):
            query = vector_of(f"passage {number} {number}") + 0.3 * vector_of(f"noise {number}")
            exact = {hit.chunk_id for hit in brute_force(large, query, 10)}
            found += len(exact & {hit.chunk_id for hit in indexes(large).search_dense(query, 10)})
            wanted += len(exact)
        assert found / wanted >= 0.93

    def test_filters_are_exact(self, large: Store) -> None:
        documents = [document.id for document in large.documents()]
        for chosen in (documents[:1], documents[::5]):
            found = indexes(large).search_dense(QUERY, 20, document_ids=chosen)
            assert agree(found, brute_force(large, QUERY, 20, chosen))
        most = documents[1:]
        hits = indexes(large).search_dense(QUERY, 3000, document_ids=most)
        chunks = large.chunks([hit.chunk_id for hit in hits])
        assert chunks
        assert {chunk.document_id for chunk in chunks} <= set(most)

    def test_what_came_and_went_since_is_exact(self, large: Store) -> None:
        (best, *_) = indexes(large).search_dense(QUERY, 1)
        gone = large.chunks([best.chunk_id])[0].document_id
        large.remove_documents([gone])
        put(large, FOLDER, "late.txt", document_of("what is asked"))
        embed_all(large)
        for store in (large, Store.open(large.directory)):
            hits = indexes(store).search_dense(QUERY, 20)
            assert hits[0].score == pytest.approx(1.0, abs=1e-3)
            assert gone not in {one.document_id for one in store.chunks([h.chunk_id for h in hits])}
            if store is not large:
                store.close()

    def test_lists_are_kept_until_the_base_has_doubled(
        self, large: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dense, "_FINAL_TAIL", (10, 0.0))
        before = files_of(large)
        put(large, FOLDER, "a.txt", document_of(*(f"another {part}" for part in range(50))))
        embed_all(large)
        indexes(large).sync(final=True)
        assert files_of(large) != before
        assert problems(large) == []
        query = vector_of("another 7")
        (best, *_) = indexes(large).search_dense(query, 3)
        assert large.chunks([best.chunk_id])[0].text == "another 7"

    def test_a_base_that_shrinks_is_exact_again(
        self, large: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        large.remove_documents([document.id for document in large.documents()[8:]])
        indexes(large).rebuild()
        (check,) = [check for check in indexes(large).check() if check.name == "dense view"]
        assert "exact" in check.message
        assert agree(indexes(large).search_dense(QUERY, 20), brute_force(large, QUERY, 20))
