"""Markdown: the text is the file's own, and the structure is found in it by markdown-it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingest.decode import decode
from ingest.document import Block, BlockKind, Document
from ingest.structure import normalise_plain, sections_from_headings

if TYPE_CHECKING:
    from markdown_it.token import Token

    from ingest.loaders.registry import Source

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_MATTER_FIELD = re.compile(r"([A-Za-z_][\w-]{0,40})[ \t]*:[ \t]+(\S.*)")
_MAX_NESTING = 20


def load_markdown(source: Source) -> Document:
    """Load Markdown (CommonMark with tables). Offsets are those of the decoded file."""
    decoded = decode(source.data)
    text = normalise_plain(decoded.text)
    metadata, body = _front_matter(text)
    blocks, headings = _find_blocks(text, body)
    title = metadata.pop("title", None)
    if title is None and headings and sum(level == 1 for _, level, _ in headings) == 1:
        title = next(name for _, level, name in headings if level == 1) or None
    if "date" in metadata and "created" not in metadata:
        metadata["created"] = metadata.pop("date")
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
    match = _FRONT_MATTER.match(text)
    if match is None or not match.group(1):
        return {}, 0
    fields = (_FRONT_MATTER_FIELD.match(line) for line in match.group(1).splitlines())
    metadata = {field[1].lower(): field[2].strip().strip("\"'") for field in fields if field}
    return (metadata, match.end()) if metadata else ({}, 0)


def _find_blocks(text: str, body: int) -> tuple[tuple[Block, ...], list[tuple[int, int, str]]]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable("table")
    # Only the block structure is wanted; reading the emphasis of a long text takes its time.
    parser.core.ruler.disable(["inline", "text_join"])
    lines = _line_starts(text, body)
    marks: dict[int, tuple[BlockKind, int | None]] = {}
    headings: list[tuple[int, int, str]] = []
    if body and text[:body].strip():
        marks[0] = ("code", None)
    _mark(parser.parse(text[body:]), lines, marks, headings)
    return _blocks_from_marks(text, body, marks), headings


def _mark(
    tokens: Sequence[Token],
    lines: Sequence[int],
    marks: dict[int, tuple[BlockKind, int | None]],
    headings: list[tuple[int, int, str]],
) -> None:
    """Note where each block begins, as a line's offset, and what it is."""
    in_table = False
    for position, token in enumerate(tokens):
        if token.map is None:
            in_table = in_table and token.type != "table_close"
            continue
        start = lines[token.map[0]]
        end = lines[min(token.map[1], len(lines) - 1)]
        match token.type:
            case "heading_open":
                marks[start] = ("heading", None)
                name = plain_inline(tokens[position + 1].content)
                headings.append((start, int(token.tag[1]), name))
            case "table_open":
                in_table = True
                header_end = lines[min(token.map[0] + 2, len(lines) - 1)]
                marks[start] = ("table", header_end)
            case "fence" | "code_block":
                marks[start] = ("code", None)
            case "list_item_open":
                marks[start] = ("list_item", None)
            case "paragraph_open" | "html_block" | "hr":
                if not in_table:
                    marks.setdefault(start, ("paragraph", None))
            case _:
                continue
        # What follows a block without a blank line between, such as a paragraph after a table
        # or a fence, begins a block of its own; the next token says which, if it has a map.
        if token.type in {"heading_open", "table_open", "fence", "code_block", "html_block"}:
            marks.setdefault(end, ("paragraph", None))


def _blocks_from_marks(
    text: str, body: int, marks: dict[int, tuple[BlockKind, int | None]]
) -> tuple[Block, ...]:
    """Cut the text at the marks, so that the blocks cover all that is not white space."""
    marks.setdefault(body, ("paragraph", None))
    starts = sorted(start for start in marks if start < len(text))
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
            header_end = min(end, first + len(text[first:header_end].rstrip()))
        blocks.append(Block(kind, first, end, header_end))
    return tuple(blocks)


def plain_inline(source: str) -> str:
    """Return a heading's source without its inline markup: emphasis, links, code, images."""
    text = re.sub(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])?", r"\1", source)
    text = re.sub(r"`+([^`]+)`+", r"\1", text)
    text = re.sub(r"(\*\*|__|\*|~~)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    text = re.sub(r"(?<!\w)_(?=\S)(.+?)(?<=\S)_(?!\w)", r"\1", text)
    text = re.sub(r"<[^<>]*>", "", text)
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)
    return " ".join(text.split())


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
