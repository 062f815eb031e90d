"""Display paths: what users see and cite, unique in the base.

A document is shown by its path inside its root. Where several roots hold the same relative path,
each is prefixed by its root's name, and by more of the parent folders if that is not enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

_ESCAPED = "\U0010ffff"
_LONE = re.compile("[\ud800-\udfff\U0010ffff]")
_STORED = re.compile("\U0010ffff([0-9a-f]{6})")
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_stored(path: str) -> str:
    """Make any file name storable: bytes that are not Unicode come as lone surrogates."""
    return _LONE.sub(lambda found: f"{_ESCAPED}{ord(found[0]):06x}", path)


def from_stored(path: str) -> str:
    """Undo :func:`to_stored`."""
    if _ESCAPED not in path:
        return path
    return _STORED.sub(lambda found: chr(int(found[1], 16)), path)


def storable(text: str) -> str:
    """Replace each lone surrogate by U+FFFD, one for one, so that offsets stay true."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def shown(path: str) -> str:
    r"""Make a file name printable: bytes that are no Unicode are shown as ``\xNN``."""
    return _SURROGATE.sub(
        lambda found: (
            f"\\x{ord(found[0]) - 0xDC00:02x}"
            if "\udc80" <= found[0] <= "\udcff"  # how Python keeps a byte of a file name
            else f"\\u{ord(found[0]):04x}"
        ),
        path,
    )


def root_name(folder: PurePath) -> str:
    """Return the folder's name, or the drive without separators, or ``"root"``."""
    return folder.name or folder.anchor.strip("/\\:") or "root"


def display_paths(
    relative_path: str, folders: Mapping[int, Path], taken: Callable[[str], bool]
) -> dict[int, str]:
    """Name one relative path in each of the roots that hold it.

    Args:
        relative_path: Path inside the roots, with ``/``.
        folders: Root id to folder, for the roots that hold the path; the folders differ.
        taken: Whether a path already names some other document.

    Returns:
        Root id to display path; all differ, and none is taken unless nothing else is left.
    """
    relative = shown(relative_path)
    if len(folders) == 1 and not taken(relative):
        return dict.fromkeys(folders, relative)
    parts = {
        root_id: [part.strip("/\\:") or "root" for part in map(shown, folder.parts)]
        for root_id, folder in folders.items()
    }
    deepest = max(len(names) for names in parts.values())
    named: dict[int, str] = {}
    for depth in range(1, deepest + 1):
        named = {root_id: "/".join([*names[-depth:], relative]) for root_id, names in parts.items()}
        if len(set(named.values())) == len(named) and not any(map(taken, named.values())):
            break
    return named
