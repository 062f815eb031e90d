"""Checking a model's citations while its text comes in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.sentences import sentence_spans
from ragkit.answer.extractive import cite
from ragkit.language import words

if TYPE_CHECKING:
    from ragkit.answer.candidates import Candidate
    from ragkit.answer.support import Evidence
    from ragkit.results import Citation

# [1], [1, 2], [1-3], [source 1], 【1】 and 【1†…】.
_MARKER = re.compile(
    r"[\[【]\s*(?:sources?\s*)?(\d{1,4}(?:\s*(?:[,;&–-]|and)\s*(?:source\s*)?\d{1,4})*)"
    r"(?:†[^\]】\n]{0,60})?\s*[\]】]",
    re.IGNORECASE,
)
_MARKER_BEGINNING = re.compile(r"[\[【][\s\w,;&–†.:-]{0,80}\Z")
_RANGE = re.compile(r"(\d+)\s*[–-]\s*(\d+)")
_TERMINATED = re.compile(r"[.!?…。！？][\"'”’»)*_\]]*\Z")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that claims something.

    Attributes:
        text: The sentence, without its citations.
        sources: Indices of the sources that it cites.
        supported: Whether they say so, as far as words can tell.
    """

    text: str
    sources: tuple[int, ...]
    supported: bool


class CitedText:
    """Turns a model's reply into text whose citations are checked, piece by piece.

    Each ``[n]`` is looked up: the sentence of source ``n`` that is closest to what was just said
    becomes the quote, and the number is replaced by that of the quote, counted by first use. What
    the pieces returned by :meth:`feed` and :meth:`finish` add up to is :attr:`text`.
    """

    def __init__(self, evidence: Evidence, *, sources: int) -> None:
        """Start with nothing said; ``sources`` is how many the model was given."""
        self._evidence = evidence
        self._count = sources
        self._pending = ""
        self._space = ""
        self._sentence = ""
        self._claim = ""
        self._marked = 0
        self._sources: list[int] = []
        self._shown: list[int] = []
        self._removed = False
        self._quotes: dict[tuple[str, int, int], Citation] = {}
        self._pieces: list[str] = []
        self.claims: list[Claim] = []
        self.invented: list[int] = []

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    @property
    def unsupported(self) -> list[str]:
        """The sentences so far that no cited source supports."""
        return [claim.text for claim in self.claims if not claim.supported]

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The citations so far, in order of their numbers."""
        return tuple(self._quotes.values())

    def feed(self, piece: str) -> str:
        """Take the next piece of the reply; return what can be shown by now."""
        self._pending += piece
        return self._advance(last=False)

    def finish(self) -> str:
        """Return what was held back."""
        return self._advance(last=True)

    def _advance(self, *, last: bool) -> str:
        done = len(self._pieces)
        while self._pending:
            opening = re.search(r"[\[【]", self._pending)
            if opening is None:
                self._say(self._pending)
                self._pending = ""
                break
            self._say(self._pending[: opening.start()])
            self._pending = self._pending[opening.start() :]
            marker = _MARKER.match(self._pending)
            if marker is not None:
                self._mark(_numbers(marker.group(1)))
                self._pending = self._pending[marker.end() :]
            elif not last and _MARKER_BEGINNING.match(self._pending):
                break
            else:
                self._say(self._pending[0])
                self._pending = self._pending[1:]
        if last:
            self._end_sentence()
            self._space = ""
        return "".join(self._pieces[done:])

    def _say(self, text: str) -> None:
        """Show text; white space waits for what follows it, sentences end where they end."""
        for part in re.findall(r"\s+|\S+", text):
            if part.isspace():
                self._space += part
                if "\n" in part and self._sentence:
                    self._end_sentence()
                continue
            if self._removed and part[0] in ".,;:!?)":
                self._space = ""
            self._removed = False
            if self._space and self._sentence and self._has_ended(part):
                self._end_sentence()
            if self._pieces or self._sentence:
                self._emit(self._space)
            self._sentence += (self._space if self._sentence else "") + part
            self._space = ""
            self._emit(part)

    def _has_ended(self, following: str) -> bool:
        if not _TERMINATED.search(self._sentence):
            return False
        together = f"{self._sentence} {following}"
        return len(sentence_spans(together)) > len(sentence_spans(self._sentence))

    def _mark(self, numbers: Sequence[int]) -> None:
        """Replace a marker by the numbers of the quotes that its sources hold."""
        # A second citation in a sentence is for what was said since the first.
        if len(self._sentence) > self._marked:
            since = self._sentence[self._marked :]
            self._claim = since if len(words.terms(since)) > 1 else self._sentence
            self._marked = len(self._sentence)
        shown = len(self._pieces)
        for number in numbers:
            if not 1 <= number <= self._count:
                self.invented.append(number)
                continue
            source = number - 1
            if source not in self._sources:
                self._sources.append(source)
            best = self._evidence.best(self._claim, [source])
            if best is not None:
                self._cite(best.candidate)
        self._removed = len(self._pieces) == shown

    def _cite(self, candidate: Candidate) -> None:
        place = (candidate.path, candidate.start, candidate.end)
        citation = self._quotes.get(place)
        if citation is None:
            citation = cite(candidate, len(self._quotes) + 1)
            self._quotes[place] = citation
        if citation.n in self._shown:
            return
        space = "" if self._pieces and self._pieces[-1].endswith("]") else " "
        self._shown.append(citation.n)
        self._emit(f"{space}[{citation.n}]")
        if "\n" not in self._space:
            self._space = ""

    def _end_sentence(self) -> None:
        """Check what the sentence claims; find its source if it names none."""
        claim = self._sentence.strip("*_#-• \t")
        if claim and words.terms(claim):
            if not self._sources:
                found = self._evidence.attribute(claim)
                if found is not None:
                    space = self._space  # stands before the next sentence, not the citation
                    self._cite(found.candidate)
                    self._space = space
                    self._sources.append(found.source)
            is_claim = not claim.endswith((":", "?"))
            if is_claim:
                supported = bool(self._sources) and self._evidence.supports(claim, self._sources)
                self.claims.append(Claim(claim, tuple(self._sources), supported))
        self._sentence = self._claim = ""
        self._marked = 0
        self._sources = []
        self._shown = []

    def _emit(self, text: str) -> None:
        if text:
            self._pieces.append(text)


def _numbers(listed: str) -> list[int]:
    """Read ``"1, 3-5"`` as 1, 3, 4, 5."""
    found: list[int] = []
    for first, last in _RANGE.findall(listed):
        if int(first) <= int(last) <= int(first) + 20:
            found.extend(range(int(first), int(last) + 1))
    found.extend(int(number) for number in re.findall(r"\d+", _RANGE.sub(" ", listed)))
    return list(dict.fromkeys(found))
