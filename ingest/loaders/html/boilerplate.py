"""Finding the main text of a page: where it stands, and what around it and in it to leave out.

Three things are known of every element: how much running text it holds and how much of its text
is in links (:func:`~ingest.loaders.html.elements.measure`), what the page's author calls it (its
tag, role, and the words of its class and id), and whether the page's own heading is in it.
"""

from __future__ import annotations

from ingest.loaders.html.elements import (
    HEADING_TAGS,
    Node,
    ancestors,
    descendants,
    measure,
    name_words,
    peek,
    prune,
    words,
)
from ingest.loaders.html.inserts import find_inserts

_CHROME_TAGS = words("button dialog footer menu nav search")
_CHROME_ROLES = words(
    """
    alertdialog banner complementary contentinfo dialog menu menubar navigation search tablist
    toolbar tooltip
    """
)
# Words of class names and ids that say what an element is for.
_CHROME_WORDS = words(
    """
    breadcrumb breadcrumbs consent cookie cookiebanner cookiebar cookies footer gdpr masthead menu
    menus nav navbar navigation offcanvas pager pagination sidebar sitenav skiplink submenu subnav
    toolbar topbar topnav
    """
)
_COMMENT_WORDS = words("comment comments commentlist commenting disqus respond")
_AROUND_WORDS = words(
    """
    ad ads adsense adslot advert advertisement advertising adverts byline bylines carousel copyright
    credit credits dateline flyout galleries gallery hovercard login meta metadata modal newsletter
    overlay popover popular popup promo promos promotion pubdate recommendation recommendations
    recommended register related reply rollover share sharebar shares sharing signup slideshow
    social sponsor sponsored subscribe subscription tags teaser teasers timestamp tooltip trending
    widget
    """
)
_OUTSIDE_WORDS = _CHROME_WORDS | _COMMENT_WORDS | _AROUND_WORDS
_NOTE_WORDS = words("admonition callout caution danger hint important info note notice tip warning")
_BODY_NAMES = words("articlebody articlecontent articletext bodycopy entrycontent postcontent")
_BODY_SUBJECTS = words("article blog entry news post story")
_BODY_PARTS = words("body bodytext content copy text")
_SINGLE_TAGS = words("blockquote ol p pre table ul")
_LEAST_PROSE = 140


def find_main(root: Node, title: str = "") -> Node:
    """Take away what surrounds the main text, and return the element that holds it.

    ``title`` is the page's title; the heading that repeats it is never taken for chrome.
    """
    measure(root)
    anchors = _anchors(root, title)
    prune(root, _chrome(root, anchors))
    measure(root)
    main = _choose(root, anchors)
    prune(main, find_inserts(main))
    measure(main)
    return main


def _anchors(root: Node, title: str) -> frozenset[Node]:
    """Return the page's own heading and the elements around it."""
    wanted = "".join(title.casefold().split())
    for node in descendants(root):
        if node.name not in ("h1", "h2") or not wanted:
            continue
        text = "".join(node.label.casefold().split())
        if len(text) > 10 and (text in wanted or wanted in text):
            return frozenset([node, *ancestors(node)])
    return frozenset()


def _chrome(root: Node, anchors: frozenset[Node]) -> set[Node]:
    """Find what is not content by what it is called, unless it holds too much of the page."""
    dropped: set[Node] = set()
    left = root.prose
    for node in descendants(root):
        if node in anchors or node.name in ("html", "body") or node.name in HEADING_TAGS:
            continue
        if node.parent in dropped:
            dropped.add(node)
            continue
        names = _names(node)
        if not _COMMENT_WORDS.isdisjoint(names):
            limit = left - _LEAST_PROSE
        elif (
            (node.name in _CHROME_TAGS and not _in_heading(node))
            or node.attributes.get("role", "").lower() in _CHROME_ROLES
            or not _CHROME_WORDS.isdisjoint(names)
        ):
            limit = root.prose // 2
        elif _is_around(node, names):
            limit = root.prose // 3
        else:
            continue
        if node.prose <= limit:
            dropped.add(node)
            left -= node.prose
    return dropped


def _in_heading(node: Node) -> bool:
    return node.parent is not None and node.parent.name in HEADING_TAGS


def _names(node: Node) -> frozenset[str]:
    """Return the words of an element's names, without an id that repeats the heading in it.

    Generators of documentation name a section after its heading: "comments", "menus", "tags".
    """
    identifier = node.attributes.get("id")
    if not identifier or _OUTSIDE_WORDS.isdisjoint(node.words):
        return node.words
    heading = next((below for below in peek(node) if below.name in HEADING_TAGS), None)
    if heading is None or not heading.label or _letters(heading.label) != _letters(identifier):
        return node.words
    return name_words({**node.attributes, "id": ""})


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _is_around(node: Node, names: frozenset[str]) -> bool:
    if node.name == "aside":
        return _NOTE_WORDS.isdisjoint(names)
    if _AROUND_WORDS.isdisjoint(names):
        return False
    # What is quoted from elsewhere belongs to the text, though its frame may be called "social".
    return node.name != "blockquote" and not any(
        child.name == "blockquote" for child in node.elements()
    )


def _choose(root: Node, anchors: frozenset[Node]) -> Node:
    """Return the element that holds the main text: by name if it can be, else by its share."""
    nodes = descendants(root)
    for is_candidate in (_is_marked_body, _is_named_body, _is_article, _is_named_main):
        candidates = [node for node in nodes if is_candidate(node)]
        below_heading = [node for node in candidates if node in anchors]
        for group, share in ((below_heading, 0.1), (candidates, 0.2)):
            best = max(group, key=lambda node: node.prose, default=None)
            if best is not None and best.prose >= max(_LEAST_PROSE, share * root.prose):
                return _descend(best, 0.9)
    return _descend(root, 0.8)


def _is_marked_body(node: Node) -> bool:
    return node.attributes.get("itemprop", "").lower() == "articlebody"


def _is_named_body(node: Node) -> bool:
    if node.name not in ("article", "div", "main", "section", "td"):
        return False
    return not _BODY_NAMES.isdisjoint(node.words) or not (
        _BODY_SUBJECTS.isdisjoint(node.words) or _BODY_PARTS.isdisjoint(node.words)
    )


def _is_article(node: Node) -> bool:
    return node.name in ("article", "main") or node.attributes.get("role") in ("main", "article")


def _is_named_main(node: Node) -> bool:
    return node.name in ("div", "section", "td") and {"main", "content"} <= node.words


def _descend(start: Node, share: float) -> Node:
    """Go down as long as one child holds most of the running text."""
    while True:
        best = max(start.elements(), key=lambda child: child.prose, default=None)
        if best is None or best.prose == 0 or best.prose < share * start.prose:
            return start
        if best.name in _SINGLE_TAGS:
            return start
        start = best
