"""Which models the user of this machine has named: kept outside every base, for a base can lie.

What a base names is somebody's word until the user has said the same here. Each name is a small file
of its own, so that processes that note something at the same time do not disturb each other.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ragkit.events import Listener, Notice


def state_directory() -> Path:
    """Return ``RAGKIT_STATE``, or the user's folder for state; it may not exist yet."""
    if named := os.environ.get("RAGKIT_STATE"):
        return Path(named).expanduser().absolute()
    import platformdirs

    return platformdirs.user_state_path("ragkit", appauthor=False)


def remember(name: str, address: str, listener: Listener) -> None:
    """Note that the user named a model.

    Args:
        name: What it is, such as ``"openai:NAME"`` or ``"folder:/absolute/path"``.
        address: Where it is served; empty for one that runs here.
        listener: Told if it cannot be noted, so that the model has to be named again next time.
    """
    if recalled(name) == address:
        return
    note = _note(name)
    temporary = note.with_name(f"{note.name}.{os.getpid()}.new")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"name": name, "address": address}), encoding="utf-8")
        temporary.replace(note)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        listener(
            Notice(
                f"That you named this embedding model could not be noted in {str(note.parent)!r}"
                f" ({reason}): name it again next time, or set RAGKIT_STATE to a folder that can be"
                " written to"
            )
        )


def recalled(name: str) -> str | None:
    """Return the address that the user named a model with; ``None`` if it was never named here."""
    try:
        kept = json.loads(_note(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(kept, dict) and kept.get("name") == name
    return str(kept.get("address", "")) if known else None


def _note(name: str) -> Path:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return state_directory() / "named-models" / f"{digest[:32]}.json"
