"""Text that a page strikes out: marked as in Markdown, for it must not read as if it held."""

from __future__ import annotations

import re

from ingest.loaders.html.elements import BLOCK_TAGS, Node, words

MARK = "~~"
_TAGS = words("del s strike")
_STYLE = re.compile(r"text-decoration[a-z-]{0,8}\s*:[^;]*line-through", re.IGNORECASE)
_Leaf = tuple[Node, int]


def mark_deleted(root: Node) -> None:
    """Put :data:`MARK` around what is struck out, in each block that a stretch of it goes over."""
    leaves: list[_Leaf] = []  # of the stretch that is being gone through
    stack: list[tuple[Node, int, bool]] = [(root, 0, False)]
    while stack:
        node, place, deleted = stack.pop()
        if place == 0:
            deleted = deleted or _is_deleted(node)
            if node.name in BLOCK_TAGS:
                _mark(leaves)
        if place == len(node.children):
            above = stack[-1][2] if stack else False
            if node.name in BLOCK_TAGS or (deleted and not above):
                _mark(leaves)
            continue
        stack.append((node, place + 1, deleted))
        child = node.children[place]
        if isinstance(child, Node):
            stack.append((child, 0, deleted))
        elif deleted and child.strip():
            leaves.append((node, place))


def _is_deleted(node: Node) -> bool:
    if node.name in _TAGS or node.attributes.get("role", "").lower() == "deletion":
        return True
    style = node.attributes.get("style", "")
    return "through" in style.lower() and _STYLE.search(style) is not None


def _mark(leaves: list[_Leaf]) -> None:
    if not leaves:
        return
    (first, place), (last, end) = leaves[0], leaves[-1]
    text = str(first.children[place])
    start = len(text) - len(text.lstrip())
    first.children[place] = f"{text[:start]}{MARK}{text[start:]}"
    text = str(last.children[end])
    stop = len(text.rstrip())
    last.children[end] = f"{text[:stop]}{MARK}{text[stop:]}"
    leaves.clear()
