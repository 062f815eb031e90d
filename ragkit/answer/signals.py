"""What tells whether passages hold the answer to a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.language import words
from ragkit.question import kinds as cues
from ragkit.question.names import begins_alike, held_share, holds, holds_all, names_of
from ragkit.question.pages import find_hints
from ragkit.question.topic import (
    about_looks,
    apart,
    asked_words,
    speakers_of,
    topic_of,
    topic_terms,
    without_pages,
)
from ragkit.retrieve.ratios import components, named_figure

if TYPE_CHECKING:
    from ragkit.answer.sentence_ranking import Ranking, Scored
    from ragkit.results import Hit
    from ragkit.retrieve.presence import Presence

_LONG = 10
_ENDING = 3  # letters
_QUOTED = 3  # sentences that an answer has at most
_FIGURE = 0.3  # the fit of a number without its unit, as in a table's cell


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a question and its passages.

    Attributes:
        values: By name, each between about 0 and 1, as :data:`ragkit.answer.abstain.WEIGHTS` weighs
            them.
        absent_names: Names, codes and numbers of the question that no document holds.
        absent_words: Its other words that none does.
        names: What it names; of that, where some should stand together and does not, only it.
        labels: Years, codes and numbers of it that none of the best sentences holds.
        beyond: The page it asks for, where no document has that many, and how many there are.
        looks: The word by which it asks for what only the eye can tell, which no sentence near it
            has.
    """

    values: Mapping[str, float]
    absent_names: tuple[str, ...] = ()
    absent_words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    beyond: tuple[int, int] | None = None
    looks: str = ""


def signals_of(hits: Sequence[Hit], ranking: Ranking, presence: Presence | None = None) -> Signals:
    """Compute the signals; there must be hits and at least one scored candidate.

    Args:
        hits: The passages found.
        ranking: Their sentences and rows, ranked.
        presence: Looks words up in all documents that may be searched; without it, the passages
            are all there is.
    """
    topic = topic_of(ranking.question)
    named_topic = without_pages(topic)
    # A report states what a ratio is computed from, and need not know the ratio's name.
    figure = named_figure(topic)
    speakers = speakers_of(named_topic)
    terms = topic_terms(cues.without_measure(named_topic)) - words.terms(figure) - speakers
    names = names_of(named_topic, [hit.text for hit in hits]) & terms
    passages = [words.terms(f"{hit.text} {hit.path} {hit.heading}") for hit in hits]
    every = frozenset().union(*passages)
    unseen, written = _look_up(named_topic, terms, names, every, presence)
    missing = [word for word in unseen if word not in written and not words.terms(word) <= speakers]
    absent_names = tuple(word for word in missing if words.terms(word) & names)
    absent_words = tuple(word for word in missing if not words.terms(word) & names)
    asked = [words.terms(part) & names for part in apart(named_topic)]
    groups = [_as_written(group, written) for group in asked]
    parted = [
        group
        for group, meant in zip(asked, groups, strict=True)
        if not any(holds_all(passage, meant) for passage in passages)
    ]
    labels = _labels_apart(groups, ranking.scored[:_QUOTED])
    beyond = _beyond(ranking.question, presence)
    looks = about_looks(topic)
    # Where the text speaks of the icon or the photograph itself, it may well tell.
    if any(words.terms(looks) <= entry.nearby for entry in ranking.scored[:_QUOTED]):
        looks = ""
    wanted = {term: weight for term, weight in ranking.wanted.items() if term in terms}
    parts = words.terms((components(topic) or "").partition(".")[0])
    values = {
        "alike": max(
            entry.similarity * (0.5 + 0.5 * held_share(entry.nearby, wanted or ranking.wanted))
            for entry in ranking.scored
        ),
        "names apart": float(bool(parted)),
        "label apart": float(bool(labels)),
        "name absent": float(bool(absent_names or beyond)),
        "words absent": len(absent_words) / max(1, len(terms)),
        "unit absent": float(
            cues.asks_unit(ranking.kinds) and not any(map(_states, ranking.scored[:_QUOTED]))
        ),
        "first passage": hits[0].score,
        "length": min(_LONG, len(terms)) / _LONG,
        "looks": float(bool(looks)),
        "computable": sum(holds(every, term) for term in parts) / len(parts) if parts else 0.0,
    }
    return Signals(
        values,
        absent_names=absent_names,
        absent_words=absent_words,
        names=asked_words(named_topic, parted[0] if parted else names),
        labels=asked_words(named_topic, labels),
        beyond=beyond,
        looks=looks,
    )


def _look_up(
    topic: str,
    terms: frozenset[str],
    names: frozenset[str],
    held: frozenset[str],
    presence: Presence | None,
) -> tuple[list[str], dict[str, str]]:
    """The words of a question that the passages lack; and how documents write those they hold."""
    unseen = [
        word
        for word in asked_words(topic, terms)
        if not words.is_unspaced(word) and not _stands(word, held, names)
    ]
    return unseen, presence.spellings(unseen) if presence is not None and unseen else {}


def _stands(word: str, held: frozenset[str], names: frozenset[str]) -> bool:
    """Whether a word stands in passages; a name at most with another ending, as Japan, Japanese."""
    return all(
        term in held
        or (
            any(
                abs(len(term) - len(other)) <= _ENDING
                for other in held
                if begins_alike(term, other)
            )
            if term in names
            else holds(held, term)
        )
        for term in words.terms(word)
    )


def _as_written(names: frozenset[str], written: Mapping[str, str]) -> frozenset[str]:
    """Names as the documents write them."""
    slips = {word: text for word, text in written.items() if words.terms(word) & names}
    return names.difference(*map(words.terms, slips)).union(*map(words.terms, slips.values()))


def _labels_apart(groups: Sequence[frozenset[str]], best: Sequence[Scored]) -> frozenset[str]:
    """The terms with digits, of things set beside each other, that no sentence holds together."""
    said = [
        words.terms(f"{entry.candidate.context} {entry.candidate.text} {entry.candidate.shown}")
        for entry in best
    ]
    labels = [frozenset(term for term in group if any(map(str.isdigit, term))) for group in groups]
    return frozenset().union(
        *(label for label in labels if not any(label <= sentence for sentence in said))
    )


def _beyond(question: str, presence: Presence | None) -> tuple[int, int] | None:
    pages = find_hints(question).pages
    if not pages or presence is None:
        return None
    last = presence.last_page()
    return (max(pages), last) if last is not None and max(pages) > last else None


def _states(entry: Scored) -> bool:
    """Whether a candidate states a number of the unit asked for; a table's cell may lack the unit."""
    return entry.fit >= 1.0 or (entry.candidate.kind == "row" and entry.fit >= _FIGURE)
