"""Random changes of a valid export: each is refused with one sentence, or imported and works.

    python bench/import_fuzz.py --changes 2000 --seed 1

Each change is drawn from values (numbers, texts, blobs, broken JSON) put into any column, tables and
rows that are taken away or added, and damage to the archive. A change that comes in is used: searched,
asked, listed, checked, its traces and conversations shown. Prints how many were refused, how many
worked, and each change that did neither.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import io
import json
import random
import shutil
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragkit import KnowledgeBase, RagkitError, import_base
from ragkit.testing import HashEmbedder

QUESTION = "How long is the warranty?"
NUMBERS = (-1, 0, 1, 2, 7, -(2**63), 2**63 - 1, 2**53 + 1, 2**31, 10**12)
REALS = (-1.0, 0.0, 1e300, -1e300, 1e18, float("inf"), float("-inf"), 0.5)
TEXTS = (
    "", "x", "-1", "0", "{", "[]", "{}", "null", "[1]", '{"a":', "NaN", "1e999", "9" * 5000,
    "[" * 100_000, "../../etc/passwd", "/etc/passwd", "\x00", "\x1b[31m", "\U0010ffff0d8000",
    "\U0010ffffffffff", "a" * 3_000_000, '{"spans": 1}', '{"spans": [1], "question": 1}', "system",
)  # fmt: skip
BLOBS = (b"", b"\x00", b"\xff" * 16, b"\x00\x7e" * 256, b"\x00\x7c" * 256, b"\x00" * 100_000)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: ``"refused"``, ``"works"`` or ``"broken"``, and the sentence."""

    change: str
    result: str
    said: str
    seconds: float


def make_export(folder: Path) -> Path:
    """Make a base with documents, a failure, a conversation, traces and notes; export it."""
    docs = folder / "docs"
    docs.mkdir(parents=True)
    (docs / "warranty.md").write_text("# Warranty\n\nIt lasts three years.\n", encoding="utf-8")
    (docs / "tea.txt").write_text("Steep it for four minutes.\n", encoding="utf-8")
    (docs / "bad.pdf").write_text("no PDF", encoding="utf-8")
    with KnowledgeBase(folder / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(docs)
        chat = kb.chat("alice", memory=("window", "entities", "graph", "turns"))
        for question in (QUESTION, "And how long does Ada Smith steep the tea?"):
            chat.ask(question)
        kb.ask(QUESTION)
        kb.export(folder / "base.ragkit")
    return folder / "base.ragkit"


def run(export: Path, folder: Path, changes: int, seed: int) -> list[Outcome]:
    """Try ``changes`` changes of ``export``, the same for the same ``seed``."""
    with zipfile.ZipFile(export) as archive:
        (folder / "sound.sqlite3").write_bytes(archive.read("knowledge.sqlite3"))
        manifest = json.loads(archive.read("manifest.json"))
    return [_try(folder, export, manifest, random.Random(f"{seed}/{n}")) for n in range(changes)]


def _try(folder: Path, export: Path, manifest: dict[str, Any], chance: random.Random) -> Outcome:
    changed, place = folder / "changed.ragkit", folder / "imported"
    if chance.random() < 0.1:
        change = _damage(export, changed, chance)
    else:
        change = _alter(folder, changed, manifest, chance)
    began = time.perf_counter()
    try:
        import_base(changed, place)
    except RagkitError as error:
        left = sorted(path.name for path in place.glob("*")) if place.exists() else []
        kept = [name for name in left if not name.startswith(("writer", "."))]
        result = "broken" if kept or "\n" in str(error) else "refused"
        said = f"left {kept}: {error}" if kept else str(error)
        outcome = Outcome(change, result, said, time.perf_counter() - began)
    except Exception as error:
        outcome = Outcome(change, "broken", f"import: {error!r}", time.perf_counter() - began)
    else:
        said = _use(place)
        result = "broken" if said else "works"
        outcome = Outcome(change, result, said, time.perf_counter() - began)
    shutil.rmtree(place, ignore_errors=True)
    return outcome


def _use(place: Path) -> str:
    from click.testing import CliRunner

    from ragkit.cli import cli

    calls: dict[str, Callable[[KnowledgeBase], object]] = {
        "search": lambda kb: kb.search(QUESTION),
        "dense": lambda kb: kb.search(QUESTION, mode="dense"),
        "filtered": lambda kb: kb.search(QUESTION, where={"heading": "Warranty"}),
        "ask": lambda kb: kb.ask(QUESTION),
        "check": lambda kb: kb.check(),
        "chat": lambda kb: kb.chat("alice", memory=("window", "entities", "turns")).ask("And it?"),
        "text": lambda kb: [kb.document(item.path) for item in kb.documents()],
    }
    for name, call in calls.items():
        try:
            with KnowledgeBase(place, embedder=HashEmbedder()) as kb:
                call(kb)
        except RagkitError:
            pass
        except Exception as error:
            return f"{name}: {error!r}"
    commands = [
        ["status"],
        ["ls"],
        ["ls", "--failed"],
        ["trace"],
        ["session"],
        ["session", "alice"],
    ]
    with contextlib.closing(sqlite3.connect(place / "knowledge.sqlite3")) as connection:
        commands += [["trace", row[0]] for row in connection.execute("SELECT id FROM traces")]
    for command in commands:
        for form in ([], ["--json"]):
            said = CliRunner().invoke(cli, [*command, "--kb", str(place), *form])
            if "This is a bug" in said.output or not isinstance(said.exception, SystemExit | None):
                return f"{' '.join(command)}: {said.output[:300]}"
    return ""


def _alter(folder: Path, changed: Path, manifest: dict[str, Any], chance: random.Random) -> str:
    database = folder / "changed.sqlite3"
    shutil.copyfile(folder / "sound.sqlite3", database)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        tables = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
        ]
        change = "nothing"
        for _ in range(10):  # a change that the tables themselves do not allow is drawn anew
            try:
                change = _one_change(connection, chance.choice(tables), chance)
                break
            except sqlite3.Error:
                continue
    pack(database, changed, manifest)
    return change


def pack(database: Path, file: Path, manifest: dict[str, Any]) -> None:
    """Write a database as an export whose checksum is right; ``manifest`` holds the rest."""
    content = database.read_bytes()
    sound = {
        **manifest,
        "database_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", json.dumps(sound))
        archive.writestr("knowledge.sqlite3", content)


def _one_change(connection: sqlite3.Connection, table: str, chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.05:
        connection.execute(f"DROP TABLE {table}")
        return f"without {table}"
    if draw < 0.08:
        connection.execute(f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN SELECT 1; END")
        return f"a trigger on {table}"
    if draw < 0.15:
        connection.execute(f"DELETE FROM {table}")
        return f"{table} is empty"
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    _, name, kind, *_ = chance.choice(columns)
    rows = connection.execute(f"SELECT DISTINCT {name} FROM {table}").fetchall()
    if not rows:
        raise sqlite3.Error("there is nothing to change")
    (old,) = chance.choice(rows)
    new = _value(old, kind, chance)
    connection.execute(f"UPDATE {table} SET {name} = ? WHERE {name} IS ?", (new, old))
    return f"{table}.{name}: {str(old)[:60]!r} -> {str(new)[:60]!r} ({len(str(new))})"


def _value(old: object, kind: str, chance: random.Random) -> object:
    if kind == "INTEGER":
        return chance.choice(NUMBERS)
    if kind == "REAL":
        return chance.choice(REALS)
    if kind == "BLOB":
        return chance.choice((*BLOBS, bytes(old)[:-1] if isinstance(old, bytes) else b""))
    if isinstance(old, str) and old and chance.random() < 0.6:
        with contextlib.suppress(ValueError):  # change one value of JSON, and leave the rest
            return json.dumps(_inside(json.loads(old), chance))
        at = chance.randrange(len(old))
        return old[:at] + chance.choice(("", "\x00", "9", '"', "\u202e", old)) + old[at + 1 :]
    return chance.choice(TEXTS)


def _inside(value: Any, chance: random.Random) -> Any:
    if value and chance.random() < 0.9:
        if isinstance(value, dict):
            key = chance.choice(sorted(value))
            return {**value, key: _inside(value[key], chance)}
        if isinstance(value, list):
            at = chance.randrange(len(value))
            return [*value[:at], _inside(value[at], chance), *value[at + 1 :]]
    return chance.choice((None, -1, 0, 1e300, 10**30, "", "x", [], {}, [1], {"a": 1}, True))


def _damage(export: Path, changed: Path, chance: random.Random) -> str:
    content = bytearray(export.read_bytes())
    draw = chance.randrange(5)
    if draw == 0:
        changed.write_bytes(content[: chance.randrange(len(content))])
        return "cut off"
    if draw == 1:
        at = chance.randrange(len(content))
        content[at] ^= 1 << chance.randrange(8)
        changed.write_bytes(content)
        return f"a bit of byte {at} turned"
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    if draw == 2:
        entries[chance.choice(("../outside", "/etc/passwd", "dense/index"))] = b"x"
        change = "one entry more"
    elif draw == 3:
        manifest = json.loads(entries["manifest.json"])
        key = chance.choice(sorted(manifest))
        manifest[key] = chance.choice((-1, 0, 10**30, "x", None, [], 1e300, {}))
        entries["manifest.json"] = json.dumps(manifest).encode()
        change = f"the manifest's {key} is {manifest[key]!r}"
    else:
        del entries[chance.choice(sorted(entries))]
        change = "one entry less"
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return change


def main() -> None:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--changes", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        outcomes = run(make_export(folder), folder, options.changes, options.seed)
    for outcome in outcomes:
        if outcome.result == "broken":
            print(f"BROKEN {outcome.change}: {outcome.said}")
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    print(dict(collections.Counter(outcome.result for outcome in outcomes)))
    print(f"slowest: {slowest.seconds:.2f} s, {slowest.change}")


if __name__ == "__main__":
    main()
