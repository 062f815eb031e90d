"""How a server is set up, and what it is given to serve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.kb import KnowledgeBase

MEBIBYTE = 1 << 20
UPLOADS = "/api/documents"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How to serve.

    Attributes:
        token: What each request must bear as ``Authorization: Bearer …``; ``None``: no token.
        read_only: Nothing can be uploaded, ingested, deleted or kept.
        models: Language models that a request may name, beside the one a base is opened with.
        hosts: Names by which the server may be called, beside those of loopback; where there is a
            token and none is named, all.
        folders: What callers may have brought up to date in the first base, beside their uploads.
        origins: Pages of other servers that may call this one, such as ``https://chat.example``.
        max_question: Characters of a question, and of each earlier turn.
        max_body: Bytes of a request.
        max_upload: Bytes of a file that is uploaded.
        concurrency: Requests at a time; more are asked to come back.
        rate: Requests a minute from one address; ``None``: no limit.
        seconds: How long an answer may take.
    """

    token: str | None = None
    read_only: bool = False
    models: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    max_question: int = 20_000
    max_body: int = 2 * MEBIBYTE
    max_upload: int = 200 * MEBIBYTE
    concurrency: int = 512
    rate: int | None = None
    seconds: float = 300.0

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < 16:
            raise UsageError("the token must have at least 16 characters")

    def most(self, method: str, path: str) -> int:
        """How many bytes a request may have."""
        is_upload = method == "POST" and path == UPLOADS
        return self.max_upload if is_upload else self.max_body


@dataclass(frozen=True, slots=True)
class Served:
    """What is served.

    Attributes:
        bases: Open knowledge bases by name; the first is taken where a request names none.
        settings: How.
    """

    bases: Mapping[str, KnowledgeBase]
    settings: ServeSettings = field(default_factory=ServeSettings)

    def __post_init__(self) -> None:
        if not self.bases:
            raise UsageError("there is no knowledge base to serve")
        for name in self.bases:
            if not _NAME.fullmatch(name):
                raise UsageError(
                    f"a knowledge base cannot be served as {name!r}; a name has at most 64 letters,"
                    " digits, '-', '_' and '.'"
                )

    @property
    def first(self) -> str:
        """The name of the base that is meant where none is named."""
        return next(iter(self.bases))
