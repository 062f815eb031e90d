"""Lets a model ask a database, and change nothing in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragkit.agent.tool import ToolError, tool
from ragkit.agent.tools.sql_check import StatementError, check_statement
from ragkit.agent.tools.sql_database import QueryError, Table, open_database, reason_of
from ragkit.errors import UsageError

if TYPE_CHECKING:
    from ragkit.agent.tool import Tool

_MAX_SCHEMA = 8_000


def sql_tool(
    url: str,
    *,
    tables: Sequence[str] | None = None,
    functions: Sequence[str] = (),
    max_rows: int = 100,
    timeout: float = 15.0,
) -> Tool:
    """Make the tool ``sql``: one query at a time against a database, read only.

    Each statement must be a single query of the tables the model is shown, calling functions that
    only compute; it is parsed, checked and written anew before it is run. SQLite opens the file
    read-only, in a process of its own that is ended when the time is over, and itself refuses
    everything else; PostgreSQL, MySQL and MariaDB run it in a read-only transaction; DuckDB opens
    read-only without access to files. With other databases the check of the statement is the only
    guard: give the tool an account that may only read.

    Args:
        url: SQLAlchemy URL of the database, such as ``"sqlite:///shop.db"`` or
            ``"postgresql://reader@localhost/shop"``.
        tables: Tables and views that may be read; default: all of the default schema.
        functions: Names of further functions that may be called, such as your own.
        max_rows: How many rows are returned; the model is told if there were more.
        timeout: Seconds that a query may take. SQLite and PostgreSQL stop it then; with others it
            is given up, and goes on at the database until that ends it.

    Raises:
        UsageError: the database is of no known kind, cannot be opened, or lacks one of ``tables``;
            or a package is missing (``pip install 'ragkit[sql]'``).
    """
    if max_rows < 1:
        raise UsageError(f"max_rows must be positive, not {max_rows!r}")
    database = open_database(url, timeout=timeout)
    from sqlalchemy.exc import SQLAlchemyError

    try:
        known = database.tables(tables)
    except SQLAlchemyError as error:
        raise UsageError(f"the database cannot be opened: {reason_of(error)}") from None
    names = [table.table for table in known]

    def sql(query: str) -> dict[str, Any]:
        """Run a query.

        Args:
            query: One SELECT statement.
        """
        try:
            statement = check_statement(query, database.dialect, tables=names, functions=functions)
        except StatementError as error:
            raise ToolError(f"the query was not run: {error}") from None
        try:
            columns, rows, more = database.rows(statement, known, limit=max_rows)
        except QueryError as error:
            raise ToolError(_told(str(error), timeout)) from None
        result: dict[str, Any] = {"columns": columns, "rows": rows}
        if more:
            result["note"] = f"there are more rows; these are the first {len(rows)}"
        return result

    described = (
        f"Run one read-only SQL query against a {database.dialect} database and return its rows "
        f"(at most {max_rows}). Tables:\n{describe_tables(known)}"
    )
    return tool(name="sql", description=described, timeout=timeout + 10.0)(sql)


def describe_tables(tables: Sequence[Table]) -> str:
    """Write tables down for a model, one a line; columns are left out where there are too many."""
    whole = [_line(table) for table in tables]
    if sum(map(len, whole)) <= _MAX_SCHEMA:
        return "\n".join(whole) or "(none)"
    lines: list[str] = []
    room = _MAX_SCHEMA
    for table, line in zip(tables, whole, strict=True):
        shorter = f"{_name(table)}({', '.join(column.name for column in table.columns)})"
        for text in (line if len(line) < room / 4 else shorter, shorter, _name(table)):
            if len(text) <= room:
                lines.append(text)
                room -= len(text) + 1
                break
        else:
            lines.append(f"and {len(tables) - len(lines)} more")
            break
    return "\n".join(lines)


def _line(table: Table) -> str:
    columns = []
    for column in table.columns:
        primary = " PRIMARY KEY" if column.primary else ""
        points_to = f" -> {column.points_to}" if column.points_to else ""
        columns.append(f"{column.name} {column.type}{primary}{points_to}")
    return f"{_name(table)}({', '.join(columns)})"


def _name(table: Table) -> str:
    return f"{table.table.schema}.{table.table.name}" if table.table.schema else table.table.name


def _told(reason: str, timeout: float) -> str:
    if reason == "interrupted" or "statement timeout" in reason:
        return f"the query took longer than {timeout:g} seconds and was stopped"
    if reason in ("not authorized", "prohibited") or "is prohibited" in reason:
        return f"the query was not run: it does more than read the tables it may ({reason})"
    return f"the query failed: {reason}"
