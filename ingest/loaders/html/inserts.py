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
)

_LONGEST_TITLE = 60
_TEASER_PROSE = 300
# Headings and labels above links to other pages, in the languages the words are common in.
_LABEL = re.compile(
    r"""\W*(?:
    (?:you\ (?:may|might)\ (?:also\ )?(?:like|be\ interested)|related(?:\ \w+){0,2}$|recommended
    |more\ (?:from|news|stories|in|like|articles|coverage|reading)\b|most\ (?:read|popular|viewed)
    |read\ (?:more|next|also)|top\ (?:stories|rated\ comments)|don.t\ miss|trending|popular\ (?:now|posts)
    |latest\ (?:news|stories)|explore\ further|join\ the\ (?:conversation|discussion)|tell\ us\ what
    |leave\ a\ (?:reply|comment)|post\ a\ comment|comments?(?:\ \(\d+\))?\W*$|share\ this|tags?\W*$
    |sign\ up\ (?:for|to)|privacy\ overview|sponsored|about\ the\ author)
    |lesen\ sie\ auch|mehr\ zum\ thema|das\ könnte\ sie|à\ lire|lire\ aussi|lea\ también|leia\ (?:também|mais)
    |veja\ (?:também|mais)|você\ pode\ gostar|leggi\ anche|читайте\ также|похожие|関連記事|관련\s?기사
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_POINTER = re.compile(
    r"\W*(?:related|read (?:more|also|next)|see (?:more|also)|also (?:on|read)|more(?: on)?|watch|listen|"
    r"recommended|don.t miss|sign up|subscribe|follow|click here|explore)\b",
    re.IGNORECASE,
)
_FURNITURE = re.compile(
    r"\W*(?:advert(?:isement)?s?|caption|close|share|print|e-?mail|comments?|loading|"
    r"image \d+ of \d+|story continues below(?: advertisement)?|"
    r"scroll to continue(?: reading)?|this slideshow requires javascript|"
    r"continue reading(?: below)?|skip (?:to|past) .{0,40}|anzeige|werbung|publicidade|"
    r"publicidad|pubblicità|реклама)\W*\Z",
    re.IGNORECASE,
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
    below = False
    for child in parent.elements():
        if child in dropped:
            continue
        is_label = (
            0 < child.length <= _LONGEST_TITLE
            and child.name in BLOCK_TAGS
            and _LABEL.match(child.label) is not None
        )
        if is_label:
            below = True
            dropped.add(child)
        elif below:
            if (
                (child.name in HEADING_TAGS and child.linked * 2 < child.length)
                or (child.prose >= _TEASER_PROSE and child.linked * 3 < child.length)
                or (child.name == "p" and child.prose and child.linked * 2 < child.length)
            ):
                below = False
            else:
                dropped.add(child)


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
