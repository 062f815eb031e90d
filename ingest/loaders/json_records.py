"""JSON and JSON Lines: each record as lines of "name: value"; notebooks as what they show.

As text, JSON is full of escapes and quotes that neither words nor sentences can be found in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ingest.decode import decode
from ingest.errors import WrongFormatError
from ingest.loader_spec import Source
from ingest.loaders.building import DocumentBuilder
from ingest.loaders.markdown import load_markdown
from ingest.loaders.plain_text import load_text
from ingest.structure import normalise_plain

if TYPE_CHECKING:
    from ingest.document import Document

_TITLES: Final = ("title", "name", "headline", "subject")
_LONGEST_INLINE: Final = 120


def load_json(source: Source) -> Document:
    """Load one JSON value; the items of lists of objects are records.

    What is not JSON, such as JSON with comments, is loaded as plain text with a warning.
    """
    builder, text = _begin(source, "json")
    try:
        value = _parse(text)
    except ValueError as error:
        # Many tools write JSON Lines under this name.
        if _is_lines(text):
            _add_lines(builder, text)
            return builder.build()
        plain = load_text(source)
        warning = f"not JSON ({error}): read as plain text"
        return replace(plain, format="json", warnings=(*plain.warnings, warning))
    title = ""
    if isinstance(value, dict):
        title = next((value[key] for key in _TITLES if isinstance(value.get(key), str)), "")
    _add(builder, value)
    return builder.build(title=title if len(title) <= _LONGEST_INLINE else None)


def load_json_lines(source: Source) -> Document:
    """Load JSON Lines: a record a line. Lines that are not JSON are kept as they are."""
    builder, text = _begin(source, "jsonl")
    _add_lines(builder, text)
    return builder.build()


def load_notebook(source: Source) -> Document:
    """Load a Jupyter notebook: its Markdown, and its code as code; what cells printed is left out.

    Raises:
        WrongFormatError: Not a notebook.
    """
    builder, text = _begin(source, "notebook")
    try:
        cells = _parse(text)["cells"]
        contents = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        raise WrongFormatError(f"not a notebook: {type(error).__name__}: {error}") from error
    for kind, content in contents:
        if kind != "markdown":
            builder.add("code" if kind == "code" else "paragraph", content)
            continue
        shown = load_markdown(Source(source.path, content.encode("utf-8", "replace")))
        for block in shown.blocks:
            part = shown.text[block.start : block.end]
            if block.kind == "heading":
                level = len(part) - len(part.lstrip("#")) or (1 if part.endswith("=") else 2)
                builder.add("heading", part.strip("#=- \n"), level=level)
            else:
                builder.add("paragraph" if block.kind == "table" else block.kind, part)
    return builder.build()


def _begin(source: Source, name: str) -> tuple[DocumentBuilder, str]:
    decoded = decode(source.data)
    builder = DocumentBuilder(name, encoding=decoded.encoding)
    if decoded.warning:
        builder.warnings.append(decoded.warning)
    return builder, normalise_plain(decoded.text)


def _parse(text: str) -> Any:
    # Numbers stay as written; to make an int of very many digits would take for ever.
    return json.loads(text, strict=False, parse_int=str, parse_float=str)


def _is_lines(text: str) -> bool:
    first, _, rest = text.lstrip().partition("\n")
    try:
        return bool(rest.strip()) and isinstance(_parse(first), dict | list)
    except ValueError:
        return False


def _add_lines(builder: DocumentBuilder, text: str) -> None:
    broken: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _parse(line)
        except ValueError:
            broken.append(number)
            builder.add("paragraph", line)
        else:
            builder.add("paragraph", "\n".join(_lines(value)))
    if broken:
        where = f"line {broken[0]:,}" + (f" and {len(broken) - 1:,} more" if broken[1:] else "")
        builder.warnings.append(f"{where} not JSON: kept as text")


def _add(builder: DocumentBuilder, value: Any) -> None:
    """Add a value: a paragraph for each record, and one for what stands beside them."""
    if isinstance(value, dict):
        lists = {key: item for key, item in value.items() if _is_records(item)}
        beside = {key: item for key, item in value.items() if key not in lists}
        builder.add("paragraph", "\n".join(_lines(beside)))
        for key, records in lists.items():
            builder.add("heading", key, level=1)
            _add(builder, records)
    elif _is_records(value):
        for record in value:
            builder.add("paragraph", "\n".join(_lines(record)))
    else:
        builder.add("paragraph", "\n".join(_lines(value)))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)


def _lines(value: Any) -> Iterator[str]:
    """Yield a value as lines: ``owner.name: Ada``; a short list of plain values stays on one."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        name, item = stack.pop()
        if isinstance(item, dict):
            stack.extend(
                (f"{name}.{key}" if name else str(key), below)
                for key, below in reversed(item.items())
            )
        elif isinstance(item, list):
            flat = [_plain(one) for one in item if not isinstance(one, dict | list)]
            joined = ", ".join(flat)
            if len(flat) == len(item) and len(joined) <= _LONGEST_INLINE:
                yield f"{name}: {joined}" if name else joined
            else:
                stack.extend((name, below) for below in reversed(item))
        else:
            yield f"{name}: {_plain(item)}" if name else _plain(item)


def _plain(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value) or str(value)
