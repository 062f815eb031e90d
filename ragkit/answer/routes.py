"""Questions that rules answer, without searching: arithmetic, and what documents there are.

Each rule takes whole questions only, so that none of them takes one that is about the documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ragkit.language import lists

Rule = Literal["arithmetic", "documents"]

_LISTED = 20
_LONGEST = 200

_DOCUMENTS = lists.pattern("asking.documents")
_ASKS_VALUE = re.compile(rf"{lists.alternatives('asking.value')}\s+", re.IGNORECASE)
# Only digits, operators and the few words of arithmetic: anything else may be about documents.
_EXPRESSION = re.compile(
    rf"(?:[\d\s.,()+\-*/^%×÷−√]|\b{lists.alternatives('asking.operators')}\b)+", re.IGNORECASE
)
# 24/7, 9/11, 2024-05-01 and 030-1234 are names of things more often than sums.
_NAMES = re.compile(r"\d+(?:[/-]\d+)+")
_SPELLED = (
    (re.compile(r"\bplus\b", re.I), "+"),
    (re.compile(r"\bminus\b", re.I), "-"),
    (re.compile(r"\b(?:times|x)\b", re.I), "*"),
    (re.compile(r"\bdivided by\b", re.I), "/"),
    (re.compile(r"\bto the power of\b", re.I), "^"),
    (re.compile(r"\s*\bpercent\b", re.I), "%"),
)
_OPERATOR = re.compile(r"[-+*/^%×÷−√]|\bsqrt\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Routed:
    """What a rule answers, and which it was."""

    rule: Rule
    text: str


def route(question: str, documents: Callable[[], Sequence[str]]) -> Routed | None:
    """Answer a question by a rule, or return ``None``: then it is one for the documents.

    Args:
        question: What was asked.
        documents: Gives the paths of the documents, in order.
    """
    asked = " ".join(question.split()).strip(" !.?¿¡,")
    if not asked or len(asked) > _LONGEST:
        return None
    if _DOCUMENTS.fullmatch(asked):
        return Routed("documents", _listing(documents()))
    value = _value(asked)
    return None if value is None else Routed("arithmetic", value)


def _value(asked: str) -> str | None:
    prefix = _ASKS_VALUE.match(asked)
    expression = asked[prefix.end() :] if prefix else asked
    expression = expression.rstrip("= ")
    if not _EXPRESSION.fullmatch(expression) or _NAMES.fullmatch(expression):
        return None
    for pattern, operator in _SPELLED:
        expression = pattern.sub(operator, expression)
    if len(re.findall(r"\d+", expression)) < 1 or not _OPERATOR.search(expression.lstrip("-−+ ")):
        return None
    from ragkit.agent.tools.expression import CalculationError, evaluate, show

    try:
        result = show(evaluate(expression))
    except CalculationError:
        return None
    # "5%" alone, or "3." of a list, has nothing to be worked out.
    return None if result == expression.strip() or expression.endswith("%") else result


def _listing(paths: Sequence[str]) -> str:
    if not paths:
        return "There is no document yet."
    shown = "\n".join(f"- {path}" for path in paths[:_LISTED])
    rest = len(paths) - _LISTED
    more = f"\nand {rest:,} more; ragkit ls lists them all" if rest > 0 else ""
    count = "There is one document:" if len(paths) == 1 else f"There are {len(paths):,} documents:"
    return f"{count}\n{shown}{more}"
