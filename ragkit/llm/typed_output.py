"""Typed output: what a model is told of a type, and its text read as a value of it."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from ragkit.errors import UsageError
from ragkit.llm.json_text import object_schema, readings

_WRAPPER = "answer"
_MAX_FAULTS = 5


class OutputError(ValueError):
    """A text is no value of the type; the message tells a model what to mend."""


@dataclass(frozen=True, slots=True)
class TypedValue:
    """A value that was read, and what had to be done to the text for it."""

    value: Any
    repairs: tuple[str, ...] = ()


class OutputType:
    """A type that replies are to have: a pydantic model, a dataclass, an enum, ``list[str]``…"""

    def __init__(self, kind: Any) -> None:
        """Find its JSON schema.

        Raises:
            UsageError: it has none.
        """
        try:
            self._adapter = TypeAdapter(kind)
            schema = self._adapter.json_schema()
        except (PydanticUserError, TypeError, NameError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"output_type {kind!r} cannot be described in JSON: {reason}"
            ) from error
        # Servers want an object, so that a list or a number is given inside one.
        self._wrapped = schema.get("type") != "object" and "$ref" not in schema
        if self._wrapped:
            definitions = schema.pop("$defs", None)
            schema = object_schema(**{_WRAPPER: schema})
            if definitions:
                schema["$defs"] = definitions
        self.schema: dict[str, Any] = schema

    @functools.cached_property
    def instructions(self) -> str:
        """What a model is told about the form of its answer."""
        return (
            "Give your answer as JSON alone, without any other text, following this JSON schema:\n"
            + json.dumps(self.schema, ensure_ascii=False)
        )

    def read(self, text: str) -> TypedValue:
        """Read a reply.

        Raises:
            OutputError: it holds no JSON, or JSON that is no such value.
        """
        fault: OutputError | None = None
        try:
            for found in readings(text):
                try:
                    return TypedValue(self._value_of(found.value), found.repairs)
                except OutputError as error:
                    fault = fault or error
        except ValueError as error:
            return self._read_bare(text, error)
        raise fault or OutputError("there is no value in it")

    def _value_of(self, value: Any) -> Any:
        if self._wrapped and isinstance(value, dict) and set(value) == {_WRAPPER}:
            value = value[_WRAPPER]
        try:
            return self._adapter.validate_python(value)
        except (ValidationError, RecursionError) as lax_error:
            # Types such as dates and enums are strings in JSON.
            try:
                return self._adapter.validate_json(json.dumps(value))
            except (ValidationError, ValueError, RecursionError):
                if isinstance(lax_error, RecursionError):
                    raise OutputError("it is nested too deeply") from lax_error
                raise OutputError(_explain(lax_error)) from lax_error

    def _read_bare(self, text: str, error: ValueError) -> TypedValue:
        """Take the text itself, where the type is one that plain text can be (an enum, a date)."""
        if self._wrapped and text.strip():
            try:
                return TypedValue(
                    self._adapter.validate_python(text.strip().strip("\"'`.")), ("text as value",)
                )
            except ValidationError:
                pass
        raise OutputError(str(error)) from error


def _explain(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False)[:_MAX_FAULTS]:
        place = ".".join(str(part) for part in fault["loc"]) or "the value"
        faults.append(f"{place}: {fault['msg']}")
    return "; ".join(faults)
