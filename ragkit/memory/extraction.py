"""Asking a language model for what a turn says, as JSON, and checking what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragkit.errors import ModelError
from ragkit.llm.chat_model import Message, complete
from ragkit.llm.fence import data_rule, fenced, new_nonce
from ragkit.llm.json_text import object_schema, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ragkit.llm.chat_model import ChatModel
    from ragkit.store.records import NumberedTurn

_MAX_TOKENS = 800


def quoted(turns: Sequence[NumberedTurn], *others: str) -> tuple[str, ...]:
    """Return the rule that tells quoted turns from orders, the turns and the others, quoted."""
    nonce = new_nonce()
    said = "\n".join(f"[{turn.number}] {turn.role}: {turn.content}" for turn in turns)
    return (
        data_rule("The conversation", nonce),
        *(fenced(text, nonce) for text in (said, *others)),
    )


def extract_rows(
    model: ChatModel, task: str, turns: Sequence[NumberedTurn], fields: Sequence[str]
) -> Iterator[tuple[NumberedTurn, dict[str, str]]]:
    """Have ``model`` list what turns say: each row a turn with a text for each of ``fields``.

    Rows that are incomplete, or of turns that were not given, are left out.

    Raises:
        ModelError: the model failed, or its reply is no such list.
    """
    row = object_schema(turn={"type": "integer"}, **{name: {"type": "string"} for name in fields})
    shown = ", ".join(f'"{name}"' for name in row["properties"])
    instruction = (
        f'{task} Reply with JSON only: {{"rows": [...]}}, each row an object with {shown}; "turn" '
        "is the number in brackets. No row for small talk; an empty list if there is nothing."
    )
    rule, conversation = quoted(turns)
    reply = complete(
        model,
        [Message("system", f"{instruction}\n\n{rule}"), Message("user", conversation)],
        max_tokens=_MAX_TOKENS,
        schema=object_schema(rows={"type": "array", "items": row}),
    )
    try:
        rows = read_json(reply.text).value["rows"]
    except (ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{model.name} did not reply with the JSON it was asked for") from error
    if not isinstance(rows, list):
        raise ModelError(f"{model.name} did not reply with the JSON it was asked for")
    by_number = {turn.number: turn for turn in turns}
    for item in rows:
        if isinstance(item, dict) and item.get("turn") in by_number:
            texts = {name: item[name].strip() for name in fields if isinstance(item.get(name), str)}
            if len(texts) == len(fields) and all(texts.values()):
                yield by_number[item["turn"]], texts
