"""Acronyms and the names they stand for, where the documents say so: "quick ratio (QR)"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragkit.language import lists

if TYPE_CHECKING:
    from ragkit.index.indexes import Indexes

_READ = 20  # passages in which the meaning of an acronym is looked for
_LONGEST_NAME = 6
_ACRONYM = re.compile(r"\b[A-Z][A-Z&\d]{1,6}\b")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SMALL = lists.words("stop_words.titles", "english")


def acronyms(question: str, indexes: Indexes) -> list[tuple[str, str]]:
    """Find acronyms and the names they stand for, one of them in the question, both in a document.

    A document defines one by writing the name and the acronym, either in brackets after the other:
    "quick ratio (QR)", "QR (quick ratio)".
    """
    found: list[tuple[str, str]] = []
    wanted = dict.fromkeys(_ACRONYM.findall(question))
    for short in wanted:
        for text in _passages(indexes, short):
            name = meaning(short, text)
            if name is not None:
                found.append((short, name))
                break
    words = _WORD.findall(question)
    for size in range(min(_LONGEST_NAME, len(words)), 1, -1):
        for start in range(len(words) - size + 1):
            name = " ".join(words[start : start + size])
            short = "".join(word[0] for word in words[start : start + size]).upper()
            known = any(name.casefold() in other.casefold() for _, other in found)
            if known or not short.isalpha() or not indexes.holds_stem(short.casefold()):
                continue
            if any(_defines(text, short, name) for text in _passages(indexes, f"{short} {name}")):
                found.append((short, name))
    return found


def meaning(short: str, text: str) -> str | None:
    """Return the name that ``text`` gives for an acronym, by the first letters of its words."""
    letters = [letter.casefold() for letter in short if letter.isalpha()]
    for match in re.finditer(re.escape(short), text):
        before = text[: match.start()].rstrip()
        if before.endswith("("):
            name = _last_words(before[:-1], letters)
            if name is not None:
                return name
        after = re.match(r"\s*\(([^()]{3,120})\)", text[match.end() :])
        if after and letters in _initials(after[1]):
            return after[1].strip()
    return None


def _last_words(text: str, letters: Sequence[str]) -> str | None:
    words = list(_WORD.finditer(text[-200:]))
    for count in range(len(letters), min(len(words), 2 * len(letters)) + 1):
        tail = words[-count:]
        if list(letters) in _initials(" ".join(word[0] for word in tail)):
            return text[-200:][tail[0].start() : tail[-1].end()]
    return None


def _initials(name: str) -> tuple[list[str], list[str]]:
    """Return the first letters of a name's words: of all, and without such as "of" and "the"."""
    words = [part for word in _WORD.findall(name) for part in re.split(r"[-’']", word) if part]
    return (
        [word[0].casefold() for word in words],
        [word[0].casefold() for word in words if word.casefold() not in _SMALL],
    )


def _defines(text: str, short: str, name: str) -> bool:
    either = rf"{re.escape(name)}\s*\(\s*{re.escape(short)}s?\s*\)"
    other = rf"{re.escape(short)}\s*\(\s*{re.escape(name)}\s*\)"
    return re.search(f"{either}|{other}", text, re.IGNORECASE) is not None


def _passages(indexes: Indexes, text: str) -> list[str]:
    found = indexes.search_lexical(text, _READ)
    return [chunk.text for chunk in indexes.store.chunks([scored.chunk_id for scored in found])]
