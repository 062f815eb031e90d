"""Which documents a search may look at."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Where:
    """A filter over documents; every part that is given must hold, an empty part is no limit.

    Attributes:
        paths: Display paths or globs, any of which may match; see :func:`match_paths`.
        types: Document formats (``"pdf"``, ``"html"``, ...), any of which may match.
        modified_from: Earliest modification time of the file in ns since 1970, inclusive.
        modified_to: Latest modification time in ns since 1970, exclusive.
        headings: Headings or globs, any of which may match any heading that a chunk stands under.
        metadata: Keys of the documents' metadata (or ``"title"``), each with texts or globs any
            of which may match; all keys must.
        excluding: Filters of which none may hold.
    """

    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    modified_from: int | None = None
    modified_to: int | None = None
    headings: tuple[str, ...] = ()
    metadata: tuple[tuple[str, tuple[str, ...]], ...] = ()
    excluding: tuple[Where, ...] = ()


def match_paths(patterns: Iterable[str], paths: Collection[str]) -> set[str]:
    """Pick those of ``paths`` that any of ``patterns`` matches.

    A pattern that is a path picks exactly that one. A glob (``*``, ``?``, ``[...]``; ``*`` also
    matches ``/``) is tried on the whole path, and on the file name if it holds no ``/``. Any
    other pattern names a folder, whose whole content it picks, or a file name in any folder.
    Case matters; composed and decomposed Unicode are the same.
    """
    plain = [_plain(path) for path in paths]
    known = set(plain)
    picked: set[str] = set()
    for pattern in patterns:
        wanted = _plain(pattern)
        fits = wanted.__eq__ if wanted in known else _matcher(wanted)
        picked.update(path for name, path in zip(plain, paths, strict=True) if fits(name))
    return picked


def plain_text(text: str) -> str:
    """Return a text as filters compare it: without case, with single spaces, composed."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.casefold().split())


def exact_texts(patterns: Iterable[str]) -> list[str] | None:
    """Return the only plain texts that ``patterns`` fit, or ``None`` if one of them is a glob."""
    wanted = [plain_text(pattern) for pattern in patterns]
    return None if any(map(_GLOB.search, wanted)) else wanted


def text_matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Make a function that says whether a plain text is one of ``patterns``, or fits a glob."""
    wanted = {plain_text(pattern) for pattern in patterns}
    globs = [re.compile(fnmatch.translate(text)).match for text in wanted if _GLOB.search(text)]
    return lambda plain: plain in wanted or any(fits(plain) for fits in globs)


def _plain(path: str) -> str:
    if not path.isascii():
        path = unicodedata.normalize("NFC", path)
    return path.removeprefix("./")


def _matcher(pattern: str) -> Callable[[str], bool]:
    if _GLOB.search(pattern):
        full_match = re.compile(fnmatch.translate(pattern)).match
        by_file_name = "/" not in pattern
        return lambda path: bool(
            full_match(path) or (by_file_name and full_match(path.rpartition("/")[2]))
        )
    folder = pattern.rstrip("/") + "/"
    end = "/" + pattern
    return lambda path: path.startswith(folder) or path.endswith(end)
