"""The first pass of the dense search: what it leaves out is never what was to be found."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from store_samples import (
    document_of,
    embed_all,
    indexes,
    problems,
    put,
    vector_of,
)
from test_dense import FOLDER, agree, brute_force, fill

from ragkit.index import quantized
from ragkit.store import Store

QUERY = vector_of("what is asked")


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 1500),
    width=st.sampled_from([2, 8, 16, 50, 384]),
    groups=st.integers(1, 40),
    spread=st.sampled_from([0.0, 0.001, 0.1, 3.0]),
    k=st.integers(1, 60),
    share=st.sampled_from([None, 0.3, 0.6, 0.99]),
)
def test_nothing_better_is_left_out(
    seed: int, count: int, width: int, groups: int, spread: float, k: int, share: float | None
) -> None:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((groups, width))
    rows = unit(
        centres[random.integers(0, groups, count)] + spread * random.standard_normal((count, width))
    ).astype(np.float16)
    query = unit(random.standard_normal((1, width)))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantized, "FEWEST", 1)
        built = quantized.build(rows)
    assume(built is not None)  # in few dimensions rounding may be too coarse
    assert built is not None
    index, rounding = built
    allowed = None if share is None else random.random(count) < share
    found = quantized.nearest(quantized.FirstPass(index, rounding, rows), query, k, allowed)
    if found is None:
        return
    positions, scores = found
    exact = rows.astype(np.float32) @ query
    assert len(set(positions.tolist())) == len(positions)
    assert np.allclose(scores, exact[positions], atol=1e-6)
    there = np.ones(count, dtype=bool) if allowed is None else allowed
    assert there[positions].all()
    assert len(positions) >= min(k, int(there.sum()))
    there[positions] = False
    if there.any():
        assert exact[there].max() < np.sort(scores)[-k] - 1e-6


def test_the_proof_mostly_succeeds() -> None:
    random = np.random.default_rng(0)
    centres = random.standard_normal((100, 384))
    rows = unit(centres[random.integers(0, 100, 20_000)] + random.standard_normal((20_000, 384)))
    built = quantized.build(rows.astype(np.float16))
    assert built is not None
    first = quantized.FirstPass(*built, rows.astype(np.float16))
    for query in unit(centres[:20] + random.standard_normal((20, 384))):
        assert quantized.nearest(first, query, 120, None) is not None


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(quantized, "FEWEST", 50)
    with Store.open(tmp_path / "kb", create=True) as opened, opened.writing("test"):
        fill(opened, 40, 10)
        indexes(opened).sync(final=True)
        assert len(list((opened.directory / "dense").glob("*.rounded.faiss"))) == 1
        yield opened


def used(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each search was answered by the first pass."""
    calls: list[bool] = []
    nearest = quantized.nearest

    def noted(*arguments: object) -> object:
        found = nearest(*arguments)  # type: ignore[arg-type]
        calls.append(found is not None)
        return found

    monkeypatch.setattr(quantized, "nearest", noted)
    return calls


def test_search_is_exact_with_deletions_tails_and_filters(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = used(monkeypatch)
    with Store.open(store.directory) as reader:
        for round_ in range(3):
            documents = [one.id for one in store.documents()]
            for k in (1, 7, 50, 1000):
                assert agree(indexes(reader).search_dense(QUERY, k), brute_force(store, QUERY, k))
                for chosen in (documents[::2], documents[1:], documents[:2]):
                    found = indexes(reader).search_dense(QUERY, k, document_ids=chosen)
                    assert agree(found, brute_force(store, QUERY, k, chosen))
            best = store.chunks([indexes(reader).search_dense(QUERY, 1)[0].chunk_id])[0]
            store.remove_documents([best.document_id, documents[-1 - round_]])
            put(store, FOLDER, f"late {round_}.txt", document_of(f"late {round_}", "later"))
            embed_all(store)
    assert calls.count(True) > 20


def test_a_damaged_first_pass_is_noticed_and_not_used(store: Store) -> None:
    expected = brute_force(store, QUERY, 20)
    (file,) = (store.directory / "dense").glob("*.rounded.faiss")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    for harmed in (bytes(data), bytes(data[:-10]), None):
        file.unlink()
        if harmed is not None:
            file.write_bytes(harmed)
        with Store.open(store.directory) as reader:
            assert agree(indexes(reader).search_dense(QUERY, 20), expected)
            assert any("dense view" in problem for problem in problems(reader))
    indexes(store).rebuild()
    assert problems(store) == []


def test_the_file_of_an_older_format_is_replaced(store: Store) -> None:
    (note,) = (store.directory / "dense").glob("*.json")
    values = json.loads(note.read_text(encoding="utf-8"))
    del values["rounded"], values["rounding"]
    note.write_text(json.dumps(values | {"format": 1}), encoding="utf-8")
    with Store.open(store.directory) as reader:
        assert agree(indexes(reader).search_dense(QUERY, 20), brute_force(store, QUERY, 20))
    indexes(store).sync(final=True)
    assert problems(store) == []
    assert len(list((store.directory / "dense").iterdir())) == 3
