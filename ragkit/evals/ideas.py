"""Questions that a document answers, found in it without a language model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.sentences import sentence_spans
from ragkit.evals.wording import ask_for_cell, ask_for_figure, ask_what_it_is
from ragkit.language import words
from ragkit.language.languages import ENGLISH, language_of

if TYPE_CHECKING:
    from ingest.document import Block, Document

_LONGEST_CELL, _LONGEST_NAME = 80, 60
_LONGEST_ANSWER = 250
_SEPARATOR = re.compile(r"[\s|:+=-]*\Z")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
# A first sentence that says no more than this is not the whole answer.
_CURT_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Idea:
    """A question found in a document, with the place of its answer.

    ``cell`` holds the names of row, column and table where it asks for a table's cell.
    """

    kind: str
    question: str
    answer: str
    start: int
    end: int
    cell: tuple[str, str, str] | None = None


def ideas_of(document: Document, path: str) -> Iterator[Idea]:
    """Find questions: headings that ask, figures in sentences, definitions, cells of tables.

    Sentences are turned into questions only in English documents; headings and tables in all.
    """
    text = document.text
    english = language_of(text) == ENGLISH
    lower = _lower_case_words(text)
    heading = document.title or path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    for number, block in enumerate(document.blocks):
        if block.kind == "heading":
            heading = _named(text[block.start : block.end]) or heading
            following = document.blocks[number + 1 : number + 2]
            if heading.endswith(("?", "？")) and following:
                yield from _asked_by_heading(document, following[0], heading)
        elif block.kind == "table":
            yield from _from_table(document, block, heading, lower if english else None)
        elif english and block.kind in ("paragraph", "list_item"):
            yield from _from_sentences(document, block, lower)


def other_years(ideas: Collection[Idea], document: Document) -> Iterator[str]:
    """Questions about a year of which a document says nothing: of a table's, or a sentence's."""
    known = set(_YEAR.findall(document.text))
    for idea in ideas:
        years = _YEAR.findall(idea.question if idea.cell is None else idea.cell[1])
        if len(set(years)) == 1:
            missing = [str(int(years[0]) - back) for back in range(2, 12)]
            unknown = [year for year in missing if year not in known]
            if unknown:
                yield idea.question.replace(years[0], unknown[0])


def other_attributes(ideas: Collection[Idea], document: Document) -> Iterator[tuple[str, str, str]]:
    """Rows of one table asked for what only another table of the document tells.

    Yields the question, the row and the column; whether the documents tell it elsewhere is to be
    checked by the caller.
    """
    lower = _lower_case_words(document.text)
    cells = [idea.cell for idea in ideas if idea.cell is not None]
    rows_of: dict[str, set[str]] = {}
    columns_of: dict[str, set[str]] = {}
    for row, column, table in cells:
        rows_of.setdefault(table, set()).add(row)
        columns_of.setdefault(table, set()).add(column)
    for row, _, table in cells:
        for other, rows in rows_of.items():
            if other == table or row in rows or not any(_alike(row, one) for one in rows):
                continue
            for column in sorted(columns_of[other] - columns_of[table]):
                question = ask_for_cell(row, column, table, lower)
                if question.startswith("What is the ") and not _YEAR.search(column):
                    yield question, row, column


def _lower_case_words(text: str) -> set[str]:
    """Words that are written in lower case often enough that they are no names."""
    written = Counter(re.findall(r"\b[A-Za-z][a-z'’-]+\b", text))
    return {
        word for word in written if word.islower() and written[word.title()] <= 5 * written[word]
    }


def _alike(row: str, other: str) -> bool:
    """Whether two rows name things of a kind, as "CV-100" and "CV-300 with cable" do."""
    return bool(words.names(row[1:]) and words.names(other[1:]) & words.names(row[1:])) or (
        row.split()[0] == other.split()[0]
    )


def _named(text: str) -> str:
    """A heading without marks, underlines and numbering."""
    line = next((line for line in text.split("\n") if re.search(r"\w", line)), "")
    plain = " ".join(line.strip().strip("#=*-_ ").split())
    return re.sub(r"^(?:\d+(?:\.\d+)*\.?|[A-Z]\.)\s+(?=\w)", "", plain)


def _asked_by_heading(document: Document, block: Block, question: str) -> Iterator[Idea]:
    if block.kind not in ("paragraph", "list_item"):
        return
    spans = list(sentence_spans(document.text, block.start, block.end))
    start, end = spans[0]
    if len(spans) > 1 and end - start <= _CURT_CHARACTERS:
        end = spans[1][1]
    answer = document.text[start:end].rstrip()
    yield Idea("heading", question, answer, start, start + len(answer))


def _from_table(
    document: Document, block: Block, heading: str, lower: Collection[str] | None
) -> Iterator[Idea]:
    """Ask for cells by the names of row and column; ``lower`` is ``None`` if not in English."""
    if block.header_end is None:
        return
    head = [
        line
        for line in document.text[block.start : block.header_end].split("\n")
        if line.strip() and not _SEPARATOR.match(line)
    ]
    names = [name for _, name in _cells(head[-1])] if head else []
    start = block.header_end
    for line in document.text[block.header_end : block.end].split("\n"):
        cells = _cells(line)
        if not _SEPARATOR.match(line) and len(cells) == len(names) >= 2 and _names(cells[0][1]):
            row = cells[0][1]
            for (offset, cell), name in zip(cells[1:], names[1:], strict=True):
                if not (_names(name) or _YEAR.fullmatch(name)) or not _says(cell, row):
                    continue
                at = start + offset
                question = (
                    f"{heading} – {row}: {name}?"
                    if lower is None
                    else ask_for_cell(row, name, heading, lower)
                )
                yield Idea("cell", question, cell, at, at + len(cell), (row, name, heading))
        start += len(line) + 1


def _names(name: str) -> bool:
    """Whether it can name a row or column: some letters, and not a whole sentence."""
    return len(name) <= _LONGEST_NAME and len(re.findall(r"[^\W\d_]", name)) >= 3


def _says(cell: str, row: str) -> bool:
    return bool(re.search(r"\w", cell)) and len(cell) <= _LONGEST_CELL and cell != row


def _cells(line: str) -> list[tuple[int, str]]:
    """The cells of a table's row, each with its offset in the line."""
    separator = "|" if "|" in line else "\t"
    found, at = [], 0
    for part in line.split(separator):
        found.append((at + len(part) - len(part.lstrip()), part.strip()))
        at += len(part) + 1
    if separator == "|" and found and not found[0][1]:
        found = found[1:]
    if separator == "|" and found and not found[-1][1]:
        found = found[:-1]
    return found


def _from_sentences(document: Document, block: Block, lower: Collection[str]) -> Iterator[Idea]:
    for start, end in sentence_spans(document.text, block.start, block.end):
        sentence = document.text[start:end].rstrip()
        if sentence[-1:] not in (".", "!"):
            continue  # a caption, a heading or a line of a list
        for kind, found in (
            ("figure", ask_for_figure(sentence, lower)),
            ("definition", ask_what_it_is(sentence, lower)),
        ):
            if found is not None and found.end - found.start <= _LONGEST_ANSWER:
                answer = sentence[found.start : found.end]
                yield Idea(kind, found.question, answer, start + found.start, start + found.end)
