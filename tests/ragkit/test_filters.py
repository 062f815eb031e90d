"""Reading filters: exact, or an error, never silently nothing."""

from datetime import datetime

import pytest

from ragkit.errors import UsageError
from ragkit.retrieve.filters import parse_conditions, parse_where


def nanoseconds(*parts: int) -> int:
    return int(datetime(*parts).timestamp()) * 1_000_000_000  # type: ignore[arg-type]


def test_no_condition_is_no_filter() -> None:
    assert parse_where(None) is None
    assert parse_where({}) is None
    assert parse_conditions([]) is None


def test_paths_and_types() -> None:
    where = parse_where({"path": ["*.pdf", "a\\b.txt"], "type": [".MD", "htm"]})
    assert where is not None
    assert where.paths == ("*.pdf", "a/b.txt")
    assert where.types == ("markdown", "html")
    assert (where.modified_from, where.modified_to) == (None, None)


@pytest.mark.parametrize(
    ("condition", "earliest", "latest"),
    [
        ("2024", (2024, 1, 1), (2025, 1, 1)),
        ("=2024-12", (2024, 12, 1), (2025, 1, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
        (">=2024-05", (2024, 5, 1), None),
        ("> 2024-05", (2024, 6, 1), None),
        ("<2024-05-31", None, (2024, 5, 31)),
        ("<=2024-05-31", None, (2024, 6, 1)),
    ],
)
def test_dates(
    condition: str, earliest: tuple[int, ...] | None, latest: tuple[int, ...] | None
) -> None:
    where = parse_where({"date": condition})
    assert where is not None
    assert where.modified_from == (nanoseconds(*earliest) if earliest else None)
    assert where.modified_to == (nanoseconds(*latest) if latest else None)


def test_several_dates_must_all_hold() -> None:
    where = parse_where({"date": [">=2023", "<2024-07", "<2026"]})
    assert where is not None
    assert where.modified_from == nanoseconds(2023, 1, 1)
    assert where.modified_to == nanoseconds(2024, 7, 1)


@pytest.mark.parametrize(
    "where",
    [
        {"": "*.pdf"},
        {"path": ""},
        {"path": []},
        {"path": 7},
        "path=*.pdf",
        "",
        ["path=*.pdf"],
        {"date": "yesterday"},
        {"date": "2024-02-30"},
        {"date": ">=2024-13"},
        {"date": "=>2024"},
    ],
)
def test_what_cannot_be_read_is_an_error(where: object) -> None:
    with pytest.raises(UsageError):
        parse_where(where)  # type: ignore[arg-type]


def test_conditions_as_typed_in_a_shell() -> None:
    assert parse_conditions(
        ["path=a=b.pdf", "type=pdf", "date>=2024", "date < 2025", "type=md"]
    ) == {
        "path": ["a=b.pdf"],
        "type": ["pdf", "md"],
        "date": [">=2024", "<2025"],
    }
    for condition in ("path", "path>=x", "=x", ""):
        with pytest.raises(UsageError, match="filter"):
            parse_conditions([condition])
