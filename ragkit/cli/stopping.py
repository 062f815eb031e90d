"""Ctrl-C is obeyed within a second, also while a library is busy in code that cannot be asked.

A base may be left at any moment, by design: what was committed is there. So when the work has not
stopped a moment after Ctrl-C, the process says what is kept and ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import click

from ragkit.cli.app import EXIT_INTERRUPTED

PATIENCE_SECONDS = 0.6
_SAYING_SECONDS = 3.0


@contextlib.contextmanager
def prompt_stop(
    message: Callable[[], str], *, clear: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """End the process if, after Ctrl-C, the block is not left within :data:`PATIENCE_SECONDS`.

    Python's own handling comes first: it raises ``KeyboardInterrupt`` between two steps of the
    program. Where signals cannot be watched (in other threads than the main one, and on Windows,
    where sockets take the place of pipes) that is all there is.

    Args:
        message: Makes the sentence to say on standard error; called in another thread.
        clear: Takes away what is drawn there, which would else be drawn over the sentence; likewise.
    """
    if threading.current_thread() is not threading.main_thread() or os.name == "nt":
        yield
        return
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    left = threading.Event()

    def say() -> None:
        said = "Stopped."
        with contextlib.suppress(Exception):
            clear()
        with contextlib.suppress(Exception):
            said = message()
        click.echo(said, err=True)

    def watch() -> None:
        with ours:
            while numbers := ours.recv(16):  # one byte, the signal's number, for each signal
                if signal.SIGINT in numbers and not left.wait(PATIENCE_SECONDS):
                    # Nothing may keep it from ending, not even a lock that the work holds.
                    saying = threading.Thread(target=say, daemon=True)
                    saying.start()
                    saying.join(_SAYING_SECONDS)
                    os._exit(EXIT_INTERRUPTED)

    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, name="ragkit-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        theirs.close()
        watcher.join()
