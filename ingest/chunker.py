"""A document cut into passages to be indexed, sized by the embedding model's own tokenizer.

The text is tokenised once and cut into pieces (sentences, list items, whole tables and listings),
the pieces are packed into chunks of even size that respect the document's structure, and every
chunk is tokenised as it will be embedded, prefix included, so that a model never has to cut it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from ingest.document import Chunk, Document
from ingest.errors import TooLargeError
from ingest.packing import WORD, Piece, pack
from ingest.pieces import regions
from ingest.places import Places
from ingest.prefix import Prefixes
from ingest.tokens import TokenIndex, Tokenizer, cluster_start, trimmed

__all__ = ["CHUNKER_VERSION", "ChunkerOptions", "Tokenizer", "chunk_document"]

# Part of every chunk's id. Raise it whenever the same document would be cut differently.
CHUNKER_VERSION = "2"


@dataclass(frozen=True, slots=True)
class ChunkerOptions:
    """How to cut.

    Attributes:
        target_tokens: How many tokens a chunk's own text should have; more than ``max_tokens``
            leaves room for means as many as fit.
        max_tokens: How many tokens the embedder reads, special tokens not counted: the bound on
            prefix and text together. At least 16.
        prefix: Whether to embed title and headings with the text.
        cross_pages: Whether a chunk may go on over a page break where the paragraph does.
    """

    target_tokens: int = 96
    max_tokens: int = 254
    prefix: bool = True
    cross_pages: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.max_tokens < 16:
            raise ValueError(f"max_tokens must be at least 16, not {self.max_tokens!r}")
        if self.target_tokens < 1:
            raise ValueError(f"target_tokens must be at least 1, not {self.target_tokens!r}")


def chunk_document(
    document: Document,
    *,
    tokenizer: Tokenizer,
    options: ChunkerOptions,
    name: str = "",
    seconds: float | None = None,
) -> tuple[Chunk, ...]:
    """Cut a document into chunks.

    Every character that is not white space is in exactly one chunk. Chunks are in order, begin
    and end with something other than white space, and ``document.text[chunk.start:chunk.end] ==
    chunk.text``. A chunk stays on one page and in one section, except that a heading without
    text of its own goes with what follows, and small neighbouring sections are joined. No chunk
    has more than ``options.max_tokens`` tokens, prefix included, as ``tokenizer`` counts them.
    (A single character that has more by itself stays whole.)

    The id of a chunk is BLAKE2b, 128 bits, in hexadecimal, of the chunker's version, the
    document's text and the chunk's span: the same text gives the same ids under any file name.

    Args:
        document: What to cut.
        tokenizer: Counts tokens, as the embedder does.
        options: How to cut.
        name: The file's name, used as the title in prefixes when the document has none.
        seconds: How long it may take; ``None``: as long as it takes.

    Returns:
        The chunks, in order; none for a document of white space.

    Raises:
        TooLargeError: it takes longer than ``seconds``.
    """
    cutter = _Cutter(document, _Timed(tokenizer, seconds), options, name)
    fingerprint = hashlib.blake2b(
        document.text.encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()
    chunks = []
    for ordinal, (start, end, prefix, tokens) in enumerate(cutter.spans()):
        section = cutter.places.section(start)
        chunks.append(
            Chunk(
                id=_chunk_id(fingerprint, start, end),
                index=ordinal,
                start=start,
                end=end,
                text=document.text[start:end],
                page=cutter.places.page(start),
                heading=section.path if section else (),
                prefix=prefix,
                tokens=tokens,
            )
        )
    return tuple(chunks)


def _chunk_id(fingerprint: str, start: int, end: int) -> str:
    key = f"{CHUNKER_VERSION}\n{fingerprint}\n{start}\n{end}"
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


class _Timed:
    """A tokenizer that is out of time at some point; all long work asks it again and again."""

    def __init__(self, tokenizer: Tokenizer, seconds: float | None) -> None:
        self._tokenizer = tokenizer
        self._seconds = seconds
        self._end = None if seconds is None else monotonic() + seconds

    def token_starts(self, text: str) -> Sequence[int]:
        self.check()
        return self._tokenizer.token_starts(text)

    def check(self) -> None:
        if self._end is not None and monotonic() > self._end:
            raise TooLargeError(
                f"cutting it into passages took more than {self._seconds:g} seconds (--timeout); "
                "given up"
            )


class _Cutter:
    """What the steps of cutting one document share."""

    def __init__(
        self, document: Document, tokenizer: _Timed, options: ChunkerOptions, name: str
    ) -> None:
        self._document = document
        self._tokenizer = tokenizer
        self._options = options
        self._index = TokenIndex(document.text, tokenizer)
        self._prefixes = Prefixes(
            document, name=name, tokenizer=tokenizer, max_tokens=options.max_tokens
        )
        self._target = min(options.target_tokens, options.max_tokens)
        self.places = Places(document, self._index, few=self._target // 8)

    def spans(self) -> Iterator[tuple[int, int, str, int]]:
        """Yield each chunk's start, end, prefix and tokens with the prefix."""
        for pieces in regions(
            self._document,
            self._index,
            self.places,
            room=self._room,
            target=self._target,
            smallest=max(self._target // 4, 1),
            cross_pages=self._options.cross_pages,
        ):
            groups = pack(
                pieces,
                spans=[
                    (self._index.ordinal(piece.start), self._index.ordinal(piece.end))
                    for piece in pieces
                ],
                rooms=[self._room(piece.start, piece.header) for piece in pieces],
                target=self._target,
            )
            for first, past in groups:
                yield from self._checked(pieces[first:past])

    def _prefix(self, start: int, header: tuple[int, int] | None) -> str:
        if not self._options.prefix:
            return self._prefixes.make(start, None, header)
        section = self.places.section(start)
        if section is None:
            return self._prefixes.make(start, (), header)
        path = section.path[:-1] if self.places.starts_section(start) else section.path
        return self._prefixes.make(start, path, header)

    def _room(self, start: int, header: tuple[int, int] | None) -> int:
        self._tokenizer.check()
        used = self._prefixes.size(self._prefix(start, header))
        return max(self._options.max_tokens - used, 1)

    def _checked(self, pieces: Sequence[Piece]) -> Iterator[tuple[int, int, str, int]]:
        """Yield a group of pieces as one chunk, or as several if it turns out too large.

        Counting by offset is not exact for every tokenizer; this is.
        """
        pending = [list(pieces)]
        while pending:
            group = pending.pop()
            start, end = group[0].start, group[-1].end
            prefix = self._prefix(start, group[0].header)
            text = self._document.text[start:end]
            tokens = len(self._tokenizer.token_starts(prefix + text))
            if tokens <= self._options.max_tokens:
                yield start, end, prefix, tokens
                continue
            halves = self._halved(group)
            if halves is None:
                # One character, and too much with the prefix: the text comes first.
                yield start, end, "", len(self._tokenizer.token_starts(text))
                continue
            pending.extend(reversed(halves))

    def _halved(self, group: list[Piece]) -> tuple[list[Piece], list[Piece]] | None:
        """Split a group near its middle: between pieces, else between words, else characters."""
        start, end = group[0].start, group[-1].end
        middle = (start + end) // 2
        if len(group) > 1:
            nearest = min(range(1, len(group)), key=lambda i: abs(group[i].start - middle))
            return group[:nearest], group[nearest:]
        if end - start < 2:
            return None
        header = group[0].header
        spans = list(self._index.cut(start, end, 2))
        if len(spans) < 2:
            cut = cluster_start(self._document.text, middle, start, end)
            spans = [
                *trimmed(self._document.text, start, cut),
                *trimmed(self._document.text, cut, end),
            ]
        first, *rest = [Piece(begin, stop, WORD, header) for begin, stop in spans]
        return [first], rest
