"""Lets through only SQL that reads: one query, of known tables, calling known functions.

The second line of defence behind a read-only connection, and for some databases the only one. The
statement is parsed, everything in it is checked, and what is run is written anew from the parse
tree, so that what was checked is what is run.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ragkit.agent.tools.sql_functions import HARMLESS_FUNCTIONS, HARMLESS_TABLE_FUNCTIONS

_Node = Any  # an expression of sqlglot, whose base class has another name in each major version

# Names of SQLAlchemy's dialects, and those of sqlglot's.
DIALECTS = {
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "tsql",
    "oracle": "oracle",
    "duckdb": "duckdb",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "redshift": "redshift",
    "clickhouse": "clickhouse",
    "trino": "trino",
}
_MAX_LENGTH = 20_000

# Anything that is not part of a query, wherever it stands. (By name: versions differ.)
_FORBIDDEN = (
    "DML", "DDL", "Insert", "Update", "Delete", "Merge", "Create", "Drop", "Alter", "AlterColumn",
    "TruncateTable", "Copy", "Command", "Into", "Lock", "Set", "SetItem", "Pragma", "Attach",
    "Detach", "Use", "Kill", "Analyze", "Transaction", "Commit", "Rollback", "LoadData", "Cache",
    "Uncache", "Refresh", "Grant", "Revoke", "Comment", "Export", "Install", "Execute", "Declare",
    "Show", "Describe", "Summarize", "Operator", "Parameter", "SessionParameter", "Placeholder",
    "NextValueFor", "ReadCSV", "ReadParquet", "ToFile", "Secret", "RegDomain", "NetFunc",
    "DynamicIdentifier", "GenerateEmbedding", "GenerateText", "GenerateTable", "Predict",
    "AIGenerate", "AIClassify", "AIEmbed", "AIForecast", "Directory", "Block", "Heredoc",
)  # fmt: skip


class StatementError(Exception):
    """A statement that is not let through; the message tells a model why."""


@dataclass(frozen=True, slots=True)
class TableName:
    """A table or view; ``schema`` is ``None`` for the one that is searched by default."""

    name: str
    schema: str | None = None


def check_statement(
    statement: str,
    dialect: str,
    *,
    tables: Collection[TableName] | None = None,
    functions: Iterable[str] = (),
) -> str:
    """Return ``statement`` as it may be run: checked, and written anew.

    Args:
        statement: What a model wrote.
        dialect: SQLAlchemy's name of the database's dialect, one of :data:`DIALECTS`.
        tables: The tables it may read; ``None`` for any.
        functions: Further functions it may call.

    Raises:
        StatementError: it is more than one query, or does more than read what it may.
    """
    import sqlglot
    from sqlglot import expressions as exp
    from sqlglot.errors import SqlglotError

    if len(statement) > _MAX_LENGTH:
        raise StatementError(f"the statement is longer than {_MAX_LENGTH} characters")
    if "\0" in statement:
        raise StatementError("the statement has a null character in it")
    read = DIALECTS[dialect]
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # its warnings are said here, as refusals
    try:
        parsed = [tree for tree in sqlglot.parse(statement, dialect=read) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        raise StatementError(
            f"it cannot be read as SQL of {dialect}: {_first_line(error)}"
        ) from None
    if len(parsed) != 1:
        raise StatementError(f"one query is run at a time, not {len(parsed)}")
    tree = parsed[0]
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery | exp.Values):
        raise StatementError(f"only queries (SELECT) are run, not {_kind(tree)}")
    forbidden = tuple(getattr(exp, name) for name in _FORBIDDEN if hasattr(exp, name))
    own = {name.lower() for name in functions}
    harmless, as_table = HARMLESS_FUNCTIONS | own, HARMLESS_TABLE_FUNCTIONS | own
    for node in tree.walk():
        # Only what writes is refused of DML and DDL: queries are DDL's kin in some versions.
        if isinstance(node, forbidden) and not isinstance(node, exp.Query):
            raise StatementError(f"only reading is allowed, and {_kind(node)} is not that")
        if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
            _check_function(node, harmless)
        if isinstance(node, exp.Func) and isinstance(node.parent, exp.Dot):
            if node.parent.sql(dialect=read).lower().startswith("pg_catalog."):
                continue
            raise StatementError(f"functions are called without a schema, unlike {_kind(node)}")
        if isinstance(node, exp.Query) and node.args.get("settings"):
            raise StatementError("settings are not for a query to change")
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Func):
            name = node.this.sql(dialect=read).partition("(")[0].lower()
            if name not in as_table:
                raise StatementError(f"the function {name!r} may not be read as a table")
        elif isinstance(node, exp.Table) and tables is not None:
            _check_table(node, dialect, tables)
    try:
        return str(tree.sql(dialect=read, comments=False))
    except (SqlglotError, RecursionError) as error:
        raise StatementError(f"it cannot be written as SQL: {_first_line(error)}") from None


def _check_function(node: _Node, harmless: Collection[str]) -> None:
    name = str(node.name or node.this).lower()
    if name not in harmless:
        raise StatementError(f"the function {name!r} may not be called")


def _check_table(node: _Node, dialect: str, tables: Collection[TableName]) -> None:
    from sqlglot import expressions as exp

    if not isinstance(node.this, exp.Identifier):
        raise StatementError(f"{_kind(node)} is not the name of a table")
    name, schema = _folded(node.this, dialect), node.args.get("db")
    if schema is None and _is_common_table(node, name, dialect):
        return
    known = {(_plain(table.schema, dialect), _plain(table.name, dialect)) for table in tables}
    wanted = (_folded(schema, dialect) if schema is not None else None, name)
    if node.args.get("catalog") is not None or wanted not in known:
        raise StatementError(
            f"there is no table {node.sql()!r} to read; there are: "
            + ", ".join(sorted(table.name for table in tables)[:50])
        )


def _is_common_table(node: _Node, name: str, dialect: str) -> bool:
    """Whether a table expression (``WITH name AS …``) is meant, in the scope where it is named."""
    from sqlglot import expressions as exp

    below: _Node = node
    above = node.parent
    while above is not None:
        clause = above.args.get("with_") or above.args.get("with")
        if isinstance(clause, exp.With) and below is not clause:
            if any(_alias(cte, dialect) == name for cte in clause.expressions):
                return True
        elif isinstance(above, exp.With):
            named = list(above.expressions)
            place = next(i for i, cte in enumerate(named) if cte is below)
            visible = named if above.recursive else named[:place]
            if any(_alias(cte, dialect) == name for cte in visible):
                return True
        below, above = above, above.parent
    return False


def _alias(cte: _Node, dialect: str) -> str | None:
    alias = cte.args.get("alias")
    return _folded(alias.this, dialect) if alias is not None else None


def _folded(identifier: _Node, dialect: str) -> str:
    """Return a name as the database compares it."""
    name = str(identifier.name)
    if dialect == "postgresql":
        return name if identifier.args.get("quoted") else name.lower()
    return name.casefold()


def _plain(name: str | None, dialect: str) -> str | None:
    return name if name is None or dialect == "postgresql" else name.casefold()


def _kind(node: _Node) -> str:
    text = " ".join(str(node.sql()).split())
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
