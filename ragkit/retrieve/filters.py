"""Read a ``where`` mapping into the exact filter that the store understands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.store.where import Where

WhereMapping = Mapping[str, str | Sequence[str]]

_KEYS = ("path", "type", "date", "heading")
_TYPES = {"md": "markdown", "txt": "text", "htm": "html"}
_DATE = re.compile(r"(>=|<=|>|<|=)?\s*(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?\Z")


def parse_where(where: WhereMapping | None) -> Where | None:
    """Turn ``{"path": "*.pdf", "type": "pdf", "date": ">=2024-05"}`` into a filter.

    All keys must hold; a list of values under one key means any of them, except that several
    conditions on ``date`` must all hold. ``path`` takes exact paths and globs, in which ``*``
    also matches ``/``. ``date`` is the file's modification date in local time and takes a year,
    a month or a day, after one of ``=``, ``>=``, ``<=``, ``>``, ``<``. ``heading`` allows only the
    passages that stand under a heading, at any level. Every other key is one of the documents'
    metadata (``title``, ``author``, whatever their format has). Headings and metadata take exact
    texts and globs; case does not matter. A metadata key that no document has is an error when
    the filter is used.

    Returns:
        The filter, or ``None`` when there is nothing to filter on.

    Raises:
        UsageError: no mapping, an empty key or a malformed value; a filter is never dropped.
    """
    from ragkit.store.where import Where

    if where is not None and not isinstance(where, Mapping):
        raise UsageError(f"where must be a mapping such as {{'path': '*.pdf'}}, not {where!r}")
    if not where:
        return None
    unnamed = [key for key in where if not isinstance(key, str) or not key.strip()]
    if unnamed:
        raise UsageError(f"cannot filter on {unnamed[0]!r}; name {', '.join(_KEYS)} or metadata")
    values = {key: _values(key, value) for key, value in where.items()}
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
        metadata=tuple((key, values[key]) for key in values if key not in _KEYS),
    )


def parse_conditions(conditions: Sequence[str]) -> dict[str, list[str]] | None:
    """Turn ``["path=*.pdf", "date>=2024"]``, as typed in a shell, into a ``where`` mapping.

    Raises:
        UsageError: a condition has no operator.
    """
    where: dict[str, list[str]] = {}
    for condition in conditions:
        match = re.match(r"\s*([\w.:-]+)\s*(>=|<=|>|<|=)\s*(.*)\Z", condition, re.DOTALL)
        if match is None:
            raise UsageError(f"cannot read the filter {condition!r}; write it as KEY=VALUE")
        key, operator, value = match.groups()
        if key != "date" and operator != "=":
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
    if match is None:
        raise UsageError(f"cannot read the date {condition!r}; write it like '>=2024-05-31'")
    operator, year, month, day = match.groups()
    try:
        start = datetime(int(year), int(month or 1), int(day or 1))  # local time
        if day:
            end = start + timedelta(days=1)
        elif month:
            end = (start + timedelta(days=32)).replace(day=1)
        else:
            end = start.replace(year=start.year + 1)
        return operator or "=", _nanoseconds(start), _nanoseconds(end)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"there is no date {condition!r}") from error


def _nanoseconds(moment: datetime) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (moment.astimezone(UTC) - epoch) // timedelta(microseconds=1) * 1000
