"""What kind of answer a question asks for, and whether a sentence has one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from ragkit.language import words

Kind = Literal[
    "number",
    "money",
    "duration",
    "share",
    "weight",
    "temperature",
    "phone",
    "date",
    "person",
    "place",
    "steps",
    "reason",
    "other",
]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
# Where a question begins, or a further one within it.
_BEGIN = r"(?:^|[,:;?.]\s*|\b(?:and|or|und|oder|et|ou)\s+)"
_ASKS: dict[Kind, re.Pattern[str]] = {
    "number": re.compile(
        r"\bhow (?:many|much|long|often|large|big|tall|high|deep|wide|heavy|fast|far|old|loud|"
        r"hot|cold|soon|quickly)\b|\b(?:what|which)\b.{0,40}\b(?:number|amount|price|cost|fee|"
        r"percentage|percent|rate|share|weight|size|length|width|height|capacity|temperature|"
        r"pressure|voltage|total|revenue|profit|income|salary|budget|limit|maximum|minimum|"
        r"average|population|age|speed|power|range|value|ratio)\b|\bcombien\b|\bwie ?viele?\b|"
        r"\bwie (?:hoch|lange?|groß|schwer|oft|weit|breit|tief|schnell|alt|teuer)\b|\bcuánt[oa]s?\b",
        re.IGNORECASE,
    ),
    "date": re.compile(
        # Not the "when" of "does it work when it rains".
        rf"{_BEGIN}(?:since |until |by |from )?when\b|\bwhen (?:do|does|did|is|are|was|were|will|"
        r"would|can|could|must|should|has|have|had|may|shall)\b|"
        r"\b(?:what|which) (?:date|day|month|year|time)\b|\b(?:what|which)\b.{0,30}\bdeadline\b|"
        rf"\bwann\b|{_BEGIN}quand\b|\bcuándo\b",
        re.IGNORECASE,
    ),
    "person": re.compile(
        r"\bwho(?:m|se)?\b|\b(?:what|which) (?:person|company|team|author)\b|\bwe[rmn]\b|"
        r"\bquién(?:es)?\b",
        re.IGNORECASE,
    ),
    "place": re.compile(
        r"\bwhere\b|\b(?:what|which) (?:city|country|place|town|address|location)\b|\bwo\b|"
        rf"{_BEGIN}où\b|\bdónde\b",
        re.IGNORECASE,
    ),
    "steps": re.compile(
        r"\bhow (?:do|can|should|would|to|does one)\b|\bsteps?\b|\bprocedure\b|\binstructions?\b",
        re.IGNORECASE,
    ),
    "reason": re.compile(
        r"\bwhy\b|\bwhat (?:is|was|are) the (?:reason|cause)\b|\bwarum\b|\bwieso\b|\bweshalb\b|"
        r"\bpourquoi\b|\bpor qué\b",
        re.IGNORECASE,
    ),
}
_COUNT = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|ninety|hundred|half|"
    r"zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|dreißig|hundert|"
    r"deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze|treize|quatorze|quinze|vingt|trente|cent|"
    r"dos|tres|cuatro|cinco|siete|ocho|nueve|diez|veinte|cien"
)
_NUMBER = re.compile(
    rf"\d|\b(?:{_COUNT}|thousand|million|billion|once|twice|daily|weekly|monthly|yearly|annually|"
    r"no limit|unlimited|free|none|tausend|mille)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    rf"\b{_MONTH}\b\.?(?:\s+\d|\s*$)|\d\s+{_MONTH}\b|\b(?:1[5-9]|20)\d\d\b|"
    r"\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{1,2}(?::\d\d)?\s?[ap]\.?m\b|\b\d{1,2}:\d\d\b|"
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:today|tomorrow|yesterday|spring|"
    r"summer|autumn|winter|quarter|daily|weekly|monthly|before|after|within|until|innerhalb|"
    r"spätestens|vorher|nachher|täglich|wöchentlich|monatlich|heute|morgens?|abends|uhr|avant|après|"
    r"lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|(?:mon|diens|donners|frei|sams|sonn)tags?|"
    r"mittwochs?|janvier|février|avril|juin|juillet|août|septembre|octobre|novembre|décembre|"
    r"januar|februar|märz|mai|juni|juli|oktober|dezember)\b",
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
    r"keep|ensure|protect|allow|make)|as (?:it|they|the)|otherwise|means that|weil|damit|wegen|"
    r"aufgrund|parce qu|afin|à cause|porque)\b",
    re.IGNORECASE,
)
_MEASURED = re.compile(
    r"\bhow (?:long|often|large|big|tall|high|deep|wide|heavy|fast|far|old|loud|soon|quickly|hot|cold|"
    r"warm|late|early|thick|strong)\b",
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


# What a number is of, asked in so many words; also in German, French and Japanese.
_ASKS_UNIT: dict[Kind, re.Pattern[str]] = {
    "share": re.compile(
        r"\b(?:percentage|percent|share|portion|proportion|discount|rebate|interest|margin|"
        r"what part)\b|\bquelle part\b|\bwelcher anteil\b",
        re.IGNORECASE,
    ),
    "duration": re.compile(
        r"\bhow (?:long|soon|quickly)\b|\bhow many (?:seconds?|minutes?|hours?|days?|weeks?|"
        r"months?|years?)\b|\b(?:warranty|guarantee|notice|trial) period\b|\bduration\b|"
        r"\bwie lange\b|\bcombien de temps\b|何年|何日|何時間|何か月",
        re.IGNORECASE,
    ),
    "weight": re.compile(r"\bweighs?\b|\bweight\b|\bhow heavy\b|\bwiegt\b|\bpèse\b", re.IGNORECASE),
    "temperature": re.compile(
        r"\btemperatures?\b|\bhow (?:hot|cold|warm)\b|\bdegrees\b|\btemperatur\b", re.IGNORECASE
    ),
    "phone": re.compile(
        r"\b(?:tele)?phone numbers?\b|\bwhich number\b.{0,20}\b(?:ring|call|dial)\b|"
        r"\btelefonnummer\b|\bnuméro de téléphone\b|電話番号",
        re.IGNORECASE,
    ),
    "money": re.compile(
        r"\b(?:costs?|prices?|pay(?:s|ing)?|paid|charges?|charged|fees?|expensive|cheap|salary|"
        r"earn|spend|budget|deposit|revenue|profit|turnover|allowance|refund|kostet|kosten|preis|"
        r"coûte|prix|coût|how much (?:is|are|was|were|for))\b|いくら",
        re.IGNORECASE,
    ),
}
_SHOWS_UNIT: dict[Kind, re.Pattern[str]] = {
    "share": re.compile(
        r"\d\s?%|\d\s?per ?cent|\b(?:half|thirds?|quarters?|fifths?|tenths?)\b", re.IGNORECASE
    ),
    "duration": re.compile(
        rf"\d[\s-]*(?:s|h|ans)\b|(?:\d|\b(?:{_COUNT}|half|(?:within|for|in|after|about|than|takes?|"
        # "An hour" is a time, but not the "a year" of "€10 a year".
        r"lasts?|dauert|für|nach|dans|pendant)\s+(?:an?|eine[nmr]?|une?))\b)[\s-]*"
        r"(?:[^\W\d_]{3,}\s+|and a half\s+)?(?:seconds?|min(?:utes?)?|hours?|days?|"
        r"weeks?|months?|years?|quarters?|cycles|sekunden?|minuten?|stunden?|tage?n?|wochen?|"
        r"monate?n?|jahre?n?|jours?|semaines?|mois|ans|années?|heures?)\b|\d\s?(?:年|日|時間|か月|分)|"
        r"\b(?:no limit|unlimited|forever)\b",
        re.IGNORECASE,
    ),
    "weight": re.compile(
        r"\d\s?(?:kg|g|mg|t|tons?|tonnes?|lbs?|pounds?|grams?|kilos?)\b", re.IGNORECASE
    ),
    "temperature": re.compile(r"\d\s?(?:°|degrees?\b|grad\b|degrés?\b)|\d\s?[CF]\b|\bK\b"),
    # Not a date such as 2025-05-12.
    "phone": re.compile(r"(?:\+\d|\(0|\b0)[\d\s()/.-]{5,}\d|\b\d{3}[\s.-]\d{3}[\s.-]\d{4}\b"),
    "money": re.compile(
        r"[€$£¥]\s?\d|\d\s?(?:[€$£¥円]|万円|(?:EUR|USD|GBP|CHF|euros?|dollars?|pounds?|yen)\b)|"
        r"\b(?:EUR|USD|GBP|CHF)\s?\d|\b(?:free(?: of charge)?|no (?:extra )?c(?:ost|harge)|gratis|"
        r"kostenlos|gratuit)\b",
        re.IGNORECASE,
    ),
}
# What those are called in a sentence.
UNITS: dict[Kind, str] = {
    "share": "percentage",
    "duration": "length of time",
    "weight": "weight",
    "temperature": "temperature",
    "phone": "telephone number",
    "money": "sum of money",
}
# Keywords without a question word that ask for a figure.
_ASKS_FIGURE = re.compile(
    r"\b(?:number|amount|limit|weigh|weight|length|width|height|temperature|voltage|torque|"
    r"pressure|headcount|total|speed|range|capacity|accuracy|minimum|maximum)\b",
    re.IGNORECASE,
)
_ASKS_WHETHER = re.compile(
    rf"{_BEGIN}(?:is|are|was(?!\s+(?:\w+t|sind|haben|kosten|darf|muss|kann|wird|wurde)\b)|were|do|does|did|can|could|may|must|will|would|should|has|have)\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\b(?:how many|number of|combien d(?:e |['’])|wie ?viele|cuánt[oa]s)\s*(?P<noun>[\w-]+)"
    r"(?:\s+(?P<next>[\w-]+))?",
    re.IGNORECASE,
)
_BETWEEN = 2
_ENUMERATE = re.compile(r"^\W*(?:please\s+)?(?:list|enumerate|name|tell|nenne)\b", re.IGNORECASE)
_ASKS_LIST = re.compile(
    r"^\W*(?:please\s+)?(?:(?:list|enumerate|name|nenne|nennen)\b|(?:show|give|tell)(?: me)? (?:all|every)\b)|"
    r"\b(?:what|which) (?:are|were)\b|\b(?:what|which) (?:all )?[\w-]+s (?:are|were|do|does|did|can|"
    r"have|has|may|must|should)\b|\bwelche [\w-]+(?:n|e|er|s)\b|\bquel(?:le)?s\b|"
    r"\b(?:all|every|alle|tous|toutes) (?:of )?(?:the|les|die)\b",
    re.IGNORECASE,
)
# Kinds that a question may have beside the unit of a number: "when … and what does it cost".
_BESIDE: frozenset[Kind] = frozenset(("date", "person", "place", "reason"))
_UNFIT = 0.3


def question_kind(question: str) -> Kind:
    """Guess what an answer must hold; ``"other"`` when nothing shows (in most languages, it does not)."""
    found = [
        (match.start(), order, kind)
        for order, (kind, pattern) in enumerate(_ASKS.items())
        if (match := pattern.search(question)) is not None
    ]
    return min(found)[2] if found else "other"


def fits(kind: Kind, sentence: str) -> float:
    """How well a sentence could be an answer of this kind: 1 yes, 0 no, 0.5 when any may be."""
    pattern = _SHOWS_UNIT.get(kind) or _SHOWS.get(kind)
    if pattern is None:
        return 0.5
    if kind == "date" and _SHOWS_UNIT["duration"].search(sentence):
        return 1.0  # "four weeks before"
    return 1.0 if pattern.search(sentence) else 0.0


def question_kinds(question: str) -> tuple[Kind, ...]:
    """Guess all that an answer may be asked to hold; a number's unit where the question tells."""
    kind = question_kind(question)
    units = [unit for unit, pattern in _ASKS_UNIT.items() if pattern.search(question)]
    if kind in ("steps", "reason", "person") or (
        kind == "other" and _ASKS_WHETHER.search(question)
    ):
        units = [unit for unit in units if unit != "money"]
    if not units:
        figure = kind == "other" and _ASKS_FIGURE.search(question)
        return ("number",) if figure else (kind,)
    return (*units, kind) if kind in _BESIDE else tuple(units)


def asks_unit(kinds: Sequence[Kind]) -> bool:
    """Whether the question tells what its number is of, such as money or days."""
    return any(kind in _SHOWS_UNIT for kind in kinds)


def without_measure(question: str) -> str:
    """Return a question without what asks only: "how long" and "list" are no topics."""
    return _MEASURED.sub("how", _ENUMERATE.sub("", question))


def asks_list(question: str) -> bool:
    """Whether a question asks for several things: "list …", "which parts are …"."""
    return _ASKS_LIST.search(question) is not None


def counted(question: str) -> frozenset[str]:
    """Return the terms of what a question asks the number of: ``station`` in "how many stations"."""
    match = _COUNTED.search(question)
    if match is None:
        return frozenset()
    # "how many faulty packs": either word may stand behind the number.
    return words.terms(match["noun"]) | words.terms(match["next"] or "")


def counts(things: AbstractSet[str], sentence: str) -> bool:
    """Whether a number stands just before one of these things in a sentence."""
    if not things:
        return False
    tokens = words.words(sentence)
    return any(
        _NUMBER.match(token) is not None
        and any(words.stem(after) in things for after in tokens[i + 1 : i + 2 + _BETWEEN])
        for i, token in enumerate(tokens)
    )


def fit(
    kinds: Sequence[Kind], sentence: str, *, terms: AbstractSet[str], numbers: AbstractSet[str]
) -> float:
    """How well a sentence answers one of these kinds with something the question does not hold.

    Args:
        kinds: What the question asks for, from :func:`question_kinds`.
        sentence: The sentence.
        terms: The question's terms: a person it names already is no answer to who.
        numbers: The question's numbers, likewise.

    Returns:
        1 yes, 0 no, in between perhaps.
    """
    return max(_fit(kind, sentence, terms, numbers) for kind in kinds)


def _fit(kind: Kind, sentence: str, terms: AbstractSet[str], numbers: AbstractSet[str]) -> float:
    found = fits(kind, sentence)
    if kind in _SHOWS_UNIT and not found:
        return _UNFIT if words.numbers(sentence) - numbers else 0.0
    if kind == "number" and found:
        stated = words.numbers(sentence)
        return _UNFIT if stated and not stated - numbers else 1.0
    if kind == "person" and found:
        return 1.0 if words.names(sentence) - terms else _UNFIT
    return found
