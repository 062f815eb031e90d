"""Whether a word is one of a language, by the dictionaries that come with pyspellchecker."""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib.resources import files

from ragkit.language import lists
from ragkit.language.analysis import stem
from ragkit.language.languages import ENGLISH

DICTIONARIES = lists.languages_of("dictionaries")
_SHORTEST_STEM, _SHORTEST_PART = 3, 4


def is_known(word: str, language: str) -> bool:
    """Whether a dictionary holds a word; of other languages than English, one of its stem.

    Those of languages with many endings lack most forms of their words, and words that are put
    together, such as "Reifendruck" and, with a joint, "Wartungsintervall".

    Args:
        word: In lower case, with its accents.
        language: One of :data:`DICTIONARIES`.
    """
    entries = _entries(language)

    def holds(text: str, end: str = '":') -> bool:
        return f'\n"{text}{end}'.encode() in entries

    if holds(word):
        return True
    if language == ENGLISH:
        return False
    beginning = stem(word, language)
    return (len(beginning) >= _SHORTEST_STEM and holds(beginning, end="")) or any(
        holds(word[cut:]) and (holds(word[:cut]) or holds(word[:cut].removesuffix("s")))
        for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    )


@lru_cache(maxsize=4)
def _entries(language: str) -> bytes:
    # Looked for in the text: making it a table takes 20 times as long, and as much memory.
    (code,) = lists.words("dictionaries", language)
    packed = files("spellchecker").joinpath("resources", f"{code}.json.gz").read_bytes()
    return gzip.decompress(packed)
