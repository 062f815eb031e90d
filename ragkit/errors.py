"""Everything ragkit raises on purpose.

RagkitError
├── UsageError                 an argument or setting is wrong                    exit code 2
│   └── EmptyFolderError         a folder to ingest is empty, but was not before
├── KnowledgeBaseError         the knowledge base cannot be used                  exit code 3
│   ├── NotFoundError            what was named is not there: a base, or
│   │   └── NotInBaseError         something in one; a UsageError too                exit code 2
│   ├── LockedError              another process is writing to it
│   ├── ReadOnlyError            it may be read, but not written to
│   ├── VersionError             written by a newer ragkit
│   ├── FingerprintError         built with another embedding model or chunker
│   └── CorruptError             damaged; the message says how to restore it
├── EmbeddingError             the embedding model cannot be loaded or run        exit code 3
├── RerankError                a reranker cannot be loaded or run                 exit code 3
├── ModelError                 a language model cannot be reached or failed       exit code 3
│   ├── BudgetError              asking it would go over a limit that the user set
│   ├── PromptTooLongError       the prompt is longer than it can read
│   └── ToolsUnsupportedError    the server cannot call tools with it
├── ChainError                 a chain got no result that it could accept         exit code 3
└── SandboxError               this machine cannot confine code, so none is run   exit code 3

A file that cannot be loaded raises nothing here: it is an entry in the ingest report.
"""

from __future__ import annotations


class RagkitError(Exception):
    """Base of all errors; the message says what happened and what to do."""

    exit_code = 3


class UsageError(RagkitError, ValueError):
    """An argument or a setting is wrong."""

    exit_code = 2


class EmptyFolderError(UsageError):
    """A folder to ingest holds nothing now, but the base many documents of it."""


class KnowledgeBaseError(RagkitError):
    """The knowledge base cannot be used."""


class NotFoundError(KnowledgeBaseError):
    """What was named is not there."""


class NotInBaseError(NotFoundError, UsageError):
    """The knowledge base is there, but not the document, session or trace that was named."""

    exit_code = 2


class LockedError(KnowledgeBaseError):
    """Another process is writing to the knowledge base."""


class ReadOnlyError(KnowledgeBaseError):
    """The knowledge base may be read, but not written to."""


class VersionError(KnowledgeBaseError):
    """The knowledge base was written by a newer version of ragkit."""


class FingerprintError(KnowledgeBaseError):
    """The knowledge base was built with another embedding model or chunker."""


class CorruptError(KnowledgeBaseError):
    """The knowledge base is damaged."""


class EmbeddingError(RagkitError):
    """The embedding model cannot be loaded or run."""


class RerankError(RagkitError):
    """A reranker cannot be loaded or run."""


class ModelError(RagkitError):
    """A language model cannot be reached, or failed."""


class BudgetError(ModelError):
    """Asking a language model would go over a limit on tokens or cost that the user set."""


class PromptTooLongError(ModelError):
    """The prompt is longer than the model can read."""


class ToolsUnsupportedError(ModelError):
    """The server, or the model as it is served there, cannot call tools."""


class ChainError(RagkitError):
    """A chain got no result that could be read, or that its guards accept."""


class SandboxError(RagkitError):
    """This machine offers no way to confine code, so none is run."""
