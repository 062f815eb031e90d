"""What stands between the paragraphs of a text without belonging to it.

Lists of links to other pages, teasers, "Related: …", labels of advertisements: known by their
links and their form, and a few by the words with which they begin.
"""

from __future__ import annotations

import re
from collections import defaultdict

from ingest.loaders.html.elements import (
    BLOCK_TAGS,
    HEADING_TAGS,
    LONGEST_LABEL,
    Node,
    descendants,
    peek,
    words,
)
from ingest.word_lists import INGEST_LISTS

_LONGEST_TITLE = 60
_TEASER_PROSE = 300
_CONTENT_TAGS = words("blockquote dl pre table")
_LABEL = re.compile(rf"\W*{INGEST_LISTS.alternatives('page_labels.headings')}", re.IGNORECASE)
_POINTER = re.compile(rf"\W*{INGEST_LISTS.alternatives('page_labels.pointers')}\b", re.IGNORECASE)
_FURNITURE = re.compile(
    rf"\W*{INGEST_LISTS.alternatives('page_labels.furniture')}\W*\Z", re.IGNORECASE
)


def find_inserts(main: Node) -> set[Node]:
    """Find the elements of a main text that do not belong to it."""
    dropped: set[Node] = set()
    unlinked = main.length - main.linked
    for node in descendants(main):
        if node.parent in dropped:
            dropped.add(node)
            continue
        _find_below_labels(node, dropped)
        _find_teasers(node, dropped)
        if node is not main and node.name in BLOCK_TAGS and _is_insert(node, unlinked):
            dropped.add(node)
    dropped.discard(main)
    return dropped


def _is_insert(node: Node, unlinked: int) -> bool:
    if node.name in HEADING_TAGS or node.name in ("table", "tr", "td", "th", "tbody"):
        return False
    if node.length <= _LONGEST_TITLE and _FURNITURE.match(node.label):
        return True
    if node.linked * 5 < node.length * 4 or node.linked * 4 > unlinked:
        return node.length <= LONGEST_LABEL and (
            node.linked * 3 > node.length and _POINTER.match(node.label) is not None
        )
    if node.name in ("ul", "ol"):
        return True
    return node.name in ("p", "div", "h5", "h6") and node.linked >= 25


def _find_below_labels(parent: Node, dropped: set[Node]) -> None:
    """Find labels such as "Related", with what is below them up to the next running text.

    A label directly above running text is a heading like any other, and stays.
    """
    label: Node | None = None
    below: list[Node] = []
    for child in parent.elements():
        if child in dropped or not child.length:
            continue
        if _is_label(child):
            if label is not None:
                dropped.update((label, *below))
            label, below = child, []
        elif label is not None:
            if not _ends_label(child):
                below.append(child)
                continue
            if below:
                dropped.update((label, *below))
            label, below = None, []
    if label is not None:
        dropped.update((label, *below))


def _is_label(node: Node) -> bool:
    return (
        node.length <= _LONGEST_TITLE
        and node.name in BLOCK_TAGS
        and node.name != "h1"
        and _LABEL.match(node.label) is not None
    )


def _ends_label(node: Node) -> bool:
    """Whether an element below a label is content again: a heading, or running text."""
    if node.name in HEADING_TAGS:
        return node.linked * 2 < node.length
    if node.name == "p":
        return node.prose > 0 and node.linked * 2 < node.length
    if node.name in _CONTENT_TAGS:
        return node.linked * 2 < node.length
    return node.prose >= _TEASER_PROSE and node.linked * 3 < node.length


def _find_teasers(parent: Node, dropped: set[Node]) -> None:
    """Find three or more elements of one kind that are each a linked heading and little text."""
    alike: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for child in parent.elements():
        if child.name in ("article", "div", "li", "section", "a") and child.length:
            alike[child.name, child.attributes.get("class", "")].append(child)
    for group in alike.values():
        if len(group) < 3:
            continue
        teasers = [child for child in group if _is_teaser(child)]
        if len(teasers) * 5 >= len(group) * 4:
            dropped.update(group)


def _is_teaser(node: Node) -> bool:
    if node.prose > _TEASER_PROSE or not node.linked:
        return False
    for below in peek(node):
        if below.name in HEADING_TAGS and below.length:
            return below.linked * 5 >= below.length * 4
    return False
