"""What turns the signals of a ranking into a confidence, and where answering begins."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.store import Store

_SETTING = "calibration"


@dataclass(frozen=True, slots=True)
class Calibration:
    """A line laid over the built-in model's log-odds (Platt 1999), and a threshold.

    Attributes:
        slope: By what the log-odds are multiplied, above 0.
        intercept: What is added to them.
        threshold: The confidence from which on questions are answered, 0 to 1; ``None`` for the
            built-in one.
        questions: How many questions it was fitted on; 0 for the built-in one.
        embedder: The embedding model it was fitted with; empty for the built-in one.
    """

    slope: float = 1.0
    intercept: float = 0.0
    threshold: float | None = None
    questions: int = 0
    embedder: str = ""

    def confidence(self, log_odds: float) -> float:
        """Turn log-odds into a probability, 0 to 1."""
        return 1.0 / (
            1.0 + math.exp(-max(-60.0, min(60.0, self.slope * log_odds + self.intercept)))
        )


BUILT_IN = Calibration()


def load_calibration(store: Store) -> tuple[Calibration, str]:
    """Read a base's own calibration.

    Returns:
        The calibration (the built-in one where none is kept, or where it does not fit the base any
        more), and a sentence saying so in the latter case, else an empty one.
    """
    text = store.get_setting(_SETTING)
    if not text:
        return BUILT_IN, ""
    again = "the built-in one was used; fit it again with ragkit eval --calibrate"
    try:
        found = _read(json.loads(text))
    except (ValueError, TypeError, KeyError):
        return BUILT_IN, f"the base's own calibration cannot be read: {again}"
    if found.embedder != (store.get_setting("embedder") or ""):
        return BUILT_IN, f"the calibration was fitted with {found.embedder!r}: {again}"
    return found, ""


def save_calibration(store: Store, calibration: Calibration | None) -> None:
    """Keep a base's own calibration; ``None`` goes back to the built-in one."""
    if calibration is None:
        store.set_setting(_SETTING, "")
        return
    document = asdict(calibration) | {"embedder": store.get_setting("embedder") or ""}
    _read(document)
    store.set_setting(_SETTING, json.dumps(document))


def _read(document: dict[str, Any]) -> Calibration:
    threshold = document["threshold"]
    found = Calibration(
        slope=float(document["slope"]),
        intercept=float(document["intercept"]),
        threshold=None if threshold is None else float(threshold),
        questions=int(document["questions"]),
        embedder=str(document["embedder"]),
    )
    numbers = (found.slope, found.intercept, found.threshold or 0.0)
    if found.slope <= 0 or not all(map(math.isfinite, numbers)):
        raise UsageError(f"a calibration cannot be {found!r}")
    return found
