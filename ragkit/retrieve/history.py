"""Questions that refer back to earlier turns, resolved without a language model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+")
_CARRIED_WORDS = 40


@dataclass(frozen=True, slots=True)
class Resolved:
    """What to search for.

    ``parts`` are texts with their weights, which sum to 1, the question itself first;
    ``carried`` is what came from earlier turns, if anything.
    """

    parts: tuple[tuple[str, float], ...]
    carried: str = ""


def resolve(question: str, history: Sequence[Mapping[str, str]]) -> Resolved:
    """Carry over what the conversation is about; the question itself always stays in the mix.

    Without history the question stands alone. With it, the user's last turn is put before the
    question, and both together are searched for as well as the question alone.
    """
    earlier = [turn.get("content", "") for turn in history if turn.get("role") == "user"]
    carried = " ".join(_WORD.findall(earlier[-1])[:_CARRIED_WORDS]) if earlier else ""
    if not carried:
        return Resolved(((question, 1.0),))
    return Resolved(((question, 0.5), (f"{carried} {question}", 0.5)), carried)
