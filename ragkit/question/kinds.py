"""What kind of answer a question asks for."""

from __future__ import annotations

import re
from typing import Literal, get_args

from ragkit.language import lists

Kind = Literal["number", "date", "person", "place", "steps", "reason", "other"]

_ASKS: dict[Kind, re.Pattern[str]] = {
    kind: lists.pattern(f"asking.{kind}") for kind in get_args(Kind) if kind != "other"
}
_MEASURED = lists.pattern("asking.measured")
_ENUMERATE = re.compile(r"^\W*(?:please\s+)?(?:list|enumerate|name|tell|nenne)\b", re.IGNORECASE)
_ASKS_LIST = lists.pattern("asking.list")


def question_kind(question: str) -> Kind:
    """Guess what an answer must hold; ``"other"`` when nothing shows (in most languages, it does not)."""
    found = [
        (match.start(), order, kind)
        for order, (kind, pattern) in enumerate(_ASKS.items())
        if (match := pattern.search(question)) is not None
    ]
    return min(found)[2] if found else "other"


def without_measure(question: str) -> str:
    """Return a question without what asks only: "how long" and "list" are no topics."""
    return _MEASURED.sub("how", _ENUMERATE.sub("", question))


def asks_list(question: str) -> bool:
    """Whether a question asks for several things: "list …", "which parts are …"."""
    return _ASKS_LIST.search(question) is not None
