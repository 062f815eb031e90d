"""What a knowledge base is opened and searched with, by keyword."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from ragkit.errors import UsageError
from ragkit.events.plug_ins import misfit
from ragkit.retrieve.stages import StageOptions

if TYPE_CHECKING:
    from ragkit.answer.settings import AnswerSettings
    from ragkit.embed.embedder import Embedder
    from ragkit.events import Listener, Sink
    from ragkit.events.traces import TraceLevel
    from ragkit.index.engines import VectorEngine, WordEngine
    from ragkit.llm.chat_model import ChatModel
    from ragkit.retrieve.finding import Mode

Model: TypeAlias = "str | ChatModel"
Turns: TypeAlias = Sequence[Mapping[str, str]]
PathLike: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = PathLike | Sequence[PathLike]


class OpenOptions(TypedDict, total=False):
    """How a knowledge base is opened.

    Attributes:
        model: What answers: ``"extractive"`` (the default; no language model: the best sentences,
            verbatim), ``"openai:NAME"``, ``"ollama:NAME"``, ``"gguf:PATH"``, or an object; or
            several, the cheapest first, of which each is asked when the one before is not sure.
        base_url: Where an OpenAI-compatible ``model`` is served.
        api_key: Its key; default: the environment's, read only for a model named here.
        embedder: The embedding model's name, or an object; default: the one the base was built
            with, or all-MiniLM-L6-v2 for a new one. Whatever else a base names is used only if you
            named it on this machine, now or before: what a base says loads nothing and sends
            nothing anywhere.
        embedder_base_url: Where an OpenAI-compatible ``embedder`` is served.
        answers: How questions are answered: mode, checks, cache, budget.
        create: Whether ``ingest`` and ``add`` make a base where there is none (the default); if
            not, a missing one is told at once.
        listener: Called with progress events and notices.
        traces: What is kept of each question: ``"full"`` (the default), ``"facts"`` (times, numbers
            and names, no content) or ``"off"``.
        sinks: Functions called with each finished :class:`ragkit.Span`, or names of such, as
            :func:`ragkit.events.named_sinks.sink_of` takes them.
        vector_index: What searches by meaning: ``"faiss"``, a name that a package gives to its
            own, or what makes one; see :mod:`ragkit.index.protocols`. It is this opening's choice,
            the base does not keep it.
        word_index: What searches by words, likewise: ``"tantivy"``.
    """

    model: Model | Sequence[Model]
    base_url: str | None
    api_key: str | None
    embedder: str | Embedder | None
    embedder_base_url: str | None
    answers: AnswerSettings | None
    create: bool
    listener: Listener
    traces: TraceLevel
    sinks: Sequence[Sink | str]
    vector_index: VectorEngine
    word_index: WordEngine


class FindOptions(StageOptions, total=False):
    """How to search: the fields of :class:`StageOptions`, and

    Attributes:
        mode: ``"hybrid"`` (the default), ``"dense"`` (meaning only) or ``"lexical"`` (words only).
    """

    mode: Mode


class SearchOptions(FindOptions, total=False):
    """All that a search takes beside its question and filter.

    Attributes:
        k: How many passages at most; default: 10.
        history: Earlier turns, oldest first: ``[{"role": "user", "content": "…"}, …]``.
    """

    k: int
    history: Turns | None


def several(paths: Paths) -> list[str]:
    """Return one path, or several, as texts."""
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    return [os.fspath(path) for path in paths]


def check_objects(option: str, given: object, method: str) -> None:
    """Raise a :class:`UsageError` where what is given in place of a name cannot stand for it.

    Args:
        option: Its name, for the message.
        given: Names and objects: one, or a sequence.
        method: What an object of the protocol has.
    """
    for each in given if isinstance(given, list | tuple) else (given,):
        if not isinstance(each, str) and (fault := misfit(each, method)):
            raise UsageError(f"KnowledgeBase() got {option}={each!r}; {fault}")


def check_keywords(call: str, given: Mapping[str, object], known: type) -> None:
    """Raise a :class:`UsageError` that names ``call`` where ``known``, a TypedDict, has not all keys."""
    keys = known.__annotations__
    for name in given:
        if name not in keys:
            near = get_close_matches(name, keys, 1)
            meant = f" (did you mean {near[0]!r}?);" if near else ";"
            raise UsageError(
                f"{call}() got an unexpected keyword argument {name!r}{meant} it takes"
                f" {', '.join(keys)}"
            )
