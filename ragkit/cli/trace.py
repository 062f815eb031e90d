"""``ragkit trace``: what happened for a question, step by step."""

from __future__ import annotations

import click

from ragkit.cli.common import Command, Common, common_options, open_kb
from ragkit.cli.output import note, print_json
from ragkit.errors import UsageError


@click.command(
    "trace",
    cls=Command,
    examples=(
        "ragkit trace",
        "ragkit trace 3f2a9c0b71de -v",
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
    help="How many to list.",
)
@common_options
def command(common: Common, trace_id: str | None, limit: int) -> None:
    """Show what happened for a question: searches, ranks, scores, times and tokens.

    Without ID it lists the latest traces. `ragkit ask --json` gives the ID as "trace".
    """
    with open_kb(common) as kb:
        if trace_id is None:
            traces = kb.traces(limit)
        else:
            trace = kb.trace(trace_id)
            if trace is None:
                raise UsageError(f"there is no trace {trace_id!r}; ragkit trace lists them")
            traces = [trace]
    from ragkit.cli.explain import print_trace, print_traces, trace_document, trace_row

    if common.as_json:
        if trace_id is None:
            print_json({"traces": [trace_row(trace) for trace in traces]})
        else:
            print_json(trace_document(traces[0]))
        return
    from ragkit.cli.terminal import console

    if trace_id is not None:
        print_trace(console(), traces[0], verbose=common.verbose)
    elif traces:
        print_traces(console(), traces)
    else:
        note(f'No question was asked yet. Ask one: {common.hint("ask")} "your question"')
