"""What a knowledge base is made of: its store and its models, each made when first needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ragkit.errors import NotFoundError, UsageError
from ragkit.events import Listener, Notice, OpenSpan, Sink, SpanKind, ignore, new_trace_id
from ragkit.events.named_sinks import sink_of
from ragkit.store.tracing import TraceLevel, Tracing, traced

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.answer.settings import AnswerSettings
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.index.protocols import (
        VectorIndex,
        VectorIndexFactory,
        WordIndex,
        WordIndexFactory,
    )
    from ragkit.llm.chat_model import ChatModel
    from ragkit.store import Store

PathLike = str | os.PathLike[str]
Model: TypeAlias = "str | ChatModel"
EXTRACTIVE = "extractive"


class OpenedBase:
    """The store and the models behind :class:`ragkit.KnowledgeBase`."""

    def __init__(
        self,
        path: PathLike = ".ragkit",
        *,
        model: Model | Sequence[Model] = EXTRACTIVE,
        base_url: str | None = None,
        api_key: str | None = None,
        embedder: str | Embedder | None = None,
        embedder_base_url: str | None = None,
        create: bool = True,
        listener: Listener = ignore,
        traces: TraceLevel = "full",
        sinks: Sequence[Sink | str] = (),
        answers: AnswerSettings | None = None,
        vector_index: str | VectorIndex | VectorIndexFactory = "faiss",
        word_index: str | WordIndex | WordIndexFactory = "tantivy",
    ) -> None:
        """Open the knowledge base at ``path``; one that does not exist is made when first needed.

        Args:
            path: Its directory.
            model: What answers: ``"extractive"`` (no language model: the best sentences,
                verbatim), ``"openai:NAME"``, ``"ollama:NAME"``, ``"gguf:PATH"``, or an object; or
                several, the cheapest first, of which each is asked when the one before is not sure.
            base_url: Where an OpenAI-compatible ``model`` is served.
            api_key: Its key; default: the environment's, read only for a model named here.
            embedder: The embedding model's name, or an object; default: the one the base was
                built with, or all-MiniLM-L6-v2 for a new one. A model on a server is named anew
                by everyone who opens the base: what a base says sends nothing anywhere.
            embedder_base_url: Where an OpenAI-compatible ``embedder`` is served.
            create: Whether to make a base where there is none.
            listener: Called with progress events and notices.
            traces: What is kept of each question: ``"full"``, ``"facts"`` (times, numbers and
                names, no content) or ``"off"``.
            sinks: Functions called with each finished :class:`ragkit.events.Span`, or names of
                such, as :func:`ragkit.events.named_sinks.sink_of` takes them.
            answers: How questions are answered: mode, checks, cache, budget.
            vector_index: What searches by meaning: ``"faiss"``, a name that a package gives to its
                own, or what makes one; see :mod:`ragkit.index.protocols`. It is this opening's
                choice, the base does not keep it.
            word_index: What searches by words, likewise: ``"tantivy"``.

        Raises:
            NotFoundError: there is none at ``path`` and ``create`` is false.
            FingerprintError: it was built with another embedding model than ``embedder``.
            VersionError: it was written by a newer version.
            CorruptError: its database is damaged.
            UsageError: the model's name is not understood.
        """
        from ragkit.answer.settings import AnswerSettings
        from ragkit.store import Store

        self._directory = Path(path).expanduser().absolute()
        self._model = model
        self._answers = answers or AnswerSettings()
        self._base_url = base_url
        self._api_key = api_key
        self._listener = listener
        self._tracing = Tracing(traces, tuple(map(sink_of, sinks)))
        self._wanted_embedder = embedder
        self._embedder_base_url = embedder_base_url
        self._loaded_embedder: Embedder | None = None
        self._bound_to: str | None = None
        self._chat_models: dict[str, ChatModel] = {}
        self._locked_in = (os.getpid(), threading.RLock())
        self._opened: Store | None = None
        self._vector_index, self._word_index = vector_index, word_index
        self._joined: Indexes | None = None
        self._told_read_only = False
        try:
            self._opened = Store.open(self._directory)
        except NotFoundError:
            if not create:
                raise
        if embedder is not None and self._opened is not None:
            try:
                self._embedder()
            except BaseException:
                self.close()
                raise

    @property
    def _lock(self) -> threading.RLock:
        process, lock = self._locked_in
        if process != os.getpid():  # in a forked child, where who held the lock does not exist
            lock = threading.RLock()
            self._locked_in = (os.getpid(), lock)
        return lock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; calling it again does nothing."""
        with self._lock:
            if self._joined is not None:
                self._joined.close()
                self._joined = None
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @property
    def directory(self) -> Path:
        """Where the knowledge base is kept."""
        return self._directory

    @property
    def read_only(self) -> bool:
        """Whether the base may be searched and asked, but not changed, where it is kept."""
        return self._opened is not None and self._opened.read_only

    @contextmanager
    def recording(self, name: str, *, inputs: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Keep everything that happens inside as one trace, such as the run of an agent.

        Args:
            name: What is done, for the list of traces.
            inputs: What went in; ``"question"`` is shown in the list.
        """
        with self._traced(name, "agent", trace=new_trace_id(), inputs=dict(inputs or {})):
            yield

    def _traced(
        self, name: str, kind: SpanKind, *, trace: str, inputs: dict[str, Any], **attributes: Any
    ) -> AbstractContextManager[OpenSpan]:
        store = self._store()
        if store.read_only and not self._told_read_only:
            from ragkit.store.read_only import notice

            self._told_read_only = True
            self._listener(Notice(notice(self._directory)))
        return traced(
            store,
            name,
            kind,
            tracing=self._tracing,
            trace=trace,
            listener=self._listener,
            inputs=inputs,
            **attributes,
        )

    # -- parts, made when first needed --------------------------------------------------------

    def _store(self) -> Store:
        from ragkit.store import Store

        with self._lock:
            if self._opened is None:
                self._opened = Store.open(self._directory, create=True)
            return self._opened

    def _indexes(self) -> Indexes:
        from ragkit.index.indexes import Indexes

        store = self._store()
        with self._lock:
            if self._joined is None:
                self._joined = Indexes(
                    store, vector_index=self._vector_index, word_index=self._word_index
                )
            return self._joined

    def _document_of(self, path: str) -> Document | None:
        found = self._store().stored_document(path)
        if found is None or found.characters > _READ_CHARACTERS:
            return None
        with suppress(UsageError):  # it may be gone by now
            return self._store().document(found.id)
        return None

    def _embedder(self, listener: Listener | None = None) -> Embedder:
        from ragkit.run.fingerprint import bind_embedder

        store = self._store()
        with self._lock:
            loaded, named = self._loaded_embedder, self._wanted_embedder
            # Another process may have rebuilt the base, with another model.
            if loaded is None or store.get_setting("fingerprint") != self._bound_to:
                if named is None:
                    kept = store.get_setting("embedder")
                    if loaded is None or kept != loaded.name:
                        loaded = self._load_embedder(None, listener or self._listener)
                elif loaded is None:
                    loaded = self._load_embedder(named, listener or self._listener)
                bind_embedder(store, loaded)
                self._loaded_embedder = loaded
                self._bound_to = store.get_setting("fingerprint")
            return loaded

    def _question_embedder(self) -> Embedder:
        """The embedder, with the vectors of earlier questions at hand."""
        from ragkit.retrieve.question_vectors import CachedQuestions

        embedder = self._embedder()
        # Where content is not to be recorded, a question leaves nothing behind.
        keeps = self._tracing.level == "full"
        return CachedQuestions(embedder, self._store()) if keeps else embedder

    def _load_embedder(self, wanted: str | Embedder | None, listener: Listener) -> Embedder:
        """Load the model that the user named; where none was, the base's, if it is here."""
        if wanted is not None and not isinstance(wanted, str):
            return wanted
        from ragkit.embed import DEFAULT_EMBEDDER, load_embedder

        name = wanted or self._store().get_setting("embedder") or DEFAULT_EMBEDDER
        return load_embedder(
            name, base_url=self._embedder_base_url, named=wanted is not None, listener=listener
        )

    def _chat_model(self, model: str | ChatModel) -> ChatModel | None:
        if not isinstance(model, str):
            return model
        if model == EXTRACTIVE:
            return None
        from ragkit.llm import load_model

        with self._lock:
            if model not in self._chat_models:
                self._chat_models[model] = load_model(
                    model, base_url=self._base_url, api_key=self._api_key
                )
            return self._chat_models[model]


# A longer document is not read for its structure when answering; its passages speak for it.
_READ_CHARACTERS = 2_000_000
