"""The JSON form of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.results import Answer

_FIELDS = (
    "refused", "reason", "citations", "unsupported", "degraded", "model", "usage", "seconds",
    "trace", "confidence", "reason_code", "cached",
)  # fmt: skip


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return what ``ragkit ask --json`` prints."""
    return {"answer": answer.text, **{name: getattr(answer, name) for name in _FIELDS}}
