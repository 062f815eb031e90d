"""Telling what a model thinks from what it says, in one place for every model and server."""

from __future__ import annotations

import re

_TAG = re.compile(r"<(/?)(?:antml:)?(?:think(?:ing)?|thought|reasoning)>", re.IGNORECASE)
_LONGEST_TAG = len("</reasoning>")


class ThoughtSplitter:
    """Splits a reply that comes in pieces: a thought stands in tags, where a line begins.

    Where a template has opened the thought already, a reply has only its closing tag: all before it
    was thought.
    """

    def __init__(self) -> None:
        """Begin a reply."""
        self._held = ""
        self._inside = False
        self._texts: list[str] = []
        self._thoughts: list[str] = []

    def feed(self, piece: str) -> str:
        """Take the next piece; return what of it is said."""
        self._held += piece
        before = len(self._texts)
        while (tag := _TAG.search(self._held)) is not None:
            self._take(self._held[: tag.start()])
            self._held = self._held[tag.end() :]
            if not tag.group(1):
                if self._at_a_beginning():
                    self._inside = True
                else:
                    self._take(tag.group())  # it speaks of the tag
            elif self._inside:
                self._inside = False
            elif not self._thoughts:
                self._thoughts += self._texts
                self._texts.clear()
                before = 0
        cut = self._held.rfind("<", max(0, len(self._held) - _LONGEST_TAG))
        cut = len(self._held) if cut < 0 else cut
        self._take(self._held[:cut])
        self._held = self._held[cut:]
        return "".join(self._texts[before:])

    def finish(self) -> str:
        """Return what was held back; nothing follows."""
        before = len(self._texts)
        rest, self._held = self._held, ""
        self._take(rest)
        return "".join(self._texts[before:])

    @property
    def text(self) -> str:
        """All that was said so far."""
        return "".join(self._texts)

    @property
    def thought(self) -> str:
        """All that was thought so far."""
        return "".join(self._thoughts).strip()

    def _at_a_beginning(self) -> bool:
        """Whether a line begins here; elsewhere a text only speaks of the tag."""
        line = "".join(self._texts[-8:]).rpartition("\n")[2]
        return not line.strip()

    def _take(self, text: str) -> None:
        if not self._inside and self._thoughts and not self._texts:
            text = text.lstrip()
        if text:
            (self._thoughts if self._inside else self._texts).append(text)
