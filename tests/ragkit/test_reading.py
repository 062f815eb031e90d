"""What a question is read as: references back, spelling slips, places, all that it asks."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit import KnowledgeBase
from ragkit.language.dictionary import is_known
from ragkit.language.words import stem
from ragkit.question import Quantity, Question, read_question
from ragkit.question.comparing import without_others
from ragkit.retrieve.arrange import arrange
from ragkit.retrieve.fusion import LISTED, Fused
from ragkit.retrieve.spelling import Vocabulary, correct, slips
from ragkit.store.records import ChunkPlace
from ragkit.testing import HashEmbedder

TERMS = {"warranty": 9, "battery": 4, "netflix": 7, "best": 3, "buy": 2, "advertis": 5}


def vocabulary(*common: str) -> Vocabulary:
    return Vocabulary(
        terms=lambda word: [] if word in {"what", "with"} else [(word.removesuffix("ing"),)],
        holds=TERMS.__contains__,
        near=lambda prefix: [(t, n) for t, n in TERMS.items() if t.startswith(prefix)],
        is_word={"best", "buy", *common}.__contains__,
    )


@pytest.mark.parametrize(
    ("question", "read_as"),
    [
        ("Neflix revenue?", "netflix revenue?"),
        ("waranty of the batery", "warranty of the battery"),
        ("the wararnty", "the warranty"),
        ("advertsing costs", "advertis costs"),
        ("stores of BestBuy", "stores of best buy"),
        ("Netflix warranty", "Netflix warranty"),
        ("bettary", "bettary"),  # another second letter, and another ending
        ("wat", "wat"),
        ("WX-2041 batt3ry", "WX-2041 batt3ry"),
        ("", ""),
    ],
)
def test_slips_are_read_as_the_words_that_the_documents_hold(question: str, read_as: str) -> None:
    assert correct(question, vocabulary())[0] == read_as


def test_common_words_that_the_documents_lack_are_no_slips() -> None:
    assert correct("warrant", vocabulary()) == ("warranty", {"warrant": "warranty"})
    assert correct("warrant", vocabulary("warrant")) == ("warrant", {})


@pytest.mark.parametrize(
    ("question", "notes"),
    [
        ("Wie hoch ist das Gewicht?", []),  # there is a "Gedicht"
        ("Was kostet der Wandbelag?", []),  # two words of the dictionary, which has not both in one
        ("Wie lange gilt die Garrantie?", ["no document has 'garrantie': read as 'garanti'"]),
        ("Which mettle is needed?", []),  # there is a kettle
        ("Which kettel is needed?", ["no document has 'kettel': read as 'kettl'"]),
        ("Hvad er vægten af en kettel, og hvor er den?", []),  # there is no dictionary of it
    ],
)
def test_a_word_that_a_dictionary_holds_is_no_slip(
    tmp_path: Path, question: str, notes: list[str]
) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.add("Das Gedicht steht mit der Garantie auf dem Waldbelag.", path="a.txt")
        kb.add("The metal kettle is in the hall.", path="b.txt")
        assert list(kb.retrieve(question, mode="lexical").notes) == notes


@pytest.mark.parametrize(
    ("word", "language", "known"),
    [
        ("mettle", "english", True),
        ("metle", "english", False),
        ("gewährleistung", "german", True),
        ("reifendruck", "german", True),
        ("wartungsintervalle", "german", True),
        ("reifendrukc", "german", False),
        ("hogares", "spanish", True),
        ("hogrres", "spanish", False),
        ("чайника", "russian", True),
        ("чнйника", "russian", False),
    ],
)
def test_what_dictionaries_hold(word: str, language: str, known: bool) -> None:
    assert is_known(word, language) is known


def test_what_is_carried_over_is_what_the_question_does_not_say_itself() -> None:
    history = [{"role": "user", "content": "Is there a warranty of the kettle?"}]
    read = read_question("Does the warranty cover the lid?", history)
    assert read.carried_terms == {"kettl"}
    assert "warranti" in read.terms


def test_a_list_of_many_questions_is_read_as_one() -> None:
    asked = "What is the price? What is the weight? Who sells it?"
    assert len(read_question(asked).parts) == 3
    assert read_question(f"{asked} When was it built?").parts == ()


def test_what_is_listed_after_a_label_is_labelled_too() -> None:
    assert read_question("What is in numbers 28 and 38?").names == {"28", "38"}
    assert read_question("Is it 8 and 9 days?").names == frozenset()


def test_an_open_span_of_time_names_no_year() -> None:
    assert read_question("What was decided in 2020?").years == {"2020"}
    since = read_question("What changed since 2020?")
    assert (since.years, since.periods[0].precision) == (frozenset(), "open")


def test_what_is_asked_of_all_that_is_compared_stays_in_the_question_about_each() -> None:
    question = "Compare the warranty of the X1 and the X2"
    subjects = read_question(question).compared
    assert subjects == ("the warranty of the X1", "the X2")
    alone = [without_others(question, subject, subjects) for subject in subjects]
    assert alone == [
        "Compare the warranty of the X1 and the",
        "Compare the warranty of the and the X2",
    ]


def test_what_only_measures_is_no_topic() -> None:
    read = read_question("How long is the warranty of the kettle on page 3?")
    assert (read.topic_terms, read.pages) == ({"warranti", "kettl"}, {3})
    assert "long" not in read.terms


def test_endless_white_space_is_shortened() -> None:
    read = read_question(f"How long{' ' * 9_000}is the{chr(10) * 9_000}warranty?")
    assert read.text == f"How long{' ' * 20}is the{chr(10) * 20}warranty?"


@given(one=st.text("abc", max_size=8), other=st.text("abc", max_size=8))
def test_slips_are_counted_alike_both_ways(one: str, other: str) -> None:
    assert slips(one, other, 3) == slips(other, one, 3)
    assert (slips(one, other, 3) == 0) == (one == other)
    assert slips(one, other, 0) in (0, 1)


@pytest.mark.parametrize(
    ("question", "pages", "years"),
    [
        ("What is on page 14?", {14}, set()),
        ("the date on page fourteen", {14}, set()),
        ("page(3)", {3}, set()),
        ("p. 7", {7}, set()),
        ("who signed the 12th page", {12}, set()),
        ("on the second page", {2}, set()),
        ("which court is on the cover page?", {1}, set()),
        ("how many pages are there?", set(), set()),
        ("page 0", set(), set()),
        ("page no. 5 and pages # 6", {5, 6}, set()),
        ("Was steht auf Seite 14? ¿Y en la página 3?", {3, 14}, set()),
        ("Sie hat zwei Seiten.", set(), set()),
        (f"page{' ' * 50_000}x", set(), set()),
        ("revenue in FY2021 and fiscal 2022", set(), {"2021", "2022"}),
        ("it costs 2,021 or 2021.5 or 12021", set(), set()),
    ],
)
def test_pages_and_years_are_read(question: str, pages: set[int], years: set[str]) -> None:
    read = read_question(question)
    assert (read.pages, read.years) == (pages, years)


def test_a_question_without_history_stands_alone() -> None:
    question = read_question("how long?")
    assert question.searches == (("how long?", 1.0),)
    assert (question.notes, question.carried, question.history) == ((), "", ())


def test_history_is_carried_over_and_the_question_stays_in_the_mix() -> None:
    history = [
        {"role": "user", "content": "What is the battery's warranty?"},
        {"role": "assistant", "content": "Two years, by the form HC-31."},
    ]
    question = read_question("and the frame's?", history)
    assert question.searches[0][0] == "and the frame's?"
    assert "battery" in question.standing_alone
    assert "HC-31" in question.standing_alone
    assert sum(weight for _, weight in question.searches) == pytest.approx(1)
    assert "battery" in question.notes[0]
    assert question.refers_back
    assert stem("battery") in question.carried_terms
    assert "hc-31" in question.carried_terms


def test_a_question_is_read_once_for_all_that_take_it() -> None:
    question = read_question("How many packs of the Heron CV-900 failed on page 4 in May 2023?")
    assert question.language == "English"
    assert {"heron", "cv-900"} <= question.names
    assert question.kind == "number"
    assert question.pages == {4}
    assert [str(period.start) for period in question.periods] == ["2023-05-01"]
    assert question.numbers >= {"4", "2023"}
    assert question.terms >= question.names
    assert hash(question) == hash(read_question(question.text))


def test_each_thing_that_is_asked_is_a_question_and_later_ones_know_the_first() -> None:
    question = read_question("When will the Heron be ready, and what does it cost?")
    first, second = question.parts
    assert (first.text, first.kind) == ("When will the Heron be ready", "date")
    assert second.text == "what does it cost?"
    assert "Heron" in second.standing_alone
    assert read_question("What does it cost?").parts == ()


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("May it weigh 30 kg?", [("30", "kg")]),
        ("Is 5 km/h too fast?", [("5", "km/h")]),
        ("Why 12 % and not 1,200.5%?", [("12", "%"), ("1200.5", "%")]),
        ("Is it €20, € 20 or 20 euros?", [("20", "€"), ("20", "€"), ("20", "euro")]),
        ("Does it take two hours?", [("2", "hour")]),
        ("What does the RX-200 need in 2024?", [("200", ""), ("2024", "")]),
        ("What does it need?", []),
    ],
)
def test_numbers_are_read_with_their_units(question: str, found: list[tuple[str, str]]) -> None:
    read = read_question(question)
    assert read.quantities == tuple(Quantity(*each) for each in found)
    assert read.numbers == {number for number, _ in found}


def test_a_file_and_an_order_are_read_as_hints() -> None:
    question = read_question("What does Employee_Handbook.txt say, in the latest edition?")
    assert question.files == {"employee_handbook.txt"}
    assert question.order == "latest"
    assert read_question("last year's report", today=date(2025, 8, 20)).years == {"2024"}


def place(document: int, page: int | None, chunks: int = 50) -> ChunkPlace:
    return ChunkPlace(document, f"{document}.pdf", None, chunks, page)


def order(scores: dict[int, float], places: dict[int, ChunkPlace], question: Question) -> list[int]:
    ranked = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))
    ranking = [Fused(chunk, scores[chunk], None, None) for chunk in ranked]
    arranged = arrange(ranking, places, limit=99, question=question)
    values = [passage.score for passage in arranged]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 for value in values)
    return [passage.fused.chunk_id for passage in arranged]


NO_HINTS = read_question("how long?")


def test_a_page_is_not_repeated_before_others_that_fit_nearly_as_well() -> None:
    scores = {1: 0.80, 2: 0.79, 3: 0.78, 4: 0.78 - LISTED.same_page / 2, 5: 0.1}
    places = {1: place(1, 1), 2: place(1, 1), 3: place(1, 1), 4: place(1, 2), 5: place(2, 1)}
    assert order(scores, places, NO_HINTS) == [1, 4, 2, 3, 5]


def test_long_documents_without_pages_may_repeat_short_ones_not() -> None:
    scores = {1: 0.80, 2: 0.79, 3: 0.78}
    long = {1: place(1, None), 2: place(1, None), 3: place(2, None)}
    short = {1: place(1, None, 3), 2: place(1, None, 3), 3: place(2, None, 3)}
    assert order(scores, long, NO_HINTS) == [1, 2, 3]
    assert order(scores, short, NO_HINTS) == [1, 3, 2]


def test_hints_boost_but_do_not_filter() -> None:
    scores = {1: 0.6, 2: 0.55, 3: 0.2}
    places = {1: place(1, 1), 2: place(1, 14), 3: place(1, 14)}
    assert order(scores, places, read_question("on page 14")) == [2, 1, 3]
    assert order({1: 0.6}, {}, NO_HINTS) == []


@given(
    st.dictionaries(st.integers(0, 30), st.floats(0, 1), max_size=30),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=31, max_size=31),
    st.sets(st.integers(1, 3)),
)
def test_every_passage_is_listed_once(
    scores: dict[int, float], spots: list[tuple[int, int]], pages: set[int]
) -> None:
    places = {number: place(*spot) for number, spot in enumerate(spots)}
    listed = order(scores, places, replace(NO_HINTS, pages=frozenset(pages)))
    assert sorted(listed) == sorted(scores)
