"""Text without a width, which pdfium leaves out: of fonts that are neither in the file nor here.

Without the font there is no shape of a character to measure. A column of Chinese or Japanese has a
height all the same, and leaning it a little gives it a width; a single character has neither.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, Final, NamedTuple

# Fonts of other scripts are always there, so that only such pages, and empty ones, are looked at.
_EAST_ASIAN: Final = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_MOST_OBJECTS: Final = 20_000
_FLAT: Final = 0.01  # points; what is narrower, pdfium leaves out
_LEAN: Final = 0.001


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

    widened = lost = 0
    if characters and _EAST_ASIAN.search(characters) is None:
        return FlatText(0, 0)
    edges = [ctypes.c_float() for _ in range(4)]
    for index in range(min(raw.FPDFPage_CountObjects(page.raw), _MOST_OBJECTS)):
        item = raw.FPDFPage_GetObject(page.raw, index)
        if raw.FPDFPageObj_GetType(item) != raw.FPDF_PAGEOBJ_TEXT:
            continue
        if not raw.FPDFPageObj_GetBounds(item, *map(ctypes.byref, edges)):
            continue
        left, bottom, right, top = (edge.value for edge in edges)
        if right - left >= _FLAT:
            continue
        if _LEAN * (top - bottom) > _FLAT:
            raw.FPDFPageObj_Transform(item, 1, 0, _LEAN, 1, -_LEAN * bottom, 0)
            widened += 1
        else:
            lost += 1
    return FlatText(widened, lost)
