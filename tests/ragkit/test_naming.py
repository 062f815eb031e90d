"""Documents that a question names by what they are, by their file or by their date."""

import os
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit import KnowledgeBase
from ragkit.language.dates import asked_months, asked_periods, find_periods
from ragkit.question import read_question
from ragkit.retrieve.named_documents import chosen_of, names_of
from ragkit.store.where import Where
from ragkit.testing import HashEmbedder

TODAY = date(2025, 8, 20)
FILES = {
    "annual-report-2022.md": "# Annual report\n\nRevenue was 20 million euros.\n",
    "annual-report-2024.md": "# Annual report\n\nRevenue was 24 million euros.\n",
    "board/2024-03-12 minutes.txt": "Present: Ada.\n",
    "board/2025-03-11 minutes.txt": "Present: Bruno.\n",
    "board/2025-04-08 minutes.txt": "Present: Chloe.\n",
    "board/old/minutes_march_2023.txt": "Present: Dmitri.\n",
    "prices-old.md": "---\ntitle: Price list\ndate: 2023-02-01\n---\nA chair costs 10 euros.\n",
    "prices-new.md": "---\ntitle: Price list\ndate: 2025-02-01\n---\nA chair costs 12 euros.\n",
    "Employee_Handbook.txt": "There are 28 days of leave.\n",
    "service-level-agreement.txt": "Faults are answered within six hours.\n",
    "rules-a.txt": "Dogs are welcome.\n",
    "rules-b.txt": "Dogs are not welcome.\n",
    "garden.txt": "The plan of the garden.\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("named")
    for name, text in FILES.items():
        file = root / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for name, day in (("rules-a.txt", datetime(2020, 5, 1)), ("rules-b.txt", datetime(2024, 5, 1))):
        os.utime(root / "files" / name, (day.timestamp(), day.timestamp()))
    with KnowledgeBase(root / "kb", embedder=HashEmbedder()) as base:
        base.ingest(root / "files")
    return root


@pytest.fixture
def kb(folder: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder()) as base:
        yield base


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("What was the revenue in the 2022 annual report?", "annual-report-2022.md"),
        ("revenue in last year's annual report", "annual-report-2024.md"),
        ("revenue in the latest annual report", "annual-report-2024.md"),
        ("revenue in annual reports before 2024", "annual-report-2022.md"),
        ("Who was present in the March minutes?", "board/2025-03-11 minutes.txt"),
        ("Who was present in the minutes of 12 March 2024?", "board/2024-03-12 minutes.txt"),
        ("Who was present on 2025-04-08?", "board/2025-04-08 minutes.txt"),
        ("Who was present in the most recent minutes?", "board/2025-04-08 minutes.txt"),
        ("price of a chair in the price list of 2023", "prices-old.md"),
        ("price of a chair in the newest price list", "prices-new.md"),
        ("What does Employee_Handbook.txt say?", "Employee_Handbook.txt"),
        ("are dogs welcome by the latest rules", "rules-b.txt"),
        ("were dogs welcome by the oldest rules", "rules-a.txt"),
    ],
)
def test_named_documents_come_first(kb: KnowledgeBase, question: str, path: str) -> None:
    asked = read_question(question, today=TODAY)
    assert [name.path for name in chosen_of(asked, names_of(kb._base.store()), None)] == [path]


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "How are dogs kept?",
        "What may happen in march?",
        "WHAT IS THE BEST",
        "the plan 2024",
    ],
)
def test_other_questions_name_none(kb: KnowledgeBase, question: str) -> None:
    assert chosen_of(read_question(question, today=TODAY), names_of(kb._base.store()), None) == []


def test_a_name_is_a_boost_and_no_filter_and_is_explained(kb: KnowledgeBase) -> None:
    result = kb.retrieve("Who was present in the minutes of March 2024?", k=50, explain=True)
    assert result.hits[0].path == "board/2024-03-12 minutes.txt"
    assert "2024-03-12 minutes.txt" in result.notes[0]
    assert "document" in result.considered[0].outcome
    assert result.considered[0].boost > 0.1
    assert {hit.path for hit in result.hits} > {"board/2025-04-08 minutes.txt", "garden.txt"}
    only = kb.search("present in the minutes", where={"path": "garden.txt"})
    assert {hit.path for hit in only} <= {"garden.txt"}
    assert kb.search("present in the minutes", where={"heading": "Annual report"}, k=3)


def test_the_latest_is_that_of_the_documents_that_a_filter_allows(kb: KnowledgeBase) -> None:
    store = kb._base.store()
    latest = read_question("Who was present in the latest minutes?", today=TODAY)

    def allowed_by(pattern: str) -> frozenset[int]:
        documents = store.allowed(Where(paths=(pattern,))).documents
        assert documents is not None
        return frozenset(documents.tolist())

    for pattern, path in (
        ("board/2024*", "board/2024-03-12 minutes.txt"),
        ("board/2025-03*", "board/2025-03-11 minutes.txt"),
    ):
        chosen = chosen_of(latest, names_of(store), allowed_by(pattern))
        assert [name.path for name in chosen] == [path]
    for question in ("the latest minutes", "Employee_Handbook.txt", "on 2025-04-08"):
        asked = read_question(question, today=TODAY)
        assert chosen_of(asked, names_of(store), allowed_by("garden.txt")) == []


HOUSES = {
    "a.md": "# Acorn House\n\nRooms have a desk. Pets stay in the yard.\n",
    "b.md": "# The Birch Inn\n\nRooms have a balcony. Pets are welcome.\n",
    "c.md": "# House\n\nRooms of any house are cleaned. Pets may be asked about.\n",
}


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[KnowledgeBase]:
    (tmp_path / "files").mkdir()
    for name, text in HOUSES.items():
        (tmp_path / "files" / name).write_text(text, encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(tmp_path / "files")
        yield kb


@pytest.mark.parametrize(
    ("turns", "path"),
    [
        (
            ["A place in the north?", "I would recommend the Birch Inn.", "How much is it?", "90."],
            "b.md",
        ),
        (
            ["Is the Birch Inn free?", "No. But the acorn house is.", "Fine.", "Anything else?"],
            "a.md",
        ),
        (["Any house?", "Yes, many."], "c.md"),
    ],
)
def test_a_conversation_is_about_the_document_it_named_last(
    houses: KnowledgeBase, turns: list[str], path: str
) -> None:
    history = [{"role": ("user", "assistant")[n % 2], "content": t} for n, t in enumerate(turns)]
    result = houses.retrieve("Are pets allowed in the rooms?", history=history)
    assert result.hits[0].path == path
    assert any(repr(path) in note for note in result.notes)


def test_a_question_that_names_a_document_leaves_the_conversation(houses: KnowledgeBase) -> None:
    history = [
        {"role": "user", "content": "Tell me of the Birch Inn."},
        {"role": "assistant", "content": "Rooms have a balcony."},
    ]
    hits = houses.search("And are pets allowed at the Acorn House?", history=history)
    assert hits[0].path == "a.md"


def test_a_new_date_of_a_file_is_noticed(tmp_path: Path) -> None:
    for name, day in (("rules-a.txt", 1_000_000_000), ("rules-b.txt", 1_100_000_000)):
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_text(f"These are rules {name}.\n", encoding="utf-8")
        os.utime(tmp_path / "files" / name, (day, day))
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(tmp_path / "files")
        assert base.retrieve("the latest rules").notes == (
            "documents raised, for the question names them: 'rules-b.txt'",
        )
        os.utime(tmp_path / "files" / "rules-a.txt", (1_200_000_000, 1_200_000_000))
        base.ingest(tmp_path / "files")
        assert base.retrieve("the latest rules").notes == (
            "documents raised, for the question names them: 'rules-a.txt'",
        )


def test_german_hier_is_no_french_yesterday() -> None:
    assert asked_periods("Welche Regeln gelten hier?", TODAY) == []


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025-05-12-product-meeting", (2025, 5, 12), (2025, 5, 13)),
        ("scan_20240312", (2024, 3, 12), (2024, 3, 13)),
        ("12.05.2025", (2025, 5, 12), (2025, 5, 13)),
        ("on 3 May 2023", (2023, 5, 3), (2023, 5, 4)),
        ("am 3. März 2023", (2023, 3, 3), (2023, 3, 4)),
        ("May 3rd, 2023", (2023, 5, 3), (2023, 5, 4)),
        ("december 2023", (2023, 12, 1), (2024, 1, 1)),
        ("2023-12", (2023, 12, 1), (2024, 1, 1)),
        ("Q3 2024", (2024, 7, 1), (2024, 10, 1)),
        ("FY2024", (2024, 1, 1), (2025, 1, 1)),
    ],
)
def test_dates_are_read(text: str, start: tuple[int, int, int], end: tuple[int, int, int]) -> None:
    (found,) = find_periods(text)
    assert (found.start, found.end) == (date(*start), date(*end))


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("last year's report", date(2024, 1, 1), date(2025, 1, 1)),
        ("this month", date(2025, 8, 1), date(2025, 9, 1)),
        ("last month", date(2025, 7, 1), date(2025, 8, 1)),
        ("last week", date(2025, 8, 11), date(2025, 8, 18)),
        ("yesterday's notes", date(2025, 8, 19), date(2025, 8, 20)),
        ("before 2020", date.min, date(2020, 1, 1)),
        ("after 2020", date(2021, 1, 1), date.max),
        ("since March 2022", date(2022, 3, 1), date.max),
        ("letztes Jahr", date(2024, 1, 1), date(2025, 1, 1)),
        ("le rapport de l'année dernière", date(2024, 1, 1), date(2025, 1, 1)),
    ],
)
def test_what_a_question_calls_a_time(question: str, start: date, end: date) -> None:
    (found,) = asked_periods(question, TODAY)
    assert (found.start, found.end) == (start, end)


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("rules until 2020", date.min, date(2021, 1, 1)),
        ("bis Mai 2020", date.min, date(2020, 6, 1)),
        ("what happened between 2019 and 2021?", date(2019, 1, 1), date(2022, 1, 1)),
        ("revenue 2019–2021", date(2019, 1, 1), date(2022, 1, 1)),
        ("von Mai 2020 bis Juni 2021", date(2020, 5, 1), date(2021, 7, 1)),
    ],
)
def test_spans_of_time_hold_both_their_ends(question: str, start: date, end: date) -> None:
    (period,) = asked_periods(question, TODAY)
    assert (period.start, period.end) == (start, end)


def test_two_years_are_no_span() -> None:
    assert [p.start.year for p in asked_periods("in 2019 and 2021", TODAY)] == [2019, 2021]


@pytest.mark.parametrize(
    ("question", "pages"),
    [
        ("pages 3-5", {3, 4, 5}),
        ("pages 2, 4 and 6", {2, 4, 6}),
        ("Seiten 7 bis 9", {7, 8, 9}),
        ("page 3 and 5 items", {3}),
        ("pages 1-9999", {1, 9999}),
    ],
)
def test_several_pages_are_read(question: str, pages: set[int]) -> None:
    assert read_question(question).pages == pages


@pytest.mark.parametrize("text", ["31.02.2024", "12345", "20249999", "1,2024.5", "page 2024%"])
def test_what_is_no_date(text: str) -> None:
    assert not [period for period in find_periods(text) if period.precision == "day"]


def test_months_without_a_year() -> None:
    assert asked_months("the March minutes and those of May 2024") == {3}
    assert asked_months("may we march") == frozenset()


@given(st.text(max_size=200))
def test_any_text_can_be_read_for_dates(text: str) -> None:
    for period in [*find_periods(text), *asked_periods(text, TODAY)]:
        assert period.start < period.end
