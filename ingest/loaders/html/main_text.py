"""Which of a page's runs of text are its main text: trafilatura's choice, completed by structure.

trafilatura tells the main text of articles, products, forums and lists from what is around it, but
gives it back as text of its own and leaves out parts of tables, code and headings. Every run of
text carries a sign into it; those whose signs come out again were chosen, and are written down from
our tree, with what belongs to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lxml.etree import strip_attributes

from ingest.loaders.html.data_tables import is_data_table
from ingest.loaders.html.elements import (
    HEADING_TAGS,
    MOST_SIGNED,
    PREFORMATTED_TAGS,
    Node,
    Run,
    VisiblePage,
    descendants,
    lineage,
    signed_in,
    words,
)

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_CHROME_TAGS = words("aside button dialog footer menu nav search")
_CHROME_ROLES = words(
    """
    alertdialog banner complementary contentinfo dialog menu menubar navigation search tablist
    toolbar tooltip
    """
)
# Where such an element is a part of the text: the question of an accordion, who is quoted.
_OWN_PARTS = {"button": HEADING_TAGS | {"dt"}, "footer": words("blockquote figure")}
_CODE_TAGS = PREFORMATTED_TAGS | {"code"}
_LINE_NUMBERS = words("linenos linenodiv lineno gutter")
# Larger pages than anybody reads: trafilatura's time grows with the square of either.
_DEEPEST = 100
_MOST_ELEMENTS = min(MOST_SIGNED, 30_000)
_SHARE = 0.9  # of the chosen text must be in an element for it to be the main part
_PROSE_SHARE = 0.8  # of the text outside links makes a page one of prose, not of links


def keep_main_text(page: VisiblePage, tree: HtmlElement) -> None:
    """Take all that is not main text out of a page.

    Args:
        page: The page, built with signs.
        tree: The parsed page with those signs; it is used up.
    """
    from trafilatura import bare_extraction  # a second to import: books and messages do without

    chrome = _chrome(page.root)
    chosen: set[int] = set()
    if page.depth <= _DEEPEST and page.elements <= _MOST_ELEMENTS:
        _forget_generated_names(tree)
        strip_attributes(tree, "rowspan", "colspan")  # a cell over thousands would be made so many
        found = bare_extraction(tree, include_comments=False)
        if found is not None and not isinstance(found, dict) and found.body is not None:
            chosen = signed_in("".join(found.body.itertext()))
    main = _main_part(page, chosen) if chosen else _marked_main(page.root)
    inside = set(descendants(main))
    if not chosen or any(node.name in _CODE_TAGS for node in inside - chrome):
        # Documentation: code, tables and short notes are as much a part of it as sentences.
        kept = chosen | {
            number
            for number, run in enumerate(page.runs)
            if run.node in inside and run.node not in chrome
        }
    else:
        kept = _without_links(page.runs, _completed(page.runs, chosen, chrome))
    for number, run in enumerate(page.runs):
        if number not in kept:
            for node, place in run.places:
                node.children[place] = ""


def _forget_generated_names(tree: HtmlElement) -> None:
    """Take away ids that repeat a heading, as in manuals: "comments" does not say what it is for."""
    for heading in tree.iter(*HEADING_TAGS):
        section = heading.getparent()
        name = section.get("id") if section is not None else None
        if name and _letters(name) == _letters("".join(heading.itertext())):
            del section.attrib["id"]


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _chrome(root: Node) -> set[Node]:
    """Return what the page itself marks as standing around its text, with all that is in it."""
    found: set[Node] = set()
    for node in descendants(root):
        if node.parent in found or (node is not root and _is_chrome(node)):
            found.add(node)
    return found


def _is_chrome(node: Node) -> bool:
    if node.attributes.get("role", "").lower() in _CHROME_ROLES:
        return True
    if node.name == "header":
        above = (around.name for around in lineage(node) if around is not node)
        return all(name in ("body", "div", "form", "html") for name in above)
    if node.name in _CHROME_TAGS:
        return node.parent is None or node.parent.name not in _OWN_PARTS.get(node.name, ())
    return not _LINE_NUMBERS.isdisjoint(node.attributes.get("class", "").lower().split())


def _marked_main(root: Node) -> Node:
    """Return the largest element that is marked as the main part, else the whole page."""
    marked = (
        node
        for node in descendants(root)
        if node.name in ("main", "article") or node.attributes.get("role") in ("main", "article")
    )
    return max(marked, key=lambda node: node.length, default=root)


def _main_part(page: VisiblePage, chosen: Iterable[int]) -> Node:
    """Return the smallest element that holds nearly all of the chosen text."""
    held: dict[Node, int] = defaultdict(int)
    for number in chosen:
        for node in lineage(page.runs[number].node):
            held[node] += page.runs[number].length
    main = page.root
    while True:
        best = max(main.elements(), key=lambda node: held[node], default=None)
        if best is None or held[best] < max(1, _SHARE * held[page.root]):
            return main
        main = best


def _completed(runs: list[Run], chosen: set[int], chrome: set[Node]) -> set[int]:
    """Add to the chosen runs the tables between them, and the headings they stand under."""
    kept = set(chosen)
    first, last = min(chosen), max(chosen)
    above: list[tuple[int, int]] = []  # headings not kept so far: level and number
    is_data: dict[Node, bool] = {}
    for number, run in enumerate(runs):
        around = list(lineage(run.node))
        heading = next((node for node in around if node.name in HEADING_TAGS), None)
        if heading is not None:
            level = int(heading.name[1])
            above = [pair for pair in above if pair[0] < level]
            if number not in chosen and run.node not in chrome:
                above.append((level, number))
            continue
        table = next((node for node in around if node.name == "table"), None)
        if table is not None and table not in is_data:
            is_data[table] = is_data_table(table)
        if (
            number not in chosen
            and first < number < last
            and run.node not in chrome
            and ((table is not None and is_data[table]) or any(n.name == "dl" for n in around))
        ):
            kept.add(number)
        if number in kept:
            kept.update(heading for _, heading in above)
        if number in kept or number < first:
            above = []
    return kept


def _without_links(runs: list[Run], kept: set[int]) -> set[int]:
    """Drop from running text the blocks that only lead to other pages."""
    length = sum(runs[number].length for number in kept)
    linked = sum(runs[number].linked for number in kept)
    if length - linked < _PROSE_SHARE * length:
        return kept
    return {number for number in kept if not _is_pointer(runs[number])}


def _is_pointer(run: Run) -> bool:
    return (
        run.linked > 0.8 * run.length
        and run.length >= 20
        and not any(node.name in ("td", "th", "dl") for node in lineage(run.node))
    )
