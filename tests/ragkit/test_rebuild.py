"""Rebuilding: beside the old base, exchanged at once, resumed after any interruption."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ragkit import EmbeddingError, FingerprintError, KnowledgeBase
from ragkit.testing import HashEmbedder

REPOSITORY = Path(__file__).resolve().parents[2]


class Watched(HashEmbedder):
    """Counts what it embeds, and may be told to do something before."""

    def __init__(self, dimension: int, before: Any = None, **options: Any) -> None:
        super().__init__(dimension=dimension, **options)
        self.embedded = 0
        self.before = before

    def embed(self, texts: Sequence[str], *, kind: Any) -> Any:
        if kind == "passage":
            if self.before is not None:
                self.before(self, texts)
            self.embedded += len(texts)
        return super().embed(texts, kind=kind)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for number in range(6):
        path = folder / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        sections = (
            f"# Part {part}\n\n" + f"Passage {number} of {part}. " * 40 + "\n" for part in range(30)
        )
        path.write_text("\n".join(sections), encoding="utf-8")
    return folder


@pytest.fixture
def kb(tmp_path: Path, docs: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(dimension=32)) as base:
        base.ingest(docs)
        yield base


def state(kb: KnowledgeBase) -> list[Any]:
    """Everything that must be the same however it came about."""
    connection = sqlite3.connect(kb.directory / "knowledge.sqlite3")
    try:
        rows = connection.execute(
            "SELECT path, position, start_offset, end_offset, prefix, chunks.text, chunks.key,"
            " vector FROM chunks JOIN documents ON documents.id = document_id"
            " LEFT JOIN vectors USING (embedding_id) ORDER BY path, position"
        ).fetchall()
        rows.append(connection.execute("SELECT chunks, vectors, documents FROM state").fetchone())
        return rows
    finally:
        connection.close()


def test_the_old_base_is_searched_until_the_new_one_is_there(
    tmp_path: Path, kb: KnowledgeBase, docs: Path
) -> None:
    before = state(kb)
    found: list[str] = []

    def look(_embedder: object, _texts: object) -> None:
        with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(dimension=32)) as reader:
            assert state(reader) == before
            found.append(reader.search("passage 3 of 7", k=1, mode="dense")[0].path)
            found.append(reader.search("passage 3 of 7", k=1, mode="lexical")[0].path)

    kb.rebuild(embedder=Watched(16, look))
    assert found
    assert set(found) == {"3.md"}
    with KnowledgeBase(tmp_path / "fresh", embedder=HashEmbedder(dimension=16)) as fresh:
        fresh.ingest(docs)
        assert state(kb) == state(fresh)
    assert kb.search("passage 3 of 7", k=1, mode="dense")[0].path == "3.md"
    assert kb.search("passage 3 of 7", k=1, mode="lexical")[0].path == "3.md"
    assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}
    assert not list(kb.directory.glob("rebuild*"))


def test_a_failing_model_leaves_the_base_as_it_was_and_the_next_run_goes_on(
    tmp_path: Path, kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragkit.run.embedding._BATCH", 50)
    before = state(kb)

    def fail(embedder: Watched, _texts: object) -> None:
        if embedder.embedded >= 100:
            raise EmbeddingError("the server is gone")

    with pytest.raises(EmbeddingError, match=r"the server is gone; [\d,]+ of [\d,]+ passages"):
        kb.rebuild(embedder=Watched(16, fail))
    assert state(kb) == before
    assert kb.search("passage 3 of 7", k=1)[0].path == "3.md"
    second = Watched(16)
    kb.rebuild(embedder=second)
    chunks = kb.status().chunks
    assert second.embedded == chunks - 100
    assert kb.status().vectors == chunks


def test_vectors_stay_where_model_and_passage_do(kb: KnowledgeBase) -> None:
    before = state(kb)
    same = Watched(32)
    kb.rebuild(embedder=same)
    assert same.embedded == 0
    assert state(kb) == before


def test_another_goal_begins_anew(kb: KnowledgeBase, docs: Path) -> None:
    def fail(_embedder: object, _texts: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kb.rebuild(embedder=Watched(16, fail))
    (docs / "0.md").unlink()
    (docs / "1.md").write_text("# Changed\n\nAltogether.\n", encoding="utf-8")
    kb.ingest(docs)
    kb.rebuild(embedder=Watched(8, max_tokens=100))
    assert kb.status().fingerprint["embedding"]["dimension"] == 8
    assert kb.search("altogether changed", k=1, mode="dense")[0].path == "1.md"
    assert {check.status for check in kb.check() if check.name != "sandbox"} == {"ok"}


def test_a_damaged_leftover_is_no_obstacle(kb: KnowledgeBase) -> None:
    (kb.directory / "rebuild.sqlite3").write_bytes(b"nonsense" * 1000)
    kb.rebuild(embedder=HashEmbedder(dimension=16))
    assert kb.status().fingerprint["embedding"]["dimension"] == 16


def test_who_has_the_base_open_notices_the_exchange(tmp_path: Path, kb: KnowledgeBase) -> None:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(dimension=32)) as reader:
        assert reader.search("passage 3 of 7", k=1)[0].path == "3.md"
        kb.rebuild(embedder=HashEmbedder(dimension=16))
        with pytest.raises(FingerprintError, match="16 dimensions"):
            reader.search("passage 3 of 7", k=1)


KILLED = """
import os, signal, sys
from ragkit import KnowledgeBase
from ragkit.store import staging
from ragkit.testing import HashEmbedder

limit, steps = int(sys.argv[2]), 0
def step():
    global steps
    steps += 1
    if steps == limit:
        os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name):
    real = getattr(owner, name)
    def dying(*arguments, **options):
        step()
        result = real(*arguments, **options)
        step()
        return result
    setattr(owner, name, dying)

for name in ("put", "put_vectors", "keep_vectors", "exchange", "missing", "close"):
    around(staging.Staging, name)
around(staging, "_exchange")
around(staging, "discard")
with KnowledgeBase(sys.argv[1], embedder=HashEmbedder(dimension=32)) as kb:
    kb.rebuild(embedder=HashEmbedder(dimension=16))
print(steps)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_any_step_the_base_is_the_old_one_or_the_new_one(
    tmp_path: Path, kb: KnowledgeBase
) -> None:
    old = state(kb)
    kb.close()
    shutil.copytree(tmp_path / "kb", tmp_path / "whole")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    def run(directory: Path, limit: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, str(directory), str(limit)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    whole = run(tmp_path / "whole", -1)
    assert whole.returncode == 0, whole.stderr
    with KnowledgeBase(tmp_path / "whole") as base:
        new = state(base)
    assert new != old
    steps = int(whole.stdout)
    seen = set()
    for limit in range(1, steps + 1, 3):
        directory = tmp_path / f"killed-{limit}"
        shutil.copytree(tmp_path / "kb", directory)
        assert run(directory, limit).returncode == -signal.SIGKILL
        with KnowledgeBase(directory) as base:
            now = state(base)
            assert now in (old, new), limit
            seen.add(now == new)
            dimension = base.status().fingerprint["embedding"]["dimension"]
            assert dimension == (16 if now == new else 32)
        with KnowledgeBase(directory, embedder=HashEmbedder(dimension=dimension)) as base:
            assert base.search("passage 3 of 7", k=1, mode="dense")[0].path == "3.md"
            base.rebuild(embedder=HashEmbedder(dimension=16))
            assert state(base) == new
    assert seen == {True, False}
