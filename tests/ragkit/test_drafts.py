"""Drafting golden sets: sentences and cells turned into questions, and what a model's reply must hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ragkit import KnowledgeBase
from ragkit.evals.drafting import draft_golden, find_verbatim
from ragkit.evals.wording import ask_for_cell, ask_for_figure, ask_what_it_is
from ragkit.testing import ScriptedModel

if TYPE_CHECKING:
    from ragkit.evals.golden import GoldenQuestion

LOWER = {"revenues", "stations", "faults", "gauge", "leave", "price", "current", "release"}


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("The battery lasts 45 days.", "How many days does the battery last?", "45 days"),
        (
            "A gateway supports up to 40 stations at once.",
            "How many stations does a gateway support at once?",
            "40 stations",
        ),
        (
            "The next meeting is on 16 June 2025.",
            "When is the next meeting?",
            "16 June 2025",
        ),
        (
            "Faults must be reported within 14 days of delivery.",
            "Within how many days of delivery must faults be reported?",
            "14 days",
        ),
        (
            "Stations must be serviced every 24 months.",
            "How often must stations be serviced?",
            "24 months",
        ),
        (
            "We had approximately 73,300 employees worldwide, including retail.",
            "How many employees did the company have worldwide?",
            "73,300 employees",
        ),
        (
            "Kestrel K2 has a range of 1.8 km in open country.",
            "What range does Kestrel K2 have in open country?",
            "1.8 km",
        ),
        (
            "The deductible is about €40.00 per claim.",
            "How much is the deductible per claim?",
            "€40.00",
        ),
        (
            "Revenues were $44,538 million in fiscal 2021.",
            "How much were revenues in fiscal 2021?",
            "$44,538 million",
        ),
        (
            "The hall was extended to 96 kW in March 2024.",
            "To how many kW was the hall extended in March 2024?",
            "96 kW",
        ),
        (
            "A repair usually takes 10 working days.",
            "How many working days does a repair usually take?",
            "10 working days",
        ),
        ("This lasts 45 days in all weathers.", None, None),
        ("Firmware updates take between 3 and 5 hours.", None, None),
        ("The gauge works with version 2.6.0 or later.", None, None),
        ("If it rains, the gauge stores 20 readings.", None, None),
        ("10.1 Readings 45 days and other things.", None, None),
    ],
)
def test_figures_of_plain_sentences_are_asked_for(
    sentence: str, question: str | None, answer: str | None
) -> None:
    found = ask_for_figure(sentence, LOWER)
    if question is None:
        assert found is None
    else:
        assert found is not None
        assert found.question == question
        assert sentence[found.start : found.end] == answer


def test_definitions_are_asked_for() -> None:
    sentence = "The Roost is a small gateway that links stations to the cloud, and more."
    found = ask_what_it_is(sentence, LOWER)
    assert found is not None
    assert found.question == "What is the Roost?"
    assert sentence[found.start : found.end].endswith("to the cloud")
    assert ask_what_it_is("The following is a list of all parts that fit.", LOWER) is None
    assert ask_what_it_is("This is a warning to everybody who reads it.", LOWER) is None
    assert ask_what_it_is("Let's say this threshold is a bound of five metres.", LOWER) is None
    assert ask_what_it_is("Let's say the threshold is a bound of five metres.", LOWER) is None
    assert ask_what_it_is("Half of these pumps are a gift of the harbour office.", LOWER) is None


def test_cells_are_asked_for_by_row_column_and_table() -> None:
    assert (
        ask_for_cell("Kestrel K2", "Price", "Stations", LOWER)
        == "What is the price for Kestrel K2?"
    )
    assert (
        ask_for_cell("Grower", "Price", "Plans", LOWER)
        == "What is the price for Grower, under “Plans”?"
    )
    assert (
        ask_for_cell("Ireland", "2023", "Devices", LOWER)
        == "What is the figure for Ireland in 2023, under “Devices”?"
    )
    assert (
        ask_for_cell("Roost", "Stations affected", "Impact", LOWER)
        == "What does “Impact” give for Roost under “Stations affected”?"
    )


TEXT = """# Kestrel handbook

The Kestrel is a weather station that runs on sunlight alone. Its battery is small. The Kestrel
keeps readings for 45 days without the cloud. Your returns must be reported within 14 days.

## Sales in pieces

| Model | 2022 | 2023 |
|---|---|---|
| Kestrel K2 | 310 | 420 |
| Kestrel K3 | 90 | 130 |

## How long is the warranty?

Two years. Longer for farms.
"""


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handbook")
    (folder / "docs").mkdir()
    (folder / "docs" / "kestrel.md").write_text(TEXT, encoding="utf-8")
    (folder / "docs" / "other.md").write_text(
        "# Ordering\n\nOrders leave the warehouse within 3 days of payment.\n", encoding="utf-8"
    )
    with KnowledgeBase(folder / "kb") as kb:
        kb.ingest(folder / "docs")
    return folder / "kb"


def drafted(base: Path, count: int, model: ScriptedModel | None = None) -> list[GoldenQuestion]:
    with KnowledgeBase(base) as kb:
        return list(draft_golden(kb, count, model=model).questions)


def test_drafts_come_from_headings_sentences_and_tables_with_their_places(handbook: Path) -> None:
    questions = drafted(handbook, 20)
    by_question = {question.question: question for question in questions}
    assert by_question["How long is the warranty?"].answer == "Two years. Longer for farms."
    cell = by_question["What is the figure for Kestrel K2 in 2023, under “Sales in pieces”?"]
    assert cell.answer == "420"
    assert (
        by_question["For how many days does the Kestrel keep readings without the cloud?"].answer
        == "45 days"
    )
    assert "What is the Kestrel?" in by_question
    with KnowledgeBase(handbook) as kb:
        for question in questions:
            for place in question.relevant:
                assert kb.text(place.path)[place.start : place.end] == question.answer
    generic = by_question["Within how many days must your returns be reported?"]
    assert generic.scope is not None
    assert generic.scope.endswith("kestrel.md")


def test_a_fifth_of_the_drafts_cannot_be_answered(handbook: Path) -> None:
    questions = drafted(handbook, 10)
    beyond = [question for question in questions if question.answerable is False]
    assert 1 <= len(beyond) <= 2
    for question in beyond:
        assert not question.relevant
        assert question.answer is None
        assert "in 2020" in question.question or "in 2021" in question.question
        assert question.question not in {q.question for q in questions if q.answerable}


def test_a_model_is_asked_again_and_no_question_comes_twice(handbook: Path) -> None:
    model = ScriptedModel(
        '{"question": "How long?", "answer": "ninety years"}',
        '{"question": "How long can it do without the cloud", "answer": "45  DAYS."}',
        *['{"question": "How long can it do without the cloud?", "answer": "45 days"}'] * 40,
    )
    questions = drafted(handbook, 4, model)
    assert [question.question for question in questions] == [
        "How long can it do without the cloud?"
    ]
    assert questions[0].answer == "45 days"


def test_what_was_drafted_before_ctrl_c_is_kept(
    handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = '{"question": "How long can it do without?", "answer": "45 days"}'
    model = ScriptedModel('{"question": "When does it leave?", "answer": "within 3 days"}', again)
    stream = model.stream

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if found:
            raise KeyboardInterrupt
        return stream(*arguments, **options)

    monkeypatch.setattr(model, "stream", interrupted)
    found: list[int] = []
    with KnowledgeBase(handbook) as kb:
        draft = draft_golden(kb, 4, model=model, on_question=found.append)
    assert len(draft.questions) == 1
    assert any("Ctrl-C" in note for note in draft.notes)


def test_an_answer_is_found_whatever_its_spacing_and_quotes() -> None:
    passage = "It’s kept\nfor 45 days, at 5.0 V."
    for answer in ("it's kept for", '"45 days."', "5.0 V"):
        span = find_verbatim(answer, passage)
        assert span is not None
        assert passage[span[0] : span[1]]
    assert find_verbatim("5 days", passage) is None
    assert find_verbatim(" . ", passage) is None
