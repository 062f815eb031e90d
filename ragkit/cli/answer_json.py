"""The JSON form of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.results import Answer


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return what ``ragkit ask --json`` prints."""
    return {
        "answer": answer.text,
        "refused": answer.refused,
        "reason": answer.reason,
        "citations": answer.citations,
        "unsupported": answer.unsupported,
        "degraded": answer.degraded,
        "model": answer.model,
        "usage": answer.usage,
        "seconds": answer.seconds,
        "trace": answer.trace,
        "confidence": answer.confidence,
        "reason_code": answer.reason_code,
        "cached": answer.cached,
    }
