"""Read-only connections to databases, each by the strictest means that its kind offers."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit.agent.tools.sql_check import DIALECTS, TableName
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

# https://www.sqlite.org/c3ref/c_alter_table.html
_READ, _SELECT, _FUNCTION, _RECURSIVE, _PRAGMA = 20, 21, 31, 33, 19
# They load code, reach files, or make values of any size; none is a function of a query.
_SQLITE_FUNCTIONS_DENIED = frozenset(
    ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob")
)
_SQLITE_TABLE_FUNCTIONS = ("json_each", "json_tree")
_SQLITE_INSTRUCTIONS = 10_000  # between two looks at the clock
_SQLITE_LONGEST = 5_000_000


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
    """

    dialect: str
    engine: Engine = field(repr=False)
    timeout: float

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
                    present = _present(raw)
                    names = [name for name in names if present.get(name.casefold()) != "shadow"]
            for name in names:
                schema, _, plain = name.rpartition(".") if only is not None else ("", "", name)
                try:
                    found.append(_describe(inspector, plain, schema or None))
                except NoSuchTableError:
                    raise UsageError(f"the database has no table {name!r}") from None
        return found

    @contextmanager
    def reading(self, tables: Sequence[Table]) -> Iterator[Connection]:
        """Open a connection on which nothing can be written and ``tables`` can be read."""
        with self.engine.connect() as connection:
            if self.dialect == "sqlite":
                raw = connection.connection.driver_connection
                if isinstance(raw, sqlite3.Connection):
                    _confine(raw, [table.table.name for table in tables], self.timeout)
            elif self.dialect == "postgresql":
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
        return Database(dialect, _sqlite_engine(parsed.database), timeout)
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


def _sqlite_engine(database: str | None) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    if not database or database == ":memory:" or database.startswith("file:"):
        raise UsageError(
            "the tool for SQL reads a SQLite file, given as sqlite:///FOLDER/FILE, not "
            f"{database or ':memory:'!r}"
        )
    path = Path(database)
    if not path.is_file():
        raise UsageError(f"there is no SQLite database {database!r}")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _confine(connection: sqlite3.Connection, tables: Collection[str], timeout: float) -> None:
    """Let SQLite itself refuse everything but reading these tables, and stop what takes too long."""
    present = _present(connection)
    virtual = {name for name, kind in present.items() if kind == "virtual"}
    wanted = {name.casefold() for name in tables}
    allowed = wanted | set(_SQLITE_TABLE_FUNCTIONS)
    allowed |= {
        name
        for name, kind in present.items()
        if kind == "shadow" and any(name.startswith(f"{owner}_") for owner in virtual & wanted)
    }
    for function in _SQLITE_TABLE_FUNCTIONS:  # made known now, while that is not refused
        connection.execute(f"SELECT 1 FROM {function}('[]')").fetchall()  # noqa: S608  # constants

    def authorize(
        action: int, first: str | None, second: str | None, _: str | None, inside: str | None
    ) -> int:
        if action in (_SELECT, _RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == _READ:
            name = (first or "").casefold()
            by_view = inside is not None and inside.casefold() in allowed
            # A table expression has a name too, where no column of it is asked for.
            expression = not second and name not in present and not name.startswith("sqlite_")
            known = name in allowed or by_view or expression
            return sqlite3.SQLITE_OK if known else sqlite3.SQLITE_DENY
        if action == _FUNCTION:
            denied = (second or "").casefold() in _SQLITE_FUNCTIONS_DENIED
            return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK
        if action == _PRAGMA and first == "data_version" and second is None:
            return sqlite3.SQLITE_OK  # full-text search asks for it
        return sqlite3.SQLITE_DENY

    deadline = time.monotonic() + timeout
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _SQLITE_LONGEST)
    connection.set_authorizer(authorize)
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _SQLITE_INSTRUCTIONS)


def _present(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what there is, by name: ``table``, ``view``, ``virtual``, or ``shadow``.

    Shadow tables are those in which a virtual one, such as a full-text index, keeps its data.
    """
    listed = connection.execute("SELECT name, type FROM pragma_table_list").fetchall()
    return {name.casefold(): kind for name, kind in listed}


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


def fetch_rows(
    connection: Connection, statement: str, *, limit: int, cut: Callable[[Any], Any]
) -> tuple[list[str], list[list[Any]], bool]:
    """Run a statement and read its first rows.

    Returns:
        The names of its columns, at most ``limit`` rows, and whether there were more.
    """
    options: Mapping[str, Any] = {"no_parameters": True, "stream_results": True}
    if connection.dialect.name == "sqlite":
        options = {"no_parameters": True}
    result = connection.execution_options(**options).exec_driver_sql(statement)
    rows = result.fetchmany(limit + 1)
    names = list(result.keys())
    result.close()
    return names, [[cut(value) for value in row] for row in rows[:limit]], len(rows) > limit
