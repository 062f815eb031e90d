"""Answers given before, found by all that an answer depends on, or by a question much like it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit import results
from ragkit.answer import polarity
from ragkit.answer.contradiction import turned
from ragkit.language import words
from ragkit.question import kinds as cues
from ragkit.results import Answer, Citation, Hit, Ranks, Usage
from ragkit.store.records import CachedAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragkit.store import Store

# Part of every key, with ragkit's own version: to be raised when answers come out otherwise within
# one of those.
_VERSION = 3


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

    def before_last_turn(self) -> Scope:
        """Return the scope in which the last question was asked."""
        return replace(self, history=self.history[:-2])


def scope_of(
    store: Store,
    *,
    where: Mapping[str, Any] | None,
    history: Sequence[Mapping[str, str]],
    notes: Sequence[str],
    models: Sequence[str],
    base_url: str | None,
    settings: Sequence[str],
) -> Scope:
    """Return the scope of a question that is asked now."""
    return Scope(
        base=store.base,
        state=store.answer_state(),
        where=json.dumps(where, sort_keys=True, default=str) if where else "",
        history=tuple(
            (turn["role"], turn.get("content", ""))
            for turn in history
            if turn.get("role") in ("user", "assistant")
        ),
        notes=tuple(notes),
        models=tuple(_with_file(model) for model in models),
        base_url=base_url or "",
        settings=tuple(settings),
    )


def is_repeated(question: str, scope: Scope) -> bool:
    """Whether a question is the last one again.

    Only the last: the same words after other questions may mean something else.
    """
    if len(scope.history) < 2:
        return False
    (asker, asked), (answerer, _) = scope.history[-2:]
    return (asker, answerer) == ("user", "assistant") and _bare(asked) == _bare(question)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer given before, with the passages it was made from and the question it answered."""

    question: str
    answer: Answer
    hits: tuple[Hit, ...]


def recall(store: Store, key: bytes) -> Kept | None:
    """Return the answer kept under a key."""
    found = store.cached_answer(key)
    if found is None:
        return None
    if not store.read_only:
        store.touch_cached_answer(key)
    return _read(found)


def recall_similar(
    store: Store, scope: Scope, question: str, vector: NDArray[np.float32], least: float
) -> tuple[Kept, float] | None:
    """Return the answer to the kept question most like this one, and how like it is, 0 to 1.

    Questions count as alike only if they also agree on numbers, names, negations, opposites and
    what they ask for, and none has a word in place of another of the other's; vectors alone do not
    tell "with" from "without".
    """
    import numpy as np

    best: tuple[float, CachedAnswer] | None = None
    for entry in store.cached_answers(scope.key()):
        other = np.frombuffer(entry.vector or b"", dtype="<f2").astype(np.float32)
        if other.shape != vector.shape:
            continue
        likeness = float(other @ vector)
        better = likeness >= least and (best is None or likeness > best[0])
        if better and same_meaning(question, entry.question):
            best = (likeness, entry)
    return None if best is None else (_read(best[1]), min(1.0, best[0]))


def keep(
    store: Store,
    scope: Scope,
    answer: Answer,
    hits: Sequence[Hit],
    question: str,
    vector: NDArray[np.float32] | None,
) -> None:
    """Keep an answer for the next time."""
    body = json.dumps({"answer": asdict(answer), "hits": [asdict(hit) for hit in hits]})
    entry = CachedAnswer(
        question=question,
        body_json=body,
        trace=answer.trace,
        vector=None if vector is None else vector.astype("<f2").tobytes(),
    )
    store.put_cached_answer(scope.question_key(question), scope.key(), entry)


_NAMED = re.compile(r"\b(?=\w*[A-Z\d])\w+(?:-\w+)*")


def same_meaning(one: str, other: str) -> bool:
    """Whether two questions agree in what vectors are blind to; see :func:`recall_similar`."""
    if words.numbers(one) != words.numbers(other):
        return False
    # A word in place of another one may be a synonym or another thing: only the user knows.
    first, second = words.terms(one), words.terms(other)
    if first - second and second - first:
        return False
    if _names(one) != _names(other) or cues.question_kind(one) != cues.question_kind(other):
        return False
    if polarity.is_negated(one) != polarity.is_negated(other):
        return False
    return polarity.sides(one) == polarity.sides(other) and not turned(one, other)


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


def _with_file(model: str) -> str:
    """Add to the name of a model file its size and time, so that another file is another model."""
    if not model.startswith("gguf:"):
        return model
    try:
        state = Path(model.removeprefix("gguf:")).expanduser().stat()
    except OSError:
        return model
    return f"{model} {state.st_size} {state.st_mtime_ns}"


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(" ?.!").casefold()


def _digest(document: Mapping[str, Any]) -> bytes:
    text = json.dumps([results.__version__, _VERSION, document], sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()
