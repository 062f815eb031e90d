"""Text that a page draws twice at one place, to make it bold or to give it a shadow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
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
_MOST_DISTANT_COPY: Final = 30  # to the right; spares the closer look
_MOST_DISTANT: Final = 1e6


def without_copies(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Leave out fragments that repeat, at its place, a text that was drawn before.

    pdfium leaves out copies that follow the text at once, but not those that come later: lines
    drawn again when all of the page stands, a word drawn again after its line.
    """
    kept: list[Fragment] = []
    by_height: dict[int, deque[Fragment]] = {}
    for fragment in fragments:
        if fragment.placed and _is_near(fragment):
            # A band takes what stands in some points of height: what is near is in one or two.
            bottom = fragment.bottom
            reach = min(_MOST_RAISED * (fragment.top - bottom), _MOST_REACH)
            first, last = int((bottom - reach) // _BAND), int((bottom + reach) // _BAND)
            if _is_copy(fragment, by_height.get(first, ())) or (
                last > first
                and any(
                    _is_copy(fragment, by_height.get(band, ()))
                    for band in range(first + 1, last + 1)
                )
            ):
                continue
            band = int(bottom // _BAND)
            if band not in by_height:
                by_height[band] = deque(maxlen=_MOST_COMPARED)
            by_height[band].append(fragment)
        kept.append(fragment)
    return kept


def _is_copy(fragment: Fragment, others: Iterable[Fragment]) -> bool:
    left = fragment.left
    for other in others:
        # Most others stand further left or right.
        if (
            other.left - left < _MOST_DISTANT_COPY
            and left < other.right
            and _covers(other, fragment)
        ):
            text = "".join(fragment.text.split())
            if text and text in "".join(other.text.split()):
                return True
    return False


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
