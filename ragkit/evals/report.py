"""An evaluation or a comparison as a written report: Markdown, and HTML with plots."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from ragkit.evals.compare import SIGNIFICANT, comparison_document
from ragkit.evals.measures import CUTOFFS
from ragkit.evals.plots import histogram, interval_plot, line_plot
from ragkit.evals.totals import roc_points, summarise, summary_document

if TYPE_CHECKING:
    from ragkit.evals.compare import Comparison
    from ragkit.evals.evaluate import Evaluation, Outcome
    from ragkit.evals.totals import Group, Summary

_CELL = 160


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, column names, rows of text, and a sentence on how to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def evaluation_document(evaluation: Evaluation, *, golden: str) -> dict[str, Any]:
    """Everything about an evaluation as plain data, for JSON."""
    return {
        "golden": golden,
        "settings": evaluation.settings.document(),
        "documents": evaluation.documents,
        "passages": evaluation.passages,
        "embedder": evaluation.embedder,
        "version": evaluation.version,
        "seconds": round(evaluation.seconds, 2),
        "summary": summary_document(summarise(evaluation)),
        "problems": list(evaluation.problems),
        "questions": [outcome_document(outcome) for outcome in evaluation.outcomes],
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """What became of a question as plain data, for JSON."""
    question = outcome.question
    return {
        "id": question.id,
        "question": question.question,
        "answerable": question.answerable,
        "gold": question.answer,
        "scope": question.scope,
        "relevant": [place.mapping() for place in question.relevant],
        "rank": outcome.rank,
        "missed": list(outcome.missed),
        "scores": {
            view: {name: round(value, 4) for name, value in scores.items()}
            for view, scores in outcome.scores.items()
        },
        "answer_scores": {name: round(v, 4) for name, v in outcome.answer_scores.items()},
        "answer": outcome.answer,
        "hits": list(outcome.hits),
        "search_ms": round(outcome.search_ms, 2),
        "ask_ms": None if outcome.ask_ms is None else round(outcome.ask_ms, 2),
    }


def tables(summary: Summary) -> Iterator[Table]:
    """The figures of an evaluation as tables."""
    judged = ", ".join(f"{n} by {unit}" for unit, n in summary.units.items() if unit and n)
    if summary.retrieval:
        yield _measures_table(
            "What was found",
            summary.retrieval,
            f"Judged by what the golden set names: {judged}. Recall, MRR and nDCG count each such "
            "unit once; page hits are of the questions that name pages, gold shares of those that "
            "name passages. All but the number of questions are from 0 to 1.",
        )
    if summary.follow_ups:
        yield _measures_table("Follow-up questions", summary.follow_ups, "")
    if summary.answers.questions:
        yield Table(
            f"Answers ({summary.answers.questions} questions with a gold answer)",
            ("measure", "mean"),
            tuple((name, f"{value:.3f}") for name, value in summary.answers.measures.items()),
            "A refusal counts as 0.",
        )
    if summary.refusals:
        counts = summary.counts
        yield Table(
            f"Refusals ({counts['answerable']} answerable questions, "
            f"{counts['unanswerable']} that are not, {counts['refused']} refused, "
            f"{counts['sure']} said as an answer)",
            ("measure", "value"),
            tuple((name, f"{value:.3f}") for name, value in summary.refusals.items()),
            "AUROC is of the confidence; the others are at the thresholds in use.",
        )
    yield Table(
        "Time",
        ("", "milliseconds"),
        tuple((name, f"{value:.1f}") for name, value in summary.latency.items()),
    )


def comparison_table(comparison: Comparison) -> Table:
    """The differences as a table."""
    rows = tuple(
        (
            d.measure,
            str(d.questions),
            f"{d.first:.3f}",
            f"{d.second:.3f}",
            f"{d.second - d.first:+.3f}",
            f"{d.low:+.3f} to {d.high:+.3f}",
            f"{d.p:.4f}" + (" *" if d.p < SIGNIFICANT else ""),
            f"{d.better} / {d.worse}",
        )
        for d in comparison.differences
    )
    columns = ("measure", "n", "A", "B", "B - A", "95% interval", "p", "better / worse")
    return Table(
        f"A: {comparison.names[0]} – B: {comparison.names[1]}",
        columns,
        rows,
        "p: paired permutation test (AUROC: bootstrap), corrected for the number of measures by "
        f"Holm's method; * below {SIGNIFICANT}.",
    )


def write_report(
    folder: Path,
    evaluations: Sequence[tuple[str, Evaluation]],
    *,
    golden: str,
    threshold: float,
    comparison: Comparison | None = None,
) -> list[Path]:
    """Write ``report.md``, ``report.html`` and ``results.json`` into ``folder``; return them.

    Args:
        folder: Made if it does not exist; files of these names are replaced.
        evaluations: One, or the two that were compared, each with its name.
        golden: The golden set's file.
        threshold: The confidence from which on questions are answered, for the plot.
        comparison: How the two differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = [evaluation_document(found, golden=golden) for _, found in evaluations]
    results: dict[str, Any] = documents[0]
    if comparison is not None:
        results = {"comparison": comparison_document(comparison), "evaluations": documents}
    contents = {
        "report.md": "\n".join(
            markdown for markdown, _ in _parts(evaluations, golden, threshold, comparison)
        ),
        "report.html": _page(_parts(evaluations, golden, threshold, comparison)),
        "results.json": json.dumps(results, ensure_ascii=False, indent=1) + "\n",
    }
    written = []
    for name, content in contents.items():
        path = folder / name
        path.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
        written.append(path)
    return written


def _measures_table(title: str, groups: Mapping[str, Group], note: str) -> Table:
    names = list(dict.fromkeys(name for group in groups.values() for name in group.measures))
    rows = [("questions", *(str(group.questions) for group in groups.values()))]
    rows += [
        (
            name,
            *(
                f"{group.measures[name]:.3f}" if name in group.measures else ""
                for group in groups.values()
            ),
        )
        for name in names
    ]
    return Table(title, ("measure", *groups), tuple(rows), note)


def _facts(evaluation: Evaluation, golden: str) -> list[tuple[str, str]]:
    settings = evaluation.settings
    return [
        ("golden set", f"{golden}, {len(evaluation.outcomes):,} questions"),
        (
            "knowledge base",
            f"{settings.kb}: {evaluation.documents:,} documents, {evaluation.passages:,} passages",
        ),
        ("search", f"{settings.mode}, {settings.k} passages, {evaluation.embedder}"),
        ("answers", settings.model if settings.answers else "not asked for"),
        ("ragkit", f"{evaluation.version}, {evaluation.seconds:.1f} s"),
    ]


def _missed(evaluation: Evaluation) -> Table:
    rows = [
        (
            outcome.question.id,
            outcome.question.question,
            "; ".join(outcome.missed),
            "" if outcome.answer is None else str(outcome.answer["text"]),
        )
        for outcome in evaluation.outcomes
        if outcome.missed
    ]
    return Table(
        f"What was missed, and why ({len(rows)} of {len(evaluation.outcomes)} questions)",
        ("id", "question", "why", "answer"),
        tuple(rows),
    )


def _parts(
    evaluations: Sequence[tuple[str, Evaluation]],
    golden: str,
    threshold: float,
    comparison: Comparison | None,
) -> Iterator[tuple[str, str]]:
    """The report as pieces of Markdown, each with what a page shows after it, as HTML."""
    yield "# Evaluation\n", ""
    if comparison is not None:
        rows = [(d.measure, d.low, d.second - d.first, d.high) for d in comparison.differences]
        plot = interval_plot("B - A, with 95% intervals", rows)
        yield _markdown_table(comparison_table(comparison)), _side_by_side([plot])
    for name, evaluation in evaluations:
        summary = summarise(evaluation)
        if name:
            yield f"# {_plain(name)}\n", ""
        facts = [f"- {key}: {_plain(value)}\n" for key, value in _facts(evaluation, golden)]
        yield "".join(facts), _side_by_side(_plots(evaluation, summary, threshold))
        for table in tables(summary):
            yield _markdown_table(table), ""
        if evaluation.problems:
            problems = "".join(f"- {_plain(problem)}\n" for problem in evaluation.problems)
            yield f"## To note\n\n{problems}", ""
        ordered = sorted(evaluation.outcomes, key=lambda outcome: not outcome.missed)
        questions = "".join(map(_html_outcome, ordered))
        yield _markdown_table(_missed(evaluation), longest=_CELL), f"<h2>Questions</h2>{questions}"


def _markdown_table(table: Table, *, longest: int = 10_000) -> str:
    lines = [f"## {_plain(table.title)}\n"]
    if table.note:
        lines.append(f"{table.note}\n")
    lines.append("| " + " | ".join(map(_plain, table.columns)) + " |")
    lines.append("|" + "---|" * len(table.columns))
    lines += ["| " + " | ".join(_plain(c, longest) for c in row) + " |" for row in table.rows]
    return "\n".join(lines) + "\n"


def _plain(text: str, longest: int = 10_000) -> str:
    """A text on one line in which nothing is Markdown or HTML."""
    line = " ".join(text.split())
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    for mark in "\\|*_`[]!~":
        line = line.replace(mark, "\\" + mark)
    return escape(line, quote=False)  # not every reader of Markdown knows \< for a character


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{border-bottom:1px solid #ddd;
padding:.25rem .7rem;text-align:left;vertical-align:top}th{color:#555}h2{margin-top:2rem}
.plots{display:flex;flex-wrap:wrap;gap:1.5rem}.note{color:#666}td{overflow-wrap:anywhere}
details{margin:.4rem 0;border-left:3px solid #ddd;padding-left:.8rem}summary{cursor:pointer}
.bad summary{color:#a33}@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}
td,th{border-color:#444}svg{background:#fff}}
"""


def _page(parts: Iterable[tuple[str, str]]) -> str:
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = "".join(renderer.render(markdown) + shown for markdown, shown in parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>Evaluation</title><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>\n"
    )


def _side_by_side(plots: Iterable[str]) -> str:
    return f"<div class=plots>{''.join(plots)}</div>"


def _plots(evaluation: Evaluation, summary: Summary, threshold: float) -> Iterator[str]:
    lines = {
        view: [
            (i / (len(CUTOFFS) - 1), group.measures[f"recall@{k}"]) for i, k in enumerate(CUTOFFS)
        ]
        for view, group in summary.retrieval.items()
    }
    if lines:
        yield line_plot(
            "Recall",
            lines,
            x_label="among the first … found",
            y_label="share of what is relevant",
            x_names=[str(k) for k in CUTOFFS],
        )
    curve = roc_points(evaluation)
    if curve:
        yield line_plot(
            "Telling what can be answered",
            {f"AUROC {summary.refusals['AUROC']:.3f}": curve},
            x_label="share of unanswerable questions answered",
            y_label="share of answerable ones answered",
            diagonal=True,
        )
    groups: dict[str, list[float]] = {"answerable": [], "not answerable": []}
    for outcome in evaluation.outcomes:
        if outcome.answer is not None and outcome.question.answerable is not None:
            chance = outcome.answer["answerable"]
            if chance is not None:
                kind = "answerable" if outcome.question.answerable else "not answerable"
                groups[kind].append(chance)
    if any(groups.values()):
        yield histogram("Chance of an answer", groups, x_label="chance", marker=threshold)
        yield line_plot(
            "Calibration",
            {"groups of questions": [(r["confidence"], r["right"]) for r in summary.reliability]},
            x_label="mean confidence",
            y_label="share right",
            diagonal=True,
        )
    times = [o.ask_ms if o.ask_ms is not None else o.search_ms for o in evaluation.outcomes]
    longest = max(times, default=0.0)
    if longest > 0:
        yield histogram(
            "Time",
            {"questions": [time / longest for time in times]},
            x_label="milliseconds",
            x_names=[f"{longest * i / 4:,.0f}" for i in range(5)],
        )


def _html_outcome(outcome: Outcome) -> str:
    question = outcome.question
    lines = []
    if question.answer:
        lines.append(f"gold: {question.answer}")
    if question.relevant:
        places = [
            place.path + ("" if place.page is None else f" page {place.page}")
            for place in question.relevant
        ]
        lines.append(f"where: {', '.join(places)}")
    if outcome.answer is not None:
        sure = outcome.answer["confidence"]
        told = "" if sure is None else f" ({sure:.2f})"
        lines.append(f"answer{told}: {outcome.answer['text']}")
    for rank, hit in enumerate(outcome.hits, start=1):
        page = "" if hit["page"] is None else f", page {hit['page']}"
        text = " ".join(hit["text"].split())
        lines.append(f"{rank}. {hit['path']}{page} ({hit['score']:.3f}): {text}")
    missed = [f"<b>{escape(sentence)}</b>" for sentence in outcome.missed]
    kind = ' class="bad"' if outcome.missed else ""
    title = escape(f"{question.id}: {question.question}")
    body = "<br>".join([*missed, *map(escape, lines)])
    return f"<details{kind}><summary>{title}</summary>{body}</details>"
