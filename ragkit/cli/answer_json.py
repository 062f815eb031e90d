"""The JSON form of an answer."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.results import Answer


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return what ``ragkit ask --json`` prints."""
    document = {field.name: getattr(answer, field.name) for field in fields(answer)}
    return {"answer": document.pop("text"), **document}
