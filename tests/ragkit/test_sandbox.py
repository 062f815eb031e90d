"""Code that models write: it runs, and it gets nowhere."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_attempts import ALL, HARNESS

from ragkit.agent.sandbox import run as sandbox
from ragkit.agent.sandbox.run import Run, run_confined
from ragkit.agent.tools import SandboxLimits, python_tool
from ragkit.agent.tools.python import show_last
from ragkit.errors import SandboxError, UsageError


def _works(isolation: sandbox.Isolation) -> str | None:
    try:
        run_confined("print()", isolation=isolation)
    except SandboxError as error:
        return str(error)
    return None


pytestmark = pytest.mark.skipif(
    platform.system() != "Linux", reason="only Linux has what the sandbox is made of"
)


@pytest.fixture(scope="module", params=["namespaces", "landlock"])
def isolation(request: pytest.FixtureRequest) -> sandbox.Isolation:
    kind: sandbox.Isolation = request.param
    problem = _works(kind)
    if problem is not None:
        pytest.skip(problem)
    return kind


@pytest.fixture(scope="module")
def attempted(
    isolation: sandbox.Isolation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, list[str]]]:
    """Make every attempt in one run, then look whether the outside is as it was."""
    secret = tmp_path_factory.mktemp("outside") / "secret.txt"
    secret.write_text("hunter2", encoding="utf-8")
    secret.chmod(0o640)
    before = secret.stat()
    library = Path(os.__file__).stat()
    connections: list[object] = []
    local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    folder = tempfile.TemporaryDirectory(dir="/tmp")  # the path of a socket must be short
    address = f"{folder.name}/s"
    local.bind(address)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.MonkeyPatch.context() as patch,
        folder,
        local,
    ):
        patch.setenv("RAGKIT_TEST_KEY", "hunter2")
        accepting = threading.Thread(
            target=lambda: connections.append(server.accept()), daemon=True
        )
        accepting.start()
        orders = [str(secret), server.getsockname()[1], os.getpid(), address, ALL]
        run = run_confined(
            HARNESS,
            files={"attempts.json": json.dumps(orders).encode()},
            limits=SandboxLimits(seconds=30),
            return_files=True,
            isolation=isolation,
        )
        local.setblocking(False)
        with pytest.raises(BlockingIOError):
            local.recv(1)
    assert run.exit_code == 0, run
    assert secret.read_text(encoding="utf-8") == "hunter2"
    after = secret.stat()
    assert (after.st_mode, after.st_mtime, after.st_uid) == (
        before.st_mode,
        before.st_mtime,
        before.st_uid,
    )
    assert Path(os.__file__).stat().st_mode == library.st_mode
    assert not connections
    yield json.loads(run.files["outcome.json"])


@pytest.mark.parametrize("name", ALL)
def test_every_attempt_is_contained(attempted: dict[str, list[str]], name: str) -> None:
    outcome, what = attempted[name]
    assert outcome == "contained", what


EXHAUSTING = {
    "memory": ("x = []\nwhile True: x.append(bytearray(10**7))", "MemoryError"),
    "one large object": ("x = 'x' * 10**11", "MemoryError"),
    "processor time": ("while True: pass", "longer than"),
    "processor time, signal ignored": (
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        "longer than",
    ),
    "time": ("import time\nwhile True: time.sleep(9)", "longer than"),
    "time, signals ignored": (
        "import signal, time\n"
        "for n in set(signal.Signals) - {9, 19}: signal.signal(n, signal.SIG_IGN)\n"
        "while True: time.sleep(9)",
        "longer than",
    ),
    "stopping itself": ("import os\nos.kill(os.getpid(), 19)", "longer than"),
    "never ending at its end": (
        "import atexit, time\natexit.register(time.sleep, 99)",
        "longer than",
    ),
    "threads that never end": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()",
        "longer than",
    ),
    "output": ("while True: print('x' * 10_000)", "longer than"),
    "error output": ("import sys\nwhile True: sys.stderr.write('x' * 10_000)", "longer than"),
    "threads": (
        "import threading, time\n"
        "for _ in range(5_000): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "can't start new thread",
    ),
    "processes": ("import os\nwhile True: os.fork()", "PermissionError"),
    "one large file": ("f = open('f', 'wb')\nwhile True: f.write(b'x' * 10**6)", "File too large"),
    "many large files": (
        "import os\nfor n in range(10_000): open(f'f{n}', 'wb').write(b'x' * 10**6)",
        ("No space left", "held more than it may"),
    ),
    "many files": (
        "import time\nfor n in range(100_000): open(f'f{n}', 'w').close()\ntime.sleep(1)",
        ("No space left", "held more than it may"),
    ),
    "many open files": ("x = [open('/dev/null') for _ in range(5_000)]", "Too many open files"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "a crash": ("import ctypes\nctypes.string_at(0)", "-11"),
    "an abort": ("import os\nos.abort()", "-6"),
}


@pytest.mark.parametrize("name", EXHAUSTING)
def test_exhaustion_is_bounded(isolation: sandbox.Isolation, name: str) -> None:
    code, told = EXHAUSTING[name]
    limits = SandboxLimits(
        seconds=0.6 if told == "longer than" else 30,  # what ends by itself may take its time
        memory=256 * 2**20,
        scratch=8 * 2**20,
        files=100,
        output=1_000,
    )
    run = run_confined(code, limits=limits, isolation=isolation)
    said = f"{run.errors} {run.stopped} {run.exit_code}"
    assert any(reason in said for reason in ([told] if isinstance(told, str) else told)), said
    assert run.exit_code != 0
    assert len(run.output) <= 1_100
    assert len(run.errors) <= 1_100


def test_nothing_stays_behind(isolation: sandbox.Isolation) -> None:
    marker = f"marker_{os.getpid()}_{time.monotonic_ns()}"
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(tempfile, "tempdir", folder)
        for code in (f"{marker} = 1", f"import time\n{marker} = time.sleep(60)"):
            run_confined(code, limits=SandboxLimits(seconds=1.0), isolation=isolation)
        assert list(Path(folder).iterdir()) == []
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert "ragkit-python-" not in mounts
    assert not _confined_processes()


def _confined_processes() -> list[int]:
    """Return the children of this process that are still there."""
    children = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text(encoding="utf-8")
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if (
            int(status.rpartition(")")[2].split()[1]) == os.getpid()
            and b"sandbox.launcher" in command
        ):
            children.append(int(folder.name))
    return children


def test_ordinary_programs_run(isolation: sandbox.Isolation) -> None:
    code = """
import asyncio, collections, csv, ctypes, datetime, decimal, hashlib, json, math, random, re
import sqlite3, statistics, tempfile, threading, zipfile, zoneinfo
from concurrent.futures import ThreadPoolExecutor

async def wait():
    await asyncio.sleep(0.01)
    return 1

with ThreadPoolExecutor(3) as pool:
    squares = list(pool.map(lambda x: x * x, range(4)))
database = sqlite3.connect("numbers.db")
database.execute("create table t(x)")
database.execute("insert into t values (42)")
database.commit()
with open("täble.csv", "w", encoding="utf-8") as file:
    csv.writer(file).writerow(["ä", 1])
with tempfile.TemporaryFile() as file:
    file.write(b"x")
berlin = datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset()
print(asyncio.run(wait()), squares, database.execute("select x from t").fetchone(), berlin)
print(open("given/in.txt").read(), input.__name__, "ünïcödé")
"""
    run = run_confined(
        code, files={"given/in.txt": b"hello"}, return_files=True, isolation=isolation
    )
    assert run.errors == ""
    assert run.output == "1 [0, 1, 4, 9] (42,) 1:00:00\nhello input ünïcödé\n"
    assert set(run.files) == {"given/in.txt", "numbers.db", "täble.csv"}
    assert run.files["täble.csv"].decode() == "ä,1\r\n"
    assert run.isolation == isolation


def test_installed_packages_only_if_asked_for(isolation: sandbox.Isolation) -> None:
    code = "import numpy\nprint(numpy.arange(4).sum())"
    assert "ModuleNotFoundError" in run_confined(code, isolation=isolation).errors
    run = run_confined(
        code, packages=True, isolation=isolation, limits=SandboxLimits(seconds=60, memory=2 * 2**30)
    )
    assert (run.output, run.errors) == ("6\n", "")


def test_links_and_pipes_are_not_brought_back(isolation: sandbox.Isolation) -> None:
    code = "import os\nos.symlink('/etc/passwd', 'link')\nopen('plain', 'w').write('x')"
    run = run_confined(code, return_files=True, isolation=isolation)
    assert (dict(run.files), run.left_out) == ({"plain": b"x"}, ("link",))


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", ".", "a//b", "a\0b"])
def test_paths_that_leave_the_scratch_folder_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="must be relative"):
        run_confined("1", files={name: b""})


def test_limits_that_allow_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="seconds must be positive, not 0"):
        SandboxLimits(seconds=0)


@pytest.mark.parametrize(
    ("system", "machine", "reason"),
    [
        ("Darwin", "arm64", "needs the sandbox of Linux; this is Darwin"),
        ("Windows", "AMD64", "this is Windows"),
        ("Linux", "riscv64", "no list of system calls is known"),
    ],
)
def test_it_refuses_to_run_where_it_cannot_confine(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, reason: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    sandbox.isolation_here.cache_clear()
    try:
        with pytest.raises(SandboxError, match=reason):
            python_tool()
        with pytest.raises(SandboxError, match=reason):
            run_confined("print(1)")
    finally:
        sandbox.isolation_here.cache_clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_it_works_for_an_ordinary_user() -> None:
    """The tests' interpreter may be out of reach for others; the system's then serves, alone."""
    code = (
        "from sandbox.run import run_confined\n"
        "run = run_confined('import os; print(os.getuid() != 0); open(\"/etc/passwd\")')\n"
        "print(run.isolation, run.output.strip(), run.errors.splitlines()[-1].split(':')[0])\n"
    )
    root = Path(__file__).parents[2]
    for interpreter in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [interpreter, "-B", "-c", code],
                cwd="/",
                user=65_534,
                group=65_534,
                extra_groups=[],
                env={
                    "PYTHONPATH": f"{root}:{root / 'ragkit' / 'agent'}",
                    "HOME": "/",
                    "TMPDIR": "/tmp",
                },
                capture_output=True,
                text=True,
            )
        except PermissionError:
            continue
        if done.returncode == 0:
            isolation, *rest = done.stdout.split()
            assert isolation in ("namespaces", "landlock")
            assert rest[0] == "True"
            assert rest[1] in ("FileNotFoundError", "PermissionError")
            return
        if "ModuleNotFoundError" not in done.stderr and "SyntaxError" not in done.stderr:
            pytest.fail(done.stderr)
    pytest.skip("no interpreter, or not this project, can be reached by an ordinary user")


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("6 * 7", "42"),
        ("x = 1\nx + 1  # the sum", "2"),
        ("(\n 'ä' +\n 'b'\n)", "'äb'"),
        ("print('a')\nNone", "a"),
        ("x = 5; x", "5"),
        ("'ä'; 'ö'; [\n1]", "[1]"),
        ("x = 3", "[the program printed nothing]"),
        ("", "[the program printed nothing]"),
        ("def f():\n    'text'\n", "[the program printed nothing]"),
        ("(y := 4)", "4"),
    ],
)
def test_the_last_value_is_shown(code: str, shown: str) -> None:
    assert python_tool()(code) == shown


def test_half_a_character_is_told_to_the_model() -> None:
    told = python_tool().call({"code": "x = 1\nprint('\ud83d')"})
    assert told.error
    assert "line 2 has half of a character" in told.text
    assert "set up" not in told.text


def test_a_full_folder_ends_no_call(tmp_path: Path) -> None:
    """Neither one with many files, nor one that a run has filled before it failed."""
    limits = SandboxLimits(seconds=60, files=50, scratch=2**20)
    python = python_tool(folder=tmp_path, limits=limits)
    for number in range(60):
        (tmp_path / f"{number:02}").write_text(f"{number}")
    told = python.call({"code": "import os\nlen(os.listdir())"})
    assert not told.error, told.text
    assert told.text.startswith("49\n[the working folder is full: 11 of its files were not given")
    assert len(list(tmp_path.iterdir())) == 60
    python("import os\nfor name in os.listdir(): os.remove(name)")
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(n) for n in range(49, 60)]

    filling = "open('big', 'wb').write(b'x' * 900_000)\n1 / 0"
    assert "ZeroDivisionError" in python.call({"code": filling}).text
    assert (tmp_path / "big").stat().st_size == 900_000
    assert python("import os\nos.remove('big')\nos.mkdir('big')\nopen('big/x', 'w').close()")
    assert (tmp_path / "big" / "x").is_file()
    assert python("import shutil\nshutil.rmtree('big')\nopen('big', 'w').close()")
    assert (tmp_path / "big").is_file()


def test_showing_keeps_what_cannot_be_read() -> None:
    assert show_last("def f(") == "def f("


def test_a_model_is_told_what_went_wrong() -> None:
    tool = python_tool()
    result = tool.call({"code": "print('before')\n\n1 / 0"})
    assert result.error
    assert "exit code 1" in result.text
    assert "before" in result.text
    assert "line 3" in result.text
    assert "runpy" not in result.text
    assert "ZeroDivisionError" in result.text
    result = tool.call({"code": "def f("})
    assert "SyntaxError" in result.text
    tool = python_tool(limits=SandboxLimits(seconds=1.0))
    result = tool.call({"code": "while True: pass"})
    assert result.text.startswith("the program was stopped: it ran longer than 1 seconds")


def test_files_stay_in_a_folder_of_the_users(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("outside", encoding="utf-8")
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "data.csv").write_text("1\n2\n", encoding="utf-8")
    (folder / "old.txt").write_text("old", encoding="utf-8")
    (folder / "link.txt").symlink_to(outside)
    tool = python_tool(folder=folder)
    code = """
import os
total = sum(int(line) for line in open("data.csv"))
os.makedirs("out/deep")
open("out/deep/total.txt", "w").write(str(total))
os.remove("old.txt")
open("link.txt", "w").write("changed") if os.path.exists("link.txt") else None
sorted(os.listdir())
"""
    assert tool(code) == "['data.csv', 'out']"
    assert (folder / "out/deep/total.txt").read_text(encoding="utf-8") == "3"
    assert not (folder / "old.txt").exists()
    assert (folder / "link.txt").is_symlink()
    assert outside.read_text(encoding="utf-8") == "outside"
    assert tool("open('out/deep/total.txt').read()") == "'3'"
    result = tool.call({"code": "open('link.txt', 'w').write('changed')"})
    assert "behind a link" in result.text
    assert outside.read_text(encoding="utf-8") == "outside"


def test_a_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must exist"):
        python_tool(folder=tmp_path / "nowhere")


def test_a_run_says_how_it_was_confined() -> None:
    run = run_confined("print(1)")
    assert isinstance(run, Run)
    assert run.isolation == sandbox.isolation_here()
