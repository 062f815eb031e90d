"""Methods that lend a connection of the base to a function, and do no more."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from ragkit.store.database import Database

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Function = Callable[Concatenate[sqlite3.Connection, Parameters], Result]


class Lender(Protocol):
    """What has a database, and says who may write to it."""

    _database: Database

    def require_writing(self, what: str) -> None:
        """Raise where the calling thread is not the writer; ``what`` it calls."""
        ...


Method = Callable[Concatenate[Lender, Parameters], Result]


def reading(function: Function[Parameters, Result]) -> Method[Parameters, Result]:
    """Make a method of a function that reads."""
    return _method(function, lambda lender: lender._database.reading())


def at_once(function: Function[Parameters, Result]) -> Method[Parameters, Result]:
    """Make a method of a function that reads several times, all as of one moment."""
    return _method(function, lambda lender: lender._database.snapshot())


def changing(
    function: Function[Parameters, Result], *, durable: bool = True
) -> Method[Parameters, Result]:
    """Make a method of a function that any process may change a few rows with at any time."""
    return _method(function, lambda lender: lender._database.transaction(durable=durable))


def writing(function: Function[Parameters, Result]) -> Method[Parameters, Result]:
    """Make a method of a function that changes documents, which only the one writer may."""

    def lend(lender: Lender) -> AbstractContextManager[sqlite3.Connection]:
        lender.require_writing(function.__name__)
        return lender._database.transaction()

    return _method(function, lend)


def _method(
    function: Function[Parameters, Result],
    lend: Callable[[Lender], AbstractContextManager[sqlite3.Connection]],
) -> Method[Parameters, Result]:
    @functools.wraps(function)
    def method(lender: Lender, /, *given: Parameters.args, **named: Parameters.kwargs) -> Result:
        with lend(lender) as connection:
            return function(connection, *given, **named)

    return method
