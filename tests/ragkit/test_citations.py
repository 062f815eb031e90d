"""Checking what a language model cites and claims, while its text comes in."""

from __future__ import annotations

import re

import pytest
from answer_samples import Library
from hypothesis import given
from hypothesis import strategies as st

from ragkit.answer.candidates import candidates_of
from ragkit.answer.citations import CitedText
from ragkit.answer.support import Evidence
from ragkit.errors import EmbeddingError
from ragkit.question.reading import read_question
from ragkit.testing import HashEmbedder

LIBRARY = Library()
HITS = LIBRARY.hits
CANDIDATES = candidates_of(HITS, LIBRARY.documents.get)
PERIOD = 1 + next(i for i, hit in enumerate(HITS) if "24 months" in hit.text)
PRICES = 1 + next(i for i, hit in enumerate(HITS) if "Basic" in hit.text)
TRAVEL = 1 + next(i for i, hit in enumerate(HITS) if "London" in hit.text)


def cited_text(question: str = "What does it cost?") -> CitedText:
    evidence = Evidence(read_question(question), HITS, CANDIDATES, embedder=HashEmbedder)
    return CitedText(evidence, sources=len(HITS))


def read(reply: str, *, piece: int = 7) -> CitedText:
    cited = cited_text()
    shown = [cited.feed(reply[i : i + piece]) for i in range(0, len(reply), piece)]
    shown.append(cited.finish())
    assert "".join(shown) == cited.text
    return cited


@pytest.mark.parametrize("piece", [1, 2, 5, 1_000])
def test_a_citation_becomes_a_verbatim_quote(piece: int) -> None:
    cited = read(f"The warranty lasts 24 months [{PERIOD}].", piece=piece)
    assert cited.text == "The warranty lasts 24 months [1]."
    (citation,) = cited.citations
    assert (
        citation.quote == "The warranty of the Volto X lasts 24 months from the date of purchase."
    )
    document = LIBRARY.documents[citation.path]
    assert document.text[citation.start : citation.end] == citation.quote
    assert cited.unsupported == []


@pytest.mark.parametrize(
    "marker",
    ["[{a}, {b}]", "[{a}][{b}]", "[{a}] [{b}]", "[{a};{b}]", "[source {a}, source {b}]"],
)
def test_several_sources_in_one_place(marker: str) -> None:
    cited = read("It costs $49 and lasts 24 months " + marker.format(a=PRICES, b=PERIOD) + ".")
    assert cited.text == "It costs $49 and lasts 24 months [1][2]."
    assert [c.quote[:5] for c in cited.citations] == ["| Pro", "The w"]


def test_other_brackets_for_citations() -> None:
    cited = read(f"Pro costs $49【{PRICES}†warranty.md】 and Basic $9 [{PRICES}].")
    assert cited.text == "Pro costs $49 [1] and Basic $9 [2]."


def test_a_range_names_all_in_it() -> None:
    first, last = sorted((PERIOD, PRICES))
    cited = read(f"The warranty of the Volto X lasts 24 months [{first}-{last}].")
    assert len(cited.citations) == last - first + 1


def test_numbers_count_quotes_by_first_use() -> None:
    cited = read(
        f"Hotels in London are paid up to €190 [{TRAVEL}]. Pro costs $49 [{PRICES}]. "
        f"In London up to €190 per night are paid [{TRAVEL}]."
    )
    assert re.findall(r"\[\d+\]", cited.text) == ["[1]", "[2]", "[1]"]
    assert [citation.n for citation in cited.citations] == [1, 2]


def test_two_sentences_of_one_source_are_two_citations() -> None:
    cited = read(
        f"The warranty lasts 24 months [{PERIOD}]. Dr. Elke Brandt handles claims [{PERIOD}]."
    )
    assert cited.text.endswith("Dr. Elke Brandt handles claims [2].")
    assert [c.quote.split()[0] for c in cited.citations] == ["The", "Dr."]


@pytest.mark.parametrize("marker", ["[99]", "[0]", "[77, 88]"])
def test_invented_numbers_are_removed_and_reported(marker: str) -> None:
    cited = read(f"The warranty lasts 24 months {marker}.")
    assert marker not in cited.text
    assert cited.invented
    assert "months." in cited.text or "months [1]." in cited.text


def test_brackets_that_are_no_citations_stay() -> None:
    reply = "Press [Enter], or [ ], or [x] (see [below"
    assert read(reply).text.startswith(reply)


def test_a_plain_claim_without_a_citation_gets_its_source() -> None:
    cited = read("The warranty of the Volto X lasts 24 months.\n\nThe Pro plan has $49.")
    assert cited.text.startswith("The warranty of the Volto X lasts 24 months. [1]\n\n")
    assert cited.citations[0].quote.startswith("The warranty of the Volto X")


def test_a_source_that_is_found_leaves_the_space_after_it() -> None:
    cited = read("The warranty of the Volto X lasts 24 months. Dr. Elke Brandt handles all claims.")
    assert cited.text == (
        "The warranty of the Volto X lasts 24 months. [1] Dr. Elke Brandt handles all claims. [2]"
    )


@pytest.mark.parametrize(
    "claim",
    [
        "The warranty of the Volto X lasts 36 months",  # another number
        "Dr. Elke Sommer handles all claims",  # another name
        "Penguins live on the southern half of the planet",  # another subject
    ],
)
def test_claims_that_the_source_does_not_make_are_unsupported(claim: str) -> None:
    cited = read(f"{claim} [{PERIOD}].")
    assert cited.unsupported == [f"{claim}."]


def test_supported_claims_are_not_flagged() -> None:
    cited = read(
        f"The warranty of the Volto X is 24 months from purchase [{PERIOD}]. "
        f"Batteries have twelve months [{PERIOD}]. Does that help? In short:"
    )
    assert cited.unsupported == []


def test_sentences_are_checked_one_by_one() -> None:
    cited = read(f"Dr. Elke Brandt handles claims [{PERIOD}]. The moon is made of cheese.")
    assert cited.unsupported == ["The moon is made of cheese."]


def test_without_vectors_words_decide_and_that_is_said() -> None:
    class Broken(HashEmbedder):
        def embed(self, texts, *, kind):  # type: ignore[no-untyped-def]
            raise EmbeddingError("no model")

    evidence = Evidence(read_question("q"), HITS, CANDIDATES, embedder=Broken)
    cited = CitedText(evidence, sources=len(HITS))
    cited.feed(f"The warranty of the Volto X lasts 24 months [{PERIOD}]. Pigs fly [{PERIOD}].")
    cited.finish()
    assert cited.citations[0].quote.startswith("The warranty of the Volto X")
    assert cited.unsupported == ["Pigs fly."]
    assert evidence.degraded == ["the citations were checked by words only: no model"]


REPLIES = st.lists(
    st.one_of(
        st.sampled_from([f"[{n}]" for n in (0, 1, 2, 3, 99)]),
        st.sampled_from(
            ["[1, 2]", "【2】", "[", "]", ". ", "\n", "Pro costs $49", "24 months", "!"]
        ),
        st.text(max_size=8),
    ),
    max_size=12,
)


@given(pieces=REPLIES)
def test_whatever_comes_in_what_goes_out_is_consistent(pieces: list[str]) -> None:
    cited = cited_text()
    shown = "".join([*(cited.feed(piece) for piece in pieces), cited.finish()])
    assert shown == cited.text
    assert [c.n for c in cited.citations] == list(range(1, len(cited.citations) + 1))
    for citation in cited.citations:
        document = LIBRARY.documents[citation.path]
        assert document.text[citation.start : citation.end] == citation.quote
        assert f"[{citation.n}]" in shown
    whole = cited_text()
    assert whole.feed("".join(pieces)) + whole.finish() == shown
