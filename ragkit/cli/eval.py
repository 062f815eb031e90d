"""``ragkit eval``: measure a knowledge base with a golden set; draft one; calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    limit_option,
    model_options,
    open_kb,
    search_mode_option,
)
from ragkit.errors import UsageError


@click.command(
    "eval",
    cls=Command,
    examples=(
        "ragkit eval --make 50 questions.jsonl",
        "ragkit eval questions.jsonl --report measured",
        "ragkit eval questions.jsonl --compare mode=dense mode=hybrid",
        "ragkit eval questions.jsonl --compare .ragkit other-kb --search-only",
        "ragkit eval questions.jsonl --calibrate",
    ),
)
@click.argument("queries", metavar="QUERIES", type=click.Path(path_type=Path), required=False)
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write report.md, report.html (with plots) and results.json there.",
)
@click.option(
    "--compare",
    metavar="A B",
    nargs=2,
    help="Measure two settings, such as mode=dense or model=openai:NAME,k=20, or the folders of two"
    " knowledge bases, and test whether they differ.",
)
@click.option(
    "--make",
    metavar="N",
    type=click.IntRange(1, 100_000),
    help="Draft N questions from the documents into QUERIES (without it: to stdout), for you to"
    " edit. With --model a language model writes them, else headings, tables and sentences do.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Fit the confidence, and the threshold below which questions are refused, to QUERIES and"
    " keep both in the knowledge base.",
)
@click.option("--uncalibrate", is_flag=True, help="Go back to the built-in calibration.")
@click.option("--search-only", is_flag=True, help="Only search; do not answer, nor judge refusals.")
@limit_option(type=click.IntRange(10, 1000), default=50, help="How many passages are searched for.")
@search_mode_option(" Answers use both.")
@click.option(
    "--first", metavar="N", type=click.IntRange(1), help="Ask only the first N questions."
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="How long a language model may take over one question. Then the question is answered"
    " without it, which is reported.",
)
@model_options
@embedder_options
@common_options
def command(
    common: Common,
    queries: Path | None,
    report: Path | None,
    compare: tuple[str, str] | None,
    make: int | None,
    calibrate: bool,
    uncalibrate: bool,
    search_only: bool,
    limit: int,
    mode: str,
    first: int | None,
    timeout: float,
    opening: dict[str, Any],
) -> int:
    """Measure what a knowledge base finds, answers and refuses.

    QUERIES is a golden set: one JSON object a line with "question" and, as far as known, "id",
    "history", "answerable", "answer", "scope" (the document it is about) and "relevant" (the places
    that answer it: "path", "page", "start", "end", "grade"). Each question that missed something is
    shown with the reason. Exit code 1: the set names what the knowledge base does not hold, or a
    language model failed to answer some questions.
    """
    asked_for = {
        "--make": make is not None,
        "--compare": compare is not None,
        "--calibrate": calibrate,
        "--uncalibrate": uncalibrate,
    }
    chosen = [name for name, given in asked_for.items() if given]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} do not go together")
    if uncalibrate:
        with open_kb(common) as kb:
            kb.calibrate(None)
        common.tell({"calibration": None}, "The built-in calibration is in use.", err=False)
        return 0
    from ragkit.cli import eval_runs as runs

    if make is not None:
        return runs.draft(common, queries, make, opening["model"], opening["base_url"])
    if queries is None:
        raise UsageError(
            "name the golden set to measure with, such as questions.jsonl; draft one with "
            "ragkit eval --make 50 questions.jsonl"
        )
    run = runs.Measuring(common, queries, report, first)
    settings = {"mode": mode, "k": limit, "answers": not search_only, "timeout": timeout, **opening}
    if compare is not None:
        return run.compare(settings, compare)
    return run.calibrate(settings) if calibrate else run.measure(settings)
