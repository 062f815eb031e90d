"""Asking a base every question of a golden set and scoring what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ragkit.answer.draft import EXTRACTIVE
from ragkit.errors import RagkitError, UsageError
from ragkit.evals.answer_measures import answer_scores, is_right
from ragkit.evals.golden import Checked, GoldenQuestion, match_paths
from ragkit.evals.measures import first_rank, place_scores, ranking_scores, unit_of
from ragkit.evals.reasons import Found, why_missed
from ragkit.llm.deadline import no_longer_than

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.evals.golden import Place
    from ragkit.evals.setups import Settings
    from ragkit.kb import KnowledgeBase
    from ragkit.results import Answer, Hit

ACROSS = "across the collection"
WITHIN = "within the named document"
ALONE = "last turn alone"
REWRITE = "gold rewrite (upper bound)"

_LIBRARIES = {"ir_measures": "ir-measures", "sklearn": "scikit-learn", "scipy": "scipy"}
_SHOWN_HITS = 5
_SHOWN_TEXT = 300

# Told before each question how many are done, how many there are, and its id; at the end once more,
# with no id.
OnQuestion = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question.

    Attributes:
        question: The question, with its places named as in the base.
        unit: What its places judge: ``"passage"``, ``"page"`` or ``"document"``; empty without any.
        scores: For each way of searching (across the collection, within the named document; for
            follow-ups also the last turn alone and the gold rewrite) each measure, 0 to 1.
        rank: Rank of the first relevant passage, in the document if one is named; ``None`` if it is
            not among those found.
        hits: The first passages found, in short.
        answer: The answer in short, if one was asked for.
        answer_scores: Its measures, 0 to 1.
        right: Whether it is right, as :func:`ragkit.evals.answer_measures.is_right` tells; ``None``
            where nothing tells, as of a refusal.
        missed: What went wrong and why, one sentence each.
        search_ms: Time of the search, milliseconds.
        ask_ms: Time of the answer, milliseconds.
    """

    question: GoldenQuestion
    unit: str = ""
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rank: int | None = None
    hits: tuple[Mapping[str, Any], ...] = ()
    answer: Mapping[str, Any] | None = None
    answer_scores: Mapping[str, float] = field(default_factory=dict)
    right: bool | None = None
    missed: tuple[str, ...] = ()
    search_ms: float = 0.0
    ask_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All outcomes, with what they were measured on.

    ``stopped``: by Ctrl-C, so that the outcomes are those of the first questions alone.
    """

    settings: Settings
    outcomes: tuple[Outcome, ...]
    problems: tuple[str, ...]
    documents: int
    passages: int
    embedder: str
    version: str
    seconds: float
    stopped: bool = False


def evaluate(
    questions: Sequence[GoldenQuestion],
    settings: Settings,
    *,
    on_question: OnQuestion | None = None,
) -> Evaluation:
    """Search and ask a base as ``settings`` say, and score everything.

    A question that names a document is searched for both within it and across the collection, and
    answered within it. The gold rewrite of a follow-up is searched for only as an upper bound.
    Ctrl-C ends the asking; what has been asked by then is scored.

    Args:
        questions: A golden set, as :func:`ragkit.evals.golden.read_golden` gives it.
        settings: The base, and how to search and ask it.
        on_question: Told how far it is.

    Raises:
        UsageError: there are no questions, the base is empty, or holds none of the documents named;
            or what measuring needs is not installed.
        KnowledgeBaseError: it cannot be opened.
    """
    if not questions:
        raise UsageError("there is no question to ask")
    if missing := [name for module, name in _LIBRARIES.items() if find_spec(module) is None]:
        raise UsageError(f"measuring needs {', '.join(missing)}: pip install 'ragkit[eval]'")
    begun = time.perf_counter()
    with settings.open() as kb:
        status = kb.status()
        checked = match_paths(questions, [d.path for d in kb.documents()], base=status.directory)
        asker = _Asker(kb, settings)
        runs: list[_Run] = []
        tell = on_question or _silent
        total = len(checked.questions)
        try:
            for number, question in enumerate(checked.questions):
                tell(number, total, question.id)
                runs.append(asker.run(question))
            tell(total, total, "")
        except KeyboardInterrupt:
            if not runs:
                raise
        cut = (
            [f"stopped after {len(runs):,} of {total:,} questions; the figures are of these alone"]
            if len(runs) < total
            else []
        )
        outcomes = _scored(runs, asker)
        embedder = str(status.embedder)
    return Evaluation(
        settings=settings,
        outcomes=tuple(outcomes),
        problems=(*cut, *_problems(checked, asker), *_fallen_back(runs, settings)),
        documents=status.documents,
        passages=status.chunks,
        embedder=embedder,
        version=status.version,
        seconds=time.perf_counter() - begun,
        stopped=bool(cut),
    )


@dataclass(slots=True)
class _Run:
    """What came back for one question."""

    question: GoldenQuestion
    found: dict[str, tuple[Hit, ...]]
    search_ms: float
    answer: Answer | None
    ask_ms: float | None
    failure: str
    missing: Sequence[str]


class _Asker:
    """Asks one base; keeps the texts it has read."""

    def __init__(self, kb: KnowledgeBase, settings: Settings) -> None:
        self._kb = kb
        self._settings = settings
        self._paths = {document.path for document in kb.documents()}
        self.documents: dict[str, Document] = {}
        self.problems: list[str] = []

    def run(self, question: GoldenQuestion) -> _Run:
        history = [dict(turn) for turn in question.history] if self._settings.history else []
        scope = question.scope
        found: dict[str, tuple[Hit, ...]] = {}
        begun = time.perf_counter()
        found[ACROSS] = self._search(question.question, None, history)
        milliseconds = (time.perf_counter() - begun) * 1000
        if scope is not None:
            found[WITHIN] = self._search(question.question, scope, history)
        if question.history:
            found[ALONE] = self._search(question.question, scope, [])
            if question.rewrite:
                found[REWRITE] = self._search(question.rewrite, scope, [])
        answer, ask_ms, failure = None, None, ""
        if self._settings.answers:
            begun = time.perf_counter()
            try:
                with no_longer_than(self._settings.timeout):
                    answer = self._kb.ask(
                        question.question,
                        where=_where(scope),
                        history=history,
                        cache=False,
                        route=False,
                    )
            except RagkitError as error:
                failure = f"{type(error).__name__}: {error}"
            ask_ms = (time.perf_counter() - begun) * 1000
        for place in question.relevant:
            self._read(place, question)
        missing = [p.path for p in question.relevant if p.path not in self._paths]
        return _Run(question, found, milliseconds, answer, ask_ms, failure, missing)

    def found(self, run: _Run) -> Found:
        """What :func:`why_missed` needs of a run."""
        hits = run.found.get(WITHIN, run.found[ACROSS])
        return Found(
            question=run.question,
            hits=hits,
            answer=run.answer,
            failure=run.failure or _fallback(run, self._settings),
            missing=tuple(run.missing),
            documents=self.documents,
        )

    def _search(
        self, question: str, scope: str | None, history: Sequence[Mapping[str, str]]
    ) -> tuple[Hit, ...]:
        settings = self._settings
        with no_longer_than(settings.timeout):
            result = self._kb.retrieve(
                question,
                k=settings.k,
                where=_where(scope),
                history=history,
                mode=settings.mode,
                rerank=settings.rerank,
                expand=settings.expand,
                diversity=settings.diversity,
                model=None if settings.model == EXTRACTIVE else settings.model,
            )
        for sentence in result.degraded:
            if sentence not in self.problems:
                self.problems.append(sentence)
        return result.hits

    def _read(self, place: Place, question: GoldenQuestion) -> None:
        """Read the document of a place, and note where the place is none of its own."""
        path = place.path
        if path not in self._paths:
            return
        if path not in self.documents:
            self.documents[path] = self._kb.document(path)
        document = self.documents[path]
        length, pages = len(document.text), len(document.pages)
        if place.end is not None and place.end > length:
            self.problems.append(
                f"line {question.line}: {path!r} has {length:,} characters, so no place ends at "
                f"{place.end:,}"
            )
        if place.page is not None and not 1 <= place.page <= pages:
            has = f"{pages:,} pages" if pages else "no pages"
            self.problems.append(
                f"line {question.line}: {path!r} has {has}, so there is no page {place.page}"
            )


def _where(scope: str | None) -> dict[str, str] | None:
    return None if scope is None else {"path": scope}


def _problems(checked: Checked, asker: _Asker) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*checked.problems, *asker.problems]))


def _silent(_done: int, _total: int, _name: str) -> None:
    pass


def _fallback(run: _Run, settings: Settings) -> str:
    """Why a language model's answer is none of its own; empty where it is."""
    answer = run.answer
    if answer is None or settings.model == EXTRACTIVE or answer.model != EXTRACTIVE:
        return ""
    return "; ".join(answer.degraded)


def _fallen_back(runs: Sequence[_Run], settings: Settings) -> Iterator[str]:
    why = [reason for run in runs if (reason := _fallback(run, settings))]
    if why:
        yield (
            f"{len(why):,} of {len(runs):,} questions were answered without {settings.model}, "
            f"so the figures are not its own; the first: {why[0]}"
        )


def _scored(runs: Sequence[_Run], asker: _Asker) -> list[Outcome]:
    rankings = []
    for run in runs:
        if run.question.relevant:
            for view, hits in run.found.items():
                rankings.append((f"{run.question.id}\0{view}", hits, run.question.relevant))
    ranked = ranking_scores(rankings) if rankings else {}
    return [_outcome(run, ranked, asker) for run in runs]


def _outcome(run: _Run, ranked: Mapping[str, Mapping[str, float]], asker: _Asker) -> Outcome:
    question = run.question
    hits = run.found.get(WITHIN, run.found[ACROSS])
    scores: dict[str, Mapping[str, float]] = {}
    if question.relevant:
        for view, found in run.found.items():
            placed = place_scores(found, question.relevant)
            scores[view] = {**ranked[f"{question.id}\0{view}"], **placed}
    answer = run.answer
    judged: dict[str, float] = {}
    if answer is not None and question.answerable is not False:
        judged = answer_scores("" if answer.refused else answer.text, question)
    right: bool | None = None
    if answer is not None and (question.answerable is False or not answer.refused):
        cited = [asdict(citation) for citation in answer.citations]
        right = is_right(answer.text, cited, question)
    return Outcome(
        question=question,
        unit=unit_of(question.relevant) if question.relevant else "",
        scores=scores,
        rank=first_rank(hits, question.relevant) if question.relevant else None,
        hits=tuple(map(_short_hit, hits[:_SHOWN_HITS])),
        answer=None if answer is None else _short_answer(answer),
        answer_scores=judged,
        right=right,
        missed=why_missed(asker.found(run)),
        search_ms=run.search_ms,
        ask_ms=run.ask_ms,
    )


def _short_hit(hit: Hit) -> dict[str, Any]:
    text = hit.text if len(hit.text) <= _SHOWN_TEXT else hit.text[: _SHOWN_TEXT - 1] + "…"
    return {**_picked(hit, "path page start end score heading"), "text": text}


def _short_answer(answer: Answer) -> dict[str, Any]:
    return {
        **_picked(answer, "text refused sure reason reason_code confidence answerable"),
        "citations": [
            _picked(citation, "path page heading line start end quote")
            for citation in answer.citations
        ],
        "unsupported": len(answer.unsupported),
        "degraded": list(answer.degraded),
        "model": answer.model,
    }


def _picked(source: object, names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names.split()}
