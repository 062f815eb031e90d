"""The tool sql: it answers questions, and nothing it is told changes or leaves the database."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sql_attempts import POSTGRESQL, SQLITE, attempts

pytest.importorskip("sqlalchemy", reason="the extra 'sql' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sql' is not installed")

from ragkit.agent import Tool, ToolError
from ragkit.agent.tools import sql_tool
from ragkit.agent.tools.sql_check import StatementError, TableName, check_statement
from ragkit.agent.tools.sql_database import QueryError, open_database
from ragkit.errors import UsageError

READABLE = [TableName("orders"), TableName("cheap")]


def make_shop(path: Path) -> Path:
    database = sqlite3.connect(path)
    database.executescript(
        """
        CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT);
        INSERT INTO orders VALUES (1, 'lamp'), (2, 'täble'), (3, NULL);
        CREATE TABLE secrets (word TEXT);
        INSERT INTO secrets VALUES ('hunter2');
        CREATE VIEW cheap AS SELECT id FROM orders WHERE id < 3;
        CREATE TABLE lines (n INTEGER REFERENCES orders (id), price NUMERIC, facts TEXT);
        INSERT INTO lines VALUES (1, 9.5, '{"a": [1, 2]}'), (1, 1, NULL);
        CREATE VIRTUAL TABLE notes USING fts5 (body);
        INSERT INTO notes VALUES ('a lamp that shines');
        """
    )
    database.close()
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("shop") / "shop #1 100%.db")


@pytest.fixture
def reader(shop: Path) -> Tool:
    return sql_tool(f"sqlite:///{shop}", tables=["orders", "cheap"])


@pytest.mark.parametrize("statement", attempts(SQLITE))
def test_the_check_lets_nothing_through_in_sqlite(statement: str) -> None:
    with pytest.raises(StatementError):
        check_statement(statement, "sqlite", tables=READABLE)


@pytest.mark.parametrize("statement", attempts(POSTGRESQL))
def test_the_check_lets_nothing_through_in_postgresql(statement: str) -> None:
    with pytest.raises(StatementError):
        check_statement(statement, "postgresql", tables=READABLE)


def test_the_tool_changes_nothing(shop: Path, reader: Tool) -> None:
    before = hashlib.sha256(shop.read_bytes()).digest()
    for statement in attempts(SQLITE):
        assert reader.call({"query": statement}).error, statement
    assert hashlib.sha256(shop.read_bytes()).digest() == before
    assert sorted(path.name for path in shop.parent.iterdir()) == [shop.name]


def test_sqlite_itself_refuses_without_the_check(shop: Path) -> None:
    """The connection alone: no statement is checked here."""
    before = hashlib.sha256(shop.read_bytes()).digest()
    database = open_database(f"sqlite:///{shop}", timeout=1.0)
    tables = database.tables(["orders", "cheap"])
    harmless_without = {"BEGIN EXCLUSIVE", "COMMIT", "ROLLBACK", "SAVEPOINT x", "RELEASE x"}
    for statement in attempts(SQLITE):
        shadowing = " AS orders" in statement or "WITH orders" in statement
        if statement in harmless_without or shadowing:
            continue  # nothing to refuse; or a name that only the check sees through
        try:
            _, rows, _ = database.rows(statement, tables, limit=100)
        except QueryError:
            continue
        # What SQLite runs of these shows nothing but what may be read.
        assert "hunter2" not in str(rows), statement
        assert statement.startswith(("SELECT ?", "SELECT :")) or rows in ([], [[1]]), statement
    assert hashlib.sha256(shop.read_bytes()).digest() == before
    assert not Path("/tmp/ragkit-stolen.db").exists()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT * FROM orders ORDER BY id DESC", [[3, None], [2, "täble"], [1, "lamp"]]),
        ("select count(*) from cheap;", [[2]]),
        ("SELECT item FROM orders WHERE id = 1 -- the first", [["lamp"]]),
        ("WITH x AS (SELECT 1 AS n) SELECT n FROM x", [[1]]),
        ("WITH orders AS (SELECT 7 AS n) SELECT n FROM orders", [[7]]),
        (
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) "
            "SELECT count(*), sum(n) FROM c",
            [[5, 15]],
        ),
        ("VALUES (1, 'a')", [[1, "a"]]),
        ("SELECT 1 UNION SELECT 2", [[1], [2]]),
        ("SELECT count(*) FROM (SELECT 1 FROM orders) x", [[3]]),
        ("SELECT o.item, sum(price) FROM orders o JOIN lines ON n = o.id GROUP BY 1", [["lamp", 10.5]]),
        ("SELECT value FROM lines, json_each(facts, '$.a')", [[1], [2]]),
        ("SELECT facts ->> '$.a[1]' FROM lines WHERE facts IS NOT NULL", [[2]]),
        ("SELECT row_number() OVER (ORDER BY id) FROM orders", [[1], [2], [3]]),
        ("SELECT CASE WHEN id > 2 THEN 'x' ELSE 'y' END FROM orders", [["y"], ["y"], ["x"]]),
        ("SELECT strftime('%Y', '2026-01-02'), date('2026-01-01', '+1 day')", [["2026", "2026-01-02"]]),
        ("SELECT 'it''s; DELETE FROM orders -- ' || upper('x')", [["it's; DELETE FROM orders -- X"]]),
        ("SELECT body FROM notes WHERE notes MATCH 'lamp'", [["a lamp that shines"]]),
        ("SELECT iif(1 < 2, 'a', 'b'), coalesce(NULL, 3), round(2.567, 1)", [["a", 3, 2.6]]),
        ("SELECT group_concat(item, '+') FROM orders", [["lamp+täble"]]),
        ("SELECT '%s %(x)s', ':x'", [["%s %(x)s", ":x"]]),
    ],
)  # fmt: skip
def test_queries_are_answered(shop: Path, query: str, rows: list[list[Any]]) -> None:
    assert sql_tool(f"sqlite:///{shop}")(query)["rows"] == rows


def test_a_model_is_shown_the_schema(shop: Path) -> None:
    described = sql_tool(f"sqlite:///{shop}").description
    assert "orders(id INTEGER PRIMARY KEY, item TEXT)" in described
    assert "lines(n INTEGER -> orders.id, price NUMERIC, facts TEXT)" in described
    assert "notes_data" not in described
    described = sql_tool(f"sqlite:///{shop}", tables=["orders"]).description
    assert "secrets" not in described


def test_a_large_schema_is_shortened(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "wide.db")
    for n in range(150):
        columns = ", ".join(f"column_{n}_{m} INTEGER" for m in range(20))
        database.execute(f"CREATE TABLE table_{n} ({columns})")
    database.close()
    described = sql_tool(f"sqlite:///{tmp_path}/wide.db").description
    assert len(described) < 8_300
    assert "more" in described
    assert "table_0(column_0_0" in described


def test_rows_and_cells_are_limited(shop: Path, tmp_path: Path) -> None:
    result = sql_tool(f"sqlite:///{shop}", max_rows=2)("SELECT id FROM orders")
    assert result["rows"] == [[1], [2]]
    assert result["note"] == "there are more rows; these are the first 2"
    database = sqlite3.connect(tmp_path / "cells.db")
    database.execute("CREATE TABLE t (a, b, c)")
    database.execute("INSERT INTO t VALUES (?, ?, ?)", ("x" * 5_000, b"\x01\x02", bytes(100)))
    database.execute("INSERT INTO t VALUES (CAST(x'ff41' AS TEXT), NULL, 1e999)")
    database.commit()
    database.close()
    tool = sql_tool(f"sqlite:///{tmp_path}/cells.db")
    first, second = tool("SELECT * FROM t")["rows"]
    assert first[0].endswith("… (5000 characters)")
    assert first[1:] == ["0102", "100 bytes"]
    assert second[0] == "\ufffdA"
    assert not tool.call({"query": "SELECT * FROM t"}).error


def test_long_queries_are_stopped(shop: Path) -> None:
    tool = sql_tool(f"sqlite:///{shop}", timeout=0.2)
    endless = (
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
    )
    with pytest.raises(ToolError, match=r"took longer than 0\.2 seconds"):
        tool(endless)
    assert tool("SELECT 1")["rows"] == [[1]]


LONG = "printf('%.*c', 4000000, 'a')"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' REGEXP '^(a+)+$'",
        f"SELECT {LONG} LIKE '%' || printf('%.*c', 40000, 'a') || 'b%'",
        f"SELECT {LONG} GLOB '*' || printf('%.*c', 40000, 'a') || 'b*'",
        f"SELECT instr({LONG}, printf('%.*c', 2000000, 'a') || 'b')",
        f"SELECT replace({LONG}, printf('%.*c', 2000000, 'a') || 'b', 'c')",
    ],
)
def test_what_takes_long_in_one_step_is_ended(shop: Path, query: str) -> None:
    """The limit holds inside one step too, where SQLite asks nobody for the time."""
    tool = sql_tool(f"sqlite:///{shop}", timeout=0.5)
    began = time.monotonic()
    told = tool.call({"query": query})
    assert told.error, told.text
    assert "took longer than 0.5 seconds and was stopped" in told.text
    assert time.monotonic() - began < 8  # each runs for minutes, the first for centuries
    assert tool("SELECT 1")["rows"] == [[1]]


def test_patterns_and_memory_in_sqlite(shop: Path) -> None:
    tool = sql_tool(f"sqlite:///{shop}")
    assert tool("SELECT item FROM orders WHERE item REGEXP '^l.mp$'")["rows"] == [["lamp"]]
    assert tool("SELECT 'a' REGEXP '(', NULL REGEXP 'a'")["rows"] == [[None, None]]
    wide = ", ".join(f"printf('%.*c', 4000000, '{n % 10}')" for n in range(90))
    assert "out of memory" in tool.call({"query": f"SELECT {wide}"}).text


def test_a_model_is_told_what_is_wrong(reader: Tool) -> None:
    assert "no such column: price" in reader.call({"query": "SELECT price FROM orders"}).text
    told = reader.call({"query": "SELECT * FROM clients"}).text
    assert "there is no table 'clients' to read; there are: cheap, orders" in told
    assert "function 'load_extension' may not be called" in reader.call(
        {"query": "SELECT load_extension('x')"}
    ).text  # fmt: skip
    assert "one query is run at a time, not 2" in reader.call({"query": "SELECT 1; SELECT 2"}).text


def test_functions_can_be_allowed() -> None:
    with pytest.raises(StatementError, match="'st_area' may not be called"):
        check_statement("SELECT st_area(x) FROM orders", "postgresql", tables=READABLE)
    written = check_statement(
        "SELECT st_area(x) FROM orders", "postgresql", tables=READABLE, functions=["ST_Area"]
    )
    assert written == "SELECT ST_AREA(x) FROM orders"


@pytest.mark.parametrize("dialect", ["mysql", "mssql", "oracle", "duckdb", "snowflake", "bigquery"])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "SELECT 1; DROP TABLE orders",
        "SELECT * INTO OUTFILE '/tmp/x' FROM orders",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT sleep(10)",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM OPENROWSET('x', 'y', 'z')",
        "EXEC xp_cmdshell 'id'",
        "SELECT UTL_HTTP.REQUEST('http://evil.example') FROM dual",
        "SELECT * FROM secrets",
        "CALL p()",
        "SET x = 1",
        "COPY orders TO 'x'",
        "INSTALL httpfs",
        "ATTACH 'x' AS y",
        "EXPORT DATA OPTIONS (uri = 'x') AS SELECT 1",
        "GRANT ALL ON orders TO x",
    ],
)
def test_the_check_in_other_dialects(dialect: str, statement: str) -> None:
    with pytest.raises(StatementError):
        check_statement(statement, dialect, tables=READABLE)


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        ("clickhouse", "SELECT * FROM orders SETTINGS readonly = 0"),
        ("clickhouse", "SELECT * FROM url('http://evil.example', CSV, 'a String')"),
        ("clickhouse", "SELECT * FROM file('/etc/passwd')"),
        ("duckdb", "SELECT * FROM glob('/*')"),
        ("duckdb", "SELECT * FROM read_text('/etc/passwd')"),
        ("duckdb", "SELECT getenv('HOME')"),
        ("mysql", "SELECT get_lock('a', 1)"),
        ("mysql", "SELECT benchmark(1000000000, sha1('a'))"),
        ("mysql", "SELECT @x := 1"),
        ("mssql", "SELECT * FROM openquery(x, 'DELETE FROM orders')"),
        ("oracle", "SELECT dbms_xmlgen.getxml('SELECT 1') FROM dual"),
        ("bigquery", "SELECT * FROM external_query('a', 'b')"),
        ("snowflake", "SELECT * FROM @stage/x"),
        ("snowflake", "SELECT system$abort_session(1)"),
        ("postgresql", "SELECT * FROM lower('x')"),
    ],
)
def test_the_check_knows_what_other_databases_can_do(dialect: str, statement: str) -> None:
    with pytest.raises(StatementError):
        check_statement(statement, dialect, tables=READABLE)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("shop.db", "must be given as a URL"),
        ("sqlite://", "reads a SQLite file"),
        ("sqlite:///:memory:", "reads a SQLite file"),
        ("sqlite:///file:x?mode=rwc&uri=true", "reads a SQLite file"),
        ("sqlite:////nowhere/shop.db", "no SQLite database '/nowhere/shop.db'"),
        ("dbase://x", "'dbase' are not known"),
        ("oracle+nothing://x/y", "not installed"),
        ("postgresql://me:hunter2@127.0.0.1:9/shop", "cannot be opened"),
    ],
)
def test_databases_that_cannot_be_used(url: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        sql_tool(url)
    assert "hunter2" not in str(caught.value)


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is not a database, but a text of some length")
    with pytest.raises(UsageError, match="cannot be opened: file is not a database"):
        sql_tool(f"sqlite:///{tmp_path}/x.db")


def test_wrong_settings(shop: Path) -> None:
    with pytest.raises(UsageError, match="no table 'clients'"):
        sql_tool(f"sqlite:///{shop}", tables=["clients"])
    with pytest.raises(UsageError, match="max_rows must be positive"):
        sql_tool(f"sqlite:///{shop}", max_rows=0)


def _postgres_programs() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    candidates = [*folders, *([Path(found).parent] if found else [])]
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A server of our own on loopback, whose user may do anything: the tool alone holds it back."""
    pytest.importorskip("psycopg", reason="the extra 'sql' is not installed")
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        person: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            os.chown(folder, 65_534, 65_534)
            person = {"user": 65_534, "group": 65_534, "extra_groups": []}
        common: dict[str, Any] = {"cwd": folder, "env": {"LC_ALL": "C", "PATH": os.environ["PATH"]}}
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
            capture_output=True, text=True, **common, **person,
        )  # fmt: skip
        if made.returncode != 0:
            pytest.skip(f"a PostgreSQL server cannot be set up here: {made.stderr[-300:]}")
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-k", folder]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **common, **person,
        )  # fmt: skip
        try:
            yield _filled(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        finally:
            server.terminate()
            server.wait()


def _filled(url: str) -> str:
    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            connection = psycopg.connect(url, autocommit=True)
            break
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    with connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY, item text)")
        connection.execute("INSERT INTO orders VALUES (1, 'lamp'), (2, 'täble')")
        connection.execute("CREATE TABLE secrets (word text)")
        connection.execute("INSERT INTO secrets VALUES ('hunter2')")
        connection.execute("CREATE VIEW cheap AS SELECT id FROM orders WHERE id < 2")
        connection.execute("CREATE SEQUENCE numbers")
        connection.execute("CREATE SCHEMA evil")
        connection.execute(
            "CREATE FUNCTION evil.round(int) RETURNS int LANGUAGE sql "
            "AS 'DELETE FROM orders RETURNING 1'"
        )
        connection.execute(
            "CREATE FUNCTION public.similarity(int, int) RETURNS int LANGUAGE sql "
            "AS 'DELETE FROM orders RETURNING 1'"
        )
    return url


def _state(url: str) -> Any:
    import psycopg

    with psycopg.connect(url) as connection:
        return [
            connection.execute(query).fetchall()  # type: ignore[arg-type]  # constants
            for query in (
                "SELECT * FROM orders ORDER BY id",
                "SELECT last_value, is_called FROM numbers",
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
                "SELECT rolname, rolsuper, rolpassword FROM pg_authid ORDER BY 1",
                "SELECT count(*) FROM pg_largeobject_metadata",
                "SELECT extname FROM pg_extension ORDER BY 1",
            )
        ]


def test_nothing_gets_through_to_postgresql(postgres: str) -> None:
    before = _state(postgres)
    tool = sql_tool(postgres, tables=["orders", "cheap"], timeout=2.0)
    for statement in attempts(POSTGRESQL):
        result = tool.call({"query": statement})
        assert result.error, statement
        assert "hunter2" not in result.text, statement
    assert _state(postgres) == before


def test_postgresql_itself_refuses_what_the_check_would_not_see(postgres: str) -> None:
    before = _state(postgres)
    tool = sql_tool(postgres, tables=["orders"])
    told = tool.call({"query": "SELECT similarity(1, 2)"}).text
    assert "cannot execute DELETE in a read-only transaction" in told
    assert _state(postgres) == before
    database = open_database(postgres, timeout=1.0)
    for statement in (
        "DELETE FROM orders", "SELECT nextval('numbers')", "CREATE TABLE t (x int)",
        "SET TRANSACTION READ WRITE", "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT evil.round(1)", "SELECT pg_sleep(30)",
    ):  # fmt: skip
        with pytest.raises(QueryError):
            database.rows(statement, [], limit=1)
    # Older servers allow this in a read-only transaction; it is rolled back all the same.
    with contextlib.suppress(QueryError):
        database.rows("SELECT lo_create(0)", [], limit=1)
    assert _state(postgres) == before


def test_postgresql_answers(postgres: str) -> None:
    tool = sql_tool(postgres, max_rows=3)
    assert "orders(id INTEGER PRIMARY KEY, item TEXT)" in tool.description
    assert tool("SELECT * FROM orders ORDER BY id")["rows"] == [[1, "lamp"], [2, "täble"]]
    assert tool("SELECT item AS a, item AS a FROM cheap JOIN orders USING (id)") == {
        "columns": ["a", "a"],
        "rows": [["lamp", "lamp"]],
    }
    many = tool("SELECT n FROM generate_series(1, 5000) AS n")
    assert (many["rows"], "more rows" in many["note"]) == ([[1], [2], [3]], True)
    query = "SELECT '{\"a\": 1}'::jsonb -> 'a', now() > '2020-01-01', 10 % 3, 1.50::numeric"
    assert not tool.call({"query": query}).error
    assert tool(
        "SELECT jsonb_build_object('a', 1), date_trunc('day', timestamp '2026-01-02 03:04'), "
        "string_agg(item, ',' ORDER BY id) FROM orders"
    )["rows"][0][0] == {"a": 1}  # fmt: skip
    with pytest.raises(ToolError, match="no_column"):
        tool("SELECT no_column FROM orders")


def test_postgresql_stops_what_takes_long(postgres: str) -> None:
    tool = sql_tool(postgres, timeout=0.3)
    with pytest.raises(ToolError, match=r"took longer than 0\.3 seconds"):
        tool("SELECT count(*) FROM generate_series(1, 100000000) a")
