"""Which part of a reply, as it comes in, is for the user."""

from __future__ import annotations

import re

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
_OPENING = re.compile(r"<(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?\Z")
_ANSWER = re.compile(
    r"^[ \t>*_#-]*final[ _]answer[ \t]*[*_]*[ \t]*[:：][ \t]*[*_]*\s*", re.IGNORECASE | re.MULTILINE
)
_OTHER = re.compile(r"^[ \t>*_#-]*action[ \t]*[*_]*[ \t]*[:：]", re.IGNORECASE | re.MULTILINE)


class AnswerFilter:
    """Lets the answer through, piece by piece, and holds thoughts back.

    Args:
        after_label: Whether the answer begins after a line "Final Answer:".
        silent: Whether nothing can be shown before the reply is whole.
    """

    def __init__(self, *, after_label: bool = False, silent: bool = False) -> None:
        """Begin a reply."""
        self._after_label = after_label
        self._silent = silent
        self._text = ""
        self._shown = 0

    def feed(self, piece: str) -> str:
        """Take the next piece; return what there is to show."""
        self._text += piece
        if self._silent:
            return ""
        if self._shown:
            self._shown += len(piece)
            return piece
        answer = self._answer(_OPENING.sub("", self._text))
        self._shown = len(answer)
        return answer

    def rest(self, answer: str) -> str:
        """Return the answer, now that it is known, if nothing of it was shown yet."""
        return "" if self._shown else answer

    @staticmethod
    def without_thoughts(text: str) -> str:
        """Remove what reasoning models write before their answer, if the server left it in."""
        return _THOUGHTS.sub("", text)

    def _answer(self, text: str) -> str:
        text = self.without_thoughts(text)
        if not self._after_label:
            return text.lstrip()
        label = _ANSWER.search(text)
        if label is None or _OTHER.search(text, 0, label.start()):
            return ""
        return text[label.end() :]
