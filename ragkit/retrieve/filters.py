"""Read a ``where`` mapping into the exact filter that the store understands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.store.where import Where

WhereMapping = Mapping[str, str | Sequence[str]]

KEYS = ("path", "type", "date", "heading")
_TYPES = {"md": "markdown", "txt": "text", "htm": "html"}
_DATE = re.compile(r"(>=|<=|>|<|=)?\s*(.*?)\s*\Z", re.DOTALL)
_CLOCK = re.compile(r"\d:\d\d(?P<second>:\d\d(?:[.,](?P<digits>\d+))?)?")
_ISO = re.compile(r"\s*(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?\s*\Z")


def parse_where(where: WhereMapping | None) -> Where | None:
    """Turn ``{"path": "*.pdf", "type": "pdf", "date": ">=2024-05"}`` into a filter.

    All keys must hold, and none that has ``!`` after it (``{"path!": "drafts/*"}``); a list of
    values under one key means any of them, except that several conditions on ``date`` must all
    hold. ``path`` takes exact paths and globs, in which ``*`` also matches ``/``. ``date`` is the
    file's modification date in local time and takes a year, a month, a quarter or a day
    ("2024-05-31", "31.05.2024", "May 2024", "Q2 2024"), or a minute, a second or a moment in ISO
    8601 ("2024-05-31T12:30"), after one of ``=``, ``>=``, ``<=``, ``>``, ``<``, or two of them with
    ``..`` between, both included. ``heading`` allows only the passages that stand under a heading,
    at any level. Every other key is one of the documents' metadata (``title``, ``author``, whatever
    their format has). Headings and metadata take exact texts and globs; case does not matter. A
    metadata key that no document has is an error when the filter is used.

    Returns:
        The filter, or ``None`` when there is nothing to filter on.

    Raises:
        UsageError: no mapping, an empty key or a malformed value; a filter is never dropped.
    """
    if where is not None and not isinstance(where, Mapping):
        raise UsageError(f"where must be a mapping such as {{'path': '*.pdf'}}, not {where!r}")
    if not where:
        return None
    unnamed = [key for key in where if not isinstance(key, str) or not key.strip("! ")]
    if unnamed:
        raise UsageError(f"cannot filter on {unnamed[0]!r}; name {', '.join(KEYS)} or metadata")
    wanted: dict[str, tuple[str, ...]] = {}
    unwanted: list[Where] = []
    for given, value in where.items():
        key = given.removesuffix("!").strip()
        key = key.casefold() if key.casefold() in KEYS else key
        values = _values(given, value)
        if given.endswith("!"):
            # Each condition on a date is one of its own: neither this period nor that one.
            apart = [(each,) for each in values] if key == "date" else [values]
            unwanted += [_where({key: each}) for each in apart]
        else:
            wanted[key] = wanted.get(key, ()) + values
    return replace(_where(wanted), excluding=tuple(unwanted))


def _where(values: Mapping[str, tuple[str, ...]]) -> Where:
    from ragkit.store.where import Where

    earliest, latest = _date_range(values.get("date", ()))
    return Where(
        paths=tuple(value.replace("\\", "/") for value in values.get("path", ())),
        types=tuple(
            _TYPES.get(kind, kind)
            for kind in (value.lower().lstrip(".") for value in values.get("type", ()))
        ),
        modified_from=earliest,
        modified_to=latest,
        headings=values.get("heading", ()),
        metadata=tuple((key, values[key]) for key in values if key not in KEYS),
    )


def parse_conditions(conditions: Sequence[str]) -> dict[str, list[str]] | None:
    """Turn ``["path=*.pdf", "date>=2024", "type!=html"]``, as typed in a shell, into a mapping.

    Raises:
        UsageError: a condition has no operator.
    """
    where: dict[str, list[str]] = {}
    for condition in conditions:
        match = re.match(r"\s*([\w.:-]+)\s*(!=|>=|<=|>|<|=)\s*(.*)\Z", condition, re.DOTALL)
        if match is None:
            raise UsageError(
                f"cannot read the filter {condition!r}; write it as KEY=VALUE, or KEY!=VALUE for all"
                " others"
            )
        key, operator, value = match.groups()
        if operator == "!=":
            key, operator = f"{key}!", "="
        if key.casefold() != "date" and operator != "=":
            raise UsageError(f"the filter {condition!r} compares {key!r}; only dates compare")
        where.setdefault(key, []).append(value if operator == "=" else operator + value)
    return where or None


def _values(key: str, value: str | Sequence[str]) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)
    if not values or not all(isinstance(item, str) and item.strip() for item in values):
        raise UsageError(f"the filter on {key!r} needs a text, not {value!r}")
    return values


def _date_range(conditions: Sequence[str]) -> tuple[int | None, int | None]:
    earliest: int | None = None
    latest: int | None = None
    for condition in conditions:
        operator, start, end = _period(condition)
        lower = {"=": start, ">=": start, ">": end}.get(operator)
        upper = {"=": end, "<=": end, "<": start}.get(operator)
        if lower is not None:
            earliest = lower if earliest is None else max(earliest, lower)
        if upper is not None:
            latest = upper if latest is None else min(latest, upper)
    return earliest, latest


def _period(condition: str) -> tuple[str, int, int]:
    match = _DATE.match(condition.strip())
    operator, text = match.groups() if match else (None, condition)
    first, between, last = text.partition("..")
    if between and operator in (None, "="):
        return "=", _moments(first, condition)[0], _moments(last, condition)[1]
    return operator or "=", *_moments(text, condition)


def _moments(text: str, condition: str) -> tuple[int, int]:
    """Read a date: its first moment, and the first after it, in ns since 1970, by local time."""
    from ragkit.language.dates import Period, read_period

    try:
        if ":" in text:
            moment = datetime.fromisoformat(text.strip())
            clock = _CLOCK.search(text)
            digits = clock["digits"] if clock else None
            if digits:
                width = timedelta(microseconds=10 ** max(0, 6 - len(digits)))
            else:
                width = timedelta(seconds=1 if clock and clock["second"] else 60)
            return _nanoseconds(moment), _nanoseconds(moment + width)
        iso = _ISO.match(text)
        period = read_period(text)
        if iso:
            year, month, day = (int(part or 0) for part in iso.groups())
            period = Period.of(year, month, day)
        if period is not None:
            start = datetime(period.start.year, period.start.month, period.start.day)
            end = datetime(period.end.year, period.end.month, period.end.day)
            return _nanoseconds(start), _nanoseconds(end)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"there is no date {condition!r}") from error
    raise UsageError(
        f"cannot read the date {condition!r}; write it like '>=2024-05-31' or '2024-05..2024-07'"
    )


def _nanoseconds(moment: datetime) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (moment.astimezone(UTC) - epoch) // timedelta(microseconds=1) * 1000
