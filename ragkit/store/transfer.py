"""A whole base as one file: a ZIP archive of a manifest and of the database, compacted.

The views are left out: they are built anew from the database. A file to import may come from
anywhere, so nothing in it is believed: it may hold these two entries and no others, no path in it is
ever used, no more is unpacked than it says and the disk has room for, and the database must have
exactly the tables that ragkit makes (no triggers, no views) and pass SQLite's own checks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ragkit.errors import CorruptError, KnowledgeBaseError, UsageError, VersionError
from ragkit.store import documents, schema
from ragkit.store.database import FILE_NAME, Database, companions, sync_folder, translated_errors
from ragkit.store.lock import WriterLock
from ragkit.store.paths import from_stored, to_stored

_FORMAT = 1
_MANIFEST = "manifest.json"
_MANIFEST_BYTES = 1_000_000
_BLOCK = 1 << 20
_SPARE_BYTES = 50 * 2**20
_LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds. ``size_bytes`` is of the file, ``database_bytes`` once unpacked."""

    documents: int
    chunks: int
    vectors: int
    database_bytes: int
    size_bytes: int


def export_base(
    database: Database, file: Path, *, overwrite: bool = False, sessions: bool = True
) -> Exported:
    """Write the base as it is at this moment to ``file``, which appears whole or not at all.

    Nobody has to wait, neither readers nor a writer.

    Args:
        database: The base.
        file: Where to.
        overwrite: Whether to replace a file that exists.
        sessions: Whether to export also what people asked and were told: conversations, memories,
            traces, cached answers, vectors of questions, spending. Without, no byte of it is left.

    Raises:
        UsageError: ``file`` exists, and ``overwrite`` is false; or its folder does not.
        KnowledgeBaseError: it cannot be written.
    """
    if not file.parent.is_dir():
        raise UsageError(f"cannot write {str(file)!r}: there is no folder {str(file.parent)!r}")
    if file.exists() and not overwrite:
        raise UsageError(f"{str(file)!r} exists already; name another file, or pass --force")
    copy = file.with_name(f".{file.name}.{os.getpid()}.sqlite3")
    archive = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with _system_errors(f"cannot write {str(file)!r}"):
            with database.reading() as connection:
                connection.execute("VACUUM INTO ?", (str(copy),))
            if not sessions:
                _forget_people(copy)
            manifest = _describe(copy)
            with zipfile.ZipFile(archive, "x", zipfile.ZIP_DEFLATED, allowZip64=True) as target:
                target.writestr(_MANIFEST, json.dumps(manifest, indent=1))
                target.write(copy, FILE_NAME)
            with archive.open("rb+") as stream:
                os.fsync(stream.fileno())
            archive.replace(file)
            sync_folder(file.parent)
            size = file.stat().st_size
    finally:
        for leftover in (copy, *companions(copy), archive):
            leftover.unlink(missing_ok=True)
    return Exported(
        documents=manifest["documents"],
        chunks=manifest["chunks"],
        vectors=manifest["vectors"],
        database_bytes=manifest["database_bytes"],
        size_bytes=size,
    )


def unpack_base(
    file: Path, directory: Path, *, folders: Mapping[str, Path] | None = None
) -> Exported:
    """Make the base in ``directory`` from an exported file; it appears whole or not at all.

    Args:
        file: What :func:`export_base` wrote, perhaps on another machine.
        directory: Where there is no base yet; made if needed.
        folders: Where ingested folders of the other machine are on this one, old to new, both
            absolute, so that the next ingest knows their files.

    Raises:
        UsageError: there is a base already, or a folder is not one of those that were ingested.
        VersionError: a newer ragkit exported it.
        CorruptError: it is no export, or a damaged or manipulated one; nothing is imported.
        KnowledgeBaseError: there is no room, or no right to write.
    """
    target = directory / FILE_NAME
    with _system_errors(f"cannot import into {str(directory)!r}"):
        with file.open("rb") as stream:
            if not zipfile.is_zipfile(stream):  # before anything is made for it
                raise _refused(file, "it is not a ZIP archive")
        directory.mkdir(parents=True, exist_ok=True)
        lock = WriterLock(directory)
        with lock.hold("importing a knowledge base", _LOCK_SECONDS):
            if target.exists():
                raise UsageError(
                    f"there is a knowledge base in {str(directory)!r} already; name another "
                    "directory with --kb, or move that one away"
                )
            temporary = target.with_name(f"{FILE_NAME}.import")
            try:
                manifest = _unpack(file, temporary)
                _accept(file, temporary, folders or {})
                for leftover in companions(target):  # of a base that was there before
                    leftover.unlink(missing_ok=True)
                temporary.replace(target)
                sync_folder(directory)
            finally:
                for leftover in (temporary, *companions(temporary)):
                    leftover.unlink(missing_ok=True)
    return Exported(
        documents=manifest["documents"],
        chunks=manifest["chunks"],
        vectors=manifest["vectors"],
        database_bytes=manifest["database_bytes"],
        size_bytes=file.stat().st_size,
    )


def discard_base(directory: Path) -> None:
    """Remove the base that :func:`unpack_base` just made, which could not be made searchable."""
    database = directory / FILE_NAME
    for path in (database, *companions(database)):
        path.unlink(missing_ok=True)


def _forget_people(copy: Path) -> None:
    with (
        translated_errors(copy),
        contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = MEMORY")
        for table in schema.ABOUT_PEOPLE:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        connection.execute("VACUUM")  # deleted rows stay in the file until it is written anew


def _describe(copy: Path) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        row = connection.execute("SELECT documents, chunks, vectors FROM state").fetchone()
    with copy.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "format": _FORMAT,
        "schema": schema.VERSION,
        "documents": row[0],
        "chunks": row[1],
        "vectors": row[2],
        "database_bytes": copy.stat().st_size,
        "sha256": digest,
    }


def _unpack(file: Path, target: Path) -> dict[str, Any]:
    """Take the database out of the archive; return the manifest."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = sorted(archive.namelist())
            if names != sorted((_MANIFEST, FILE_NAME)):
                raise _refused(file, f"it holds {', '.join(map(repr, names[:5])) or 'nothing'}")
            manifest = _read_manifest(file, archive)
            size = archive.getinfo(FILE_NAME).file_size
            if size != manifest["database_bytes"]:
                raise _refused(file, "its manifest does not fit its content")
            free = shutil.disk_usage(target.parent).free
            if size + _SPARE_BYTES > free:
                raise KnowledgeBaseError(
                    f"{str(file)!r} unpacks to {size / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB "
                    f"are free where {str(target.parent)!r} is"
                )
            with archive.open(FILE_NAME) as source, target.open("wb") as sink:
                digest = _copy(source, sink, size)
                sink.flush()
                os.fsync(sink.fileno())
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        # BadZipFile also for a wrong checksum, RuntimeError for an encrypted entry.
        raise _refused(file, str(error)) from error
    if digest != manifest["sha256"]:
        raise _refused(file, "its checksum is wrong")
    return manifest


def _read_manifest(file: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    if archive.getinfo(_MANIFEST).file_size > _MANIFEST_BYTES:
        raise _refused(file, "its manifest is too large")
    try:
        manifest = json.loads(archive.read(_MANIFEST))
        newer = max(int(manifest["format"]) - _FORMAT, int(manifest["schema"]) - schema.VERSION)
        numbers = ("documents", "chunks", "vectors", "database_bytes")
        checked: dict[str, Any] = {name: int(manifest[name]) for name in numbers}
        checked["sha256"] = str(manifest["sha256"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused(file, "its manifest cannot be read") from error
    if newer > 0:
        raise VersionError(f"{str(file)!r} was exported by a newer ragkit; upgrade ragkit")
    return checked


def _copy(source: IO[bytes], sink: IO[bytes], size: int) -> str:
    digest = hashlib.sha256()
    left = size
    while left > 0 and (block := source.read(min(_BLOCK, left))):
        digest.update(block)
        sink.write(block)
        left -= len(block)
    return digest.hexdigest()


def _accept(file: Path, database: Path, folders: Mapping[str, Path]) -> None:
    """Check an unpacked database, and make it this machine's own."""
    with (
        _damage(file),
        translated_errors(database),
        contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != schema.APPLICATION_ID or not 1 <= version <= schema.VERSION:
            raise _refused(file, "its database is not one of ragkit's")
        if _tables(connection) != _tables_of(version):
            raise _refused(file, "its database has other tables than ragkit's")
        if [row[0] for row in connection.execute("PRAGMA integrity_check(1)")] != ["ok"]:
            raise _refused(file, "its database is damaged")
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise _refused(file, "its database has rows that belong to nothing")
        from ragkit.store import soundness

        try:
            schema.migrate(connection)
        except (ValueError, TypeError, LookupError, sqlite3.Error) as error:
            raise _refused(file, "it cannot be brought up to date") from error
        if fault := next(soundness.faults(connection), None):
            raise _refused(file, fault)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        # Views that an earlier base left in the directory must not be taken for this one's.
        connection.execute("UPDATE settings SET value = ? WHERE key = 'base'", (uuid.uuid4().hex,))
        for old, new in folders.items():
            _place_folder(connection, old, new)
        connection.commit()


def _place_folder(connection: sqlite3.Connection, old: str, new: Path) -> None:
    cursor = connection.execute(
        "UPDATE OR IGNORE roots SET folder = ? WHERE folder = ? AND folder <> ''",
        (to_stored(str(new)), to_stored(old)),
    )
    if not cursor.rowcount:
        rows = connection.execute("SELECT folder FROM roots WHERE folder <> ''")
        known = [from_stored(row[0]) for row in rows]
        raise UsageError(
            f"no folder {old!r} was ingested there, but {', '.join(map(repr, known)) or 'none'}"
        )
    documents.name_all_paths(connection)


def _tables(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
    return sorted(tuple(map(str, row)) for row in rows)


def _tables_of(version: int) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.migrate(connection, upto=version)
        return _tables(connection)


def _refused(file: Path, why: str) -> CorruptError:
    return CorruptError(
        f"{str(file)!r} is not a sound export of a knowledge base ({why}); nothing was imported. "
        "Export it again with `ragkit export`"
    )


@contextlib.contextmanager
def _damage(file: Path) -> Iterator[None]:
    try:
        yield
    except CorruptError as error:
        if str(file) in str(error):
            raise
        raise _refused(file, "its database is damaged") from error


@contextlib.contextmanager
def _system_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KnowledgeBaseError(f"{what}: {(error.strerror or str(error)).lower()}") from error
