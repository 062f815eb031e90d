"""Finding the main text of a page: what to leave out, and where the rest stands."""

from __future__ import annotations

from ingest.loaders.html.elements import Node, descendants, measure, prune, words

_CHROME_TAGS = words("nav footer menu dialog button search")
_CHROME_ROLES = words(
    "navigation banner contentinfo search menu menubar toolbar dialog alertdialog complementary tablist tooltip"
)
# Words of class names and ids that say what an element is for.
_CHROME_WORDS = words(
    "nav navbar navigation navigations menu menus submenu breadcrumb breadcrumbs footer sidebar cookie cookies consent gdpr masthead topbar toolbar pagination pager skiplink offcanvas cookiebar cookiebanner subnav topnav sitenav"
)
_AROUND_WORDS = words(
    "ad ads advert adverts advertisement advertising adsense adslot sponsor sponsored promo promos promotion related recommended recommendation recommendations comment comments commentlist disqus share shares sharing sharebar social newsletter subscribe subscription signup popup modal overlay trending popular tags tag byline bylines author meta metadata dateline timestamp pubdate respond reply login register widget teaser teasers rail"
)


def find_main(root: Node) -> Node:
    """Take away what surrounds the main text, and return the element that holds it."""
    measure(root)
    _remove_chrome(root)
    measure(root)
    main = _choose(root)
    _remove_around(main)
    measure(main)
    return main


def _remove_chrome(root: Node) -> None:
    limit = root.prose // 2
    dropped: set[Node] = set()
    for node in descendants(root):
        if node.name in ("html", "body") or node.prose > limit:
            continue
        inside_heading = node.parent is not None and node.parent.name[:1] == "h"
        if (
            (node.name in _CHROME_TAGS and not inside_heading)
            or node.attributes.get("role", "") in _CHROME_ROLES
            or not _CHROME_WORDS.isdisjoint(node.words)
        ):
            dropped.add(node)
    prune(root, dropped)


def _remove_around(main: Node) -> None:
    limit = main.prose // 3
    dropped: set[Node] = set()
    for node in descendants(main):
        if node is main or node.prose > limit:
            continue
        if not _AROUND_WORDS.isdisjoint(node.words) or node.name == "aside":
            dropped.add(node)
    prune(main, dropped)


def _choose(root: Node) -> Node:
    named = [
        node
        for node in descendants(root)
        if node.attributes.get("itemprop", "").lower() == "articlebody"
        or node.name in ("article", "main")
        or node.attributes.get("role") in ("main", "article")
    ]
    start = root
    for node in named:
        if node.prose > root.prose * 0.5:
            start = node
    while True:
        best = max(start.elements(), key=lambda child: child.prose, default=None)
        if best is None or best.prose < 0.8 * start.prose or best.prose == 0:
            return start
        if best.name in ("p", "li", "ul", "ol", "table", "blockquote", "pre"):
            return start
        start = best
