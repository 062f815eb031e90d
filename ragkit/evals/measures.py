"""What one question's passages are worth, by the places its golden set names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ragkit.evals.golden import Place
    from ragkit.results import Hit

Unit = Literal["passage", "page", "document"]

CUTOFFS = (1, 3, 5, 10, 20)
BUDGETS = (2_000, 6_000)

Ranked = tuple[str, Sequence["Hit"], Sequence["Place"]]


def unit_of(places: Sequence[Place]) -> Unit:
    """What a set of places judges: passages where it gives offsets, pages, or whole documents."""
    if any(place.start is not None for place in places):
        return "passage"
    return "page" if any(place.page is not None for place in places) else "document"


def matches(hit: Hit, place: Place) -> bool:
    """Whether a passage shares text with a place; for a page: whether it begins there."""
    if hit.path != place.path:
        return False
    if place.start is not None and place.end is not None:
        return hit.start < place.end and place.start < hit.end
    return place.page is None or hit.page == place.page


def first_rank(hits: Sequence[Hit], places: Sequence[Place]) -> int | None:
    """The 1-based rank of the first passage that matches a place, or ``None``."""
    for rank, hit in enumerate(hits, start=1):
        if any(matches(hit, place) for place in places):
            return rank
    return None


def ranking_scores(ranked: Sequence[Ranked]) -> dict[str, dict[str, float]]:
    """Recall at each cutoff, reciprocal rank and nDCG@10 of each question, by ir-measures.

    What is ranked are the units the golden set names (:func:`unit_of`): each counts where its first
    passage stands, and a passage that is no gold unit takes a rank of its own (one for all of the
    same page or document, where these are judged). Gains are linear, as in trec_eval.

    Args:
        ranked: For each question its id, its passages, best first, and its places (at least one).

    Returns:
        By question: ``"recall@k"`` (share of the units found), ``"mrr"``, ``"ndcg@10"``, 0 to 1.
    """
    from ir_measures import RR, R, iter_calc, nDCG

    names = {str(R @ k): f"recall@{k}" for k in CUTOFFS}
    names |= {str(RR): "mrr", str(nDCG @ 10): "ndcg@10"}
    measures = [*(R @ k for k in CUTOFFS), RR, nDCG @ 10]
    # trec_eval reads names as C strings, so questions and units are numbered for it.
    qrels: dict[str, dict[str, int]] = {}
    runs: dict[str, dict[str, float]] = {}
    for number, (_, hits, places) in enumerate(ranked):
        units = _units(hits, places)
        grades: dict[str, int] = {}
        for place in places:
            unit = _gold_unit(place)
            grades[unit] = max(place.grade, grades.get(unit, 0))
        names_of = {unit: str(i) for i, unit in enumerate(dict.fromkeys([*units, *grades]))}
        qrels[str(number)] = {names_of[unit]: grade for unit, grade in grades.items()}
        runs[str(number)] = {
            names_of[unit]: float(len(units) - rank) for rank, unit in enumerate(units)
        }
    scores: dict[str, dict[str, float]] = {question: {} for question, _, _ in ranked}
    for metric in iter_calc(measures, qrels, runs):
        question = ranked[int(metric.query_id)][0]
        scores[question][names[str(metric.measure)]] = float(metric.value)
    for found in scores.values():  # a question for which nothing was found is left out above
        for name in names.values():
            found.setdefault(name, 0.0)
    return scores


def place_scores(hits: Sequence[Hit], places: Sequence[Place]) -> dict[str, float]:
    """Page hits and shares of the gold characters, as far as the places give pages and offsets.

    Returns:
        ``"page hit@k"``: whether one of the first k passages begins on a gold page; ``"hit in k
        pages"``: the same for the first k different pages; ``"gold share in 2,000 characters"``:
        how much of the gold text stands in the first so many characters returned, repeated text
        counted each time.
    """
    found: dict[str, float] = {}
    returned = [asdict(hit) for hit in hits]
    paged = [place.mapping() for place in places if place.page is not None]
    if paged:
        for k in (1, 5, 10):
            found[f"page hit@{k}"] = page_hit(returned, paged, k)
        for k in (5, 10):
            found[f"hit in {k} pages"] = distinct_page_hit(returned, paged, k)
    spans = [place.mapping() for place in places if place.start is not None]
    if spans:
        for budget in BUDGETS:
            share = gold_share(returned, spans, budget)
            found[f"gold share in {budget:,} characters"] = share
    return found


def page_hit(
    hits: Sequence[Mapping[str, Any]], relevant: Sequence[Mapping[str, Any]], k: int
) -> float:
    """1 if one of the first ``k`` passages begins on a gold page, else 0."""
    gold = {(place["path"], place["page"]) for place in relevant}
    return float(any((hit["path"], hit["page"]) in gold for hit in hits[:k]))


def distinct_page_hit(
    hits: Sequence[Mapping[str, Any]], relevant: Sequence[Mapping[str, Any]], k: int
) -> float:
    """1 if one of the first ``k`` different pages is a gold page: blind to the passages' size."""
    seen: dict[tuple[str, int | None], None] = {}
    for hit in hits:
        seen.setdefault((hit["path"], hit["page"]))
    pages = [{"path": path, "page": page} for path, page in seen]
    return page_hit(pages, relevant, k)


def _as_said(hit: Mapping[str, Any], text: str) -> list[tuple[int, int]]:
    return [(hit["start"], hit["start"] + len(text))]


def gold_share(
    hits: Sequence[Mapping[str, Any]],
    relevant: Sequence[Mapping[str, Any]],
    budget: int,
    spans_of: Callable[[Mapping[str, Any], str], Sequence[tuple[int, int]]] = _as_said,
) -> float:
    """Share of the gold characters in the first ``budget`` characters of returned text.

    Everything returned counts against the budget, also what was returned before. ``spans_of``
    tells where the first part of a passage stands.
    """
    gold: dict[str, set[int]] = {}
    for place in relevant:
        gold.setdefault(place["path"], set()).update(range(place["start"], place["end"]))
    got: dict[str, set[int]] = {path: set() for path in gold}
    left = budget
    for hit in hits:
        text = hit["text"][:left]
        left -= len(text)
        if hit["path"] in gold:
            for start, end in spans_of(hit, text):
                got[hit["path"]].update(gold[hit["path"]].intersection(range(start, end)))
        if left <= 0:
            break
    whole = sum(map(len, gold.values()))
    return sum(map(len, got.values())) / whole if whole else 0.0


def _gold_unit(place: Place) -> str:
    if place.start is not None:
        return f"{place.path}\0{place.start}-{place.end}"
    return f"{place.path}\0p{place.page}" if place.page is not None else place.path


def _units(hits: Sequence[Hit], places: Sequence[Place]) -> list[str]:
    unit = unit_of(places)
    units: dict[str, None] = {}
    for hit in hits:
        gold = [_gold_unit(place) for place in places if matches(hit, place)]
        if gold:
            units.update(dict.fromkeys(gold))
        elif unit == "document":
            units.setdefault(hit.path)
        elif unit == "page":
            units.setdefault(f"{hit.path}\0p{hit.page}")
        else:
            units.setdefault(f"{hit.path}\0{hit.start}-{hit.end}")
    return list(units)
