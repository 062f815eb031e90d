"""Spelling slips: words of the question that the documents do not hold, but nearly do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ragkit.errors import EmbeddingError
from ragkit.language import analysis
from ragkit.language.dictionary import DICTIONARIES, is_known
from ragkit.language.languages import ENGLISH, common_words

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.index.protocols import WordReader
    from ragkit.retrieve.pipeline import State

_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST = 4
_LONG = 8  # from this length on two slips are tolerated
_SHORTEST_PART = 3


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is known about words.

    Attributes:
        terms: What a text is looked up by: for each word what it may be stemmed to. None for words
            that are not looked up.
        holds: Whether the documents hold a term.
        near: The terms of the documents that begin with two letters, with how often they occur.
        is_word: Whether a word is a common one, and so hardly a slip even if no document has it.
        is_known: Whether a word is spelled right, however rare it is; it is asked last.
    """

    terms: Callable[[str], list[tuple[str, ...]]]
    holds: Callable[[str], bool]
    near: Callable[[str], Iterable[tuple[str, int]]]
    is_word: Callable[[str], bool]
    is_known: Callable[[str], bool] = lambda _word: False


@dataclass(frozen=True, slots=True)
class CorrectSpelling:
    """Search for what was meant; ``embedder`` is ``None`` where no model is to be loaded."""

    indexes: Indexes
    embedder: Callable[[], Embedder] | None
    name: str = "read question"

    def apply(self, state: State) -> State:
        """Correct all that is searched for, and note what was corrected in the question itself."""
        language = (state.question.language or ENGLISH).lower()
        if language not in DICTIONARIES:
            return state  # nobody could tell a slip from a word that the documents lack
        reader = self.indexes.word_reader()
        if reader is None:
            return state
        vocabulary = vocabulary_of(reader, self.embedder, language)
        searches = state.question.searches
        corrected = [correct(text, vocabulary) for text, _ in searches]
        own = corrected[0][1]
        if not any(changes for _, changes in corrected):
            return state
        texts = tuple((c[0], weight) for c, (_, weight) in zip(corrected, searches, strict=True))
        state = replace(state, question=replace(state.question, searches=texts))
        notes = (f"no document has {word!r}: read as {new!r}" for word, new in own.items())
        return state.noting(*notes)


def vocabulary_of(
    reader: WordReader, embedder: Callable[[], Embedder] | None, language: str = ENGLISH
) -> Vocabulary:
    """Return what is known of words: the documents', the model's, which are common ones, and those
    in the dictionaries of the question's ``language`` and of the documents'.
    """

    @lru_cache(maxsize=256)
    def is_word(word: str) -> bool:
        if embedder is None:
            return False
        try:
            return len(embedder().tokenizer.token_starts(word)) == 1
        except EmbeddingError:
            return True

    present = reader.languages()
    spoken = dict.fromkeys([language, *(one for one in present if one in DICTIONARIES)])

    def terms(word: str) -> list[tuple[str, ...]]:
        if any(common_words((word,), language) for language in present):
            return []
        words = analysis.question_words(word, present)
        return [tuple(map(analysis.stem_of, found.terms)) for found in words]

    return Vocabulary(
        terms,
        lru_cache(maxsize=256)(reader.holds),
        reader.terms,
        is_word,
        lambda word: any(is_known(word, one) for one in spoken),
    )


def correct(question: str, vocabulary: Vocabulary) -> tuple[str, dict[str, str]]:
    """Replace words that neither a document nor a dictionary holds by the nearest one of a document.

    A word of four to seven letters may be one slip away (a letter too many, too few, another, or
    two swapped), a longer one two; the first two letters have to be right. A word written
    together that the documents write apart becomes two.

    Returns:
        The question, and what was replaced by which index term or terms.
    """
    parts: list[str] = []
    changes: dict[str, str] = {}
    end = 0
    for match in _WORD.finditer(question):
        word = match[0].casefold()
        replacement = changes.get(word) or _replacement(word, match[0].lower(), vocabulary)
        if replacement is not None:
            changes[word] = replacement
            parts += (question[end : match.start()], replacement)
            end = match.end()
    parts.append(question[end:])
    return "".join(parts), changes


def _replacement(word: str, written: str, vocabulary: Vocabulary) -> str | None:
    if len(word) < _SHORTEST:
        return None
    terms = vocabulary.terms(word)
    if len(terms) != 1 or any(map(vocabulary.holds, terms[0])) or vocabulary.is_word(word):
        return None
    found = _apart(word, vocabulary) or _nearest(word, terms[0], vocabulary)
    return None if found is None or vocabulary.is_known(written) else found


def _apart(word: str, vocabulary: Vocabulary) -> str | None:
    for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
        halves = (word[:cut], word[cut:])
        if all(
            vocabulary.is_word(half)
            and len(terms := vocabulary.terms(half)) == 1
            and any(map(vocabulary.holds, terms[0]))
            for half in halves
        ):
            return " ".join(halves)
    return None


def _nearest(word: str, terms: tuple[str, ...], vocabulary: Vocabulary) -> str | None:
    limit = 1 if len(word) < _LONG else 2
    best: tuple[int, int, int, str] | None = None
    for other, count in vocabulary.near(word[:2]):
        if not other.isalpha() or len(other) < _SHORTEST:
            continue
        distance = min(slips(term, other, limit) for term in terms)
        if distance <= limit:
            candidate = (distance, -len(other), -count, other)
            best = candidate if best is None else min(best, candidate)
    return best[3] if best else None


def slips(one: str, other: str, limit: int) -> int:
    """Count the slips between two words, or return ``limit + 1`` if there are more than that.

    This is the optimal string alignment distance: insertions, deletions, substitutions, and
    swaps of neighbours, none of which is edited again.
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, match in enumerate(other, start=1):
            cost = min(
                previous[column] + 1,
                current[column - 1] + 1,
                previous[column - 1] + (letter != match),
            )
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == match:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > limit and min(previous) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)
