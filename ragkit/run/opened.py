"""What an open knowledge base is made of: its store and its models, each made when first needed."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ragkit.answer.draft import EXTRACTIVE
from ragkit.answer.settings import AnswerSettings
from ragkit.errors import (
    CorruptError,
    KnowledgeBaseError,
    NotFoundError,
    NotInBaseError,
    UsageError,
)
from ragkit.events import Listener, Notice, OpenSpan, SpanKind, ignore, recording, span
from ragkit.events.named_sinks import sink_of
from ragkit.events.traces import Tracing, note_search, traced
from ragkit.index.engines import vector_engine, word_engine
from ragkit.question import read_question
from ragkit.retrieve.filters import WhereMapping, parse_where
from ragkit.retrieve.stages import Stages, make_stages
from ragkit.run.options import Model, OpenOptions, SearchOptions, check_keywords, check_objects
from ragkit.store import Store
from ragkit.store.read_only import notice

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.answer.calibration import Calibration
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.llm.chat_model import ChatModel
    from ragkit.question.question import Question
    from ragkit.results import SearchResult
    from ragkit.retrieve.finding import Mode
    from ragkit.retrieve.question_vectors import CachedEmbedder

# A longer document is not read for its structure when answering; its passages speak for it.
_READ_CHARACTERS = 2_000_000


class Opened:
    """The parts of a knowledge base; safe to use from several threads and in forked children."""

    def __init__(self, directory: Path, options: OpenOptions) -> None:
        """Open what is there; see :class:`ragkit.KnowledgeBase` for what is raised.

        What can be told of the options without opening anything is told before.
        """
        check_keywords("KnowledgeBase", options, OpenOptions)
        embedder = options.get("embedder")
        check_objects("model", options.get("model", EXTRACTIVE), "stream")
        check_objects("embedder", "" if embedder is None else embedder, "embed")
        self.directory = directory
        self.model = options.get("model", EXTRACTIVE)
        self.base_url = options.get("base_url")
        self.listener = options.get("listener", ignore)
        self.tracing = Tracing(
            options.get("traces", "full"), tuple(map(sink_of, options.get("sinks", ())))
        )
        self.answers = options.get("answers") or AnswerSettings()
        if not isinstance(self.answers, AnswerSettings):
            raise UsageError(
                f"KnowledgeBase() got answers={self.answers!r}; it must be AnswerSettings(…)"
            )
        if not callable(self.listener):
            raise UsageError(
                f"KnowledgeBase() got listener={self.listener!r}; it must be a function of an event"
            )
        self._create = options.get("create", True)
        self._api_key = options.get("api_key")
        self._embedder_base_url = options.get("embedder_base_url")
        self._wanted_embedder = embedder
        self._loaded_embedder: Embedder | None = None
        self._asked_with: CachedEmbedder | None = None
        self._bound_to: str | None = ""  # which no fingerprint is
        self._chat_models: dict[str, ChatModel] = {}
        self._locked_in = (os.getpid(), threading.RLock())
        self._store: Store | None = None
        self._vector_index = vector_engine("KnowledgeBase", options.get("vector_index", "faiss"))
        self._word_index = word_engine("KnowledgeBase", options.get("word_index", "tantivy"))
        self._joined: Indexes | None = None
        self._is_closed = False
        self._told_read_only = False
        there = self.found()
        if there is None and not self._create:
            self.store()  # raises
        if there is not None and embedder is not None:
            try:
                self.embedder()
            except BaseException:
                self.close()
                raise

    @property
    def lock(self) -> threading.RLock:
        """Held while a part is made."""
        process, lock = self._locked_in
        if process != os.getpid():  # in a forked child, where who held the lock does not exist
            lock = threading.RLock()
            self._locked_in = (os.getpid(), lock)
        return lock

    def close(self) -> None:
        """Close the database; calling it again does nothing, all else raises from then on."""
        with self.lock:
            self._is_closed = True
            if self._joined is not None:
                self._joined.close()
                self._joined = None
            if self._store is not None:
                self._store.close()
                self._store = None

    def require_open(self) -> None:
        """Raise :class:`KnowledgeBaseError` after :meth:`close`."""
        if self._is_closed:
            raise KnowledgeBaseError(
                f"the knowledge base {str(self.directory)!r} was closed; open it again to use it"
            )

    def store(self, *, make: bool = False) -> Store:
        """Return the store.

        Args:
            make: Whether to make a base where there is none, as what puts something in does.

        Raises:
            NotFoundError: there is no base; nothing is left on disk.
            KnowledgeBaseError: it was closed, or cannot be used.
        """
        with self.lock:
            self.require_open()
            if self._store is None:
                try:
                    self._store = Store.open(self.directory, create=make and self._create)
                except NotFoundError:
                    raise NotFoundError(
                        f"there is no knowledge base in {str(self.directory)!r}; the first ingest"
                        " makes one"
                    ) from None
            return self._store

    def found(self) -> Store | None:
        """Return the store, or ``None`` where there is no base yet."""
        with suppress(NotFoundError):
            return self.store()
        return None

    def indexes(self) -> Indexes:
        """Return what searches the store; raises as :meth:`store`."""
        from ragkit.index.indexes import Indexes

        store = self.store()
        with self.lock:
            if self._joined is None:
                self._joined = Indexes(
                    store, vector_index=self._vector_index, word_index=self._word_index
                )
            return self._joined

    def traced(
        self, name: str, kind: SpanKind, *, trace: str, inputs: dict[str, Any], **attributes: Any
    ) -> AbstractContextManager[OpenSpan]:
        """Record what happens inside as a trace of the base, or a span of the one under way."""
        store = self.store()
        if store.read_only and not self._told_read_only:
            self._told_read_only = True
            self.listener(Notice(notice(self.directory)))
        return traced(
            store,
            name,
            kind,
            tracing=self.tracing,
            trace=trace,
            listener=self.listener,
            inputs=inputs,
            **attributes,
        )

    def document(self, path: str) -> Document:
        """Return the document that is shown as ``path``, as it was loaded.

        Raises:
            NotInBaseError: there is none.
        """
        found = self.store().document_by_path(path)
        if found is None:
            raise _no_document(path)
        return found[1]

    def document_of(self, path: str) -> Document | None:
        """Return a document to read its structure; ``None`` if it is gone, or too long for that."""
        found = self.store().stored_document(path)
        if found is None or found.characters > _READ_CHARACTERS:
            return None
        with suppress(UsageError):  # it may be gone by now
            return self.store().document(found.id)
        return None

    def file_of(self, path: str) -> Path | None:
        """Return the file that a document was read from; ``None`` if it never was one.

        Raises:
            NotInBaseError: there is no document at ``path``.
        """
        document = self.store().stored_document(path)
        if document is None:
            raise _no_document(path)
        [root] = [root for root in self.store().roots() if root.id == document.root_id]
        if root.kind == "added":
            return None
        parts = PurePath(document.relative_path).parts
        if ".." in parts or PurePath(document.relative_path).anchor:
            raise CorruptError(
                f"{str(self.directory)!r} says that the document {path!r} came from"
                f" {document.relative_path!r}, which leads out of the folder that was ingested;"
                " the file is not looked for"
            )
        return root.folder / document.relative_path

    def calibration(self) -> Calibration:
        """Return the calibration that answers are given with."""
        from ragkit.answer.calibration import load_calibration

        return load_calibration(self.store())[0]

    def calibrate(self, calibration: Calibration | None) -> None:
        """Keep another calibration; answers that were given with the one before are deleted."""
        from ragkit.answer.calibration import save_calibration

        save_calibration(self.store(), calibration)
        self.store().clear_answer_cache()

    def embedder(self, listener: Listener | None = None, *, make: bool = False) -> Embedder:
        """Return the embedding model that the base has, or that a new one takes on.

        Args:
            listener: Told how loading it goes.
            make: As for :meth:`store`; a model that cannot be loaded makes no base.

        Raises:
            EmbeddingError: it cannot be loaded, or is on a server that the user did not name.
            FingerprintError: the base was built with another.
        """
        from ragkit.run.fingerprint import bind_embedder

        listen = listener or self.listener
        with self.lock:
            if make and self._loaded_embedder is None and self.found() is None:
                self._loaded_embedder = self.load_embedder(self._wanted_embedder, listen)
            store = self.store(make=make)
            loaded, named = self._loaded_embedder, self._wanted_embedder
            # Another process may have rebuilt the base, with another model.
            if loaded is None or store.get_setting("fingerprint") != self._bound_to:
                if named is None:
                    kept = store.get_setting("embedder")
                    if loaded is None or kept not in (None, loaded.name):
                        loaded = self.load_embedder(None, listen)
                elif loaded is None:
                    loaded = self.load_embedder(named, listen)
                bind_embedder(store, loaded)
                self.use_embedder(named, loaded)
            return loaded

    def use_embedder(self, wanted: str | Embedder | None, loaded: Embedder) -> None:
        """Go on with another embedding model, which the base has by now."""
        with self.lock:
            self._wanted_embedder, self._loaded_embedder = wanted, loaded
            self._bound_to = self.store().get_setting("fingerprint")

    def question_embedder(self) -> Embedder:
        """The embedder, with the vectors of earlier questions and sentences at hand."""
        from ragkit.retrieve.question_vectors import CachedEmbedder

        embedder, kept = self.embedder(), self._asked_with
        if kept is None or kept.embedder is not embedder:
            # Where content is not to be recorded, a question leaves nothing behind.
            kept = CachedEmbedder(embedder, self.store() if self.records else None)
            self._asked_with = kept
        return kept

    @property
    def records(self) -> bool:
        """Whether content, such as questions, may be kept in the base."""
        return self.tracing.level == "full"

    @property
    def wanted_embedder(self) -> str | Embedder | None:
        """What the user named, or the model that was changed to."""
        return self._wanted_embedder

    def embedder_in_use(self) -> Embedder:
        """Return the embedding model, whether or not the base was built with it."""
        return self.load_embedder(self._loaded_embedder or self._wanted_embedder, self.listener)

    def load_embedder(self, wanted: str | Embedder | None, listener: Listener) -> Embedder:
        """Load the model that the user named; where none was, the base's, if it is here."""
        from ragkit.embed import DEFAULT_EMBEDDER, load_embedder
        from ragkit.embed.checked import checked_embedder

        if wanted is not None and not isinstance(wanted, str):
            check_objects("embedder", wanted, "embed")  # as rebuild takes another one
            return checked_embedder(wanted)

        there = self.found()
        kept = there.get_setting("embedder") if there is not None else None
        return load_embedder(
            wanted or kept or DEFAULT_EMBEDDER,
            base_url=self._embedder_base_url,
            named=wanted is not None,
            listener=listener,
        )

    def chat_model(self, model: Model) -> ChatModel | None:
        """Return a language model, made once; ``None`` for ``"extractive"``, which needs none."""
        if not isinstance(model, str):
            check_objects("model", model, "stream")
            return model
        if model == EXTRACTIVE:
            return None
        from ragkit.llm import load_model

        with self.lock:
            if model not in self._chat_models:
                self._chat_models[model] = load_model(
                    model, base_url=self.base_url, api_key=self._api_key
                )
            return self._chat_models[model]

    def retrieve(
        self, call: str, question: str, where: WhereMapping | None, options: SearchOptions
    ) -> SearchResult:
        """Find passages for :class:`ragkit.KnowledgeBase`, whose method ``call`` was called."""
        check_keywords(f"KnowledgeBase.{call}", options, SearchOptions)
        stages: dict[str, Any] = {**options}
        k, mode = stages.pop("k", 10), stages.pop("mode", "hybrid")
        history, model = stages.pop("history", None), stages.pop("model", None)
        ask = None
        if model is not None:
            from ragkit.llm import asking

            ask = asking(self.chat_model(model))
        read = read_question(question, history, ask=ask)
        return self._search(read, k, where, mode, make_stages(stages, ask))

    def passages(self, question: Question, k: int, where: WhereMapping | None) -> SearchResult:
        """Find passages to answer a question from."""
        return self._search(question, k, where, "hybrid", Stages(quoting=True))

    def _search(
        self,
        question: Question,
        k: int,
        where: WhereMapping | None,
        mode: Mode,
        stages: Stages,
    ) -> SearchResult:
        from ragkit.retrieve.search import search

        indexes = self.indexes()
        facts: dict[str, Any] = {"k": k, "where": where, "mode": mode}
        with (
            recording(*self.tracing.sinks, content=self.tracing.records_content),
            span("search", "retrieval", inputs={"question": question.text}, **facts) as step,
        ):
            result = search(
                indexes,
                question,
                embedder=self.question_embedder,
                k=k,
                where=parse_where(where),
                mode=mode,
                stages=stages,
            )
            note_search(step, result)
            return result


def _no_document(path: str) -> NotInBaseError:
    return NotInBaseError(f"there is no document {path!r}; ragkit ls shows their paths")
