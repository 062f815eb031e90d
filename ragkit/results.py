"""What the public calls return: frozen, plain, ready for JSON through :func:`dataclasses.asdict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

__version__ = "0.1.0"

# Why a question was refused: nothing matches it; what matches holds no sentence; a name, code or
# number of it occurs nowhere; no document has the page; no passage holds all that it names; nothing is
# close to it; the language model said that the passages do not answer it.
RefusalCode = Literal[
    "no_passage",
    "no_sentence",
    "name_absent",
    "page_absent",
    "names_apart",
    "low_confidence",
    "model",
]


@dataclass(frozen=True, slots=True)
class FileNote:
    """A file and what there is to say about it, in one sentence."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did. Every file that was looked at is counted exactly once.

    ``same`` counts unchanged files; ``chunks`` and ``vectors`` are totals of the whole knowledge
    base afterwards; ``seconds`` is wall time. ``warnings`` concern files that were ingested, or
    skipped because no loader takes them. ``expected_seconds`` is only there after a dry run: about
    how long the run itself would take.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    same: int = 0
    failed: tuple[FileNote, ...] = ()
    warnings: tuple[FileNote, ...] = ()
    chunks: int = 0
    vectors: int = 0
    seconds: float = 0.0
    expected_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Ranks:
    """1-based rank of a hit in each stage that found it; ``None`` where the stage did not."""

    dense: int | None = None
    lexical: int | None = None
    rerank: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by a search.

    ``document.text[start:end] == text``. ``page`` is 1-based, or ``None`` for formats without
    pages. ``score`` is between 0 and 1, higher is better, in every mode. ``heading`` joins the
    heading path with " > " (empty when there is none).
    """

    path: str
    page: int | None
    start: int
    end: int
    text: str
    score: float
    heading: str = ""
    ranks: Ranks = field(default_factory=Ranks)


@dataclass(frozen=True, slots=True)
class Considered:
    """What each stage of a search gave a passage, and what became of it.

    Attributes:
        path: Its document.
        page: Its page, from 1, or ``None``.
        start: Where it begins in the document's text.
        end: Just past its last character.
        score: Its final score, from 0 to 1.
        dense_rank: 1-based rank in the search by meaning; ``None`` if that did not find it.
        dense_score: Cosine similarity to the question, -1 to 1.
        lexical_rank: 1-based rank in the search by words.
        lexical_score: BM25 as a share of what the question's words could reach, 0 to 1; in hybrid
            mode with what stands nearby.
        fused_score: The two merged, with what its document's best passage and its rank in meaning
            add, 0 to 1.
        boost: What hints in the question (page, year, document) added.
        repetition: What was taken off because passages of the same page, or one with the same
            text, come before.
        rerank_score: The reranker's score, 0 to 1.
        outcome: Whether it is a hit, and why not, in words.
        likeness: Where diversity was asked for, the greatest cosine similarity to a passage before
            it, 0 to 1.
    """

    path: str
    page: int | None
    start: int
    end: int
    score: float
    dense_rank: int | None
    dense_score: float | None
    lexical_rank: int | None
    lexical_score: float | None
    fused_score: float
    boost: float
    repetition: float
    rerank_score: float | None
    outcome: str
    likeness: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and what went less than well on the way to them.

    ``degraded`` holds one sentence for each stage that failed or is not complete (such as
    "412 of 2,000 passages have no vector yet"). ``milliseconds`` maps stage to time. ``notes``
    says what was made of the question, such as which of its words were read as others.
    ``considered`` holds, if an explanation was asked for, the hits and what nearly was one.
    """

    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] = ()
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    considered: tuple[Considered, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote that is verbatim in its source: ``document.text[start:end] == quote``.

    Attributes:
        n: The number used in the answer's text as ``[n]``, from 1.
        path: The document's path.
        page: The page it begins on, from 1; ``None`` for formats without pages.
        heading: The headings that it stands under, joined with " > ": of a sheet its name, of a
            slide its title, of a mail the part; empty where there is none.
        line: The line that it begins on, from 1, in plain text, Markdown, CSV and code; ``None``
            for other formats.
        start: Code point in the document's text where it begins.
        end: Code point just past it.
        quote: The text there.
    """

    n: int
    path: str
    page: int | None
    heading: str
    line: int | None
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a language model read and wrote; zero for the extractive answerer.

    ``cost`` is in the currency of the prices (US dollars for those that come with ragkit), and
    ``None`` where a price is not known.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with checked citations, or a refusal with its reason.

    Attributes:
        text: The answer, with ``[n]`` after what a citation supports; where it is not sure, that and
            the nearest passages; on refusal, one sentence.
        refused: Whether the documents hold no answer (or no model could give one).
        reason: Why it was refused, or is not sure; else ``None``.
        citations: In order of ``n``; empty on refusal.
        unsupported: Sentences of ``text`` that no cited passage supports.
        degraded: One sentence for each stage that failed or was left out, and why.
        model: The model's name, such as ``"extractive"`` or ``"openai:gpt-5"``.
        usage: Tokens used.
        seconds: Wall time from question to answer.
        trace: Identifier for ``ragkit trace``.
        confidence: How likely the sentences that the documents answer with are right, 0 to 1, as
            judged before a language model was asked.
        reason_code: The kind of ``reason``, for programs, else ``None``.
        cached: Whether it was given before, to the same question of the same documents.
        sure: Whether ``text`` is said as the answer. Where it is neither that nor a refusal, it
            shows the nearest passages and claims nothing; a language model's answer is sure where
            it cites, and its sources support all that it says.
        answerable: How likely the documents hold an answer at all, 0 to 1.
    """

    text: str
    refused: bool
    reason: str | None
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    degraded: tuple[str, ...]
    model: str
    usage: Usage
    seconds: float
    trace: str
    confidence: float | None = None
    reason_code: RefusalCode | None = None
    cached: bool = False
    sure: bool = False
    answerable: float | None = None


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return the JSON form of an answer, as ``ragkit ask --json`` prints it."""
    document = {field.name: getattr(answer, field.name) for field in fields(answer)}
    return {"answer": document.pop("text"), **document}


@dataclass(frozen=True, slots=True)
class Sources:
    """First event of a stream: the passages the answer will be drawn from."""

    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text, in order."""

    text: str


StreamEvent: TypeAlias = Sources | TextDelta | Answer
