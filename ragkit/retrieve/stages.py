"""What a search can do beyond its defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict, get_args

from ragkit.errors import UsageError
from ragkit.events.plug_ins import misfit
from ragkit.retrieve.arrange import Unit
from ragkit.retrieve.expansion import EXPANSIONS, plugged_in

if TYPE_CHECKING:
    from ragkit.llm.chat_model import ChatModel
    from ragkit.question.reading import Ask
    from ragkit.retrieve.expansion import Expander
    from ragkit.retrieve.rerank import Reranker


class StageOptions(TypedDict, total=False):
    """Optional stages of a search by keyword; each of them costs time, and none is on by default.

    Attributes:
        rerank: Look at the best passages again: ``"sentences"``, ``"llm"``, the name or folder of
            a cross-encoder, with ``:int8`` after it to compile it, or a :class:`Reranker` of one's
            own; see :func:`ragkit.retrieve.rerank.load_reranker`.
        expand: Search for more than was asked: ``"acronyms"``, ``"aliases"``, ``"comparison"``,
            ``"hyde"``, or an :class:`Expander` of one's own; see
            :func:`ragkit.retrieve.expansion.load_expander`.
        diversity: From 0 to 1: how much a passage should differ from those before it, in meaning;
            see :func:`ragkit.retrieve.diversity.diversify`.
        by: Rank ``"page"`` or ``"document"`` instead of passages: ``k`` of them, each by its best
            passage, with that one's score. What has no pages counts as one page.
        context_tokens: Widen hits by what stands around them, up to so many tokens in all, as the
            embedding model counts them.
        model: A language model that rewrites questions which refer back, and that ``"llm"`` and
            ``"hyde"`` ask; without one nothing is sent anywhere.
        explain: Describe in the result what was considered, and why it was kept or dropped.
        quoting: Find what can be quoted as an answer, as ``ask`` does: a passage has to say more of
            what was asked itself, for words around it count by BM25, and one like the best is not
            preferred for that. Without it more places are found, but more that only look like
            answers.
    """

    rerank: str | Reranker | None
    expand: Sequence[str | Expander]
    diversity: float
    by: Unit | None
    context_tokens: int | None
    model: str | ChatModel | None
    explain: bool
    quoting: bool


@dataclass(frozen=True, slots=True)
class Stages:
    """:class:`StageOptions`, checked; ``ask`` asks the model, if one was named."""

    rerank: str | Reranker | None = None
    expand: tuple[str | Expander, ...] = ()
    diversity: float = 0.0
    by: Unit | None = None
    context_tokens: int | None = None
    ask: Ask | None = None
    explain: bool = False
    quoting: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        for each in self.expand:
            if isinstance(each, str):
                if each not in EXPANSIONS:
                    plugged_in(each)
            elif fault := misfit(each, "expand"):
                raise UsageError(f"{each!r} is no expander; {fault}")
        if not 0 <= self.diversity <= 1:
            raise UsageError(f"diversity must be from 0 to 1, not {self.diversity!r}")
        if self.by is not None and self.by not in get_args(Unit):
            raise UsageError(f"by must be one of {', '.join(get_args(Unit))}, not {self.by!r}")
        if self.context_tokens is not None and self.context_tokens < 1:
            raise UsageError(f"context_tokens must be at least 1, not {self.context_tokens!r}")
        if isinstance(self.rerank, str):
            if not self.rerank.strip():
                raise UsageError("the reranker's name is empty")
        elif self.rerank is not None and (fault := misfit(self.rerank, "scores")):
            raise UsageError(f"{self.rerank!r} is no reranker; {fault}")


DEFAULT_STAGES = Stages()


def make_stages(options: Mapping[str, Any], ask: Ask | None) -> Stages:
    """Check options, ``model`` taken out.

    Raises:
        UsageError: an unknown option or a bad value.
    """
    known = [field.name for field in fields(Stages) if field.name != "ask"]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(f"search takes no {unknown[0]!r}; it takes {', '.join(known)} and model")
    expand: Sequence[str | Expander] = options.get("expand") or ()
    if isinstance(expand, str):
        raise UsageError(f"expand must be a list of kinds, such as [{expand!r}], not a text")
    diversity = options.get("diversity") or 0.0
    if not isinstance(diversity, int | float):
        raise UsageError(f"diversity must be a number from 0 to 1, not {diversity!r}")
    checked = {"expand": tuple(expand), "diversity": diversity, "ask": ask}
    return Stages(**{**options, **checked})
