"""Whether an object of one's own does what the place it is put into relies on.

Each check takes the object, raises ``AssertionError`` where it does not, and asks nothing of what
it says, only of how: a model is not judged here.
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.document import Document
from ingest.loader_spec import Source
from ingest.loaders.registry import checked
from ragkit.errors import UsageError
from ragkit.events import recording, span
from ragkit.llm.chat_model import Delta, Message, ToolCall
from ragkit.memory.memory import Recall
from ragkit.question import read_question

if TYPE_CHECKING:
    from ingest.loader_spec import Loader
    from ragkit.agent.tool import Tool
    from ragkit.embed.embedder import Embedder
    from ragkit.events import Sink
    from ragkit.llm.chat_model import ChatModel
    from ragkit.memory.memory import Memory
    from ragkit.retrieve.expansion import Expander
    from ragkit.retrieve.rerank import Reranker

TEXTS = (
    "The lamp in the hall is green.",
    "Zwei Boote liegen am Steg.",
    "",
    "東京 🙂",
    "word " * 3_000,
    "The lamp in the hall is green.",
)


def check_embedder(embedder: Embedder) -> None:
    """Check shapes, lengths, and that a text's vector depends on nothing but the text."""
    import numpy as np

    width = embedder.fingerprint.dimension
    _require(bool(embedder.name), "name is empty")
    _require(embedder.max_tokens > 0, "max_tokens is not above 0", embedder.max_tokens)
    for kind in ("passage", "query"):
        rows = embedder.embed(list(TEXTS), kind=kind)
        _require(isinstance(rows, np.ndarray), "embed() gives no numpy array", type(rows))
        _require(rows.shape == (len(TEXTS), width), "embed() has another shape", rows.shape)
        _require(rows.dtype == np.float32, "embed() does not give float32", rows.dtype)
        _require(bool(np.isfinite(rows).all()), "embed() gives numbers that are not finite")
        lengths = np.linalg.norm(rows, axis=1)
        _require(bool(np.allclose(lengths, 1.0, atol=1e-3)), "vectors are not of unit length")
        for place, text in enumerate(TEXTS):
            alone = embedder.embed([text], kind=kind)[0]
            same = float(alone @ rows[place]) > 1 - 1e-4
            _require(same, "a vector depends on what else is embedded", text[:40])
        alike = float(rows[0] @ rows[1]) > 1 - 1e-4
        _require(not alike, "texts that have nothing in common get the same vector", TEXTS[:2])
        nothing = embedder.embed([], kind=kind)
        _require(nothing.shape == (0, width), "no text gives another shape", nothing.shape)
    for text in TEXTS:
        starts = embedder.tokenizer.token_starts(text)
        _require(list(starts) == sorted(starts), "token_starts() does not ascend", text[:40])
        inside = all(0 <= start < max(1, len(text)) for start in starts)
        _require(inside, "token_starts() lie outside of the text", text[:40])


def check_reranker(reranker: Reranker) -> None:
    """Check that each passage gets a score from 0 to 1, which does not depend on its place."""
    import numpy as np

    passages = [text for text in TEXTS[:5] if text]
    question = "What colour is the lamp?"
    scores = reranker.scores(question, passages)
    sized = hasattr(scores, "__len__")
    _require(sized, "scores() gives no list of numbers", type(scores))
    numbers = all(isinstance(one, float | int | np.number) for one in scores)
    _require(numbers, "a score is no number", scores)
    _require(len(scores) == len(passages), "there is not one score for each passage", len(scores))
    _require(all(0.0 <= one <= 1.0 for one in scores), "a score is not from 0 to 1", scores)
    backwards = reranker.scores(question, passages[::-1])[::-1]
    same = all(abs(a - b) < 1e-3 for a, b in zip(scores, backwards, strict=True))
    _require(same, "scores depend on the order of the passages", (scores, backwards))
    _require(not list(reranker.scores(question, [])), "no passage gives a score")


def check_expander(expander: Expander) -> None:
    """Check that any question gives a list of texts, the same twice, and none that is empty."""
    for text in ("What colour is the lamp?", "東京?", "the", "lamp " * 3_000):
        question = read_question(text)
        found = expander.expand(question)
        is_list = isinstance(found, Sequence) and not isinstance(found, str)
        _require(is_list, "expand() returns no list of texts", found)
        _require(
            all(isinstance(one, str) and one.strip() for one in found), "a text is none", found
        )
        _require(list(expander.expand(question)) == list(found), "the same question gives others")


def check_chat_model(model: ChatModel) -> None:
    """Check that it replies piece by piece, ends with a reason, and can be broken off.

    It is asked twice, for a few words.
    """
    _require(bool(model.name), "name is empty")
    _require(model.context_window > 0, "context_window is not above 0", model.context_window)
    messages = (Message("system", "Be short."), Message("user", "Say hello."))
    pieces = list(model.stream(messages, max_tokens=16))
    _require(bool(pieces), "it sent nothing, not even why it ended")
    _require(all(isinstance(piece, Delta) for piece in pieces), "it sent what is no Delta")
    reasons = [piece.finish_reason for piece in pieces if piece.finish_reason]
    _require(len(reasons) == 1, "there is not one finish reason", reasons)
    _require(pieces[-1].finish_reason is not None, "something came after the finish reason")
    for piece in pieces:
        for call in piece.tool_calls:
            _require(isinstance(call, ToolCall), "a tool call is of another type", call)
    reply = model.stream(messages, max_tokens=16)
    next(iter(reply), None)
    close = getattr(reply, "close", None)
    _require(close is not None, "its reply cannot be broken off: it is no generator")
    if close is not None:
        close()


def check_loader(loader: Loader, path: Path) -> None:
    """Check that a file's document is located: every page, section and block within its text.

    Args:
        loader: What loads it.
        path: A file that it can load.
    """
    data = path.read_bytes()
    document = loader(Source(path, data))
    _require(isinstance(document, Document), "it gives no ingest.Document", type(document))
    _require(bool(document.text.strip()), "the document has no text")
    try:
        checked(document)  # as every document of another package's loader is
    except (TypeError, ValueError) as fault:
        raise AssertionError(f"what is located does not fit the text: {fault}") from fault
    _require(loader(Source(path, data)) == document, "loading it twice gives two documents")
    elsewhere = Source(path.with_name("not-there" + path.suffix), data)
    _require(loader(elsewhere).text == document.text, "it reads the path, not the data it is given")


def check_memory(memory: Memory) -> None:
    """Check that what was said is kept, and that what is recalled keeps to its limit of tokens."""
    _require(isinstance(memory.recall("Anything?"), Recall), "recall() returns no Recall")
    for number in range(20):
        memory.remember(f"What is thing {number}?", f"Thing {number} is a lamp. " * 10)
    for limit in (0, 50, 1_000):
        found = memory.recall("What is thing 19?", max_tokens=limit)
        words = " ".join(one.content for one in found.turns) + " ".join(n.text for n in found.notes)
        _require(len(words.split()) <= limit, f"more than {limit} tokens were recalled", words[:80])
    wide = memory.recall("What is thing 19?", max_tokens=100_000)
    _require(bool(wide.turns or wide.notes), "nothing is recalled of what was just said")


def check_tool(tool: Tool, arguments: dict[str, object]) -> None:
    """Check a tool's schema, and that whatever it is called with, there is a result.

    Args:
        tool: The tool.
        arguments: Some that fit; it is called with them once.
    """
    schema = tool.schema
    _require(bool(schema.description.strip()), "it has no description for the model")
    _require(tool.parameters.get("type") == "object", "its parameters are no object")
    json.dumps(dict(tool.parameters))
    fault = tool.fault(arguments)
    _require(fault is None, "the arguments do not fit", fault)
    result = tool.call(arguments)
    _require(not result.error, "the call failed", result)
    short = len(result.text) <= tool.max_result_characters + 500
    _require(short, "the result is longer than max_result_characters", len(result.text))
    _require(tool.call("{").error, "arguments that are no JSON gave no error")


def check_trace_sink(sink: Sink) -> None:
    """Check that it takes finished spans: nested, failed, with and without content."""
    with warnings.catch_warnings(record=True) as told:  # a sink that fails is only warned of
        warnings.simplefilter("always")
        with recording(sink), span("outer", "chain", inputs={"question": "What?"}) as outer:
            with contextlib.suppress(UsageError), span("inner", "tool", inputs={"x": object()}):
                raise UsageError("as if something had gone wrong")
            outer.set(outputs={"text": "That."}, tokens=3)
        with recording(sink, content=False), span("alone", "retrieval"):
            pass
    failed = [str(one.message) for one in told if one.category is RuntimeWarning]
    _require(not failed, "the sink failed", failed[:1])


def _require(holds: bool, what: str, found: object = None) -> None:
    if not holds:
        raise AssertionError(f"{what}: {found!r}" if found is not None else what)
