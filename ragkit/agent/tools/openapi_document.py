"""Reading an OpenAPI document: its text, its references, its schemas as plain JSON schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ragkit.errors import UsageError

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_MAX_DEPTH = 12
_MAX_PARTS = 500
_MAX_DOCUMENT = 20_000_000
_NO_JSON_SCHEMA = ("nullable", "discriminator", "xml", "externalDocs", "example", "readOnly")


def load_document(document: str | Path | Mapping[str, Any]) -> Mapping[str, Any]:
    """Read an OpenAPI document: a path, its text (JSON or YAML), or what it holds.

    Raises:
        UsageError: it cannot be read, or is neither.
    """
    if isinstance(document, Mapping):
        return document
    if isinstance(document, Path) or ("\n" not in document and "{" not in document):
        path = Path(document)
        try:
            if path.stat().st_size > _MAX_DOCUMENT:
                raise UsageError(f"the OpenAPI document {str(path)!r} is larger than 20 MB")
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the OpenAPI document {str(path)!r} cannot be read: {error}"
            ) from None
    else:
        text = document
    try:
        loaded = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except ValueError as error:
        raise UsageError(f"the OpenAPI document is neither JSON nor YAML: {error}") from None
    if not isinstance(loaded, Mapping):
        raise UsageError("the OpenAPI document is not an object")
    return loaded


def _yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
        """Without dates, which are no JSON, and without aliases, which can grow without bound."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases are not read; use $ref")
            return super().compose_node(parent, index)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(text, Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def operations_of(
    document: Mapping[str, Any],
) -> Iterator[tuple[str, str, Mapping[str, Any], Sequence[Any]]]:
    """Yield each operation: path, method, details, and the parameters its path shares."""
    paths = document.get("paths")
    for path, item in (paths if isinstance(paths, Mapping) else {}).items():
        at_path = resolved(item, document)
        if not isinstance(at_path, Mapping):
            continue
        for method in METHODS:
            details = at_path.get(method)
            if isinstance(details, Mapping):
                yield str(path), method, details, at_path.get("parameters") or ()


def resolved(value: Any, document: Mapping[str, Any]) -> Any:
    """Follow ``$ref`` within the document; other documents are never fetched.

    Raises:
        UsageError: it leads nowhere, in circles, or out of the document.
    """
    for _ in range(_MAX_DEPTH):
        if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), str):
            return value
        reference = value["$ref"]
        if not reference.startswith("#/"):
            raise UsageError(f"{reference!r} is outside the document; only '#/…' is followed")
        target: Any = document
        for part in reference[2:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or key not in target:
                raise UsageError(f"the document has no {reference!r}")
            target = target[key]
        value = target
    raise UsageError("a $ref leads in circles")


@dataclass(slots=True)
class _Expansion:
    """Writes out a schema's references, as far as that has an end."""

    document: Mapping[str, Any]
    parts: int = 0
    within: list[str] = field(default_factory=list)

    def plain(self, schema: Any, depth: int = 0) -> Any:
        """Return ``schema`` without ``$ref``; where it holds itself, anything goes."""
        if isinstance(schema, list):
            return [self.plain(item, depth) for item in schema]
        if not isinstance(schema, Mapping):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if reference in self.within:
                return {}
            self.within.append(reference)
            try:
                return self.plain(resolved(schema, self.document), depth)
            finally:
                self.within.pop()
        self.parts += 1
        if depth > _MAX_DEPTH or self.parts > _MAX_PARTS:
            return {}
        plain = {
            str(key): self._value(str(key), value, depth)
            for key, value in schema.items()
            if key not in _NO_JSON_SCHEMA
        }
        _bounds_of_3_0(plain)
        if isinstance(plain.get("required"), list) and "properties" in plain:
            hidden = {
                name
                for name, item in schema["properties"].items()
                if isinstance(item, Mapping) and item.get("readOnly")
            }
            plain["required"] = [name for name in plain["required"] if name not in hidden]
        return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if key in ("properties", "patternProperties", "$defs") and isinstance(value, Mapping):
            return {
                str(name): self.plain(item, depth + 1)
                for name, item in value.items()
                if not (isinstance(item, Mapping) and item.get("readOnly"))
            }
        if key in ("items", "additionalProperties", "not", "allOf", "anyOf", "oneOf"):
            return self.plain(value, depth + 1)
        return value


def plain_schema(schema: Any, document: Mapping[str, Any]) -> Any:
    """Return a JSON schema without references and without OpenAPI's own keywords.

    What a server only ever sends (``readOnly``) is left out.

    Raises:
        UsageError: a reference leads nowhere, or out of the document.
    """
    return _Expansion(document).plain(schema)


def _bounds_of_3_0(schema: dict[str, Any]) -> None:
    """OpenAPI 3.0 says ``exclusiveMinimum: true`` where JSON schema today has the bound itself."""
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(bound), bool) and schema.pop(bound) and limit in schema:
            schema[bound] = schema.pop(limit)
