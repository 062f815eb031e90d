"""Questions that refer back to earlier turns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.language import analysis, lists
from ragkit.language.languages import STOP_WORDS
from ragkit.llm.fence import data_rule, defuse, fenced, new_nonce

if TYPE_CHECKING:
    from ragkit.question.question import Turn

_WORD = re.compile(r"\w+")
_CODE = re.compile(r"\b(?=[\w-]*\d)[A-Z][A-Za-z]*-?\d[\w-]*\b")
_CARRIED_WORDS = 40
_CARRIED_CODES = 3
_SHOWN_TURNS = 6
_SHOWN_CHARACTERS = 1_000
_LONGEST_REWRITE = 400
_FEW_WORDS = 3
_KEPT_WORDS = 0.5
_ROLES = ("user", "assistant")
_UNSPACED = re.compile(analysis.UNSPACED)
_REFERRING = re.compile(
    rf"\b(?:{lists.alternatives('pronouns.third', 'english')}"
    rf"|{lists.alternatives('pronouns.demonstrative', 'english')}"
    rf"|{lists.alternatives('pronouns.referring')})\b|{lists.alternatives('asking.continuing')}",
    re.IGNORECASE,
)


def check_history(history: object) -> tuple[Turn, ...]:
    """Return earlier turns, each of which is what it should be; none for ``None``.

    Raises:
        UsageError: it is no list of ``{"role": "user" or "assistant", "content": text}``; the
            message names the entry.
    """
    if history is None:
        return ()
    if not isinstance(history, Sequence) or isinstance(history, str | bytes):
        raise UsageError(
            f"history must be a list of turns, oldest first, not {type(history).__name__!r}"
        )
    for number, turn in enumerate(history):
        name = f"history[{number}]"
        if not isinstance(turn, Mapping):
            raise UsageError(
                f"{name} must be {{'role': …, 'content': …}}, not {type(turn).__name__!r}"
            )
        for key in ("role", "content"):
            if key not in turn:
                raise UsageError(f"{name} has no {key!r}, only {sorted(map(str, turn))!r}")
        if turn["role"] not in _ROLES:
            raise UsageError(f"{name}['role'] must be 'user' or 'assistant', not {turn['role']!r}")
        if not isinstance(turn["content"], str):
            kind = type(turn["content"]).__name__
            raise UsageError(f"{name}['content'] must be text, not {kind!r}")
    return tuple(history)


def carried_over(history: Sequence[Turn]) -> str:
    """Return what a conversation is about: the user's last turn, and codes of the answer to it.

    It is put before a question, and both together are searched for as well as the question alone.
    (Doing so only for questions that seem to refer back found no more: many do without saying so.)
    """
    earlier = [turn["content"] for turn in history if turn["role"] == "user"]
    carried = " ".join(_WORD.findall(earlier[-1])[:_CARRIED_WORDS]) if earlier else ""
    return " ".join([carried, *_codes(history[-1], carried)]) if carried else ""


def _codes(turn: Turn, known: str) -> list[str]:
    """The codes that an answer named, such as ``HC-31``: "that part" is likely one of them."""
    if turn["role"] != "assistant":
        return []
    found = dict.fromkeys(_CODE.findall(turn["content"]))
    return [code for code in found if code not in known][:_CARRIED_CODES]


def refers_back(question: str) -> bool:
    """Whether a question seems to need the turns before it: by a pronoun, or by being short."""
    return bool(_REFERRING.search(question)) or len(_WORD.findall(question)) <= _FEW_WORDS


def rewrite(question: str, history: Sequence[Turn], ask: Callable[[str], str]) -> str | None:
    """Let a language model say a question so that it stands alone.

    Args:
        question: The last turn.
        history: Earlier turns, oldest first; the last six are shown.
        ask: Asks the model; may raise ``ModelError``.

    Returns:
        The new question, or ``None`` if the reply is none: no single line, too long, or without
        half of the question's own telling words, for then it is about something else.
    """
    shown = [
        {"role": turn["role"], "content": turn["content"][:_SHOWN_CHARACTERS]}
        for turn in history[-_SHOWN_TURNS:]
    ]
    nonce = new_nonce()
    reply = ask(
        "Rewrite the last question of a conversation so that it can be understood without the"
        " conversation. Change nothing else, do not answer it, and reply with the question only."
        f" {data_rule('The conversation', nonce)}\n\n"
        f"{fenced(json.dumps(shown, ensure_ascii=False), nonce)}\n\n"
        f"Last question: {defuse(question)}"
    )
    lines = [line.strip().strip("\"'") for line in reply.strip().splitlines() if line.strip()]
    if len(lines) != 1 or len(lines[0]) > max(_LONGEST_REWRITE, 2 * len(question)):
        return None
    asked, kept = _telling(question), _telling(lines[0])
    return lines[0] if len(asked & kept) >= _KEPT_WORDS * len(asked) else None


def _telling(text: str) -> set[str]:
    """Its words, without those that stand for something else, and without unspaced scripts."""
    found = {
        term
        for word in analysis.question_words(_REFERRING.sub(" ", text))
        for term in word.terms
        if not _UNSPACED.search(term)
    }
    return found - STOP_WORDS
