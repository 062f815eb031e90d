"""The part of the store's façade that reads documents, passages and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragkit.store import filtering, queries, vectors
from ragkit.store.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ingest.document import Document
    from ragkit.store.allowed import Allowed
    from ragkit.store.records import (
        Counts,
        DocumentName,
        Root,
        StoredChunk,
        StoredDocument,
        StoredFailure,
        StoredFile,
    )
    from ragkit.store.where import Where


class DocumentStore(Connections):
    """Documents, their passages and vectors, as they are now."""

    def roots(self) -> list[Root]:
        """Return all roots, oldest first."""
        with self._reading() as connection:
            return queries.roots(connection)

    def files(self, root_id: int) -> list[StoredFile]:
        """Return all files known in a root, documents and failures, by path."""
        with self._reading() as connection:
            return queries.files(connection, root_id)

    def documents(self, where: Where | None = None) -> list[StoredDocument]:
        """Return documents without their text, by display path."""
        with self._snapshot() as connection:
            return queries.documents(connection, where)

    def page_counts(self, where: Where | None = None) -> tuple[int, int] | None:
        """Return the pages of the document with the fewest and with the most; 0: it has none."""
        with self._snapshot() as connection:
            return queries.page_counts(connection, where)

    def document_names(self) -> list[DocumentName]:
        """Return what all documents are called, by id."""
        with self._reading() as connection:
            return queries.document_names(connection)

    def failures(self) -> list[StoredFailure]:
        """Return all files that could not be loaded, by display path."""
        with self._reading() as connection:
            return queries.failures(connection)

    def unusual_paths(self) -> dict[tuple[int | None, str], str]:
        """Return the display paths that are not the paths in the root, by root id and the latter.

        These are of files of which several roots have one, or whose name is no Unicode.
        """
        with self._snapshot() as connection:
            return queries.unusual_paths(connection)

    def yield_by_format(self) -> dict[str, tuple[int, int]]:
        """Return how many bytes of files gave how many chunks, by format."""
        with self._reading() as connection:
            return queries.yield_by_format(connection)

    def document_ids(self, where: Where) -> list[int]:
        """Return the ids of exactly the documents that ``where`` allows, ascending."""
        with self._snapshot() as connection:
            return filtering.document_ids(connection, where)

    def allowed(self, where: Where) -> Allowed:
        """Return exactly the chunks that ``where`` allows, and the documents they are of."""
        with self._snapshot() as connection:
            return filtering.allowed(connection, where)

    def allowed_documents(self, document_ids: Sequence[int]) -> Allowed:
        """Return all chunks of some documents; ids that are gone are ignored."""
        with self._reading() as connection:
            return filtering.allowed_documents(connection, document_ids)

    def document(self, document_id: int) -> Document:
        """Return a whole document, equal to the one that was put.

        Raises:
            UsageError: there is none with this id.
        """
        with self._reading() as connection:
            return queries.document(connection, document_id)

    def stored_document(self, path: str) -> StoredDocument | None:
        """Return what is known of the document with this display path, without its text."""
        with self._reading() as connection:
            return queries.stored_document(connection, path)

    def document_by_path(self, path: str) -> tuple[StoredDocument, Document] | None:
        """Return the document with this display path, or ``None``."""
        with self._snapshot() as connection:
            return queries.document_by_path(connection, path)

    def chunks(self, chunk_ids: Sequence[int]) -> list[StoredChunk]:
        """Return chunks in the order of the ids; those that are gone are left out."""
        with self._reading() as connection:
            return queries.chunks(connection, chunk_ids)

    def texts_with(self, signs: Sequence[str]) -> list[str]:
        """Return the texts of the chunks that hold any of some pieces of text, without wildcards."""
        with self._reading() as connection:
            return queries.texts_with(connection, signs)

    def chunks_of(self, document_id: int) -> list[StoredChunk]:
        """Return all chunks of a document in order."""
        with self._reading() as connection:
            return queries.chunks_of(connection, document_id)

    def counts(self) -> Counts:
        """Return totals; costs the same however large the base is."""
        with self._reading() as connection:
            return queries.counts(connection)

    def vectors_of(self, chunk_ids: Sequence[int]) -> NDArray[np.float32]:
        """Return vectors in the order of the ids, shape (n, dimension); zeros where missing.

        The dimension is 0 while the base has no vector at all.
        """
        with self._snapshot() as connection:
            return vectors.of_chunks(connection, chunk_ids)
