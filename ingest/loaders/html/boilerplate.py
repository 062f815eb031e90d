"""Finding the main text of a page: where it stands, and what around it and in it to leave out.

Three things are known of every element: how much running text it holds and how much of its text
is in links (:func:`~ingest.loaders.html.elements.measure`), what the page's author calls it (its
tag, role, and the words of its class and id), and whether the page's own heading is in it.
"""

from __future__ import annotations

from ingest.loaders.html.elements import (
    HEADING_TAGS,
    PREFORMATTED_TAGS,
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
# Where such an element is a part of the text: the question of an accordion, who is quoted.
_OWN_PARTS = {"button": HEADING_TAGS | {"dt"}, "footer": words("blockquote figure")}
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
_PAGE_TAGS = words("body html main")
_CODE_TAGS = PREFORMATTED_TAGS | {"code"}
_LINE_NUMBER_WORDS = words("gutter linenodiv lineno linenos linenumber linenumbers")
_LEAST_PROSE = 140
_FEW_SECTIONS = 3
_LEAST_SHARE = 0.3  # of the text outside links must be in the main text
_MOST_CHROME = 0.7  # of the text outside links may be chrome


def find_main(root: Node, title: str = "") -> Node:
    """Take away what surrounds the main text, and return the element that holds it.

    Names mislead now and then: where going by them would lose most of the text, only what the page
    itself marks as navigation or footer is taken away.

    Args:
        root: The page; elements are taken out of it.
        title: The page's title; the heading that repeats it is never taken for chrome.
    """
    measure(root)
    anchors = _anchors(root, title)
    chrome = _chrome(root, anchors)
    if _unlinked_in(root, chrome) > _MOST_CHROME * _unlinked(root):
        chrome = {node for node in chrome if _is_marked_chrome(node)}
    prune(root, chrome)
    measure(root)
    main = _choose(root, anchors)
    if _unlinked(main) < _LEAST_SHARE * _unlinked(root):
        main = root
    prune(main, find_inserts(main))
    _take_in_heading(main, anchors)
    measure(main)
    return main


def _take_in_heading(main: Node, anchors: frozenset[Node]) -> None:
    """Put the page's own heading first if it stands outside of a main text that has sections.

    They stand under it, as in documentation; that of an article is its title.
    """
    heading = next((node for node in anchors if node.name == "h1"), None)
    if heading is None or heading.parent is None or main is heading:
        return
    if main in ancestors(heading) or heading in ancestors(main):
        return
    names = [node.name for node in descendants(main)]
    sections = sum(name in HEADING_TAGS for name in names)
    if sections < _FEW_SECTIONS and PREFORMATTED_TAGS.isdisjoint(names):
        return
    heading.parent.children.remove(heading)
    heading.parent = main
    main.children.insert(0, heading)


def _unlinked(node: Node) -> int:
    return node.length - node.linked


def _unlinked_in(root: Node, dropped: set[Node]) -> int:
    """Return how much text outside links would go with some elements, comments not counted."""
    comments = {node for node in dropped if not _COMMENT_WORDS.isdisjoint(node.words)}
    lost = 0
    stack = [root]
    while stack:
        node = stack.pop()
        if node in comments:
            continue
        if node in dropped:
            lost += _unlinked(node)
        else:
            stack.extend(node.elements())
    return lost


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
    code: set[Node] = set()
    left = root.prose
    for node in descendants(root):
        if node.parent in dropped or (
            not _LINE_NUMBER_WORDS.isdisjoint(node.words) and node.name not in PREFORMATTED_TAGS
        ):
            dropped.add(node)
        elif node.parent in code or node.name in _CODE_TAGS:
            code.add(node)  # highlighters call parts of programs "comment", "tag", "meta"
        elif (
            node not in anchors
            and node.name not in _PAGE_TAGS
            and node.name not in HEADING_TAGS
            and node.prose <= _chrome_limit(node, root.prose, left)
        ):
            dropped.add(node)
            left -= node.prose
    return dropped


def _chrome_limit(node: Node, prose: int, left: int) -> int:
    """Return how much running text an element may hold to be dropped; -1 if it is to stay."""
    names = _names(node)
    if not _COMMENT_WORDS.isdisjoint(names):
        return left - _LEAST_PROSE
    if _is_marked_chrome(node) or not _CHROME_WORDS.isdisjoint(names):
        return prose // 2
    return prose // 3 if _is_around(node, names) else -1


def _is_marked_chrome(node: Node) -> bool:
    if node.attributes.get("role", "").lower() in _CHROME_ROLES:
        return True
    if node.name == "header":
        return all(above.name in ("body", "div", "form", "html") for above in ancestors(node))
    return node.name in _CHROME_TAGS and not (
        node.parent is not None and node.parent.name in _OWN_PARTS.get(node.name, ())
    )


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
