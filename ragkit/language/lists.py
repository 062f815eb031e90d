"""Word lists, each once, as data: those of ``data/``, whose ``README.md`` tells their form, and ingest's.

>>> "seventh" in words("number_words.ordinals", "english")
True
>>> values("number_words")["sieben"]
7
"""

from __future__ import annotations

from pathlib import Path

from ingest.word_lists import FOLDER, WordLists

_LISTS = WordLists(Path(__file__).with_name("data"), FOLDER)
entries = _LISTS.entries
words = _LISTS.words
values = _LISTS.values
alternatives = _LISTS.alternatives
pattern = _LISTS.pattern
languages_of = _LISTS.languages_of
