"""Word lists kept as data, each kind in one file: see ``data/README.md`` for their form."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_INSERTED = re.compile(r"<<([a-z_.]+)(?::([a-z]+))?>>")


class WordLists:
    """The lists of some folders. A list is named by its file, or by its file and a table of it:
    ``"stop_words"``, ``"pronouns.third"``.

    Files are read when a list of theirs is first asked for, and kept. Every method takes the
    languages wanted, all if none is named, and raises ``KeyError`` for a list or language that
    there is not.
    """

    def __init__(self, *folders: Path) -> None:
        """Read the lists of ``folders``, which hold no two files of one name."""
        self._folders = folders
        self._files: dict[str, Mapping[str, Any]] = {}
        self.entries = cache(self._entries)
        self.words = cache(self._words)
        self.values = cache(self._values)
        self.alternatives = cache(self._alternatives)
        self.pattern = cache(self._pattern)

    def languages_of(self, name: str) -> tuple[str, ...]:
        """Return the languages that a list is kept for."""
        return tuple(self._table(name))

    def _entries(self, name: str, *languages: str) -> tuple[str, ...]:
        """Return a list as it is written down."""
        return tuple(
            _INSERTED.sub(
                lambda match: self._alternatives(*filter(None, match.groups())),
                entry,
            )
            for listed in self._listed(name, languages)
            for entry in listed
        )

    def _words(self, name: str, *languages: str) -> frozenset[str]:
        """Return a list as a set: all spellings of each entry, also case-folded ("weiss")."""
        return frozenset(self._values(name, *languages))

    def _values(self, name: str, *languages: str) -> Mapping[str, int]:
        """Return the number that each word of a list stands for, or else its place from 0.

        Words of the same number or place mean the same: "january" and "januar".
        """
        return {
            word: int(value or place)
            for listed in self._listed(name, languages)
            for place, entry in enumerate(listed)
            for value, _, spellings in [entry.rpartition("=")]
            for spelling in spellings.split("|")
            for word in (spelling, spelling.casefold())
        }

    def _alternatives(self, name: str, *languages: str) -> str:
        """Return a regular expression that matches any entry of a list, longer words first."""
        table = self._table(name)
        if all(isinstance(table[language], str) for language in languages or table):
            found = sorted(self._words(name, *languages), key=lambda word: (-len(word), word))
        else:
            found = list(self._entries(name, *languages))
        return f"(?:{'|'.join(found)})"

    def _pattern(self, name: str, *languages: str) -> re.Pattern[str]:
        """Return the compiled alternatives, without regard to case."""
        return re.compile(self._alternatives(name, *languages), re.IGNORECASE)

    def _listed(self, name: str, languages: tuple[str, ...]) -> list[list[str]]:
        table = self._table(name)
        found = (table[language] for language in languages or table)
        return [value.split() if isinstance(value, str) else value for value in found]

    def _table(self, name: str) -> Mapping[str, Any]:
        file, _, part = name.partition(".")
        if file not in self._files:
            self._files[file] = self._read(file)
        found: Mapping[str, Any] = self._files[file][part or "words"]
        return found

    def _read(self, file: str) -> Mapping[str, Any]:
        for folder in self._folders:
            if (path := folder / f"{file}.toml").exists():
                return tomllib.loads(path.read_text(encoding="utf-8"))
        raise KeyError(file)


FOLDER = Path(__file__).with_name("data")
INGEST_LISTS = WordLists(FOLDER)
