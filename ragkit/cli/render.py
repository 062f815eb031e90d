"""Answers and search hits as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.padding import Padding
from rich.text import Text

from ragkit.cli.output import human_seconds, note, plural, printable, printable_path
from ragkit.language.words import stem, terms
from ragkit.results import Answer, Citation, Hit, Sources, TextDelta

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console

    from ragkit.kb import KnowledgeBase

_CITE = re.compile(r"\[\d+(?:\s*,\s*\d+)*\]")
_WORD = re.compile(r"\w+")
_WIDEST = 100
_SNIPPET = 260
_QUOTE = 400
_BAR = 5


def stream_answer(
    out: Console, events: Iterable[Sources | TextDelta | Answer], *, waiting: bool
) -> Answer:
    """Print an answer as it comes, wrapped to the terminal, and return it.

    With ``waiting``, a line says what is being waited for until the first words arrive. Should
    the answer differ from what was streamed, as when a model fails half-way, it is printed too.
    """
    writer = AnswerWriter(out)
    status: AbstractContextManager[object] | None = None
    answer: Answer | None = None
    try:
        for event in events:
            if isinstance(event, Sources):
                if waiting and event.hits:
                    documents = len({hit.path for hit in event.hits})
                    status = out.status(
                        f"Reading {plural(len(event.hits), 'passage')} from"
                        f" {plural(documents, 'document')}…"
                    )
                    status.__enter__()
                continue
            if status is not None:
                status.__exit__(None, None, None)
                status = None
            if isinstance(event, TextDelta):
                writer.write(event.text)
            else:
                answer = event
    finally:
        if status is not None:
            status.__exit__(None, None, None)
        writer.finish()
    if answer is None:
        raise RuntimeError("the stream ended without an answer")
    if _squeeze(answer.text) != _squeeze(writer.text):
        if writer.text.strip():
            out.print("This takes the place of the above:", style="faint")
        print_text(out, answer.text)
    return answer


def print_text(out: Console, text: str) -> None:
    """Print a text with its citations coloured, wrapped at a terminal."""
    if not out.is_terminal:
        out.print(printable(text))
        return
    writer = AnswerWriter(out)
    writer.write(text)
    writer.finish()


def print_answer(out: Console, kb: KnowledgeBase, answer: Answer, *, verbose: bool) -> None:
    """Print what comes after an answer's text: reason, sources, and what was not supported."""
    if answer.reason and _squeeze(answer.reason) not in _squeeze(answer.text):
        out.print(f"Why: {printable(answer.reason)}", style="faint")
    if answer.citations:
        out.print()
        for citation in answer.citations:
            print_citation(out, kb, citation, longest=_QUOTE)
    for sentence in answer.unsupported:
        out.print(f"Not supported by the sources: {printable(sentence)}", style="warn")
    print_degraded(answer.degraded)
    if verbose:
        usage = answer.usage
        tokens = (
            f", {usage.input_tokens:,} tokens read, {usage.output_tokens:,} written"
            if usage.input_tokens or usage.output_tokens
            else ""
        )
        cost = f", {usage.cost:.4f}" if tokens and usage.cost is not None else ""
        cached = ", given before" if answer.cached else ""
        took = human_seconds(answer.seconds)
        note(f"{answer.model}, {took}{tokens}{cost}{cached}; trace {answer.trace}")


def print_citation(
    out: Console, kb: KnowledgeBase, citation: Citation, *, longest: int | None
) -> None:
    """Print one source and its quote; ``longest`` cuts the quote, ``None`` keeps it as it is."""
    line = Text(f"[{citation.n}] ", style="cite")
    line.append_text(place(out, kb, citation.path, citation.page))
    if citation.line is not None:
        line.append(f", line {citation.line}")
    if citation.heading:
        line.append(f"  {printable_path(citation.heading)}", style="faint")
    out.print(line)
    quote = printable(citation.quote)
    if longest is not None:
        quote = _cut(_squeeze(quote), longest)
    _print_indented(out, Text(quote, style="quote"))


def place(out: Console, kb: KnowledgeBase, path: str, page: int | None) -> Text:
    """Return ``file.pdf, page 12``, as a link to the file where the terminal can follow it."""
    text = Text(printable_path(path), style="path")
    if page is not None:
        text.append(f", page {page}")
    if out.is_terminal:
        link = _link(kb, path, page)
        if link is not None:
            text.stylize(f"link {link}")
    return text


def print_hits(
    out: Console,
    kb: KnowledgeBase,
    hits: Sequence[Hit],
    question: str,
    *,
    filtered: bool,
    verbose: bool = False,
) -> None:
    """Print search hits, numbered, each with its place, score and a snippet."""
    if not hits:
        out.print(
            "Nothing found" + (" among the documents that --where allows." if filtered else ".")
        )
        return
    wanted = terms(question)
    for number, hit in enumerate(hits, start=1):
        line = Text(f"{number:2}  ")
        line.append_text(place(out, kb, hit.path, hit.page))
        if hit.heading:
            line.append(f"  {printable_path(hit.heading)}", style="bold")
        line.append(f"  {_score(out, hit.score)}", style="faint")
        if verbose:
            line.append(f"  {_ranks(hit)}", style="faint")
        out.print(line)
        whole = _squeeze(printable(hit.text))
        snippet = Text(whole if verbose else _window(whole, wanted))
        for start, end in _matches(snippet.plain, wanted):
            snippet.stylize("match", start, end)
        _print_indented(out, snippet)


def print_degraded(degraded: Sequence[str]) -> None:
    """Say on stderr what went less than well."""
    for sentence in degraded:
        note(f"Note: {printable(sentence)}")


def print_stages(milliseconds: Mapping[str, float]) -> None:
    """Say on stderr how long each stage took."""
    note(", ".join(f"{stage} {value:.1f} ms" for stage, value in milliseconds.items()))


def end_line() -> None:
    """End the line on which an answer is being written, if there is one; it goes on in the next."""
    if AnswerWriter.under_way is not None:
        AnswerWriter.under_way.finish()


class AnswerWriter:
    """Writes text to a terminal as it arrives: whole words, wrapped, citations coloured."""

    under_way: ClassVar[AnswerWriter | None] = None  # whose line is not ended; there is one screen

    def __init__(self, out: Console) -> None:
        self.text = ""
        self._out = out
        self._width = min(out.width, _WIDEST)
        self._pending = ""
        self._space = ""
        self._column = 0

    def write(self, text: str) -> None:
        """Take in a piece, and print what is complete of it."""
        AnswerWriter.under_way = self
        self.text += text
        self._pending += text
        spaces = [match.end() for match in re.finditer(r"\s", self._pending)]
        cut = spaces[-1] if spaces else 0
        if len(self._pending) - cut > 40:  # a script without spaces between words
            bracket = self._pending.rfind("[", len(self._pending) - 8)
            cut = bracket if bracket > cut else len(self._pending)
        ready, self._pending = self._pending[:cut], self._pending[cut:]
        self._print(ready)

    def finish(self) -> None:
        """Print what is left and end the line."""
        ready, self._pending = self._pending, ""
        self._print(ready)
        if self._column:
            self._out.print()
        self._column, self._space = 0, ""
        AnswerWriter.under_way = None

    def _print(self, text: str) -> None:
        line = Text()
        for piece in re.findall(r"\n|[^\S\n]+|\S+", printable(text)):
            if piece == "\n":
                line.append("\n")
                self._column, self._space = 0, ""
            elif piece.isspace():
                self._space = piece
            else:
                width = cell_len(piece)
                if self._column and self._column + len(self._space) + width > self._width:
                    line.append("\n")
                    self._column, self._space = 0, ""
                line.append(self._space + piece)
                self._column += len(self._space) + width
                self._space = ""
        if line.plain:
            line.highlight_regex(_CITE, "cite")
            self._out.print(line, end="", soft_wrap=True)


def _print_indented(out: Console, text: Text) -> None:
    if not out.is_terminal:
        out.print(Text("    ") + text)
        return
    out.print(Padding(text, (0, 0, 0, 4)), width=min(out.width, _WIDEST))


def _link(kb: KnowledgeBase, path: str, page: int | None) -> str | None:
    file = kb.locate(path)
    if file is None:
        return None
    uri = file.as_uri()
    return f"{uri}#page={page}" if page is not None else uri


def _score(out: Console, score: float) -> str:
    if not out.is_terminal or out.options.ascii_only:
        return f"{score:.2f}"
    full = round(min(max(score, 0.0), 1.0) * _BAR)
    return f"{'█' * full}{'░' * (_BAR - full)} {score:.2f}"


def _ranks(hit: Hit) -> str:
    ranks = (
        ("dense", hit.ranks.dense),
        ("lexical", hit.ranks.lexical),
        ("rerank", hit.ranks.rerank),
    )
    return ", ".join(f"{stage} {rank}" for stage, rank in ranks if rank is not None)


def _matches(text: str, wanted: AbstractSet[str]) -> list[tuple[int, int]]:
    """Find the words of ``text`` that the question has too, in whatever inflection."""
    return [
        match.span()
        for match in _WORD.finditer(text)
        if wanted and stem(match[0].casefold()) in wanted
    ]


def _window(text: str, wanted: AbstractSet[str]) -> str:
    """Cut out the stretch of ``text`` with the most matches, on word boundaries."""
    if len(text) <= _SNIPPET:
        return text
    starts = [start for start, _ in _matches(text, wanted)]
    best = max(
        starts,
        key=lambda start: sum(start <= other < start + _SNIPPET - 40 for other in starts),
        default=0,
    )
    start = max(0, min(best - 40, len(text) - _SNIPPET))
    if start:
        start = text.find(" ", start, start + 30) + 1 or start
    return ("…" if start else "") + _cut(text[start:], _SNIPPET)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    space = text.rfind(" ", longest - 30, longest)
    return text[: space if space > 0 else longest - 1] + "…"


def _squeeze(text: str) -> str:
    return " ".join(text.split())
