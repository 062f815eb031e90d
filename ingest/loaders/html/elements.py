"""A page as a light tree: what a reader can see, and how much of it is prose or links.

Everything here iterates; nothing recurses, so nesting may be as deep as a file can make it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bs4 import BeautifulSoup, Tag
from bs4.element import CData, NavigableString


def words(text: str) -> frozenset[str]:
    """Return the words of a string as a set: the lists below read better so."""
    return frozenset(text.split())


BLOCK_TAGS = words(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing
    main menu nav ol optgroup option p plaintext pre search section summary table tbody td tfoot th
    thead tr ul xmp
    """
)
HEADING_TAGS = words("h1 h2 h3 h4 h5 h6")
PREFORMATTED_TAGS = words("listing plaintext pre xmp")
# What a browser does not draw as text, or draws only as a control.
_UNSEEN_TAGS = words(
    """
    applet area audio base canvas col colgroup datalist embed frame head iframe input link map meta
    meter noembed noframes noscript object param progress rp rt script select source style svg
    template textarea track video
    """
)
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE
)
_HIDDEN_CLASSES = words(
    """
    sr-only visually-hidden visuallyhidden screen-reader-text screenreader-only screen-reader-only
    show-for-sr hidden-text a11y-hidden off-screen offscreen element-invisible
    """
)
_NAME_WORD = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]+")
_LONGEST_NAMES = 600
LONGEST_LABEL = 300
_PEEKED = 100  # whoever looks into every element must not look far into each
_SENTENCE_END = re.compile(r"[.!?…。！？؟।][\"'”’»)\]]*\s*$")
_SPACES = re.compile(r"\s+")
_SENTENCE_LENGTH = 20
_PROSE_LENGTH = 60


@dataclass(slots=True, eq=False)
class Node:
    """An element that is drawn. ``children`` are in order; text is as in the source.

    Attributes:
        name: The element's name, lower case.
        attributes: As in the source; several class names are one string.
        parent: The element around it; ``None`` for the root.
        children: Elements and stretches of text.
        words: Words of its class, id and role, lower case, for guessing what it is.
        length: Characters of text in it, white space collapsed.
        label: That text on one line if it is short, else empty.
        linked: Those of them in links.
        prose: Those that belong to running text: see :func:`measure`.
        paragraphs: The number of blocks of running text in it.
    """

    name: str
    attributes: dict[str, str]
    parent: Node | None
    children: list[Node | str] = field(default_factory=list)
    words: frozenset[str] = frozenset()
    length: int = 0
    label: str = ""
    linked: int = 0
    prose: int = 0
    paragraphs: int = 0

    def elements(self) -> Iterator[Node]:
        """Yield the child elements."""
        for child in self.children:
            if isinstance(child, Node):
                yield child


def build(soup: BeautifulSoup) -> Node:
    """Copy what can be seen of a parsed page, at once or by opening a panel."""
    root = Node("html", {}, None)
    opened = _opened_by_controls(soup)
    stack: list[tuple[Tag, Node]] = [(soup, root)]
    while stack:
        tag, node = stack.pop()
        for child in tag.contents:
            if isinstance(child, Tag):
                if child.name in _UNSEEN_TAGS:
                    continue
                attributes = {key: str(value) for key, value in child.attrs.items()}
                if is_hidden(child.name, attributes) and attributes.get("id") not in opened:
                    continue
                below = Node(child.name, attributes, node, words=name_words(attributes))
                node.children.append(below)
                stack.append((child, below))
            elif type(child) in (NavigableString, CData) and child:
                node.children.append(str(child))
    return root


def _opened_by_controls(soup: BeautifulSoup) -> set[str]:
    """Return the ids of what tabs and buttons of accordions show."""
    opened: set[str] = set()
    for tag in soup.descendants:
        if not isinstance(tag, Tag) or "aria-controls" not in tag.attrs:
            continue
        if tag.get("role") == "tab" or "aria-expanded" in tag.attrs:
            opened.update(str(tag["aria-controls"]).split())
    return opened


def is_hidden(name: str, attributes: dict[str, str]) -> bool:
    """Whether the source itself says that an element is not shown."""
    if not attributes or name in ("html", "body"):
        return False
    if "hidden" in attributes and attributes["hidden"].lower() != "until-found":
        return True
    style = attributes.get("style")
    if style and _HIDDEN_STYLE.search(style):
        return True
    if name == "dialog" and "open" not in attributes:
        return True
    classes = attributes.get("class")
    return classes is not None and not _HIDDEN_CLASSES.isdisjoint(classes.lower().split())


def name_words(attributes: dict[str, str]) -> frozenset[str]:
    """Return the words of an element's class, id and role: ``"navMenu top-bar"`` has four."""
    names = " ".join(attributes[key] for key in ("class", "id", "role") if attributes.get(key))
    if not names:
        return frozenset()
    return frozenset(word.lower() for word in _NAME_WORD.findall(names[:_LONGEST_NAMES]))


def descendants(root: Node) -> list[Node]:
    """Return a node and all elements in it, in the order of the source."""
    found: list[Node] = []
    stack = [root]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(reversed([child for child in node.children if isinstance(child, Node)]))
    return found


def ancestors(node: Node) -> Iterator[Node]:
    """Yield the elements around one, the nearest first."""
    above = node.parent
    while above is not None:
        yield above
        above = above.parent


def peek(root: Node) -> Iterator[Node]:
    """Yield an element and those in it, in order, up to a number: enough to judge it by."""
    stack = [root]
    for _ in range(_PEEKED):
        if not stack:
            return
        node = stack.pop()
        yield node
        stack.extend(reversed([child for child in node.children if isinstance(child, Node)]))


def prune(root: Node, dropped: set[Node]) -> None:
    """Take elements, and all in them, out of the tree below ``root``."""
    stack = [root]
    while stack:
        node = stack.pop()
        kept = [child for child in node.children if isinstance(child, str) or child not in dropped]
        if len(kept) != len(node.children):
            node.children = kept
        stack.extend(child for child in kept if isinstance(child, Node))


@dataclass(slots=True)
class _Run:
    """The text that stands directly in a block, links and other inline elements included."""

    length: int = 0
    linked: int = 0


def measure(root: Node) -> None:
    """Count the text, the linked text and the running text in every element below ``root``.

    Running text is what stands in a block of at least 60 characters outside links, or in a
    shorter one that ends like a sentence, when links make up less than half of it.
    """
    nodes = descendants(root)
    runs: dict[Node, _Run] = {}
    around: dict[Node, tuple[Node, bool]] = {}
    for node in nodes:
        node.length = node.linked = node.prose = node.paragraphs = 0
        if node is root or node.parent is None:
            block, linked = node, False
        else:
            block, linked = around[node.parent]
            if node.name in BLOCK_TAGS:
                block = node
            linked = linked or node.name == "a"
        around[node] = block, linked
        for child in node.children:
            if not isinstance(child, str) or not (text := child.strip()):
                continue
            length = len(text) if len(text) < 40 else len(_SPACES.sub(" ", text))
            run = runs.setdefault(block, _Run())
            run.length += length
            node.length += length
            if linked:
                node.linked += length
                run.linked += length
    for node in reversed(nodes):
        node.label = _label(node)
        if node is not root and node.parent is not None:
            node.parent.length += node.length
            node.parent.linked += node.linked
    for block, run in runs.items():
        if _is_prose(block, run):
            block.prose += run.length - run.linked
            block.paragraphs += 1
    for node in reversed(nodes):
        if node is not root and node.parent is not None:
            node.parent.prose += node.prose
            node.parent.paragraphs += node.paragraphs


def _is_prose(block: Node, run: _Run) -> bool:
    if block.name in HEADING_TAGS or run.linked * 2 > run.length:
        return False
    unlinked = run.length - run.linked
    return unlinked >= _PROSE_LENGTH or (
        unlinked >= _SENTENCE_LENGTH and _SENTENCE_END.search(block.label[-20:]) is not None
    )


def _label(node: Node) -> str:
    if not 0 < node.length <= LONGEST_LABEL:
        return ""
    pieces = [
        " ".join(child.split()) if isinstance(child, str) else child.label
        for child in node.children
    ]
    return " ".join(piece for piece in pieces if piece)
