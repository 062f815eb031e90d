"""Small raised digits: exponents and the marks of footnotes, told from the number before them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from ingest.structure import SUPERSCRIPTS

_Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom

_DIGITS: Final = re.compile(r"[0-9]+")
_RAISED_DIGITS: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_AFTER_NUMBER: Final = re.compile(rf"(?<=[0-9])(?<!\b10)([{_RAISED_DIGITS}]+)")
_NOTE: Final = re.compile(rf"([0-9{_RAISED_DIGITS}]{{1,3}})[.)]?\s*(?=[^\W\d_])")
_TO_PLAIN: Final = {ord(raised): str(digit) for digit, raised in enumerate(_RAISED_DIGITS)}
_SMALL: Final = 0.8
_RAISED: Final = 0.2


def with_superscripts(characters: str, box: Callable[[int], _Box]) -> str:
    """Return a page's characters with small raised digits as Unicode's superscripts.

    Only the last digit of each number, and what stands before it, is looked at unless it is small.

    Args:
        characters: The characters of the page.
        box: Returns left, top, right and bottom of the character with an index, in points.
    """
    changed: list[str] | None = None
    for match in _DIGITS.finditer(characters):
        start, end = match.span()
        before = start - 1 if start and not characters[start - 1].isspace() else start
        if before == end - 1:
            continue
        reference = box(before)
        first = end
        while first > before + 1 and _is_raised(box(first - 1), reference):
            first -= 1
        if first < end:
            changed = changed if changed is not None else list(characters)
            changed[first:end] = characters[first:end].translate(SUPERSCRIPTS)
    return characters if changed is None else "".join(changed)


def _is_raised(small: _Box, reference: _Box) -> bool:
    height = reference[1] - reference[3]
    return (
        0.1 < small[1] - small[3] < _SMALL * height
        and small[3] - reference[3] > _RAISED * height
        and small[3] < reference[1]
    )


def part_notes(texts: Sequence[str]) -> list[str]:
    """Set the marks of footnotes that stand on the page apart from the numbers before them."""
    if not any(map(_AFTER_NUMBER.search, texts)):
        return list(texts)
    notes = {match[1].translate(_TO_PLAIN) for text in texts if (match := _NOTE.match(text))}

    def apart(match: re.Match[str]) -> str:
        return f" {match[1]}" if match[1].translate(_TO_PLAIN) in notes else match[1]

    return [_AFTER_NUMBER.sub(apart, text) for text in texts]
