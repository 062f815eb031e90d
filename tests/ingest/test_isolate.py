"""Loading in worker processes: what one file does to its worker costs that file only.

The misbehaving loader comes from a plug-in, so this also tests how plug-ins are found.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.document import Document
from ingest.errors import LoadError, TooLargeError, UnreadableError, WrongFormatError
from ingest.isolate import Loaded, LoaderPool, LoadLimits, LoadRequest
from ingest.loader_spec import LoaderSpec, Source
from ingest.loaders import registry
from ingest.loaders.registry import register

REPOSITORY = Path(__file__).resolve().parents[2]
PLUG_IN = """
import os, sys, time
from ingest import Document, LoaderSpec

def load_evil(source):
    deed = source.data.decode().strip()
    if deed == "crash":
        os.abort()
    if deed == "hang":
        time.sleep(600)
    if deed == "memory":
        hoard = [bytearray(1 << 24) for _ in range(1 << 20)]
    if deed == "deep":
        def dive(): dive()
        dive()
    if deed == "raise":
        raise KeyError("some detail")
    if deed == "print":
        print("{not a reply}")
        os.write(1, b"neither\\n")
    return Document(text=deed, format="evil")

SPEC = LoaderSpec("evil", (".evil",), load_evil)
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    metadata = site / "evil-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "evil_plug_in.py").write_text(PLUG_IN, encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ingest.loaders]\nevil = evil_plug_in:SPEC\n")
    monkeypatch.syspath_prepend(str(site))


def load(folder: Path, *deeds: str, **limits: float) -> dict[str, Loaded | LoadError]:
    paths = []
    for number, deed in enumerate(deeds):
        path = folder / f"{number}-{deed}.evil"
        path.write_text(deed, encoding="utf-8")
        paths.append(path)
    with LoaderPool(workers=2, limits=LoadLimits(**limits)) as pool:  # type: ignore[arg-type]
        outcomes = pool.load_all(LoadRequest(path) for path in paths)
        return {request.path.stem.partition("-")[2]: outcome for request, outcome in outcomes}


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("crash", "crashed"),
        ("raise", "KeyError: 'some detail'"),
        ("deep", "nested too deeply"),
    ],
)
def test_a_failing_parser_costs_its_file_only(tmp_path: Path, deed: str, reason: str) -> None:
    outcomes = load(tmp_path, "good", deed, "better", "best")
    error = outcomes.pop(deed)
    assert isinstance(error, WrongFormatError)
    assert reason in str(error)
    for name, outcome in outcomes.items():
        assert isinstance(outcome, Loaded), outcome
        assert outcome.document.text == name


@pytest.mark.usefixtures("plug_in")
def test_a_hang_ends_after_the_time_limit(tmp_path: Path) -> None:
    outcomes = load(tmp_path, "hang", "good", seconds=3.0)
    assert "more than 3 seconds" in str(outcomes["hang"])
    assert isinstance(outcomes["good"], Loaded)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
@pytest.mark.usefixtures("plug_in")
def test_a_memory_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    outcomes = load(tmp_path, "memory", "good", memory_bytes=1 << 29)
    assert isinstance(outcomes["memory"], TooLargeError)
    assert "memory" in str(outcomes["memory"])
    assert isinstance(outcomes["good"], Loaded)


@pytest.mark.usefixtures("plug_in")
def test_what_a_parser_prints_does_not_disturb(tmp_path: Path) -> None:
    outcome = load(tmp_path, "print")["print"]
    assert isinstance(outcome, Loaded)
    assert outcome.document.text == "print"


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    big = tmp_path / "big.txt"
    big.write_text("x" * 2000, encoding="utf-8")
    requests = [LoadRequest(tmp_path / "absent.txt"), LoadRequest(big), LoadRequest(tmp_path)]
    with LoaderPool(workers=1, limits=LoadLimits(file_bytes=1000)) as pool:
        outcomes = dict(pool.load_all(requests))
    assert isinstance(outcomes[requests[0]], UnreadableError)
    assert "no such file" in str(outcomes[requests[0]])
    assert isinstance(outcomes[requests[1]], TooLargeError)
    assert isinstance(outcomes[requests[2]], LoadError)


def test_the_state_of_the_file_that_was_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ä b.txt"
    path.write_bytes("grün".encode("cp1252"))
    with LoaderPool(workers=1) as pool:
        [(_, outcome)] = pool.load_all([LoadRequest(path)])
    assert isinstance(outcome, Loaded)
    assert outcome.document.text == "grün"
    assert (outcome.size, outcome.mtime_ns) == (4, path.stat().st_mtime_ns)
    assert outcome.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text("some words", encoding="utf-8")
    pool = LoaderPool(workers=2)
    with pool:
        for _request, outcome in pool.load_all(LoadRequest(p) for p in tmp_path.iterdir()):
            assert isinstance(outcome, Loaded)
            break
    deadline = time.monotonic() + 10
    while pool._processes and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pool._processes


@pytest.mark.parametrize("limit", [{"seconds": 0}, {"memory_bytes": 1000}, {"file_bytes": -1}])
def test_limits_that_make_no_sense_are_refused(limit: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limit))):
        LoadLimits(**limit)


def load_upper(source: Source) -> Document:
    return Document(text=source.data.decode().upper(), format="shout")


class Loaders:
    def load(self, source: Source) -> Document:
        return load_upper(source)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


@pytest.mark.usefixtures("registered")
def test_a_registered_loader_reaches_the_workers(tmp_path: Path) -> None:
    register(LoaderSpec("shout", (".evil",), load_upper))
    loaded = load(tmp_path, "words")["words"]
    assert isinstance(loaded, Loaded)
    assert (loaded.document.text, loaded.document.format) == ("WORDS", "shout")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("kind", ["lambda", "method", "main"])
def test_a_loader_that_workers_cannot_import_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = load_upper
    if kind == "lambda":
        loader = lambda source: load_upper(source)  # noqa: E731
    elif kind == "method":
        loader = Loaders().load
    else:
        monkeypatch.setattr(load_upper, "__module__", "__main__")
    register(LoaderSpec("shout", (".evil",), loader))
    with pytest.raises(ValueError, match="the loader of 'shout' files cannot be handed to"):
        LoaderPool()


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("address", ["no_such_module_at_all:load", "json:no_such_function"])
def test_a_loader_that_is_not_where_it_was_said_to_be_is_refused(address: str) -> None:
    register(LoaderSpec("shout", (".evil",), address))
    with pytest.raises(ValueError, match=f"the loader '{address}' of 'shout' files cannot be imp"):
        LoaderPool()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_busy_worker_does_not_outlive_its_program(tmp_path: Path) -> None:
    (tmp_path / "sleepy.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        "def load(source):\n    Path('pid').write_text(str(os.getpid()))\n    time.sleep(600)\n",
        encoding="utf-8",
    )
    (tmp_path / "a.sleepy").write_text("words", encoding="utf-8")
    script = (
        "from pathlib import Path\nfrom ingest import LoaderSpec, register\n"
        "from ingest.isolate import LoaderPool, LoadRequest\n"
        "register(LoaderSpec('sleepy', ('.sleepy',), 'sleepy:load'))\n"
        "with LoaderPool(workers=1) as pool:\n"
        "    list(pool.load_all([LoadRequest(Path('a.sleepy').absolute())]))\n"
    )
    places = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": places}
    ) as program:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        worker = Path("/proc", (tmp_path / "pid").read_text())
        assert worker.exists()
        program.kill()
    until(lambda: not worker.exists() or "(zombie)" in (worker / "status").read_text())


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
