"""Asking a language model for what a turn says, as JSON, and checking what comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ragkit.errors import ModelError
from ragkit.llm.fence import data_rule, fenced, new_nonce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragkit.llm.chat_model import ChatModel
    from ragkit.store.records import NumberedTurn

_MAX_TOKENS = 800


def quoted(turns: Sequence[NumberedTurn]) -> tuple[str, str]:
    """Return the rule that tells quoted turns from orders, and the turns as they are quoted."""
    nonce = new_nonce()
    said = "\n".join(f"[{turn.number}] {turn.role}: {turn.content}" for turn in turns)
    return data_rule("The conversation", nonce), fenced(said, nonce)


def extract_rows(
    model: ChatModel, task: str, turns: Sequence[NumberedTurn], fields: Sequence[str]
) -> list[dict[str, Any]]:
    """Have ``model`` list what turns say: one object with a turn's number and ``fields`` a row.

    Rows that are incomplete, or of turns that were not given, are left out.

    Raises:
        ModelError: the model failed, or its reply is no such list.
    """
    from ragkit.llm.chat_model import Message, complete

    properties: dict[str, Any] = {"turn": {"type": "integer"}}
    properties |= {name: {"type": "string"} for name in fields}
    row = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row}},
        "required": ["rows"],
        "additionalProperties": False,
    }
    shown = ", ".join(f'"{name}"' for name in properties)
    instruction = (
        f'{task} Reply with JSON only: {{"rows": [...]}}, each row an object with {shown}; "turn" '
        "is the number in brackets. No row for small talk; an empty list if there is nothing."
    )
    rule, conversation = quoted(turns)
    reply = complete(
        model,
        [Message("system", f"{instruction}\n\n{rule}"), Message("user", conversation)],
        max_tokens=_MAX_TOKENS,
        schema=schema,
    )
    numbers = {turn.number for turn in turns}
    return [
        item
        for item in _rows(reply.text, model.name)
        if isinstance(item, dict)
        and item.get("turn") in numbers
        and all(isinstance(item.get(name), str) and item[name].strip() for name in fields)
    ]


def _rows(text: str, name: str) -> list[Any]:
    begin, end = text.find("{"), text.rfind("}")
    try:
        rows = json.loads(text[begin : end + 1])["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name} did not reply with the JSON it was asked for") from error
    if not isinstance(rows, list):
        raise ModelError(f"{name} did not reply with the JSON it was asked for")
    return rows
