"""The structure of a passage whose document is not at hand, by how its lines look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.document import Block
from ragkit.answer.rows_and_items import ITEM_MARK

if TYPE_CHECKING:
    from ingest.document import BlockKind

_LINE = re.compile(r".*\S.*")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")


def guessed_blocks(text: str) -> list[Block]:
    """Tell headings, table rows, list items and paragraphs by how their lines look."""
    blocks: list[Block] = []
    for match in _LINE.finditer(text):
        line = match.group()
        kind: BlockKind = "paragraph"
        if _HEADING.match(line):
            kind = "heading"
        elif line.lstrip().startswith("|") or " | " in line:
            kind = "table"
        elif ITEM_MARK.match(line.lstrip()):
            kind = "list_item"
        last = blocks[-1] if blocks else None
        goes_on = last is not None and last.end + 1 == match.start()
        if (
            last is not None
            and goes_on
            and (kind == last.kind == "table" or (kind == "paragraph" and last.kind != "heading"))
        ):
            blocks[-1] = Block(last.kind, last.start, match.end())
        else:
            blocks.append(Block(kind, match.start(), match.end()))
    return blocks
