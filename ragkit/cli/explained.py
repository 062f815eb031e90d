"""What happened when a question was answered: a tree of steps with ranks, scores, times, tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ragkit.cli.output import human_seconds, plural, printable, printable_path
from ragkit.events import Span, tree
from ragkit.events.console import duration, facts_line, usage_words
from ragkit.events.span_documents import span_document
from ragkit.events.traces import total_usage

if TYPE_CHECKING:
    from rich.console import Console

    from ragkit.events.traces import Trace
    from ragkit.results import SearchResult

_MOST_HITS = 8
_MOST_CHARACTERS = 500
_WIDEST = 2_000


def trace_document(trace: Trace) -> dict[str, Any]:
    """Return the JSON form of a trace, with its spans."""
    return {
        **trace_row(trace),
        "dropped": trace.dropped,
        "spans": [span_document(item) for item in trace.spans],
    }


def trace_row(trace: Trace) -> dict[str, Any]:
    """Return the JSON form of a trace in a list."""
    return {
        "id": trace.id,
        "kind": trace.kind,
        "started_at": _moment(trace).isoformat(timespec="milliseconds"),
        "seconds": trace.seconds,
        "question": trace.question,
        "steps": len(trace.spans),
        "usage": total_usage(trace.spans),
    }


def print_traces(out: Console, traces: Sequence[Trace]) -> None:
    """Print one line for each trace."""
    for trace in traces:
        line = Text(trace.id[:12], style="cite")
        line.append(f"  {_moment(trace):%Y-%m-%d %H:%M:%S}  ", style="faint")
        line.append(f"{printable(trace.kind)}  {human_seconds(trace.seconds):>7}  ")
        line.append(_one_line(trace.question, 60 if out.is_terminal else _MOST_CHARACTERS))
        used = usage_words(total_usage(trace.spans))
        line.append(f"  ({used})" if used else "", style="faint")
        out.print(line)


def print_trace(out: Console, trace: Trace, *, verbose: bool) -> None:
    """Print a trace as a tree: each step with its time, what it found, said or failed of."""
    title = Text(f"{printable(trace.kind)} {trace.id[:12]}", style="bold")
    title.append(f"  {_moment(trace):%Y-%m-%d %H:%M:%S}", style="faint")
    title.append(f"  {human_seconds(trace.seconds)}")
    title.append(f"  {usage_words(total_usage(trace.spans))}", style="faint")
    drawn = Tree(title, guide_style="faint")
    if trace.question:
        drawn.add(Text(f"question: {_one_line(trace.question, _MOST_CHARACTERS)}"))
    branches = [drawn]
    for depth, step in tree(trace.spans):
        if depth:
            del branches[depth:]
            branches.append(branches[-1].add(_step_line(step)))
        else:
            branches = [drawn]
        for line in _details(step, verbose=verbose):
            branches[-1].add(line)
    if trace.dropped:
        drawn.add(Text(f"{plural(trace.dropped, 'further step')} not kept", style="warn"))
    _print_whole(out, drawn)
    root = tree(trace.spans)[0][1] if trace.spans else None
    answer = root.outputs.get("answer") if root and isinstance(root.outputs, dict) else None
    if answer:
        _print_whole(out, _answer_tree(answer))


def _print_whole(out: Console, drawn: Tree) -> None:
    """Print a tree; away from a terminal without wrapping, so that other programs can read it."""
    if out.is_terminal:
        out.print(drawn)
        return
    out.width = _WIDEST
    with out.capture() as capture:
        out.print(drawn)
    for line in capture.get().splitlines():
        out.out(line.rstrip())


def _step_line(step: Span) -> Text:
    line = Text(f"{printable(step.name)}  {duration(step.seconds)}")
    tokens = usage_words(step.attributes) if step.kind == "model" else ""
    for part in (tokens, printable(facts_line(step))):
        line.append(f"  {part}" if part else "", style="faint")
    if step.status != "ok":
        line.append(f"  {step.status}", style="warn")
        line.append(f": {printable(step.error)}" if step.error else "", style="warn")
    return line


def _details(step: Span, *, verbose: bool) -> Iterator[Text]:
    outputs = step.outputs if isinstance(step.outputs, dict) else {}
    hits: Sequence[Mapping[str, Any]] = outputs.get("hits") or ()
    most = len(hits) if verbose else _MOST_HITS
    for number, hit in enumerate(hits[:most], start=1):
        yield _hit_line(number, hit)
    if len(hits) > most:
        yield Text(f"and {len(hits) - most} more", style="faint")
    if step.kind != "answer":
        for sentence in step.attributes.get("degraded") or ():
            yield Text(printable(str(sentence)), style="warn")
    notes: Sequence[Mapping[str, Any]] = outputs.get("notes") or ()
    if step.kind == "memory" and notes:
        for recalled in notes:
            line = Text(_one_line(str(recalled["text"]), _MOST_CHARACTERS))
            line.append(f"  ({printable(str(recalled['why']))})", style="faint")
            yield line
    elif step.kind in ("tool", "memory") or verbose:
        for label, content in (("in", step.inputs), ("out", step.outputs)):
            if content and not hits and step.kind != "answer":
                yield Text(f"{label}: {_one_line(str(content), _MOST_CHARACTERS)}", style="faint")


def print_considered(out: Console, result: SearchResult) -> None:
    """Print what a search made of its question, and what became of each passage it considered."""
    for sentence in result.notes:
        out.print(Text(printable(sentence), style="faint"))
    if not result.considered:
        return
    reranked = any(passage.rerank_score is not None for passage in result.considered)
    table = Table(box=None, pad_edge=False, header_style="faint")
    heads = ["score", "meaning", "words", *(["reranked"] if reranked else []), "passage", ""]
    for head in heads:
        table.add_column(head, overflow="fold")
    for passage in result.considered:
        place = printable_path(passage.path)
        place += f", page {passage.page}" if passage.page is not None else ""
        rerank = [] if not reranked else [_staged(None, passage.rerank_score)]
        table.add_row(
            f"{passage.score:.3f}",
            _staged(passage.dense_rank, passage.dense_score),
            _staged(passage.lexical_rank, passage.lexical_score),
            *rerank,
            Text(f"{place} [{passage.start}:{passage.end}]", style="path"),
            Text(passage.outcome, style="faint"),
        )
    out.print(table)


def _staged(rank: int | None, score: float | None) -> str:
    if score is None:
        return "-"
    return f"{score:.3f}" if rank is None else f"{rank}. {score:.3f}"


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


def _answer_tree(answer: Mapping[str, Any]) -> Tree:
    branch = Tree(Text(f"answer  {answer.get('model', '')}", style="bold"), guide_style="faint")
    if answer.get("refused"):
        branch.add(Text(f"refused: {printable(answer.get('reason') or '')}", style="warn"))
    else:
        branch.add(Text(_one_line(str(answer.get("text", "")), _MOST_CHARACTERS)))
        branch.add(Text(plural(len(answer.get("citations") or ()), "citation"), style="faint"))
    for sentence in answer.get("unsupported") or ():
        branch.add(Text(f"not supported by the sources: {printable(sentence)}", style="warn"))
    for sentence in answer.get("degraded") or ():
        branch.add(Text(printable(sentence), style="warn"))
    return branch


def compare_traces(first: Trace, second: Trace) -> list[dict[str, Any]]:
    """Set two traces side by side: for each step, by its place in the tree, both times.

    Steps of the same name under the same parent are matched in order; one that only one trace
    has is there with ``None`` for the other.
    """
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for side, trace in (("first", first), ("second", second)):
        names: list[str] = []
        seen: dict[tuple[str, ...], int] = {}
        for depth, step in tree(trace.spans):
            place = (*names[:depth], step.name)
            seen[place] = seen.get(place, 0) + 1
            label = step.name if seen[place] == 1 else f"{step.name} #{seen[place]}"
            names[depth:] = [label]
            row = rows.setdefault(
                tuple(names),
                {"step": label, "depth": depth, "kind": step.kind, "first": None, "second": None},
            )
            row[side] = {
                "seconds": step.seconds,
                "status": step.status,
                "input_tokens": step.attributes.get("input_tokens"),
                "output_tokens": step.attributes.get("output_tokens"),
            }
    return [rows[place] for place in sorted(rows, key=lambda place: _order(rows, place))]


def _order(rows: Mapping[tuple[str, ...], Any], place: tuple[str, ...]) -> list[int]:
    order = {known: number for number, known in enumerate(rows)}
    return [order[place[: depth + 1]] for depth in range(len(place))]


def print_comparison(out: Console, first: Trace, second: Trace) -> None:
    """Print two traces side by side."""
    table = Table(box=None, pad_edge=False)
    table.add_column("step")
    for trace in (first, second):
        table.add_column(trace.id[:12], justify="right")
    table.add_column("ratio", justify="right")
    for row in compare_traces(first, second):
        times = [row[side]["seconds"] if row[side] else 0.0 for side in ("first", "second")]
        shown = [duration(seconds) if seconds else "-" for seconds in times]
        ratio = f"{times[1] / times[0]:.2f}" if all(times) else ""
        table.add_row("  " * row["depth"] + printable(row["step"]), *shown, ratio)
    for label, key in (("tokens read", "input_tokens"), ("tokens written", "output_tokens")):
        totals = [total_usage(trace.spans)[key] for trace in (first, second)]
        if any(totals):
            table.add_row(label, *(f"{total:,}" for total in totals), "")
    out.print(table)


def _moment(trace: Trace) -> datetime:
    return datetime.fromtimestamp(trace.started_at).astimezone()


def _one_line(text: str, longest: int) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
