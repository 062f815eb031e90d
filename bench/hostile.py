"""What a folder of damaged and hostile PDF files does to an ingest: nothing, it is hoped.

Ingests the folder into a new base with default settings, and compares what was read with what
pypdf and pdfium find by themselves, each in a process of its own per file::

    python bench/hostile.py                        # hostile_pdf of the evaluation data
    python bench/hostile.py FOLDER                 # any other; FOLDER/passwords.json is optional
    python bench/hostile.py --mutate 300           # and that many damaged copies of its files

Exits with 1 if a file is not accounted for, a reader's text was missed, a file crashed or timed
out, the run took more than five minutes, or a process more than a gigabyte.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit import KnowledgeBase

if TYPE_CHECKING:
    from ragkit.results import IngestReport

READER = """
import json, logging, sys
logging.disable(logging.CRITICAL)
which, path, password = sys.argv[1:4]
texts = []
if which == "pdfium":
    import pypdfium2
    file = pypdfium2.PdfDocument(path, password=password or None)
    for index in range(min(len(file), 200)):
        try:
            texts.append(file[index].get_textpage().get_text_bounded())
        except Exception:
            pass
else:
    import pypdf
    file = pypdf.PdfReader(path)
    if file.is_encrypted:
        file.decrypt(password)
    for page in file.pages[:200]:
        try:
            texts.append(page.extract_text())
        except Exception:
            pass
sys.stdout.write(json.dumps("".join(texts)))
"""
READER_SECONDS = 60
MOST_SECONDS = 300
MOST_MEMORY = 1_000_000_000


def text_by(reader: str, path: Path, password: str) -> str:
    """Text that a reader finds by itself; empty if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", READER, reader, str(path), password],
            capture_output=True,
            timeout=READER_SECONDS,
        )
        return str(json.loads(done.stdout)) if done.returncode == 0 else ""
    except (subprocess.TimeoutExpired, ValueError):
        return ""


def has_text(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


class PeakMemory(threading.Thread):
    """Watches the resident memory of this process and of those it starts (Linux only)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own = self.workers = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.05):
            self.own = max(self.own, _peak(os.getpid()))
            for child in Path("/proc/self/task").glob("*/children"):
                for pid in _read(child).split():
                    self.workers = max(self.workers, _peak(int(pid)))


def _peak(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def add_mutations(folder: Path, count: int) -> None:
    """Add copies with bytes changed, cut out, doubled, or cut off; the same ones every time."""
    chance = random.Random(0)
    originals = sorted(folder.glob("*.pdf"))
    for number in range(count):
        original = chance.choice(originals)
        data = bytearray(original.read_bytes())
        for _ in range(chance.choice((1, 5, 50, 500))):
            at = chance.randrange(len(data)) if data else 0
            match chance.randrange(4):
                case 0:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    del data[at : at + chance.randrange(1, 200)]
                case 2:
                    data[at:at] = data[at : at + chance.randrange(1, 200)]
                case 3 if chance.random() < 0.05:
                    del data[at:]
        (folder / f"mutated-{number:04}-{original.name}").write_bytes(bytes(data))


def ingest(folder: Path, passwords: dict[str, str]) -> tuple[IngestReport, PeakMemory]:
    watch = PeakMemory()
    watch.start()
    with tempfile.TemporaryDirectory() as scratch, KnowledgeBase(Path(scratch) / "kb") as kb:
        report = kb.ingest(folder, password=lambda path: passwords.get(Path(path).name))
    watch.stopped.set()
    return report, watch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    evaluation = Path(os.environ.get("RAGKIT_EVAL_DATA", "../shared/eval"))
    parser.add_argument("folder", type=Path, nargs="?", default=evaluation / "hostile_pdf")
    parser.add_argument("--mutate", type=int, default=0, metavar="N", help="add N damaged copies")
    parser.add_argument("--verbose", action="store_true", help="list every failure and warning")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"skipped: no folder {str(arguments.folder)!r}; set RAGKIT_EVAL_DATA")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        for path in arguments.folder.rglob("*.pdf"):
            shutil.copyfile(path, folder / path.name)
        add_mutations(folder, arguments.mutate)
        listed = arguments.folder / "passwords.json"
        passwords = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else {}
        began = time.perf_counter()
        report, peak = ingest(folder, passwords)
        seconds = time.perf_counter() - began
        return judge(folder, passwords, report, peak, seconds, verbose=arguments.verbose)


def judge(
    folder: Path,
    passwords: dict[str, str],
    report: IngestReport,
    peak: PeakMemory,
    seconds: float,
    *,
    verbose: bool,
) -> int:
    files = {path.name for path in folder.iterdir()}
    failed = {note.path: note.reason for note in report.failed}
    named = [*report.added, *failed]
    unaccounted = files.symmetric_difference(named)
    crashed = {
        path: reason
        for path, reason in failed.items()
        if "crashed" in reason or "seconds" in reason or "memory" in reason
    }
    missed = [
        path
        for path in sorted(failed)
        if path not in crashed
        and any(
            has_text(text_by(reader, folder / path, passwords.get(path, "")))
            for reader in ("pdfium", "pypdf")
        )
    ]
    print(
        f"{len(files)} files: {len(report.added)} read, {len(failed)} failed,"
        f" {len(unaccounted) + len(named) - len(set(named))} not accounted for once;"
        f" {len(report.warnings)} warnings; {report.chunks} passages, {report.vectors} vectors"
    )
    print(f"{len(missed)} failed in which pdfium or pypdf find text; {len(crashed)} hit a limit")
    print(
        f"{seconds:.1f} s; peak memory {peak.own / 1e6:.0f} MB (this process),"
        f" {peak.workers / 1e6:.0f} MB (a worker)"
    )
    for path in missed:
        print(f"missed: {path}: {failed[path]}")
    for path, reason in sorted(crashed.items()):
        print(f"hit a limit: {path}: {reason}")
    if verbose:
        for note in (*report.failed, *report.warnings):
            print(f"{note.path}: {note.reason}")
    too_much = seconds > MOST_SECONDS or max(peak.own, peak.workers) > MOST_MEMORY
    return int(bool(unaccounted or missed or crashed or too_much))


if __name__ == "__main__":
    sys.exit(main())
