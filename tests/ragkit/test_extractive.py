"""Answers without a language model: the sentences that answer, verbatim, short and readable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from answer_samples import Library
from hypothesis import given
from hypothesis import strategies as st

from ragkit.answer import words
from ragkit.answer.candidates import candidates_of, readable
from ragkit.answer.cues import fit, fits, question_kind, question_kinds
from ragkit.answer.extractive import MAX_CHARACTERS, MAX_SENTENCES
from ragkit.embed import load_embedder
from ragkit.results import Hit

if TYPE_CHECKING:
    from ragkit.embed.protocol import Embedder

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


def test_markup_is_left_out_of_the_text_but_not_of_the_quote(embedder: Embedder) -> None:
    text = "The **green** key opens [the archive](https://example.com/a) [12] in `room 4`."
    library = Library(a=f"# Keys\n\n{text}\n\nLunch is at noon.")
    answer = library.ask("Which key opens the archive?", embedder=embedder)
    assert answer.text.startswith("The green key opens the archive in room 4. [1]")
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
            assert "\n" not in candidate.shown


def test_readable_text() -> None:
    assert readable("a **b**\n  c [d](e) `f` *g* [3]") == "a b c d f g"
    assert readable("5 * 3 * 2 and snake_case_name") == "5 * 3 * 2 and snake_case_name"


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


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        ("How many?", "There are three of them.", "There are some."),
        ("When?", "On 3 March 2024.", "Some time ago it was."),
        ("Who?", "It was Ada Lovelace.", "It was somebody."),
        ("How do I start it?", "Press the button.", "It is a machine."),
        ("Why?", "Because it rains.", "It rains."),
    ],
)
def test_sentences_fit_questions(question: str, yes: str, no: str) -> None:
    kind = question_kind(question)
    assert fits(kind, yes) > fits(kind, no)


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("When is it ready and what does it cost?", ("money", "date")),
        ("price of the lamp", ("money",)),
        ("What share of sales is made in yen?", ("share",)),
        ("torque hose clamps", ("number",)),
        ("How much does it weigh?", ("weight",)),
        ("Why does it cost more?", ("reason",)),
        ("Wie lange gilt die Garantie?", ("duration",)),
        ("Tell me about lamps", ("other",)),
    ],
)
def test_a_question_asks_for_units(question: str, kinds: tuple[str, ...]) -> None:
    assert question_kinds(question) == kinds


@pytest.mark.parametrize(
    ("question", "sentence", "value"),
    [
        ("What does the lamp cost?", "The lamp is €24.00.", 1.0),
        ("What does the lamp cost?", "The lamp lasts 9 years.", 0.3),
        ("What does the lamp cost?", "The lamp is green.", 0.0),
        ("Who replaced Ann Lee?", "They replaced Ann Lee in spring.", 0.3),
        ("Who replaced Ann Lee?", "In spring Bo Hart replaced Ann Lee.", 1.0),
        ("How many of the 40 lamps broke?", "There are 40 lamps.", 0.3),
        ("How many of the 40 lamps broke?", "Of the 40 lamps 3 broke.", 1.0),
    ],
)
def test_what_the_question_holds_is_no_answer(question: str, sentence: str, value: float) -> None:
    kinds = question_kinds(question)
    found = fit(kinds, sentence, terms=words.terms(question), numbers=words.numbers(question))
    assert found == value
