"""Prompt templates that fail on a variable that is missing, or that nothing uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ragkit.errors import UsageError
from ragkit.llm.chat_model import Message
from ragkit.llm.fence import data_rule, fenced, new_nonce

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A prompt with variables in braces: ``PromptTemplate("Summarise {text} in {language}.")``.

    Calling it with a mapping makes it a step of a chain; ``{{`` and ``}}`` stand for braces. Values
    are put in as they are, and never read as templates themselves.

    Attributes:
        text: The user's message.
        system: The system message, if any; it may have variables too.
        quoted: Variables whose values came from outside, such as documents: they are put between
            lines with a random number that nothing in them can imitate, and the model is told
            that what stands there is material, never an instruction.
    """

    text: str
    system: str | None = None
    quoted: frozenset[str] = frozenset()
    variables: frozenset[str] = field(init=False)

    def __init__(self, text: str, *, system: str | None = None, quoted: Any = ()) -> None:
        """Read the template.

        Raises:
            UsageError: a brace is not closed, a variable has no plain name, or one of ``quoted``
                does not occur.
        """
        if isinstance(quoted, str):
            quoted = (quoted,)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "system", system)
        object.__setattr__(self, "quoted", frozenset(quoted))
        variables = _variables(text) | (_variables(system) if system else frozenset())
        object.__setattr__(self, "variables", variables)
        if unknown := self.quoted - variables:
            raise UsageError(f"the template has no variable {_listed(unknown)} to quote")
        if self.quoted & (_variables(system) if system else frozenset()):
            raise UsageError("what came from outside does not belong into the system message")

    @property
    def __name__(self) -> str:
        """What it is called in traces."""
        return "prompt template"

    def __call__(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """Return the messages, as a step of a chain; see :meth:`messages`."""
        if not isinstance(values, Mapping):
            raise UsageError(
                f"a template is filled from a mapping with {_listed(self.variables)}, not "
                f"{type(values).__name__}"
            )
        return self.messages(**{str(key): value for key, value in values.items()})

    def messages(self, **values: Any) -> tuple[Message, ...]:
        """Return the conversation to send to a model.

        Raises:
            UsageError: a variable is missing, or a value is not used.
        """
        nonce = new_nonce()
        filled = self.format(**self._quoted(values, nonce))
        system = _filled(self.system, values) if self.system is not None else None
        if self.quoted:
            rule = data_rule("Material", nonce)
            system = f"{system}\n\n{rule}" if system else rule
        first = (Message("system", system),) if system else ()
        return (*first, Message("user", filled))

    def format(self, **values: Any) -> str:
        """Return the user's message alone, with every value as it is.

        Raises:
            UsageError: a variable is missing, or a value is not used.
        """
        if missing := self.variables - values.keys():
            raise UsageError(f"the template needs {_listed(missing)}")
        if unused := values.keys() - self.variables:
            raise UsageError(
                f"the template has no variable {_listed(unused)}; it has {_listed(self.variables)}"
            )
        return _filled(self.text, values)

    def _quoted(self, values: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        return {
            name: fenced(str(value), nonce) if name in self.quoted else value
            for name, value in values.items()
        }


def _filled(text: str, values: Mapping[str, Any]) -> str:
    """Put the values in, in one pass, so that braces in a value mean nothing."""

    def part(match: re.Match[str]) -> str:
        found = match.group()
        if found in ("{{", "}}"):
            return found[0]
        return str(values[match.group(1)])

    return _PART.sub(part, text)


def _variables(text: str) -> frozenset[str]:
    found: set[str] = set()
    for match in _PART.finditer(text):
        if match.group() in ("{{", "}}"):
            continue
        name = match.group(1)
        if name is None or not _NAME.fullmatch(name):
            line = text.count("\n", 0, match.start()) + 1
            raise UsageError(
                f"line {line} of the template has {match.group()!r}: a variable is a name in "
                "braces, and a brace of its own is written twice"
            )
        found.add(name)
    return frozenset(found)


def _listed(names: Any) -> str:
    return ", ".join(map(repr, sorted(names))) or "no variable"
