"""Reads a SQLite database in a process of its own, which can be ended whatever it is doing.

One step inside SQLite (``LIKE`` or ``replace`` on a long text), or one match of a pattern, asks
nobody whether there is time left. :func:`read_sqlite` therefore runs this file as a program, which
needs nothing but the standard library.
"""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# https://www.sqlite.org/c3ref/c_alter_table.html
_READ, _SELECT, _FUNCTION, _RECURSIVE, _PRAGMA = 20, 21, 31, 33, 19
# They load code, reach files, or make values of any size; none is a function of a query.
_FUNCTIONS_DENIED = frozenset(
    ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob")
)
_TABLE_FUNCTIONS = ("json_each", "json_tree")
_INSTRUCTIONS = 10_000  # between two looks at the clock
_LONGEST = 5_000_000
_MEMORY = 256 * 2**20
_MAX_CELL = 2_000
# Rows are not read past this many characters; a model is given far fewer.
_MAX_CHARACTERS = 1_000_000
# The clock is looked at first, for its message is the clearer one.
_LATER_SECONDS = 0.25
_START_SECONDS = 8.0
_OUT_OF_TIME = "interrupted"


@dataclass(frozen=True, slots=True)
class SQLiteQuery:
    """What is to be read: at most ``limit`` rows, from ``tables`` alone, in ``timeout`` seconds."""

    path: str
    statement: str
    tables: list[str]
    limit: int
    timeout: float


class SQLiteReadError(Exception):
    """SQLite did not run a statement, or not to its end; the message is SQLite's own."""


Rows = tuple[list[str], list[list[Any]], bool]


def read_sqlite(query: SQLiteQuery) -> Rows:
    """Run ``query`` in a process of its own, which ends with its time.

    Returns:
        The names of the columns, the rows (long values shortened), and whether there were more.

    Raises:
        SQLiteReadError: it failed, was not allowed, or took too long (``"interrupted"``).
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", __file__],
            input=json.dumps(asdict(query)).encode(),
            capture_output=True,
            timeout=query.timeout + _START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SQLiteReadError(_OUT_OF_TIME) from None
    if hasattr(signal, "SIGALRM") and done.returncode == -signal.SIGALRM:
        raise SQLiteReadError(_OUT_OF_TIME)
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SQLiteReadError(said[-1] if said else f"its process ended with {done.returncode}")
    found = json.loads(done.stdout)
    if "error" in found:
        raise SQLiteReadError(found["error"])
    return found["columns"], found["rows"], found["more"]


def open_sqlite(path: str | Path) -> sqlite3.Connection:
    """Open a database file so that nothing in it can be changed."""
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def kinds_of_tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what there is, by name: ``table``, ``view``, ``virtual``, or ``shadow``.

    Shadow tables are those in which a virtual one, such as a full-text index, keeps its data.
    """
    listed = connection.execute("SELECT name, type FROM pragma_table_list").fetchall()
    return {name.casefold(): kind for name, kind in listed}


def _confine(connection: sqlite3.Connection, tables: Collection[str], timeout: float) -> None:
    """Let SQLite itself refuse everything but reading these tables, and stop what takes too long."""
    present = kinds_of_tables(connection)
    virtual = {name for name, kind in present.items() if kind == "virtual"}
    wanted = {name.casefold() for name in tables}
    allowed = wanted | set(_TABLE_FUNCTIONS)
    allowed |= {
        name
        for name, kind in present.items()
        if kind == "shadow" and any(name.startswith(f"{owner}_") for owner in virtual & wanted)
    }
    for function in _TABLE_FUNCTIONS:  # made known now, while that is not refused
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
            denied = (second or "").casefold() in _FUNCTIONS_DENIED
            return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK
        if action == _PRAGMA and first == "data_version" and second is None:
            return sqlite3.SQLITE_OK  # full-text search asks for it
        return sqlite3.SQLITE_DENY

    deadline = time.monotonic() + timeout
    connection.execute(f"PRAGMA hard_heap_limit = {_MEMORY}")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.create_function("regexp", 2, _matches, deterministic=True)
    connection.set_authorizer(authorize)
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _INSTRUCTIONS)


def _matches(pattern: Any, text: Any) -> bool | None:
    """``text REGEXP pattern``, which SQLite leaves to whoever uses it."""
    if pattern is None or text is None:
        return None
    try:
        return re.search(str(pattern), str(text)) is not None
    except (re.error, RecursionError, OverflowError):
        return None


def shortened(value: Any) -> Any:
    """Return a value as a model is shown it."""
    if isinstance(value, memoryview | bytearray):
        value = bytes(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes" if len(value) > 64 else value.hex()
    if isinstance(value, str) and len(value) > _MAX_CELL:
        return f"{value[:_MAX_CELL]}… ({len(value)} characters)"
    return value


def _read(query: SQLiteQuery) -> dict[str, Any]:
    connection = open_sqlite(query.path)
    _confine(connection, query.tables, query.timeout)
    cursor = connection.execute(query.statement)
    rows: list[list[Any]] = []
    more, room = False, _MAX_CHARACTERS
    for row in cursor:
        if len(rows) == query.limit or room <= 0:
            more = True
            break
        rows.append([shortened(value) for value in row])
        room -= sum(len(str(value)) for value in rows[-1])
    return {"columns": [name for name, *_ in cursor.description or ()], "rows": rows, "more": more}


def main() -> None:
    """Run the query that standard input holds as JSON; what it found is printed as JSON."""
    query = SQLiteQuery(**json.load(sys.stdin))
    if hasattr(signal, "setitimer"):
        # By the kernel: nothing in this process has to be able to notice.
        signal.setitimer(signal.ITIMER_REAL, query.timeout + _LATER_SECONDS)
    try:
        found = _read(query)
    except MemoryError:
        found = {"error": "out of memory"}
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        found = {"error": str(error) or type(error).__name__}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
