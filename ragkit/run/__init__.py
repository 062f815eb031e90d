"""What changes a base: ingest, add, delete, rebuild, watch, check, import.

Its functions are imported when first used: a search needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.run.checkup import examine
    from ragkit.run.ingestion import ingest
    from ragkit.run.one_by_one import add, delete
    from ragkit.run.overview import status_of
    from ragkit.run.rebuilding import rebuild
    from ragkit.run.watching import watch

_HOMES = {
    "add": "one_by_one",
    "delete": "one_by_one",
    "examine": "checkup",
    "ingest": "ingestion",
    "rebuild": "rebuilding",
    "status_of": "overview",
    "watch": "watching",
}
__all__ = ["add", "delete", "examine", "ingest", "rebuild", "status_of", "watch"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
