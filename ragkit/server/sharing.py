"""What all routes of a server share: its bases, its settings, its threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Query

from ingest.page_reader import PageReader
from ragkit.errors import NotFoundError, ReadOnlyError, UsageError
from ragkit.server.ingests import Ingests
from ragkit.server.metrics import Metrics
from ragkit.server.served import Served
from ragkit.server.streaming import Workers

if TYPE_CHECKING:
    from ragkit.embed.embedder import Embedder
    from ragkit.kb import KnowledgeBase

OWN_MODEL = "ragkit"  # as a model's name: what the base is opened with
BaseName = Annotated[
    str | None, Query(description="The knowledge base, by its name; default: the first")
]


def uploads_of(kb: KnowledgeBase) -> Path:
    """Return the folder of a base that uploads land in."""
    return kb.directory / "uploads"


@dataclass(frozen=True, slots=True)
class Server:
    """A server at work."""

    served: Served
    workers: Workers = field(default_factory=Workers)
    ingests: Ingests = field(default_factory=Ingests)
    metrics: Metrics = field(default_factory=Metrics)
    pages: PageReader = field(default_factory=PageReader)

    def base(self, name: str | None) -> KnowledgeBase:
        """Return a base by its name; ``None`` is the first."""
        bases = self.served.bases
        found = bases.get(self.served.first if name is None else name)
        if found is None:
            raise NotFoundError(
                f"there is no knowledge base {name!r} here; there are {', '.join(map(repr, bases))}"
            )
        return found

    def model(self, name: str | None) -> str | None:
        """Return the model that a request may have; ``None`` is the base's own.

        Raises:
            NotFoundError: the operator did not allow it.
        """
        if name is None or name == OWN_MODEL:
            return None
        if name != "extractive" and name not in self.served.settings.models:
            known = ", ".join(map(repr, (OWN_MODEL, "extractive", *self.served.settings.models)))
            raise NotFoundError(
                f"there is no model {name!r} here; there are {known} (--allow-model)"
            )
        return name

    def embedder(self, name: str | None = None) -> Embedder:
        """Return the embedding model that a base was built with."""
        return self.base(name)._base.question_embedder()

    def require_writable(self) -> None:
        """Raise where nothing may be changed."""
        if self.served.settings.read_only:
            raise ReadOnlyError("this server only reads: it was started with --read-only")

    def checked(self, text: str, what: str = "the question") -> str:
        """Return a text that is neither empty nor too long."""
        most = self.served.settings.max_question
        if not text.strip():
            raise UsageError(f"{what} is empty")
        if len(text) > most:
            raise UsageError(f"{what} has {len(text):,} characters; {most:,} are allowed here")
        return text
