"""Text without a width, which pdfium leaves out: of fonts that are neither in the file nor here.

Without the font there is no shape of a character to measure. A column of Chinese or Japanese has a
height all the same, and leaning it a little gives it a width; a single character has neither.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

# On pages in other scripts a sample must do, and what has neither width nor height is a space.
_EAST_ASIAN: Final = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_MOST_OBJECTS: Final = 20_000
_SAMPLED: Final = 40
_FLAT: Final = 0.01  # points; what is narrower, pdfium leaves out
_LEAN: Final = 0.001
_LEAST_COLUMN: Final = _FLAT / _LEAN


class FlatText(NamedTuple):
    """How many stretches of a page's text were given a width, and how many could not be."""

    widened: int
    lost: int


def widen_flat_text(page: Any, characters: str) -> FlatText:
    """Lean the columns of a page that have no width, before its text is read again.

    Args:
        page: The page, which changes in memory only.
        characters: What pdfium gives as the text of the page.
    """
    from pypdfium2 import raw

    count = min(raw.FPDFPage_CountObjects(page.raw), _MOST_OBJECTS)
    likely = not characters or _EAST_ASIAN.search(characters) is not None
    if not likely:
        sample = range(0, count, max(1, count // _SAMPLED))
        if not any(height > _LEAST_COLUMN for _, _, height in _flat_text(page, sample)):
            return FlatText(0, 0)
    widened = lost = 0
    for item, bottom, height in _flat_text(page, range(count)):
        if height > _LEAST_COLUMN:
            raw.FPDFPageObj_Transform(item, 1, 0, _LEAN, 1, -_LEAN * bottom, 0)
            widened += 1
        else:
            lost += 1
    return FlatText(widened, lost if likely else 0)


def _flat_text(page: Any, indices: range) -> Iterator[tuple[Any, float, float]]:
    """Yield text objects without a width, with their lower edge and their height."""
    from pypdfium2 import raw

    left, bottom, right, top = edges = [ctypes.c_float() for _ in range(4)]
    places = [ctypes.byref(edge) for edge in edges]
    for index in indices:
        item = raw.FPDFPage_GetObject(page.raw, index)
        if not raw.FPDFPageObj_GetBounds(item, *places) or right.value - left.value >= _FLAT:
            continue
        if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_TEXT:
            yield item, bottom.value, top.value - bottom.value
