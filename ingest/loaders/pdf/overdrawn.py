"""Text that a page draws twice at one place, to make it bold or to give it a shadow."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ingest.loaders.pdf.characters import Fragment

# In heights of the font: how far copies stand apart, above each other and on a line.
_MOST_RAISED: Final = 0.2
_MOST_MOVED: Final = 0.3
# Fragments on one line that a copy is compared with: bounds the work on odd pages.
_MOST_COMPARED: Final = 40
# In points.
_BAND: Final = 8
_MOST_REACH: Final = 20
_MOST_DISTANT: Final = 1e6


def without_copies(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Leave out fragments that repeat, at its place, a text that was drawn before.

    pdfium leaves out copies that follow the text at once, but not those that come later: lines
    drawn again when all of the page stands, a word drawn again after its line.
    """
    kept: list[Fragment] = []
    by_height: defaultdict[int, deque[tuple[Fragment, str]]] = defaultdict(
        partial(deque, maxlen=_MOST_COMPARED)
    )
    for fragment in fragments:
        text = "".join(fragment.text.split())
        if fragment.placed and text and _is_near(fragment):
            # A band takes what stands in some points of height: what is near is in one or two.
            reach = min(_MOST_RAISED * fragment.height, _MOST_REACH)
            first = int((fragment.bottom - reach) // _BAND)
            last = int((fragment.bottom + reach) // _BAND)
            if any(
                _covers(other, fragment) and text in other_text
                for band in range(first, last + 1)
                for other, other_text in by_height.get(band, ())
            ):
                continue
            by_height[int(fragment.bottom // _BAND)].append((fragment, text))
        kept.append(fragment)
    return kept


def _is_near(fragment: Fragment) -> bool:
    """Tell whether a fragment has a place of sense; a damaged file may give any number, or none."""
    return abs(fragment.bottom) < _MOST_DISTANT and abs(fragment.top) < _MOST_DISTANT


def _covers(one: Fragment, other: Fragment) -> bool:
    height = one.top - one.bottom
    return (
        abs(one.bottom - other.bottom) < _MOST_RAISED * height
        and other.right <= one.right + _MOST_MOVED * height
        and one.left - _MOST_MOVED * height <= other.left < other.right
        and abs(height - other.height) < _MOST_RAISED * height
    )
