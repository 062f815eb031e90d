"""The sentences, list items and table rows of passages, each where it stands in its document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ingest.sentences import sentence_spans

if TYPE_CHECKING:
    from ragkit.results import Hit

CandidateKind = Literal["sentence", "item", "row", "question"]

# Reads the characters [start, end) of a document, clipped to its text.
ReadSource = Callable[[str, int, int], str]

_BEFORE = 600
_AFTER = 300
_TABLE_BEFORE = 4_000
_MAX_CHARACTERS = 600

_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_ITEM = re.compile(r"\s*(?:[-*+•‣◦▪–·]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+(?=\S)")
_SEPARATOR_ROW = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*\Z")
_CODE_FENCE = re.compile(r"\s*(?:```|~~~)")
_RULE = re.compile(r"\s*(?:[-=*_]\s*){3,}\Z")
_MARKUP = (
    (re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
    # A source's own footnote numbers would be taken for citations of the answer.
    (re.compile(r"\s?\[\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\]"), ""),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be said in answer: ``document.text[start:end] == text``.

    Attributes:
        hit: Index of the passage it comes from.
        path: The document's path.
        start: Code point in the document's text where it begins.
        end: Code point just past it.
        text: The text itself, verbatim.
        shown: The text as it reads best alone: without markup, a row with its column names.
        context: What it needs to be understood: heading, question or lead-in before it.
        kind: What it is; a question of the document is never an answer.
        previous: Index of the sentence just before it in the same paragraph, if any.
    """

    hit: int
    path: str
    start: int
    end: int
    text: str
    shown: str
    context: str
    kind: CandidateKind
    previous: int | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str


def candidates_of(
    hits: Sequence[Hit], read_source: ReadSource | None = None
) -> tuple[Candidate, ...]:
    """Cut the passages into candidates, in the order of the passages, none twice.

    Args:
        hits: Passages, best first.
        read_source: Reads more of a document around a passage, so that a sentence which the
            passage cuts off is whole, and a table row has its header; without it only the
            passages themselves are used.
    """
    found: list[Candidate] = []
    seen: set[tuple[str, int, int]] = set()
    for index, hit in enumerate(hits):
        offset = len(found)
        kept: dict[int, int] = {}
        for number, candidate in enumerate(_of_hit(index, hit, read_source)):
            place = (candidate.path, candidate.start, candidate.end)
            if place in seen or candidate.end <= hit.start or candidate.start >= hit.end:
                continue
            seen.add(place)
            kept[number] = offset + len(kept)
            previous = kept.get(candidate.previous) if candidate.previous is not None else None
            found.append(_with_previous(candidate, previous))
    return tuple(found)


def readable(text: str) -> str:
    """Leave out Markdown's marks and footnote numbers, on one line."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def _with_previous(candidate: Candidate, previous: int | None) -> Candidate:
    return candidate if candidate.previous == previous else replace(candidate, previous=previous)


def _of_hit(index: int, hit: Hit, read_source: ReadSource | None) -> list[Candidate]:
    base, text = _surroundings(hit, read_source)
    headings = {_plain(part) for part in hit.heading.split(" > ") if part}
    found: list[Candidate] = []
    heading = hit.heading.rsplit(" > ", 1)[-1]
    lead_in = ""

    def add(start: int, end: int, kind: CandidateKind, shown: str, context: str) -> None:
        start, end = _trim(text, start, end)
        if start >= end or not any(character.isalnum() for character in text[start:end]):
            return
        joined = " ".join(part for part in (heading, context) if part)
        if kind == "sentence" and found and found[-1].kind == "sentence" and not context:
            between = text[found[-1].end - base : start]
            previous = len(found) - 1 if "\n\n" not in between and len(between) < 3 else None
        else:
            previous = None
        found.append(
            Candidate(
                hit=index,
                path=hit.path,
                start=base + start,
                end=base + end,
                text=text[start:end],
                shown=shown or readable(text[start:end]),
                context=readable(joined),
                kind=kind,
                previous=previous,
            )
        )

    for block in _blocks(text):
        first = block[0]
        if _is_heading(block, headings):
            heading = readable(first.text.strip().lstrip("#").strip())
            lead_in = ""
        elif _is_row(first.text) and len(block) > 1:
            header = _header(block)
            for line in block[1 if header else 0 :]:
                if not _SEPARATOR_ROW.match(line.text):
                    add(line.start, line.end, "row", _row(line.text, header), " ".join(header))
        elif _CODE_FENCE.match(first.text):
            body = [line for line in block if not _CODE_FENCE.match(line.text)]
            if body and body[-1].end - body[0].start <= _MAX_CHARACTERS:
                add(body[0].start, body[-1].end, "item", "", lead_in)
            else:
                for line in body:
                    add(line.start, line.end, "item", "", lead_in)
        else:
            item = _ITEM.match(first.text)
            start = first.start + (item.end() if item else 0)
            kind: CandidateKind = "item" if item else "sentence"
            context = lead_in if item or lead_in.endswith("?") else ""
            spans = sentence_spans(text, start, block[-1].end)
            whole = item is not None and block[-1].end - start <= _MAX_CHARACTERS // 2
            if whole and len(spans) > 1:
                spans = [(start, block[-1].end)]
            for span_start, span_end in spans:
                sentence = text[span_start:span_end].strip()
                asks = sentence.rstrip("*_ ").endswith(("?", "？"))
                add(span_start, span_end, "question" if asks else kind, "", context)
                if asks:
                    context = sentence
            last = text[spans[-1][0] : spans[-1][1]].strip() if spans else ""
            if last.rstrip("*_ ").endswith((":", "：", "?", "？")):
                lead_in = last
            elif item is None:
                lead_in = ""
    return found


def _surroundings(hit: Hit, read_source: ReadSource | None) -> tuple[int, str]:
    """Return text around the passage, beginning and ending with whole lines, and its offset."""
    if read_source is None:
        return hit.start, hit.text
    base = max(0, hit.start - _BEFORE)
    text = read_source(hit.path, base, hit.end + _AFTER)
    first_line = text[hit.start - base :].split("\n", 1)[0]
    if base > 0 and _is_row(first_line):
        base = max(0, hit.start - _TABLE_BEFORE)
        text = read_source(hit.path, base, hit.end + _AFTER)
    if text[hit.start - base : hit.end - base] != hit.text:
        # The document was replaced since the search; the passage is what was found.
        return hit.start, hit.text
    # A line that reaches over the edge is cut, unless it belongs to the passage itself.
    if base > 0:
        newline = text.find("\n", 0, hit.start - base)
        if newline >= 0:
            text, base = text[newline + 1 :], base + newline + 1
    return base, text


def _blocks(text: str) -> Iterator[list[_Line]]:
    """Group lines: a paragraph, one list item with its continuation, a table, a code block."""
    block: list[_Line] = []
    fenced = False
    start = 0
    for body in text.split("\n"):
        line = _Line(start, start + len(body), body)
        start = line.end + 1
        if fenced:
            block.append(line)
            if _CODE_FENCE.match(body):
                yield block
                block, fenced = [], False
            continue
        if _CODE_FENCE.match(body):
            if block:
                yield block
            block, fenced = [line], True
            continue
        if not body.strip() or (_RULE.match(body) and not _is_row(body)):
            if block:
                yield block
            block = []
            continue
        starts_block = (
            _HEADING.match(body)
            or _ITEM.match(body)
            or (block and _HEADING.match(block[-1].text))
            or (block and _is_row(body) != _is_row(block[-1].text))
        )
        if block and starts_block:
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _is_heading(block: Sequence[_Line], headings: set[str]) -> bool:
    if _HEADING.match(block[0].text):
        return True
    return len(block) == 1 and _plain(block[0].text) in headings


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _is_row(line: str) -> bool:
    return " | " in line or line.lstrip().startswith("|") or line.count("\t") >= 1


def _cells(line: str) -> list[str]:
    stripped = line.strip()
    if "|" not in stripped:
        return [readable(cell) for cell in stripped.split("\t")]
    return [readable(cell) for cell in stripped.strip("|").split("|")]


def _header(block: Sequence[_Line]) -> list[str]:
    """Return the column names, or nothing when the first row is not a header row."""
    cells = _cells(block[0].text)
    if len(block) > 1 and _SEPARATOR_ROW.match(block[1].text):
        return cells
    if len(cells) < 3 or len(block) < 2:
        return []
    named = [cell for cell in cells if cell]
    if any(len(cell) > 60 or re.match(r"[\d$€£%(+-]", cell) for cell in named[1:]):
        return []
    return cells


def _row(line: str, header: Sequence[str]) -> str:
    """Write a row so that it reads alone: ``Pro: Price 49, Users 10``."""
    cells = _cells(line)
    if len(cells) == 1:
        return cells[0]
    subject, rest = cells[0], cells[1:]
    if len(header) != len(cells) or len(cells) < 3:
        return (
            f"{subject}: {', '.join(cell for cell in rest if cell)}"
            if subject
            else ", ".join(cell for cell in rest if cell)
        )
    pairs = [
        f"{name}: {cell}" if name else cell
        for name, cell in zip(header[1:], rest, strict=True)
        if cell
    ]
    return f"{subject} – {'; '.join(pairs)}" if subject else "; ".join(pairs)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
