"""Asking a model from a chain: for text, or for a value of a type, with bounded repairs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ragkit.errors import ChainError, UsageError
from ragkit.events import span
from ragkit.llm.chat_model import ChatModel, Message, complete
from ragkit.llm.context_window import reply_room
from ragkit.llm.typed_output import OutputError, OutputType, TypedValue
from ragkit.results import Usage

Kind = TypeVar("Kind")
Prompt = str | Message | Sequence[Message]

_ITEM = re.compile(r"\s*(?:[-*•–]|\d{1,3}[.)])\s+(\S.*)")
_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class Parsed(Generic[Kind]):
    """A value that a model gave, and what it took to get it.

    Attributes:
        value: The value, of the type asked for.
        text: What the model wrote at last.
        mended: What was mended in that text to read it, in words; nothing if it was right.
        repairs: How often the model was asked again because its reply could not be read.
        usage: Tokens of all replies together.
    """

    value: Kind
    text: str
    mended: tuple[str, ...] = ()
    repairs: int = 0
    usage: Usage = field(default_factory=Usage)


def ask(
    model: ChatModel,
    *,
    max_tokens: int = 1024,
    temperature: float = 0.0,
    system: str | None = None,
) -> Callable[[Prompt], str]:
    """Return a step that sends a prompt to a model and returns the text of its reply.

    Args:
        model: The model.
        max_tokens: Length of the reply at most.
        temperature: 0 for the likeliest reply; higher for more variety.
        system: A system message to go before the prompt.
    """

    def ask(prompt: Prompt) -> str:
        return complete(
            model,
            conversation(prompt, system),
            max_tokens=reply_room(model, max_tokens),
            temperature=temperature,
        ).text

    return ask


def conversation(prompt: Prompt, system: str | None = None) -> list[Message]:
    """Return a prompt, a text or messages, as messages.

    Raises:
        UsageError: it is neither.
    """
    first: list[Message] = [Message("system", system)] if system else []
    if isinstance(prompt, str):
        return [*first, Message("user", prompt)]
    if isinstance(prompt, Message):
        return [*first, prompt]
    if not isinstance(prompt, Sequence):
        raise UsageError(f"a prompt is a text or messages, not {type(prompt).__name__}")
    if not prompt or not all(isinstance(message, Message) for message in prompt):
        raise UsageError(f"a prompt is a text or messages, not {type(prompt).__name__}")
    return [*first, *prompt]


def ask_for(
    model: ChatModel,
    kind: type[Kind] | Any,
    *,
    repairs: int = 2,
    max_tokens: int = 1024,
    temperature: float = 0.0,
    check: Callable[[Any], str | None] | None = None,
) -> Callable[[Prompt], Parsed[Kind]]:
    """Return a step that asks a model for a value of a type: ``ask_for(model, Invoice)(prompt)``.

    What is mechanically wrong with the reply (a code fence or prose around the JSON, a comma too
    many, Python's spelling, a list in bullets, a choice in another case) is mended; for anything
    else the model is told the error and asked again.

    Args:
        model: The model; it is also given the type's JSON schema to keep to.
        kind: A pydantic model, dataclass, enum, ``list[str]``, ``int``, ``dict``…
        repairs: How often it is asked again, at most.
        max_tokens: Length of a reply at most.
        temperature: 0 for the likeliest reply.
        check: Takes a value that was read and returns what is wrong with it, if anything; the
            model is then asked again likewise.

    Raises:
        UsageError: the type has no JSON schema, or ``repairs`` is negative.
        ChainError: when it runs, the model refused, or no reply could be read; the message says
            why.
    """
    if repairs < 0:
        raise UsageError(f"repairs cannot be negative, not {repairs!r}")
    output = OutputType(kind)

    def ask_for(prompt: Prompt) -> Parsed[Kind]:
        messages = conversation(prompt)
        last = messages[-1]
        asked = Message("user", f"{last.content}\n\n{output.instructions}")
        messages = [*messages[:-1], asked] if last.role == "user" else [*messages, asked]
        read, written = 0, 0
        fault = ""
        with span("ask for value", "chain", type=str(getattr(kind, "__name__", kind))) as step:
            for attempt in range(repairs + 1):
                reply = complete(
                    model,
                    messages,
                    max_tokens=reply_room(model, max_tokens),
                    temperature=temperature,
                    schema=output.schema,
                )
                read += reply.usage.input_tokens
                written += reply.usage.output_tokens
                step.set(repairs=attempt)
                if reply.refusal:
                    raise ChainError(f"{model.name} refused: {reply.refusal[:_SHOWN]}")
                try:
                    typed = read_value(output, reply.text)
                    wrong = check(typed.value) if check is not None else None
                    if wrong is None:
                        step.set(mended=list(typed.repairs))
                        return Parsed(
                            typed.value, reply.text, typed.repairs, attempt, Usage(read, written)
                        )
                    fault = wrong
                except OutputError as error:
                    fault = str(error)
                    if reply.finish_reason == "length":
                        fault += f"; it was cut off at {max_tokens} tokens, so be shorter"
                messages += [
                    Message("assistant", reply.text),
                    Message("user", f"This does not fit: {fault}.\n\n{output.instructions}"),
                ]
            raise ChainError(
                f"{model.name} gave no {getattr(kind, '__name__', kind)} in {repairs + 1} attempts: "
                f"{fault}; its last reply: {reply.text[:_SHOWN]!r}"
            )

    return ask_for


def parse(text: str, kind: type[Kind] | Any = Any) -> Parsed[Kind]:
    """Read a model's text as a value of a type, mending what is mechanically wrong with it.

    Raises:
        UsageError: the type has no JSON schema.
        ChainError: the text holds no such value; the message says why.
    """
    try:
        typed = read_value(OutputType(kind), text)
    except OutputError as error:
        raise ChainError(f"the text is no {getattr(kind, '__name__', kind)}: {error}") from None
    return Parsed(typed.value, text, typed.repairs)


def read_value(output: OutputType, text: str) -> TypedValue:
    """Read a text as a value, also a list that is written in bullets and a choice in other case.

    Raises:
        OutputError: it is no such value.
    """
    try:
        return output.read(text)
    except OutputError as error:
        for candidate, repair in _otherwise(output, text):
            try:
                return TypedValue(output.read(candidate).value, (repair,))
            except OutputError:
                continue
        raise error from None


def _otherwise(output: OutputType, text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    items = [match.group(1).strip() for line in text.splitlines() if (match := _ITEM.match(line))]
    if items:
        found.append((json.dumps(items), "a list in bullets"))
    plain = text.strip().strip("\"'`*.").casefold()
    choices = [choice for choice in _choices(output.schema) if choice.casefold() == plain]
    if len(choices) == 1:
        found.append((json.dumps(choices[0]), "upper and lower case"))
    return found


def _choices(schema: Any) -> list[str]:
    """Return the texts that a value may be, where the schema names them all."""
    wanted = schema.get("properties", {}).get("answer", {})
    if "$ref" in wanted:
        wanted = schema.get("$defs", {}).get(wanted["$ref"].rpartition("/")[2], {})
    named = wanted.get("enum", [wanted["const"]] if "const" in wanted else [])
    return [choice for choice in named if isinstance(choice, str)]
