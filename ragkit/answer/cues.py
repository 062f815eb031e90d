"""What kind of answer a question asks for, and whether a sentence has one."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["number", "date", "person", "place", "steps", "reason", "other"]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_ASKS: dict[Kind, re.Pattern[str]] = {
    "number": re.compile(
        r"\bhow (?:many|much|long|often|large|big|tall|high|deep|wide|heavy|fast|far|old|loud|"
        r"hot|cold|soon|quickly)\b|\b(?:what|which)\b.{0,40}\b(?:number|amount|price|cost|fee|"
        r"percentage|percent|rate|share|weight|size|length|width|height|capacity|temperature|"
        r"pressure|voltage|total|revenue|profit|income|salary|budget|limit|maximum|minimum|"
        r"average|population|age|speed|power|range|value|ratio)\b",
        re.IGNORECASE,
    ),
    "date": re.compile(
        r"\bwhen\b|\b(?:what|which) (?:date|day|month|year|time)\b|"
        r"\b(?:what|which)\b.{0,30}\bdeadline\b",
        re.IGNORECASE,
    ),
    "person": re.compile(
        r"\bwho(?:m|se)?\b|\b(?:what|which) (?:person|company|team|author)\b", re.IGNORECASE
    ),
    "place": re.compile(
        r"\bwhere\b|\b(?:what|which) (?:city|country|place|town|address|location)\b", re.IGNORECASE
    ),
    "steps": re.compile(
        r"\bhow (?:do|can|should|would|to|does one)\b|\bsteps?\b|\bprocedure\b|\binstructions?\b",
        re.IGNORECASE,
    ),
    "reason": re.compile(r"\bwhy\b|\bwhat (?:is|was|are) the (?:reason|cause)\b", re.IGNORECASE),
}
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|"
    r"fifty|sixty|ninety|hundred|thousand|million|billion|half|once|twice|daily|weekly|monthly|"
    r"yearly|annually|no limit|unlimited|free|none)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    rf"\b{_MONTH}\b\.?(?:\s+\d|\s*$)|\d\s+{_MONTH}\b|\b(?:1[5-9]|20)\d\d\b|"
    r"\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{1,2}(?::\d\d)?\s?[ap]\.?m\b|\b\d{1,2}:\d\d\b|"
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:today|tomorrow|yesterday|spring|"
    r"summer|autumn|winter|quarter|daily|weekly|monthly|before|after|within|until)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=\S\s)[A-Z][\w'’-]+|^[A-Z][\w'’-]+\s+[A-Z][\w'’-]+")
_PLACE = re.compile(
    r"\b(?:in|at|on|from|to|near|under|behind|inside|into|via|above|below)\s+(?:the\s+)?\w",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"^\s*(?:\d{1,2}[.)]|step\b|[-*•])|^(?:first|then|next|finally)\b|"
    r"\b(?:click|press|select|open|choose|go to|enter|run|type|hold|turn|remove|insert|install|"
    r"set|use|send|call|write|contact|add|create|connect|plug|tap|pick|sign|log|submit|ask)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|so that|due to|therefore|in order to|reason|caused?|to (?:avoid|prevent|"
    r"keep|ensure|protect|allow|make)|as (?:it|they|the)|otherwise|means that)\b",
    re.IGNORECASE,
)
_SHOWS: dict[Kind, re.Pattern[str]] = {
    "number": _NUMBER,
    "date": _DATE,
    "person": _NAME,
    "place": _PLACE,
    "steps": _STEP,
    "reason": _REASON,
}


def question_kind(question: str) -> Kind:
    """Guess from an English question what an answer must hold; ``"other"`` when nothing shows."""
    found = [
        (match.start(), order, kind)
        for order, (kind, pattern) in enumerate(_ASKS.items())
        if (match := pattern.search(question)) is not None
    ]
    return min(found)[2] if found else "other"


def fits(kind: Kind, sentence: str) -> float:
    """How well a sentence could be an answer of this kind: 1 yes, 0 no, 0.5 when any may be."""
    pattern = _SHOWS.get(kind)
    if pattern is None:
        return 0.5
    return 1.0 if pattern.search(sentence) else 0.0
