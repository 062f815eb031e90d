"""Answers without a language model: the sentences that answer, verbatim, short and readable."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
from answer_samples import Library
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.document import Block
from ingest.loader_spec import Source
from ingest.loaders.plain_text import load_text
from ingest.loaders.registry import load_bytes
from ragkit import KnowledgeBase
from ragkit.answer.candidates import candidates_of
from ragkit.answer.extractive import MAX_CHARACTERS, MAX_SENTENCES
from ragkit.answer.labels import asked_labels
from ragkit.answer.rows_and_items import cells, read_table, readable
from ragkit.embed import load_embedder
from ragkit.language import words
from ragkit.question.kinds import asks_list, question_kind
from ragkit.question.parts import parts_of
from ragkit.results import Hit

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder

LIBRARY = Library()


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


# -- what is said -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How long is the warranty?", "24 months"),
        ("Who handles claims?", "Dr. Elke Brandt"),
        ("For how long are batteries covered?", "12 months"),
        ("How much is the Pro plan?", "$49"),
        ("What is the hotel limit in London?", "€190"),
        ("When was the travel policy approved?", "3 March 2024"),
        ("Why does business class need an approval?", "four times"),
        ("How do I reset the device?", "power button for ten seconds"),
    ],
)
def test_the_first_sentence_answers(question: str, expected: str, embedder: Embedder) -> None:
    answer = LIBRARY.ask(question, embedder=embedder)
    assert not answer.refused
    assert expected in answer.text
    assert len(answer.citations) <= MAX_SENTENCES
    assert len(re.sub(r"\[\d\]", "", answer.text)) <= MAX_CHARACTERS + 20


@pytest.mark.parametrize(
    "question",
    ["Which football club won the cup?", "What do penguins eat?", "Wie heißt der Mond des Mars?"],
)
def test_other_subjects_are_refused(question: str, embedder: Embedder) -> None:
    answer = LIBRARY.ask(question, embedder=embedder)
    assert answer.refused
    assert answer.reason


def test_a_question_of_the_document_is_not_its_answer(embedder: Embedder) -> None:
    answer = LIBRARY.ask("How long is the warranty?", embedder=embedder)
    assert not any(citation.quote.endswith("?") for citation in answer.citations)


def test_headings_are_no_answers(embedder: Embedder) -> None:
    answer = LIBRARY.ask("Volto X warranty period", embedder=embedder)
    assert not any("#" in citation.quote for citation in answer.citations)
    assert "Volto X warranty [" not in answer.text


def test_a_table_row_reads_alone_and_is_quoted_verbatim(embedder: Embedder) -> None:
    answer = LIBRARY.ask("How many users may the Pro plan have?", embedder=embedder)
    assert "Pro – Price: $49; Users: 10 [" in answer.text
    assert "| Pro | $49 | 10 |" in [citation.quote for citation in answer.citations]


def test_nothing_is_said_twice(embedder: Embedder) -> None:
    text = "The gate opens at 7 in the morning."
    library = Library(a=f"# Gate\n\n{text}", b=f"# Access\n\n{text}", c="# Bus\n\nIt stops here.")
    answer = library.ask("When does the gate open?", embedder=embedder)
    assert answer.text.count(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "The **green** key opens [the archive](https://example.com/a) [12] in `room 4`.",
        "The key that opens the archive is named by sys.argv[0], and __init__() reads it.",
        "The key of the archive matches ^KEY-[0-9]{4}_*x*, not KEY-[1, 2].",
    ],
)
def test_what_is_said_is_the_document_to_the_character(text: str, embedder: Embedder) -> None:
    library = Library(a=f"# Keys\n\n{text}\n\nLunch is at noon.")
    answer = library.ask("Which key opens the archive?", embedder=embedder)
    assert f"{text} [1]" in answer.text
    assert answer.citations[0].quote == text


def test_follow_ups_know_what_it_is_about(embedder: Embedder) -> None:
    history = [
        {"role": "user", "content": "How long is the warranty of the Volto X?"},
        {"role": "assistant", "content": "24 months."},
    ]
    answer = LIBRARY.ask("and for batteries?", embedder=embedder, history=history)
    assert "12 months" in answer.text


def test_other_languages(embedder: Embedder) -> None:
    library = Library(
        de="# Urlaub\n\nAlle haben 30 Tage Urlaub im Jahr. Der Betrieb ruht zu Weihnachten.",
        ja="# 保証\n\n保証期間は2年間です。修理は仙台の工場で行います。",
    )
    assert "30 Tage" in library.ask("Wie viele Tage Urlaub haben alle?", embedder=embedder).text
    assert "2年間" in library.ask("保証期間は何年ですか？", embedder=embedder).text


RULES = "# Rules\n\nDogs are allowed on pier 3.\n\nDogs are not allowed on pier 5.\n"
GUIDES = """# Guides

The C guide is on shelf 4.

The C++ guide is on shelf 7.

The .NET guide is on shelf 11.

E-104: the door is open.

E-1042: the filter is blocked.

Sensor 12 is red.

Bay 12 is green.
"""
CREW = """# Crew

Ada Moen leads the paint shop. She has worked here since 2011.

Ivo Hald leads the engine hall. He has worked here since 2018.

José Núñez: extension 5120.

Zoe Miller: extension 4417.

O'Brien delivers rope.
"""


@pytest.mark.parametrize(
    ("text", "question", "said"),
    [
        (RULES, "Are dogs allowed on pier 5?", "Dogs are not allowed on pier 5."),
        (GUIDES, "On which shelf is the C++ guide?", "The C++ guide is on shelf 7."),
        (GUIDES, "On which shelf is the C guide?", "The C guide is on shelf 4."),
        (GUIDES, "On which shelf is the .NET guide?", "The .NET guide is on shelf 11."),
        (GUIDES, "What does E-1042 mean?", "E-1042: the filter is blocked."),
        (GUIDES, "Which colour has bay 12?", "Bay 12 is green."),
        (GUIDES, "Which colour has sensor 12?", "Sensor 12 is red."),
        (CREW, "What is the extension of Jose Nunez?", "José Núñez: extension 5120."),
        (CREW, "What does O’Brien deliver?", "O'Brien delivers rope."),
    ],
)
def test_what_is_named_exactly_is_told_from_its_like(
    text: str, question: str, said: str, embedder: Embedder
) -> None:
    answer = Library(a=text).ask(question, embedder=embedder)
    assert [citation.quote for citation in answer.citations] == [said]
    assert answer.text.endswith(f"{said} [1]")


def test_what_refers_back_comes_with_what_it_refers_to(embedder: Embedder) -> None:
    answer = Library(a=CREW).ask("Who has worked here since 2018?", embedder=embedder)
    assert answer.text == ("Ivo Hald leads the engine hall. [1] He has worked here since 2018. [2]")


def test_a_question_that_asks_nothing_by_itself_goes_on_asking(embedder: Embedder) -> None:
    prices = "".join(
        f"## {boat}\n\nA tyre for the {boat} costs {n}5 euros.\n\n"
        f"A windscreen for the {boat} costs {n}80 euros.\n\n"
        for n, boat in enumerate(("Falk 3", "Lerke 5"), start=3)
    )
    history = [
        {"role": "user", "content": "How much is a windscreen for the Falk 3?"},
        {"role": "assistant", "content": "380 euros."},
    ]
    answer = Library(a=prices).ask("And for the Lerke 5?", embedder=embedder, history=history)
    quotes = [citation.quote for citation in answer.citations]
    assert quotes == ["A windscreen for the Lerke 5 costs 480 euros."]


# -- candidates -------------------------------------------------------------------------------


def test_candidates_know_their_kind_and_context() -> None:
    found = {candidate.text: candidate for candidate in candidates_of(LIBRARY.hits, documents)}
    question = found["How long is the warranty?"]
    assert question.kind == "question"
    period = next(c for text, c in found.items() if text.startswith("The warranty of the Volto X"))
    assert period.kind == "sentence"
    assert period.context == "Period How long is the warranty?"
    battery = found["Batteries: 12 months"]
    assert battery.kind == "item"
    assert battery.context == "Period Covered separately:"
    row = found["| Pro | $49 | 10 |"]
    assert row.kind == "row"
    assert row.context == "Prices Plan Price Users"
    assert not any("---" in text or text.startswith("#") for text in found)


def documents(path: str):  # type: ignore[no-untyped-def]
    return LIBRARY.documents.get(path)


def test_without_documents_the_structure_is_guessed() -> None:
    found = [candidate.text for candidate in candidates_of(LIBRARY.hits)]
    assert "Batteries: 12 months" in found
    assert "| Pro | $49 | 10 |" in found
    assert not any(text.startswith("#") for text in found)


def test_a_sentence_that_the_passage_cuts_is_whole() -> None:
    text = LIBRARY.documents["travel.md"].text
    start = text.index("London")
    hit = Hit("travel.md", None, start, start + 6, "London", 0.5)
    (candidate,) = candidates_of([hit], documents)
    assert candidate.text == (
        "Hotels are paid up to €190 per night in London and up to €150 elsewhere."
    )


def test_a_passage_of_an_older_document_stands_for_itself() -> None:
    hit = Hit("travel.md", 3, 40, 64, "What stood here is gone.", 0.5)
    (candidate,) = candidates_of([hit], documents)
    assert (candidate.start, candidate.end, candidate.page) == (40, 64, 3)


@given(st.text(max_size=300), st.integers(0, 40), st.integers(1, 200))
def test_candidates_are_verbatim_in_any_text(text: str, start: int, length: int) -> None:
    library = Library(a=text or " ")
    document = library.documents["a.md"]
    passage = document.text[start : start + length]
    hit = Hit("a.md", None, start, start + len(passage), passage, 0.5)
    for source in (library.documents.get, None):
        for candidate in candidates_of([hit], source):
            assert document.text[candidate.start : candidate.end] == candidate.text
            assert candidate.text.strip() == candidate.text != ""
            assert candidate.kind == "row" or candidate.shown == (candidate.text,)
            if source is not None and not document.sections:
                assert candidate.line == document.text[: candidate.start].count("\n") + 1


def test_readable_text() -> None:
    assert readable("a **b**\n  c [d](e) `f` *g* [3]") == "a b c d f g [3]"
    assert readable("5 * 3 * 2 and snake_case_name") == "5 * 3 * 2 and snake_case_name"


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
SENTENCES = st.lists(st.text(LETTERS | st.sampled_from("[]*_`|#.?! 1"), min_size=1), max_size=4)


@settings(max_examples=60, deadline=None)
@given(SENTENCES)
@pytest.mark.parametrize("suffix", ["txt", "md", "html", "csv", "json", "py", "eml"])
def test_every_sentence_of_an_answer_stands_in_its_source(
    suffix: str, sentences: list[str]
) -> None:
    said = "\n".join(["The harbour fee is 12 euros.", *sentences])
    bodies = {
        "html": f"<html><body><h1>Fees</h1><p>{escape(said)}</p></body></html>",
        "json": json.dumps({"fee": said}),
        "eml": f"Subject: Fees\nContent-Type: text/plain; charset=utf-8\n\n{said}",
    }
    data = bodies.get(suffix, said).encode()
    document = load_bytes(Path(f"fees.{suffix}"), data)
    library = Library(other="# Other\n\nNothing is said of it here.")
    library.add(f"fees.{suffix}", document)
    answer = library.ask(f"What is the harbour fee? {sentences}")
    assert answer.citations or answer.refused
    rows = document.text.split("\n")
    for citation in (each for each in answer.citations if each.path != "other.md"):
        assert document.text[citation.start : citation.end] == citation.quote
        block = next(b for b in document.blocks if b.end > citation.start)
        if block.kind != "table":
            assert f"{citation.quote} [{citation.n}]" in answer.text
        if citation.line is not None:
            assert citation.quote.split("\n")[0] in rows[citation.line - 1]


def test_every_citation_names_its_place(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "crane.md").write_text("# Yard\n\n## Crane\n\nThe crane lifts 12 tons.\n", "utf-8")
    (docs / "pump.csv").write_text("part,price\nseal,12\nrotor,80\n", "utf-8")
    (docs / "ferry.eml").write_text(
        "From: ada@example.org\nSubject: Ferry\nContent-Type: text/plain\n\n"
        "The ferry to Vester leaves at 23:40.\n",
        "utf-8",
    )
    book = openpyxl.Workbook()
    book.active.title = "Berths"
    book.active.append(["Berth", "Depth"])
    book.active.append(["North quay", "9 m"])
    book.active.append(["South quay", "7 m"])
    book.save(docs / "berths.xlsx")
    places = {}
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(docs)
        for question in (
            "How much does the crane lift?",
            "What is the price of the rotor?",
            "When does the ferry to Vester leave?",
            "What is the depth of the north quay?",
        ):
            citation = kb.ask(question).citations[0]
            text = kb.text(citation.path)
            assert text[citation.start : citation.end] == citation.quote
            places[citation.path] = (citation.heading, citation.line)
    assert places["crane.md"] == ("Yard > Crane", 5)
    assert places["pump.csv"] == ("", 3)
    assert places["berths.xlsx"] == ("Berths", None)
    assert places["ferry.eml"][1] is None
    assert "Ferry" in places["ferry.eml"][0]


# -- words and cues ---------------------------------------------------------------------------


def test_terms_meet_across_endings_and_languages() -> None:
    assert words.terms("batteries") == words.terms("the battery's")
    assert words.terms("charging") == words.terms("charged") == words.terms("charge")
    assert "rx-200" in words.terms("Is the RX-200 new?")
    assert words.terms("保証期間") == {"保証", "証期", "期間"}
    assert words.terms("Wie viel ist das?") == set()


def test_numbers_have_one_spelling() -> None:
    assert words.numbers("€1,400 in three years, 2.6.0") == {"1400", "3", "2.6.0"}


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many people work here?", "number"),
        ("how long do I wait", "number"),
        ("When did it start?", "date"),
        ("Who signed it?", "person"),
        ("Where is the key?", "place"),
        ("How do I reset it?", "steps"),
        ("Why is it late?", "reason"),
        ("Is it blue?", "other"),
    ],
)
def test_question_kinds(question: str, kind: str) -> None:
    assert question_kind(question) == kind


# -- what a sentence beside the best must bring --------------------------------------------------


def test_each_thing_that_is_asked_is_answered(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "meeting.md").write_text(
        "# Meeting\n\nThe launch of the Kestrel K-30 is planned for March 2026.\n", encoding="utf-8"
    )
    (tmp_path / "docs" / "prices.md").write_text(
        "# Prices\n\nThe Kestrel K-30 will cost 410 euros.\n\nThe Plover costs 95 euros.\n",
        encoding="utf-8",
    )
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(tmp_path / "docs")
        answer = kb.ask("When is the launch of the Kestrel K-30 and what will it cost?")
    assert "March 2026" in answer.text
    assert "410 euros" in answer.text


# -- tables, lists and neighbours said whole -----------------------------------------------------

TERMS = """\
# Terms

## Making a claim

Claims must reach us within 30 days, before the end of the guarantee.

## Periods

Table 1. Guarantee periods

| Product | Private use | Business use |
|---|---|---|
| Kestrel K-20 | 36 months | 24 months |
| Plover P-5 | 12 months | 12 months |
| Spare parts | 6 months | 6 months |
"""
TOUR = """\
# Factory tour

The tour shows the foundry. It takes two hours and ends in the shop.

These things must be left at the gate:

- cameras
- bags of more than 20 litres
- open shoes
"""


def test_a_row_asked_for_is_said_alone(embedder: Embedder) -> None:
    library = Library(terms=TERMS, tour=TOUR)
    answer = library.ask("How long is the guarantee of the Plover P-5?", embedder=embedder)
    assert "Plover P-5 – Private use: 12 months" in answer.text
    assert "Spare parts" not in answer.text


@pytest.mark.parametrize("product", ["Part", "Part of the outer casing, as delivered until lately"])
def test_a_long_table_is_not_said_whole_nor_a_piece_of_it_as_if(
    product: str, embedder: Embedder
) -> None:
    rows = "".join(f"| {product} {n} | {n} months | {n} months |\n" for n in range(1, 41))
    answer = Library(terms=TERMS + rows).ask("How long is the guarantee?", embedder=embedder)
    assert len(answer.citations) <= MAX_SENTENCES
    assert len(answer.text) <= MAX_CHARACTERS + 20
    assert all("\n" not in citation.quote for citation in answer.citations)


@pytest.mark.parametrize(
    "question",
    ["What are the things that must be left at the gate?", "List what stays at the gate"],
)
def test_a_list_is_said_whole_where_several_things_are_asked_for(
    question: str, embedder: Embedder
) -> None:
    answer = Library(terms=TERMS, tour=TOUR).ask(question, embedder=embedder)
    for item in ("cameras", "bags of more than 20 litres", "open shoes"):
        assert item in answer.text
    assert len(answer.citations) <= MAX_SENTENCES


def test_what_a_sentence_refers_back_to_is_said_before_it(embedder: Embedder) -> None:
    answer = Library(terms=TERMS, tour=TOUR).ask(
        "How many hours does the tour take?", embedder=embedder
    )
    assert answer.text.startswith("The tour shows the foundry. [1] It takes two hours")


def test_code_keeps_its_marks(embedder: Embedder) -> None:
    text = "# Usage\n\nRead the first item so:\n\n```python\nfirst = load(**options).__items__[0]\n```\n"
    answer = Library(usage=text).ask("How do I read the first item?", embedder=embedder)
    (code,) = [c for c in answer.citations if "load" in c.quote]
    assert code.quote == "first = load(**options).__items__[0]"
    assert f"{code.quote} [{code.n}]" in answer.text
    assert code.line == 6


def test_columns_have_their_names_where_the_corner_of_the_table_is_empty(
    embedder: Embedder,
) -> None:
    assert cells(r"| a | *b* \| [1] |") == ["a", r"*b* \| [1]"]
    text = "# Figures\n\n2023 | 2024\n--- | ---\nTurnover | 410 | 460\nStaff | 12 | 14\n"
    document = load_text(Source(Path("a.txt"), text.encode()))
    start = text.index("2023")
    block = Block("table", start, len(text), header_end=text.index("Turnover"))
    names, rows = read_table(document.text, block, 0, len(text))
    assert names == "2023 2024"
    assert [row.shown for row in rows if row.shown] == [
        "Turnover – 2023: 410; 2024: 460",
        "Staff – 2023: 12; 2024: 14",
    ]


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("List the parts", True),
        ("Which plans are there?", True),
        ("What are the limits?", True),
        ("Nenne die Teile", True),
        ("Which plan is the cheapest?", False),
        ("How long is the list?", False),
    ],
)
def test_questions_for_several_things(question: str, several: bool) -> None:
    assert asks_list(question) is several


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("When will it be ready and what does it cost?", 2),
        ("My pack died. Is it covered, and what is the price of a new one?", 2),
        ("Wann kommt er, und wie viel kostet er?", 2),
        ("Who wrote it? And when was it published?", 2),
        ("What are the opening hours and days?", 0),
        ("What is the difference between research and development?", 0),
        ("warranty and returns", 0),
        ("", 0),
    ],
)
def test_parts_of_a_question(question: str, parts: int) -> None:
    assert len(parts_of(question)) == parts


@given(st.text(max_size=120))
def test_parts_are_of_the_question(question: str) -> None:
    for part in parts_of(question):
        assert all(word in question for word in part.split())


def test_a_follow_up_asks_for_what_was_asked_before(embedder: Embedder) -> None:
    history = [
        {"role": "user", "content": "How long is the warranty?"},
        {"role": "assistant", "content": "24 months."},
    ]
    answer = LIBRARY.ask("and for batteries?", embedder=embedder, history=history)
    assert not answer.refused
    assert "12 months" in answer.text


def test_measures_written_together_are_two_words() -> None:
    assert words.terms("wifi 5GHz") & words.terms("the 5 GHz band") >= {"ghz"}
    assert "gb-200" in words.terms("the GB-200")


def test_what_a_question_measures_is_not_what_it_is_about(tmp_path: Path) -> None:
    (tmp_path / "faq.md").write_text(
        "# Cloud\n\n## How long are readings kept?\n\nOn the free plan for 13 months.\n\n"
        "# Warranty terms\n\nThe warranty ends 24 months after the day of purchase.\n\n"
        "The warranty does not cover misuse. Warranty claims are handled by post.\n",
        encoding="utf-8",
    )
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(tmp_path / "faq.md")
        answer = kb.ask("How long is the warranty?")
    assert answer.citations[0].quote == "The warranty ends 24 months after the day of purchase."
    assert "free plan" not in answer.text


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("What is E-1042 on bay 12?", {("", "e-1042"), ("bay", "12")}),
        ("Is there a C or a C++ guide?", {("", "c"), ("", "c++")}),
        ("What did T. Collins of the U.S. do on 15th October, 2024?", set()),
        ("Which events of January 6th 2021 does the 2021 report name?", set()),
        ("Кого Бронкос победил в игре?", set()),
        ("डिवीजनल गेम में ब्रोंकोस ने किसे हराया?", set()),
    ],
)
def test_only_codes_and_numbers_of_things_tell_which_is_meant(
    question: str, labels: set[tuple[str, str]]
) -> None:
    assert asked_labels(question) == labels
