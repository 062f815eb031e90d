"""The knowledge base: ingest folders, search them, ask them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from ragkit import aio, run
from ragkit.errors import NotInBaseError
from ragkit.events import new_trace_id
from ragkit.events.traces import Trace, find_trace, read_trace
from ragkit.retrieve.filters import WhereMapping, parse_where
from ragkit.run.opened import Opened

if TYPE_CHECKING:
    from threading import Event

    from ingest.document import Document
    from ragkit.agent import Tool
    from ragkit.answer.calibration import Calibration
    from ragkit.chat import AskOptions, Chat, SayOptions
    from ragkit.embed.embedder import Embedder
    from ragkit.events import Listener
    from ragkit.memory import CombinedMemory, Memory
    from ragkit.results import Answer, Hit, IngestReport, SearchResult, StreamEvent, Usage
    from ragkit.run.ingestion import IngestOptions
    from ragkit.run.one_by_one import AddOptions
    from ragkit.run.options import (
        FindOptions,
        Model,
        OpenOptions,
        PathLike,
        Paths,
        SearchOptions,
        Turns,
    )
    from ragkit.run.overview import Status
    from ragkit.store.records import Check, SessionInfo, Spent, StoredDocument, StoredFailure, Turn
    from ragkit.store.transfer import Exported


class KnowledgeBase:
    """A folder of documents that can be searched and asked.

    Use as a context manager, or call :meth:`close`; every call after that raises
    :class:`ragkit.KnowledgeBaseError`. One process at a time may write; any number of processes and
    threads may read meanwhile. The first :meth:`ingest` or :meth:`add` makes the base; until then,
    what reads it raises :class:`ragkit.NotFoundError` and leaves nothing on disk.
    """

    def __init__(self, path: PathLike = ".ragkit", **options: Unpack[OpenOptions]) -> None:
        """Open the knowledge base in the directory ``path``.

        Its ``model``, ``embedder`` and all other options: see :class:`ragkit.OpenOptions`.

        Raises:
            UsageError: an option is unknown, or what it is given is none of its kind.
            NotFoundError: there is none at ``path`` and ``create`` is false.
            FingerprintError: it was built with another embedding model than ``embedder``.
            VersionError: it was written by a newer version.
            CorruptError: its database is damaged.
        """
        self._base = Opened(Path(path).expanduser().absolute(), options)

    def __enter__(self) -> Self:
        self._base.require_open()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; calling it again does nothing."""
        self._base.close()

    @property
    def directory(self) -> Path:
        """Where the knowledge base is kept."""
        return self._base.directory

    @property
    def read_only(self) -> bool:
        """Whether the base may be searched and asked, but not changed, where it is kept."""
        return self._base.store().read_only

    def ingest(
        self, paths: Paths, *, dry_run: bool = False, **options: Unpack[IngestOptions]
    ) -> IngestReport:
        """Make the base equal to folders, or add or update single files.

        Documents of other folders, and what :meth:`add` put in, are left alone. Files that have not
        changed are not read. ``dry_run`` only says what would be done, and about how long it would
        take; for the options see :class:`ragkit.IngestOptions`.

        Raises:
            UsageError: a path does not exist.
            EmptyFolderError: a folder is empty that many documents came from.
            LockedError, ReadOnlyError: another process is writing; the base may only be read.
            FingerprintError: the base was built with another embedding model or chunker.
            EmbeddingError: the model failed; everything is committed and can be found by words.
        """
        return run.ingest(self._base, paths, options, dry_run=dry_run)

    def watch(
        self, paths: Paths, *, stop: Event | None = None, **options: Unpack[IngestOptions]
    ) -> Iterator[IngestReport]:
        """Ingest now and after each change, and yield what was done, until ``stop`` is set.

        The options are those of :meth:`ingest`; a function for passwords is asked once.
        """
        return run.watch(self._base, paths, options, stop=stop)

    def add(
        self,
        content: str | bytes | Document,
        *,
        path: str,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[AddOptions],
    ) -> StoredDocument:
        """Put a document in that is not a file; it is found at once, by words and by meaning.

        No ingest of a folder touches it. The same ``path`` again replaces it. Where this raises,
        nothing was stored.

        Args:
            content: Text; a file's bytes, loaded apart by what ``path`` ends in; or a document as
                :func:`ingest.load` returns it.
            path: What it is cited by, such as ``"notes/hours.txt"``; shown as ``"added/notes/…"``
                where an ingested file has the same.
            metadata: Facts to filter on with ``where``, before the document's own; ``"title"``
                names it. Its date is when it was added.
            **options: ``password``, ``limits``, ``ocr``; see :class:`ragkit.AddOptions`.

        Raises:
            UsageError: ``content`` cannot be loaded, or the path, metadata or an option are none.
            LockedError, ReadOnlyError: another process is writing; the base may only be read.
            FingerprintError: the base was built with another embedding model or chunker.
            EmbeddingError: the model failed, or cannot be loaded.
        """
        return run.add(self._base, content, path, metadata or {}, options)

    def delete(self, paths: Paths) -> tuple[str, ...]:
        """Delete documents by path or glob, as :meth:`documents` shows them; return their paths.

        The files stay. Where a path matches nothing, NotFoundError is raised, nothing is deleted.
        """
        return run.delete(self._base, paths)

    def rebuild(
        self, *, embedder: str | Embedder | None = None, listener: Listener | None = None
    ) -> None:
        """Chunk and embed all documents anew from their stored text, without their files.

        The base is searched as it was until all is done, and then exchanged at once; interrupted, it
        is as it was, and rebuilding again goes on. ``embedder`` is the model to change to.
        """
        run.rebuild(self._base, embedder, listener or self._base.listener)

    def check(self) -> list[Check]:
        """Check the whole base: the database, the indexes against it, the disk, the model."""
        return run.examine(self._base.indexes(), self._base.embedder_in_use)

    def repair(self) -> list[str]:
        """Repair what cannot lose anything; return what was done, one sentence each.

        Raises:
            CorruptError: the database itself is damaged; nothing was touched.
        """
        with (store := self._base.store()).writing("doctor --repair"):
            return store.repair() + self._base.indexes().repair()

    def export(self, file: PathLike, *, overwrite: bool = False, sessions: bool = True) -> Exported:
        """Write the base to one file, which :func:`ragkit.import_base` reads elsewhere.

        Without ``sessions``, what people asked and were told stays out: conversations, memories,
        traces, cached answers, vectors of questions, spending.
        """
        place = Path(file).expanduser().absolute()
        return self._base.store().export(place, overwrite=overwrite, sessions=sessions)

    def status(self) -> Status:
        """Say what the base holds, without loading any model."""
        return run.status_of(self._base)

    def documents(self, where: WhereMapping | None = None) -> list[StoredDocument]:
        """List the documents, by path."""
        return self._base.store().documents(parse_where(where))

    def failures(self) -> list[StoredFailure]:
        """List the files that could not be loaded, and why."""
        return self._base.store().failures()

    def document(self, path: str) -> Document:
        """Return a document as it was loaded; NotFoundError if there is none at ``path``."""
        return self._base.document(path)

    def text(self, path: str) -> str:
        """Return a document's whole text, which all offsets refer to; raises as :meth:`document`."""
        return self._base.document(path).text

    def locate(self, path: str) -> Path | None:
        """Return the file of a document, which may be gone by now; ``None`` for what was added."""
        return self._base.file_of(path)

    def search(
        self,
        question: str,
        *,
        k: int = 10,
        where: WhereMapping | None = None,
        history: Turns | None = None,
        **options: Unpack[FindOptions],
    ) -> list[Hit]:
        """Find the ``k`` best passages; see :meth:`retrieve`, which also says how it went.

        ``history`` are earlier turns, oldest first: ``[{"role": "user", "content": "…"}, …]``.
        """
        full: SearchOptions = {**options, "k": k, "history": history}
        return list(self._base.retrieve("search", question, where, full).hits)

    def retrieve(
        self, question: str, *, where: WhereMapping | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Find the ``k`` best passages, with what was degraded and the time of each stage.

        Args:
            question: Any text of at most 100,000 characters.
            where: Exact filter, such as ``{"path": "*.pdf", "date": ">=2024"}``; see
                :func:`ragkit.retrieve.filters.parse_where`.
            **options: ``k`` and ``history`` as for :meth:`search`, ``mode``, and stages beyond the
                defaults; see :class:`ragkit.SearchOptions`.
        """
        return self._base.retrieve("retrieve", question, where, options)

    def ask(
        self,
        question: str,
        *,
        where: WhereMapping | None = None,
        history: Turns | None = None,
        model: Model | Sequence[Model] | None = None,
        session: str | None = None,
        **options: Unpack[SayOptions],
    ) -> Answer:
        """Answer ``question`` from the documents, with checked citations, or refuse and say why.

        ``where`` and ``history`` are as for :meth:`search`. Of several models, the cheapest first,
        an answer of one that is not sure is given up for that of the next. ``session`` is the
        conversation whose budget counts. The options are what is to differ this time, such as
        ``mode="compare"`` or ``cache=False``: see :class:`ragkit.AskOptions`.
        """
        from ragkit.chat import answer

        full: AskOptions = {**options, "history": history, "model": model, "session": session}
        return answer(self._base, question, where, full)

    def stream(
        self, question: str, *, where: WhereMapping | None = None, **options: Unpack[AskOptions]
    ) -> Iterator[StreamEvent]:
        """Answer piece by piece: first the sources, then text, then the whole :class:`Answer`.

        The final answer's text may differ from the pieces: citations that do not exist are
        removed, the others renumbered. ``where`` and the options are those of :meth:`ask`.
        """
        from ragkit.chat import answer_events

        return answer_events(self._base, question, where, options)

    asearch, aask, astream = aio.asearch, aio.aask, aio.astream

    def as_tool(
        self, *, name: str = "search_kb", description: str | None = None, k: int = 6
    ) -> Tool:
        """Make the base a tool that an agent searches it with; passages come with their places.

        Models call it by its ``name``, and read in its ``description`` what is to be found here. A
        search returns ``k`` passages unless the model asks for another number.
        """
        from ragkit.agent.tools import search_kb_tool

        self._base.store()

        def find(query: str, passages: int, where: WhereMapping | None) -> SearchResult:
            return self.retrieve(query, k=passages, where=where)

        return search_kb_tool(find, name=name, description=description, k=k)

    def chat(
        self,
        session: str = "default",
        *,
        model: Model | Sequence[Model] | None = None,
        memory: str | Memory | Sequence[str | Memory] = ("window",),
    ) -> Chat:
        """Open a conversation that is kept in the base under the name ``session``, or go on with it.

        ``model`` answers, by default the base's. ``memory`` is what is remembered, as the kinds of
        :meth:`memory`, or what that returned. ReadOnlyError: nothing can be kept in the base.
        """
        from ragkit.chat import Chat

        return Chat(self._base, session, model=model, memory=memory)

    def memory(
        self,
        session: str,
        *,
        kinds: str | Memory | Sequence[str | Memory] = ("window", "turns"),
        model: Model | None = None,
    ) -> CombinedMemory:
        """Return the memory of a session, for an agent or a chain.

        ``kinds`` are recalled in this order: ``"window"`` (the last turns), ``"summary"``,
        ``"entities"``, ``"graph"`` (relations), ``"turns"`` (old turns like the question), or
        objects of the protocol :class:`ragkit.Memory`. A ``model`` writes summaries and notes;
        without one, rules do.
        """
        from ragkit.chat import memory_of

        return memory_of(self._base, session, kinds, model)

    def sessions(self) -> list[SessionInfo]:
        """List the conversations that are kept in the base."""
        return self._base.store().sessions()

    def turns(self, session: str) -> list[Turn]:
        """Return the turns of a conversation, oldest first; NotFoundError if there is none."""
        turns = self._base.store().turns(session)
        if not turns:
            raise _no_conversation(session)
        return turns

    def delete_session(self, session: str) -> None:
        """Delete a conversation with its memories and traces; NotFoundError if there is none."""
        if not self._base.store().delete_session(session):
            raise _no_conversation(session)

    def trace(self, trace_id: str) -> Trace:
        """Return a trace by its id or the beginning of it; NotFoundError if there is none."""
        return find_trace(self._base.store(), trace_id)

    def traces(self, limit: int = 20) -> list[Trace]:
        """List the latest traces, newest first."""
        return [read_trace(stored) for stored in self._base.store().traces(limit)]

    def delete_traces(self, trace_ids: Sequence[str] | None = None) -> int:
        """Delete traces by their whole ids, by default all; return how many there were.

        Their text is overwritten in the database. An id that is not there raises NotFoundError, and
        nothing is deleted.
        """
        store = self._base.store()
        for trace_id in trace_ids or ():
            if store.trace(trace_id) is None:
                raise NotInBaseError(f"there is no trace {trace_id!r}")
        return store.delete_traces(trace_ids)

    @contextmanager
    def recording(self, name: str, *, inputs: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Keep all that happens inside, such as an agent's run, as a trace called ``name``.

        Of the ``inputs``, ``"question"`` is shown in the list of traces.
        """
        with self._base.traced(name, "agent", trace=new_trace_id(), inputs=dict(inputs or {})):
            yield

    def usage(self, session: str | None = None) -> dict[str, Spent]:
        """Return what language models read, wrote and cost, by model: in a session, or in all."""
        return self._base.store().spending(session)

    def note_usage(
        self, model: str, usage: Usage, *, calls: int = 1, trace: str | None = None
    ) -> None:
        """Count what an agent, or a program of yours, used towards :meth:`usage`.

        A cost that is not known is taken from the price list. ``trace`` is of what it was used for,
        and says to which conversation it belongs. A base that may only be read counts nothing.
        """
        from ragkit.chat import note_usage

        note_usage(self._base.store(), model, usage, calls, trace or new_trace_id())

    def delete_cache(self) -> int:
        """Delete all answers that are kept for the next time; return how many there were."""
        return self._base.store().clear_answer_cache()

    def calibration(self) -> Calibration:
        """Return what makes a confidence of how well passages fit."""
        return self._base.calibration()

    def calibrate(self, calibration: Calibration | None) -> None:
        """Keep another calibration to answer with; ``None``: the built-in one."""
        self._base.calibrate(calibration)


def _no_conversation(session: str) -> NotInBaseError:
    return NotInBaseError(f"there is no conversation {session!r}; ragkit session lists them")
