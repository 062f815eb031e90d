"""Characters that make a text read otherwise than it looks: reported, never removed.

See Unicode Technical Report 36, "Unicode Security Considerations".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_LETTERS: Final = "[A-Za-z\u00c0-\u024f\u0370-\u052f]"
_OVERRIDES: Final = "\u202d\u202e"
_JOINERS: Final = "\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
_TAGS: Final = "".join(map(chr, range(0xE0000, 0xE0080)))
# The characters; how they stand where they mean harm; how often at least; and what they are.
_KINDS: Final = (
    # Overrides turn the order of letters around wherever they stand.
    (_OVERRIDES, f"[{_OVERRIDES}]", 1, "signs that turn the order of letters around"),
    # Within a word of Latin, Greek or Cyrillic letters nothing invisible has a use; in other
    # scripts and in emoji, joiners do.
    (
        _JOINERS,
        f"[{_JOINERS}](?<={_LETTERS}.)[{_JOINERS}]*(?={_LETTERS})",
        3,
        "invisible characters within words",
    ),
    # A copy of ASCII that nobody sees. Flags of regions are made of it, after a black flag.
    (_TAGS, f"(?<!\U0001f3f4)(?<![{_TAGS}])[{_TAGS}]+", 1, "stretches of invisible letters"),
)


def invisible_warning(text: str) -> str | None:
    """Return a sentence for the user if a text holds characters that hide or reorder it."""
    if text.isascii():
        return None
    found = ", ".join(_found(text))
    return f"it may read otherwise than it looks: {found}" if found else None


def _found(text: str) -> Iterator[str]:
    for characters, pattern, least, what in _KINDS:
        # To look for single characters is many times faster, and nearly always there are none.
        if any(character in text for character in characters):
            count = sum(1 for _ in re.finditer(pattern, text))
            if count >= least:
                yield f"{count:,} {what}"
