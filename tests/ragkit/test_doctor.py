"""What doctor finds, what it repairs, and what it leaves alone."""

import json
import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

import ragkit.embed
from ragkit import CorruptError, EmbeddingError, KnowledgeBase, SandboxError
from ragkit.agent.sandbox import run as sandbox
from ragkit.agent.tools import python_tool
from ragkit.cli import cli
from ragkit.testing import HashEmbedder


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"Passage number {number}.", encoding="utf-8")
    return folder


@pytest.fixture
def kb(tmp_path: Path, docs: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as base:
        base.ingest(docs)
        yield base


def found(kb: KnowledgeBase) -> dict[str, str]:
    checks = kb.check()
    assert all(check.remedy for check in checks if check.status != "ok")
    # Whether code can be confined is up to the machine.
    bad = [check for check in checks if check.status != "ok" and check.name != "sandbox"]
    return {check.name: check.status for check in bad}


@contextmanager
def closed(kb: KnowledgeBase) -> Iterator[Path]:
    """Give the directory of a base that is closed meanwhile."""
    kb.close()
    yield kb.directory
    KnowledgeBase.__init__(kb, kb.directory, embedder=HashEmbedder())


def sql(kb: KnowledgeBase, *statements: str) -> None:
    with closed(kb) as directory:
        connection = sqlite3.connect(directory / "knowledge.sqlite3")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()


def test_a_sound_base_is_sound_and_stays_untouched(kb: KnowledgeBase) -> None:
    assert found(kb) == {}
    assert kb.repair() == []
    names = {check.name for check in kb.check()}
    assert names >= {"database", "documents", "vectors", "dense view", "lexical view", "disk"}
    assert names >= {"permissions", "model", "fingerprint", "orphans", "folders", "writer"}


@pytest.mark.parametrize("harm", ["delete", "truncate", "garbage"])
@pytest.mark.parametrize("view", ["dense", "lexical"])
def test_views_are_repaired(kb: KnowledgeBase, view: str, harm: str) -> None:
    with closed(kb) as directory:
        folder = directory / view
        if harm == "delete":
            shutil.rmtree(folder)
        for path in folder.glob("*"):
            if path.suffix not in (".json", ".lock"):
                data = path.read_bytes()
                path.write_bytes(data[: len(data) // 2] if harm == "truncate" else bytes(len(data)))
    assert f"{view} view" in found(kb)
    assert kb.repair() == ["built the search indexes anew from the database"]
    assert found(kb) == {}
    assert kb.search("passage number 3", k=1, mode="dense")[0].path == "3.txt"
    assert kb.search("3", k=1, mode="lexical")[0].path == "3.txt"


def test_rows_are_repaired(kb: KnowledgeBase, docs: Path) -> None:
    before = {path: kb.text(path) for path in ("0.txt", "4.txt")}
    sql(
        kb,
        "UPDATE state SET characters = 3, chunks = 77",
        "INSERT INTO embeddings (key) VALUES (x'00')",
        "INSERT INTO contents (document_id, text, layout) VALUES (77, '', '{}')",
        "UPDATE vectors SET vector = x'007c' WHERE embedding_id = 2",
        "DELETE FROM vectors WHERE embedding_id = 3",
    )
    assert found(kb).keys() >= {"totals", "orphans", "references", "vectors"}
    done = " ".join(kb.repair())
    for word in ("belonged to nothing", "damaged vectors", "no passage", "queue", "totals"):
        assert word in done
    assert found(kb) == {"vectors": "warn"}
    assert kb.status().vectors == 3
    assert kb.ingest(docs).same == 5
    assert found(kb) == {}
    assert {path: kb.text(path) for path in before} == before
    assert kb.search("passage number 3", k=1, mode="dense")[0].path == "3.txt"


def test_leftovers_of_killed_runs_are_cleared(kb: KnowledgeBase) -> None:
    left = [
        "knowledge.sqlite3.new",
        "knowledge.sqlite3.import-wal",
        "writer.json.123",
        "dense/x.new",
    ]
    for name in left:
        (kb.directory / name).write_bytes(b"x")
    assert kb.repair() == ["deleted 4 files that killed runs had left"]
    assert not any((kb.directory / name).exists() for name in left)


def test_a_damaged_database_is_never_repaired_into_an_empty_one(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed(kb) as directory:
        path = directory / "knowledge.sqlite3"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'chunks'"
        ).fetchone()
        connection.close()
        data = bytearray(path.read_bytes())
        data[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
        path.write_bytes(data)
    assert found(kb)["database"] == "fail"
    with pytest.raises(CorruptError, match="backup"):
        kb.repair()
    kb.close()
    assert path.read_bytes() == data
    monkeypatch.setattr(ragkit.embed, "load_embedder", lambda *_names, **_options: HashEmbedder())
    for arguments in (["doctor"], ["doctor", "--repair"], ["doctor", "--json"]):
        result = CliRunner().invoke(cli, [*arguments, "--kb", str(kb.directory)])
        assert result.exit_code == 3
        assert "FAIL" in result.stdout or json.loads(result.stdout)["ok"] is False
        lines = result.stdout.splitlines()
        assert not any("restore" in line for line in lines if line.startswith("FAIL"))
        assert "Nothing to repair" not in result.stderr
    path.write_bytes(b"garbage" * 1000)
    result = CliRunner().invoke(cli, ["doctor", "--json", "--kb", str(kb.directory)])
    assert result.exit_code == 3
    (check,) = json.loads(result.stdout)["checks"]
    assert (check["name"], check["status"]) == ("database", "fail")


def test_a_model_that_does_not_load_or_fit_is_found(
    tmp_path: Path, kb: KnowledgeBase, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.close()

    def gone(*_names: object, **_options: object) -> None:
        raise EmbeddingError("there is no such model any more")

    monkeypatch.setattr(ragkit.embed, "load_embedder", gone)
    with KnowledgeBase(tmp_path / "kb") as base:
        assert found(base) == {"model": "fail"}
    for other, expected in (
        (HashEmbedder(dimension=8), {"fingerprint": "fail"}),
        (HashEmbedder(max_tokens=99), {"fingerprint": "warn"}),
    ):
        monkeypatch.setattr(ragkit.embed, "load_embedder", lambda *_n, e=other, **_o: e)
        with KnowledgeBase(tmp_path / "kb") as base:
            assert found(base) == expected
    sql(kb, "UPDATE settings SET value = 'openai:some-model' WHERE key = 'embedder'")
    with KnowledgeBase(tmp_path / "kb") as base:
        assert found(base) == {}  # a server is not asked


def test_a_folder_that_went_away_and_a_rebuild_that_was_stopped(
    kb: KnowledgeBase, docs: Path
) -> None:
    docs.rename(docs.with_name("moved"))
    assert found(kb) == {"folders": "warn"}
    (kb.directory / "rebuild.sqlite3").touch()
    assert found(kb) == {"folders": "warn", "rebuild": "warn"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anything")
def test_rights_are_checked(kb: KnowledgeBase) -> None:
    (kb.directory / "knowledge.sqlite3").chmod(0o400)
    assert "permissions" in found(kb)


def test_repairing_from_the_shell(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragkit.embed, "load_embedder", lambda *_names, **_options: HashEmbedder())
    kb.close()
    shutil.rmtree(kb.directory / "dense")
    (kb.directory / "dense").write_text("in the way", encoding="utf-8")
    result = CliRunner().invoke(cli, ["doctor", "--repair", "--json", "--kb", str(kb.directory)])
    document = json.loads(result.stdout)
    assert document["repaired"] == ["built the search indexes anew from the database"]
    assert (result.exit_code, document["ok"]) == (0, True)
    result = CliRunner().invoke(cli, ["doctor", "--repair", "--kb", str(kb.directory)])
    assert "Nothing to repair" in result.stderr


def test_it_says_whether_code_can_be_confined_here(kb: KnowledgeBase) -> None:
    (check,) = [check for check in kb.check() if check.name == "sandbox"]
    try:
        python_tool()
    except SandboxError as error:
        assert (check.status, check.message) == ("warn", str(error))
    else:
        assert check.status == "ok"
        assert "namespaces" in check.message


@pytest.mark.parametrize(
    ("system", "machine", "reason", "remedy"),
    [("Darwin", "arm64", "this is Darwin", "Linux"), ("Linux", "riscv64", "riscv64", "Landlock")],
)
def test_it_warns_where_code_cannot_be_confined(
    kb: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    reason: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    sandbox.isolation_here.cache_clear()
    try:
        (check,) = [check for check in kb.check() if check.name == "sandbox"]
    finally:
        sandbox.isolation_here.cache_clear()
    assert check.status == "warn"
    assert reason in check.message
    assert remedy in (check.remedy or "")
