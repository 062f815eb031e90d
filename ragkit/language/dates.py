"""Dates as people write them: in questions ("last year's", "before 2020") and in names of files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from ragkit.language import lists

MONTH_OF = {**lists.values("months"), **lists.values("months.short")}
_NAME = "|".join(sorted(MONTH_OF, key=len, reverse=True))
_YEAR = r"(?:19|20)\d\d"
# Longer forms first: what one of them takes is not read again.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?<!\d)(?P<y>{_YEAR})[-/._](?P<m>\d{{1,2}})[-/._](?P<d>\d{{1,2}})(?!\d)",
        rf"(?<!\d)(?P<y>{_YEAR})(?P<m>[01]\d)(?P<d>[0-3]\d)(?!\d)",
        rf"(?<!\d)(?P<d>\d{{1,2}})[./](?P<m>\d{{1,2}})[./](?P<y>{_YEAR})(?!\d)",
        rf"(?<![^\W_])(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)?[\s_-]+(?:of\s+|de\s+)?(?P<n>{_NAME})"
        rf"\b\.?,?[\s_-]*(?:de\s+)?(?P<y>{_YEAR})(?!\d)",
        rf"(?<![^\W_])(?P<n>{_NAME})\.?[\s_-]+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[\s_-]+(?P<y>{_YEAR})(?!\d)",
        rf"(?<![^\W_])(?P<n>{_NAME})\.?,?[\s_-]*(?:of\s+|de\s+)?(?P<y>{_YEAR})(?!\d)",
        rf"(?<!\d)(?P<y>{_YEAR})[-/._ ](?P<n>{_NAME})(?![^\W_])",
        rf"(?<!\d)(?P<y>{_YEAR})[-/._](?P<m>0[1-9]|1[0-2])(?!\d)",
        rf"(?<![^\W_])Q(?P<q>[1-4])[\s_/-]*(?P<y>{_YEAR})(?!\d)",
        rf"(?<!\d)(?P<y>{_YEAR})[\s_/-]*Q(?P<q>[1-4])(?![^\W_])",
        rf"(?<![\d.,])(?:fy\s?)?(?P<y>{_YEAR})(?![\d%]|[.,]\d)",
    )
)
_ANY_YEAR = re.compile(_YEAR)
_LONE_MONTH = re.compile(
    rf"(?<![^\W_])(?P<n>{'|'.join(name for name in MONTH_OF if len(name) > 3)})(?![^\W_])",
    re.IGNORECASE,
)
_BEFORE = re.compile(rf"\b{lists.alternatives('dates.before')}\s+$", re.IGNORECASE)
_UNTIL = re.compile(rf"\b{lists.alternatives('dates.until')}\s+$", re.IGNORECASE)
_BETWEEN = re.compile(rf"\b{lists.alternatives('dates.between')}\s+$", re.IGNORECASE)
_TO = re.compile(
    rf"\s*(?:{lists.alternatives('dates.to')}|{lists.alternatives('dates.and')})\s*", re.IGNORECASE
)
_DASH = re.compile(r"\s*[-–]\s*")
_AFTER = re.compile(
    rf"\b(?:(?P<since>{lists.alternatives('dates.since')})|{lists.alternatives('dates.after')})\s+$",
    re.IGNORECASE,
)
_RELATIVE = lists.pattern("dates.relative")

Precision = Literal["day", "month", "quarter", "year", "open"]


@dataclass(frozen=True, slots=True)
class Period:
    """From the day ``start`` up to, and without, the day ``end``."""

    start: date
    end: date
    precision: Precision

    @classmethod
    def of(cls, year: int, month: int = 0, day: int = 0) -> Period:
        """A day, a month (``day`` 0), or a year (``month`` 0).

        Raises:
            ValueError: there is no such date.
        """
        start = date(year, month or 1, day or 1)
        if day:
            return cls(start, start + timedelta(days=1), "day")
        if month:
            return cls(start, _next_month(start), "month")
        return cls(start, date(year + 1, 1, 1), "year")

    def holds(self, other: Period) -> bool:
        """Whether the whole of another period lies within it."""
        return self.start <= other.start and other.end <= self.end


def find_periods(text: str) -> list[Period]:
    """Find the dates, months, quarters and years that a text names, as it names them.

    >>> [str(period.start) for period in find_periods("minutes-2024-03-12 and May 2023")]
    ['2024-03-12', '2023-05-01']
    """
    return [period for _, _, period in sorted(_dated(text), key=lambda found: found[0])]


def asked_periods(question: str, today: date) -> list[Period]:
    """Find the periods a question is about, also such as "before 2020" and "last year's".

    Args:
        question: What is asked.
        today: What "last year" and the like are reckoned from, and "since" goes to.
    """
    periods: list[Period] = []
    ended: tuple[int, int, Period] | None = None
    for start, end, period in sorted(_dated(question), key=lambda found: found[0]):
        before = question[:start]
        first, ended = ended, (start, end, period)
        if first is not None and _is_span(question, first, start) and first[2].start < period.end:
            periods[-1] = Period(first[2].start, period.end, "open")
            ended = None
            continue
        if _UNTIL.search(before):
            period = Period(date.min, period.end, "open")
        elif _BEFORE.search(before):
            period = Period(date.min, period.start, "open")
        elif match := _AFTER.search(before):
            period = Period(period.start if match["since"] else period.end, date.max, "open")
        periods.append(period)
    return periods + [_relative(match, today) for match in _RELATIVE.finditer(question)]


def _is_span(question: str, first: tuple[int, int, Period], start: int) -> bool:
    """Whether a date goes on from the one before it: "2019-2021", "between 2019 and 2021"."""
    gap = question[first[1] : start]
    if _DASH.fullmatch(gap):
        return True
    return bool(_BETWEEN.search(question[: first[0]]) and _TO.fullmatch(gap))


def read_period(text: str) -> Period | None:
    """Read a text that is a date, month, quarter or year, and nothing else."""
    text = text.strip()
    for start, end, period in _dated(text):
        if (start, end) == (0, len(text)):
            return period
    return None


def asked_months(question: str) -> frozenset[int]:
    """Find months that are named without a year, as in "the March minutes"; 1 to 12."""
    taken = [(start, end) for start, end, _ in _dated(question)]
    return frozenset(
        MONTH_OF[match["n"].casefold()]
        for match in _LONE_MONTH.finditer(question)
        # "may" and "march" are words as well.
        if match["n"][0].isupper() and not any(s <= match.start() < e for s, e in taken)
    )


def _dated(text: str) -> Iterator[tuple[int, int, Period]]:
    taken: list[tuple[int, int]] = []
    if not _ANY_YEAR.search(text):
        return
    for form in _FORMS:
        for match in form.finditer(text):
            start, end = match.span()
            if any(start < last and first < end for first, last in taken):
                continue
            period = _period(match.groupdict())
            if period is not None:
                taken.append((start, end))
                yield start, end, period


def _period(parts: dict[str, str | None]) -> Period | None:
    year = int(parts["y"] or 0)
    name, quarter = parts.get("n"), parts.get("q")
    month = MONTH_OF[name.casefold()] if name else int(parts.get("m") or 0)
    try:
        if quarter:
            first = 3 * int(quarter) - 2
            return Period(date(year, first, 1), _next_month(date(year, first + 2, 1)), "quarter")
        return Period.of(year, month, int(parts.get("d") or 0))
    except ValueError:  # such as 31 February
        return None


def _relative(match: re.Match[str], today: date) -> Period:
    if match["yesterday"]:
        return Period(today - timedelta(days=1), today, "day")
    if match["french"]:
        unit, ago = ("month" if "mois" in match["french"].casefold() else "year"), 1
    else:
        units = {"jahr": "year", "monat": "month", "woche": "week"}
        unit = units.get(match["unit"].casefold(), match["unit"].casefold())
        ago = 0 if match["which"].casefold().startswith(("this", "diese")) else 1
    if unit == "year":
        year = today.year - ago
        return Period(date(year, 1, 1), date(year + 1, 1, 1), "year")
    if unit == "month":
        first = today.replace(day=1)
        if ago:
            first = (first - timedelta(days=1)).replace(day=1)
        return Period(first, _next_month(first), "month")
    monday = today - timedelta(days=today.weekday() + 7 * ago)
    return Period(monday, monday + timedelta(days=7), "open")


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
