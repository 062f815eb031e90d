"""Work on texts longer than a model's window: map and reduce, or refine part by part."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ragkit.chain.prompting import ask
from ragkit.chain.steps import name_of, run_all, run_step
from ragkit.errors import ChainError, UsageError
from ragkit.llm.context_window import prompt_room, reply_room
from ragkit.llm.token_counts import count_tokens, cut_to_tokens

if TYPE_CHECKING:
    from ragkit.chain.template import PromptTemplate
    from ragkit.llm.chat_model import ChatModel

Texts = str | Sequence[str]
_MAX_ROUNDS = 12
_FENCE_TOKENS = 200  # the lines around a quoted text, and the rule about them
_SEPARATORS = ("\n\n", "\n", ". ", "。", " ")


def map_reduce(
    model: ChatModel,
    *,
    map_prompt: PromptTemplate,
    reduce_prompt: PromptTemplate,
    max_tokens: int = 512,
    workers: int = 4,
    name: str = "map reduce",
) -> Callable[[Texts], str]:
    r"""Return a step that answers from texts of any length: each part alone, then all together.

        summarise = map_reduce(
            model,
            map_prompt=PromptTemplate("Summarise:\n{text}", quoted="text"),
            reduce_prompt=PromptTemplate("Join these summaries:\n{text}", quoted="text"),
        )

    The texts are cut to what the model's window has room for, at paragraphs, lines or sentences
    where that is possible. Results are joined in their order, in as many rounds as it takes.

    Args:
        model: The model.
        map_prompt: For one part; its one variable is ``text``.
        reduce_prompt: For results, joined by blank lines; its one variable is ``text``.
        max_tokens: Length of each reply at most.
        workers: How many parts are worked on at the same time.
        name: What it is called in traces.

    Raises:
        UsageError: a template has other variables.
        ChainError: when it runs, the text is empty, the window has no room for any of it, or the
            results do not get shorter.
    """
    for template in (map_prompt, reduce_prompt):
        _check(template, {"text"})
    answer = ask(model, max_tokens=max_tokens)

    def map_part(part: str) -> str:
        return answer(map_prompt.messages(text=part))

    def reduce_parts(part: str) -> str:
        return answer(reduce_prompt.messages(text=part))

    def run(texts: Texts) -> str:
        parts = _parts(texts, _room(model, map_prompt, max_tokens))
        results = _each(map_part, parts, workers)
        room = _room(model, reduce_prompt, max_tokens)
        for _ in range(_MAX_ROUNDS):
            if len(results) == 1:
                return results[0]
            groups = _grouped(results, room)
            if len(groups) == len(results):
                break
            results = _each(reduce_parts, groups, workers)
        raise ChainError(
            f"{len(results)} results do not get shorter than the window of {model.name}; lower "
            "max_tokens, or take a model with a larger window"
        )

    run.__name__ = name
    return run


def refine(
    model: ChatModel,
    *,
    first_prompt: PromptTemplate,
    next_prompt: PromptTemplate,
    max_tokens: int = 512,
    name: str = "refine",
) -> Callable[[Texts], str]:
    """Return a step that reads texts of any length part by part, and betters its answer each time.

    Args:
        model: The model.
        first_prompt: For the first part; its one variable is ``text``.
        next_prompt: For each further part; its variables are ``text`` and ``answer``, the answer
            so far.
        max_tokens: Length of the answer at most.
        name: What it is called in traces.

    Raises:
        UsageError: a template has other variables.
        ChainError: when it runs, the text is empty, or the window has no room for any of it.
    """
    _check(first_prompt, {"text"})
    _check(next_prompt, {"text", "answer"})
    reply = ask(model, max_tokens=max_tokens)

    def run(texts: Texts) -> str:
        room = min(
            _room(model, first_prompt, max_tokens),
            _room(model, next_prompt, max_tokens) - reply_room(model, max_tokens),
        )
        answer: str | None = None
        for number, part in enumerate(_parts(texts, room), start=1):
            answer = run_step(
                functools.partial(_refined, reply, first_prompt, next_prompt, answer),
                part,
                name=f"{name}: part {number}",
            )
        return answer or ""

    run.__name__ = name
    return run


def _refined(
    reply: Callable[..., str],
    first: PromptTemplate,
    following: PromptTemplate,
    answer: str | None,
    part: str,
) -> str:
    if answer is None:
        return reply(first.messages(text=part))
    return reply(following.messages(text=part, answer=answer))


def _check(template: PromptTemplate, wanted: set[str]) -> None:
    if template.variables != wanted:
        raise UsageError(
            f"the template must have the variables {sorted(wanted)}, not "
            f"{sorted(template.variables)}"
        )


def _each(step: Callable[[str], str], parts: Sequence[str], workers: int) -> list[str]:
    calls = [
        functools.partial(run_step, step, part, name=f"{name_of(step)} {number}")
        for number, part in enumerate(parts, start=1)
    ]
    return run_all(calls, workers=workers)


def _room(model: ChatModel, template: PromptTemplate, max_tokens: int) -> int:
    """Return how many tokens of text a prompt has room for, beside its own words and the reply."""
    own = count_tokens(template.text) + count_tokens(template.system or "")
    fence = _FENCE_TOKENS if template.quoted else 20
    return prompt_room(model, reply_room(model, max_tokens)) - own - fence


def _parts(texts: Texts, room: int) -> list[str]:
    whole = [texts] if isinstance(texts, str) else list(texts)
    parts = [part for text in whole for part in split_text(text, room)]
    if not parts:
        raise ChainError("there is no text to work on")
    return _grouped(parts, room)


def split_text(text: str, room: int) -> list[str]:
    """Cut a text into parts of at most ``room`` tokens, without losing any of it but white space.

    A part ends at a paragraph if one ends in its second half, else at a line, a sentence or a word.

    Raises:
        ChainError: ``room`` is less than 16 tokens.
    """
    if room < 16:
        raise ChainError("the window of the model has no room for a text beside the prompt")
    parts: list[str] = []
    rest = text.strip()
    while rest:
        part = cut_to_tokens(rest, room)
        if len(part) < len(rest):
            for separator in _SEPARATORS:
                end = part.rfind(separator)
                if end > len(part) // 2:
                    part = part[: end + len(separator)]
                    break
        part = part or rest[:1]  # one character of more tokens than there is room
        parts.append(part.strip())
        rest = rest[len(part) :].lstrip()
    return [part for part in parts if part]


def _grouped(parts: Sequence[str], room: int) -> list[str]:
    """Join neighbours while they fit together, so that a model is asked no more often than needed."""
    groups: list[str] = []
    size = 0
    for part in parts:
        tokens = count_tokens(part) + 2
        if groups and size + tokens <= room:
            groups[-1] += f"\n\n{part}"
            size += tokens
        else:
            groups.append(part)
            size = tokens
    return groups
