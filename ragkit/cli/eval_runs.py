"""What ``ragkit eval`` does: measures, compares, calibrates, drafts."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragkit.answer.abstain import default_threshold
from ragkit.answer.draft import EXTRACTIVE
from ragkit.cli.app import EXIT_INTERRUPTED
from ragkit.cli.common import Common, open_kb
from ragkit.cli.measured import print_comparison, print_evaluation
from ragkit.cli.output import (
    console,
    human_seconds,
    is_terminal,
    note,
    plural,
    print_json,
    printable,
)
from ragkit.errors import UsageError
from ragkit.evals.calibrate import fit_calibration
from ragkit.evals.compare import Comparison, compare, comparison_document
from ragkit.evals.drafting import draft_golden
from ragkit.evals.evaluate import evaluate
from ragkit.evals.golden import golden_line, read_golden
from ragkit.evals.report import evaluation_document, write_report
from ragkit.evals.setups import Settings, differences, parse_settings
from ragkit.llm import load_model

if TYPE_CHECKING:
    from ragkit.evals.evaluate import Evaluation, OnQuestion

_MISSES = 10
_QUIET_SECONDS = 30.0
_WORTH_SAYING_SECONDS = 5.0


class Measuring:
    """Measures one base with one golden set."""

    def __init__(
        self, common: Common, queries: Path, report: Path | None, first: int | None
    ) -> None:
        """Read the first so many questions, and make the report's folder if there is to be one.

        Raises:
            UsageError: the questions cannot be read, or the folder not be written into.
        """
        self._common = common
        self._queries = queries
        self._report = report
        self._questions = read_golden(queries)[:first]
        if report is not None:
            _make_folder(report)

    def measure(self, settings: Mapping[str, Any]) -> int:
        """Measure, and show what was missed."""
        evaluation = self._evaluate(self._settings(settings))
        self._write([("", evaluation)])
        if self._common.as_json:
            print_json(evaluation_document(evaluation, golden=str(self._queries)))
        else:
            misses = None if self._common.verbose else _MISSES
            print_evaluation(console(), evaluation, misses=misses)
        return _code([evaluation])

    def compare(self, settings: Mapping[str, Any], texts: tuple[str, str]) -> int:
        """Measure two settings, and show how they differ."""
        basis = self._settings(settings)
        first, second = (parse_settings(text, basis) for text in texts)
        names = differences(first, second)
        evaluations = [self._evaluate(first)]
        if evaluations[0].stopped:
            raise KeyboardInterrupt
        evaluations.append(self._evaluate(second))
        comparison = compare(*evaluations, names=names)
        self._write(list(zip(names, evaluations, strict=True)), comparison)
        if self._common.as_json:
            print_json(comparison_document(comparison))
        else:
            print_comparison(console(), comparison)
            problems = [problem for each in evaluations for problem in each.problems]
            for problem in dict.fromkeys(problems):
                note(printable(problem))
        return _code(evaluations)

    def calibrate(self, settings: Mapping[str, Any]) -> int:
        """Fit the confidence and its threshold, and keep both in the base."""
        # A language model's refusals are its own; what is fitted is the judgement before it.
        extractive = replace(self._settings(settings), answers=True, model=EXTRACTIVE)
        evaluation = self._evaluate(extractive)
        if evaluation.stopped:
            raise KeyboardInterrupt
        with open_kb(self._common) as kb:
            fit = fit_calibration(evaluation, kb.calibration())
            kb.calibrate(fit.calibration)
        self._common.tell(
            {"golden": str(self._queries), **asdict(fit)},
            f"Fitted to {fit.answerable} questions that the documents answer and "
            f"{fit.unanswerable} that they do not (AUROC {fit.auroc:.3f}).\n"
            f"Treated rightly, mean of both kinds: {fit.balanced_before:.3f} before, "
            f"{fit.balanced_after:.3f} now (cross-validated).\n"
            f"Mean squared error of the confidence: {fit.brier_before:.3f} before, "
            f"{fit.brier_after:.3f} now (cross-validated).\n"
            f"Questions are now answered from confidence {fit.calibration.threshold:.2f} on; "
            f"{self._common.hint('eval --uncalibrate')} goes back.",
            err=False,
        )
        if fit.balanced_after < fit.balanced_before:
            note(
                "On questions that it was not fitted to, the new threshold does worse than the one "
                "before: go back, or add questions and fit again."
            )
        for problem in evaluation.problems:
            note(printable(problem))
        return _code([evaluation])

    def _settings(self, settings: Mapping[str, Any]) -> Settings:
        return Settings(kb=str(self._common.directory), **settings)

    def _evaluate(self, settings: Settings) -> Evaluation:
        if settings.answers and settings.model != EXTRACTIVE:
            note(
                f"{settings.model} is asked {plural(len(self._questions), 'question')}, at most "
                f"{settings.timeout:g} seconds each. --first N asks fewer."
            )
        with _counter() as on_question:
            return evaluate(self._questions, settings, on_question=on_question)

    def _write(
        self, evaluations: list[tuple[str, Evaluation]], comparison: Comparison | None = None
    ) -> None:
        if self._report is None:
            return
        with (
            open_kb(self._common) if comparison is None else evaluations[0][1].settings.open() as kb
        ):
            threshold = kb.calibration().threshold
        written = write_report(
            self._report,
            evaluations,
            golden=str(self._queries),
            threshold=default_threshold() if threshold is None else threshold,
            comparison=comparison,
        )
        note(f"Wrote {', '.join(str(path) for path in written)}.")


def draft(
    common: Common, queries: Path | None, count: int, model: str, base_url: str | None
) -> int:
    """Draft questions into a new file, or onto stdout."""
    if queries is not None:
        _check_writable(queries)
    chat_model = None if model == EXTRACTIVE else load_model(model, base_url=base_url)
    with open_kb(common) as kb, _counter() as on_question:
        drafted = draft_golden(
            kb,
            count,
            model=chat_model,
            on_question=lambda done: on_question(done, count, ""),
        )
    lines = [golden_line(question) for question in drafted.questions]
    text = "".join(f"{line}\n" for line in lines)
    if queries is not None:
        queries.write_text(text, encoding="utf-8", newline="\n")
    if common.as_json:
        print_json(
            {
                "questions": [json.loads(line) for line in lines],
                "notes": drafted.notes,
                "file": None if queries is None else str(queries),
            }
        )
    elif queries is None:
        click.echo(text, nl=False)
    else:
        note(f"Drafted {plural(len(lines), 'question')} into {queries}.")
    for sentence in drafted.notes:
        note(sentence[0].upper() + sentence[1:] + ".")
    return 0 if lines else 1


def _code(evaluations: Sequence[Evaluation]) -> int:
    """The exit code: stopped by Ctrl-C, with something to note, or done."""
    if any(evaluation.stopped for evaluation in evaluations):
        return EXIT_INTERRUPTED
    return 1 if any(evaluation.problems for evaluation in evaluations) else 0


def _make_folder(report: Path) -> None:
    """Make the report's folder before hours are spent on what could not be written."""
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


@contextmanager
def _counter() -> Iterator[OnQuestion]:
    """Count the questions on stderr: on a terminal in place, else with a line now and then."""
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
