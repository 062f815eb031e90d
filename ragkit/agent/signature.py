"""From a typed function to the JSON schema of its arguments, and back from JSON to a call."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from ragkit.errors import UsageError

# What the arguments become: positional ones, then those by name.
Bound = tuple[list[Any], dict[str, Any]]
Validator = Callable[[Mapping[str, Any]], Bound]


class InvalidArgumentsError(Exception):
    """Arguments do not fit a tool; the message tells a model what to mend."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function is called with.

    Attributes:
        description: First paragraph of its docstring.
        parameters: JSON schema of type ``object``.
        bind: Checks arguments and turns them into a call's, or raises
            :class:`InvalidArgumentsError`.
    """

    description: str
    parameters: dict[str, Any]
    bind: Validator


class _WithoutTitles(GenerateJsonSchema):
    """A title that only repeats the parameter's name costs a model tokens and tells it nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def signature_of(function: Callable[..., Any]) -> Signature:
    """Read a function's parameters, types, defaults and docstring.

    A parameter's description comes from the docstring (Google, NumPy, reST or Epydoc style), or
    from ``Annotated[type, "description"]``, which wins.

    Raises:
        UsageError: a parameter has no type, or one that has no JSON schema, or is ``*args`` or
            ``**kwargs``.
    """
    name = getattr(function, "__qualname__", repr(function))
    parameters = list(inspect.signature(function).parameters.values())
    try:
        hints = _hints(_typed(function))
    except (NameError, TypeError, AttributeError) as error:
        raise UsageError(f"the types of tool {name!r} cannot be resolved: {error}") from error
    documented = _documented_parameters(function)
    fields: dict[str, Any] = {}
    positional: list[str] = []
    named: dict[str, str] = {}
    for index, parameter in enumerate(parameters):
        # Names of its own for the fields: pydantic reserves some that a parameter may well have.
        field = f"argument_{index}"
        default = ... if parameter.default is parameter.empty else parameter.default
        kind = _type_of(parameter, hints, name)
        described = documented.get(parameter.name)
        if described is not None and not _is_described(kind):
            kind = Annotated[kind, Field(description=described)]
        fields[field] = (kind, Field(default, alias=parameter.name))
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(field)
        else:
            named[field] = parameter.name
    try:
        model = create_model(
            "Arguments",
            __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False),
            **fields,
        )
        schema = model.model_json_schema(by_alias=True, schema_generator=_WithoutTitles)
    except (PydanticUserError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"tool {name!r} cannot be described in JSON: {reason}") from error
    schema.pop("title", None)
    schema.setdefault("properties", {})
    return Signature(_first_paragraph(function), schema, _binder(model, schema, positional, named))


def schema_binder(parameters: Mapping[str, Any]) -> Validator:
    """Return a check of arguments against a JSON schema, for tools described elsewhere.

    The schema may be a stranger's: no pattern in it can take long, and what it refers to outside
    itself is not fetched.

    Raises:
        UsageError: ``parameters`` is not a JSON schema of type ``object``.
    """
    import jsonschema_rs

    if parameters.get("type", "object") != "object":
        raise UsageError(f"a tool's parameters are an object, not {parameters.get('type')!r}")
    patterns = jsonschema_rs.FancyRegexOptions(
        backtrack_limit=_PATTERN_STEPS,
        size_limit=_PATTERN_BYTES,
        dfa_size_limit=_PATTERN_BYTES,
    )
    try:
        validator = jsonschema_rs.validator_for(
            dict(parameters), pattern_options=patterns, retriever=_not_fetched
        )
    except jsonschema_rs.ValidationError as error:
        reason = _clipped(error.message)
        raise UsageError(f"a tool's parameters are not a JSON schema: {reason}") from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"a tool's parameters are not a JSON schema: {error}") from None

    def bind(arguments: Mapping[str, Any]) -> Bound:
        given = dict(arguments)
        try:
            faults = list(islice(validator.iter_errors(given), _MAX_FAULTS))
        except (ValueError, TypeError) as error:
            raise InvalidArgumentsError(f"they are no JSON: {error}") from None
        if faults:
            faults.sort(key=lambda fault: [str(part) for part in fault.instance_path])
            raise InvalidArgumentsError(
                "; ".join(
                    f"{'.'.join(map(str, fault.instance_path)) or 'arguments'}: "
                    f"{_clipped(fault.message)}"
                    for fault in faults
                )
            )
        return [], given

    return bind


def _not_fetched(address: str) -> Any:
    raise ValueError(f"{address!r} is outside the schema, and is not fetched")


_MAX_FAULTS = 10
_FAULT_CHARACTERS = 300
# A pattern that needs to go back is given up after this many steps, some milliseconds.
_PATTERN_STEPS = 100_000
_PATTERN_BYTES = 2**20


def _binder(
    model: type[BaseModel],
    schema: Mapping[str, Any],
    positional: list[str],
    named: dict[str, str],
) -> Validator:
    known = ", ".join(schema["properties"]) or "none"

    def bind(arguments: Mapping[str, Any]) -> Bound:
        try:
            values = model.model_validate(dict(arguments), by_alias=True)
        except ValidationError as error:
            raise InvalidArgumentsError(_explain(error, known)) from error
        return (
            [getattr(values, field) for field in positional],
            {parameter: getattr(values, field) for field, parameter in named.items()},
        )

    return bind


def _explain(error: ValidationError, known: str) -> str:
    faults = []
    for fault in error.errors(include_url=False)[:_MAX_FAULTS]:
        place = ".".join(str(part) for part in fault["loc"]) or "arguments"
        if fault["type"] == "extra_forbidden":
            faults.append(f"{place}: there is no such parameter; there are: {known}")
        elif fault["type"] == "missing":
            faults.append(f"{place}: is missing")
        else:
            given = _clipped(repr(fault["input"]))
            faults.append(f"{place}: {_clipped(fault['msg'])}, not {given}")
    return "; ".join(faults)


def _clipped(text: str) -> str:
    return text if len(text) <= _FAULT_CHARACTERS else text[: _FAULT_CHARACTERS - 1] + "…"


def _typed(function: Callable[..., Any]) -> Any:
    """Return where the annotations are: an object that can be called has them on its method."""
    if inspect.isroutine(function) or inspect.isclass(function):
        return function.__init__ if inspect.isclass(function) else function
    if isinstance(function, functools.partial):
        return function.func
    return type(function).__call__


def _hints(function: Any) -> dict[str, Any]:
    """Resolve the types of the parameters; that of the result is nobody's concern here."""
    annotations = dict(getattr(function, "__annotations__", {}))
    annotations.pop("return", None)
    holder = type("Parameters", (), {"__annotations__": annotations})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    return get_type_hints(holder, globalns=names, include_extras=True)


def _type_of(parameter: inspect.Parameter, hints: Mapping[str, Any], tool: str) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise UsageError(
            f"tool {tool!r} takes {parameter!s}: a model must be told each parameter by name"
        )
    if parameter.name not in hints:
        hint = ""
        if parameter.name in ("self", "cls"):
            hint = "; make a tool of the bound method instead: tool(thing.method)"
        raise UsageError(f"parameter {parameter.name!r} of tool {tool!r} has no type{hint}")
    kind = hints[parameter.name]
    if get_origin(kind) is Annotated:
        base, *extras = get_args(kind)
        described = [Field(description=e) if isinstance(e, str) else e for e in extras]
        return Annotated[(base, *described)]
    return kind


def _is_described(kind: Any) -> bool:
    return any(
        isinstance(e, FieldInfo) and e.description for e in getattr(kind, "__metadata__", ())
    )


def _first_paragraph(function: Callable[..., Any]) -> str:
    text = _docstring(function)
    return " ".join(re.split(r"\n\s*\n", text, maxsplit=1)[0].split())


def _documented_parameters(function: Callable[..., Any]) -> dict[str, str]:
    text = _docstring(function)
    if not text:
        return {}
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return {}
    return {
        parameter.arg_name: " ".join(parameter.description.split())
        for parameter in parsed.params
        if parameter.description
    }


def _docstring(function: Callable[..., Any]) -> str:
    if not (inspect.isroutine(function) or inspect.isclass(function)):
        own = getattr(function, "__doc__", None)
        function = type(function).__call__
        return inspect.getdoc(function) or own or ""
    return inspect.getdoc(function) or ""
