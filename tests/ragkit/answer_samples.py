"""A few documents, cut into passages by the real loader and chunker, for the tests of answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.chunker import ChunkerOptions, chunk_document
from ingest.loader_spec import Source
from ingest.loaders.markdown import load_markdown
from ragkit.answer.chain import Resources, answer_stream
from ragkit.llm.meter import Meter
from ragkit.question.reading import read_question
from ragkit.results import Answer, Hit, SearchResult, Sources, TextDelta
from ragkit.testing import HashEmbedder

if TYPE_CHECKING:
    from ingest.document import Document
    from ragkit.embed.embedder import Embedder
    from ragkit.llm.chat_model import ChatModel
    from ragkit.question.question import Question

WARRANTY = """\
# Volto X warranty

## Period

How long is the warranty? The warranty of the Volto X lasts 24 months from the date of purchase.
It does not cover batteries. Dr. Elke Brandt handles all claims.

Covered separately:

- Batteries: 12 months
- Chargers: 6 months, but only if they were bought with the device

## Prices

| Plan | Price | Users |
|---|---|---|
| Basic | $9 | 1 |
| Pro | $49 | 10 |

## Reset

To reset the device:

1. Hold the power button for ten seconds.
2. Release it when the lamp turns blue.
3. Wait until the lamp goes out.
"""

TRAVEL = """\
# Travel policy

Hotels are paid up to €190 per night in London and up to €150 elsewhere. Breakfast is included
in these limits. The policy was approved on 3 March 2024 by the management board.

Flights in business class need the approval of the managing director, because they cost four times
as much as the train.
"""


class Words:
    """A tokenizer for which every word is a token."""

    def token_starts(self, text: str) -> Sequence[int]:
        return [match.start() for match in re.finditer(r"\S+", text)]


class Library:
    """Documents in memory, searched by the number of shared words."""

    def __init__(self, **texts: str) -> None:
        self.documents: dict[str, Document] = {}
        self.hits: list[Hit] = []
        for name, text in (texts or {"warranty": WARRANTY, "travel": TRAVEL}).items():
            path = f"{name}.md"
            self.add(path, load_markdown(Source(Path(path), text.encode())))

    def add(self, path: str, document: Document) -> None:
        self.documents[path] = document
        options = ChunkerOptions(target_tokens=60, max_tokens=120)
        for chunk in chunk_document(document, tokenizer=Words(), options=options, name=path):
            heading = " > ".join(chunk.heading)
            self.hits.append(
                Hit(path, chunk.page, chunk.start, chunk.end, chunk.text, 0.5, heading)
            )

    def retrieve(self, question: Question, *, k: int = 8) -> SearchResult:
        asked = set(re.findall(r"\w+", question.text.casefold()))

        def score(hit: Hit) -> float:
            found = set(re.findall(r"\w+", f"{hit.heading} {hit.text}".casefold()))
            return len(asked & found) / max(1, len(asked))

        ranked = sorted(self.hits, key=score, reverse=True)[:k]
        return SearchResult(
            tuple(Hit(h.path, h.page, h.start, h.end, h.text, score(h), h.heading) for h in ranked)
        )

    def stream(
        self,
        question: str,
        *,
        history: object = (),
        embedder: Embedder | None = None,
        model: ChatModel | None = None,
        trace: str = "",
        clock: Callable[[], float] = time.perf_counter,
        **options: Any,
    ) -> list[Sources | TextDelta | Answer]:
        meter = Meter()
        resources = Resources(
            retrieve=self.retrieve,
            embedder=lambda: embedder or HashEmbedder(),
            models=() if model is None else (meter.metered(model),),
            meter=meter,
            document_of=self.documents.get,
            **options,
        )
        asked = read_question(question, history)
        return list(answer_stream(asked, resources, trace=trace, clock=clock))

    def ask(self, question: str, **options: Any) -> Answer:
        answer = self.stream(question, **options)[-1]
        assert isinstance(answer, Answer)
        self.check(answer)
        return answer

    def check(self, answer: Answer) -> None:
        """What holds for every answer: verbatim quotes, numbered in order, all of them used."""
        for citation in answer.citations:
            text = self.documents[citation.path].text
            assert text[citation.start : citation.end] == citation.quote
        numbers = [citation.n for citation in answer.citations]
        assert numbers == list(range(1, len(numbers) + 1))
        used = {int(n) for n in re.findall(r"\[(\d+)\]", answer.text)}
        assert used >= set(numbers)
        assert not (answer.sure and answer.reason)
        assert answer.reason or not answer.refused
        if answer.refused:
            assert answer.citations == ()
