"""What the store gives and takes: plain, frozen rows. Offsets are code points, times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

RootKind = Literal["folder", "file", "added"]
CheckStatus = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that was ingested (``"folder"``), or that only lends single files (``"file"``).

    ``folder`` is absolute; ``name`` is its last part, or the drive for a whole drive. The one root
    that is ``"added"`` holds what never was a file; its ``folder`` is only a name.
    """

    id: int
    folder: Path
    kind: RootKind
    name: str


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when it was read: bytes, modification time in ns, SHA-256 in hex.

    ``sha256`` may be ``None`` only for a failure, when the file could not be read.
    """

    size: int
    mtime_ns: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file the base knows: a document (``document_id``) or a failure (``failure``: the reason).

    ``relative_path`` is relative to the root's folder, with ``/`` between its parts.
    """

    document_id: int | None
    root_id: int
    relative_path: str
    size: int
    mtime_ns: int
    sha256: str | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document without its text.

    Attributes:
        path: How it is shown and cited: unique in the base; see :mod:`ragkit.store.paths`.
        pages: Number of pages; 0 for formats without pages.
        chunks: Number of its chunks.
        vectors: How many of them have a vector.
        characters: Length of its text in code points.
        added_at: When its present content was stored, in seconds since 1970.
    """

    id: int
    root_id: int
    relative_path: str
    path: str
    format: str
    title: str | None
    size: int
    mtime_ns: int
    sha256: str
    pages: int
    chunks: int
    vectors: int
    characters: int
    encoding: str | None
    added_at: float
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFailure:
    """A file that could not be loaded, and why. ``failed_at`` is in seconds since 1970."""

    root_id: int
    relative_path: str
    path: str
    reason: str
    size: int
    mtime_ns: int
    sha256: str | None
    failed_at: float


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk: ``document.text[start:end] == text``. ``key`` is the chunker's ``Chunk.id``.

    ``path`` is its document's display path; ``page`` is 1-based or ``None``.
    """

    id: int
    key: str
    document_id: int
    path: str
    index: int
    start: int
    end: int
    page: int | None
    text: str
    prefix: str
    tokens: int
    heading: tuple[str, ...] = ()

    @property
    def embedded_text(self) -> str:
        """What is embedded: title, headings and table header, then the text."""
        return self.prefix + self.text


@dataclass(frozen=True, slots=True)
class PendingChunk:
    """A chunk that waits for its vector. ``tokens`` counts ``embedded_text``."""

    chunk_id: int
    embedded_text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Where a chunk stands: its document (and how many chunks that has), its page if any, its text."""

    document_id: int
    path: str
    title: str | None
    document_chunks: int
    page: int | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class DocumentName:
    """What a document is called, and what may tell its date; ``metadata`` is a JSON object."""

    id: int
    path: str
    title: str
    metadata: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Scored:
    """A chunk and its score: cosine from a dense search, BM25 from a lexical one."""

    chunk_id: int
    score: float


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the base holds. ``vectors`` counts chunks that have one."""

    documents: int
    failures: int
    chunks: int
    vectors: int
    characters: int


@dataclass(frozen=True, slots=True)
class ViewLag:
    """How many changed chunks a search in this process would not see as they are now.

    ``dense`` is always 0 in a search, which reads late vectors from the truth; ``lexical`` is
    above 0 only while another process is writing, or when the folder cannot be written to.
    """

    dense: int
    lexical: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation. ``citations_json`` is a JSON list."""

    role: str
    content: str
    trace: str | None
    citations_json: str
    created_at: float


@dataclass(frozen=True, slots=True)
class NumberedTurn:
    """A message with its id in the base, and its number in its session, from 1."""

    id: int
    number: int
    role: str
    content: str
    created_at: float


@dataclass(frozen=True, slots=True)
class MemoryView:
    """How far a memory has read: the id of the last turn (0: none), and what it made of it all."""

    last_turn: int
    body: str


@dataclass(frozen=True, slots=True)
class MemoryFact:
    """Something a turn said: of ``subject``, or of what it is to ``object``."""

    turn_id: int
    subject: str
    relation: str
    object: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnVectors:
    """A turn's vectors, by itself and with the turn before it: float16, little-endian."""

    turn_id: int
    alone: bytes
    following: bytes


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A conversation: its name, number of turns, and when it began and last changed."""

    name: str
    turns: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of :meth:`Store.check`. ``remedy`` is empty when the status is ``"ok"``."""

    name: str
    status: CheckStatus
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer given before, as JSON, and the question that it answered.

    Attributes:
        trace: The trace of when it was given.
        vector: The question's, float16, little-endian, unit length; ``None`` if it has none.
    """

    question: str
    body_json: str
    trace: str
    vector: bytes | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens that language models read and wrote, and what they cost.

    Attributes:
        answers: How many answers were given by language models.
        calls: How often a model was asked.
        cost: In the currency of the prices; ``None`` where not all prices are known.
        known_cost: The part of the cost that is known.
    """

    answers: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    known_cost: float = 0.0
