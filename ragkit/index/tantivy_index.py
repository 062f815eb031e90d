"""The word index by tantivy, searched by BM25.

Its folder holds passages (text, headings, title and file name, codes), and a note which says of
which base they are and which change they have reached (:mod:`ragkit.index.commit_note`).
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tantivy

from ragkit.errors import KnowledgeBaseError
from ragkit.index.ordering import DIGITS, best, in_order
from ragkit.index.protocols import DamagedIndexError, IndexState, WordWeights
from ragkit.index.tantivy_files import (
    Opened,
    apply,
    damaged_files,
    languages_of,
    new_index,
    newest,
    open_folder,
    open_writer,
    panics_as_errors,
    write_manifest,
)
from ragkit.index.tantivy_query import FINDING_FIELDS, build_presence, build_query
from ragkit.language import analysis
from ragkit.language.languages import ENGLISH
from ragkit.store.records import Scored

if TYPE_CHECKING:
    from ragkit.store.allowed import Allowed
    from ragkit.store.feed import WordChanges

# With a filter that allows so large a share, its best are found among the best of all: looking
# up each of very many allowed documents takes far longer.
_SPARSE = 0.15
_SPARE, _SPARE_HITS, _MOST = 1.3, 50, 4_096


class TantivyIndex:
    """The index in one folder, or in memory; see the module's description."""

    def __init__(self, directory: Path | None, base: str) -> None:
        """Use the folder ``lexical`` in the directory of a base.

        Args:
            directory: The base's; ``None``: keep everything in memory.
            base: Its identifier; an index of another base is not used.
        """
        self._folder = None if directory is None else directory / "lexical"
        self._base = base
        self._lock = threading.RLock()
        self._opened: Opened | None = None
        self._writer: Any = None

    def sequence(self) -> int | None:
        """Return the last change that is committed."""
        opened = self._open()
        return None if opened is None else opened.sequence

    def reader(self) -> TantivyReader | None:
        """Open the folder, or look again at what others committed to it."""
        opened = self._open()
        if opened is None:
            return None
        return TantivyReader(opened.index, opened.index.searcher(), opened.sequence)

    def apply(self, changes: WordChanges) -> int:
        """Apply and commit changes; return their number.

        Raises:
            DamagedIndexError: the folder cannot be read or written.
        """
        with self._lock:
            try:
                with panics_as_errors():
                    opened = self._start_over() if changes.whole else self._open()
                    if opened is None:
                        raise ValueError("it is not there any more")
                    if self._writer is None:
                        self._writer = open_writer(opened.index)
                    self._opened = apply(opened, self._writer, self._folder, self._base, changes)
                    if self._folder is not None:
                        write_manifest(self._folder)
            except (ValueError, OSError) as error:
                writer, self._opened, self._writer = self._writer, None, None
                with contextlib.suppress(ValueError, OSError), panics_as_errors():
                    if writer is not None:  # merges go on in threads of their own
                        writer.wait_merging_threads()
                raise DamagedIndexError(
                    f"the word index in {str(self._folder)!r} cannot be written ({error}); check "
                    "the disk and your rights; nothing is lost, and the folder may be deleted: it "
                    "is built anew"
                ) from error
        return changes.sequence

    def check(self) -> IndexState | None:
        """Compare the files' checksums, and count the passages."""
        if self._folder is None:
            return None
        damaged = damaged_files(self._folder, thorough=True)
        if damaged:
            words = f"{len(damaged)} files of the word index are damaged, such as {damaged[0]!r}"
            return IndexState(0, 0, damage=words)
        opened = open_folder(self._folder, self._base)
        if opened is None:
            return None
        return IndexState(opened.sequence, opened.index.searcher().num_docs)

    def drop(self) -> None:
        """Delete the folder."""
        self.close()
        with self._lock:
            self._opened = None
            self._wipe()

    def close(self) -> None:
        """Let merges finish and give up tantivy's own lock."""
        with self._lock:
            if self._writer is not None:
                writer, self._writer = self._writer, None
                with _errors(self._folder):
                    writer.wait_merging_threads()
                    if self._folder is not None:
                        write_manifest(self._folder)

    def _open(self) -> Opened | None:
        # A search need not wait for a writing thread of this process while it has an index.
        if not self._lock.acquire(blocking=self._opened is None):
            return self._opened
        try:
            if self._folder is None or self._writer is not None:
                return self._opened
            if self._opened is not None:
                opened, self._opened = self._opened, None
                with contextlib.suppress(ValueError, OSError), panics_as_errors():
                    self._opened = newest(opened.index, self._folder, self._base)
            if self._opened is None:
                self._opened = open_folder(self._folder, self._base)
            return self._opened
        finally:
            self._lock.release()

    def _start_over(self) -> Opened:
        self.close()
        self._wipe()
        if self._folder is not None:
            self._folder.mkdir(parents=True)
        return new_index(self._folder)

    def _wipe(self) -> None:
        if self._folder is None:
            return
        with _errors(self._folder), contextlib.suppress(FileNotFoundError):
            if self._folder.is_dir():
                shutil.rmtree(self._folder)
            else:
                self._folder.unlink()


@dataclass(frozen=True, slots=True)
class TantivyReader:
    """One state of an index, whatever is committed to it meanwhile."""

    index: Any
    searcher: Any
    sequence: int

    def search(
        self,
        parts: Sequence[tuple[str, float]],
        k: int,
        allowed: Allowed | None,
        weights: WordWeights,
    ) -> list[Scored]:
        """Return the ``k`` passages of highest BM25 score, best first, equal ones by id.

        Scores are shares, from 0 to 1, of what a passage would tend to that repeats every word of
        the question.

        Raises:
            DamagedIndexError: the index cannot be read.
        """
        try:
            with panics_as_errors():
                return self._search(parts, k, allowed, weights)
        except (ValueError, OSError) as error:
            raise DamagedIndexError(
                f"the word index cannot be read ({error}); delete its folder: nothing is lost, and "
                "it is built anew"
            ) from error

    def _search(
        self,
        parts: Sequence[tuple[str, float]],
        k: int,
        allowed: Allowed | None,
        weights: WordWeights,
    ) -> list[Scored]:
        searcher = self.searcher
        query = build_query(self.index, searcher, parts, weights)
        if query is None:
            return []

        def nearest(query: Any, count: int) -> list[Scored]:
            hits = searcher.search(query, count, count=False).hits
            ids = searcher.fast_field_values("chunk", [address for _score, address in hits])
            return [
                Scored(int(chunk_id), round(min(score, 1.0), DIGITS))
                for (score, _address), chunk_id in zip(hits, ids, strict=True)
            ]

        if allowed is not None:
            wanted = _enough(k, allowed.chunks / max(1, searcher.num_docs))
            if wanted is not None:
                found = _among(nearest(query, wanted), k, wanted, allowed)
                if found is not None:
                    return in_order(found, k)
            query = _limited(self.index, query, allowed)
        return in_order(best(lambda count: nearest(query, count), k, searcher.num_docs), k)

    def terms(self, prefix: str) -> list[tuple[str, int]]:
        """List the stems that begin so, of texts, headings and names, and how often they occur."""
        with contextlib.suppress(ValueError, OSError), panics_as_errors():
            counts: dict[str, int] = {}
            for field in FINDING_FIELDS:
                for term, count in self.searcher.terms_with_prefix(field, prefix):
                    stem = analysis.stem_of(term)
                    counts[stem] = counts.get(stem, 0) + count
            return list(counts.items())
        return []

    def holds(self, stem: str) -> bool:
        """Whether a stem occurs in any text, heading or name, in any language."""
        with contextlib.suppress(ValueError, OSError), panics_as_errors():
            terms = [analysis.term_of(stem, language) for language in languages_of(self.searcher)]
            return any(
                self.searcher.doc_freq(field, term) for term in terms for field in FINDING_FIELDS
            )
        return False

    def absent(self, words: Sequence[str], allowed: Allowed | None) -> frozenset[str]:
        """Return those of the words that no chunk holds; none where the index cannot be read.

        Words that say little are never among them. Limits as in :meth:`search`.
        """
        with contextlib.suppress(ValueError, OSError), panics_as_errors():
            missing: set[str] = set()
            for word in dict.fromkeys(words):
                query = build_presence(self.index, self.searcher, word)
                if query is None:
                    continue
                # Most words that are missing are so everywhere, which costs less to find out.
                held = bool(self.searcher.search(query, 1, count=False).hits)
                if held and allowed is not None:
                    query = _limited(self.index, query, allowed)
                    held = bool(self.searcher.search(query, 1, count=False).hits)
                if not held:
                    missing.add(word)
            return frozenset(missing)
        return frozenset()

    def languages(self) -> tuple[str, ...]:
        """Return the languages of the chunks, English always among them and first."""
        with contextlib.suppress(ValueError, OSError), panics_as_errors():
            return languages_of(self.searcher)
        return (ENGLISH,)


@contextlib.contextmanager
def _errors(folder: Path | None) -> Iterator[None]:
    try:
        with panics_as_errors():
            yield
    except (ValueError, OSError) as error:
        raise KnowledgeBaseError(
            f"the word index in {str(folder)!r} cannot be written ({error}); check the disk and "
            "your rights; nothing is lost, and the folder may be deleted: it is built anew"
        ) from error


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
