"""The folder in which compiled models are kept, one for each user."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ragkit.embed.model_folder import sha256_of


def cache_directory(chosen: Path | None = None) -> Path:
    """Return ``chosen``, or ``RAGKIT_CACHE``, or the user's cache folder; it may not exist yet."""
    if chosen is not None:
        return chosen
    named = os.environ.get("RAGKIT_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("ragkit", appauthor=False)


def cached_sha256(path: Path, cache: Path) -> str:
    """Return the SHA-256 of a large file, reading it only when its size or time has changed.

    Raises:
        OSError: the file cannot be read.
    """
    path = path.resolve()
    state = path.stat()
    key = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    note = cache / "hashes" / f"{key}.json"
    wanted = {"path": str(path), "size": state.st_size, "mtime_ns": state.st_mtime_ns}
    known = read_note(note)
    digest = known.pop("sha256", None)
    if known == wanted and isinstance(digest, str):
        return digest
    digest = sha256_of(path)
    # A cache that cannot be written costs only that the file is hashed again the next time.
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_note(note, {**wanted, "sha256": digest})
    return digest


def read_note(path: Path) -> dict[str, Any]:
    """Read a small JSON object; an empty one where it is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_note(path: Path, value: dict[str, Any]) -> None:
    """Write a small JSON object so that a reader sees all of it or none.

    Raises:
        OSError: it cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # ASCII, for a path may hold what is no character at all.
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(value, file, indent=2)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
