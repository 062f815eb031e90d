"""A knowledge base as a tool: passages with their exact places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ragkit.agent.tool import Tool, ToolResult, tool
from ragkit.errors import RagkitError

if TYPE_CHECKING:
    from ragkit.results import Hit, SearchResult

DEFAULT_PASSAGES = 6
_MAX_PASSAGES = 20
_DESCRIPTION = (
    "Search the user's documents. Returns the passages that fit best, each with the file and page "
    "it is from. Search again with other words if they do not answer the question."
)

Retrieve = Callable[[str, int, Mapping[str, str] | None], "SearchResult"]


def search_kb_tool(
    retrieve: Retrieve,
    *,
    name: str = "search_kb",
    description: str | None = None,
    k: int = DEFAULT_PASSAGES,
    timeout: float | None = 60.0,
) -> Tool:
    """Make a tool that searches; :meth:`ragkit.KnowledgeBase.as_tool` calls it.

    The value of its result is the tuple of :class:`ragkit.Hit`.

    Args:
        retrieve: Finds passages for a question, a number of them, and a filter.
        name: What models call it by.
        description: What is to be found there; default: the user's documents.
        k: How many passages are returned unless the model asks for another number.
        timeout: Seconds that a search may take.
    """

    def search(
        query: Annotated[str, "What to look for, as a question or key words."],
        passages: Annotated[
            int, Field(ge=1, le=_MAX_PASSAGES, description="How many passages to return.")
        ] = k,
        path: Annotated[
            str | None, "Only in files whose path fits this glob, such as *.pdf or manuals/*."
        ] = None,
    ) -> ToolResult:
        if not query.strip():
            return ToolResult("the query is empty", error=True)
        try:
            found = retrieve(query, passages, {"path": path} if path else None)
        except RagkitError as error:
            return ToolResult(str(error), error=True)
        parts = [_passage(hit) for hit in found.hits] or ["No passage was found."]
        parts += [f"(Note: {note})" for note in found.degraded]
        return ToolResult("\n\n".join(parts), value=found.hits)

    return tool(
        name=name,
        description=description or _DESCRIPTION,
        timeout=timeout,
        max_result_characters=60_000,
    )(search)


def _passage(hit: Hit) -> str:
    place = hit.path if hit.page is None else f"{hit.path}, page {hit.page}"
    heading = f" ({' '.join(hit.heading.split())})" if hit.heading else ""
    return f"[{' '.join(place.split())}]{heading}\n{hit.text.strip()}"
