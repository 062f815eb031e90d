"""Indexes of one's own: what is checked of them, that the checks can fail, and a base that uses one."""

import importlib.util
import multiprocessing
import os
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ingest import Chunk, Document
from ragkit import KnowledgeBase, import_base
from ragkit.errors import UsageError
from ragkit.index import Allowed, DamagedIndexError, IndexState, Scored, VectorChanges, ordered
from ragkit.index.faiss_index import FaissIndex
from ragkit.store import FileState, Store
from ragkit.testing import HashEmbedder, check_vector_index

EXAMPLE = Path(__file__).parents[2] / "examples" / "numpy_index.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("numpy_index", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["numpy_index"] = module
    spec.loader.exec_module(module)
    return module


# What an index in memory keeps, in place of files: by directory and base.
KEPT: dict[tuple[Path, str], "Reader"] = {}


class Reader:
    """The right one; each wrong one below differs in one thing."""

    def __init__(self, sequence: int, ids: Any, rows: Any) -> None:
        self.sequence, self.ids, self.rows = sequence, ids, rows
        self.dimension = rows.shape[1]

    def search(self, query: Any, k: int, allowed: Allowed | None) -> list[Scored]:
        fits = slice(None) if allowed is None else allowed.holds(self.ids)
        return ordered(self.ids[fits], self.rows[fits] @ query, k)

    def vectors(self, ids: Any) -> tuple[Any, Any]:
        there = np.isin(self.ids, ids)
        return self.ids[there], self.rows[there]


class MemoryIndex:
    reader_class = Reader

    def __init__(self, directory: Path, base: str) -> None:
        self.key = (directory, base)

    def sequence(self) -> int | None:
        return KEPT[self.key].sequence if self.key in KEPT else None

    def reader(self) -> Reader | None:
        return KEPT.get(self.key)

    def keep(self, sequence: int, ids: Any, rows: Any) -> int:
        KEPT[self.key] = self.reader_class(sequence, ids, rows)
        return sequence

    def stays(self, changes: VectorChanges, ids: Any) -> Any:
        return ~changes.stale(ids)

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        ids, rows = np.empty(0, np.int64), np.empty((0, changes.dimension), np.float32)
        before = self.reader()
        if before is not None and not changes.whole and before.dimension == changes.dimension:
            stays = self.stays(changes, before.ids)
            ids, rows = before.ids[stays], before.rows[stays]
            parts = list(changes.added())
        else:
            parts = list(changes.everything())
        for more, vectors in parts:
            ids, rows = np.concatenate([ids, more]), np.concatenate([rows, vectors])
        return self.keep(changes.sequence, ids, rows)

    def check(self) -> IndexState | None:
        kept = self.reader()
        return None if kept is None else IndexState(kept.sequence, len(kept.ids))

    def drop(self) -> None:
        KEPT.pop(self.key, None)

    def close(self) -> None:
        pass


class ForgetsNothing(MemoryIndex):
    def stays(self, changes: VectorChanges, ids: Any) -> Any:
        return np.ones(len(ids), bool)


class ForgetsTooMuch(MemoryIndex):
    def stays(self, changes: VectorChanges, ids: Any) -> Any:
        return np.zeros(len(ids), bool)


class BelievesTheLog(MemoryIndex):
    """It does not begin anew when it is told to."""

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        return super().apply(replace(changes, whole=False), final=final)


class SharesWithOthers(MemoryIndex):
    def __init__(self, directory: Path, base: str) -> None:
        super().__init__(directory, "any")


class PutsTooMuch(MemoryIndex):
    """It says that it has reached a change that it put off."""

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        if final:
            return super().apply(changes, final=final)
        return self.keep(changes.sequence, np.empty(0, np.int64), np.empty((0, 24), np.float32))


class SaysAnother(MemoryIndex):
    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        return super().apply(changes, final=final) - 1


class NeverDrops(MemoryIndex):
    def drop(self) -> None:
        pass


class FailsWhenEmpty(MemoryIndex):
    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        ids, _ = next(iter(changes.everything()))
        assert len(ids)
        return super().apply(changes, final=final)


class ChangesUnderReaders(MemoryIndex):
    def keep(self, sequence: int, ids: Any, rows: Any) -> int:
        if self.key in KEPT:
            KEPT[self.key].__init__(sequence, ids, rows)  # type: ignore[misc]
        return super().keep(sequence, ids, rows) if self.key not in KEPT else sequence


def wrong_reader(search: Callable[[Reader, Any, int, Allowed | None], list[Scored]]) -> type:
    made = type("Wrong", (Reader,), {"search": search})
    return type(search.__name__, (MemoryIndex,), {"reader_class": made})


def ignores_filters(self: Reader, query: Any, k: int, allowed: Allowed | None) -> list[Scored]:
    return ordered(self.ids, self.rows @ query, k)


def filters_afterwards(self: Reader, query: Any, k: int, allowed: Allowed | None) -> list[Scored]:
    found = ordered(self.ids, self.rows @ query, 2 * k)
    fits = allowed.holds(np.array([hit.chunk_id for hit in found], np.int64)) if allowed else ()
    return found if allowed is None else [h for h, fit in zip(found, fits, strict=True) if fit]


def approximates_with_a_filter(
    self: Reader, query: Any, k: int, allowed: Allowed | None
) -> list[Scored]:
    fits = slice(None) if allowed is None else allowed.holds(self.ids) & (self.ids % 50 != 3)
    return ordered(self.ids[fits], self.rows[fits] @ query, k)


def orders_ties_backwards(
    self: Reader, query: Any, k: int, allowed: Allowed | None
) -> list[Scored]:
    found = Reader.search(self, query, len(self.ids), allowed)
    return sorted(found, key=lambda hit: (-hit.score, -hit.chunk_id))[:k]


def scores_wrongly(self: Reader, query: Any, k: int, allowed: Allowed | None) -> list[Scored]:
    found = Reader.search(self, query, k, allowed)
    return [Scored(hit.chunk_id, (hit.score + 1) / 2) for hit in found]


def finds_too_few(self: Reader, query: Any, k: int, allowed: Allowed | None) -> list[Scored]:
    return Reader.search(self, query, min(k, 100), allowed)


def is_used_by_one_thread(
    self: Reader, query: Any, k: int, allowed: Allowed | None
) -> list[Scored]:
    import time

    self.query = query  # type: ignore[attr-defined]
    if len(self.ids) > 500:
        time.sleep(0.0005)
    return Reader.search(self, self.query, k, allowed)  # type: ignore[attr-defined]


class FailsOnDamage(FaissIndex):
    """What the library raises for a damaged file, it hands on."""

    def reader(self) -> Any:
        if any(not path.read_bytes().startswith(b"{") for path in self._folder.glob("*.json")):
            raise ValueError("damaged")
        return super().reader()


WRONG = [
    ForgetsNothing,
    ForgetsTooMuch,
    BelievesTheLog,
    SharesWithOthers,
    PutsTooMuch,
    SaysAnother,
    NeverDrops,
    FailsWhenEmpty,
    ChangesUnderReaders,
    FailsOnDamage,
    *map(
        wrong_reader,
        [
            ignores_filters,
            filters_afterwards,
            approximates_with_a_filter,
            orders_ties_backwards,
            scores_wrongly,
            finds_too_few,
            is_used_by_one_thread,
        ],
    ),
]


@pytest.mark.parametrize("name", ["faiss", "numpy", "memory"])
def test_the_indexes_there_are_pass(name: str) -> None:
    indexes = {"faiss": FaissIndex, "numpy": example().NumpyIndex, "memory": MemoryIndex}
    check_vector_index(indexes[name])


@pytest.mark.parametrize("index", WRONG, ids=lambda index: str(index.__name__))
def test_an_index_that_does_wrong_is_found_out(index: type) -> None:
    with pytest.raises((AssertionError, StopIteration, ValueError)):
        check_vector_index(index)


def misses_some(self: Reader, query: Any, k: int, allowed: Allowed | None) -> list[Scored]:
    """One of 20, as an approximate index may; but none of those that a filter leaves."""
    fits = self.ids % 20 != 0 if allowed is None else allowed.holds(self.ids)
    return ordered(self.ids[fits], self.rows[fits] @ query, k)


def test_an_approximate_index_is_held_to_the_recall_that_is_asked_of_it() -> None:
    index = wrong_reader(misses_some)
    check_vector_index(index, recall=0.8)
    with pytest.raises(AssertionError, match="it finds other ids"):
        check_vector_index(index)
    with pytest.raises(AssertionError, match="it finds other ids"):
        check_vector_index(index, recall=0.99)
    for wrong in (ignores_filters, filters_afterwards, scores_wrongly, approximates_with_a_filter):
        with pytest.raises(AssertionError):
            check_vector_index(wrong_reader(wrong), recall=0.5)
    for recall in (0.0, 1.1):
        with pytest.raises(UsageError, match="recall must be"):
            check_vector_index(index, recall=recall)


def test_the_approximate_index_there_is_finds_most_and_never_too_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ragkit.index.faiss_index.FLAT_LIMIT", 100)
    check_vector_index(FaissIndex, recall=0.7)


def test_the_approximate_index_filters_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragkit.index.faiss_index.FLAT_LIMIT", 100)
    monkeypatch.setattr("ragkit.index.inverted_file._RECALL_WANTED", 1.01)  # looks at all lists
    check_vector_index(FaissIndex)


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 150


def test_a_base_uses_the_index_that_its_opener_names(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"Passage {number} is about thing {number}.")
    where, embedder = tmp_path / "kb", HashEmbedder()
    with KnowledgeBase(where, embedder=embedder, vector_index=example().NumpyIndex) as kb:
        kb.ingest(folder)
        found = [(hit.path, hit.score) for hit in kb.search("thing 3", mode="dense")]
        assert (where / "numpy").is_dir()
        assert not (where / "dense").exists()
        assert [c.status for c in kb.check() if c.name == "dense view"] == ["ok"]
    with KnowledgeBase(where, embedder=embedder) as kb:  # another engine, without the files
        assert [(hit.path, hit.score) for hit in kb.search("thing 3", mode="dense")] == found
        kb.ingest(folder)
        assert (where / "dense").is_dir()


def test_an_imported_base_gets_the_index_that_is_asked_for(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.add("Some words.", path="a.txt")
        kb.export(tmp_path / "moved.ragkit")
    with pytest.raises(UsageError, match=r"import_base\(\) got vector_index='annoy'"):
        import_base(tmp_path / "moved.ragkit", tmp_path / "there", vector_index="annoy")
    assert not (tmp_path / "there").exists()
    index = example().NumpyIndex
    import_base(tmp_path / "moved.ragkit", tmp_path / "there", vector_index=index)
    assert (tmp_path / "there" / "numpy").is_dir()
    assert not (tmp_path / "there" / "dense").exists()


class Watched(MemoryIndex):
    """It tells what it was asked, and fails once where ``fails`` says so."""

    calls: ClassVar[list[str]] = []
    fails: ClassVar[list[str]] = []

    def apply(self, changes: VectorChanges, *, final: bool) -> int:
        self.calls.append("apply")
        if self.fails and self.fails.pop() == "apply":
            raise DamagedIndexError("its files are gone")
        return super().apply(changes, final=final)

    def drop(self) -> None:
        self.calls.append("drop")
        super().drop()

    def close(self) -> None:
        self.calls.append("close")


def test_an_index_lets_go_when_nobody_writes_and_begins_anew_when_it_is_damaged(
    tmp_path: Path,
) -> None:
    Watched.calls.clear()
    with KnowledgeBase(tmp_path, embedder=HashEmbedder(), vector_index=Watched) as kb:
        kb.add("Some words.", path="a.txt")
        assert Watched.calls == ["apply", "close"]  # others may write now
        Watched.fails.append("apply")
        kb.add("Other words.", path="b.txt")
        assert Watched.calls[2:] == ["apply", "drop", "apply", "close"]
        assert kb.search("other words", k=1, mode="dense")[0].path == "b.txt"
        del Watched.calls[:]
    assert Watched.calls == ["close"]


def test_a_word_index_that_has_little_of_what_there_is_is_not_searched(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path, embedder=HashEmbedder()) as kb:
        kb.add("Early words.", path="a.txt")
        assert kb.search("early", mode="lexical")
        with Store.open(tmp_path) as other, other.writing("a long job"):
            for number in range(3):
                text = f"Late word{number} here."
                chunk = Chunk(f"k{number}", 0, 0, len(text), text, None, (), "", 3)
                state = FileState(1, 1, "0" * 64)
                root = other.added_root().id
                other.put_document(root, f"{number}.txt", state, Document(text, "text"), [chunk])
            assert kb.search("word2", mode="lexical", k=1)[0].path == "2.txt"


class Held(MemoryIndex):
    """In the process that made it first, opening it waits for ``release``."""

    made_in = 0
    release, waits = threading.Event(), threading.Event()

    def reader(self) -> Reader | None:
        if os.getpid() == self.made_in:
            self.waits.set()
            self.release.wait(60)
        return super().reader()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_waits_for_no_thread_that_it_does_not_have(tmp_path: Path) -> None:
    def child(results: Any) -> None:
        results.put([hit.path for hit in kb.search("some words", mode="dense")])

    context = multiprocessing.get_context("fork")
    with KnowledgeBase(tmp_path, embedder=HashEmbedder(), vector_index=Held) as kb:
        kb.add("Some words.", path="a.txt")
        Held.made_in = os.getpid()
        searching = threading.Thread(target=lambda: kb.search("some words", mode="dense"))
        searching.start()
        assert Held.waits.wait(60)  # in the view's lock
        results = context.Queue()
        process = context.Process(target=child, args=(results,))
        process.start()
        try:
            assert results.get(timeout=60) == ["a.txt"]
        finally:
            Held.release.set()
            process.kill()
            searching.join()


@pytest.mark.parametrize("there", [False, True], ids=["no base", "a base"])
@pytest.mark.parametrize(
    ("option", "given", "message"),
    [
        ("vector_index", "annoy", "it must be one of 'faiss', or an object"),
        ("word_index", "lucene", "it must be one of 'tantivy', or an object"),
        ("vector_index", 3, "it must be a name, an index or what makes one"),
        ("word_index", 3, "it must be a name, an index or what makes one"),
    ],
)
def test_what_is_no_index_is_refused_on_opening(
    tmp_path: Path, option: str, given: Any, message: str, there: bool
) -> None:
    where, embedder = tmp_path / "kb", HashEmbedder()
    if there:
        with KnowledgeBase(where, embedder=embedder) as kb:
            kb.add("Some words.", path="a.txt")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    expected = re.escape(f"KnowledgeBase() got {option}={given!r}; {message}")
    with pytest.raises(UsageError, match=expected):
        KnowledgeBase(where, embedder=embedder, **{option: given})  # type: ignore[arg-type]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_makes_no_index_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    def nothing(_directory: Path, _base: str) -> None: ...

    for option in ("vector_index", "word_index"):
        with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(), **{option: nothing}) as kb:  # type: ignore[arg-type]
            with pytest.raises(UsageError, match=rf"KnowledgeBase.. got {option}=.*made no index"):
                kb.add("Some words.", path="a.txt")
            assert kb.documents() == []
