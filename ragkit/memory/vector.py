"""Long-term memory: old turns that are like the question, or share its words."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from ragkit.events import span
from ragkit.llm.token_counts import count_tokens, cut_to_tokens
from ragkit.memory.facts import note_recall
from ragkit.memory.log import SessionLog, SessionView
from ragkit.memory.memory import Note, Recall
from ragkit.store.records import NumberedTurn, TurnVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ragkit.embed.embedder import Embedder
    from ragkit.memory.turn_index import Found, TurnIndex

_KIND = "turn"
_BATCH = 256


class VectorMemory(SessionView):
    """Finds the old turns that bear on a question, however long ago they were said.

    Vectors come from the embedder of the documents and are kept in the base; turns that have none
    yet get theirs when something is recalled.
    """

    def __init__(
        self,
        log: SessionLog,
        embedder: Callable[[], Embedder],
        *,
        k: int = 10,
        min_score: float = 0.2,
    ) -> None:
        """Recall at most ``k`` turns of the session of ``log`` that score ``min_score`` (0 to 1)."""
        super().__init__(log)
        self._embedder = embedder
        self._k = k
        self._min_score = min_score
        self._index: TurnIndex | None = None
        self._begins: tuple[int, float] | None = None
        self._lock = threading.Lock()

    def recall(self, question: str, *, max_tokens: int = 1_000) -> Recall:
        """Return turns as notes, the best first, as many as fit ``max_tokens``.

        Raises:
            EmbeddingError: the embedding model failed.
        """
        with span(
            "turns", "memory", inputs={"question": question}, session=self.log.session
        ) as step:
            notes: list[Note] = []
            said: set[tuple[str, str]] = set()
            turns = self.log.turns()
            for found in self._search(turns, question, 2 * self._k):
                if len(notes) == self._k or found.score < self._min_score or max_tokens <= 0:
                    break
                turn = turns[found.place]
                if (turn.role, turn.content) in said:
                    continue  # the same words tell nothing more the second time
                said.add((turn.role, turn.content))
                text = cut_to_tokens(_alone(turn), max_tokens)
                max_tokens -= count_tokens(text)
                why = f"similarity {found.similarity:.2f}, shared words {found.lexical:.2f}"
                notes.append(Note(text, _KIND, why, min(1.0, found.score), (turn.number,)))
            note_recall(step, notes)
            return Recall(notes=tuple(notes))

    def search(self, question: str, *, k: int) -> list[Found]:
        """Return the places of the ``k`` best turns among :meth:`SessionLog.turns`."""
        return self._search(self.log.turns(), question, k)

    def _search(self, turns: Sequence[NumberedTurn], question: str, k: int) -> list[Found]:
        with self._lock:  # one index for all threads
            index = self._caught_up(turns)
            if not len(index) or not question.strip():
                return []
            vector = self._embedder().embed([question], kind="query")[0]
            return index.search(question, vector, k)

    def _caught_up(self, turns: Sequence[NumberedTurn]) -> TurnIndex:
        from ragkit.memory.turn_index import TurnIndex

        # A session may be deleted and begun anew under its name, perhaps with the same ids.
        begins = (turns[0].id, turns[0].created_at) if turns else None
        if self._index is None or self._begins != begins or len(self._index) > len(turns):
            self._index = TurnIndex(self._embedder().fingerprint.dimension)
            self._begins = begins
        start = len(self._index)
        if start < len(turns):
            self._add(self._index, turns, start)
        return self._index

    def _add(self, index: TurnIndex, turns: Sequence[NumberedTurn], start: int) -> None:
        import numpy as np

        model = _model_key(self._embedder())
        after = turns[start - 1].id if start else 0
        stored = {
            vectors.turn_id: vectors
            for vectors in self.log.store.turn_vectors(self.log.session, model, after)
        }
        new = [turn for turn in turns[start:] if turn.id not in stored]
        for begin in range(0, len(new), _BATCH):
            for vectors in self._embedded(turns, new[begin : begin + _BATCH], model):
                stored[vectors.turn_id] = vectors

        def matrix(parts: list[bytes]) -> NDArray[np.float32]:
            return np.frombuffer(b"".join(parts), "<f2").reshape(len(parts), -1).astype(np.float32)

        added = turns[start:]
        index.add(
            [_alone(turn) for turn in added],
            [_following(turns, turn) for turn in added],
            matrix([stored[turn.id].alone for turn in added]),
            matrix([stored[turn.id].following for turn in added]),
        )

    def _embedded(
        self, turns: Sequence[NumberedTurn], new: Sequence[NumberedTurn], model: str
    ) -> list[TurnVectors]:
        texts = [_alone(turn) for turn in new] + [_following(turns, turn) for turn in new]
        made = self._embedder().embed(texts, kind="passage").astype("<f2")
        vectors = [
            TurnVectors(turn.id, made[place].tobytes(), made[len(new) + place].tobytes())
            for place, turn in enumerate(new)
        ]
        self.log.store.put_turn_vectors(model, vectors)
        return vectors


def _alone(turn: NumberedTurn) -> str:
    """A turn with who said it and when: questions ask for both."""
    said = datetime.fromtimestamp(turn.created_at).astimezone()
    return f"{said:%d %B %Y} {turn.role}: {turn.content}"


def _following(turns: Sequence[NumberedTurn], turn: NumberedTurn) -> str:
    said = f"{turn.role}: {turn.content}"
    if turn.number < 2:
        return said
    before = turns[turn.number - 2]
    return f"{before.role}: {before.content}\n{said}"


def _model_key(embedder: Embedder) -> str:
    """Tell the vectors of one model from those of another."""
    described = json.dumps(asdict(embedder.fingerprint), sort_keys=True)
    return hashlib.blake2b(described.encode(), digest_size=12).hexdigest()
