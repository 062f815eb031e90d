"""What went wrong with a question, and why, as far as it can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.evals.answer_measures import answer_scores
from ragkit.evals.measures import first_rank
from ragkit.language import words

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.evals.golden import GoldenQuestion, Place
    from ragkit.results import Answer, Hit

# From this rank on, the relevant passage counts as missed.
LATE = 5
_SHOWN_WORDS = 6


@dataclass(frozen=True, slots=True)
class Found:
    """What came back for a question.

    Attributes:
        question: The question.
        hits: The passages, best first.
        answer: The answer, if there was one.
        failure: Why there was none, if asking failed.
        missing: Gold paths that the base does not hold.
        documents: The gold documents that it holds.
    """

    question: GoldenQuestion
    hits: tuple[Hit, ...]
    answer: Answer | None
    failure: str
    missing: tuple[str, ...]
    documents: Mapping[str, Document]


def why_missed(found: Found) -> tuple[str, ...]:
    """Say what was missed and why, one sentence each; nothing where all is well."""
    reasons = [*_search_reasons(found), *_answer_reasons(found)]
    if found.failure:
        reasons.append(f"asking failed: {found.failure}")
    return tuple(dict.fromkeys(reasons))


def _search_reasons(found: Found) -> Iterator[str]:
    places = found.question.relevant
    if not places:
        return
    for path in dict.fromkeys(found.missing):
        yield f"{path} is not in the knowledge base"
    rank = first_rank(found.hits, places)
    if rank is not None and rank <= LATE:
        return
    if rank is not None:
        ranks = found.hits[rank - 1].ranks
        stages = ", ".join(
            f"{stage} {place if place is not None else 'not found'}"
            for stage, place in (("dense", ranks.dense), ("lexical", ranks.lexical))
        )
        yield f"the first relevant passage stands at rank {rank} ({stages})"
    elif not found.hits:
        yield "nothing was found"
    else:
        yield f"no relevant passage is among the first {len(found.hits)}"
        yield from _document_rank(found, places)
    yield from _unlike(found, places)


def _document_rank(found: Found, places: tuple[Place, ...]) -> Iterator[str]:
    wanted = {place.path for place in places} - set(found.missing)
    for rank, hit in enumerate(found.hits, start=1):
        if hit.path in wanted:
            place = "" if hit.page is None else f", page {hit.page},"
            yield f"its document was found at rank {rank}{place} in another place"
            return
    if wanted:
        yield "its document was not found either"


def _unlike(found: Found, places: tuple[Place, ...]) -> Iterator[str]:
    """Say what the gold places lack: text, the answer, the question's words."""
    texts = [text for place in places if (text := _text_of(place, found.documents)) is not None]
    if not texts:
        return
    if not any(text.strip() for text in texts):
        yield "the gold place holds no text (a scan or a picture?)"
        return
    asked = words.terms(found.question.question)
    held = words.terms("\n".join(texts))
    absent = [
        word
        for word in dict.fromkeys(words.words(found.question.question))
        if words.terms(word) and not words.terms(word) & held
    ]
    if asked and not asked & held:
        yield "the gold place shares no word with the question"
    elif absent:
        shown = ", ".join(absent[:_SHOWN_WORDS])
        yield f"the gold place lacks words of the question: {shown}"


def _text_of(place: Place, documents: Mapping[str, Document]) -> str | None:
    document = documents.get(place.path)
    if document is None:
        return None
    if place.start is not None:
        return document.text[place.start : place.end]
    if place.page is not None:
        pages = [page for page in document.pages if page.number == place.page]
        return document.text[pages[0].start : pages[0].end] if pages else None
    return document.text


def _answer_reasons(found: Found) -> Iterator[str]:
    answer, question = found.answer, found.question
    if answer is None:
        return
    sure = "" if answer.confidence is None else f" (confidence {answer.confidence:.2f})"
    if question.answerable is False:
        if not answer.refused:
            yield f"answered{sure}, though the documents do not hold the answer"
        return
    if answer.refused and question.answerable:
        yield f"refused{sure}: {answer.reason}"
        return
    if question.answer is None or answer.refused:
        return
    if not _holds(answer.text, question):
        yield f"the answer lacks {question.answer!r}{_where_lost(found)}"


def _where_lost(found: Found) -> str:
    question = found.question
    texts = [
        text
        for place in question.relevant
        if (text := _text_of(place, found.documents)) is not None
    ]
    if texts and not any(_holds(text, question) for text in texts):
        return ", which does not stand in the gold place word for word"
    if any(_holds(hit.text, question) for hit in found.hits[:12]):
        return ", though it stands in one of the passages found: another sentence was chosen"
    return ""


def _holds(text: str, question: GoldenQuestion) -> bool:
    return answer_scores(text, question).get("contains the answer") == 1.0
