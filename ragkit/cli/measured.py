"""Evaluations and comparisons on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table as Grid
from rich.text import Text

from ragkit.cli.output import note, plural, printable
from ragkit.evals.report import comparison_table, tables
from ragkit.evals.totals import summarise

if TYPE_CHECKING:
    from rich.console import Console

    from ragkit.evals.compare import Comparison
    from ragkit.evals.evaluate import Evaluation, Outcome
    from ragkit.evals.report import Table

_WIDEST = 200


def print_evaluation(out: Console, evaluation: Evaluation, *, misses: int | None) -> None:
    """Print the figures, then up to ``misses`` questions with what was missed (``None``: all)."""
    for table in tables(summarise(evaluation)):
        _print_table(out, table)
    missed = [outcome for outcome in evaluation.outcomes if outcome.missed]
    if missed:
        asked = plural(len(evaluation.outcomes), "question")
        out.print(Text(f"Missed in {len(missed)} of {asked}", style="bold"))
        for outcome in missed[:misses]:
            _print_missed(out, outcome)
        if misses is not None and len(missed) > misses:
            out.print(f"and {len(missed) - misses} more: -v shows all, --report DIR writes them")
    for problem in evaluation.problems:
        note(printable(problem))


def print_comparison(out: Console, comparison: Comparison) -> None:
    """Print the differences, and the questions that changed most."""
    _print_table(out, comparison_table(comparison))
    if comparison.changed:
        out.print(Text("Changed most", style="bold"))
        for name, measure, first, second in comparison.changed:
            out.print(f"  {printable(name)}: {measure} {first:.2f} -> {second:.2f}", markup=False)


def _print_table(out: Console, table: Table) -> None:
    grid = Grid(box=None, pad_edge=False, header_style="faint", padding=(0, 2, 0, 0))
    for number, column in enumerate(table.columns):
        grid.add_column(printable(column), justify="right" if number else "left")
    for row in table.rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    out.print(Text(printable(table.title), style="bold"))
    if not out.is_terminal:
        out.width = max(out.width, _WIDEST)
    out.print(grid)
    if table.note:
        out.print(Text(table.note, style="faint"))
    out.print()


def _print_missed(out: Console, outcome: Outcome) -> None:
    question = outcome.question
    line = Text(f"{printable(question.id)}  ", style="cite")
    line.append(printable(" ".join(question.question.split())))
    out.print(line)
    for sentence in outcome.missed:
        out.print(Text(f"    {printable(sentence)}", style="warn"))
