"""What is known of an answer while it is being made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ragkit.results import Answer, Citation, RefusalCode, StreamEvent, TextDelta, Usage

if TYPE_CHECKING:
    from ragkit.answer.abstain import Verdict

EXTRACTIVE = "extractive"
REFUSAL = "The documents do not answer this question."


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
        refusal: str | None = None,
        code: RefusalCode | None = None,
    ) -> Answer:
        """Make the answer of all that is known."""
        return Answer(
            text=text,
            refused=refusal is not None,
            reason=refusal,
            citations=tuple(citations),
            unsupported=tuple(unsupported),
            degraded=tuple(dict.fromkeys(self.degraded)),
            model=self.model,
            usage=self.usage,
            seconds=self._clock() - self._started,
            trace=self._trace,
            confidence=self.verdict.confidence if self.verdict is not None else None,
            reason_code=code,
        )

    def refuse(
        self, reason: str, code: RefusalCode | None, *, streamed: bool
    ) -> Iterator[StreamEvent]:
        """Refuse, and say it unless something else was said already."""
        if not streamed:
            yield TextDelta(REFUSAL)
        yield self.answer(REFUSAL, (), refusal=reason, code=code)
