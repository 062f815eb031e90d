"""How the parts of the store's façade come by a connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


class Connections(ABC):
    """What lends connections to the truth, safely across threads and forks."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _snapshot(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _transaction(
        self, *, durable: bool = True
    ) -> AbstractContextManager[sqlite3.Connection]: ...
