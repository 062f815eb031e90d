"""Expanders: more to search for than the question says. None is on by default.

One of your own is any object of :class:`Expander`, given to ``kb.search(expand=[…])``, or named by
an entry point in the group ``ragkit.expanders``, which is called without arguments and returns it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ragkit.errors import ModelError, RagkitError, UsageError
from ragkit.events.plug_ins import plug_in
from ragkit.llm.fence import data_rule, fenced, new_nonce
from ragkit.retrieve.acronyms import acronyms
from ragkit.retrieve.aliases import aliases_of, other_names

if TYPE_CHECKING:
    from ragkit.index.indexes import Indexes
    from ragkit.question.question import Question
    from ragkit.question.reading import Ask
    from ragkit.retrieve.pipeline import Corpus, State
    from ragkit.store import Store

ENTRY_POINTS = "ragkit.expanders"
EXPANSIONS = ("acronyms", "aliases", "comparison", "hyde")
_WEIGHT = 0.4  # of all that is found by an expander
_LONGEST_QUESTION = 2_000  # characters of it that are read for names
_SHOWN = 200


class Expander(Protocol):
    """Tells what else to search for."""

    def expand(self, question: Question) -> Sequence[str]:
        """Return texts to search for as well, none where there is nothing to add.

        Args:
            question: The question as it was read; ``question.standing_alone`` is its text with what
                the turns before it are about, and slips put right.

        Raises:
            ModelError: a model could not be asked; the search then goes on without, and says so.
        """
        ...


@dataclass(frozen=True, slots=True)
class Expand:
    """Search for what expanders tell, all of them together at :data:`_WEIGHT`.

    Attributes:
        expanders: Expanders, or names as :func:`load_expander` takes them.
        ask: Asks the language model in use.
    """

    corpus: Corpus
    expanders: Sequence[str | Expander]
    ask: Ask | None
    name: str = "read question"

    def apply(self, state: State) -> State:
        """Ask each of them, and note what it told."""
        texts: list[str] = []
        for each in self.expanders:
            expander = load_expander(each, self.corpus.indexes, self.ask)
            kind = each if isinstance(each, str) else type(each).__name__
            try:
                found = list(expander.expand(state.question))
            except ModelError as error:
                state = state.degrading(f"not searched for more ({kind!r}): {error}")
                continue
            except RagkitError:
                raise
            except Exception as error:  # somebody else's object may raise anything
                told = f"{type(error).__name__}: {error}"
                state = state.degrading(f"not searched for more ({kind!r}): {told}")
                continue
            texts += found
            for text in found:
                state = state.noting(f"searched also for {text[:_SHOWN]!r} ({kind})")
        return replace(state, question=state.question.searching_also(texts, _WEIGHT))


def load_expander(named: str | Expander, indexes: Indexes, ask: Ask | None) -> Expander:
    """Return an expander.

    Args:
        named: ``"acronyms"`` (what the documents say that acronyms stand for, and the other way
            round), ``"aliases"`` (the other names of things, as in "X, formerly Y"),
            ``"comparison"`` (each of the things that are compared), ``"hyde"`` (a passage that a
            language model imagines as the answer: Gao et al. 2022, "Precise Zero-Shot Dense
            Retrieval without Relevance Labels"), a name that an installed package gives one in
            ``ragkit.expanders``, or an expander, which is returned.
        indexes: Of the documents.
        ask: Asks the language model in use.

    Raises:
        UsageError: there is none of that name.
    """
    if not isinstance(named, str):
        return named
    if named == "acronyms":
        return Acronyms(indexes)
    if named == "aliases":
        return Aliases(indexes.store)
    if named == "comparison":
        return Comparison()
    if named == "hyde":
        return ImaginedAnswer(ask)
    made: Expander = plugged_in(named)()
    return made


def plugged_in(name: str) -> Callable[[], Expander]:
    """Return what makes the expander that an installed package gives a name.

    Raises:
        UsageError: there is none.
    """
    make: Callable[[], Expander] | None = plug_in(ENTRY_POINTS, name)
    if make is None:
        raise UsageError(
            f"expand must be among {', '.join(EXPANSIONS)} or what an installed package adds to"
            f" {ENTRY_POINTS!r}, not {name!r}"
        )
    return make


@dataclass(frozen=True, slots=True)
class Acronyms:
    """Acronyms with the names that the documents give for them."""

    indexes: Indexes

    def expand(self, question: Question) -> list[str]:
        """Return each acronym with its name, where the question has one of the two."""
        found = acronyms(question.standing_alone[:_LONGEST_QUESTION], self.indexes)
        return [f"{short} {name}" for short, name in found]


@dataclass(frozen=True, slots=True)
class Aliases:
    """Other names of things, where the documents give them."""

    store: Store

    def expand(self, question: Question) -> list[str]:
        """Return the question with each other name in its place."""
        read = question.standing_alone[:_LONGEST_QUESTION]
        return [
            other.join(re.split(re.escape(name), read, flags=re.IGNORECASE))
            for name, other in other_names(read, aliases_of(self.store))
        ]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The things that a question compares, each for itself."""

    def expand(self, question: Question) -> tuple[str, ...]:
        """Return them as the question names them."""
        return question.compared


@dataclass(frozen=True, slots=True)
class ImaginedAnswer:
    """A passage that a language model imagines as the answer."""

    ask: Ask | None

    def expand(self, question: Question) -> list[str]:
        """Return the passage, if the model gives any.

        Raises:
            ModelError: it cannot be asked, or none was named.
        """
        if self.ask is None:
            raise ModelError("it needs a language model; name one with --model")
        # A question that a model made of a conversation may hold what documents say.
        nonce = new_nonce()
        imagined = self.ask(
            "Write one short paragraph, as a handbook would, that answers a question."
            f" Reply with the paragraph only. {data_rule('The question', nonce)}\n\n"
            f"{fenced(question.standing_alone, nonce)}"
        ).strip()
        return [imagined] if imagined else []
