"""Statements that write, leave the database, or read what is not theirs, in two dialects.

``orders`` may be read, ``secrets`` may not; ``orders`` is also what they try to change.
"""

from __future__ import annotations

SQLITE = r"""
INSERT INTO orders VALUES (9, 'x')
insert or replace into orders values (1, 'x')
REPLACE INTO orders VALUES (1, 'x')
UPDATE orders SET item = 'x'
UPDATE OR IGNORE orders SET item = 'x' RETURNING *
DELETE FROM orders
DELETE FROM orders RETURNING id
DROP TABLE orders
DROP VIEW IF EXISTS cheap
CREATE TABLE stolen AS SELECT * FROM orders
CREATE TEMP TABLE t (x)
CREATE VIEW v AS SELECT 1
CREATE INDEX i ON orders (item)
CREATE TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM orders; END
CREATE VIRTUAL TABLE t USING fts5(x)
ALTER TABLE orders RENAME TO gone
ALTER TABLE orders ADD COLUMN x
VACUUM
VACUUM INTO '/tmp/ragkit-stolen.db'
REINDEX
ANALYZE
ATTACH DATABASE '/tmp/ragkit-stolen.db' AS other
ATTACH ':memory:' AS other
DETACH DATABASE main
PRAGMA writable_schema = ON
PRAGMA query_only = OFF
PRAGMA journal_mode = DELETE
PRAGMA user_version = 7
PRAGMA main.user_version(7)
PRAGMA table_info(orders)
PRAGMA wal_checkpoint
SELECT * FROM pragma_user_version
SELECT * FROM pragma_table_info('orders')
SELECT * FROM pragma_table_list
BEGIN; DELETE FROM orders; COMMIT
BEGIN EXCLUSIVE
COMMIT
ROLLBACK
SAVEPOINT x
RELEASE x
SELECT 1; DELETE FROM orders
SELECT 1;; DROP TABLE orders; --
SELECT 1 /* harmless */; DELETE FROM orders
SELECT 1 -- harmless\n; DELETE FROM orders
/* SELECT */ DELETE FROM orders
; DELETE FROM orders
WITH x AS (SELECT 1) DELETE FROM orders
WITH x AS (SELECT 1) UPDATE orders SET item = 'x'
WITH x AS (SELECT 9, 'x') INSERT INTO orders SELECT * FROM x
WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x
EXPLAIN DELETE FROM orders
EXPLAIN QUERY PLAN DELETE FROM orders
SELECT load_extension('/tmp/evil.so')
SELECT load_extension('/tmp/evil.so', 'init')
SELECT LOAD_EXTENSION('x') FROM orders
SELECT "load_extension"('x')
SELECT [load_extension]('x')
SELECT writefile('/tmp/ragkit-stolen', 'x')
SELECT readfile('/etc/passwd')
SELECT edit('x', 'sh -c id')
SELECT fts3_tokenizer('simple')
SELECT fts3_tokenizer('simple', x'0000000000000000')
SELECT zeroblob(1000000000)
SELECT randomblob(1000000000)
SELECT * FROM sqlite_master
SELECT sql FROM sqlite_schema
SELECT * FROM main.sqlite_master
SELECT * FROM sqlite_temp_master
SELECT * FROM dbstat
SELECT * FROM sqlite_dbpage
SELECT * FROM secrets
SELECT * FROM main.secrets
SELECT * FROM "secrets"
SELECT * FROM [secrets]
SELECT * FROM `SECRETS`
SELECT (SELECT word FROM secrets)
SELECT * FROM orders WHERE item IN (SELECT word FROM secrets)
SELECT * FROM orders WHERE EXISTS (SELECT 1 FROM secrets WHERE word LIKE 'h%')
SELECT * FROM orders UNION SELECT 1, word FROM secrets
SELECT * FROM orders JOIN secrets
SELECT * FROM orders, secrets
WITH orders AS (SELECT * FROM secrets) SELECT * FROM orders
WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets
WITH x AS (SELECT * FROM secrets) SELECT * FROM x
SELECT * FROM (SELECT * FROM secrets) AS orders
SELECT * FROM (VALUES (1)) JOIN secrets
VALUES ((SELECT word FROM secrets))
SELECT max((SELECT word FROM secrets)) OVER () FROM orders
SELECT * FROM orders ORDER BY (SELECT word FROM secrets)
SELECT * FROM orders LIMIT (SELECT length(word) FROM secrets)
SELECT ?
SELECT :name
SELECT 1\0; DELETE FROM orders
this is no SQL
(
"""

POSTGRESQL = r"""
INSERT INTO orders VALUES (9, 'x')
INSERT INTO orders VALUES (1, 'x') ON CONFLICT DO NOTHING
UPDATE orders SET item = 'x'
DELETE FROM orders
DELETE FROM orders RETURNING *
TRUNCATE orders
DROP TABLE orders
DROP DATABASE postgres
CREATE TABLE stolen AS SELECT * FROM orders
CREATE TEMP TABLE t (x int)
CREATE VIEW v AS SELECT 1
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE EXTENSION dblink
CREATE ROLE evil SUPERUSER
ALTER TABLE orders ADD COLUMN x int
ALTER ROLE postgres PASSWORD 'x'
ALTER SYSTEM SET log_statement = 'all'
GRANT ALL ON orders TO public
REVOKE ALL ON orders FROM public
COMMENT ON TABLE orders IS 'x'
MERGE INTO orders o USING secrets s ON true WHEN MATCHED THEN DELETE
SELECT * INTO stolen FROM orders
SELECT * INTO TEMP stolen FROM orders
SELECT 1 UNION SELECT 2 INTO stolen
(SELECT 1 INTO stolen)
SELECT * FROM (SELECT 1 INTO stolen) x
WITH x AS (INSERT INTO orders VALUES (9, 'x') RETURNING *) SELECT * FROM x
WITH x AS (UPDATE orders SET item = 'x' RETURNING *) SELECT * FROM x
WITH x AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM x
WITH x AS (SELECT 1) DELETE FROM orders
WITH a AS (WITH b AS (DELETE FROM orders RETURNING *) SELECT * FROM b) SELECT * FROM a
SELECT * FROM orders FOR UPDATE
SELECT * FROM orders FOR SHARE SKIP LOCKED
SELECT * FROM (SELECT * FROM orders FOR UPDATE) x
LOCK TABLE orders IN ACCESS EXCLUSIVE MODE
COPY orders TO '/tmp/ragkit-stolen'
COPY orders FROM '/etc/passwd'
COPY (SELECT * FROM orders) TO PROGRAM 'id'
COPY orders FROM PROGRAM 'id'
COPY orders TO STDOUT
SELECT 1; DELETE FROM orders
SELECT 1; COMMIT; DELETE FROM orders
SELECT 1 /* ; */; DROP TABLE orders
SELECT 1 -- x\n; DROP TABLE orders
/* SELECT /* nested */ */ DELETE FROM orders
SELECT '; DELETE FROM orders; --' ; DELETE FROM orders
SELECT $$x$$; DELETE FROM orders
SELECT E'\\'; DELETE FROM orders; --'; DROP TABLE orders
BEGIN
BEGIN READ WRITE
COMMIT
COMMIT AND CHAIN
ROLLBACK
START TRANSACTION READ WRITE
SET TRANSACTION READ WRITE
SET default_transaction_read_only = off
SET SESSION AUTHORIZATION postgres
SET ROLE postgres
RESET ALL
DISCARD ALL
SHOW ALL
DO $$ BEGIN DELETE FROM orders; END $$
CALL p()
PREPARE p AS DELETE FROM orders
EXECUTE p
DEALLOCATE ALL
DECLARE c CURSOR WITH HOLD FOR SELECT 1
FETCH ALL FROM c
LISTEN x
NOTIFY x
EXPLAIN ANALYZE DELETE FROM orders
EXPLAIN (ANALYZE) SELECT 1
VACUUM
ANALYZE orders
CLUSTER
REINDEX TABLE orders
CHECKPOINT
LOAD 'evil'
REFRESH MATERIALIZED VIEW x
IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z
SECURITY LABEL ON TABLE orders IS 'x'
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_file('/etc/passwd', 0, 10)
SELECT pg_catalog.pg_read_file('/etc/passwd')
SELECT "pg_catalog"."pg_read_file"('/etc/passwd')
SELECT PG_READ_FILE('/etc/passwd')
SELECT "pg_read_file"('/etc/passwd')
SELECT pg_read_binary_file('/etc/passwd')
SELECT pg_stat_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT * FROM pg_ls_dir('/')
SELECT * FROM pg_ls_logdir()
SELECT * FROM ROWS FROM (pg_ls_dir('/')) AS x
SELECT * FROM orders, LATERAL pg_ls_dir('/') x
SELECT (pg_stat_file('/etc/passwd')).size
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/ragkit-stolen')
SELECT lo_create(0)
SELECT lo_from_bytea(0, 'x')
SELECT lo_unlink(1)
SELECT lo_put(1, 0, 'x')
SELECT set_config('transaction_read_only', 'off', false)
SELECT set_config('default_transaction_read_only', 'off', false) FROM orders
SELECT current_setting('data_directory')
SELECT nextval('numbers')
SELECT setval('numbers', 100)
SELECT pg_terminate_backend(1)
SELECT pg_cancel_backend(1)
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_switch_wal()
SELECT pg_create_restore_point('x')
SELECT pg_promote()
SELECT pg_logical_emit_message(false, 'a', 'b')
SELECT pg_create_logical_replication_slot('a', 'b')
SELECT pg_drop_replication_slot('a')
SELECT pg_sleep(60)
SELECT pg_sleep_for('1 minute')
SELECT pg_advisory_lock(1)
SELECT pg_try_advisory_lock(1)
SELECT pg_advisory_xact_lock(1)
SELECT pg_notify('a', 'b')
SELECT pg_export_snapshot()
SELECT pg_stat_reset()
SELECT pg_file_write('/tmp/ragkit-stolen', 'x', false)
SELECT pg_execute_server_program('id')
SELECT txid_current()
SELECT dblink('host=127.0.0.1', 'DELETE FROM orders')
SELECT * FROM dblink('host=127.0.0.1', 'SELECT 1') AS t(x int)
SELECT dblink_exec('host=127.0.0.1', 'DELETE FROM orders')
SELECT dblink_connect('x')
SELECT query_to_xml('DELETE FROM orders RETURNING 1', true, true, '')
SELECT query_to_xml('SELECT word FROM secrets', true, true, '')
SELECT table_to_xml('secrets', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT cursor_to_xml('c', 1, true, true, '')
SELECT xpath('/x', '<x/>')
SELECT ts_stat('SELECT word FROM secrets')
SELECT * FROM crosstab('SELECT 1, 2, 3') AS t(a int, b int)
SELECT CASE WHEN true THEN pg_sleep(60) END
SELECT coalesce(pg_read_file('/etc/passwd'), '')
SELECT * FROM orders WHERE item = pg_read_file('/etc/passwd')
SELECT * FROM orders ORDER BY pg_sleep(60)
SELECT * FROM orders LIMIT (SELECT count(*) FROM pg_ls_dir('/'))
SELECT ARRAY(SELECT pg_ls_dir('/'))
SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM orders
SELECT sum(id) OVER (PARTITION BY pg_sleep(1)) FROM orders
SELECT evil.round(1)
SELECT public.lower('x')
SELECT 1 OPERATOR(evil.+) 2
SELECT * FROM pg_shadow
SELECT * FROM pg_authid
SELECT * FROM pg_catalog.pg_user_mapping
SELECT * FROM pg_stat_activity
SELECT * FROM information_schema.tables
SELECT * FROM secrets
SELECT * FROM public.secrets
SELECT * FROM postgres.public.secrets
SELECT * FROM ONLY secrets
SELECT * FROM "secrets"
TABLE secrets
SELECT (SELECT word FROM secrets)
SELECT * FROM orders WHERE item IN (SELECT word FROM secrets)
SELECT * FROM orders UNION SELECT 1, word FROM secrets
SELECT * FROM orders, secrets
SELECT * FROM orders NATURAL JOIN secrets
SELECT * FROM orders, LATERAL (SELECT word FROM secrets) x
WITH orders AS (SELECT * FROM secrets) SELECT * FROM orders
WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets
WITH x AS (SELECT 1), y AS (SELECT * FROM secrets) SELECT * FROM y
SELECT * FROM (WITH secrets AS (SELECT 1) SELECT * FROM secrets) x, secrets
VALUES ((SELECT word FROM secrets))
SELECT * FROM "Orders"
SELECT $1
SELECT %s
SELECT :name
SELECT 1\0; DELETE FROM orders
this is no SQL
"""


def attempts(text: str) -> list[str]:
    """Return the statements, with their line breaks and null characters."""
    lines = text.strip("\n").split("\n")
    return [line.replace("\\n", "\n").replace("\\0", "\0") for line in lines]
