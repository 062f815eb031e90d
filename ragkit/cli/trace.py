"""``ragkit trace``: what happened for a question, step by step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.common import Command, Common, common_options, open_kb, write_text
from ragkit.cli.output import console, note, plural, print_json
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.events.traces import Trace

_FORMS = (".jsonl", ".html")


@click.command(
    "trace",
    cls=Command,
    examples=(
        "ragkit trace",
        "ragkit trace 3f2a9c0b -v",
        "ragkit trace 3f2a9c0b --compare 81b04d77",
        "ragkit trace -n 100 --export traces.html",
    ),
)
@click.argument("trace_id", metavar="[ID]", required=False)
@click.option(
    "-n",
    "limit",
    metavar="N",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How many to list or export.",
)
@click.option("--compare", "other_id", metavar="ID", help="Set this trace beside another one.")
@click.option(
    "--export",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to FILE: every step as a line of JSON (.jsonl), or a page with timelines to look"
    " at in a browser (.html).",
)
@click.option(
    "--delete",
    is_flag=True,
    help="Delete this trace, or without ID all of them; they are overwritten.",
)
@common_options
def command(
    common: Common,
    trace_id: str | None,
    limit: int,
    other_id: str | None,
    target: Path | None,
    delete: bool,
) -> None:
    """Show what happened for a question: every step with times, ranks, scores and tokens.

    Without ID it lists the latest traces. `ragkit ask --json` gives the ID as "trace"; its first
    digits are enough. The latest thousand traces are kept.
    """
    if delete and (other_id is not None or target is not None):
        raise UsageError("--delete goes with neither --compare nor --export")
    if other_id is not None and trace_id is None:
        raise UsageError("--compare needs two traces: ragkit trace ID --compare ID")
    if target is not None and target.suffix.lower() not in _FORMS:
        raise UsageError(f"cannot export to {str(target)!r}: its name must end in .jsonl or .html")
    with open_kb(common) as kb:
        traces = kb.traces(limit) if trace_id is None else [kb.trace(trace_id)]
        other = kb.trace(other_id) if other_id is not None else None
        if delete:
            deleted = kb.delete_traces(None if trace_id is None else [traces[0].id])
    if delete:
        common.tell({"deleted": deleted}, f"{plural(deleted, 'trace')} deleted")
        return
    if target is not None:
        _export(common, traces if other is None else [*traces, other], target)
        return
    from ragkit.cli import explained as explain

    if other is not None:
        if common.as_json:
            print_json({"steps": explain.compare_traces(traces[0], other)})
        else:
            explain.print_comparison(console(), traces[0], other)
    elif trace_id is not None:
        if common.as_json:
            print_json(explain.trace_document(traces[0]))
        else:
            explain.print_trace(console(), traces[0], verbose=common.verbose)
    elif common.as_json:
        print_json({"traces": [explain.trace_row(trace) for trace in traces]})
    elif traces:
        explain.print_traces(console(), traces)
    else:
        note(f'No question was asked yet. Ask one: {common.hint("ask")} "your question"')


def _export(common: Common, traces: Sequence[Trace], target: Path) -> None:
    from ragkit.events.span_documents import span_document

    if target.suffix.lower() == ".html":
        from ragkit.events.trace_page import trace_page

        text = trace_page(traces)
    else:
        text = "".join(
            json.dumps(span_document(item), ensure_ascii=True) + "\n"
            for trace in traces
            for item in trace.spans
        )
    write_text(target, text)
    count = len(traces)
    common.tell(
        {"file": str(target), "traces": count}, f"{plural(count, 'trace')} written to {target}"
    )
