"""The part of the store's façade that keeps answers given before and what was spent on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragkit.store import answer_rows as answers
from ragkit.store.connections import Connections

if TYPE_CHECKING:
    from ragkit.store.records import CachedAnswer, Spent


class AnswerStore(Connections):
    """Cached answers, vectors of questions, spending: rows that any process may add."""

    def answer_state(self) -> str:
        """Return a text that changes whenever the answer to a question might."""
        with self._snapshot() as connection:
            return answers.state(connection)

    def cached_answer(self, key: bytes) -> CachedAnswer | None:
        """Return the answer kept under a key."""
        with self._reading() as connection:
            return answers.cached(connection, key)

    def cached_answers(self, scope: bytes) -> list[CachedAnswer]:
        """Return the answers of a scope whose questions have vectors, the last used first."""
        with self._reading() as connection:
            return answers.cached_in(connection, scope)

    def put_cached_answer(self, key: bytes, scope: bytes, answer: CachedAnswer) -> None:
        """Keep an answer; those not used for longest make room."""
        with self._transaction(durable=False) as connection:
            answers.put(connection, key, scope, answer)

    def touch_cached_answer(self, key: bytes) -> None:
        """Note that an answer was of use again."""
        with self._transaction(durable=False) as connection:
            answers.touch(connection, key)

    def clear_answer_cache(self) -> int:
        """Forget all answers and vectors of questions; return how many answers there were."""
        with self._transaction() as connection:
            return answers.clear(connection)

    def question_vectors(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the vectors of questions that are kept under some of ``keys``."""
        with self._reading() as connection:
            return answers.question_vectors(connection, keys)

    def put_question_vectors(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep vectors of questions under their keys."""
        with self._transaction(durable=False) as connection:
            answers.put_question_vectors(connection, vectors)

    def put_spending(self, trace: str, spent: Sequence[tuple[str, Spent]]) -> None:
        """Note what each model spent on an answer."""
        with self._transaction() as connection:
            answers.put_spending(connection, trace, spent)

    def spending(self, session: str | None = None) -> dict[str, Spent]:
        """Return what was spent in a session, or in all, by model."""
        with self._reading() as connection:
            return answers.spending(connection, session)
