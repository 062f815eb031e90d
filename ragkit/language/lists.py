"""Word lists, each once, as data: ``data/NAME.toml``, whose form ``data/README.md`` tells.

A list is named by its file, or by its file and a table of it: ``"stop_words"``,
``"pronouns.third"``. Files are read when a list of theirs is first asked for, and kept.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).with_name("data")
_INSERTED = re.compile(r"<<([a-z_.]+)(?::([a-z]+))?>>")


@cache
def entries(name: str, *languages: str) -> tuple[str, ...]:
    """Return a list as it is written down, of some languages or of all.

    Raises:
        KeyError: there is no such list, or it lacks a language.
    """
    table = _table(name)
    return tuple(
        _INSERTED.sub(lambda match: alternatives(*filter(None, match.groups())), entry)
        for language in languages or table
        for entry in _listed(table[language])
    )


@cache
def words(name: str, *languages: str) -> frozenset[str]:
    """Return a list as a set, all spellings of each entry, of some languages or of all.

    >>> "seventh" in words("ordinals", "english")
    True
    """
    return frozenset(
        word for entry in entries(name, *languages) for word in entry.rpartition("=")[2].split("|")
    )


@cache
def values(name: str, *languages: str) -> Mapping[str, int]:
    """Return the number that each word of a list stands for, or else its place from 0.

    Words of the same number or place mean the same: "january" and "januar".

    >>> values("number_words")["sieben"]
    7
    """
    table = _table(name)
    return {
        word: int(value or place)
        for language in languages or table
        for place, entry in enumerate(_listed(table[language]))
        for value, _, spellings in [entry.rpartition("=")]
        for word in spellings.split("|")
    }


@cache
def alternatives(name: str, *languages: str) -> str:
    """Return a regular expression that matches any entry of a list, longer words first."""
    table = _table(name)
    if all(isinstance(table[language], str) for language in languages or table):
        found = sorted(words(name, *languages), key=lambda word: (-len(word), word))
    else:
        found = list(entries(name, *languages))
    return f"(?:{'|'.join(found)})"


@cache
def pattern(name: str, *languages: str) -> re.Pattern[str]:
    """Return the compiled :func:`alternatives`, without regard to case."""
    return re.compile(alternatives(name, *languages), re.IGNORECASE)


def languages_of(name: str) -> tuple[str, ...]:
    """Return the languages that a list is kept for."""
    return tuple(_table(name))


def _listed(value: str | list[str]) -> list[str]:
    return value.split() if isinstance(value, str) else value


def _table(name: str) -> Mapping[str, Any]:
    file, _, part = name.partition(".")
    tables = _file(file)
    found: Mapping[str, Any] = tables[part] if part else tables["words"]
    return found


@cache
def _file(name: str) -> Mapping[str, Any]:
    return tomllib.loads((_DATA / f"{name}.toml").read_text(encoding="utf-8"))
