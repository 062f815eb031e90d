"""A page as a light tree: what a reader can see, and the runs of text that it is made of.

Everything here iterates; nothing recurses, so nesting may be as deep as a file can make it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml.etree import ParserError, TreeBuilder, fromstring
from lxml.html import HtmlElement, HTMLParser, document_fromstring, html_parser

from ingest.structure import SUPERSCRIPTS


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
# Controls that are not drawn as text, but keep the texts beside them apart.
_CONTROL_TAGS = words("input select textarea")
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE
)
_HIDDEN_CLASSES = words(
    """
    sr-only visually-hidden visuallyhidden screen-reader-text screenreader-only screen-reader-only
    show-for-sr hidden-text a11y-hidden off-screen offscreen element-invisible
    """
)
_SPACES = re.compile(r"\s+")
_RAISED = re.compile(r"\s*[+−–-]?\d{1,4}\s*")
# Signs that hardly a page holds, two to a number: they tell runs of text apart in another's hands.
_FIRST_SIGN = 0x2801
_SIGNS = 200
_SIGN = re.compile(f"[{chr(_FIRST_SIGN)}-{chr(_FIRST_SIGN + _SIGNS - 1)}]")
_SIGNED = re.compile(f"{_SIGN.pattern}{{2}}")
MOST_SIGNED = _SIGNS**2
_DEEPEST = 1_000
# What is kept of elements that have very many attributes, and of pages that nest too deep.
_ATTRIBUTES = words("class colspan hidden id open reversed role rowspan start style type value")
_MOST_ATTRIBUTES = 200


@dataclass(slots=True, eq=False)
class Node:
    """An element that is drawn. ``children`` are in order; text is as in the source.

    Attributes:
        name: The element's name, lower case.
        attributes: As in the source.
        parent: The element around it; ``None`` for the root.
        children: Elements and stretches of text.
        length: Characters of text in it, white space collapsed.
    """

    name: str
    attributes: dict[str, str]
    parent: Node | None
    children: list[Node | str] = field(default_factory=list)
    length: int = 0

    def elements(self) -> Iterator[Node]:
        """Yield the child elements."""
        for child in self.children:
            if isinstance(child, Node):
                yield child


@dataclass(slots=True, eq=False)
class Run:
    """The text between two boundaries of blocks: its pieces, and how much of it is in links."""

    node: Node
    places: list[tuple[Node, int]] = field(default_factory=list)
    length: int = 0
    linked: int = 0


@dataclass(slots=True)
class VisiblePage:
    """What can be seen of a page: its tree, its runs of text in order, and its size."""

    root: Node
    runs: list[Run] = field(default_factory=list)
    elements: int = 0
    depth: int = 0


def parse(text: str) -> HtmlElement | None:
    """Parse a page as browsers do; ``None`` if there is nothing in it."""
    data = text.encode("utf-8")
    parser = HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        tree: HtmlElement | None = document_fromstring(data, parser=parser)
    except ParserError:  # an empty page
        return None
    if any("depth" in error.message for error in parser.error_log):  # the rest was left out
        flat: HtmlElement = fromstring(data, HTMLParser(target=_Flattened(), encoding="utf-8"))
        return flat
    return tree


class _Flattened:
    """Builds a tree of a page that nests deeper than the parser goes: what is deeper is beside."""

    def __init__(self) -> None:
        self._builder = TreeBuilder(element_factory=html_parser.makeelement)
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth <= _DEEPEST:
            self._builder.start(tag if tag.isalnum() else "span", _known(attributes))

    def end(self, _tag: str) -> None:
        if self._depth <= _DEEPEST:
            self._builder.end(_tag if _tag.isalnum() else "span")
        self._depth -= 1

    def data(self, text: str) -> None:
        self._builder.data(text)

    def close(self) -> HtmlElement:
        return self._builder.close()


def _known(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: attributes[name] for name in _ATTRIBUTES if name in attributes}


def build(tree: HtmlElement, *, sign: bool = False) -> VisiblePage:
    """Copy what can be seen of a parsed page, at once or by opening a panel.

    Args:
        tree: The page, as parsed.
        sign: Whether to take out of ``tree`` what cannot be seen, and to put a sign in front of
            each run of text in it, by which :func:`signed_in` finds the run again.
    """
    builder = _Builder(VisiblePage(Node("html", {}, None)), sign)
    opened = _opened_by_controls(tree)
    unseen: list[HtmlElement] = []
    builder.take_text(builder.page.root, tree)
    stack = [(builder.page.root, tree, iter(tree))]
    while stack:
        node, element, children = stack[-1]
        builder.page.depth = max(builder.page.depth, len(stack))
        child = next(children, None)
        if child is None:
            stack.pop()
            if node.parent is not None:
                builder.leave(node)
                builder.take_tail(node.parent, element)
        elif (child.tag in _UNSEEN_TAGS and not _is_shadow(child)) or _is_hidden(child, opened):
            unseen.append(child)
            if child.tag in _CONTROL_TAGS:
                node.children.append(" ")
            builder.take_tail(node, child)
        else:
            if len(child.attrib) > _MOST_ATTRIBUTES:  # each look-up goes through all of them
                known = _known(child.attrib)
                child.attrib.clear()
                child.attrib.update(known)
            if child.tag == "template":
                child.tag = "div"
            below = Node(child.tag, dict(child.attrib), node)
            node.children.append(below)
            builder.page.elements += 1
            builder.enter(below)
            builder.take_text(below, child)
            stack.append((below, child, iter(child)))
    if sign:
        for child in unseen:
            child.drop_tree()
    return builder.page


@dataclass(slots=True)
class _Builder:
    """Copies text into a page, run by run."""

    page: VisiblePage
    sign: bool
    run: Run | None = None
    links: int = 0

    def enter(self, node: Node) -> None:
        self.links += node.name == "a"
        if node.name in BLOCK_TAGS:
            self.run = None

    def leave(self, node: Node) -> None:
        self.links -= node.name == "a"
        if node.name in BLOCK_TAGS:
            self.run = None
        if node.parent is not None:
            node.parent.length += node.length

    def take_text(self, node: Node, element: HtmlElement) -> None:
        if source := element.text:
            raised = node.name == "sup" and _RAISED.fullmatch(source)
            text = self._take(node, source.translate(SUPERSCRIPTS) if raised else source)
            if self.sign and text is not source:
                element.text = text

    def take_tail(self, node: Node, element: HtmlElement) -> None:
        if source := element.tail:
            text = self._take(node, source)
            if self.sign and text is not source:
                element.tail = text

    def _take(self, node: Node, text: str) -> str:
        """Copy a stretch of text; return it as it is to stand in the tree."""
        node.children.append(text)
        stripped = text.strip()
        if not stripped:
            return text
        length = len(stripped) if len(stripped) < 40 else len(_SPACES.sub(" ", stripped))
        node.length += length
        text = _SIGN.sub(" ", text)
        if self.run is None:
            text = f"{_sign(len(self.page.runs))}{text.lstrip()}"
            self.run = Run(node)
            self.page.runs.append(self.run)
        self.run.places.append((node, len(node.children) - 1))
        self.run.length += length
        self.run.linked += length if self.links else 0
        return text


def _sign(number: int) -> str:
    first, second = divmod(number % MOST_SIGNED, _SIGNS)
    return chr(_FIRST_SIGN + first) + chr(_FIRST_SIGN + second)


def signed_in(text: str) -> set[int]:
    """Return the numbers of the runs whose signs stand in a text."""
    return {
        (ord(sign[0]) - _FIRST_SIGN) * _SIGNS + ord(sign[1]) - _FIRST_SIGN
        for sign in _SIGNED.findall(text)
    }


def _opened_by_controls(tree: HtmlElement) -> set[str]:
    """Return the ids of what tabs and buttons of accordions show."""
    opened: set[str] = set()
    for element in tree.iterfind(".//*[@aria-controls]"):
        if element.get("role") == "tab" or "aria-expanded" in element.attrib:
            opened.update(element.attrib["aria-controls"].split())
    return opened


def _is_shadow(element: HtmlElement) -> bool:
    """Whether a template is the content of the element around it, and drawn."""
    return element.tag == "template" and element.get("shadowrootmode") in ("open", "closed")


def _is_hidden(element: HtmlElement, opened: set[str]) -> bool:
    """Whether the source itself says that an element is not shown."""
    attributes = element.attrib
    if not attributes or element.tag in ("html", "body") or attributes.get("id") in opened:
        return False
    if attributes.get("hidden", "until-found").lower() != "until-found":
        return True
    style = attributes.get("style")
    if style and _HIDDEN_STYLE.search(style):
        return True
    if element.tag == "dialog" and "open" not in attributes:
        return True
    classes = attributes.get("class")
    return classes is not None and not _HIDDEN_CLASSES.isdisjoint(classes.lower().split())


def descendants(root: Node) -> list[Node]:
    """Return a node and all elements in it, in the order of the source."""
    found: list[Node] = []
    stack = [root]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(reversed([child for child in node.children if isinstance(child, Node)]))
    return found


def lineage(node: Node) -> Iterator[Node]:
    """Yield an element and those around it, the nearest first."""
    above: Node | None = node
    while above is not None:
        yield above
        above = above.parent
