"""What a question is read as: references back, spelling slips, figures, places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.question.history import resolve
from ragkit.question.pages import Hints, find_hints
from ragkit.question.reading import read
from ragkit.question.spelling import Vocabulary, correct, slips
from ragkit.retrieve.arrange import arrange
from ragkit.retrieve.fusion import LISTED, Fused
from ragkit.retrieve.ratios import components
from ragkit.store.records import ChunkPlace

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
def test_hints_are_read(question: str, pages: set[int], years: set[str]) -> None:
    assert find_hints(question) == Hints(frozenset(pages), frozenset(years))


def test_a_figure_is_looked_for_by_what_it_is_computed_from() -> None:
    assert "total current liabilities" in (components("What is the quick ratio in 2021?") or "")
    assert components("What is the aspect ratio of the display?") is None
    reading = read("What is the ROA of Nike?", (), None)
    assert reading.parts[0][0] == "What is the ROA of Nike?"
    assert "net income" in reading.parts[1][0]
    assert sum(weight for _, weight in reading.parts) == pytest.approx(1)
    assert "net income" in reading.notes[0]


@pytest.mark.parametrize(
    ("question", "read_as"),
    [
        ("How much does the Heron CV-300 cost?", "price of the Heron CV-300"),
        ("What would two filters cost in Norway?", "price of two filters in Norway"),
        ("How much is a WX-2041?", "price of a WX-2041"),
        ("How much is the rent?", None),
        ("What does it do to cap the monthly cost of insulin?", None),
    ],
)
def test_what_something_costs_is_looked_for_in_lists_of_prices(
    question: str, read_as: str | None
) -> None:
    reading = read(question, (), None)
    assert [text for text, _ in reading.parts] == [question, *([read_as] if read_as else [])]
    assert sum(weight for _, weight in reading.parts) == pytest.approx(1.0)
    assert bool(reading.notes) == bool(read_as)


def test_the_price_of_what_the_turn_before_named_is_looked_for() -> None:
    turns = [{"role": "user", "content": "How heavy is the Otter?"}]
    parts = dict(read("How much does it cost?", turns, None).parts)
    assert parts["How heavy is the Otter price of it"] == pytest.approx(0.5)


def test_a_question_without_history_stands_alone() -> None:
    assert resolve("how long?", []).parts == (("how long?", 1.0),)
    assert read("how long?", (), None).notes == ()


def test_history_is_carried_over_and_the_question_stays_in_the_mix() -> None:
    history = [
        {"role": "user", "content": "What is the battery's warranty?"},
        {"role": "assistant", "content": "Two years."},
    ]
    resolved = resolve("and the frame's?", history)
    assert resolved.parts[0][0] == "and the frame's?"
    assert any("battery" in text for text, _ in resolved.parts[1:])
    assert sum(weight for _, weight in resolved.parts) == pytest.approx(1)
    assert "battery" in read("and the frame's?", history, None).notes[0]


def place(document: int, page: int | None, chunks: int = 50) -> ChunkPlace:
    return ChunkPlace(document, f"{document}.pdf", None, chunks, page)


def order(scores: dict[int, float], places: dict[int, ChunkPlace], hints: Hints) -> list[int]:
    ranked = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))
    ranking = [Fused(chunk, scores[chunk], None, None) for chunk in ranked]
    arranged = arrange(ranking, places, hints, limit=99)
    values = [passage.score for passage in arranged]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 for value in values)
    return [passage.fused.chunk_id for passage in arranged]


NO_HINTS = Hints(frozenset(), frozenset())


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
    assert order(scores, places, Hints(frozenset({14}), frozenset())) == [2, 1, 3]
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
    listed = order(scores, places, Hints(frozenset(pages), frozenset()))
    assert sorted(listed) == sorted(scores)
