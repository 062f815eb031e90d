"""White space and characters: the text of elements as a browser draws it."""

from __future__ import annotations

import re
import unicodedata

from ingest.loaders.html.elements import BLOCK_TAGS, Node

_LIGATURES = ("ff", "fi", "fl", "ffi", "ffl", "st", "st")
_TRANSLATION: dict[int, str | None] = {
    **{0xFB00 + place: letters for place, letters in enumerate(_LIGATURES)},
    **dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF)),  # soft hyphen, zero-width space, joiner, mark
    **dict.fromkeys((0xA0, 0x2007, 0x202F), " "),  # spaces that do not break
    **dict.fromkeys((0x2028, 0x2029, 0x85), "\n"),
}
_COLLAPSIBLE = re.compile(r"[ \t\n\r\f\v]+")
_LINE_TAGS = frozenset(["div", "li", "p", "tr"])


def clean(text: str) -> str:
    """NFC, ligatures spelled out, invisible characters dropped, fixed spaces made plain."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.translate(_TRANSLATION))


def one_space(text: str) -> str:
    """Make each run of white space in the source one space."""
    return _COLLAPSIBLE.sub(" ", text)


def lines_of(text: str) -> str:
    """Clean text in which line feeds are meant: no blank lines, no space around lines."""
    lines = (" ".join(line.split()) for line in clean(text).split("\n"))
    return "\n".join(line for line in lines if line)


def flat_text(node: Node) -> str:
    """Return all text in an element on one line."""
    pieces: list[str] = []
    stack: list[Node | str] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        if item.name == "br" or item.name in BLOCK_TAGS:
            pieces.append(" ")
            stack.append(" ")
        stack.extend(reversed(item.children))
    return " ".join(clean("".join(pieces)).split())


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
    lines = clean("".join(pieces)).split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    return "\n".join(lines[first:]).rstrip()
