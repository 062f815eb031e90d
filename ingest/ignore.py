"""Which files of a folder are left out: hidden ones, and what ``.ragkitignore`` files exclude.

The patterns are those of ``.gitignore``, as https://git-scm.com/docs/gitignore describes them. They
are asked about one entry at a time on the way down, as git does it, and so about each folder by
itself; libraries that match whole paths answer another question, for which ``*``, ``!*/``,
``!*.md`` lets everything or nothing in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

IGNORE_FILE = ".ragkitignore"
IGNORED_NAMES = frozenset({"__pycache__", "node_modules", "Thumbs.db", "desktop.ini"})
IGNORED_PREFIXES = (".", "~$")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of an ignore file; ``regex`` fits a whole path below the file's folder.

    ``names`` is the last part of the line as it was written.
    """

    regex: re.Pattern[str]
    includes: bool
    folders_only: bool
    names: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The patterns of one ignore file; they hold below ``prefix``, its folder with a final "/"."""

    prefix: str
    patterns: tuple[Pattern, ...]


def read_rules(path: Path, prefix: str) -> Rules:
    """Read an ignore file.

    Raises:
        OSError: it cannot be read.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    return Rules(prefix, parse_patterns(lines))


def parse_patterns(lines: Iterable[str]) -> tuple[Pattern, ...]:
    """Read patterns in the syntax of ``.gitignore``; a line that is none fits nothing."""
    return tuple(pattern for line in lines if (pattern := _parse(line)) is not None)


def is_ignored(relative: str, rules: Sequence[Rules], *, is_folder: bool) -> bool:
    """Say whether a file or folder is left out; what is in an ignored folder is not asked about.

    Args:
        relative: Its path in the ingested folder, with "/".
        rules: Of the ignore files in the folders around it, the outermost first. The last
            pattern that fits decides.
        is_folder: Whether it is a folder.

    Hidden files and the like are left out unless a pattern names them: ``!.github`` lets that
    folder in, ``!*`` does not, so that a list of what is wanted brings in no hidden files.
    """
    name = relative.rpartition("/")[2]
    by_name = name.startswith(IGNORED_PREFIXES) or name in IGNORED_NAMES
    for rule in reversed(rules):
        below = relative[len(rule.prefix) :]
        for pattern in reversed(rule.patterns):
            if pattern.folders_only and not is_folder:
                continue
            if by_name and pattern.includes and not _names(pattern, name):
                continue
            if pattern.regex.fullmatch(below):
                return not pattern.includes
    return by_name


def _names(pattern: Pattern, name: str) -> bool:
    return pattern.names == name or pattern.names.startswith(IGNORED_PREFIXES)


def _parse(line: str) -> Pattern | None:
    line = re.sub(r"(?<!\\)[ \t]+$", "", line)
    includes = line.startswith("!")
    body = line[1:] if includes else line
    if not body.strip("/") or line.startswith("#"):
        return None
    folders_only = body.endswith("/")
    parts = body.rstrip("/").lstrip("/").split("/")
    anchored = "/" in body.rstrip("/")
    if not anchored:
        parts = ["**", *parts]
    try:
        regex = re.compile(_regex(parts), re.DOTALL)
    except (re.error, ValueError):  # such as the range [z-a]
        return None
    return Pattern(regex, includes, folders_only, parts[-1])


def _regex(parts: Sequence[str]) -> str:
    """Translate the parts between slashes, of which ``**`` stands for any number of folders."""
    pieces: list[str] = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            pieces.append(".+" if last else "(?:.+/)?")
        else:
            pieces.append(_part_regex(part) + ("" if last else "/"))
    return "".join(pieces)


_TOKEN = re.compile(r"\\(.)|(\*+)|(\?)|\[([!^]?)(\]?(?:\\.|\[:\w+:\]|[^\]\\])*)\]|(.)", re.DOTALL)
_CLASSES = {"digit": r"\d", "space": r"\s", "alpha": "a-zA-Z", "alnum": "a-zA-Z0-9"}


def _part_regex(part: str) -> str:
    """Translate what stands between two slashes.

    What follows a star is looked for once, at the first place where it stands: another would do
    no better, and trying them all takes for ever on a pattern that is meant to.
    """
    pieces = [""]
    for found in _TOKEN.finditer(part):
        escaped, star, any_one, negated, group, plain = found.groups()
        if star:
            pieces.append("")
        elif any_one:
            pieces[-1] += "[^/]"
        elif group is not None:
            pieces[-1] += f"(?!/)[{'^' if negated else ''}{_set(group)}]"
        else:
            if plain == "\\":
                raise ValueError("a backslash with nothing after it")
            pieces[-1] += re.escape(escaped or plain)
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + f"[^/]*{last}"


def _set(group: str) -> str:
    group = re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], ""), group)
    return re.sub(r"[\[\]^&~|]", r"\\\g<0>", group)
