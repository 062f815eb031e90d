"""What is embedded before a chunk, so that a passage is found by what its place says about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.document import Document
    from ingest.tokens import Tokenizer

SEPARATOR = " > "
_ELLIPSIS = "…"
# Characters a token: what lies beyond so many times the limit would be cut off anyway.
_LONGEST_WORD = 64
_EXTENSION = re.compile(r"(?<=[^.])\.[A-Za-z0-9]{1,9}$")
_RULE = re.compile(r"[\s|:+=\-—─]*")
_MARKUP = " \t\n#=*_>-"


def readable_name(name: str) -> str:
    """Turn a file name into a title: no folder, no extension, words with spaces between.

    >>> readable_name("reports/annual_report-2023.pdf")
    'annual report 2023'
    """
    base = re.split(r"[\\/]", name.rstrip("\\/"))[-1]
    return _one_line(re.sub(r"[_\-+]+", " ", _EXTENSION.sub("", base)))


class Prefixes:
    """Makes and remembers the prefixes of one document's chunks."""

    def __init__(
        self, document: Document, *, name: str, tokenizer: Tokenizer, max_tokens: int
    ) -> None:
        """Prepare.

        Args:
            document: The document whose chunks are prefixed.
            name: Its file name, the title of last resort.
            tokenizer: Counts.
            max_tokens: A quarter of it bounds the title with the headings, another quarter the
                repeated header of a table.
        """
        self._text = document.text
        self._title = _one_line(document.title or "") or readable_name(name)
        self._tokenizer = tokenizer
        self._limit = max_tokens // 4
        self._parts: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._lines: dict[tuple[str, ...], str] = {}
        self._headers: dict[tuple[int, int], str] = {}
        self._sizes: dict[str, int] = {}

    def make(self, start: int, path: tuple[str, ...] | None, header: tuple[int, int] | None) -> str:
        """Return the prefix of a chunk.

        Args:
            start: Where the chunk starts.
            path: The headings it stands under, without one that it starts with;
                ``None`` for no title and headings.
            header: Span of a table header to repeat.

        Returns:
            Title and headings on one line, then the header rows; empty, or ending in a newline.
        """
        rows = self._header(header) if header else ""
        if path is None:
            return rows
        if path not in self._parts:
            self._parts[path] = self._named(path)
        parts = self._parts[path]
        if parts and self._title and _same(parts[0], self._title):
            opening = self._text[start : start + 2 * len(self._title) + 16]
            if _one_line(opening.lstrip(_MARKUP)).casefold().startswith(self._title.casefold()):
                parts = parts[1:]
        return self._line(parts) + rows

    def size(self, prefix: str) -> int:
        """Return how many tokens a prefix has."""
        if prefix not in self._sizes:
            self._sizes[prefix] = len(self._tokenizer.token_starts(prefix)) if prefix else 0
        return self._sizes[prefix]

    def _named(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return title and headings, each on one line, none said twice in a row."""
        parts: list[str] = []
        for part in (self._title, *map(_one_line, path)):
            if part and not (parts and _same(parts[-1], part)):
                parts.append(part)
        return tuple(parts)

    def _line(self, parts: tuple[str, ...]) -> str:
        if parts not in self._lines:
            self._lines[parts] = self._fit(list(parts))
        return self._lines[parts]

    def _fit(self, parts: list[str]) -> str:
        """Join what fits of title and headings: the ends of the path say most."""
        shortened = False
        while parts:
            shown = [parts[0], _ELLIPSIS, *parts[1:]] if shortened else parts
            line = SEPARATOR.join(shown) + "\n"
            if self.size(line) <= self._limit:
                return line
            if len(parts) <= 2:
                break
            del parts[1]
            shortened = True
        # One or two parts that are too long: each gets an equal share.
        for share in (self._limit // max(len(parts), 1), self._limit // 4):
            clipped = [text for text in (self._clip(part, share) for part in parts) if text]
            line = SEPARATOR.join(clipped) + "\n"
            if clipped and self.size(line) <= self._limit:
                return line
        return ""

    def _header(self, span: tuple[int, int]) -> str:
        if span not in self._headers:
            end = min(span[1], span[0] + self._limit * _LONGEST_WORD)
            lines = self._text[span[0] : end].splitlines()
            # The line of dashes under a Markdown header costs many tokens and says nothing.
            rows = [line.strip() for line in lines if not _RULE.fullmatch(line)]
            rows = [self._clip(row, self._limit // max(len(rows), 1)) for row in rows]
            header = "".join(f"{row}\n" for row in rows if row)
            self._headers[span] = header if self.size(header) <= self._limit else ""
        return self._headers[span]

    def _clip(self, text: str, limit: int) -> str:
        """Shorten ``text`` to about ``limit`` tokens, at a blank if there is one."""
        opening = text[: limit * _LONGEST_WORD]
        starts = self._tokenizer.token_starts(opening)
        if len(starts) <= limit and opening == text:
            return text
        if limit < 2:
            return ""
        kept = opening[: starts[limit - 1]] if len(starts) >= limit else opening
        if not kept.endswith(" "):
            kept = kept.rpartition(" ")[0] or kept
        return kept.rstrip(" |") + _ELLIPSIS


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
