"""What happened when a question was answered: searches, ranks, scores, times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text
from rich.tree import Tree

from ragkit.cli.output import human_seconds, plural, printable, printable_path

if TYPE_CHECKING:
    from rich.console import Console

    from ragkit.store.records import StoredTrace

_MOST_HITS = 8
_MOST_QUESTION = 500


def trace_document(trace: StoredTrace) -> dict[str, Any]:
    """Return the JSON form of a trace, with its body."""
    return {**trace_row(trace), "body": json.loads(trace.body_json)}


def trace_row(trace: StoredTrace) -> dict[str, Any]:
    """Return the JSON form of a trace in a list."""
    return {
        "id": trace.id,
        "kind": trace.kind,
        "started_at": _moment(trace).isoformat(timespec="milliseconds"),
        "seconds": trace.seconds,
        "question": str(json.loads(trace.body_json).get("question", "")),
    }


def print_traces(out: Console, traces: Sequence[StoredTrace]) -> None:
    """Print one line for each trace."""
    for trace in traces:
        row = trace_row(trace)
        line = Text(trace.id, style="cite")
        line.append(f"  {_moment(trace):%Y-%m-%d %H:%M:%S}  ", style="faint")
        line.append(f"{trace.kind}  {human_seconds(trace.seconds):>7}  ")
        line.append(_one_line(row["question"], 60 if out.is_terminal else _MOST_QUESTION))
        out.print(line)


def print_trace(out: Console, trace: StoredTrace, *, verbose: bool) -> None:
    """Print a trace as a tree: each search with the time of its stages and its best hits."""
    body = json.loads(trace.body_json)
    answer: Mapping[str, Any] = body.get("answer") or {}
    title = Text(f"{trace.kind} {trace.id}", style="bold")
    title.append(f"  {_moment(trace):%Y-%m-%d %H:%M:%S}", style="faint")
    title.append(f"  {human_seconds(trace.seconds)}")
    tree = Tree(title, guide_style="faint")
    tree.add(Text(f"question: {_one_line(str(body.get('question', '')), _MOST_QUESTION)}"))
    searched = 0.0
    for search in body.get("searches", ()):
        searched += _add_search(tree, search, most=None if verbose else _MOST_HITS)
    if answer:
        _add_answer(tree, answer, max(0.0, trace.seconds - searched))
    out.print(tree)


def _add_search(tree: Tree, search: Mapping[str, Any], *, most: int | None) -> float:
    """Add a search to the tree and return its time in seconds."""
    stages: Mapping[str, float] = search.get("milliseconds") or {}
    seconds = sum(stages.values()) / 1000
    hits: Sequence[Mapping[str, Any]] = search.get("hits") or ()
    branch = tree.add(Text(f"search  {human_seconds(seconds)}  {plural(len(hits), 'passage')}"))
    if stages:
        times = ", ".join(f"{stage} {value:.1f} ms" for stage, value in stages.items())
        branch.add(Text(times, style="faint"))
    for sentence in search.get("degraded") or ():
        branch.add(Text(printable(sentence), style="warn"))
    for number, hit in enumerate(hits[:most], start=1):
        branch.add(_hit_line(number, hit))
    if most is not None and len(hits) > most:
        branch.add(Text(f"and {len(hits) - most} more", style="faint"))
    return seconds


def _hit_line(number: int, hit: Mapping[str, Any]) -> Text:
    line = Text(f"{number:2}  {hit['score']:.3f}  ")
    ranks = [f"{stage} {rank}" for stage, rank in (hit.get("ranks") or {}).items() if rank]
    line.append(f"({', '.join(ranks)})  " if ranks else "", style="faint")
    line.append(printable_path(hit["path"]), style="path")
    if hit.get("page") is not None:
        line.append(f", page {hit['page']}", style="path")
    if hit.get("heading"):
        line.append(f"  {printable_path(hit['heading'])}", style="faint")
    return line


def _add_answer(tree: Tree, answer: Mapping[str, Any], seconds: float) -> None:
    branch = tree.add(Text(f"answer  {human_seconds(seconds)}  {answer.get('model', '')}"))
    usage: Mapping[str, int] = answer.get("usage") or {}
    if any(usage.values()):
        branch.add(
            Text(
                f"{usage.get('input_tokens', 0):,} tokens read,"
                f" {usage.get('output_tokens', 0):,} written",
                style="faint",
            )
        )
    if answer.get("refused"):
        branch.add(Text(f"refused: {printable(answer.get('reason') or '')}", style="warn"))
    else:
        branch.add(Text(_one_line(str(answer.get("text", "")), _MOST_QUESTION)))
        branch.add(Text(plural(len(answer.get("citations") or ()), "citation"), style="faint"))
    for sentence in answer.get("unsupported") or ():
        branch.add(Text(f"not supported by the sources: {printable(sentence)}", style="warn"))
    for sentence in answer.get("degraded") or ():
        branch.add(Text(printable(sentence), style="warn"))


def _moment(trace: StoredTrace) -> datetime:
    return datetime.fromtimestamp(trace.started_at).astimezone()


def _one_line(text: str, longest: int) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
