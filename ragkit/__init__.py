"""Ask a folder of documents; get answers that link to the exact page and passage.

    from ragkit import KnowledgeBase

    with KnowledgeBase("kb") as kb:
        kb.ingest("docs")
        print(kb.ask("how long is the warranty?").text)

Names are imported when first used, so ``import ragkit`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragkit.agent import (
        Agent,
        AgentResult,
        Limits,
        RunState,
        Tool,
        ToolError,
        ToolResult,
        tool,
    )
    from ragkit.answer.settings import AnswerSettings
    from ragkit.chat import Chat
    from ragkit.errors import (
        BudgetError,
        ChainError,
        CorruptError,
        EmbeddingError,
        EmptyFolderError,
        FingerprintError,
        KnowledgeBaseError,
        LockedError,
        ModelError,
        NotFoundError,
        PromptTooLongError,
        RagkitError,
        ReadOnlyError,
        SandboxError,
        UsageError,
        VersionError,
    )
    from ragkit.events import Notice, Progress
    from ragkit.kb import KnowledgeBase
    from ragkit.llm.meter import Budget
    from ragkit.llm.prices import Price, Prices
    from ragkit.results import (
        Answer,
        Citation,
        FileNote,
        Hit,
        IngestReport,
        Ranks,
        SearchResult,
        Sources,
        TextDelta,
        Usage,
    )
    from ragkit.run.importing import import_base
    from ragkit.run.overview import Status
    from ragkit.store.transfer import Exported

__version__ = "0.1.0"

_HOMES = {
    "ragkit.agent": (
        "Agent",
        "AgentResult",
        "Limits",
        "RunState",
        "Tool",
        "ToolError",
        "ToolResult",
        "tool",
    ),
    "ragkit.answer.settings": ("AnswerSettings",),
    "ragkit.chat": ("Chat",),
    "ragkit.errors": (
        "BudgetError",
        "ChainError",
        "ChainError",
        "CorruptError",
        "EmbeddingError",
        "EmptyFolderError",
        "FingerprintError",
        "KnowledgeBaseError",
        "LockedError",
        "ModelError",
        "NotFoundError",
        "PromptTooLongError",
        "RagkitError",
        "ReadOnlyError",
        "SandboxError",
        "SandboxError",
        "UsageError",
        "VersionError",
    ),
    "ragkit.events": ("Notice", "Progress"),
    "ragkit.llm.meter": ("Budget",),
    "ragkit.llm.prices": ("Price", "Prices"),
    "ragkit.kb": ("KnowledgeBase",),
    "ragkit.run.overview": ("Status",),
    "ragkit.store.transfer": ("Exported",),
    "ragkit.run.importing": ("import_base",),
    "ragkit.results": (
        "Answer",
        "Citation",
        "FileNote",
        "Hit",
        "IngestReport",
        "Ranks",
        "SearchResult",
        "Sources",
        "TextDelta",
        "Usage",
    ),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AgentResult",
    "Answer",
    "AnswerSettings",
    "Budget",
    "BudgetError",
    "ChainError",
    "Chat",
    "Citation",
    "CorruptError",
    "EmbeddingError",
    "EmptyFolderError",
    "Exported",
    "FileNote",
    "FingerprintError",
    "Hit",
    "IngestReport",
    "KnowledgeBase",
    "KnowledgeBaseError",
    "Limits",
    "LockedError",
    "ModelError",
    "NotFoundError",
    "Notice",
    "Price",
    "Prices",
    "Progress",
    "PromptTooLongError",
    "RagkitError",
    "Ranks",
    "ReadOnlyError",
    "RunState",
    "SandboxError",
    "SearchResult",
    "Sources",
    "Status",
    "TextDelta",
    "Tool",
    "ToolError",
    "ToolResult",
    "Usage",
    "UsageError",
    "VersionError",
    "__version__",
    "import_base",
    "tool",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
