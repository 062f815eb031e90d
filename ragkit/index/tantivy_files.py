"""The tantivy index behind the lexical view: its fields, its files, and how changes get into it.

A chunk's fields are its text (``body``), that with the chunks before and after it (``context``),
headings, title and file name (``name``), and codes. Texts are stemmed before they get here, each in
the language of its document, which is noted with the chunk.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tantivy

from ragkit.index import commit_note
from ragkit.index.commit_note import Reached
from ragkit.language import analysis, languages

if TYPE_CHECKING:
    from ragkit.store.feed import Passage, WordChanges

TEXT_FIELDS = ("body", "context", "heading", "name")
FORMAT = f"4-{analysis.ANALYSIS_VERSION}"
_MANIFEST = "files.json"
_READING_LOCK = ".tantivy-meta.lock"
_CHANGING = {"meta.json", ".managed.json", _MANIFEST, commit_note.NOTE}
_WRITER_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Opened:
    """An index and what it has reached; ``None``: nothing was committed yet."""

    index: Any
    reached: Reached | None

    @property
    def sequence(self) -> int:
        """Number of the last change it holds."""
        return self.reached.sequence if self.reached else 0


@contextlib.contextmanager
def panics_as_errors() -> Iterator[None]:
    """Make a Rust panic, which tantivy may answer damaged files with, a ``ValueError``.

    All its other failures are ``ValueError`` or ``OSError`` already. The class of a panic derives
    from ``BaseException`` and cannot be imported.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"tantivy panicked: {error}") from error


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("chunk", indexed=True, fast=True)
    builder.add_unsigned_field("document", indexed=True)
    for field in TEXT_FIELDS:
        builder.add_text_field(field, tokenizer_name="terms", index_option="freq")
    builder.add_text_field("codes", tokenizer_name="terms", index_option="freq")
    builder.add_text_field("language", tokenizer_name="raw", index_option="basic")
    return builder.build()


def new_index(folder: Path | None) -> Opened:
    """Make an empty index in an empty folder, or in memory."""
    index = tantivy.Index(_schema(), str(folder) if folder else None, reuse=False)
    return Opened(_prepared(index), None)


def open_writer(index: Any) -> Any:
    """Open tantivy's writer, and clear away what a killed process left half done."""
    writer = index.writer(_WRITER_BYTES, 1)
    writer.garbage_collect_files()
    return writer


def _prepared(index: Any) -> Any:
    index.register_tokenizer("terms", analysis.space_analyzer())
    index.config_reader("manual")
    return index


def open_folder(folder: Path, base: str) -> Opened | None:
    """Open the index in a folder, or ``None`` if there is no usable one of this base."""
    if not folder.is_dir():
        return None
    if damaged_files(folder, thorough=False):
        return None
    try:
        with panics_as_errors(), _lockable(folder) as place:
            return newest(_prepared(tantivy.Index.open(str(place))), folder, base)
    except (ValueError, OSError):  # missing or damaged: it will be built anew
        return None


@contextlib.contextmanager
def _lockable(folder: Path) -> Iterator[Path]:
    """Give the folder, or one of links to its files: tantivy writes a lock even to open an index.

    Once it is open, its files are mapped, and the folder of links is needed no more.
    """
    lock = folder / _READING_LOCK
    if os.access(folder, os.W_OK) and (not lock.exists() or os.access(lock, os.W_OK)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="ragkit-") as links:
        for path in folder.iterdir():
            if path.suffix != ".lock":
                try:
                    (Path(links) / path.name).symlink_to(path)
                except (OSError, NotImplementedError):  # Windows, without the right to make links
                    shutil.copyfile(path, Path(links) / path.name)
        yield Path(links)


def newest(index: Any, folder: Path, base: str) -> Opened | None:
    """Look at the last commit to the index in a folder; ``None`` if it is not one of this base."""
    while True:
        stamp = commit_note.stamp(folder)
        index.reload()
        reached = commit_note.read(folder, _label(base), stamp)
        if commit_note.stamp(folder) == stamp:  # nobody has committed meanwhile
            return None if reached is None else Opened(index, reached)


def _label(base: str) -> str:
    return f"{base} {FORMAT}"


def apply(
    opened: Opened, writer: Any, folder: Path | None, base: str, changes: WordChanges
) -> Opened:
    """Look at ranges of chunks again and commit, with a note of the number reached."""
    schema = opened.index.schema
    before = 0 if opened.reached is None else opened.reached.last_chunk
    last_chunk = max([before, *(last for _first, last in changes.ranges)])
    reached = Reached(changes.sequence, last_chunk)
    try:
        for first, last in changes.ranges:
            if first <= before:
                writer.delete_documents_by_query(
                    tantivy.Query.range_query(
                        schema,
                        "chunk",
                        tantivy.FieldType.Unsigned,
                        first,
                        last,
                        use_inverted_index=True,
                    )
                )
        for document in _entries(changes.added()):
            writer.add_document(document)
        if folder is not None:
            commit_note.announce(folder, _label(base), opened.reached, reached)
        writer.commit()
        if folder is not None:
            commit_note.confirm(folder, _label(base), reached)
    except BaseException:
        with contextlib.suppress(ValueError):
            writer.rollback()
        raise
    opened.index.reload()
    return Opened(opened.index, reached)


def _entries(passages: Iterator[Passage]) -> Iterator[Any]:
    # A chunk's text is wanted three times: for itself and around its neighbours.
    normalise = functools.lru_cache(maxsize=8)(analysis.normalise)
    terms = functools.lru_cache(maxsize=8)(_spaced_terms)
    for one in passages:
        entry = tantivy.Document()
        entry.add_unsigned("chunk", one.id)
        entry.add_unsigned("document", one.document_id)
        entry.add_text("language", one.language)
        body = normalise(one.text)
        entry.add_text("body", terms(body, one.language))
        around = [
            terms(normalise(part), one.language) for part in (one.before, one.text, one.after)
        ]
        entry.add_text("context", "\n".join(around))
        headings = analysis.normalise(one.headings)
        entry.add_text("heading", _spaced_terms(headings, one.language))
        entry.add_text("name", _spaced_terms(analysis.normalise(one.name), one.language))
        found = analysis.codes(f"{body}\n{headings}")
        if found:
            entry.add_text("codes", " ".join(found))
        yield entry


def _spaced_terms(text: str, language: str) -> str:
    return " ".join(analysis.terms(text, language))


def languages_of(searcher: Any) -> tuple[str, ...]:
    """Return the languages of an index's chunks, English always among them and first."""
    found = {language for language, _count in searcher.terms_with_prefix("language", "")}
    return (languages.ENGLISH, *sorted(found - {languages.ENGLISH}))


def write_manifest(folder: Path) -> None:
    """Note sizes and checksums of the files, which never change once they are committed."""
    known = _manifest(folder)
    files: dict[str, list[int]] = {}
    for path in sorted(folder.iterdir()):
        if path.name in _CHANGING or path.name.endswith(".lock"):
            continue
        with contextlib.suppress(FileNotFoundError):  # merged away at this moment
            size = path.stat().st_size
            before = known.get(path.name)
            checksum = before[1] if before and before[0] == size else _checksum(path)
            files[path.name] = [size, checksum]
    if files == known:
        return
    temporary = folder / f"{_MANIFEST}.new"
    temporary.write_text(json.dumps(files), encoding="utf-8")
    temporary.replace(folder / _MANIFEST)


def damaged_files(folder: Path, *, thorough: bool) -> list[str]:
    """Names of files that are not what they were: by size, or with ``thorough`` by content.

    tantivy would trust them. Files that are gone were merged into others, or it will miss them.
    """
    damaged: list[str] = []
    for name, (size, checksum) in _manifest(folder).items():
        path = folder / name
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size != size or (thorough and _checksum(path) != checksum):
                damaged.append(name)
    return damaged


def _manifest(folder: Path) -> dict[str, list[int]]:
    try:
        files = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return {str(name): [int(size), int(crc)] for name, (size, crc) in files.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # lost with the last seconds before a power cut: nothing is checked


def _checksum(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc
