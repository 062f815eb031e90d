"""Traces as one self-contained page for a browser: timelines, tokens and what went in and out.

The page holds no script and loads nothing; everything that comes from documents or models is
escaped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from ragkit.events import Span, tree
from ragkit.events.span_documents import plain
from ragkit.events.traces import total_usage

if TYPE_CHECKING:
    from ragkit.events.traces import Trace

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --faint: #888; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin: 0 }
section { border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0; padding: 1rem }
table.totals td { padding: 0 1.5rem 0 0 } .faint { color: var(--faint) }
details { border-top: 1px solid var(--line) } details details { border: 0 }
summary { display: grid; grid-template-columns: 22rem 6rem 1fr; gap: .75rem; padding: .2rem 0;
  cursor: pointer; align-items: center }
summary .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
summary .time { text-align: right; font-variant-numeric: tabular-nums }
.track { position: relative; height: .8rem; background: var(--line); border-radius: .2rem }
.bar { position: absolute; height: 100%; min-width: 2px; border-radius: .2rem; background: #607d8b }
.answer, .chain { background: #607d8b } .retrieval, .embedding { background: #2e7d32 }
.model { background: #6a1b9a } .tool { background: #ef6c00 } .memory { background: #00838f }
.cache, .guard { background: #9e9d24 } .agent { background: #1565c0 }
.error { background: #c62828 } .failed { color: #c62828 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .6rem;
  border-radius: .3rem; max-height: 24rem; overflow: auto; margin: .3rem 0 .8rem }
"""
_MOST_CHARACTERS = 8_000


def trace_page(traces: Sequence[Trace]) -> str:
    """Return a page of HTML that shows ``traces``, in their order."""
    usage = total_usage([item for trace in traces for item in trace.spans])
    sections = "\n".join(_section(trace) for trace in traces)
    empty = "" if traces else "<p>No question was asked yet.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>ragkit traces</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{len(traces):,} traces</h1>\n"
        f'<table class="totals"><tr>{_totals(usage)}</tr></table>\n'
        f"{sections}{empty}\n</body></html>\n"
    )


def _totals(usage: dict[str, Any]) -> str:
    cost = (
        "" if usage["cost"] is None or not usage["calls"] else f"<td>cost {usage['cost']:.4f}</td>"
    )
    return (
        f"<td>{usage['calls']:,} model calls</td><td>{usage['input_tokens']:,} tokens read</td>"
        f"<td>{usage['output_tokens']:,} tokens written</td>{cost}"
    )


def _section(trace: Trace) -> str:
    moment = datetime.fromtimestamp(trace.started_at).astimezone()
    steps = tree(trace.spans)
    begin = min((step.started_at for _, step in steps), default=trace.started_at)
    whole = max(trace.seconds, 1e-6)
    rows = "\n".join(_row(step, depth, begin, whole) for depth, step in steps)
    dropped = f"<p>{trace.dropped:,} further steps not kept</p>" if trace.dropped else ""
    return (
        f'<section id="{escape(trace.id)}"><h2>{escape(trace.question or trace.kind)}</h2>'
        f'<p class="faint">{escape(trace.kind)} {escape(trace.id)}, {moment:%Y-%m-%d %H:%M:%S}, '
        f"{trace.seconds * 1000:,.1f} ms</p>"
        f'<table class="totals"><tr>{_totals(total_usage(trace.spans))}</tr></table>\n'
        f"{rows}{dropped}</section>"
    )


def _row(step: Span, depth: int, begin: float, whole: float) -> str:
    left = min(100.0, max(0.0, (step.started_at - begin) / whole * 100))
    width = min(100.0 - left, step.seconds / whole * 100)
    failed = step.status != "ok"
    shade = "error" if step.status == "error" else step.kind
    parts = [
        _block(label, content)
        for label, content in (
            ("facts", step.attributes),
            ("in", step.inputs),
            ("out", step.outputs),
        )
        if content
    ]
    if failed:
        parts.insert(0, f'<p class="failed">{escape(step.status)}: {escape(step.error or "")}</p>')
    return (
        f'<details><summary><span class="name{" failed" if failed else ""}" '
        f'style="padding-left:{depth * 1.1:.1f}rem">{escape(step.name)}</span>'
        f'<span class="time">{step.seconds * 1000:,.1f} ms</span>'
        f'<span class="track"><span class="bar {escape(shade)}" '
        f'style="left:{left:.2f}%;width:{width:.2f}%"></span></span></summary>'
        f"{''.join(parts)}</details>"
    )


def _block(label: str, content: Any) -> str:
    shown = plain(content, longest=_MOST_CHARACTERS)
    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, indent=2)
    return f'<div class="faint">{label}</div><pre>{escape(text)}</pre>'
