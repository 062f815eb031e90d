"""Read-only connections to databases, each by the strictest means that its kind offers."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit.agent.tools.sql_check import DIALECTS, TableName
from ragkit.agent.tools.sqlite_reading import (
    SQLiteQuery,
    SQLiteReadError,
    kinds_of_tables,
    open_sqlite,
    read_sqlite,
    shortened,
)
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class QueryError(Exception):
    """A database did not run a statement, or not to its end; the message is the database's own."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type as the database writes it, and ``table.column`` where it points."""

    name: str
    type: str
    primary: bool = False
    points_to: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view with its columns."""

    table: TableName
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is only read.

    Attributes:
        dialect: SQLAlchemy's name of its kind.
        engine: Makes the connections.
        timeout: Seconds that a statement may take.
        path: The file, where it is one of SQLite; it is read by a process of its own.
    """

    dialect: str
    engine: Engine = field(repr=False)
    timeout: float
    path: str | None = None

    def tables(self, only: Collection[str] | None) -> list[Table]:
        """Read which tables and views there are.

        Args:
            only: Their names, with ``schema.`` before them if they are in another than the
                default one; ``None`` for all of the default one.

        Raises:
            UsageError: one of ``only`` does not exist.
        """
        from sqlalchemy import inspect
        from sqlalchemy.exc import NoSuchTableError

        found: list[Table] = []
        with self.engine.connect() as connection:
            inspector = inspect(connection)
            names = sorted(only) if only is not None else []
            if only is None:
                names = [*inspector.get_table_names(), *inspector.get_view_names()]
                raw = connection.connection.driver_connection
                if isinstance(raw, sqlite3.Connection):
                    present = kinds_of_tables(raw)
                    names = [name for name in names if present.get(name.casefold()) != "shadow"]
            for name in names:
                schema, _, plain = name.rpartition(".") if only is not None else ("", "", name)
                try:
                    found.append(_describe(inspector, plain, schema or None))
                except NoSuchTableError:
                    raise UsageError(f"the database has no table {name!r}") from None
        return found

    def rows(
        self, statement: str, tables: Sequence[Table], *, limit: int
    ) -> tuple[list[str], list[list[Any]], bool]:
        """Run a statement where nothing can be written and only ``tables`` can be read.

        Returns:
            The names of its columns, at most ``limit`` rows with long values shortened, and
            whether there were more.

        Raises:
            QueryError: the database refused it, it failed, or it took too long.
        """
        if self.path is not None:
            names = [table.table.name for table in tables]
            query = SQLiteQuery(self.path, statement, names, limit, self.timeout)
            try:
                return read_sqlite(query)
            except SQLiteReadError as error:
                raise QueryError(str(error)) from None
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._reading() as connection:
                options = {"no_parameters": True, "stream_results": True}
                result = connection.execution_options(**options).exec_driver_sql(statement)
                rows = result.fetchmany(limit + 1)
                columns = list(result.keys())
                result.close()
        except SQLAlchemyError as error:
            raise QueryError(reason_of(error)) from None
        shown = [[shortened(value) for value in row] for row in rows[:limit]]
        return columns, shown, len(rows) > limit

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Open a connection on which nothing can be written."""
        with self.engine.connect() as connection:
            if self.dialect == "postgresql":
                milliseconds = max(1, int(self.timeout * 1000))
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
                # After the first query, the transaction cannot be made writable any more.
                connection.exec_driver_sql("SELECT 1")
            elif self.dialect in ("mysql", "mariadb"):
                connection.exec_driver_sql("START TRANSACTION READ ONLY")
            try:
                yield connection
            finally:
                connection.rollback()


def open_database(url: str, *, timeout: float) -> Database:
    """Open the database at a SQLAlchemy URL, without connecting yet.

    Raises:
        UsageError: the URL is of no known kind, names no file there is, or needs a package that
            is not installed.
    """
    try:
        import sqlalchemy
        import sqlglot  # noqa: F401  # needed for every statement
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.pool import NullPool
    except ImportError as error:
        raise UsageError(
            f"the tool for SQL needs the package {error.name!r}: pip install 'ragkit[sql]'"
        ) from None
    try:
        parsed = sqlalchemy.make_url(url)
    except ArgumentError:
        raise UsageError("the database must be given as a URL, such as sqlite:///shop.db") from None
    dialect = parsed.get_backend_name()
    if dialect not in DIALECTS:
        raise UsageError(f"databases of kind {dialect!r} are not known; {', '.join(DIALECTS)} are")
    if dialect == "sqlite":
        file = _sqlite_file(parsed.database)
        engine = sqlalchemy.create_engine(
            "sqlite://", creator=functools.partial(open_sqlite, file), poolclass=NullPool
        )
        return Database(dialect, engine, timeout, str(Path(file).absolute()))
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    options: dict[str, Any] = {}
    if dialect == "duckdb":
        options = {"read_only": True, "config": {"enable_external_access": "false"}}
    try:
        engine = sqlalchemy.create_engine(parsed, poolclass=NullPool, connect_args=options)
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(f"the driver of {parsed.drivername!r} is not installed: {error}") from None
    return Database(dialect, engine, timeout)


def _sqlite_file(database: str | None) -> str:
    if not database or database == ":memory:" or database.startswith("file:"):
        raise UsageError(
            "the tool for SQL reads a SQLite file, given as sqlite:///FOLDER/FILE, not "
            f"{database or ':memory:'!r}"
        )
    if not Path(database).is_file():
        raise UsageError(f"there is no SQLite database {database!r}")
    return database


def reason_of(error: Exception) -> str:
    """Return what a database said, on one line."""
    original = getattr(error, "orig", None) or error
    return str(original).strip().partition("\n")[0] or type(original).__name__


def _describe(inspector: Any, name: str, schema: str | None) -> Table:
    primary = set(inspector.get_pk_constraint(name, schema=schema).get("constrained_columns") or ())
    points_to: dict[str, str] = {}
    for key in inspector.get_foreign_keys(name, schema=schema):
        pairs = zip(key["constrained_columns"], key["referred_columns"], strict=False)
        points_to |= {own: f"{key['referred_table']}.{other}" for own, other in pairs}
    columns = tuple(
        Column(
            column["name"],
            str(column["type"]),
            column["name"] in primary,
            points_to.get(column["name"]),
        )
        for column in inspector.get_columns(name, schema=schema)
    )
    return Table(TableName(name, schema), columns)
