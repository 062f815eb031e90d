"""What two sentences may differ in while their vectors hardly do: negations and opposites."""

from __future__ import annotations

import re

from ragkit.language import words

_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|neither|nor|without|cannot|unable|non|fails? to|refus\w+|"
    r"den(?:y|ies|ied)|lacks?|exclud\w+|except|prohibit\w*|forbid\w*|forbidden|ban(?:s|ned)?|"
    r"disallow\w*|in(?:eligible|valid|active|compatible)|im(?:possible|permissible)|il(?:legal)|"
    r"rejects?|rejected|nicht|kein\w*|ohne|niemals|nie|weder|ne|pas|jamais|sans|aucune?|nunca|sin|"
    r"ningun\w*|mai|senza|nessun\w*)\b|n['’]t\b",
    re.IGNORECASE,
)
# "not only" and "no later than" deny nothing.
_NO_NEGATION = re.compile(
    r"\b(?:not only|not just|no (?:later|earlier|more|less|fewer) than|not (?:more|less|fewer|later|"
    r"earlier) than|nothing but|no longer than|without delay|no matter|whether or not|nicht nur|non[- ]"
    r"stop|nor)\b",
    re.IGNORECASE,
)
_OPPOSITES = (
    "minimum maximum", "minimal maximal", "least most", "min max", "lowest highest", "low high",
    "smallest largest", "small large", "shortest longest", "short long", "fewest most",
    "cheapest dearest", "earliest latest", "early late",
    "start end", "begin end", "starts ends", "begins ends", "open close", "opening closing",
    "increase decrease", "increased decreased", "increases decreases", "rise fall", "rose fell",
    "rises falls", "grew shrank", "grow shrink", "raise lower", "raised lowered", "gain lose",
    "gained lost", "gain loss", "profit loss", "buy sell", "bought sold", "acquire sell", "acquired sold",
    "connect disconnect", "connected disconnect", "connected disconnected", "older newer", "enable disable",
    "enabled disabled", "install uninstall", "include exclude", "includes excludes",
    "included excluded", "allowed forbidden", "permitted prohibited", "allow forbid",
    "accept reject", "accepted rejected", "accepts rejects", "approve reject", "approved rejected",
    "advantages disadvantages", "pros cons", "input output", "import export", "employer employee",
    "add remove", "added removed", "more less", "more fewer",
    "upper lower", "front rear", "male female",
    "internal external", "gross net", "always never", "everyone nobody", "all none",
    "mandatory optional", "required optional", "compulsory voluntary", "hot cold", "warm cold",
    "wet dry", "day night", "north south", "east west", "northern southern", "eastern western",
    "pass fail", "passed failed", "win lose", "won lost", "succeed fail", "succeeded failed",
    "public private", "safe dangerous", "cheaper costlier", "faster slower", "larger smaller",
    "higher lower", "longer shorter", "heavier lighter", "stronger weaker", "better worse",
    "older younger", "greater smaller", "borrow lend", "arrive depart", "arrives departs",
    "weekly monthly", "daily weekly", "monthly annual", "monthly yearly", "annual quarterly",
    "million billion", "thousand million", "km miles",
    "kg pounds", "euros dollars", "before after", "inside outside", "within outside", "above below",
    "over under",
)  # fmt: skip
# Of each of these a thing is one at a time.
_EXCLUSIVE = tuple(
    frozenset(listed.split())
    for listed in (
        "red green blue yellow black white orange purple grey gray brown pink",
        "rot grün blau gelb schwarz weiß",
        "monday tuesday wednesday thursday friday saturday sunday",
        "montag dienstag mittwoch donnerstag freitag samstag sonntag",
        "january february march april may june july august september october november december",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "spring summer autumn winter",
        "first second third fourth fifth",
        "north south east west",
        "euro euros dollar dollars pounds yen francs",
        "daily weekly monthly quarterly yearly annually",
    )
)
_SIDES: dict[str, set[tuple[int, int]]] = {}
for _pair, _both in enumerate(_OPPOSITES):
    for _side, _word in enumerate(_both.split()):
        _SIDES.setdefault(_word, set()).add((_pair, _side))


def is_negated(text: str) -> bool:
    """Whether a text denies something; what is denied twice is not."""
    return len(_NEGATION.findall(_NO_NEGATION.sub(" ", text))) % 2 == 1


def sides(text: str) -> set[tuple[int, int]]:
    """Which sides of which opposites a text names, as (pair, side)."""
    found: set[tuple[int, int]] = set()
    for word in words.words(text):
        found |= _SIDES.get(word, set())
    return found


def opposed(one: str, other: str) -> bool:
    """Whether each names a side of an opposite whose other side only the other names."""
    first, second = sides(one), sides(other)
    if _prefixed(one, other) or _prefixed(other, one):
        return True
    return any(
        (pair, 1 - side) in second and (pair, side) not in second and (pair, 1 - side) not in first
        for pair, side in first
    )


def _prefixed(one: str, other: str) -> bool:
    """Whether a text has the opposite, by prefix, of a word of the other one: paid and unpaid."""
    first, second = set(words.words(one)), set(words.words(other))
    return any(
        word.startswith(("un", "in", "im", "ir", "il", "non"))
        and len(bare) > 3
        and bare in first
        and word not in first
        and bare not in second
        for word in second
        for bare in (word[2:], word[3:] if word.startswith("non") else "")
    )


def excludes(claim: str, sentence: str) -> bool:
    """Whether a claim names another colour, weekday, month… than the sentence does."""
    ours, theirs = set(words.words(claim)), set(words.words(sentence))
    return any(
        (ours & group) and (theirs & group) and not (ours & theirs & group) for group in _EXCLUSIVE
    )
