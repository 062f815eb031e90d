"""The folder in which compiled models are kept, one for each user.

A compiled model is a folder in it, named by a hash of the weights, of the settings and of the
compiler's version. Its manifest says which form was kept and why:

- ``int8``: the quantised graph, if its vectors are close enough to the original's;
- ``float32``: the exact graph, if they are not, or if the original could not be run to compare;
- ``none``: neither agrees with the original, which must then run itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ragkit.embed.model_folder import ModelFolder, sha256_of

Form = Literal["int8", "float32", "none"]

# Raise it whenever the graph or its weights come out differently.
COMPILER_VERSION = 1

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled model in the cache; ``reason`` says why it is not int8, if it is not."""

    folder: Path
    form: Form
    reason: str = ""

    @property
    def file(self) -> Path:
        """The ONNX model; there is none in the form ``none``."""
        return self.folder / MODEL_FILE


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


def compiled_folder(model: ModelFolder, weights_sha256: str, cache: Path) -> Path:
    """Return where this model's compiled form is, or will be, kept."""
    settings = asdict(model)
    del settings["path"]
    key = json.dumps([COMPILER_VERSION, weights_sha256, settings], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return cache / "models" / f"bert-{digest}"


def find_compiled(folder: Path) -> Compiled | None:
    """Return the compiled model in ``folder``, or None where it is missing or damaged.

    The model's file is hashed only when its time stamp is not the recorded one.
    """
    manifest = read_note(folder / MANIFEST_FILE)
    form = manifest.get("form")
    if form == "none":
        return Compiled(folder, "none", str(manifest.get("reason", "")))
    if form not in ("int8", "float32"):
        return None
    file = folder / MODEL_FILE
    try:
        state = file.stat()
        intact = state.st_size == manifest.get("size") and (
            state.st_mtime_ns == manifest.get("mtime_ns")
            or sha256_of(file) == manifest.get("sha256")
        )
    except OSError:
        return None
    if not intact:
        return None
    return Compiled(folder, cast("Form", form), str(manifest.get("reason", "")))


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
    import tempfile

    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # ASCII, for a path may hold what is no character at all.
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(value, file, indent=2)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
