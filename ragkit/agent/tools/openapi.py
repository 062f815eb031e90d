"""Tools made from an OpenAPI 3 document: one for each operation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ragkit.agent.tool import Tool, ToolError
from ragkit.agent.tools.addresses import AllowList, BlockedError, Resolver, parse_target
from ragkit.agent.tools.fetch import FetchError, fetch
from ragkit.agent.tools.http import SAFE_METHODS, told
from ragkit.agent.tools.openapi_document import (
    load_document,
    operations_of,
    plain_schema,
    resolved,
)
from ragkit.errors import UsageError

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_FORM = "application/x-www-form-urlencoded"
# What a model could use to be somebody else; a key is given by ``headers``.
_FORBIDDEN_HEADERS = {"host", "authorization", "cookie", "content-length", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str  # in the API
    argument: str  # in the tool
    place: str  # "path", "query" or "header"
    explode: bool
    style: str


@dataclass(frozen=True, slots=True)
class _Operation:
    method: str
    path: str
    parameters: tuple[_Parameter, ...]
    body: str | None  # media type
    body_argument: str


def openapi_tools(
    document: str | Path | Mapping[str, Any],
    *,
    base_url: str,
    operations: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    networks: Sequence[str] = (),
    max_bytes: int = 200_000,
    timeout: float = 20.0,
    resolver: Resolver | None = None,
) -> list[Tool]:
    """Make a tool of each operation of an API that an OpenAPI 3.0 or 3.1 document describes.

    Arguments are checked against the document's schemas before anything is sent, and requests go
    below ``base_url`` and nowhere else. Operations other than GET, HEAD and OPTIONS change
    something, so they need the confirmation of the user.

    Args:
        document: The document, JSON or YAML: its path, its text, or what it holds.
        base_url: Where the API is, such as ``"https://api.example.com/v1"``; the servers that the
            document names are not used.
        operations: ``operationId`` of those to make tools of; default: all.
        headers: Headers to send with each request, such as a key. The model sees none of them.
        networks: Networks that are not public but may be reached, such as ``"10.1.0.0/16"``.
        max_bytes: How much of a response the model is shown.
        timeout: Seconds for a request.
        resolver: Returns the addresses of a host and port; default: the system's.

    Raises:
        UsageError: the document cannot be read, is of another kind, or lacks an operation asked
            for; or ``base_url`` is no URL.
    """
    described = load_document(document)
    version = str(described.get("openapi", ""))
    if not version.startswith("3."):
        found = version or described.get("swagger") or "none"
        raise UsageError(f"an OpenAPI 3 document is needed; the version of this one is {found}")
    try:
        base = parse_target(base_url).url.rstrip("/")
    except BlockedError as error:
        raise UsageError(f"base_url {base_url!r} is of no use: {error}") from None
    if "?" in base:
        raise UsageError(f"base_url cannot have a query, unlike {base_url!r}")
    allow = AllowList([base], networks=networks, resolver=resolver)

    def send(operation: _Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
        url, sent, body = _request(operation, arguments, base)
        try:
            fetched = fetch(
                url,
                allow=allow,
                method=operation.method.upper(),
                headers=sent,
                secrets={base: headers or {}},
                body=body,
                max_bytes=max_bytes,
                timeout=timeout,
            )
        except (BlockedError, FetchError) as error:
            raise ToolError(str(error)) from None
        return told(fetched)

    tools: dict[str, Tool] = {}
    left = set(operations or ())
    for path, method, details, shared in operations_of(described):
        identifier = str(details.get("operationId") or f"{method}_{path}")
        if operations is not None and identifier not in operations:
            continue
        left.discard(identifier)
        name = _unused(_NOT_IN_NAMES.sub("_", identifier).strip("_")[:64] or method, tools)
        try:
            tools[name] = _tool(name, path, method, details, shared, described, send, timeout)
        except UsageError as error:
            raise UsageError(f"operation {identifier!r} cannot become a tool: {error}") from None
    if left:
        raise UsageError(f"the document has no operation {', '.join(map(repr, sorted(left)))}")
    if not tools:
        raise UsageError("the document describes no operation")
    return list(tools.values())


def _tool(
    name: str,
    path: str,
    method: str,
    details: Mapping[str, Any],
    shared: Sequence[Any],
    document: Mapping[str, Any],
    send: Callable[[_Operation, Mapping[str, Any]], dict[str, Any]],
    timeout: float,
) -> Tool:
    properties: dict[str, Any] = {}
    required: list[str] = []
    parameters: list[_Parameter] = []
    merged: dict[tuple[str, str], Mapping[str, Any]] = {}
    for item in (*shared, *(details.get("parameters") or ())):
        parameter = resolved(item, document)
        if not isinstance(parameter, Mapping) or "name" not in parameter:
            raise UsageError("one of its parameters has no name")
        merged[str(parameter["name"]), str(parameter.get("in"))] = parameter
    for (wanted, place), parameter in merged.items():
        if place == "cookie" or (place == "header" and wanted.lower() in _FORBIDDEN_HEADERS):
            if parameter.get("required") and place == "cookie":
                raise UsageError(f"it needs the cookie {wanted!r}, and none is ever sent")
            continue
        argument = _unused(_NOT_IN_NAMES.sub("_", wanted) or "parameter", properties)
        default = "form" if place == "query" else "simple"
        style = str(parameter.get("style", default))
        parameters.append(
            _Parameter(
                wanted, argument, place, bool(parameter.get("explode", style == "form")), style
            )
        )
        properties[argument] = _described(_parameter_schema(parameter, document), parameter)
        if parameter.get("required") or place == "path":
            required.append(argument)
    missing = set(_PLACEHOLDER.findall(path)) - {p.name for p in parameters if p.place == "path"}
    if missing:
        raise UsageError(f"its path has {', '.join(sorted(missing))}, which is not described")
    body_type, body_schema, body_required = _body(details.get("requestBody"), document)
    body_argument = ""
    if body_type is not None:
        body_argument = _unused("body", properties)
        properties[body_argument] = body_schema
        if body_required:
            required.append(body_argument)
    operation = _Operation(method, path, tuple(parameters), body_type, body_argument)

    def call(**arguments: Any) -> dict[str, Any]:
        return send(operation, arguments)

    texts = (details.get("summary"), details.get("description"))
    description = " ".join(str(text).strip() for text in texts if text)
    return Tool.from_schema(
        call,
        name=name,
        description=(description or f"{method.upper()} {path}")[:1_000],
        parameters={
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        timeout=timeout + 5.0,
        confirm=method.upper() not in SAFE_METHODS,
    )


def _parameter_schema(parameter: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if "schema" in parameter:
        return plain_schema(parameter["schema"], document)
    for media in (parameter.get("content") or {}).values():
        return plain_schema(media.get("schema", {}), document)
    return {"type": "string"}


def _described(schema: Any, parameter: Mapping[str, Any]) -> Any:
    if isinstance(schema, Mapping) and parameter.get("description"):
        return {**schema, "description": str(parameter["description"])}
    return schema


def _body(body: Any, document: Mapping[str, Any]) -> tuple[str | None, Any, bool]:
    body = resolved(body, document)
    if not isinstance(body, Mapping):
        return None, None, False
    content = body.get("content") or {}
    for media_type, media in content.items():
        plain = str(media_type).partition(";")[0].strip().lower()
        if plain in ("application/json", _FORM) or plain.endswith("+json"):
            schema = plain_schema((media or {}).get("schema", {}), document)
            return plain, _described(schema, body), bool(body.get("required"))
    if body.get("required"):
        raise UsageError(f"its body is {', '.join(content) or 'of no known type'}, not JSON")
    return None, None, False


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name[:60]}_{number}" in taken:
        number += 1
    return f"{name[:60]}_{number}"


def _request(
    operation: _Operation, arguments: Mapping[str, Any], base: str
) -> tuple[str, dict[str, str], bytes | None]:
    path = operation.path
    query: list[tuple[str, str]] = []
    headers: dict[str, str] = {"accept": "application/json, text/*;q=0.8, */*;q=0.1"}
    for parameter in operation.parameters:
        if parameter.argument not in arguments or arguments[parameter.argument] is None:
            continue
        value = arguments[parameter.argument]
        if parameter.place == "path":
            path = path.replace(f"{{{parameter.name}}}", _path_part(parameter.name, value))
        elif parameter.place == "query":
            query += _query(parameter, value)
        elif parameter.place == "header":
            text = _scalar(value)
            if not text.isprintable() or not text.isascii():
                raise ToolError(f"{parameter.argument} cannot be sent in a header: {text!r}")
            headers[parameter.name] = text
    url = f"{base}/{path.lstrip('/')}"
    if query:
        url += f"?{urlencode(query)}"
    body: bytes | None = None
    if operation.body is not None and operation.body_argument in arguments:
        value = arguments[operation.body_argument]
        headers["content-type"] = operation.body
        if operation.body == _FORM:
            pairs = value.items() if isinstance(value, Mapping) else ()
            body = urlencode([(name, _scalar(item)) for name, item in pairs]).encode()
        else:
            body = json.dumps(value, ensure_ascii=False).encode()
    return url, headers, body


def _path_part(name: str, value: Any) -> str:
    text = ",".join(map(_scalar, value)) if isinstance(value, list) else _scalar(value)
    # '.' and '..' would lead to another path, and nothing escapes them; a server may decode twice.
    if not text or any(part in (".", "..") for part in re.split(r"[/\\]|%2[fF]|%5[cC]", text)):
        raise ToolError(f"{name} cannot be {text!r}: it is part of a path")
    return quote(text, safe="")


def _query(parameter: _Parameter, value: Any) -> list[tuple[str, str]]:
    name = parameter.name
    if isinstance(value, list):
        if parameter.explode:
            return [(name, _scalar(item)) for item in value]
        separator = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(parameter.style, ",")
        return [(name, separator.join(map(_scalar, value)))]
    if isinstance(value, Mapping):
        if parameter.style == "deepObject":
            return [(f"{name}[{key}]", _scalar(item)) for key, item in value.items()]
        if parameter.explode:
            return [(str(key), _scalar(item)) for key, item in value.items()]
        return [(name, ",".join(f"{key},{_scalar(item)}" for key, item in value.items()))]
    return [(name, _scalar(value))]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
