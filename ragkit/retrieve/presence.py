"""What the documents that may be searched hold at all, beyond the passages that were found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ragkit.retrieve.spelling import correct, vocabulary_of

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.index.indexes import Indexes
    from ragkit.store.allowed import Allowed
    from ragkit.store.where import Where


@dataclass
class Presence:
    """Looks up words and pages in the documents that a filter allows.

    Attributes:
        indexes: Where to look.
        embedder: Gives the embedding model, whose vocabulary tells common words from slips.
        where: The filter; ``None`` allows everything.
    """

    indexes: Indexes
    embedder: Callable[[], Embedder]
    where: Where | None = None

    def spellings(self, words: Sequence[str]) -> dict[str, str]:
        """Say how the documents write words: those that none of them holds are left out.

        Most are written as they are asked for; a slip is put right if the right word is there.
        """
        missing = self._absent(words)
        found = {word: word for word in words if word not in missing}
        reader = self.indexes.word_reader() if missing else None
        if reader is not None:
            vocabulary = vocabulary_of(reader, self.embedder)
            meant = {word: correct(word, vocabulary)[0] for word in missing}
            slips = {word: text for word, text in meant.items() if text != word}
            still = self._absent(list(slips.values()))
            found |= {word: text for word, text in slips.items() if text not in still}
        return found

    def last_page(self) -> int | None:
        """Return the number of pages of the longest document; ``None`` where one has no pages."""
        fewest, most = self.indexes.store.page_counts(self.where) or (0, 0)
        return most if fewest else None

    def _absent(self, words: Sequence[str]) -> frozenset[str]:
        if not words:
            return frozenset()
        return self.indexes.absent_words(sorted(words), allowed=self._allowed)

    @cached_property
    def _allowed(self) -> Allowed | None:
        return None if self.where is None else self.indexes.store.allowed(self.where)
