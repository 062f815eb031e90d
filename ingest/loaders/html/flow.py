"""From a tree of elements to text with located blocks and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.loaders.building import DocumentBuilder, tidy
from ingest.loaders.html.data_tables import is_data_table, table_rows
from ingest.loaders.html.deleted import mark_deleted
from ingest.loaders.html.elements import BLOCK_TAGS, HEADING_TAGS, PREFORMATTED_TAGS, Node
from ingest.loaders.html.inline import flat_text, one_space, verbatim

if TYPE_CHECKING:
    from ingest.document import BlockKind

_REPEATED_LENGTH = 60
_LIST_TAGS = frozenset(["dir", "menu", "ol", "ul"])
_PERMALINK = re.compile(r"[\s#¶§🔗⚓\ufe0e\ufe0f]*\Z")


@dataclass(slots=True)
class _List:
    ordered: bool
    number: int
    step: int
    style: str


@dataclass(slots=True)
class _Writer:
    """Gathers the text of one block at a time, and what it stands in."""

    builder: DocumentBuilder
    said: set[str] = field(default_factory=set)
    inline: list[str] = field(default_factory=list)
    level: int = 0
    marker: str = ""
    lists: list[_List] = field(default_factory=list)
    items: int = 0
    after_term: bool = False

    def flush(self) -> None:
        """End the block being gathered."""
        self.after_term = False
        if not self.inline:
            return
        text = tidy("".join(self.inline))
        self.inline.clear()
        if not text:
            return
        if self.level:
            self.said.clear()
            self.builder.append("heading", " ".join(text.split()), level=self.level)
            return
        if len(text) < _REPEATED_LENGTH or text not in self.said:
            kind: BlockKind = "list_item" if self.items else "paragraph"
            self.builder.append(kind, self.marker + text)
        self.said.add(text)  # below this heading; the captions of galleries are said again
        self.marker = ""


def write_blocks(builder: DocumentBuilder, root: Node) -> None:
    """Add an element's text block by block, white space as it is drawn."""
    mark_deleted(root)
    writer = _Writer(builder)
    _enter(writer, root)
    stack: list[tuple[Node, Iterator[Node | str]]] = [(root, iter(root.children))]
    while stack:
        node, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            _leave(writer, node)
        elif isinstance(child, str):
            writer.inline.append(one_space(child))
        elif not _write_whole(writer, child):
            _enter(writer, child)
            stack.append((child, iter(child.children)))
    writer.flush()


def _write_whole(writer: _Writer, node: Node) -> bool:
    """Write an element that is not walked through; return whether it was one."""
    name = node.name
    if name == "br":
        writer.inline.append("\n")
    elif name in PREFORMATTED_TAGS:
        writer.flush()
        writer.builder.add("code", verbatim(node))
    elif name == "table" and is_data_table(node):
        writer.flush()
        for caption in node.elements():
            if caption.name == "caption":
                writer.builder.add("paragraph", flat_text(caption))
        rows, header_rows = table_rows(node)
        writer.builder.add_table(rows, header_rows=header_rows)
    elif name == "a" and writer.level and node.length <= 4 and _PERMALINK.match(flat_text(node)):
        pass  # the mark beside a heading that links to itself
    else:
        return False
    return True


def _enter(writer: _Writer, node: Node) -> None:
    name = node.name
    if name not in BLOCK_TAGS:
        if name == "q":
            writer.inline.append("“")
        return
    if not (writer.after_term and (name == "dt" or (name == "dd" and _is_plain(node)))):
        writer.flush()
    if name in HEADING_TAGS:
        writer.level = int(name[1])
    elif name in _LIST_TAGS:
        writer.lists.append(_new_list(node))
    elif name == "li":
        writer.items += 1
        writer.marker = _marker(writer.lists[-1], node) if writer.lists else "- "
    elif name == "dd":
        writer.items += 1


def _leave(writer: _Writer, node: Node) -> None:
    name = node.name
    if name not in BLOCK_TAGS:
        if name == "q":
            writer.inline.append("”")
        return
    if name == "dt" and writer.inline:
        writer.inline.append("\n")
        writer.after_term = True
        return
    writer.flush()
    if name in HEADING_TAGS:
        writer.level = 0
    elif name in _LIST_TAGS:
        writer.lists.pop()
    elif name == "li":
        writer.items -= 1
        writer.marker = ""
    elif name == "dd":
        writer.items -= 1


def _is_plain(description: Node) -> bool:
    """Whether a description is one stretch of text, which then stays with its term."""
    return not any(child.name in BLOCK_TAGS for child in description.elements())


def _new_list(node: Node) -> _List:
    ordered = node.name == "ol"
    step = -1 if ordered and "reversed" in node.attributes else 1
    first = 1 if step > 0 else sum(child.name == "li" for child in node.elements())
    start = _integer(node.attributes.get("start"), first)
    return _List(ordered, start, step, node.attributes.get("type", "1"))


def _marker(current: _List, item: Node) -> str:
    if not current.ordered:
        return "- "
    number = _integer(item.attributes.get("value"), current.number)
    current.number = number + current.step
    if current.style in ("a", "A") and 1 <= number <= 26:
        return f"{chr(ord(current.style) + number - 1)}. "
    return f"{number}. "


def _integer(text: str | None, default: int) -> int:
    if text is None or not re.fullmatch(r"\s*-?\d{1,9}\s*", text):
        return default
    return int(text)
