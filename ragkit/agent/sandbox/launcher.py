"""The confined process: reads its orders, gives up its powers step by step, runs the code.

Three processes: the outer one makes the namespaces; the first process inside them builds the file
system, waits, and hands the files back; the second, which can do nothing any more, runs the code.
Where namespaces are not to be had there is no first one, and Landlock alone guards the files.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import runpy
import signal
import stat
import sys
import time
import traceback
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from . import confinement, landlock, seccomp
from .confinement import ConfinementError

_LANDLOCK_NEEDED = 3  # the first that guards truncation
_MAIN = "/main.py"
_UID_BASE, _UID_RANGE = 1_900_000_000, 10_000_000


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run, and within which limits; sizes are bytes."""

    code: str
    files: dict[str, str]
    packages: list[str]
    base: str
    isolation: str
    memory: int
    cpu_seconds: int
    scratch_size: int
    scratch_files: int
    threads: int
    return_files: bool


def main() -> None:
    """Do what the orders on standard input say; the result goes to the file numbered argv[2]."""
    results = int(sys.argv[2])
    sys.path.remove(sys.argv[1])
    orders = Orders(**json.load(sys.stdin))
    confinement.close_others(results)
    confinement.die_with_parent(0)
    try:
        if orders.isolation == "namespaces":
            _in_namespaces(orders, results)
        else:
            _by_landlock(orders, results)
    except ConfinementError as error:
        _report(results, {"problem": str(error)})
        os._exit(1)
    except OSError as error:
        _report(results, {"problem": f"cannot build the sandbox: {error}"})
        os._exit(1)


def _in_namespaces(orders: Orders, results: int) -> None:
    only_user = confinement.leave_namespaces()
    child = os.fork()
    if child:
        os.close(results)
        _, status = os.waitpid(child, 0)
        os._exit(0 if status == 0 else 1)
    confinement.die_with_parent(0)
    user = (
        confinement.NOBODY if only_user else _UID_BASE + int.from_bytes(os.urandom(4)) % _UID_RANGE
    )
    confinement.forget_host_name()
    libraries = confinement.library_folders(orders.packages)
    readable = [*libraries, *confinement.devices()]
    confinement.enter_new_root(
        orders.base,
        readable,
        {_MAIN: orders.code.encode()},
        scratch_size=orders.scratch_size,
        scratch_files=orders.scratch_files,
        owner=user,
    )
    _fill("/scratch", orders.files, user)
    runner = os.fork()
    if runner == 0:
        if not only_user:
            confinement.become(user)
        _run(orders, _MAIN, "/scratch", [*readable, _MAIN], in_namespace=True, results=results)
    _, status = os.waitpid(runner, 0)
    _report(results, _outcome(status, orders, "/scratch"))
    os._exit(0)


def _by_landlock(orders: Orders, results: int) -> None:
    if landlock.version() < _LANDLOCK_NEEDED:
        raise ConfinementError("the kernel has no Landlock, or one too old (before Linux 6.2)")
    scratch = os.path.join(orders.base, "scratch")
    main_file = os.path.join(orders.base, "main.py")
    os.mkdir(scratch)
    with open(main_file, "w", encoding="utf-8") as file:
        file.write(orders.code)
    _fill(scratch, orders.files, os.geteuid())
    libraries = confinement.library_folders(orders.packages)
    readable = [*libraries, *confinement.devices(), main_file]
    orders = replace(orders, threads=orders.threads + confinement.threads_of_user())
    runner = os.fork()
    if runner == 0:
        _run(orders, main_file, scratch, readable, in_namespace=False, results=results)
    status, full = _wait_watching(runner, scratch, orders)
    outcome = _outcome(status, orders, scratch)
    if full:
        outcome["stopped"] = "its scratch folder held more than it may"
    _report(results, outcome)
    os._exit(0)


def _wait_watching(runner: int, scratch: str, orders: Orders) -> tuple[int, bool]:
    """Wait for the code; end it when its files, which no quota holds here, grow too large."""
    full = False
    while True:
        ended, status = os.waitpid(runner, os.WNOHANG)
        if ended:
            return status, full or _is_full(scratch, orders)
        if not full and _is_full(scratch, orders):
            full = True
            os.kill(runner, signal.SIGKILL)
        time.sleep(0.02)


def _is_full(scratch: str, orders: Orders) -> bool:
    size = count = 0
    for folder, folders, names in os.walk(scratch):
        count += len(folders) + len(names)
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_blocks * 512
        if size > orders.scratch_size or count > orders.scratch_files:
            return True
    return False


def _run(
    orders: Orders,
    main_file: str,
    scratch: str,
    readable: list[str],
    *,
    in_namespace: bool,
    results: int,
) -> None:
    """Give up the rest, run the code, and end; nothing after this has any power."""
    try:
        confinement.stay_quiet()
        os.chdir(scratch)
        confinement.give_up_privileges()
        # After the change of user, which clears it.
        confinement.die_with_parent(1 if in_namespace else 0)
        if landlock.version():
            landlock.restrict(readable, [scratch], confinement.check)
        empty = os.open("/dev/null", os.O_RDONLY)
        os.dup2(empty, 0)
        confinement.set_limits(
            memory=orders.memory,
            cpu_seconds=orders.cpu_seconds,
            file_size=orders.scratch_size,
            threads=orders.threads,
        )
        program = seccomp.filter_program(seccomp.own_pid(), in_namespace=in_namespace)
        seccomp.install(program, confinement.check)
    except (ConfinementError, OSError) as error:
        _report(results, {"problem": f"cannot confine the code: {error}"})
        os._exit(1)
    confinement.close_others()
    sys.path += orders.packages
    sys.argv = [main_file]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        runpy.run_path(main_file, run_name="__main__")
    except SystemExit:
        raise
    except BaseException as error:  # whatever the code raises ends here
        traceback.print_exception(type(error), error, _own_part(error, main_file))
        sys.exit(1)
    sys.exit(0)


def _own_part(error: BaseException, main_file: str) -> TracebackType | None:
    """Return the traceback from the code's own first line on; none if it could not be compiled."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != main_file:
        trace = trace.tb_next
    return trace


def _fill(scratch: str, files: dict[str, str], owner: int) -> None:
    for name, data in files.items():
        place = os.path.join(scratch, name)
        made = scratch
        for folder in name.split("/")[:-1]:
            made = os.path.join(made, folder)
            if not os.path.isdir(made):
                os.mkdir(made)
                os.chown(made, owner, -1)
        with open(place, "wb") as file:
            file.write(base64.b64decode(data))
        os.chown(place, owner, -1)


def _outcome(status: int, orders: Orders, scratch: str) -> dict[str, Any]:
    outcome: dict[str, Any] = {"exit_code": os.waitstatus_to_exitcode(status)}
    if orders.return_files:
        outcome["files"], outcome["left_out"] = _collect(scratch, orders.scratch_size)
    return outcome


def _collect(scratch: str, limit: int) -> tuple[dict[str, str], list[str]]:
    """Read the plain files of the scratch folder; links are never followed."""
    files: dict[str, str] = {}
    left_out: list[str] = []
    for folder, _, names in os.walk(scratch):
        for name in names:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, scratch)
            try:
                number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                left_out.append(relative)
                continue
            with os.fdopen(number, "rb") as file:
                facts = os.fstat(number)
                limit -= facts.st_size  # a sparse file counts as what it would become
                if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1 or limit < 0:
                    left_out.append(relative)
                    continue
                files[relative] = base64.b64encode(file.read(facts.st_size)).decode("ascii")
    return files, left_out


def _report(results: int, outcome: dict[str, Any]) -> None:
    with os.fdopen(os.dup(results), "w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(outcome, file)
