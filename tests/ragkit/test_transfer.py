"""A base as one file: out, in, and what is not let in."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ragkit import CorruptError, KnowledgeBase, UsageError, VersionError, import_base
from ragkit.testing import HashEmbedder, ScriptedModel

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in (("warranty.md", "# Warranty\n\nThree years."), ("tea.txt", "Steep it.")):
        (folder / name).write_text(text, encoding="utf-8")
        os.utime(folder / name, (10**9, 10**9))
    (folder / "bad.pdf").write_text("no PDF", encoding="utf-8")
    return folder


@pytest.fixture
def kb(tmp_path: Path, docs: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(docs)
        base.chat("alice").ask("How long is the warranty?")
        yield base


@pytest.fixture
def exported(tmp_path: Path, kb: KnowledgeBase) -> Path:
    kb.export(tmp_path / "moved.ragkit")
    return tmp_path / "moved.ragkit"


def content(directory: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(directory / "knowledge.sqlite3")
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for (name,) in names
            if name != "sqlite_sequence"
        }
    finally:
        connection.close()
    tables["settings"] = [row for row in tables["settings"] if row[0] != "base"]
    return tables


def test_everything_comes_back_as_it_was(
    tmp_path: Path, kb: KnowledgeBase, exported: Path, docs: Path
) -> None:
    said = import_base(exported, tmp_path / "there")
    assert (said.documents, said.size_bytes) == (2, exported.stat().st_size)
    assert content(tmp_path / "there") == content(tmp_path / "kb")
    with KnowledgeBase(tmp_path / "there", embedder=HashEmbedder()) as there:
        for mode in ("dense", "lexical", "hybrid"):
            # Not the scores: an index that grew counts words of passages that have gone.
            places = [
                [(hit.path, hit.start, hit.end) for hit in base.search("warranty years", mode=mode)]  # type: ignore[arg-type]
                for base in (kb, there)
            ]
            assert places[0] == places[1] != []
        assert len(there.chat("alice").history) == 2
        assert {check.status for check in there.check() if check.name != "sandbox"} == {"ok"}
        assert there.ingest(docs).same == 2
    assert not list(tmp_path.glob(".moved*"))


ABOUT_DOCUMENTS = {
    "headings",
    "heading_spans",
    "settings",
    "state",
    "roots",
    "documents",
    "contents",
    "failures",
    "embeddings",
    "vectors",
    "chunks",
    "pending",
    "changes",
}


def test_what_people_asked_can_be_left_out(tmp_path: Path, kb: KnowledgeBase) -> None:
    secret = "Quillifer"
    model = ScriptedModel("Three years [1].", name="Quillifer-7")
    chat = kb.chat(f"{secret}'s", memory=("window", "entities", "graph", "turns"))
    chat.ask(f"My name is {secret} Smith. Is {secret} right that the warranty is three years?")
    chat.memory.recall("What is my name?")
    for number in range(100):  # more than a page of it, so that whole pages are freed
        kb.ask(f"Does {secret} number {number} know how long the warranty is?")
    kb.ask("How long is the warranty?", model=model)
    before = content(tmp_path / "kb")
    assert {name for name, rows in before.items() if rows} >= {
        "turns",
        "traces",
        "trace_sessions",
        "memory_views",
        "memory_facts",
        "memory_vectors",
        "cached_answers",
        "question_vectors",
        "spending",
    }
    whole, part = tmp_path / "whole.ragkit", tmp_path / "part.ragkit"
    kb.export(whole)
    kb.export(part, sessions=False)
    vectors = [row[1] for row in before["question_vectors"]]

    def found(file: Path) -> list[bool]:
        data = zipfile.ZipFile(file).read("knowledge.sqlite3")
        return [secret.encode() in data, vectors[-1] in data]

    assert found(whole) == [True, True]
    assert found(part) == [False, False]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    import_base(part, tmp_path / "there")
    after = content(tmp_path / "there")
    assert {name for name, rows in after.items() if rows} <= ABOUT_DOCUMENTS
    assert {name: after[name] for name in ABOUT_DOCUMENTS} == {
        name: before[name] for name in ABOUT_DOCUMENTS
    }
    with KnowledgeBase(tmp_path / "there", embedder=HashEmbedder()) as there:
        assert there.sessions() == []
        assert there.search("How long is the warranty?", k=1)[0].path == "warranty.md"
    assert content(tmp_path / "kb") == before


def test_views_of_another_base_in_the_directory_are_not_used(
    tmp_path: Path, kb: KnowledgeBase, exported: Path, docs: Path
) -> None:
    # The same base went on after it was exported, and then lost its database.
    (docs / "more.txt").write_text("More words.", encoding="utf-8")
    kb.ingest(docs)
    kb.close()
    for path in (tmp_path / "kb").glob("knowledge.sqlite3*"):
        path.unlink()
    (tmp_path / "kb/knowledge.sqlite3-wal").write_bytes(b"left over" * 100)
    import_base(exported, tmp_path / "kb")
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as there:
        assert [one.path for one in there.documents()] == ["tea.txt", "warranty.md"]
        assert {hit.path for hit in there.search("more words years tea")} <= {
            "tea.txt",
            "warranty.md",
        }
        there.repair()
        assert {check.status for check in there.check() if check.name != "sandbox"} == {"ok"}


def test_folders_may_be_elsewhere_on_the_other_machine(
    tmp_path: Path, exported: Path, docs: Path
) -> None:
    docs.rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="docs"):
        import_base(exported, tmp_path / "there", folders={"/absent": tmp_path})
    assert not (tmp_path / "there/knowledge.sqlite3").exists()
    import_base(exported, tmp_path / "there", folders={str(docs): tmp_path / "elsewhere"})
    with KnowledgeBase(tmp_path / "there", embedder=HashEmbedder()) as there:
        report = there.ingest(tmp_path / "elsewhere")
        assert (report.same, report.added, report.removed) == (2, (), ())


def test_an_export_into_no_folder_says_which(kb: KnowledgeBase, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*gone"):
        kb.export(tmp_path / "gone" / "base.ragkit")


def test_nothing_is_overwritten(tmp_path: Path, kb: KnowledgeBase, exported: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        kb.export(exported)
    kb.export(exported, overwrite=True)
    before = content(tmp_path / "kb")
    with pytest.raises(UsageError, match="already"):
        import_base(exported, tmp_path / "kb")
    assert content(tmp_path / "kb") == before


def test_an_export_during_an_ingest_holds_whole_documents(
    tmp_path: Path, kb: KnowledgeBase, docs: Path
) -> None:
    for number in range(150):
        (docs / f"{number}.txt").write_text(f"Passage {number}.", encoding="utf-8")
    thread = threading.Thread(target=kb.ingest, args=(docs,))
    thread.start()
    files = []
    while thread.is_alive() and len(files) < 5:
        files.append(tmp_path / f"during-{len(files)}.ragkit")
        with KnowledgeBase(tmp_path / "kb") as other:
            other.export(files[-1])
    thread.join()
    assert files
    for number, file in enumerate(files):
        import_base(file, tmp_path / f"copy-{number}")
        with KnowledgeBase(tmp_path / f"copy-{number}", embedder=HashEmbedder()) as copy:
            assert {check.status for check in copy.check()} <= {"ok", "warn"}
            assert copy.ingest(docs).failed[0].path == "bad.pdf"
            assert len(copy.documents()) == 152


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other entries; the manifest is made to fit the database."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    if "manifest.json" in entries and "knowledge.sqlite3" in entries:
        try:
            manifest = json.loads(entries["manifest.json"])
            database = entries["knowledge.sqlite3"]
            manifest["database_bytes"] = len(database)
            manifest["sha256"] = hashlib.sha256(database).hexdigest()
            entries["manifest.json"] = json.dumps(manifest).encode()
        except (ValueError, TypeError, RecursionError):
            pass
    changed = file.with_name("changed.ragkit")
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return changed


def with_sql(file: Path, *statements: str) -> Path:
    def change(entries: dict[str, bytes]) -> None:
        path = file.with_name("inside.sqlite3")
        path.write_bytes(entries["knowledge.sqlite3"])
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        entries["knowledge.sqlite3"] = path.read_bytes()

    return rewritten(file, change)


def refused(file: Path, directory: Path) -> str:
    with pytest.raises(CorruptError) as caught:
        import_base(file, directory)
    assert not list(directory.glob("knowledge*"))
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "/tmp/evil.txt",
        "..\\evil.txt",
        "dense/x.faiss",
        "knowledge.sqlite3/",
        "x.pkl",
    ],
)
def test_other_entries_are_refused(tmp_path: Path, exported: Path, name: str) -> None:
    file = rewritten(exported, lambda entries: entries.update({name: b"evil"}))
    before = sorted(tmp_path.iterdir())
    assert "it holds" in refused(file, tmp_path / "there")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "there"])


def test_one_entry_twice_is_refused(tmp_path: Path, exported: Path) -> None:
    with zipfile.ZipFile(exported, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("knowledge.sqlite3", b"another")
    refused(exported, tmp_path / "there")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER INSERT ON turns BEGIN DELETE FROM documents; END",
        "CREATE VIEW evil AS SELECT * FROM documents",
        "CREATE TABLE evil (x)",
        "CREATE INDEX evil ON documents (upper(path))",
        "DROP TABLE traces",
        "ALTER TABLE turns ADD COLUMN evil TEXT",
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 7",
        "INSERT INTO contents (document_id, text, layout) VALUES (77, '', '{}')",
    ],
)
def test_a_manipulated_database_is_refused(tmp_path: Path, exported: Path, statement: str) -> None:
    assert "database" in refused(with_sql(exported, statement), tmp_path / "there")


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path, exported: Path) -> None:
    data = exported.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
    for damaged in (b"", b"no archive", data[:middle], data[:-30], flipped):
        exported.write_bytes(damaged)
        refused(exported, tmp_path / "there")
    exported.write_bytes(b"no archive")
    refused(exported, tmp_path / "untouched")
    assert not (tmp_path / "untouched").exists()
    exported.write_bytes(data)

    def page(entries: dict[str, bytes]) -> None:
        database = bytearray(entries["knowledge.sqlite3"])
        database[4096:8192] = b"\xff" * 4096
        entries["knowledge.sqlite3"] = bytes(database)

    refused(rewritten(exported, page), tmp_path / "there")
    for manifest in (b"[]", b"{", b"{}", b'{"format": "x"}', b"[" * 100_000):
        entries = {"manifest.json": manifest}
        refused(rewritten(exported, lambda all_, e=entries: all_.update(e)), tmp_path / "there")  # type: ignore[misc]


def test_a_bomb_is_not_unpacked(tmp_path: Path, exported: Path) -> None:
    def grow(entries: dict[str, bytes]) -> None:
        entries["knowledge.sqlite3"] = bytes(50_000_000)

    file = rewritten(exported, grow)
    with zipfile.ZipFile(file) as archive:
        small = json.loads(archive.read("manifest.json"))
    assert file.stat().st_size < 1_000_000
    small["database_bytes"] = 4096
    claimed = tmp_path / "claims.ragkit"
    with (
        zipfile.ZipFile(file) as source,
        zipfile.ZipFile(claimed, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        out.writestr("manifest.json", json.dumps(small))
        out.writestr("knowledge.sqlite3", source.read("knowledge.sqlite3"))
    refused(claimed, tmp_path / "there")
    refused(file, tmp_path / "there")


def test_a_newer_export_is_refused(tmp_path: Path, exported: Path) -> None:
    def newer(entries: dict[str, bytes]) -> None:
        manifest = json.loads(entries["manifest.json"])
        entries["manifest.json"] = json.dumps({**manifest, "schema": 999}).encode()

    with pytest.raises(VersionError, match="upgrade"):
        import_base(rewritten(exported, newer), tmp_path / "there")


def test_from_the_shell(tmp_path: Path, kb: KnowledgeBase) -> None:
    def ragkit(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "ragkit", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )

    file, there = tmp_path / "a b.ragkit", tmp_path / "there"
    done = ragkit("export", file, "--kb", tmp_path / "kb", "--json")
    assert json.loads(done.stdout)["documents"] == 2
    assert ragkit("export", file, "--kb", tmp_path / "kb").returncode == 2
    done = ragkit("import", file, "--kb", there)
    assert done.returncode == 0, done.stderr
    assert "Imported 2 documents" in done.stderr
    assert ragkit("ls", "--kb", there).stdout == ragkit("ls", "--kb", tmp_path / "kb").stdout
    done = ragkit("import", file, "--kb", there, "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["type"]) == (2, "UsageError")
    shutil.copy(__file__, file)
    done = ragkit("import", file, "--kb", tmp_path / "third", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["type"]) == (3, "CorruptError")
    assert ragkit("import", file, "--kb", tmp_path / "third", "--folder", "x").returncode == 2
