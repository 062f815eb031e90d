"""Tables: which hold data and which only place things, and data as lines of cells."""

from __future__ import annotations

import re

from ingest.loaders.html.elements import HEADING_TAGS, PREFORMATTED_TAGS, Node
from ingest.loaders.html.inline import flat_text

_LAYOUT_ROLES = frozenset(["presentation", "none"])
_ROW_GROUPS = frozenset(["thead", "tbody", "tfoot"])
_PLACED_TAGS = HEADING_TAGS | PREFORMATTED_TAGS | {"article", "section", "form", "blockquote"}
_LONGEST_CELL = 1000
_LONGEST_REPEATED = 80
_MOST_REPEATED = 20
_WIDEST_CELL = 20


def is_data_table(table: Node) -> bool:
    """Whether a table holds data, so that its rows are lines, or only places things."""
    if table.attributes.get("role", "").lower() in _LAYOUT_ROLES:
        return False
    rows = table_body(table)
    if not rows or max(len(cells_of(row)) for row, _ in rows) < 2:
        return False
    # With names for its columns a table may hold small ones; else it rather places them.
    named = any(cell.name == "th" for row, _ in rows for cell in cells_of(row))
    stack = list(table.elements())
    while stack:
        node = stack.pop()
        if node.name in _PLACED_TAGS or (node.name == "table" and not named):
            return False
        if node.name == "td" and node.length > _LONGEST_CELL:
            return False
        stack.extend(node.elements())
    return True


def table_body(table: Node) -> list[tuple[Node, bool]]:
    """Return a table's rows, and for each whether it stands in the table's head."""
    rows: list[tuple[Node, bool]] = []
    for child in table.elements():
        if child.name == "tr":
            rows.append((child, False))
        elif child.name in _ROW_GROUPS:
            rows += [(row, child.name == "thead") for row in child.elements() if row.name == "tr"]
    return rows


def cells_of(row: Node) -> list[Node]:
    """Return the cells of a row."""
    return [cell for cell in row.elements() if cell.name in ("td", "th")]


def table_rows(table: Node) -> tuple[list[list[str]], int]:
    """Return the rows as texts of cells, and how many rows at the top are its header.

    A short cell that spans rows is repeated in each of them, so that every line can be read alone.
    """
    found: list[list[str]] = []
    header_rows = 0
    in_header = True
    spanning: dict[int, tuple[str, int]] = {}
    for row, in_head in table_body(table):
        cells = cells_of(row)
        texts: list[str] = []
        for cell in cells:
            _repeat_spanning(texts, spanning)
            text = flat_text(cell)
            rows = _span(cell, "rowspan")
            if rows > 1 and len(text) <= _LONGEST_REPEATED and len(spanning) < _MOST_REPEATED:
                spanning[len(texts)] = (text, rows - 1)
            texts.append(text)
            texts += [""] * (min(_span(cell, "colspan"), _WIDEST_CELL) - 1)
        _repeat_spanning(texts, spanning)
        if not any(texts):
            continue
        found.append(texts)
        in_header = in_header and (
            in_head or (len(cells) > 1 and all(cell.name == "th" for cell in cells))
        )
        header_rows += in_header
    return found, header_rows


def _repeat_spanning(texts: list[str], spanning: dict[int, tuple[str, int]]) -> None:
    while (column := len(texts)) in spanning:
        text, rows = spanning.pop(column)
        texts.append(text)
        if rows > 1:
            spanning[column] = (text, rows - 1)


def _span(cell: Node, name: str) -> int:
    text = cell.attributes.get(name, "1").strip()
    return int(text) if re.fullmatch(r"\d{1,5}", text) else 1
