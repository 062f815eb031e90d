"""Why a question is refused: each reason says what is missing, and is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ragkit import KnowledgeBase
from ragkit.language.words import terms
from ragkit.question.comparing import compared
from ragkit.question.parts import parts_of
from ragkit.question.topic import topic_of, topic_terms

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"

PUMP = """\
# Pump P-310

The Larkspur pump weighs 12 kg and runs on 230 V. It was tested by Ada Brandt in Turin in 2023.
The lamp on the Larkspur glows green while it runs. A second lamp shows that the filter is full.
Order spare filters from the shop in Basel. Each filter lasts two months.
"""
FAN = """\
# Fan F-20

The Foxglove fan has three speeds. The Foxglove was introduced in 2019 and is sold in Norway.
Hold the knob for two seconds to lock it. The blades are made of ash wood.
"""


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    folder = tmp_path_factory.mktemp("devices")
    (folder / "pump.md").write_text(PUMP, encoding="utf-8")
    (folder / "fan.md").write_text(FAN, encoding="utf-8")
    with KnowledgeBase(tmp_path_factory.mktemp("kb")) as kb:
        kb.ingest(folder)
        yield kb


def test_a_name_that_stands_nowhere_is_told(kb: KnowledgeBase) -> None:
    answer = kb.ask("How much does the Snapdragon weigh?")
    assert answer.refused
    assert answer.reason_code == "name_absent"
    assert answer.reason == "'Snapdragon' occurs nowhere in the documents that were searched"


def test_a_name_is_looked_up_only_in_the_documents_allowed(kb: KnowledgeBase) -> None:
    where = {"path": "pump.md"}
    elsewhere = kb.ask("In which year was the Foxglove introduced?", where=where)
    assert elsewhere.reason_code == "name_absent"
    assert "'Foxglove'" in (elsewhere.reason or "")
    everywhere = kb.ask("In which year was the Foxglove introduced?")
    assert not everywhere.refused
    assert "2019" in everywhere.text


def test_what_only_begins_like_a_name_is_not_it(kb: KnowledgeBase) -> None:
    answer = kb.ask("How do I connect the pump to a LarkspurCloud account?")
    assert answer.reason_code == "name_absent"
    assert "'LarkspurCloud'" in (answer.reason or "")


def test_things_set_beside_each_other_need_not_stand_together(kb: KnowledgeBase) -> None:
    compared = kb.ask("Is the filter of the Larkspur or the knob of the Foxglove to be held?")
    assert compared.reason_code != "names_apart"


def test_codes_are_looked_up_whole(kb: KnowledgeBase) -> None:
    assert kb.ask("What is the weight of the P-320?").reason_code == "name_absent"
    answer = kb.ask("What is the weight of the pump P-310?")
    assert answer.reason_code != "name_absent"


def test_a_slip_in_a_name_does_not_make_it_absent(kb: KnowledgeBase) -> None:
    answer = kb.ask("How much does the Larkspurr pump weigh?")
    assert not answer.refused
    assert "12 kg" in answer.text


def test_names_that_never_stand_together_are_told(kb: KnowledgeBase) -> None:
    answer = kb.ask("What did the Larkspur cost in Norway in 2019?")
    assert not answer.sure
    assert answer.reason_code == "names_apart"
    assert answer.reason == "no passage found holds 'Larkspur', 'Norway' and '2019' together"


def test_a_year_that_no_sentence_near_the_question_holds_is_told(kb: KnowledgeBase) -> None:
    answered = kb.ask("Where was the Larkspur tested in 2023?")
    other = kb.ask("How many of the Foxglove were in stock in Basel in 2023?")
    assert not answered.refused
    assert not other.sure
    assert other.reason_code in {"names_apart", "low_confidence"}
    assert other.confidence is not None
    assert answered.confidence is not None
    assert other.confidence < answered.confidence


def test_a_colour_that_is_told_in_words_is_answered(kb: KnowledgeBase) -> None:
    answer = kb.ask("Does the lamp on the Larkspur glow green while it runs?")
    assert not answer.refused


def test_a_picture_that_the_text_speaks_of_is_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "display.md").write_text(
        "# Display\n\nThe icon with two waves means that the pump is in pairing mode.\n",
        encoding="utf-8",
    )
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(tmp_path / "docs")
        answer = kb.ask("What does the icon with two waves mean?")
    assert not answer.refused
    assert "pairing mode" in answer.text


def test_a_page_that_no_document_has_is_told(tmp_path: Path) -> None:
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(SAMPLES / "finance")
        answer = kb.ask("What is stated on page 500?", where={"path": "*.pdf"})
        pages = max(document.pages for document in kb.documents() if document.format == "pdf")
    assert answer.refused
    assert answer.reason_code == "page_absent"
    assert answer.reason == f"there is no page 500: the longest document has {pages} pages"


def test_pages_mean_nothing_where_a_document_has_none(kb: KnowledgeBase) -> None:
    assert kb.ask("What is stated on page 500?").reason_code != "page_absent"


def test_endless_white_space_in_a_question_is_read_at_once() -> None:
    gap = " " * 50_000
    assert parts_of(f"Is it{gap}ready") == ()
    assert topic_of(f"Is it{gap}ready").startswith("Is it")
    assert compared(f"Compare this{gap}with that") == ()


def test_words_for_documents_are_no_topic() -> None:
    assert topic_terms("According to the table on this page, what is the torque?") == {"torqu"}


def test_contractions_say_nothing_and_elided_articles_are_left_out() -> None:
    assert terms("I'm sure you can't, and what's more it doesn't") == {"sure"}
    assert terms("Qui a subventionné l'achat ?") == {"subventionne", "achat"}
