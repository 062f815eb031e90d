"""Answers given before, found by all that an answer depends on, or by a question much like it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit import results
from ragkit.answer import polarity
from ragkit.errors import EmbeddingError, RagkitError
from ragkit.events import Listener, Notice, span
from ragkit.language import words
from ragkit.question.reading import read_question
from ragkit.results import Answer, Citation, Hit, Ranks, Usage
from ragkit.store.records import CachedAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.embedder import Embedder
    from ragkit.question.question import Question
    from ragkit.store import Store

_NAMED = re.compile(r"\b(?=\w*[A-Z\d])\w+(?:-\w+)*")

# Part of every key, with ragkit's own version: to be raised when answers come out otherwise within
# one of those.
_VERSION = 6


@dataclass(frozen=True, slots=True)
class Scope:
    """All that an answer depends on besides its question.

    Attributes:
        state: What the base holds: see :meth:`ragkit.store.Store.answer_state`.
        models: Names of the models, in order; ``base_url`` is where they are asked.
        settings: Mode, checks and limits that change an answer.
    """

    base: str
    state: str
    where: str
    history: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    models: tuple[str, ...]
    base_url: str
    settings: tuple[str, ...]

    def key(self) -> bytes:
        """Return what tells this scope from all others: 32 bytes."""
        return _digest(asdict(self))

    def question_key(self, question: str) -> bytes:
        """Return what tells a question in this scope from all others: 32 bytes."""
        return _digest({**asdict(self), "question": " ".join(question.split())})


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer given before, with the passages it was made from and the question it answered."""

    question: str
    answer: Answer
    hits: tuple[Hit, ...]


def same_meaning(one: Question, other: Question) -> bool:
    """Whether two questions agree in what vectors are blind to, such as "with" and "without"."""
    if set(one.quantities) != set(other.quantities) or one.kind != other.kind:
        return False
    # A word in place of another one may be a synonym or another thing: only the user knows.
    first, second = words.terms(one.text), words.terms(other.text)
    if first - second and second - first:
        return False
    if _names(one.text) != _names(other.text):
        return False
    if polarity.is_negated(one.text) != polarity.is_negated(other.text):
        return False
    return polarity.sides(one.text) == polarity.sides(other.text)


class AnswerCache:
    """The answers given before, as far as they may be used and kept for one question."""

    def __init__(
        self,
        question: Question,
        scope: Scope,
        *,
        store: Store,
        embedder: Callable[[], Embedder],
        listener: Listener,
    ) -> None:
        """Nothing is read yet."""
        self._question = question
        self._scope = scope
        self._store = store
        self._embedder = embedder
        self._listener = listener
        self._vector: NDArray[np.float32] | None = None

    def find(self, similar: float | None) -> Kept | None:
        """Return the answer given to the same question, or to one like it.

        Args:
            similar: Cosine similarity from which on a question is like another; ``None`` is never.
        """
        with span("cache", "cache") as step:
            kept = self._recalled(self._scope, self._question.text)
            step.set(hit=kept is not None)
            if kept is None and self._is_repeated():
                with span("route", "chain", rule="repeated question"):
                    before = replace(self._scope, history=self._scope.history[:-2])
                    kept = self._recalled(before, self._scope.history[-2][1])
                step.set(hit=kept is not None, repeated=True)
            if kept is None and similar is not None:
                kept = self._similar(similar)
                step.set(hit=kept is not None, similar=kept is not None)
            if kept is not None:
                step.set(outputs={"question": kept.question, "trace": kept.answer.trace})
        return kept

    def keep(self, answer: Answer, hits: Sequence[Hit]) -> None:
        """Keep an answer for the next time, unless something went wrong in it."""
        # What went wrong this time may go right the next.
        if answer.degraded or self._store.read_only:
            return
        # Documents may have changed while the answer was being made.
        if self._store.answer_state() != self._scope.state:
            return
        body = {"answer": asdict(answer), "hits": [asdict(hit) for hit in hits]}
        vector = None if self._vector is None else self._vector.astype("<f2").tobytes()
        entry = CachedAnswer(self._question.text, json.dumps(body), answer.trace, vector)
        key = self._scope.question_key(self._question.text)
        try:
            self._store.put_cached_answer(key, self._scope.key(), entry)
        except RagkitError as error:
            self._listener(Notice(f"the answer could not be kept: {error}"))

    def _is_repeated(self) -> bool:
        """Whether the question is the last one again; before that, the words may mean another thing."""
        if len(self._scope.history) < 2:
            return False
        (asker, asked), (answerer, _) = self._scope.history[-2:]
        repeated = _bare(asked) == _bare(self._question.text)
        return repeated and (asker, answerer) == ("user", "assistant")

    def _recalled(self, scope: Scope, text: str) -> Kept | None:
        key = scope.question_key(text)
        try:
            found = self._store.cached_answer(key)
            if found is not None and not self._store.read_only:
                self._store.touch_cached_answer(key)
        except RagkitError as error:
            self._listener(Notice(f"the cache could not be read: {error}"))
            return None
        return None if found is None else self._readable(found)

    def _readable(self, entry: CachedAnswer) -> Kept | None:
        try:
            return _read(entry)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            self._listener(
                Notice(f"an answer in the cache cannot be read ({error}); it is made anew")
            )
            return None

    def _similar(self, least: float) -> Kept | None:
        """Return the answer to the kept question most like this one, which says whose it is."""
        import numpy as np

        try:
            vector = self._embedder().embed([self._question.text], kind="query")[0]
        except EmbeddingError:
            return None  # the answer will say so
        self._vector = vector
        best: tuple[float, CachedAnswer] | None = None
        for entry in self._store.cached_answers(self._scope.key()):
            other = np.frombuffer(entry.vector or b"", dtype="<f2").astype(np.float32)
            likeness = float(other @ vector) if other.shape == vector.shape else -1.0
            if likeness < least or (best is not None and likeness <= best[0]):
                continue
            if same_meaning(self._question, read_question(entry.question, self._question.history)):
                best = (likeness, entry)
        if best is None:
            return None
        kept = self._readable(best[1])
        if kept is None:
            return None
        note = (
            f"this is the answer to an earlier question like it ({min(1.0, best[0]):.2f}): "
            f"{kept.question!r}"
        )
        return replace(kept, answer=replace(kept.answer, degraded=(*kept.answer.degraded, note)))


def file_state(model: str) -> str:
    """Add to the name of a model file its size and time, so that another file is another model."""
    if not model.startswith("gguf:"):
        return model
    try:
        state = Path(model.removeprefix("gguf:")).expanduser().stat()
    except OSError:
        return model
    return f"{model} {state.st_size} {state.st_mtime_ns}"


def _names(text: str) -> set[str]:
    """Words with a capital letter or a digit, but not for beginning the question."""
    return {m.group().casefold() for m in _NAMED.finditer(text) if m.start() > 0}


def _read(entry: CachedAnswer) -> Kept:
    body = json.loads(entry.body_json)
    answer = dict(body["answer"])
    answer["citations"] = tuple(Citation(**citation) for citation in answer["citations"])
    for name in ("unsupported", "degraded"):
        answer[name] = tuple(answer[name])
    answer["usage"] = Usage(**answer["usage"])
    hits = tuple(Hit(**{**hit, "ranks": Ranks(**hit["ranks"])}) for hit in body["hits"])
    return Kept(entry.question, Answer(**answer), hits)


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(" ?.!").casefold()


def _digest(document: Mapping[str, Any]) -> bytes:
    text = json.dumps([results.__version__, _VERSION, document], sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()
