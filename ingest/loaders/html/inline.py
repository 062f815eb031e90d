"""White space and characters: the text of elements as a browser draws it."""

from __future__ import annotations

import re

from ingest.loaders.building import clean, tidy_line
from ingest.loaders.html.elements import BLOCK_TAGS, Node

_COLLAPSIBLE = re.compile(r"[ \t\n\r\f\v]+")
_ROWS = frozenset(["tbody", "tfoot", "thead", "tr"])
_LINE_TAGS = frozenset(["div", "li", "p", "tr"])


def one_space(text: str) -> str:
    """Make each run of white space in the source one space."""
    return _COLLAPSIBLE.sub(" ", text)


def flat_text(node: Node) -> str:
    """Return all text in an element on one line, semicolons between the rows of tables in it."""
    pieces: list[str] = []
    stack: list[Node | str] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        if item.name == "tr" and _follows_a_row(item):
            while pieces and not pieces[-1].strip():
                pieces.pop()
            if pieces and pieces[-1] != "; ":
                pieces.append("; ")
        if item.name == "br" or item.name in BLOCK_TAGS:
            pieces.append(" ")
            stack.append(" ")
        stack.extend(reversed(item.children))
    return tidy_line("".join(pieces))


def _follows_a_row(row: Node) -> bool:
    """Whether a row is not the first of its table."""
    node = row
    while node.parent is not None and node.name in _ROWS:
        first = next(node.parent.elements())
        if first is not node:
            return first.name in _ROWS
        node = node.parent
    return False


def verbatim(node: Node) -> str:
    """Return preformatted text with its line breaks and indentation."""
    pieces: list[str] = []
    stack: list[Node | str] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
        elif item.name == "br":
            pieces.append("\n")
        else:
            if item.name in _LINE_TAGS and pieces and not pieces[-1].endswith("\n"):
                pieces.append("\n")
            stack.extend(reversed(item.children))
    return clean("".join(pieces))
