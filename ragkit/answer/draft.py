"""What is known of an answer while it is being made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ragkit.results import Answer, Citation, RefusalCode, StreamEvent, TextDelta, Usage

if TYPE_CHECKING:
    from ragkit.answer.abstain import Verdict

EXTRACTIVE = "extractive"
REFUSAL = "The documents do not answer this question."
NOT_SURE = "Not sure; the nearest passages say:"


class Draft:
    """Collects what will be in the answer besides its text."""

    def __init__(self, model: str, trace: str, clock: Callable[[], float]) -> None:
        """Begin, and start the clock."""
        self.model = model
        self.degraded: list[str] = []
        self.usage = Usage(cost=0.0)
        self.verdict: Verdict | None = None
        self._trace = trace
        self._clock = clock
        self._started = clock()

    def answer(
        self,
        text: str,
        citations: Sequence[Citation],
        unsupported: Sequence[str] = (),
        *,
        refused: bool = False,
        sure: bool = False,
        reason: str = "",
        code: RefusalCode | None = None,
    ) -> Answer:
        """Make the answer of all that is known; ``reason`` is why it is refused or not sure."""
        return Answer(
            text=text,
            refused=refused,
            reason=reason or None,
            citations=tuple(citations),
            unsupported=tuple(unsupported),
            degraded=tuple(dict.fromkeys(self.degraded)),
            model=self.model,
            usage=self.usage,
            seconds=self._clock() - self._started,
            trace=self._trace,
            confidence=self.verdict.confidence if self.verdict is not None else None,
            reason_code=code,
            sure=sure,
            answerable=self.verdict.chance if self.verdict is not None else None,
        )

    def refuse(
        self, reason: str, code: RefusalCode | None, *, streamed: bool
    ) -> Iterator[StreamEvent]:
        """Refuse, and say it unless something else was said already."""
        if not streamed:
            yield TextDelta(REFUSAL)
        yield self.answer(REFUSAL, (), refused=True, reason=reason, code=code)
