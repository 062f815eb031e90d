"""Whether a word index does what a base relies on."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from ragkit.errors import LockedError
from ragkit.index.protocols import ALONE, BESIDE_MEANING
from ragkit.index.word_view import WordView
from ragkit.store.allowed import Allowed, as_array
from ragkit.store.changes import Range, ranges_of
from ragkit.store.feed import Passage, WordChanges
from ragkit.store.records import Counts
from ragkit.testing.change_log import ChangeLog, inside, opened, require

if TYPE_CHECKING:
    from ragkit.index.protocols import WordIndexFactory, WordReader
    from ragkit.store import Store
    from ragkit.store.records import Scored

_SHARES = (0.0, 0.005, 0.02, 0.1, 0.5, 0.97, 1.0)
_COUNT = 300
_ODD = ('"', "a AND (b", "+body:x~2 ^9", "*", "🙂", "\x00", "東京", "x" * 5_000, " ", "?!")
_PER_DOCUMENT = 10
_THREADS = 4


class WordTruth(ChangeLog):
    """The passages of a base and the log of their changes, in memory; a stand-in for its store."""

    base = "base"

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        self.passages: dict[int, Passage] = {}
        self.is_locked = False

    def put(self, ids: Sequence[int], text: str, headings: str = "", name: str = "") -> None:
        """Set some passages; ``{id}`` in their text is their number."""
        for number in ids:
            said = text.replace("{id}", str(number))
            document = 1 + number // _PER_DOCUMENT
            self.passages[number] = Passage(
                number, document, said, "", "", headings, name, "english"
            )
        self.note(ids)

    def remove(self, ids: Sequence[int]) -> None:
        """Take some passages away."""
        for number in ids:
            del self.passages[number]
        self.note(ids)

    @contextlib.contextmanager
    def writing(self, purpose: str, *, timeout: float = 0.0) -> Iterator[None]:
        """As of :class:`ragkit.store.Store`, and so what follows."""
        if self.is_locked:
            raise LockedError(f"somebody else is writing: {purpose}, {timeout}")
        yield

    def counts(self) -> Counts:
        """How much there is."""
        return Counts(0, 0, len(self.passages), 0, 0)

    @contextlib.contextmanager
    def word_changes(self, after: int | None) -> Iterator[WordChanges]:
        """Lend what happened after a change."""
        whole, ranges = self.since(after)
        yield WordChanges(
            sequence=self.sequence(),
            whole=whole,
            ranges=ranges,
            total=len(self.passages),
            last_id=self.last_id,
            read=self._read,
        )

    def _read(self, ranges: tuple[Range, ...]) -> Iterator[Passage]:
        for number in sorted(self.passages):
            if inside(number, ranges):
                yield self.passages[number]


@dataclass
class _Trial:
    factory: WordIndexFactory
    truth: WordTruth

    def __post_init__(self) -> None:
        self.view = self.opened()

    def opened(self) -> WordView:
        """The view as another process would open it."""
        store, made = cast("Store", self.truth), self.truth.base
        view: WordView

        def sync() -> None:
            view.sync()

        view = WordView(store, lambda place: self.factory(place, made), sync)
        return view

    def sync(self) -> None:
        """Apply what happened; what the index says of itself must fit."""
        self.view.sync()
        self.view.settle()
        index = self.factory(self.truth.directory, self.truth.base)
        reached, state = index.sequence(), index.check()
        require(reached == self.truth.sequence(), "sequence() is not what was applied", reached)
        require(state is not None, "check() finds no index after apply()")
        if state is not None:
            require(not state.damage, "check() finds damage after apply()", state)
            count = len(self.truth.passages)
            require(state.count == count, "it holds another number of passages", state.count)

    def reader(self) -> WordReader:
        """The newest state that another process would see."""
        return opened(self.factory(self.truth.directory, self.truth.base).reader())

    def finds(self, query: str, wanted: Sequence[int], when: str) -> None:
        """Search; all that holds a word must be found, and nothing else, best first."""
        for place, view in (("", self.view), (" once opened again", self.opened())):
            hits = view.search([(query, 1.0)], 1_000, None, ALONE)
            ids = sorted(hit.chunk_id for hit in hits)
            require(ids == sorted(wanted), f"{query!r} finds other passages {when}{place}", ids)
            _in_order(hits, f"{when}{place}")
            view.settle()


def check_word_index(factory: WordIndexFactory) -> None:
    """Check all that a base relies on: where words are found, changes, filters, ties, damage, …

    How passages are scored is the index's own affair, within what is promised of scores.

    Args:
        factory: Makes the index in a directory, for the base with an identifier.

    Raises:
        AssertionError: it does something else; the message says what.
    """
    for check in CHECKS:
        with tempfile.TemporaryDirectory(prefix="ragkit-") as folder:
            check(_Trial(factory, WordTruth(Path(folder))))


def _nothing(trial: _Trial) -> None:
    trial.finds("anything", [], "with nothing in it")
    trial.truth.put([1], "lonely words")
    trial.truth.remove([1])
    trial.sync()
    trial.finds("lonely", [], "after all was removed")


def _places(trial: _Trial) -> None:
    trial.truth.put([1], "The lantern hangs over the harbour.")
    trial.truth.put([2], "Nothing of note.", headings="Lantern\nOf the harbour")
    trial.truth.put([3], "Nothing at all.", name="The lantern book")
    trial.truth.put([4], "Model QX-4410 weighs 12.75 kilograms.")
    trial.sync()
    trial.finds("lantern", [1, 2, 3], "by text, heading and name")
    trial.finds("LANTERNS", [1, 2, 3], "by another form and case of a word")
    trial.finds("QX-4410", [4], "by a code")
    trial.finds("zeppelin", [], "that none holds")
    for text in _ODD:
        _in_order(trial.view.search([(text, 1.0)], 5, None, ALONE), f"for {text[:20]!r}")
    parts = [("lantern", 0.6), ("kilograms", 0.4)]
    both = trial.view.search(parts, 9, None, BESIDE_MEANING)
    ids = sorted(hit.chunk_id for hit in both)
    require(ids == [1, 2, 3, 4], "two texts with weights do not find what either finds", ids)
    _in_order(both, "for two texts with weights")


def _changes(trial: _Trial) -> None:
    trial.truth.put(range(1, 30), "common word{id}")
    trial.sync()
    trial.truth.put([7], "changed entirely")
    trial.truth.remove([8, 9])
    trial.finds("common", [n for n in range(1, 30) if n not in (7, 8, 9)], "after changes")
    trial.finds("changed", [7], "after changes")
    trial.sync()
    trial.truth.prune()
    trial.truth.remove([1, 2])
    trial.truth.prune()
    trial.finds("common", [n for n in range(3, 30) if n not in (7, 8, 9)], "once begun anew")
    trial.sync()


def _filters(trial: _Trial) -> None:
    trial.truth.put(range(1, _COUNT), "shared word{id}")
    trial.truth.put(range(5, _COUNT, 9), "shared shared twice word{id}")
    trial.truth.remove(range(40, 60))
    trial.sync()
    everything = trial.view.search([("shared twice", 1.0)], 1_000, None, ALONE)
    for share in _SHARES:
        scattered = [i for i in range(1, _COUNT) if (i * 7919) % 1000 < 1000 * share]
        pieces = sorted({1 + number // _PER_DOCUMENT for number in range(1, int(_COUNT * share))})
        whole = [n for n in range(1, _COUNT) if 1 + n // _PER_DOCUMENT in pieces]
        for allowed in (
            Allowed(as_array(ranges_of(scattered))),
            Allowed(as_array(ranges_of(whole)), np.asarray(pieces, dtype=np.int64)),
        ):
            ids = set(allowed.ids())
            wanted = [hit for hit in everything if hit.chunk_id in ids]
            for k in (1, 5, 1_000):
                found = trial.view.search([("shared twice", 1.0)], k, allowed, ALONE)
                message = f"a filter that allows {share:.1%} is not exact, k={k}"
                require(found == wanted[:k], message, found[:3])
    only = Allowed(as_array([(1, 4)]))
    absent = trial.view.reader()
    require(
        absent is not None and absent.absent(["twice", "shared"], only) == {"twice"},
        "absent() does not keep to a filter",
    )


def _equal_scores(trial: _Trial) -> None:
    trial.truth.put(range(1, 200, 2), "same words here")
    trial.sync()
    trial.truth.put(range(2, 200, 2), "same words here")
    trial.sync()
    reader = trial.reader()
    for k in (1, 2, 7, 50, 150, 500):
        for search in (trial.view.search, reader.search):
            ids = [hit.chunk_id for hit in search([("same", 1.0)], k, None, ALONE)]
            lowest = list(range(1, 200))[:k]
            require(ids == lowest, "equal scores are not in the order of ids", ids[:9])


def _vocabulary(trial: _Trial) -> None:
    trial.truth.put([1], "A lantern and a harbour", headings="Tidal", name="Almanac")
    trial.sync()
    reader = trial.reader()
    require(reader.holds("lantern"), "holds() does not know a word of a text")
    require(not reader.holds("zeppelin"), "holds() knows a word that is not there")
    stems = {stem for stem, _count in reader.terms("lant")}
    require(stems == {"lantern"}, "terms() gives other stems", stems)
    missing = reader.absent(["lantern", "zeppelin", "almanac", "tidal"], None)
    require(missing == {"zeppelin"}, "absent() gives other words", missing)
    require(reader.languages()[0] == "english", "English is not the first of languages()")


def _other_base(trial: _Trial) -> None:
    trial.truth.put([1, 2], "some words")
    trial.sync()
    other = trial.factory(trial.truth.directory, "another")
    message = "it uses the files of another base, which stand in the same directory"
    require(other.sequence() is None and other.reader() is None, message)


def _readers(trial: _Trial) -> None:
    trial.truth.put(range(1, 50), "steady word{id}")
    trial.sync()
    reader = trial.reader()
    number, before = reader.sequence, list(reader.search([("steady", 1.0)], 99, None, ALONE))
    trial.truth.put(range(50, 500), "steady later{id}")
    trial.truth.remove(range(1, 20))
    trial.sync()
    after = list(reader.search([("steady", 1.0)], 99, None, ALONE))
    require(reader.sequence == number and after == before, "a reader changed while it was open")


def _lost_and_damaged(trial: _Trial) -> None:
    trial.truth.put(range(1, 50), "kept word{id}")
    trial.sync()
    trial.factory(trial.truth.directory, trial.truth.base).drop()
    gone = trial.factory(trial.truth.directory, trial.truth.base).sequence()
    require(gone is None, "drop() left an index")
    trial.view = trial.opened()
    trial.finds("kept", range(1, 50), "after its files were deleted")
    for name, size in (("emptied", 0.0), ("cut", 0.5)):
        trial.sync()
        for path in [path for path in trial.truth.directory.rglob("*") if path.is_file()]:
            data = path.read_bytes()
            path.write_bytes(data[: int(size * len(data))])
        trial.view = trial.opened()
        trial.finds("kept", range(1, 50), f"after its files were {name}")


def _while_locked(trial: _Trial) -> None:
    trial.truth.put(range(1, 50), "early word{id}")
    trial.truth.is_locked = True
    trial.finds("early", range(1, 50), "in memory, where nothing can be written")
    trial.truth.is_locked = False
    trial.sync()
    trial.truth.put([60], "late words")
    trial.truth.is_locked = True
    require(trial.view.search([("late", 1.0)], 9, None, ALONE) == [], "it found what is late")
    require(trial.view.behind() == 1, "it is not behind by what is late", trial.view.behind())
    trial.truth.is_locked = False
    trial.finds("late", [60], "after somebody else was done writing")


def _ahead(trial: _Trial) -> None:
    for number in range(1, 30):
        trial.truth.put([number], "present{id} common")
    trial.sync()
    trial.truth = WordTruth(trial.truth.directory)  # an older copy of the database was put back
    trial.truth.put([3, 4], "common words")
    trial.view = trial.opened()
    trial.finds("common", [3, 4], "when it is ahead of the truth")


def _threads(trial: _Trial) -> None:
    trial.truth.put(range(1, _COUNT), "shared word{id}")
    trial.sync()
    wrong: list[str] = []

    def search(number: int) -> None:
        for _round in range(20):
            hits = trial.view.search([(f"word{number}", 1.0)], 9, None, ALONE)
            if [hit.chunk_id for hit in hits] != [number]:
                wrong.append(f"'word{number}' finds {hits!r} when several threads search")

    threads = [threading.Thread(target=search, args=(7 + n,)) for n in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    require(not wrong, "".join(wrong[:1]))


CHECKS = (
    _nothing,
    _places,
    _changes,
    _filters,
    _equal_scores,
    _vocabulary,
    _other_base,
    _readers,
    _lost_and_damaged,
    _while_locked,
    _ahead,
    _threads,
)


def _in_order(hits: Sequence[Scored], when: str) -> None:
    order = [(-hit.score, hit.chunk_id) for hit in hits]
    require(order == sorted(order), f"results are not best first, equal ones by id, {when}")
    fits = all(0.0 < hit.score <= 1.0 for hit in hits)
    require(fits, f"scores are not above 0 and at most 1 {when}", hits[:3])
