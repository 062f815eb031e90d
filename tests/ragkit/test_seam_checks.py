"""The checks of ragkit.testing: what ragkit brings along passes, and what does wrong is found out."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.document import Document, Page
from ingest.loader_spec import Source
from ragkit.agent import tool
from ragkit.embed import load_embedder
from ragkit.events import JsonLines
from ragkit.index import Allowed, Scored
from ragkit.index.tantivy_index import TantivyIndex, TantivyReader
from ragkit.llm.chat_model import Delta
from ragkit.memory.memory import Recall
from ragkit.question import Question
from ragkit.retrieve.rerank import SentenceReranker
from ragkit.testing import (
    HashEmbedder,
    ScriptedModel,
    check_chat_model,
    check_embedder,
    check_expander,
    check_loader,
    check_memory,
    check_reranker,
    check_tool,
    check_trace_sink,
    check_word_index,
)


def test_what_ragkit_brings_along_passes(tmp_path: Path) -> None:
    check_embedder(HashEmbedder())
    check_embedder(load_embedder("all-MiniLM-L6-v2"))
    check_reranker(SentenceReranker(HashEmbedder))
    check_chat_model(ScriptedModel("Hello there", "Hello"))
    check_tool(add, {"one": 1, "other": 2})
    with contextlib.closing(JsonLines(tmp_path / "spans.jsonl")) as sink:
        check_trace_sink(sink)
    (tmp_path / "a.md").write_text("# One\n\nSome text.\n\n## Two\n\nMore of it.", encoding="utf-8")
    check_loader(load_words, tmp_path / "a.md")
    check_memory(Notebook())


class TestEmbedders:
    class Wrong(HashEmbedder):
        def embed(self, texts: Sequence[str], *, kind: Any) -> Any:
            rows = super().embed(texts, kind=kind)
            if self.name == "long":
                return 2 * rows
            if self.name == "double":
                return rows.astype(np.float64)
            if self.name == "by batch":
                return np.roll(rows, 1, axis=1) if len(texts) > 1 else rows
            if self.name == "a list":
                return rows.tolist()
            if self.name == "one for all":
                return np.eye(1, rows.shape[1], dtype=np.float32).repeat(len(texts), axis=0)
            return rows[:1]

    @pytest.mark.parametrize("name", ["long", "double", "by batch", "a list", "one for all", "one"])
    def test_wrong_ones(self, name: str) -> None:
        with pytest.raises(AssertionError):
            check_embedder(self.Wrong(name=name))


class TestRerankers:
    class Wrong:
        def __init__(self, how: str) -> None:
            self.how = how

        def scores(self, question: str, passages: Sequence[str]) -> list[float]:
            if self.how == "by place":
                return [1 / (1 + place) for place in range(len(passages))]
            if self.how == "texts":
                return ["0.5"] * len(passages)  # type: ignore[list-item]
            return [7.0] * len(passages) if self.how == "logits" else [0.5]

    @pytest.mark.parametrize("how", ["by place", "logits", "texts", "one"])
    def test_wrong_ones(self, how: str) -> None:
        with pytest.raises(AssertionError):
            check_reranker(self.Wrong(how))


class TestExpanders:
    class Wrong:
        def __init__(self, how: str) -> None:
            self.how, self.calls = how, 0

        def expand(self, question: Question) -> Any:
            self.calls += 1
            return {"a text": "lamp", "empty": [""], "others": [f"lamp {self.calls}"], "right": []}[
                self.how
            ]

    @pytest.mark.parametrize("how", ["a text", "empty", "others"])
    def test_wrong_ones(self, how: str) -> None:
        check_expander(self.Wrong("right"))
        with pytest.raises(AssertionError):
            check_expander(self.Wrong(how))


class TestModels:
    class Wrong(ScriptedModel):
        def stream(self, messages: Any, **options: Any) -> Iterator[Delta]:
            pieces = list(super().stream(messages, **options))
            if self.name == "no end":
                pieces = [replace(piece, finish_reason=None) for piece in pieces]
            if self.name == "goes on":
                pieces.append(Delta("more"))
            return iter(pieces) if self.name == "no generator" else (one for one in pieces)

    @pytest.mark.parametrize("name", ["no end", "goes on", "no generator"])
    def test_wrong_ones(self, name: str) -> None:
        with pytest.raises(AssertionError):
            check_chat_model(self.Wrong("Hello there", "Hello", name=name))


def load_words(source: Source) -> Document:
    from ingest.loaders.registry import load_bytes

    return load_bytes(source.path, source.data)


def test_loaders_that_do_wrong(tmp_path: Path) -> None:
    def lies_about_pages(source: Source) -> Document:
        return replace(load_words(source), pages=(Page(2, 0, 5),))

    def reads_the_path(source: Source) -> Document:
        text = source.path.read_text(encoding="utf-8")
        return load_words(replace(source, data=text.encode()))

    count = iter(range(9))

    def differs(source: Source) -> Document:
        return replace(load_words(source), title=str(next(count)))

    (tmp_path / "a.txt").write_text("Some text.", encoding="utf-8")
    for wrong in (lies_about_pages, reads_the_path, differs):
        with pytest.raises((AssertionError, FileNotFoundError)):
            check_loader(wrong, tmp_path / "a.txt")


class Notebook:
    """A memory of the last thing that was said."""

    limits = True

    def __init__(self) -> None:
        self.last = ""

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        from ragkit.memory.memory import Note

        words = self.last.split()[: max_tokens if self.limits else None]
        return Recall(notes=(Note(" ".join(words), "turn", "it was last"),) if words else ())

    def remember(self, question: str, answer: str, *, trace: str | None = None) -> None:
        self.last = f"{question} {answer}"


def test_memories_that_do_wrong() -> None:
    class Endless(Notebook):
        limits = False

    class Forgetful(Notebook):
        def remember(self, question: str, answer: str, *, trace: str | None = None) -> None:
            pass

    for wrong in (Endless(), Forgetful()):
        with pytest.raises(AssertionError):
            check_memory(wrong)


@tool
def add(one: int, other: int) -> int:
    """Add two numbers."""
    return one + other


def test_tools_and_sinks_that_do_wrong() -> None:
    @tool
    def fails(one: int) -> int:
        """Fail."""
        raise ValueError(one)

    with pytest.raises(AssertionError):
        check_tool(fails, {"one": 1})
    with pytest.raises(AssertionError):
        check_tool(add, {"one": "x"})

    def sink(span: Any) -> None:
        raise KeyError(span.name)

    with pytest.raises(AssertionError):
        check_trace_sink(sink)


# Word indexes: tantivy's, and wrong ones made of it


def test_tantivy_passes() -> None:
    check_word_index(TantivyIndex)


def wrong_words(**methods: Any) -> type:
    """An index whose reader differs from the right one in some methods."""
    reader = type("Wrong", (TantivyReader,), {"__slots__": (), **methods})

    class Index(TantivyIndex):
        def reader(self) -> Any:
            found = super().reader()
            return found and reader(found.index, found.searcher, found.sequence)

    return Index


def _search(self: TantivyReader, *arguments: Any) -> list[Scored]:
    return TantivyReader.search(self, *arguments)


def ignores_filters(self: Any, parts: Any, k: int, allowed: Any, weights: Any) -> list[Scored]:
    return _search(self, parts, k, None, weights)


def filters_afterwards(self: Any, parts: Any, k: int, allowed: Any, weights: Any) -> list[Scored]:
    found = _search(self, parts, k, None, weights)
    return [one for one in found if allowed is None or one.chunk_id in allowed.ids()]


def orders_backwards(self: Any, parts: Any, k: int, allowed: Any, weights: Any) -> list[Scored]:
    found = _search(self, parts, 1_000, allowed, weights)
    return sorted(found, key=lambda one: (-one.score, -one.chunk_id))[:k]


def scores_beyond_one(self: Any, *arguments: Any) -> list[Scored]:
    return [Scored(one.chunk_id, 1 + one.score) for one in _search(self, *arguments)]


def reads_syntax(self: Any, parts: Any, *others: Any) -> list[Scored]:
    self.index.parse_query(parts[0][0], ["body"])
    return _search(self, parts, *others)


def knows_no_filter(self: Any, words: Sequence[str], allowed: Allowed | None) -> frozenset[str]:
    return TantivyReader.absent(self, words, None)


class KeepsRemoved(TantivyIndex):
    def apply(self, changes: Any) -> int:
        from ragkit.store.feed import WordChanges

        assert isinstance(changes, WordChanges)
        held = changes.ranges if changes.whole else tuple((10**6, 10**6) for _ in changes.ranges)
        return super().apply(replace(changes, ranges=held))


class OfAnyBase(TantivyIndex):
    def __init__(self, directory: Path | None, base: str) -> None:
        super().__init__(directory, "any")


class NeverDrops(TantivyIndex):
    def drop(self) -> None:
        self.close()


@pytest.mark.parametrize(
    "index",
    [
        wrong_words(search=ignores_filters),
        wrong_words(search=filters_afterwards),
        wrong_words(search=orders_backwards),
        wrong_words(search=scores_beyond_one),
        wrong_words(search=reads_syntax),
        wrong_words(absent=knows_no_filter),
        wrong_words(holds=lambda self, stem: True),
        wrong_words(terms=lambda self, prefix: []),
        wrong_words(languages=lambda self: ("german",)),
        KeepsRemoved,
        OfAnyBase,
        NeverDrops,
    ],
)
def test_a_word_index_that_does_wrong_is_found_out(index: type) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_word_index(index)
