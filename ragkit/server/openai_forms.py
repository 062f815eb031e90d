"""What OpenAI's two ways to ask have in common: messages in, citations out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict

from ragkit.errors import UsageError
from ragkit.server.question_routes import AskRequest, Earlier, Where

if TYPE_CHECKING:
    from fastapi import Request

    from ragkit.results import Answer, Citation, Usage

_MARKER = re.compile(r"\[(\d+)\]")
_IGNORED = ("system", "developer", "tool", "function")


class Own(BaseModel):
    """What ragkit takes beyond OpenAI's fields, under the key ``ragkit``."""

    model_config = ConfigDict(extra="forbid")
    base: str | None = None
    where: Where | None = None
    cache: bool = True


def question_of(turns: Sequence[tuple[str, Any]], model: str | None, own: Own) -> AskRequest:
    """Read a conversation: the last turn of the user is the question, those before it the history.

    Instructions to a model are left out: how an answer is made is ragkit's own.

    Args:
        turns: Roles and contents.
        model: Who is to answer.
        own: What else is said.

    Raises:
        UsageError: the last turn is not the user's, or holds something else than text.
    """
    said = [(role, text_of(content)) for role, content in turns if role not in _IGNORED]
    if not said or said[-1][0] != "user":
        raise UsageError("the last message must be the user's question")
    # A reply of tools alone, or none, has no text.
    history = [Earlier(role=role, content=text) for role, text in said[:-1] if text]  # type: ignore[arg-type]
    return AskRequest(
        question=said[-1][1], history=history, model=model, where=own.where, cache=own.cache
    )


def text_of(content: Any) -> str:
    """Return the text of a message, which may come in parts.

    Raises:
        UsageError: it holds a picture, a file or a sound.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise UsageError(
            f"the content of a message must be text or a list of parts, not {content!r}"
        )
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "refusal":
            continue
        if kind not in ("text", "input_text", "output_text") or not isinstance(part["text"], str):
            raise UsageError(f"a question is text; {kind!r} cannot be read here")
        texts.append(part["text"])
    return "\n".join(texts)


def check_tools(tools: Sequence[dict[str, Any]], allowed: frozenset[str], choice: Any) -> None:
    """Refuse tools that the client would run.

    Raises:
        UsageError: there are some.
    """
    other = [tool for tool in tools if tool.get("type") not in allowed]
    if other and choice != "none":
        raise UsageError(
            f"tools of the client are not called here ({other[0].get('type')!r}): ragkit answers from"
            " its documents; leave 'tools' out, or set tool_choice to 'none'"
        )


def place(request: Request, base: str | None, citation: Citation) -> str:
    """Return the address at which a citation is shown in its document."""
    facts: dict[str, Any] = {} if citation.page is None else {"page": citation.page}
    fragment = urlencode({**facts, "start": citation.start, "end": citation.end})
    query = "" if base is None else "?" + urlencode({"base": base})
    root = str(request.base_url).rstrip("/")
    return f"{root}/documents/{quote(citation.path)}{query}#{fragment}"


def markers(answer: Answer) -> Iterator[tuple[int, int, Citation]]:
    """Find each ``[n]`` of an answer's text: where it begins and ends, and what it cites."""
    by_number = {citation.n: citation for citation in answer.citations}
    for match in _MARKER.finditer(answer.text):
        citation = by_number.get(int(match[1]))
        if citation is not None:
            yield match.start(), match.end(), citation


def title_of(citation: Citation) -> str:
    """Name the place of a citation for people."""
    where = f", page {citation.page}" if citation.page is not None else ""
    return f"{citation.path}{where}"


def own_form(answer: Answer) -> dict[str, Any]:
    """Return the answer with the fields of the Python API."""
    return asdict(answer)


def tokens(usage: Usage) -> tuple[int, int, int]:
    """Return tokens read, written and both."""
    total = usage.input_tokens + usage.output_tokens
    return usage.input_tokens, usage.output_tokens, total
