"""A question read before it is searched for: what it refers back to, slips, figures, places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError
from ragkit.retrieve.hints import Hints, find_hints
from ragkit.retrieve.history import resolve
from ragkit.retrieve.ratios import components
from ragkit.retrieve.spelling import Vocabulary, correct

if TYPE_CHECKING:
    from ragkit.embed.protocol import Embedder
    from ragkit.store import Store

COMPONENTS_WEIGHT = 0.35


@dataclass(frozen=True, slots=True)
class Reading:
    """What to search for.

    Attributes:
        parts: Texts with their weights, which sum to 1. The question's own comes first.
        hints: Where it says to look.
        notes: What was made of the question, one sentence each, for people to read.
    """

    parts: tuple[tuple[str, float], ...]
    hints: Hints
    notes: tuple[str, ...] = ()


def read(
    question: str, history: Sequence[Mapping[str, str]], vocabulary: Vocabulary | None
) -> Reading:
    """Read a question, without a language model.

    Args:
        question: As it was asked.
        history: Earlier turns, oldest first.
        vocabulary: What the documents' words are, or ``None`` to leave words as they are.
    """
    notes: list[str] = []
    resolved = resolve(question, history)
    if resolved.carried:
        notes.append(f"refers back: searched together with {resolved.carried!r}")
    parts = list(resolved.parts)
    if vocabulary is not None:
        for place, (text, weight) in enumerate(parts):
            corrected, changes = correct(text, vocabulary)
            parts[place] = (corrected, weight)
            if not place:
                notes += [
                    f"no document has {word!r}: read as {new!r}" for word, new in changes.items()
                ]
    asked = components(parts[-1][0])
    if asked is not None:
        notes.append(f"searched also for what the figure is computed from: {asked}")
        parts = [(text, weight * (1 - COMPONENTS_WEIGHT)) for text, weight in parts]
        parts.append((asked, COMPONENTS_WEIGHT))
    return Reading(tuple(parts), find_hints(question), tuple(notes))


def vocabulary_of(store: Store, embedder: Callable[[], Embedder] | None) -> Vocabulary:
    """Return what is known of words: the documents', and the model's, which are common ones.

    Without a model no word is taken for a common one that the documents merely lack.
    """
    from ragkit.store import analysis

    @lru_cache(maxsize=256)
    def is_word(word: str) -> bool:
        if embedder is None:
            return False
        try:
            return len(embedder().tokenizer.token_starts(word)) == 1
        except EmbeddingError:
            return True

    def terms(word: str) -> list[str]:
        return [] if word in analysis.STOP_WORDS else analysis.question_terms(word)

    return Vocabulary(terms, lru_cache(maxsize=256)(store.holds_term), store.terms, is_word)
