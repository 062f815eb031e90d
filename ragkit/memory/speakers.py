"""Who said a turn, and whom its pronouns mean."""

from __future__ import annotations

import re

from ragkit.language import lists

_FIRST_PERSON = re.compile(rf"\b(?:I|{lists.alternatives('pronouns.first')})\b")
# "What do we know of ...?" is about somebody else.
_ABOUT_SELF = re.compile(rf"\b{lists.alternatives('pronouns.self')}\b", re.IGNORECASE)
_THIRD_PERSON = re.compile(rf"\b{lists.alternatives('pronouns.third', 'english')}\b", re.IGNORECASE)
USER = "the user"


def speaker(role: str) -> str | None:
    """Return whose words a turn holds, or ``None`` for the assistant, who has no life to note."""
    if role == "assistant":
        return None
    return USER if role == "user" else role


def speaks_of_self(sentence: str) -> bool:
    """Whether a sentence is about whoever says it."""
    return bool(_FIRST_PERSON.search(sentence))


def asks_about_self(question: str) -> bool:
    """Whether a question is about whoever asks it, however it is written."""
    return bool(_ABOUT_SELF.search(question))


def has_pronoun(sentence: str) -> bool:
    """Whether a sentence speaks of somebody, or something, without the name."""
    return bool(_THIRD_PERSON.search(sentence))
