"""The lexical view: a tantivy index of words, searched by BM25.

Its folder holds chunks (text, headings, title and file name, codes) and one more entry that says
which base it is of and which change it has reached. That entry is committed together with the
chunks, so the index is always exactly at one change, whenever the process dies.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ragkit.errors import KnowledgeBaseError
from ragkit.index import ordering as ranking
from ragkit.index.tantivy_files import (
    Opened,
    apply,
    everything,
    languages_of,
    new_index,
    open_folder,
    open_writer,
    panics_as_errors,
    read_state,
    write_manifest,
)
from ragkit.index.tantivy_query import (
    ALONE,
    FINDING_FIELDS,
    WordWeights,
    build_presence,
    build_query,
)
from ragkit.language import analysis
from ragkit.language.languages import ENGLISH
from ragkit.store import changes
from ragkit.store.records import Scored

if TYPE_CHECKING:
    from pathlib import Path

    from ragkit.store.allowed import Allowed
    from ragkit.store.database import Database

LEXICAL_FOLDER = "lexical"
_IN_MEMORY_LIMIT = 20_000
_DIGITS = 6
# With a filter that allows so large a share, its best are found among the best of all: looking
# up each of very many allowed documents takes far longer.
_SPARSE = 0.15
_SPARE, _SPARE_HITS, _MOST = 1.3, 50, 4_096
# Dropping these in a forked child would wait for threads that are not there.
_INHERITED: list[Any] = []


class DamagedIndexError(KnowledgeBaseError):
    """The word index could not be read; it must be built anew."""


class LexicalView:
    """Searches words; see the module's description."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.folder = directory / LEXICAL_FOLDER
        self._database = database
        self._lock = threading.RLock()
        self._opened: Opened | None = None
        self._writer: Any = None
        self._damaged = False

    def search(
        self,
        parts: Sequence[tuple[str, float]],
        k: int,
        allowed: Allowed | None = None,
        weights: WordWeights = ALONE,
    ) -> list[Scored]:
        """Return the ``k`` chunks of highest BM25 score, best first, equal ones by chunk id.

        Any text is a valid query: its words are looked up, there is no syntax. Scores are shares,
        from 0 to 1, of what a chunk would tend to that repeats every word of the question, and
        so can be compared between questions.

        Args:
            parts: Texts to look for and their weights, which sum to 1 at most.
            k: How many chunks; fewer come back when there are no more.
            allowed: Only these chunks; ``None`` is no limit.
            weights: What words count by where they stand.

        Raises:
            DamagedIndexError: the index cannot be read.
        """
        opened = self._open()
        if opened is None or k <= 0 or (allowed is not None and not len(allowed.ranges)):
            return []
        try:
            with panics_as_errors():
                return _search(opened, parts, k, allowed, weights)
        except (ValueError, OSError) as error:
            raise DamagedIndexError(
                f"the word index in {str(self.folder)!r} cannot be read ({error}); "
                "delete the folder: nothing is lost, and it is built anew"
            ) from error

    def terms(self, prefix: str) -> list[tuple[str, int]]:
        """List the stems that begin so, of texts, headings and names, and how often they occur."""
        opened = self._open()
        if opened is None:
            return []
        with contextlib.suppress(ValueError, OSError), panics_as_errors():
            searcher = opened.index.searcher()
            counts: dict[str, int] = {}
            for field in FINDING_FIELDS:
                for term, count in searcher.terms_with_prefix(field, prefix):
                    stem = analysis.stem_of(term)
                    counts[stem] = counts.get(stem, 0) + count
            return list(counts.items())
        return []

    def holds(self, stem: str) -> bool:
        """Whether a stem occurs in any text, heading or name, in any language."""
        opened = self._open()
        if opened is None:
            return False
        with contextlib.suppress(ValueError, OSError), panics_as_errors():
            searcher = opened.index.searcher()
            terms = [analysis.term_of(stem, language) for language in languages_of(searcher)]
            return any(searcher.doc_freq(field, term) for term in terms for field in FINDING_FIELDS)
        return False

    def absent(self, words: Sequence[str], allowed: Allowed | None = None) -> frozenset[str]:
        """Return those of the words that no chunk holds; none where the index cannot be read.

        Words that say little are never among them. Limits as in :meth:`search`.
        """
        opened = self._open()
        if opened is None:
            return frozenset()
        with contextlib.suppress(ValueError, OSError), panics_as_errors():
            searcher = opened.index.searcher()
            missing: set[str] = set()
            for word in dict.fromkeys(words):
                query = build_presence(opened.index, searcher, word)
                if query is None:
                    continue
                # Most words that are missing are so everywhere, which costs less to find out.
                held = bool(searcher.search(query, 1, count=False).hits)
                if held and allowed is not None:
                    query = _limited(opened.index, query, allowed)
                    held = bool(searcher.search(query, 1, count=False).hits)
                if not held:
                    missing.add(word)
            return frozenset(missing)
        return frozenset()

    def languages(self) -> tuple[str, ...]:
        """Return the languages of the chunks, English always among them and first."""
        opened = self._open()
        if opened is not None:
            with contextlib.suppress(ValueError, OSError), panics_as_errors():
                return languages_of(opened.index.searcher())
        return (ENGLISH,)

    def behind(self) -> int:
        """How many changed chunks the index does not show as they are now."""
        opened = self._open()
        with self._database.snapshot() as connection:
            sequence = changes.current(connection)
            if opened is not None and opened.sequence == sequence:
                return 0
            past = (
                changes.since(connection, opened.sequence, ("chunks", "words")) if opened else None
            )
            if past is not None:
                return past.chunks
            return int(connection.execute("SELECT chunks FROM state").fetchone()[0])

    def sync(self) -> int:
        """Apply and commit all changes; return the number reached. Needs the writer lock.

        A folder that is missing, damaged, of another base or too old is built anew.
        """
        with self._lock:
            # The folder may have been harmed while it was open, or by a process that was killed:
            # look at it afresh once, and then do without it.
            for give_up in (self._forget, self.discard):
                try:
                    return self._catch_up()
                except (ValueError, OSError):
                    give_up()
            try:
                with _tantivy_errors(self.folder):
                    return self._catch_up()
            except KnowledgeBaseError:
                self._forget()
                raise

    def _catch_up(self) -> int:
        with self._database.snapshot() as connection:
            opened = self._open()
            if opened is not None and opened.in_memory:  # made by a thread that could not wait
                opened = None if self._damaged else open_folder(self.folder, self._database.base)
            past = None
            if opened is not None:
                past = changes.since(connection, opened.sequence, ("chunks", "words"))
            if opened is None or past is None:
                opened, past = self._start_over(), everything(connection)
            if past.sequence == opened.sequence:
                return opened.sequence
            with panics_as_errors():
                if self._writer is None:
                    self._writer = open_writer(opened.index)
                self._opened = apply(opened, self._writer, self._database.base, connection, past)
            write_manifest(self.folder)
            return past.sequence

    def rebuild(self) -> None:
        """Build the folder anew from the truth. Needs the writer lock."""
        with self._lock:
            self.close()
            self._wipe()
            self.sync()

    def build_in_memory(self) -> None:
        """Without a usable folder or the right to write one: index a small base in memory."""
        with self._lock, self._database.snapshot() as connection:
            (chunks,) = connection.execute("SELECT chunks FROM state").fetchone()
            if chunks > _IN_MEMORY_LIMIT or self._writer is not None:
                return
            with _tantivy_errors(self.folder):
                opened = new_index(None)
                writer = open_writer(opened.index)
                past = everything(connection)
                self._opened = apply(opened, writer, self._database.base, connection, past)
                writer.wait_merging_threads()

    def close_writer(self) -> None:
        """Let merges finish and give up tantivy's own lock."""
        with self._lock:
            if self._writer is not None:
                writer, self._writer = self._writer, None
                with _tantivy_errors(self.folder):
                    writer.wait_merging_threads()
                    write_manifest(self.folder)

    def close(self) -> None:
        """Give up everything; the next use opens it again."""
        with self._lock:
            self.close_writer()
            self._opened = None

    def discard(self) -> None:
        """Never again use the folder as it is: what it holds could not be read."""
        with self._lock:
            self._forget()
            self._damaged = True

    def _forget(self) -> None:
        self._opened = self._writer = None

    def after_fork(self) -> None:
        """Start over in a child process, where tantivy's threads and locks do not exist."""
        self._lock = threading.RLock()
        _INHERITED.extend((self._opened, self._writer))
        self._opened = self._writer = None

    def _open(self) -> Opened | None:
        """Open the folder, or look again at what others committed to it."""
        # A search need not wait for a writing thread of this process while it has an index.
        if not self._lock.acquire(blocking=self._opened is None):
            return self._opened
        try:
            opened = self._opened
            with self._database.reading() as connection:
                if opened is not None and opened.sequence == changes.current(connection):
                    return opened
            if opened is not None and not opened.in_memory and self._writer is None:
                with contextlib.suppress(ValueError, OSError), panics_as_errors():
                    opened.index.reload()
                    fresh = read_state(opened.index, self._database.base)
                    if fresh is not None and self.folder.is_dir():
                        self._opened = fresh
                        return fresh
                self._opened = opened = None
            if not self._damaged and (opened is None or opened.in_memory):
                fresh = open_folder(self.folder, self._database.base)
                if fresh is not None:
                    self._opened = fresh
            return self._opened
        finally:
            self._lock.release()

    def usable(self) -> bool:
        """Whether there is an index on disk to search, if perhaps an old one."""
        opened = self._open()
        return opened is not None and not opened.in_memory

    def _start_over(self) -> Opened:
        self.close()
        self._wipe()
        with _tantivy_errors(self.folder):
            self.folder.mkdir(parents=True)
            self._damaged = False
            return new_index(self.folder)

    def _wipe(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.folder.is_dir():
                with _tantivy_errors(self.folder):
                    shutil.rmtree(self.folder)
            else:
                self.folder.unlink()


@contextlib.contextmanager
def _tantivy_errors(folder: Path) -> Iterator[None]:
    try:
        with panics_as_errors():
            yield
    except (ValueError, OSError) as error:
        raise KnowledgeBaseError(
            f"the word index in {str(folder)!r} cannot be written ({error}); check the disk and "
            "your rights; nothing is lost, and the folder may be deleted: it is built anew"
        ) from error


def _search(
    opened: Opened,
    parts: Sequence[tuple[str, float]],
    k: int,
    allowed: Allowed | None,
    weights: WordWeights,
) -> list[Scored]:
    searcher = opened.index.searcher()
    query = build_query(opened.index, searcher, parts, weights)
    if query is None:
        return []

    def nearest(query: Any, count: int) -> list[Scored]:
        hits = searcher.search(query, count, count=False).hits
        ids = searcher.fast_field_values("chunk", [address for _score, address in hits])
        return [
            Scored(int(chunk_id), round(min(score, 1.0), _DIGITS))
            for (score, _address), chunk_id in zip(hits, ids, strict=True)
        ]

    if allowed is not None:
        wanted = _enough(k, allowed.chunks / max(1, searcher.num_docs))
        if wanted is not None:
            found = _among(nearest(query, wanted), k, wanted, allowed)
            if found is not None:
                return ranking.in_order(found, k)
        query = _limited(opened.index, query, allowed)
    found = ranking.best(lambda count: nearest(query, count), k, searcher.num_docs)
    return ranking.in_order(found, k)


def _enough(k: int, share: float) -> int | None:
    """How many to look at so that ``k`` are likely among them; ``None`` if that is too many."""
    if share < _SPARSE:
        return None
    wanted = int(_SPARE * k / min(share, 1.0)) + _SPARE_HITS
    return wanted if wanted <= _MOST else None


def _among(hits: list[Scored], k: int, wanted: int, allowed: Allowed) -> list[Scored] | None:
    """The allowed ones of the best hits; ``None`` if others of the ``k`` best may not be there."""
    import numpy as np

    fits = allowed.holds(np.asarray([hit.chunk_id for hit in hits], dtype=np.int64)).tolist()
    found = [hit for hit, is_allowed in zip(hits, fits, strict=True) if is_allowed]
    whole = len(hits) < wanted or (len(found) >= k and hits[-1].score < found[k - 1].score)
    return found if whole else None


def _limited(index: Any, query: Any, allowed: Allowed) -> Any:
    """Limit a query to what is allowed, without a word on the score."""
    import tantivy

    if allowed.documents is not None:
        field, ids = "document", allowed.documents.tolist()
    else:
        field, ids = "chunk", allowed.ids()
    limit = tantivy.Query.term_set_query(index.schema, field, ids)
    return tantivy.Query.boolean_query(
        [
            (tantivy.Occur.Must, query),
            (tantivy.Occur.Must, tantivy.Query.const_score_query(limit, 0.0)),
        ]
    )
