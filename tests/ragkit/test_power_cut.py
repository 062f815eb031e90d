"""What a call stored when it returned is there after a power cut: on the disk, not in its cache.

``disk_faults.c`` keeps a copy of each file as it was each time it was made durable. After each act
the folder is laid out anew from these copies alone, as a machine would find it, and opened.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ragkit import KnowledgeBase, import_base
from ragkit.testing import HashEmbedder

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)

REPOSITORY = Path(__file__).resolve().parents[2]
ACTS = """
import ctypes, sys
from pathlib import Path
from ragkit import KnowledgeBase, import_base
from ragkit.answer.calibration import Calibration
from ragkit.testing import HashEmbedder

library, here = ctypes.CDLL(None), Path(sys.argv[1])

def done(act):
    print(act, library.kill_count(), flush=True)

library.kill_at(0)  # begins to count, and kills nobody
with KnowledgeBase(here / "kb", embedder=HashEmbedder()) as kb:
    kb.ingest(here / "docs", workers=1)
    done("ingest")
    kb.chat("alice").ask("How long is the warranty of the kettle?")
    done("chat")
    kb.calibrate(Calibration(threshold=0.7))
    done("calibrate")
    kb.export(here / "moved.ragkit")
    done("export")
    kb.delete_session("alice")
    done("forget")
    kb.delete("tea.txt")
    done("remove")
    import_base(here / "moved.ragkit", here / "there")
    done("import")
"""


def after_power_cut(log: Path, last: int, source: Path, target: Path) -> None:
    """Lay out what of ``source`` was durable when ``last`` changes had been made."""
    contents: dict[str, Path] = {}
    listed: dict[str, dict[str, str]] = {}
    for line in (log / "events").read_text(encoding="utf-8").splitlines():
        kind, number, *rest = line.split("\t")
        if int(number) > last:
            break
        if kind == "F":
            contents[rest[0]] = log / f"{number}-{rest[0]}"
        else:
            listed[rest[0]] = dict(zip(rest[1::2], rest[2::2], strict=True))
    target.mkdir()
    for name, inode in listed.get(str(source), {}).items():
        if not (source / name).is_dir():
            (target / name).write_bytes(contents[inode].read_bytes() if inode in contents else b"")


def opened(folder: Path, name: str = "kb") -> KnowledgeBase:
    return KnowledgeBase(folder / name, embedder=HashEmbedder(), create=False)


def ingested(folder: Path) -> None:
    with opened(folder) as kb:
        assert [document.path for document in kb.documents()] == ["kettle.txt", "tea.txt"]
        assert kb.search("warranty of the kettle", mode="dense", k=1)[0].path == "kettle.txt"
        assert kb.search("warranty of the kettle", mode="lexical", k=1)[0].path == "kettle.txt"


def talked(folder: Path) -> None:
    with opened(folder) as kb:
        assert [turn.role for turn in kb.turns("alice")] == ["user", "assistant"]


def calibrated(folder: Path) -> None:
    with opened(folder) as kb:
        assert kb.calibration().threshold == 0.7


def exported(folder: Path) -> None:
    import_base(folder / "here" / "moved.ragkit", folder / "again")
    with opened(folder, "again") as kb:
        assert len(kb.documents()) == 2


def forgotten(folder: Path) -> None:
    with opened(folder) as kb:
        assert kb.sessions() == []


def removed(folder: Path) -> None:
    with opened(folder) as kb:
        assert [document.path for document in kb.documents()] == ["kettle.txt"]


def imported(folder: Path) -> None:
    with opened(folder, "there") as kb:
        assert len(kb.documents()) == 2


PROMISED: dict[str, Callable[[Path], None]] = {
    "ingest": ingested,
    "chat": talked,
    "calibrate": calibrated,
    "export": exported,
    "forget": forgotten,
    "remove": removed,
    "import": imported,
}


def test_what_a_call_stored_outlasts_a_power_cut(tmp_path: Path) -> None:
    here, log = tmp_path.resolve() / "here", tmp_path.resolve() / "log"
    log.mkdir()
    (here / "docs").mkdir(parents=True)
    (here / "docs" / "kettle.txt").write_text("The warranty of the kettle is three years.\n")
    (here / "docs" / "tea.txt").write_text("Let the tea steep for four minutes.\n")
    library = tmp_path / "disk_faults.so"
    source = Path(__file__).with_name("disk_faults.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    watched = {"LD_PRELOAD": str(library), "DISK_FOLDER": str(here), "DISK_LOG": str(log)}
    run = subprocess.run(
        [sys.executable, "-c", ACTS, str(here)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **watched},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    acts = dict(line.split() for line in run.stdout.splitlines())
    assert acts.keys() == PROMISED.keys()
    for act, last in acts.items():
        folder = tmp_path / f"after-{act}"
        folder.mkdir()
        for name in ("kb", "there"):
            after_power_cut(log, int(last), here / name, folder / name)
        after_power_cut(log, int(last), here, folder / "here")
        PROMISED[act](folder)
