"""Documents put in and taken out one by one, without a folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypedDict, cast

from ingest.chunker import chunk_document
from ingest.document import Document
from ingest.errors import LoadError
from ingest.isolate import LoadLimits, LoadRequest
from ingest.loaders.registry import MARKDOWN, TEXT, checked, load_bytes, loaders
from ragkit.errors import NotInBaseError, UsageError
from ragkit.retrieve.filters import KEYS, parse_where
from ragkit.run.fingerprint import bind_chunker, chunking_for
from ragkit.run.ingestion import loader_pool
from ragkit.run.options import Paths, check_keywords, several
from ragkit.store.paths import shown, storable
from ragkit.store.records import FileState, StoredDocument

if TYPE_CHECKING:
    from ragkit.run.opened import Opened

_BOM = "\ufeff"


class AddOptions(TypedDict, total=False):
    """How to load a document that is put in as bytes.

    Attributes:
        password: Opens it if it is encrypted.
        limits: Time, memory and size that loading it may use; as much time to cut it up.
        ocr: Recognise the text of scanned PDF pages (the extra ``ocr``).
    """

    password: str | None
    limits: LoadLimits | None
    ocr: bool


def add(
    base: Opened,
    content: str | bytes | Document,
    path: str,
    metadata: Mapping[str, str],
    options: AddOptions,
) -> StoredDocument:
    """Put a document in; see :meth:`ragkit.KnowledgeBase.add`."""
    check_keywords("KnowledgeBase.add", options, AddOptions)
    if (there := base.found()) is not None:
        there.require_writable("add")
    path = _checked_path(path)
    _check_metadata(metadata)
    document, data = _load(content, path, options)
    facts = {**document.metadata, **metadata}
    title = metadata.get("title", document.title)
    document = replace(document, metadata=facts, title=title)
    limits = options.get("limits")
    state = FileState(len(data), time.time_ns(), hashlib.sha256(data).hexdigest())
    while True:
        # Chunked and embedded before others are kept out, for a model may take its time.
        embedder = base.embedder(make=True)
        store, indexes = base.store(), base.indexes()
        try:
            chunks = chunk_document(
                document,
                tokenizer=embedder.tokenizer,
                options=chunking_for(embedder),
                name=shown(path),
                seconds=limits.seconds if limits else None,
            )
        except LoadError as error:
            raise UsageError(f"cannot add {path!r}: {error}") from error
        vectors = embedder.embed([chunk.embedded_text for chunk in chunks], kind="passage")
        with store.writing("add"):
            if base.embedder() is not embedder:
                continue  # another process has rebuilt the base with another model
            bind_chunker(store, embedder)
            root = store.added_root()
            store.put_document(root.id, path, state, document, chunks, vectors=vectors)
            indexes.sync(final=True)
            named = store.unusual_paths().get((root.id, path), shown(path))
            return cast("StoredDocument", store.stored_document(named))


def delete(base: Opened, paths: Paths) -> tuple[str, ...]:
    """Take documents out; see :meth:`ragkit.KnowledgeBase.delete`."""
    store = base.store()
    indexes = base.indexes()  # which refuses a wrong index before anything is changed
    with store.writing("rm"):
        doomed: dict[str, int] = {}
        for name in several(paths):
            matches = store.documents(parse_where({"path": name}))
            if not matches:
                raise NotInBaseError(f"no document matches {name!r}; ragkit ls shows their paths")
            doomed.update({document.path: document.id for document in matches})
        store.remove_documents(list(doomed.values()))
        indexes.sync(final=True)
    return tuple(sorted(doomed))


def _checked_path(path: str) -> str:
    if not isinstance(path, str) or not path.strip():
        raise UsageError(f"path must be a name such as 'notes/hours.txt', not {path!r}")
    parts = path.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or any(not sign.isprintable() for sign in path):
        raise UsageError(
            f"path must be relative, without '..' or signs that cannot be seen: {path!r}"
        )
    if not (named := PurePosixPath(*parts)).name:
        raise UsageError(f"path must end in a name, such as 'notes/hours.txt': {path!r}")
    return named.as_posix()


def _check_metadata(metadata: Mapping[str, str]) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise UsageError(f"metadata must map texts to texts, not {key!r} to {value!r}")
        if key.casefold() in KEYS or key.endswith("!") or not key.strip():
            raise UsageError(
                f"metadata cannot be called {key!r}: {', '.join(KEYS)} are what filters know of every"
                " document, and '!' means all others"
            )


def _load(
    content: str | bytes | Document, path: str, options: AddOptions
) -> tuple[Document, bytes]:
    """Return what is to be stored, and the bytes that it was, or would be, read from."""
    if isinstance(content, Document):
        try:
            return checked(content), storable(content.text).encode()
        except ValueError as error:
            raise UsageError(f"cannot add {path!r}: {error}") from error
    if not isinstance(content, str | bytes):
        raise UsageError(
            f"content must be text, bytes or an ingest.Document, not {type(content).__name__!r}"
        )
    try:
        if isinstance(content, bytes):
            return _load_apart(content, path, options), content
        suffix = PurePosixPath(path).suffix.lower()
        spec = next((spec for spec in loaders().values() if suffix in spec.suffixes), TEXT)
        data = storable(content).encode()
        if spec not in (TEXT, MARKDOWN) or data.lstrip().startswith(b"%PDF-"):
            # Text is in no other encoding, whatever it says itself.
            return _load_apart(storable(_BOM + content).encode(), path, options), data
        return load_bytes(Path(f"text{spec.suffixes[0]}"), data), data
    except LoadError as error:
        raise UsageError(f"cannot add {path!r}: {error}") from error


def _load_apart(data: bytes, path: str, options: AddOptions) -> Document:
    """Load in a worker process, for bytes may come from anywhere."""
    with (
        loader_pool(1, options.get("limits"), ocr=options.get("ocr", False)) as pool,
        TemporaryDirectory(prefix="ragkit-") as folder,
    ):
        file = Path(folder) / PurePosixPath(path).name[-100:]
        file.write_bytes(data)
        [(_, outcome)] = pool.load_all([LoadRequest(file, options.get("password"))])
    if isinstance(outcome, LoadError):
        raise outcome
    return outcome.document
