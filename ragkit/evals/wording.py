"""Statements turned into questions, for drafts: English sentences with a figure, and table cells.

Only sentences of a plain shape are turned (subject, verb, figure); of any other nothing is made, for
a question that nobody understands is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ragkit.language import lists

_LEAST_CHARACTERS, _MOST_CHARACTERS = 25, 300
_MOST_DEFINED_WORDS = 4
_LEAST_DEFINING_WORDS, _MOST_DEFINING_WORDS = 4, 20
_MOST_SUBJECT_WORDS, _MOST_MIDDLE_WORDS, _MOST_REST_WORDS = 8, 8, 10

_MONTH = f"(?:{'|'.join(map(str.capitalize, lists.words('months', 'english')))})"
# "One" is a pronoun more often than a number.
_COUNTS = lists.words("number_words", "english") - {"one"}
_NUMBER = r"(?<![\w.,/-])[-−]?\d[\d.,]*(?<![.,])"
_FACT = re.compile(
    r"(?P<money>(?:US\$|[€$£¥]|(?:EUR|USD|GBP) )\s?\d[\d.,]*(?<![.,])"
    r"(?:\s(?:million|billion|thousand))?)"
    rf"|(?P<date>(?:\d{{1,2}}\s{_MONTH}(?:\s\d{{4}})?)|(?:{_MONTH}\s\d{{1,2}},\s\d{{4}}))"
    rf"|(?P<percent>{_NUMBER}\s?(?:%|percent\b|per cent\b))"
    rf"|(?P<degrees>{_NUMBER}\s?°\s?[CF]?)"
    rf"|(?P<quantity>(?:{_NUMBER}|\b(?:{'|'.join(_COUNTS)}))(?:\s(?:million|billion|thousand))?\s?"
    r"(?P<unit>[a-z]+[a-rt-z]\s[a-z]{3,}s|[A-Za-zµΩ]+(?:/[A-Za-z]+)?)\b)"
)
_NO_UNIT = lists.words("statements.no_unit")
_COPULAS = frozenset(("is", "are", "was", "were"))
_MODALS = lists.words("statements.modals")
_APPROXIMATE = re.compile(rf"(?:\s|^){lists.alternatives('statements.approximate')}\Z")
_PREPOSITIONS = lists.words("statements.prepositions")
# What else may follow a figure without belonging to it.
_GOES_ON = lists.words("statements.going_on")
_UNFINISHED = lists.words("statements.unfinished")
_TO_DATE = {"by": "By when", "since": "Since when", "until": "Until when", "from": "From when"}
# What a subject neither begins with, for then it refers back, nor holds.
_VAGUE = lists.words("statements.vague")
_CLAUSE = lists.words("statements.clauses")
_REFERRING = lists.words("pronouns.demonstrative", "english")
_ARTICLES = lists.words("statements.articles")
_SINGULAR = {"do": "does", "are": "is", "were": "was", "have": "has"}
_PRONOUNS = {"we": "the company", "our": "the company's"}

# Columns that say little without their table.
_GENERIC = lists.words("statements.generic_columns")

# Third person, plural and past of verbs that state figures, with what follows "does" and "did".
_BASES = lists.entries("statements.verbs")
_IRREGULAR = dict(pair.split() for pair in lists.entries("statements.irregular"))


def _verbs() -> dict[str, tuple[str, str]]:
    """Each form with its auxiliary and its base."""
    found: dict[str, tuple[str, str]] = {}
    for base in (*_BASES, "have"):
        found[base] = ("do", base)
        found[f"{base}s"] = ("does", base)
        found[f"{base}d" if base.endswith("e") else f"{base}ed"] = ("did", base)
    for form, base in _IRREGULAR.items():
        found[form] = ("does" if form == "has" else "did", base)
    return found


_VERBS = _verbs()


@dataclass(frozen=True, slots=True)
class Wording:
    """A question, and where its answer stands in the sentence or cell: ``start`` to ``end``."""

    question: str
    start: int
    end: int


def ask_for_figure(sentence: str, lower: Collection[str]) -> Wording | None:
    """Ask for the first figure or date of a sentence such as "The battery lasts 45 days".

    Args:
        sentence: A statement in English.
        lower: Words that the document writes in lower case, so that a sentence's first word is
            known to be no name.
    """
    if not _LEAST_CHARACTERS <= len(sentence) <= _MOST_CHARACTERS or "\n\n" in sentence:
        return None
    fact = _FACT.search(sentence)
    if fact is None or (fact["unit"] or "").split(" ")[0].lower() in _NO_UNIT:
        return None
    rest = _rest(sentence[fact.end() :])
    parts = _parts(sentence[: fact.start()])
    if rest is None or parts is None:
        return None
    subject, verb, middle = parts
    asked = _asked(_subject(subject, lower), verb, middle, rest, fact)
    return None if asked is None else Wording(asked, fact.start(), fact.end())


def ask_what_it_is(sentence: str, lower: Collection[str]) -> Wording | None:
    """Ask for the definition in a sentence such as "A heron is a station that …"."""
    if not _LEAST_CHARACTERS <= len(sentence) <= _MOST_CHARACTERS or "\n\n" in sentence:
        return None
    found = re.match(r"([^,;:()]+?) (is|are|means) (?=an? )", sentence)
    if found is None:
        return None
    subject = found[1].split()
    if not _plain_subject(subject) or len(subject) > _MOST_DEFINED_WORDS:
        return None
    if set(map(str.lower, subject)) & (_PRONOUNS.keys() | {"following", "included", "other"}):
        return None
    end = re.search(
        rf"[,;:(]|\.?\s*\Z| {lists.alternatives('statements.new_clause')} ",
        sentence[found.end() :],
    )
    at = found.end() + (end.start() if end else 0)
    defining = len(sentence[found.end() : at].split())
    if not _LEAST_DEFINING_WORDS <= defining <= _MOST_DEFINING_WORDS:
        return None
    named = _subject(subject, lower)
    verb = found[2]
    question = f"What does {named} mean?" if verb == "means" else f"What {verb} {named}?"
    return Wording(question, found.end(), at)


def ask_for_cell(row: str, column: str, table: str, lower: Collection[str]) -> str:
    """Ask for a cell by the names of its row, its column and the heading that it stands under."""
    year = re.fullmatch(r"(?:FY ?|fiscal )?(?:19|20)\d\d", column)
    if year:
        return f"What is the figure for {row} in {column}, under “{table}”?"
    if _names_one_thing(column):
        own = column.lower() not in _GENERIC and (
            any(map(str.isdigit, row)) or len(row.split()) > 1
        )
        where = "" if own else f", under “{table}”"
        named = _subject(column.split(), {*lower, *_GENERIC, "price", "product"})
        return f"What is the {named} for {row}{where}?"
    return f"What does “{table}” give for {row} under “{column}”?"


def _names_one_thing(column: str) -> bool:
    words = column.lower().split()
    last = words[-1]
    plural = last.endswith("s") and not last.endswith(("ss", "us", "is"))
    return (
        len(words) <= 3
        and re.fullmatch(r"[A-Za-z -]+", column) is not None
        and not plural
        and not column.isupper()
        and not last.endswith(("ed", "ing", "ly"))
        and not set(words) & (_PREPOSITIONS | _VAGUE | _NO_UNIT | {"per", "use", "notes"})
    )


def _parts(before: str) -> tuple[list[str], str, str] | None:
    """Subject, verb, and what stands between the verb and the figure."""
    tokens = before.split()
    for i, token in enumerate(tokens[: _MOST_SUBJECT_WORDS + 1]):
        if i and (token in _COPULAS | _MODALS or _agrees(tokens[i - 1], token)):
            subject, middle = tokens[:i], " ".join(tokens[i + 1 :])
            if not _plain_subject(subject) or not _plain_middle(middle):
                return None
            return subject, token, middle
    return None


def _agrees(noun: str, verb: str) -> bool:
    """Whether a word can be the verb after a noun: "costs" after one that is singular, say."""
    auxiliary = _VERBS[verb][0] if verb in _VERBS else ""
    plural = noun.endswith("s") or noun.lower() in ("we", "you", "people")
    return auxiliary == "did" or auxiliary == ("do" if plural else "does")


def _plain_subject(words: list[str]) -> bool:
    first = words[0]
    return (
        len(words) <= _MOST_SUBJECT_WORDS
        and first[0].isalpha()
        and first[0].isupper()
        and first.lower() not in _VAGUE
        and not set(map(str.lower, words)) & (_CLAUSE | _REFERRING)
        and all(re.fullmatch(r"[\w'’&./%-]+", word) for word in words)
        and words[-1].lower() not in _PREPOSITIONS | {"of", "and", "or", "not"}
        and not {"of", "and"} >= set(map(str.lower, words)) - _ARTICLES
    )


def _plain_middle(middle: str) -> bool:
    words = middle.lower().split()
    return (
        len(words) <= _MOST_MIDDLE_WORDS
        and not set(words) & (_CLAUSE | lists.words("statements.joining"))
        and not set(words) & (_COPULAS | _COUNTS | {"one"})
        and re.search(r"[,;:()|\d]", middle) is None
    )


def _rest(after: str) -> str | None:
    """What follows the figure in its clause; ``None`` where the figure goes on in it."""
    if re.match(rf"\s?(?:[–/×x*]|{lists.alternatives('statements.further_figure')})", after):
        return None
    clause = re.split(rf"[,;:.()–—|\n]| {lists.alternatives('statements.clause_ends')} ", after)[0]
    words = clause.split()
    if len(words) > _MOST_REST_WORDS or (after and after[0].isalnum()):
        return None
    if words and words[0].lower() not in _PREPOSITIONS | _GOES_ON:
        return None
    if words and words[-1].lower() in _PREPOSITIONS | _ARTICLES | _UNFINISHED:
        return None
    known_year = re.fullmatch(r"\D*\b(?:19|20)\d\d", clause.rstrip())
    if any(map(str.isdigit, clause)) and not known_year:
        return None
    return " ".join(words)


def _subject(words: list[str], lower: Collection[str]) -> str:
    first = words[0].lower()
    if first in _PRONOUNS:
        return " ".join([_PRONOUNS[first], *words[1:]])
    if first in _ARTICLES or (first in lower and words[0].istitle()):
        return " ".join([first, *words[1:]])
    return " ".join(words)


def _asked(subject: str, verb: str, middle: str, rest: str, fact: re.Match[str]) -> str | None:
    middle = _APPROXIMATE.sub("", middle).strip()
    words = middle.split()
    last = words[-1].lower() if words else ""
    helped = verb in _COPULAS | _MODALS or (
        verb in ("has", "have", "had") and words[:1] != [] and re.match(r"been|\w+ed\b", middle)
    )
    auxiliary, base = (verb, "") if helped else _VERBS[verb]
    if subject == _PRONOUNS["we"]:
        auxiliary = _SINGULAR.get(auxiliary, auxiliary)

    def put(asked: str, between: str) -> str:
        # "within 14 days of delivery" stays together.
        whole = rest.startswith("of ")
        near, far = (rest, "") if whole else ("", rest)
        said = (asked, near, auxiliary, subject, base, between, far)
        return f"{' '.join(part for part in said if part)}?"

    if fact["date"]:
        if last in _PREPOSITIONS:
            return put(_TO_DATE.get(last, "When"), " ".join(words[:-1]))
        return put("When", middle) if verb in _COPULAS and not middle else None
    if last == "every":
        return put("How often", " ".join(words[:-1]))
    if last == "of":
        measured = re.fullmatch(r"(?:an?|the) ([\w -]+) of", middle)
        return None if helped or measured is None else put(f"What {measured[1]}", "")
    amount = _amount(fact)
    if last in _PREPOSITIONS:
        return put(f"{last.capitalize()} {amount}", " ".join(words[:-1]))
    if verb in _COPULAS and not middle:
        share = fact["percent"] and rest.startswith("of ")
        return put("How much" if fact["money"] else "What percentage" if share else "What", "")
    if verb in _COPULAS and last in ("a", "an", "the", "his", "its"):
        return None
    return put(amount[0].upper() + amount[1:], middle)


def _amount(fact: re.Match[str]) -> str:
    if fact["money"]:
        return "how much"
    if fact["percent"]:
        return "what percentage"
    if fact["degrees"]:
        return "what temperature"
    return f"how many {fact['unit']}"
