"""``ragkit eval``: measure a knowledge base with a golden set; draft one; calibrate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.app import EXIT_INTERRUPTED
from ragkit.cli.common import (
    Command,
    Common,
    common_options,
    embedder_options,
    model_options,
    open_kb,
)
from ragkit.cli.output import human_seconds, is_terminal, note, plural, print_json, printable
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.evals.evaluate import Evaluation, OnQuestion
    from ragkit.evals.golden import GoldenQuestion
    from ragkit.evals.setups import Settings
    from ragkit.retrieve.finding import Mode

_MISSES = 10
_QUIET_SECONDS = 30.0
_WORTH_SAYING_SECONDS = 5.0


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
@click.option(
    "-k",
    "limit",
    metavar="N",
    type=click.IntRange(10, 1000),
    default=50,
    show_default=True,
    help="How many passages are searched for.",
)
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "dense", "lexical"]),
    default="hybrid",
    show_default=True,
    help="Search by meaning (dense), by words (lexical), or by both. Answers use both.",
)
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
    mode: Mode,
    first: int | None,
    timeout: float,
    model: str,
    base_url: str | None,
    embedder: str | None,
    embedder_base_url: str | None,
) -> int:
    """Measure what a knowledge base finds, answers and refuses.

    QUERIES is a golden set: one JSON object a line with "question" and, as far as known, "id",
    "history", "answerable", "answer", "scope" (the document it is about) and "relevant" (the places
    that answer it: "path", "page", "start", "end", "grade"). Each question that missed something is
    shown with the reason. Exit code 1: the set names what the knowledge base does not hold, or a
    language model failed to answer some questions.
    """
    _check(queries, compare, make=make, calibrate=calibrate, uncalibrate=uncalibrate)
    if uncalibrate:
        with open_kb(common) as kb:
            kb.calibrate(None)
        _say(common, {"calibration": None}, "The built-in calibration is in use.")
        return 0
    if make is not None:
        return _make(common, queries, make, model, base_url)
    from ragkit.evals.golden import read_golden
    from ragkit.evals.setups import Settings

    assert queries is not None  # noqa: S101 - _check has made sure
    questions = read_golden(queries)[:first]
    if report is not None:
        _make_folder(report)
    settings = Settings(
        kb=str(common.directory),
        mode=mode,
        model=model,
        base_url=base_url,
        embedder=embedder,
        embedder_base_url=embedder_base_url,
        k=limit,
        answers=not search_only,
        timeout=timeout,
    )
    if compare is not None:
        return _compare(common, questions, settings, compare, queries, report)
    if calibrate:
        return _calibrate(common, questions, settings, queries)
    evaluation = _evaluate(questions, settings)
    if report is not None:
        _write(common, report, [("", evaluation)], queries)
    _show(common, evaluation, queries)
    return _code([evaluation])


def _code(evaluations: Sequence[Evaluation]) -> int:
    """The exit code: stopped by Ctrl-C, with something to note, or done."""
    if any(evaluation.stopped for evaluation in evaluations):
        return EXIT_INTERRUPTED
    return 1 if any(evaluation.problems for evaluation in evaluations) else 0


def _make_folder(report: Path) -> None:
    """Make the report's folder before hours are spent on what could not be written."""
    import tempfile

    try:
        report.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=report):
            pass
    except OSError as error:
        raise UsageError(
            f"--report: cannot write into {str(report)!r}: {error.strerror or error}"
        ) from error


def _check_writable(draft: Path) -> None:
    """Refuse a file that exists or cannot be written before anything is drafted."""
    try:
        draft.touch(exist_ok=False)
        draft.unlink()
    except FileExistsError as error:
        raise UsageError(f"{str(draft)!r} exists already; name a new file for the draft") from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no folder {str(draft.parent)!r} for the draft") from error
    except OSError as error:
        raise UsageError(f"cannot write {str(draft)!r}: {error.strerror or error}") from error


def _check(
    queries: Path | None,
    compare: tuple[str, str] | None,
    *,
    make: int | None,
    calibrate: bool,
    uncalibrate: bool,
) -> None:
    chosen = [
        name
        for name, given in (
            ("--make", make is not None),
            ("--compare", compare is not None),
            ("--calibrate", calibrate),
            ("--uncalibrate", uncalibrate),
        )
        if given
    ]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} do not go together")
    if queries is None and not (make or uncalibrate):
        raise UsageError(
            "name the golden set to measure with, such as questions.jsonl; draft one with "
            "ragkit eval --make 50 questions.jsonl"
        )


def _evaluate(questions: tuple[GoldenQuestion, ...], settings: Settings) -> Evaluation:
    from ragkit.answer.draft import EXTRACTIVE
    from ragkit.evals.evaluate import evaluate

    if settings.answers and settings.model != EXTRACTIVE:
        note(
            f"{settings.model} is asked {plural(len(questions), 'question')}, at most "
            f"{settings.timeout:g} seconds each. --first N asks fewer."
        )
    with _counter() as on_question:
        return evaluate(questions, settings, on_question=on_question)


@contextmanager
def _counter() -> Iterator[OnQuestion]:
    """Count the questions on stderr: on a terminal in place, else with a line now and then."""
    import sys
    import time

    watched = is_terminal(sys.stderr)
    begun = said = time.monotonic()

    def on_question(done: int, total: int, name: str) -> None:
        nonlocal said
        now = time.monotonic()
        left = (now - begun) / done * (total - done) if done else 0.0
        soon = f", about {human_seconds(left)} left" if left >= _WORTH_SAYING_SECONDS else ""
        if watched:
            shown = f"\r\x1b[K{done:,} of {total:,} done{soon}: {printable(name)[:40]}"
            click.echo(shown, nl=False, err=True)
        elif now - said >= _QUIET_SECONDS:
            said = now
            note(f"{done:,} of {total:,} done{soon}.")

    try:
        yield on_question
    finally:
        if watched:
            click.echo("\r\x1b[K", nl=False, err=True)


def _show(common: Common, evaluation: Evaluation, queries: Path) -> None:
    if common.as_json:
        from ragkit.evals.report import evaluation_document

        print_json(evaluation_document(evaluation, golden=str(queries)))
        return
    from ragkit.cli.measured import print_evaluation
    from ragkit.cli.terminal import console

    print_evaluation(console(), evaluation, misses=None if common.verbose else _MISSES)


def _compare(
    common: Common,
    questions: tuple[GoldenQuestion, ...],
    settings: Settings,
    compare: tuple[str, str],
    queries: Path,
    report: Path | None,
) -> int:
    from ragkit.evals.compare import compare as compare_evaluations
    from ragkit.evals.compare import comparison_document
    from ragkit.evals.setups import differences, parse_settings

    first, second = (parse_settings(text, settings) for text in compare)
    names = differences(first, second)
    evaluations = [_evaluate(questions, first)]
    if evaluations[0].stopped:
        raise KeyboardInterrupt
    evaluations.append(_evaluate(questions, second))
    comparison = compare_evaluations(*evaluations, names=names)
    if report is not None:
        _write(common, report, list(zip(names, evaluations, strict=True)), queries, comparison)
    if common.as_json:
        print_json(comparison_document(comparison))
    else:
        from ragkit.cli.measured import print_comparison
        from ragkit.cli.terminal import console

        print_comparison(console(), comparison)
    problems = [problem for evaluation in evaluations for problem in evaluation.problems]
    if not common.as_json:
        for problem in dict.fromkeys(problems):
            note(printable(problem))
    return _code(evaluations)


def _write(
    common: Common,
    folder: Path,
    evaluations: list[tuple[str, Evaluation]],
    queries: Path,
    comparison: object = None,
) -> None:
    from ragkit.answer.abstain import default_threshold
    from ragkit.evals.compare import Comparison
    from ragkit.evals.report import write_report

    with open_kb(common) if comparison is None else evaluations[0][1].settings.open() as kb:
        threshold = kb.calibration().threshold
    written = write_report(
        folder,
        evaluations,
        golden=str(queries),
        threshold=default_threshold() if threshold is None else threshold,
        comparison=comparison if isinstance(comparison, Comparison) else None,
    )
    note(f"Wrote {', '.join(str(path) for path in written)}.")


def _calibrate(
    common: Common, questions: tuple[GoldenQuestion, ...], settings: Settings, queries: Path
) -> int:
    from dataclasses import asdict, replace

    from ragkit.evals.calibrate import fit_calibration

    # A language model's refusals are its own; what is fitted is the judgement before it.
    evaluation = _evaluate(questions, replace(settings, answers=True, model="extractive"))
    if evaluation.stopped:
        raise KeyboardInterrupt
    with open_kb(common) as kb:
        fit = fit_calibration(evaluation, kb.calibration())
        kb.calibrate(fit.calibration)
    _say(
        common,
        {"golden": str(queries), **asdict(fit)},
        f"Fitted to {fit.answerable} questions that the documents answer and {fit.unanswerable} "
        f"that they do not (AUROC {fit.auroc:.3f}).\n"
        f"Treated rightly, mean of both kinds: {fit.balanced_before:.3f} before, "
        f"{fit.balanced_after:.3f} now (cross-validated).\n"
        f"Mean squared error of the confidence: {fit.brier_before:.3f} before, "
        f"{fit.brier_after:.3f} now (cross-validated).\n"
        f"Questions are now answered from confidence {fit.calibration.threshold:.2f} on; "
        f"{common.hint('eval --uncalibrate')} goes back.",
    )
    if fit.balanced_after < fit.balanced_before:
        note(
            "On questions that it was not fitted to, the new threshold does worse than the one "
            "before: go back, or add questions and fit again."
        )
    for problem in evaluation.problems:
        note(printable(problem))
    return 1 if evaluation.problems else 0


def _make(
    common: Common, queries: Path | None, count: int, model: str, base_url: str | None
) -> int:
    from ragkit.evals.drafting import draft_golden
    from ragkit.evals.golden import golden_line

    if queries is not None:
        _check_writable(queries)
    chat_model = None
    if model != "extractive":
        from ragkit.llm import load_model

        chat_model = load_model(model, base_url=base_url)
    with open_kb(common) as kb, _counter() as on_question:
        draft = draft_golden(
            kb,
            count,
            model=chat_model,
            on_question=lambda done: on_question(done, count, ""),
        )
    lines = "".join(golden_line(question) + "\n" for question in draft.questions)
    if queries is not None:
        queries.write_text(lines, encoding="utf-8", newline="\n")
    if common.as_json:
        import json

        print_json(
            {
                "questions": [json.loads(line) for line in lines.split("\n") if line],
                "notes": draft.notes,
                "file": None if queries is None else str(queries),
            }
        )
    elif queries is None:
        click.echo(lines, nl=False)
    else:
        note(f"Drafted {plural(len(draft.questions), 'question')} into {queries}.")
    for sentence in draft.notes:
        note(sentence[0].upper() + sentence[1:] + ".")
    return 0 if draft.questions else 1


def _say(common: Common, document: dict[str, object], message: str) -> None:
    if common.as_json:
        print_json(document)
    else:
        click.echo(message)
