"""Sentence boundaries, as offsets into a text.

Rules, not a model: they must run on any language at tens of megabytes a second per core, and say
the same thing every time. A text is first cut into stretches that a sentence cannot cross (blank
lines, list items, table rows, headings); inside each stretch every stop is judged by the word
before it and the word after it. Every scan moves forward only, and looks around itself in a
window of fixed size, so time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ingest.word_lists import INGEST_LISTS

# Stops that need white space after them, and stops of scripts that write none.
_STOP = re.compile(
    r"(?:(?P<wide>[。！？｡۔؟।॥։።፧၊။។៕]+)|[.!?…‼⁇⁈⁉]+|．(?!\d))"
    r"(?:[\"'”’»›)\]}」』】）］｝〉》*_`¹²³\u2070-\u2079\u200b\u200e\u200f]|\[\d{1,3}\])*"
)
_LINE = re.compile(r"\S[^\n]*")
_SPACE = re.compile(r"\s*")
_OPENERS = re.compile(r"[\"'“‘„«‹(\[{¿¡*_`「『【（《〈]{0,8}")
_WORD = re.compile(r"\w[\w'’]{0,23}")
_WINDOW = 40  # how far to look back for the word before a stop

_LIST_ITEM = re.compile(
    r"\s*(?:[-*+•◦▪▫‣⁃·●○■□–—]\s|\(?\d{1,3}[.)]\s|\(?[a-z][.)]\s|\([A-Z]\)\s|[ivx]{1,5}[.)]\s)"
)
_HEADING = re.compile(r"\s*(?:#{1,6}\s|={1,6}\s.*\s={1,6}\s*$|[=\-_*~]{3,}\s*$)")
_COLUMNS = re.compile(r"\S(?: \| ?|\t|\s{3,}\S+\s{3,})")
# Nobody wraps prose at more columns than this: such a line is a paragraph of its own.
_WIDEST_WRAP = 200
_NEVER = INGEST_LISTS.words("abbreviations.within")
_NUMBERED = INGEST_LISTS.words("abbreviations.numbered") | INGEST_LISTS.words(
    "months.short", "english"
)
_SELDOM = INGEST_LISTS.words("abbreviations.seldom")
_STARTERS = INGEST_LISTS.words("abbreviations.sentence_starters")
# Of languages that write ordinals with a stop.
_MONTHS_AFTER_ORDINAL = INGEST_LISTS.words("months", "german", "swedish")
_COUNTED = re.compile(r"(?:\d|[IVXLC]+\b|[A-Z]\b)")


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Find the sentences of ``text[start:end]``.

    Args:
        text: Any text.
        start: Code point to begin at.
        end: Code point to stop before; the end of the text if ``None``.

    Returns:
        Half-open spans into ``text``, in order and disjoint. None begins or ends with white
        space, and together they hold every other character of the range. What has no sentences
        (a table, a list, code) yields its lines.
    """
    limit = len(text) if end is None else min(end, len(text))
    spans: list[tuple[int, int]] = []
    for stretch_start, stretch_end in _stretches(text, max(start, 0), limit):
        _split_stretch(text, stretch_start, stretch_end, spans)
    return spans


def _stretches(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield trimmed stretches of ``text`` that no sentence crosses."""
    paragraph: list[tuple[int, int]] = []
    previous_end = start
    for match in _LINE.finditer(text, start, end):
        if paragraph and text.count("\n", previous_end, match.start()) > 1:
            yield from _join_lines(text, paragraph)
            paragraph = []
        previous_end = match.end()
        paragraph.append((match.start(), match.start() + len(match[0].rstrip())))
    if paragraph:
        yield from _join_lines(text, paragraph)


def _join_lines(text: str, lines: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the lines of one paragraph, joined where a line break is only a wrap."""
    if len(lines) == 1:
        yield lines[0]
        return
    width = min(max(end - start for start, end in lines), _WIDEST_WRAP)
    begin = lines[0][0]
    for (start, end), (next_start, next_end) in pairwise(lines):
        if _breaks(text, start, end, next_start, next_end, width):
            yield begin, end
            begin = next_start
    yield begin, lines[-1][1]


def _breaks(text: str, start: int, end: int, next_start: int, next_end: int, width: int) -> bool:
    """Whether the line break between two trimmed lines is more than a wrap."""
    if end - start > _WIDEST_WRAP:
        return True
    following = text[next_start : min(next_end, next_start + _WIDEST_WRAP)] + " "
    if _LIST_ITEM.match(following) or _is_row(following) or _HEADING.match(following):
        return True
    line = text[start:end]
    if _is_row(line) or _HEADING.match(line):
        return True
    # A wrapped line ends because the next word did not fit. This one had room to spare.
    first_word = len(following.split(None, 1)[0])
    return (
        len(line) + 1 + first_word <= 0.6 * width
        and not following[0].islower()
        and line[-1] not in ",;-–—&/("
    )


def _is_row(line: str) -> bool:
    return line.startswith("|") or _COLUMNS.search(line) is not None


def _split_stretch(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    """Append the sentences of one trimmed stretch to ``spans``."""
    caseless: bool | None = None
    begin = start
    marker = _LIST_ITEM.match(text, start, end)
    for match in _STOP.finditer(text, marker.end() if marker else start, end):
        stop = match.end()
        if stop >= end:
            break
        if match.start() < begin:
            continue
        following = _SPACE.match(text, stop, end).end()  # type: ignore[union-attr]
        if match["wide"] is None:
            if following == stop:
                continue
            if caseless is None:
                # Text typed all in lower case has no capitals to tell a new sentence by.
                caseless = text[start:end].islower()
            if not _ends(text, begin, match.start(), following, end, caseless=caseless):
                continue
        elif text[following] in "，、,;；:：)）":
            continue
        spans.append((begin, stop))
        begin = following
    if begin < end:
        spans.append((begin, end))


def _ends(text: str, begin: int, mark: int, following: int, end: int, *, caseless: bool) -> bool:
    """Whether the stop at ``mark`` ends the sentence that starts at ``begin``.

    ``following`` is where the next text starts, past white space.
    """
    head = _OPENERS.match(text, following, end).end()  # type: ignore[union-attr]
    if head >= end:
        return False
    initial = text[head]
    if initial in ",;:)]}.!?%":
        return False
    match = _WORD.match(text, head, end)
    after = match[0].lower() if match else ""
    if initial.islower() and not caseless:
        return False
    if text[mark] != "." or text.startswith("..", mark):
        return True
    words = text[max(begin, mark - _WINDOW) : mark].split()
    if not words:
        return False
    word = words[-1].lstrip("\"'“‘„«‹([{¿¡*_`")
    if word.isdigit():
        if len(words) == 1:  # the number of a list item, a heading, a note
            return False
        return not (len(word) <= 2 and after in _MONTHS_AFTER_ORDINAL)
    lower = word.lower()
    starts_sentence = after in _STARTERS and not caseless
    if lower in _NEVER:
        return False
    if lower in _NUMBERED:
        return not _COUNTED.match(text, head, end) or (starts_sentence and after != "a")
    if len(word) == 1 and word.isalpha() and word.isascii():
        return starts_sentence
    if lower in _SELDOM or _is_acronym(word):
        return starts_sentence
    return True


def _is_acronym(word: str) -> bool:
    """Whether ``word`` is single letters with stops between them, such as ``U.S.A``."""
    return len(word) >= 3 and all(len(part) == 1 for part in word.split("."))
