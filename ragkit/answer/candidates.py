"""The sentences, list items and table rows of passages, each where it stands in its document."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ingest.sentences import sentence_spans
from ragkit.answer.guessed import guessed_blocks
from ragkit.answer.rows_and_items import (
    FENCE,
    ITEM_MARK,
    WHOLE_ROWS,
    Row,
    Whole,
    cells,
    read_table,
    read_whole,
    readable,
    whole,
)
from ragkit.language import lists

if TYPE_CHECKING:
    from ingest.document import Block, Document
    from ragkit.results import Hit

CandidateKind = Literal["sentence", "item", "row", "code", "fragment", "question"]

# Gives the document at a path, or None where it is gone or too large to be read for an answer.
DocumentOf = Callable[[str], "Document | None"]

# An item or listing up to this many characters is one candidate, however many sentences it has.
_WHOLE = 300
# How far a block is read beyond the passage, so that its first and last sentence are whole.
_BEYOND = 400
_CAPTION = 160
# Formats whose text is that of the file, line by line.
_OWN_TEXT = ("text", "markdown", "csv", "code")
_SHORT = 12

_ENDED = re.compile(r"[.!。！…][\"'”’»)*_`\]]*(?:\s?\[\d+\])*\Z")
_REFERS_BACK = re.compile(
    rf"\W*(?:{lists.alternatives('pronouns.third')}|{lists.alternatives('pronouns.demonstrative')}"
    rf"|{lists.alternatives('pronouns.leaning')})\b",
    re.IGNORECASE,
)
_ASKED = re.compile(r"[?？][\"'”’»)*_`]*\Z")
_LEADS_IN = re.compile(r"[:：?？][\"'”’»)*_`]*\Z")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be said in answer: ``document.text[start:end] == text``.

    Attributes:
        hit: Index of the passage it comes from.
        path: The document's path.
        page: The page it begins on, from 1; ``None`` for formats without pages.
        heading: The headings that it stands under, joined with " > ".
        line: The line that it begins on, from 1, where the text is the file's own; else ``None``.
        start: Code point in the document's text where it begins.
        end: Code point just past it.
        text: The text itself, verbatim.
        shown: What is said of it: the text itself, but of a row its cells with the names of
            their columns. One for each row or item where it is all of a table or list.
        context: What it needs to be understood: heading, question or lead-in before it, or the
            names of a table's columns.
        kind: What it is. A fragment is no whole sentence, such as a caption; a question of the
            document is never an answer.
        previous: Index of the candidate just before it under the same heading, if any.
        whole: The table or list that it is one of, where that is short.
    """

    hit: int
    path: str
    page: int | None
    heading: str
    line: int | None
    start: int
    end: int
    text: str
    shown: tuple[str, ...]
    context: str
    kind: CandidateKind
    previous: int | None = None
    whole: Whole | None = None


def candidates_of(
    hits: Sequence[Hit], document_of: DocumentOf | None = None
) -> tuple[Candidate, ...]:
    """Cut the passages into candidates, in the order of the passages, none twice.

    Args:
        hits: Passages, best first.
        document_of: Gives their documents, whose structure tells sentences from headings and
            table rows; without a document it is guessed from the passage.
    """
    found: list[Candidate] = []
    seen: set[tuple[str, int, int]] = set()
    documents: dict[str, Document | None] = {}
    for index, hit in enumerate(hits):
        if hit.path not in documents:
            documents[hit.path] = document_of(hit.path) if document_of is not None else None
        cutter = _Cutter(index, hit, documents[hit.path], found)
        for candidate in cutter.candidates():
            place = (candidate.path, candidate.start, candidate.end)
            if place not in seen:
                seen.add(place)
                found.append(candidate)
    return tuple(found)


def row_subject(candidate: Candidate) -> str:
    """The first cell of a table's row: what the row is about."""
    return cells(candidate.text)[0]


def refers_back(candidate: Candidate) -> bool:
    """Whether a sentence begins with a word that stands for something said before it."""
    return candidate.kind == "sentence" and _REFERS_BACK.match(candidate.text) is not None


def antecedent(candidate: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the sentence that one refers back to, where it does and that is at hand."""
    if candidate.previous is None or not refers_back(candidate):
        return None
    before = candidates[candidate.previous]
    return before if before.kind == "sentence" else None


class _Cutter:
    """Cuts one passage into candidates."""

    def __init__(
        self, index: int, hit: Hit, document: Document | None, found: Sequence[Candidate]
    ) -> None:
        self._index = index
        self._hit = hit
        self._found = found
        # The document may have been replaced since the search; the passage is what was found.
        self._known = document is not None and document.text[hit.start : hit.end] == hit.text
        if document is not None and self._known:
            self._text, self._offset = document.text, 0
            self._blocks: Sequence[Block] = document.blocks
            self._pages, self._sections = document.pages, document.sections
            self._own = document.format in _OWN_TEXT
        else:
            self._text, self._offset = hit.text, hit.start
            self._pages, self._sections, self._own = (), (), False
            self._blocks = guessed_blocks(hit.text)
        self._start = hit.start - self._offset
        self._end = hit.end - self._offset
        self._heading = readable(hit.heading.rsplit(" > ", 1)[-1])
        self._follows = False
        self._counted = 0, 1  # a place, and the line it is on

    def candidates(self) -> Iterator[Candidate]:
        first = bisect_right(self._blocks, self._start, key=lambda block: block.end)
        for number in range(first, len(self._blocks)):
            block = self._blocks[number]
            if block.start >= self._end:
                break
            if block.kind == "heading":
                text = self._text[block.start : block.end].strip().lstrip("#")
                self._heading = readable(text)
                self._follows = False
            elif block.kind == "table":
                yield from self._rows(block, self._before(number, _CAPTION))
            elif block.kind == "code":
                yield from self._code(block, self._lead_in(number))
            else:
                yield from self._sentences(block, self._lead_in(number), self._list(number))

    def _sentences(self, block: Block, lead_in: str, items: Whole | None) -> Iterator[Candidate]:
        start = max(block.start, self._start - _BEYOND)
        end = min(block.end, self._end + _BEYOND)
        kind: CandidateKind = "item" if block.kind == "list_item" else "sentence"
        if kind == "item" and start == block.start:
            mark = ITEM_MARK.match(self._text, start)
            start = mark.end() if mark else start
        spans = [(s, e) for s, e in sentence_spans(self._text, start, end) if s < e]
        if kind == "item" and end - start <= _WHOLE:
            spans = [(start, end)]
        context = lead_in
        for span_start, span_end in _joined(spans):
            text = self._text[span_start:span_end].strip()
            if _ASKED.search(text):
                yield from self._candidate(span_start, span_end, "question", context)
                context = text
                continue
            ended = kind == "item" or _ENDED.search(text)
            leads = kind == "item" or (_LEADS_IN.search(text) and span_end == spans[-1][1])
            yield from self._candidate(
                span_start,
                span_end,
                kind if ended else "fragment",
                context,
                whole=items if leads else None,
            )

    def _rows(self, block: Block, caption: str) -> Iterator[Candidate]:
        names, rows = read_table(self._text, block, self._start, self._end)
        about = readable(f"{caption} {names}")
        together = self._whole(rows) if read_whole(block) else None
        for row in rows:
            yield from self._candidate(
                row.start,
                row.end,
                "row",
                about,
                row.shown,
                whole=together,
            )

    def _whole(self, rows: Sequence[Row]) -> Whole | None:
        if not self._known or not rows:
            return None  # of a passage alone nobody can tell where the table or list ends
        start = rows[0].start
        return whole(
            self._text, rows, page=self._page(start), line=self._line(start), offset=self._offset
        )

    def _list(self, number: int) -> Whole | None:
        """Return the list that an item or a line that leads in belongs to, where it is short."""
        blocks = self._blocks
        first = number if blocks[number].kind == "list_item" else number + 1
        while 0 < first <= number and blocks[first - 1].kind == "list_item":
            first -= 1
            if number - first > WHOLE_ROWS:
                return None
        items: list[Row] = []
        for block in blocks[first : first + WHOLE_ROWS + 1]:
            if block.kind != "list_item":
                break
            text = self._text[block.start : block.end].rstrip()
            mark = ITEM_MARK.match(text)
            said = text[mark.end() :] if mark else text
            items.append(Row(block.start, block.start + len(text), said))
        return self._whole(items)

    def _code(self, block: Block, lead_in: str) -> Iterator[Candidate]:
        if block.end - block.start <= _WHOLE:
            fences = [match.span() for match in FENCE.finditer(self._text, block.start, block.end)]
            first = fences[0][1] if fences and fences[0][0] == block.start else block.start
            last = fences[-1][0] if fences and fences[-1][1] == block.end else block.end
            yield from self._candidate(first, last, "code", lead_in)
            return
        start = block.start
        for line in self._text[block.start : block.end].split("\n"):
            if not FENCE.match(line):
                yield from self._candidate(start, start + len(line), "code", lead_in)
            start += len(line) + 1

    def _candidate(
        self,
        start: int,
        end: int,
        kind: CandidateKind,
        context: str,
        shown: str = "",
        *,
        whole: Whole | None = None,
    ) -> Iterator[Candidate]:
        while start < end and self._text[start].isspace():
            start += 1
        while end > start and self._text[end - 1].isspace():
            end -= 1
        text = self._text[start:end]
        if end <= self._start or start >= self._end or not any(map(str.isalnum, text)):
            return
        last = self._found[-1] if self._follows and self._found else None
        adjoins = last is not None and 0 <= start + self._offset - last.end <= _SHORT
        self._follows = True
        yield Candidate(
            hit=self._index,
            path=self._hit.path,
            page=self._page(start),
            heading=self._headings(start),
            line=self._line(start),
            start=start + self._offset,
            end=end + self._offset,
            text=text,
            shown=(shown or text,),
            context=readable(" ".join(part for part in (self._heading, context) if part)),
            kind=kind,
            previous=len(self._found) - 1 if adjoins else None,
            whole=whole,
        )

    def _page(self, start: int) -> int | None:
        if not self._pages:
            return self._hit.page
        return self._pages[
            max(0, bisect_right(self._pages, start, key=lambda page: page.start) - 1)
        ].number

    def _headings(self, start: int) -> str:
        if not self._known:
            return self._hit.heading
        number = bisect_right(self._sections, start, key=lambda section: section.start) - 1
        return " > ".join(self._sections[number].path) if number >= 0 else ""

    def _line(self, start: int) -> int | None:
        if not self._own:
            return None
        known, line = self._counted
        if start < known:
            known, line = 0, 1
        line += self._text.count("\n", known, start)
        self._counted = start, line
        return line

    def _lead_in(self, number: int) -> str:
        """Return the question or the ``…:`` that a block answers or completes."""
        block = self._blocks[number]
        while block.kind == "list_item" and number and self._blocks[number - 1].kind == block.kind:
            number -= 1
        before = self._before(number, 2 * _WHOLE)
        spans = sentence_spans(before)
        last = before[spans[-1][0] : spans[-1][1]].strip() if spans else ""
        return last if _LEADS_IN.search(last) else ""

    def _before(self, number: int, longest: int) -> str:
        """Return the block before, unless it is a heading or long."""
        if number == 0:
            return ""
        block = self._blocks[number - 1]
        if block.kind in ("heading", "table") or block.end - block.start > longest:
            return ""
        return self._text[block.start : block.end]


def _joined(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join a very short sentence ("No.") with the one that follows it."""
    start: int | None = None
    for number, (span_start, span_end) in enumerate(spans):
        begun = span_start if start is None else start
        if span_end - begun <= _SHORT and number + 1 < len(spans):
            start = begun
            continue
        yield begun, span_end
        start = None
