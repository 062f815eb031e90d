"""Markdown: the text is the file's own, and the structure is found in it by markdown-it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ingest.decode import decode
from ingest.document import Block, BlockKind, Document
from ingest.structure import normalise_plain, sections_from_headings, title_of

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

    from ingest.loader_spec import Source


_FRONT_MATTER: Final = re.compile(
    r"(?P<fence>---|\+\+\+)[ \t]*\n(?P<body>(?s:.*?\n)??)(?:(?P=fence)|\.\.\.)[ \t]*(?:\n|\Z)"
)
_FIELD: Final = re.compile(r"(?P<key>[A-Za-z_][\w-]{0,40})[ \t]*[:=][ \t]*(?P<value>[^\s\[{].*)")
_LONGEST_FRONT_MATTER: Final = 1 << 16
_CREATED: Final = ("date", "created", "published")
# Deeper lists and quotes are left in the block they stand in; nesting costs the parser time.
_MAX_NESTING: Final = 20
_LONGEST_TITLE: Final = 1000


class _Mark(NamedTuple):
    """What begins at a place in the text; a table's header rows end at ``header_end``."""

    kind: BlockKind
    header_end: int | None = None


def load_markdown(source: Source) -> Document:
    """Load Markdown (CommonMark with tables). Offsets are those of the decoded file."""
    decoded = decode(source.data)
    text = normalise_plain(decoded.text)
    metadata, body = _front_matter(text)
    marks, headings = _find_marks(text, body)
    blocks = _blocks_between(text, marks)
    title = metadata.pop("title", None) or title_of(headings, begin=body)
    return Document(
        text=text,
        format="markdown",
        title=title,
        sections=sections_from_headings(headings, end=len(text)),
        blocks=blocks,
        metadata=metadata,
        warnings=(decoded.warning,) if decoded.warning else (),
        encoding=decoded.encoding,
    )


def _front_matter(text: str) -> tuple[dict[str, str], int]:
    """Return the plain fields of a YAML or TOML head, and where the text proper begins."""
    match = _FRONT_MATTER.match(text, 0, _LONGEST_FRONT_MATTER)
    if match is None:
        return {}, 0
    metadata: dict[str, str] = {}
    for line in match["body"].splitlines():
        if (field := _FIELD.match(line)) and (value := field["value"].strip().strip("\"'").strip()):
            metadata.setdefault(field["key"].lower(), value)
    if not metadata:
        return {}, 0
    for name in _CREATED:
        if name in metadata:
            metadata["created"] = metadata.pop(name)
            break
    return metadata, match.end()


def _find_marks(text: str, body: int) -> tuple[dict[int, _Mark], list[tuple[int, int, str]]]:
    """Return what begins where, and the headings as (start, level, title)."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable("table")
    # Only the blocks are wanted; to read the emphasis and links of a long text takes much longer.
    parser.core.ruler.disable(["inline", "text_join"])
    environment: dict[str, Any] = {}
    tokens = parser.parse(text[body:], environment)
    # What comes before the first mark, such as a link's definition, is a paragraph.
    marks = {body: _Mark("paragraph")}
    if body:
        marks[0] = _Mark("code")
    headings: list[tuple[int, int, str]] = []
    lines = _line_starts(text, body)
    for position, token in enumerate(tokens):
        if token.map is None:
            continue
        start, end = (lines[min(line, len(lines) - 1)] for line in token.map)
        if token.type == "heading_open":
            title = _plain(parser, tokens[position + 1].content, environment)
            marks[start] = _Mark("heading" if title else "paragraph")
            headings.append((start, int(token.tag[1]), title))
        elif token.type == "table_open":
            header_end = lines[min(token.map[0] + 2, len(lines) - 1)]
            marks[start] = _Mark("table", header_end if header_end < end else None)
        elif token.type in ("fence", "code_block"):
            marks[start] = _Mark("code")
        elif token.type == "list_item_open":
            marks[start] = _Mark("list_item")
        elif token.type in ("paragraph_open", "html_block", "hr"):
            marks.setdefault(start, _Mark("paragraph"))
            continue
        else:
            continue
        if token.type != "list_item_open":
            marks.setdefault(end, _Mark("paragraph"))
    return marks, headings


def _blocks_between(text: str, marks: dict[int, _Mark]) -> tuple[Block, ...]:
    """Cut the text at the marks, so that the blocks cover all that is not white space."""
    starts = sorted(marks)
    blocks: list[Block] = []
    for start, stop in zip(starts, [*starts[1:], len(text)], strict=True):
        content = text[start:stop]
        stripped = content.strip()
        if not stripped:
            continue
        first = start + content.index(stripped[0])
        end = first + len(stripped)
        kind, header_end = marks[start]
        if header_end is not None:
            header_end = min(end, start + len(text[start:header_end].rstrip()))
        blocks.append(Block(kind, first, end, header_end))
    return tuple(blocks)


def _plain(parser: MarkdownIt, source: str, environment: dict[str, Any]) -> str:
    """Return a heading without its markup, on one line."""
    if len(source) <= _LONGEST_TITLE:
        tokens: list[Token] = []
        parser.inline.parse(source, parser, environment, tokens)
        source = "".join(_texts(tokens))
    return " ".join(source.split())


def _texts(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            yield " "
        elif token.type == "image":
            yield from _texts(token.children or ())
        elif token.type != "html_inline":
            yield token.content


def _line_starts(text: str, body: int) -> list[int]:
    """Return where each line from ``body`` on begins, and the end of the text."""
    starts = [body]
    position = text.find("\n", body)
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    if starts[-1] != len(text):
        starts.append(len(text))
    return starts
