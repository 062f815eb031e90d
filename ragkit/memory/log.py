"""The turns of a session as they are kept: the truth that every memory is a view of."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from typing import TYPE_CHECKING

from ragkit.errors import UsageError
from ragkit.store.records import NumberedTurn, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragkit.memory.memory import Recall
    from ragkit.store import Store


class SessionLog:
    """A session's turns, read as they come in, whichever process adds them.

    A session that is deleted, by anybody, is empty from then on, and begins anew with the next
    turn.
    """

    def __init__(self, store: Store, session: str) -> None:
        """Read the session named ``session``; it need not exist yet."""
        if not isinstance(session, str) or not session.strip():
            raise UsageError(f"a session needs a name, such as 'alice', not {session!r}")
        self.store = store
        self.session = session
        self._began = 0.0
        self._turns: list[NumberedTurn] = []
        self._lock = threading.Lock()

    def turns(self) -> Sequence[NumberedTurn]:
        """Return all turns so far, oldest first; only new ones are read from the base.

        What is returned does not change when turns are added, by whichever thread.
        """
        with self._lock:
            after = self._turns[-1].id if self._turns else 0
            began, new = self.store.numbered_turns(self.session, after)
            if began != self._began:
                self._began, self._turns = began, []
                if after:
                    began, new = self.store.numbered_turns(self.session)
                    self._began = began
            if new:
                self._turns = [*self._turns, *new]
            return self._turns

    def append(self, question: str, answer: str, *, trace: str | None = None) -> None:
        """Add what the user said and what was answered, both or neither."""
        self.add(("user", question), ("assistant", answer), trace=trace)

    def add(
        self, *messages: tuple[str, str], trace: str | None = None, at: float | None = None
    ) -> None:
        """Add messages, each a speaker's name (or role) and what was said.

        Args:
            *messages: In their order.
            trace: The trace in which the last of them was made.
            at: When they were said, in seconds since 1970; default: now.
        """
        now = time.time() if at is None else at
        last = len(messages) - 1
        self.store.add_turns(
            self.session,
            [
                Turn(role, content, trace if number == last else None, "[]", now)
                for number, (role, content) in enumerate(messages)
            ],
        )


class SessionView:
    """What memories that are views of a session have in common: a turn is kept in the session."""

    def __init__(self, log: SessionLog) -> None:
        """Be a view of the session of ``log``."""
        self.log = log

    @abstractmethod
    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return what bears on ``question``, in at most ``max_tokens`` tokens."""

    def remember(self, question: str, answer: str, *, trace: str | None = None) -> None:
        """Keep a turn, and take it in."""
        self.log.append(question, answer, trace=trace)
        self.catch_up()

    def catch_up(self) -> None:
        """Take in the turns that were not read yet, where more is kept than the turns themselves."""
