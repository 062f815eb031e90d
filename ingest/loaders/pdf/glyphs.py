"""Where the characters of a PDF page stand, and how they are turned, by pdfium's index."""

from __future__ import annotations

import ctypes
import math
import re
import struct
from typing import Any, Final, TypeAlias

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom

_BOLD_NAME: Final = re.compile(
    rb"bold|black|heavy|semibd|demi|-medi(?:ital)?\b|-bd|cmbx|cmssbx", re.IGNORECASE
)

_FORCE_BOLD: Final = 1 << 18  # of the font descriptor's flags
# Scripts that are also written in columns.
_EAST_ASIAN: Final = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]{2}")
_SAMPLED: Final = 9


class Glyphs:
    """Character boxes of one text page, by index into pdfium's characters.

    On a page whose text runs upwards, downwards or upside down, boxes are turned so that it runs
    to the right; ``turns`` counts the quarters that the text is turned clockwise. Where it runs
    in columns from right to left (``vertical``), boxes are turned so that columns are lines.
    """

    __slots__ = (
        "_box",
        "_flags",
        "_get_box",
        "_name",
        "_page_width",
        "_pointer",
        "_raw",
        "_text_page",
        "turns",
        "vertical",
    )

    _unpack = struct.Struct("4f").unpack_from

    def __init__(self, raw: Any, text_page: Any, page_width: float) -> None:
        self.turns = 0
        self.vertical = False
        self._page_width = page_width
        self._raw = raw
        self._text_page = text_page
        self._get_box = raw.FPDFText_GetLooseCharBox
        self._box = raw.FS_RECTF()
        self._pointer = ctypes.byref(self._box)
        self._name = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()

    def box(self, index: int) -> Box:
        """Return left, top, right, bottom of a character's font box (all 0 if there is none)."""
        if not self._get_box(self._text_page, index, self._pointer):
            return (0.0, 0.0, 0.0, 0.0)
        if not self.turns and not self.vertical:
            return self._unpack(self._box)
        left, top, right, bottom = self._unpack(self._box)
        if self.vertical:
            # A character that fills its square may get a box that is twice as wide.
            return (-top, right, -bottom, max(left, right - (top - bottom)))
        if self.turns == 1:
            return (self._page_width - top, right, self._page_width - bottom, left)
        if self.turns == 2:
            return (self._page_width - right, -bottom, self._page_width - left, -top)
        return (bottom, -left, top, -right)

    def quarter_turns(self, index: int) -> float:
        """Return how many quarters a character is turned clockwise; a fraction if it leans."""
        quarters = float(self._raw.FPDFText_GetCharAngle(self._text_page, index)) / (math.pi / 2)
        nearest = round(quarters)
        return nearest % 4 if abs(quarters - nearest) < 0.06 else quarters

    def is_bold(self, index: int) -> bool:
        """Tell whether a character's font is bold, by the font's name or its flags.

        The weight that pdfium gives is guessed from the width of stems, and often wrong.
        """
        self._name.value = b""
        self._raw.FPDFText_GetFontInfo(
            self._text_page, index, self._name, len(self._name), ctypes.byref(self._flags)
        )
        return bool(self._flags.value & _FORCE_BOLD) or bool(_BOLD_NAME.search(self._name.value))


def turns_of_text(characters: str, glyphs: Glyphs) -> int | None:
    """Return how many quarters most of a page's text is turned clockwise; ``None`` if unclear."""
    positions = [
        position
        for part in range(1, 10, 2)
        if (position := len(characters) * part // 10) < len(characters)
        and not characters[position].isspace()
    ]
    turns = [glyphs.quarter_turns(position) for position in positions]
    common = max(turns, key=turns.count, default=None)
    clear = common in (0, 1, 2, 3) and turns.count(common) > len(turns) / 2
    return int(common) if clear and common is not None else None


def is_vertical(characters: str, glyphs: Glyphs) -> bool:
    """Tell whether most of a page's text is Chinese or Japanese in columns, from a sample."""
    places = [match.start() for match in _EAST_ASIAN.finditer(characters)]
    if 4 * len(places) < len(characters):
        return False
    sample = [places[len(places) * part // _SAMPLED] for part in range(_SAMPLED) if places]
    return 2 * sum(_is_below(glyphs, place) for place in sample) > len(sample)


def is_column(text: str, glyphs: Glyphs, start: int) -> bool:
    """Tell whether a line of Chinese or Japanese, which begins at an index, runs downwards."""
    return _EAST_ASIAN.match(text) is not None and _is_below(glyphs, start)


def _is_below(glyphs: Glyphs, index: int) -> bool:
    """Tell whether the next character stands right below one."""
    one, other = glyphs.box(index), glyphs.box(index + 1)
    if glyphs.vertical:
        length = one[2] - one[0]
        return abs(one[1] - other[1]) < 0.5 * length and abs(one[2] - other[0]) < 0.5 * length
    height = one[1] - one[3]
    return abs(one[2] - other[2]) < 0.5 * height and abs(one[3] - other[1]) < 0.5 * height
