"""A base in a place that may not be written to: it can be searched and asked, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ragkit import KnowledgeBase, Notice, ReadOnlyError
from ragkit.testing import HashEmbedder, ScriptedModel

SCRIPT = """
import json, sys
from pathlib import Path
from ragkit import KnowledgeBase, ReadOnlyError
from ragkit.testing import HashEmbedder

place, docs, out = sys.argv[1:]
try:
    Path(place, "probe").touch()
    sys.exit("it can be written to")
except OSError:
    pass
heard = []
with KnowledgeBase(place, embedder=HashEmbedder(), create=False, listener=heard.append) as kb:
    found = {
        mode: [hit.path for hit in kb.search("kettle warranty", mode=mode, k=1)]
        for mode in ("hybrid", "dense", "lexical")
    }
    degraded = kb.retrieve("kettle warranty").degraded
    answer = kb.ask("How long is the warranty for the kettle?")
    kb.ask("How long does the tea steep?")
    refused = []
    for write in (
        lambda: kb.ingest(docs),
        lambda: kb.delete("*.txt"),
        lambda: kb.chat("alice"),
        kb.rebuild,
        kb.repair,
    ):
        try:
            write()
        except ReadOnlyError as error:
            refused.append(str(error))
    exported = kb.export(out).documents
    checks = {check.name: check.status for check in kb.check()}
print(json.dumps({
    "found": found, "degraded": degraded, "answer": answer.text, "unlike": answer.degraded,
    "notices": [notice.message for notice in heard], "refused": refused, "exported": exported,
    "checks": checks,
}))
"""
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "warranty.md").write_text("The warranty for the kettle is three years.\n")
    (folder / "tea.txt").write_text("Let the tea steep for four minutes.\n")
    return folder


@pytest.fixture
def place(tmp_path: Path, docs: Path) -> Path:
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder()) as kb:
        kb.ingest(docs)
    return tmp_path / "kb"


@pytest.fixture
def mounted(place: Path) -> list[str]:
    """The beginning of a command that sees the base on a file system mounted read-only."""
    prefix = ["unshare", "-rm", "sh", "-c", MOUNT, str(place)]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("this system lets nobody mount a folder read-only for one process")
    return prefix


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_read_only_mount_is_searched_and_asked(
    mounted: list[str], place: Path, docs: Path, tmp_path: Path
) -> None:
    before = everything(place)
    out = tmp_path / "out.ragkit"
    run = subprocess.run(
        [*mounted, sys.executable, "-c", SCRIPT, str(place), str(docs), str(out)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert set(map(tuple, said["found"].values())) == {("warranty.md",)}
    assert not said["degraded"]
    assert "three years" in said["answer"]
    assert not said["unlike"]
    assert len([text for text in said["notices"] if "may only be read" in text]) == 1
    assert len(said["refused"]) == 5
    assert all("mounted read-only" in text for text in said["refused"])
    assert said["exported"] == 2
    assert "fail" not in said["checks"].values()
    assert said["checks"]["permissions"] == "warn"
    assert everything(place) == before


def test_the_command_line_says_it_once(mounted: list[str], place: Path, docs: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*mounted, sys.executable, "-m", "ragkit", *arguments, "--kb", str(place)],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    shown = run("ls", "--json")
    assert shown.returncode == 0, shown.stderr
    for arguments in (("rm", "tea.txt"), ("ask", "How long?", "--session", "alice")):
        refused = run(*arguments)
        assert refused.returncode == 3
        assert refused.stderr.count("may only be read") == 1
        assert "Traceback" not in refused.stderr


@pytest.fixture
def locked(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The base as somebody sees it who may not write to it."""
    real = os.access

    def access(path: str | os.PathLike[str], mode: int) -> bool:
        ours = Path(path).is_relative_to(place)
        return real(path, mode & ~os.W_OK) and not (ours and mode & os.W_OK)

    monkeypatch.setattr(os, "access", access)
    return place


def test_nothing_is_kept_of_a_question(locked: Path) -> None:
    model = ScriptedModel("Three years [1].", "Three years [1].")
    heard: list[object] = []
    with KnowledgeBase(locked, embedder=HashEmbedder(), model=model, listener=heard.append) as kb:
        assert kb.read_only
        assert kb.ask("How long is the warranty for the kettle?").citations
        assert kb.ask("How long is the warranty for the kettle?").cached is False
        assert kb.traces() == []
        assert kb.usage() == {}
    assert [type(item) for item in heard] == [Notice]


def test_answers_kept_before_are_still_given(place: Path, request: pytest.FixtureRequest) -> None:
    question = "How long is the warranty for the kettle?"
    with KnowledgeBase(place, embedder=HashEmbedder()) as kb:
        kb.ask(question)
    request.getfixturevalue("locked")
    with KnowledgeBase(place, embedder=HashEmbedder()) as kb:
        assert kb.read_only
        assert kb.ask(question).cached


@pytest.mark.parametrize(
    "write",
    [
        lambda kb, docs: kb.ingest(docs),
        lambda kb, docs: kb.add(b"no PDF", path="not-even-looked-at.pdf"),
        lambda kb, docs: kb.delete("tea.txt"),
        lambda kb, docs: kb.chat("alice"),
        lambda kb, docs: kb.memory("alice").remember("What?", "That."),
        lambda kb, docs: kb.delete_cache(),
        lambda kb, docs: kb.rebuild(),
    ],
)
def test_every_write_is_refused(
    locked: Path, docs: Path, write: Callable[[KnowledgeBase, Path], object]
) -> None:
    with KnowledgeBase(locked, embedder=HashEmbedder()) as kb:
        with pytest.raises(ReadOnlyError, match="may only be read") as caught:
            write(kb, docs)
        assert caught.value.exit_code == 3
        assert len(kb.ingest(docs, dry_run=True).added) == 0
        assert kb.search("kettle", mode="lexical")


def test_changes_of_others_are_seen(locked: Path, docs: Path) -> None:
    with KnowledgeBase(locked, embedder=HashEmbedder()) as reader:
        assert len(reader.documents()) == 2
        (docs / "new.txt").write_text("A toaster browns bread.\n")
        code = (
            "import sys; from ragkit import KnowledgeBase; from ragkit.testing import HashEmbedder\n"
            "with KnowledgeBase(sys.argv[1], embedder=HashEmbedder()) as kb: kb.ingest(sys.argv[2])"
        )
        subprocess.run([sys.executable, "-c", code, str(locked), str(docs)], check=True)
        assert reader.search("toaster bread", k=1)[0].path == "new.txt"
        assert reader.search("toaster", k=1, mode="lexical")[0].path == "new.txt"
