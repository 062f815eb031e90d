"""Whether the text of a page can be read, or its fonts map their glyphs to nothing."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

# What no text holds: controls, the replacement character, private use, and what is unassigned.
_MEANINGLESS_CATEGORIES: Final = frozenset(["Cc", "Cn", "Co"])
_PLAIN: Final = frozenset("\t\n\r\f\x02\ufffe")  # pdfium's marks for a hyphen among them
_BULLETS: Final = frozenset("\uf0a7\uf0b7\uf0d8\uf076\uf02d")
# Names of glyphs follow each other; a slash after a digit is that of a date or a fraction.
_GLYPH_NAMES: Final = re.compile(r"(?<!\w)(?:/[A-Za-z]{0,4}\d{1,5})+(?=[/\s]|$)")
_SAMPLED: Final = 400
_MOST_MEANINGLESS: Final = 0.2
_LEAST_MAPPED: Final = 0.5
_MOST_SCRIPTS: Final = 3


def is_legible(text: str) -> bool:
    """Whether hardly any of a text is controls, private use, or names of glyphs."""
    shown = [character for character in text[: 10 * _SAMPLED] if not character.isspace()]
    if not shown:
        return True
    meaningless = sum(map(_is_meaningless, shown))
    names = sum(len(match.group()) for match in _GLYPH_NAMES.finditer(text[: 10 * _SAMPLED]))
    return meaningless + names <= _MOST_MEANINGLESS * len(shown)


def is_mapped(raw: Any, text_page: Any, characters: str) -> bool:
    """Whether the fonts of a page say which characters their glyphs are.

    They do not if the text is illegible, or if pdfium found no character for half of the glyphs
    and what it guessed is from many scripts at once.
    """
    if characters.isascii() and characters.isprintable():
        return True
    if not is_legible(characters):
        return False
    places = [
        place for place, character in enumerate(characters[:_SAMPLED]) if not character.isspace()
    ]
    if len(_scripts(characters[:_SAMPLED])) <= _MOST_SCRIPTS:
        return True
    guessed: int = sum(raw.FPDFText_HasUnicodeMapError(text_page, place) == 1 for place in places)
    return guessed <= _LEAST_MAPPED * len(places)


def _is_meaningless(character: str) -> bool:
    if character < "\x7f":
        return character < " " and character not in _PLAIN
    return (
        character == "\ufffd" or unicodedata.category(character) in _MEANINGLESS_CATEGORIES
    ) and not (character in _BULLETS or character in _PLAIN)


def _scripts(text: str) -> set[str]:
    letters = {character for character in text if character.isalpha()}
    return {unicodedata.name(letter, "?").split()[0] for letter in letters}
