"""Questions that ask several things at once."""

from __future__ import annotations

import re

from ragkit.language import lists, words

# Of a question only so much is read for what it asks: what is longer is mostly pasted text.
READ_CHARACTERS = 2_000
_MOST = 3
_ASKING = lists.alternatives("asking.words")
_AND = r"(?:and(?: also| then)?|und|et|y)"
_CUT = re.compile(
    rf"[?？]\s*(?:{_AND}\s+)?(?=\w)|"
    rf"\s*[,;]?\s+{_AND}\s+(?=(?:{lists.alternatives('clauses.before_asking')}\s+)?{_ASKING}\b)",
    re.IGNORECASE,
)
_ASKS = re.compile(rf"\b{_ASKING}\b", re.IGNORECASE)


def parts_of(question: str) -> tuple[str, ...]:
    """Split a question where it asks a further thing; none where it asks one thing only.

    ``"When will it be ready, and what does it cost?"`` asks two: ``"When will it be ready"`` and
    ``"what does it cost"``. Each part has a word that asks; what is only told before it stays with
    the part that follows. A question of more than :data:`READ_CHARACTERS` is not split.
    """
    if len(question) > READ_CHARACTERS:
        return ()
    # Runs of white space would take the pattern time that grows with their length cubed.
    question = " ".join(question.split())
    parts: list[str] = []
    told = ""
    begun = 0
    for end, following in [(m.start(), m.end()) for m in _CUT.finditer(question)] + [
        (len(question), len(question))
    ]:
        part = question[begun:end].strip()
        if part and _ASKS.search(part) and (words.terms(part) or parts):
            parts.append(f"{told}{part}")
            told = ""
        elif part:
            told += f"{part} "
        begun = following
    return tuple(parts) if 2 <= len(parts) <= _MOST and not told else ()
