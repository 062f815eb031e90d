"""From bytes to text, saying which encoding was decided on and why."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

How = Literal["bom", "utf-8", "declared", "detected"]

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# An encoding, by Python's name, and those that hold all of it and are what is meant by its name
# in practice: https://encoding.spec.whatwg.org/#names-and-labels. They give a few signs, such as
# dashes, other code points. So that is how a declared name is read; where nothing is declared, the
# narrower encoding stands if it holds the whole file.
_SUPERSETS: Final = {
    "ascii": ("cp1252",),
    "iso8859-1": ("cp1252",),
    "iso8859-9": ("cp1254",),
    "iso8859-11": ("cp874",),
    "tis-620": ("cp874",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "shift_jis": ("cp932", "shift_jis_2004"),
    "euc_jp": ("euc_jp", "euc_jis_2004"),
    "euc_kr": ("cp949",),
    "big5": ("cp950", "big5hkscs"),
}
_NARROWER: Final = {
    "cp932": ("shift_jis",),
    "cp950": ("big5",),
    "gb18030": ("gb2312", "gbk"),
    "gbk": ("gb2312",),
}
# What a file with a few accented letters is in if its first guess makes no sense within words.
_WESTERN: Final = ("cp1252", "mac_roman", "cp850", "cp437")
_LIKE_WESTERN: Final = frozenset(
    ["cp1250", "cp1252", "cp1254", "cp1257", "iso8859-1", "iso8859-2", "iso8859-15", "cp850"]
)
_LETTER_LIKE: Final = frozenset("’'-‐·ªº")
_OTHER_NAMES: Final = {
    "sjis": "shift_jis",
    "mac-roman": "mac_roman",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "unicode": "utf-16-le",
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
}
# Python has them among the text encodings, but no file is stored in them: they are escapes.
_NOT_OF_FILES: Final = frozenset(
    [
        "idna",
        "mbcs",
        "oem",
        "palmos",
        "punycode",
        "raw-unicode-escape",
        "undefined",
        "unicode-escape",
        "utf-7",
    ]
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SURROGATE_IN_UTF8: Final = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_HIGH: Final = bytes(range(128, 256))
_SPOT: Final = re.compile(rb"(?s:.?[\x80-\xff].?)")
_FOREIGN_IN_WORD: Final = re.compile(r"(?<![^\x00-\x7f])([A-Za-z]?)([^\x00-\x7f])(?=([A-Za-z]?))")
_CYRILLIC_IN_LATIN: Final = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_CYRILLIC_PAIR: Final = re.compile("[\u0400-\u04ff]{2}")
_BETWEEN_WORDS: Final = re.compile(rb"[\x00-\x2f]")
_WINDOW: Final = 1 << 16
_LINE: Final = 1000
# With fewer different places than this to go by, only the common encodings are likely enough to guess.
_FEW: Final = 4
_ERRORS_IN_UTF8: Final = 0.05


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded text, without a byte-order mark and without lone surrogates.

    Attributes:
        text: The text; what could not be decoded is U+FFFD in it, never left out.
        encoding: Python's name of the encoding.
        how: What decided on it. UTF-8 needs no decision: other text is hardly ever valid UTF-8.
        warning: One sentence for the user if the encoding is a guess, is not the declared one, or
            bytes could not be decoded.
    """

    text: str
    encoding: str
    how: How
    warning: str | None = None


def decode(data: bytes, *, declared: str | None = None) -> Decoded:
    """Decode by byte-order mark, else as UTF-8, else as declared, else as detected.

    UTF-8 goes before what is declared because declarations are often wrong, and valid UTF-8 is
    hardly ever anything else. Text that is UTF-8 but for a few bytes counts as UTF-8.

    Args:
        data: The whole file.
        declared: What the file says itself, such as an HTML page's ``charset``.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded_or_replaced(data[len(mark) :], encoding, "bom")
    wide = wide_encoding(data)
    if wide is not None and (text := _try(data, wide)) is not None:
        return Decoded(text, wide, "detected")
    if (text := _try(data, "utf-8")) is not None:
        return _seven_bit(data) or Decoded(text, "utf-8", "utf-8")
    if (mostly := _mostly_utf8(data)) is not None:
        return mostly
    complaint = ""
    if declared is not None:
        name = python_name(declared)
        for encoding in _widened(name) if name else ():
            if (text := _try(data, encoding)) is not None:
                return Decoded(text, encoding, "declared")
        complaint = f"it declares the encoding {declared!r}, "
        complaint += "but is not in it; " if name else "which is not known; "
    return _detected(data, complaint)


def python_name(label: str) -> str | None:
    """Return Python's name for an encoding as files name it, or ``None`` if there is none."""
    cleaned = label.strip().strip("\"'").lower().removeprefix("x-")
    cleaned = _OTHER_NAMES.get(cleaned, cleaned)
    if len(cleaned) > 40 or not cleaned.isascii() or "\0" in cleaned:
        return None
    try:
        found = codecs.lookup(cleaned)
    except LookupError:
        return None
    # Python also has codecs that turn bytes into bytes, such as "base64".
    if not found._is_text_encoding or found.name.replace("_", "-") in _NOT_OF_FILES:
        return None
    return found.name


def decode_as(data: bytes, encoding: str) -> str:
    """Decode strictly, without the byte-order mark.

    Raises:
        UnicodeError: The bytes are not in that encoding.
        LookupError: It is not known.
    """
    for mark, marked in _MARKS:
        if data.startswith(mark) and encoding.startswith(marked[:6].rstrip("-")):
            data, encoding = data[len(mark) :], marked
            break
    return data.decode(encoding)


def wide_encoding(data: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark by where their zero bytes stand."""
    sample = data[:_WINDOW]
    sample = sample[: len(sample) & ~3]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    zeros = [sample[offset::4].count(0) * 4 / len(sample) for offset in range(4)]
    if len(data) % 4 == 0 and zeros[0] > 0.95 and zeros[1] > 0.8 and zeros[3] < 0.1:
        return "utf-32-be"
    if len(data) % 4 == 0 and zeros[3] > 0.95 and zeros[2] > 0.8 and zeros[0] < 0.1:
        return "utf-32-le"
    if len(data) % 2 == 0:
        even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
        if even > 0.3 and odd < 0.05:
            return "utf-16-be"
        if odd > 0.3 and even < 0.05:
            return "utf-16-le"
    return None


def _detected(data: bytes, complaint: str) -> Decoded:
    guesses = _sensible(list(_guesses(data)), data)
    for encoding in guesses:
        if (text := _try(data, encoding)) is not None:
            warning = f"{complaint}decoded as {encoding}, which is a guess"
            return Decoded(text, encoding, "detected", warning)
    decoded = _decoded_or_replaced(data, guesses[0] if guesses else "cp1252", "detected")
    return Decoded(decoded.text, decoded.encoding, "detected", complaint + (decoded.warning or ""))


def _guesses(data: bytes) -> Iterator[str]:
    """Yield encodings that the data may be in, the likeliest first."""
    from chardet import EncodingEra, detect_all

    sample = _sample(data)
    few = _says_little(sample)
    results = detect_all(
        sample,
        encoding_era=EncodingEra.MODERN_WEB if few else EncodingEra.ALL,
        max_bytes=len(sample) or 1,
        prefer_superset=False,
        ignore_threshold=True,
    )
    for result in results[:6]:
        name = python_name(result["encoding"] or "")
        if name is not None:
            widened = _widened(name)
            yield from _NARROWER.get(widened[0], ())
            yield from widened


def _sensible(guesses: list[str], data: bytes) -> list[str]:
    """Put another Western encoding first where the first guess puts signs within words.

    A detector cannot know better from a few letters; how words are written can.
    """
    if not guesses:
        return guesses
    sample = _sample(data)
    text = sample.decode(guesses[0], "replace")
    if guesses[0] not in _LIKE_WESTERN and not _strews_cyrillic(text):
        return guesses
    candidates = dict.fromkeys((guesses[0], *_WESTERN))
    odd = {name: _oddities(sample.decode(name, "replace")) for name in candidates}
    best = min(odd, key=lambda name: odd[name])
    foreign = len(_NOT_ASCII.findall(sample))
    return [best, *guesses] if odd[guesses[0]] - odd[best] > foreign / 2 else guesses


def _strews_cyrillic(text: str) -> bool:
    """Whether Cyrillic letters only stand singly in Latin words, as accents misread do."""
    return bool(_CYRILLIC_IN_LATIN.search(text)) and not _CYRILLIC_PAIR.search(text)


def _oddities(text: str) -> int:
    """Count foreign characters that no word is written with: signs or capitals within it."""
    count = 0
    for match in _FOREIGN_IN_WORD.finditer(text):
        before, character, after = match.groups()
        if character.isalpha():
            count += (character.isupper() and before.islower()) or ord(character) > 0x17F
        else:
            count += character not in _LETTER_LIKE and after != "" and before != ""
    return count


def _sample(data: bytes) -> bytes:
    """Return what tells most about the encoding: the lines that are not plain ASCII.

    Plain lines around them would outweigh them. Where such lines are very few, those around them
    are taken, too: the language helps then.
    """
    if len(data) <= _LINE or b"\0" in data[:_WINDOW]:
        return data[: 2 * _WINDOW]
    lines = b"".join(_foreign_lines(data))
    if not _says_little(lines):
        return lines
    first = _NOT_ASCII.search(data)
    around = data.rfind(b"\n", 0, max(0, first.start() - _WINDOW // 2)) + 1 if first else 0
    return data[around : around + _WINDOW]


def _foreign_lines(data: bytes) -> Iterator[bytes]:
    """Yield lines with bytes that are not ASCII, from the head of a file and from its middle."""
    # No character may be cut in two: no multi-byte encoding has the bytes between words in one.
    position = 0
    for begin in (0, len(data) // 2):
        budget = _WINDOW
        if begin > position and (edge := _BETWEEN_WORDS.search(data, begin)):
            position = edge.end()
        while budget > 0 and (found := _NOT_ASCII.search(data, position)):
            start = max(position, data.rfind(b"\n", position, found.start()) + 1)
            start = max(start, found.start() - _LINE)
            end = data.find(b"\n", found.end(), found.end() + _LINE) + 1
            edge = None if end else _BETWEEN_WORDS.search(data, found.end() + _LINE)
            position = end or min(edge.end() if edge else len(data), start + _WINDOW)
            yield data[start:position]
            budget -= position - start


def _says_little(sample: bytes) -> bool:
    """Whether there are hardly any foreign words in it, or the same few over and over."""
    return len(set(_SPOT.findall(sample))) < _FEW


def _widened(name: str) -> tuple[str, ...]:
    return _SUPERSETS.get(name, (name,))


def _decoded_or_replaced(data: bytes, encoding: str, how: How) -> Decoded:
    if (text := _try(data, encoding)) is not None:
        return Decoded(text, encoding, how)
    text = _SURROGATE.sub("\ufffd", data.decode(encoding, errors="replace"))
    return Decoded(text, encoding, how, _loss(text, data, encoding))


def _loss(text: str, data: bytes, encoding: str) -> str:
    lost = max(1, text.count("\ufffd") - _replaced_before(data, encoding))
    places = "1 place" if lost == 1 else f"{lost:,} places"
    return f"{places} could not be decoded as {encoding} and became U+FFFD"


def _replaced_before(data: bytes, encoding: str) -> int:
    return data.count("\ufffd".encode()) if encoding == "utf-8" else 0


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return _SURROGATE.sub("\ufffd", data.decode(encoding))
    # Some multi-byte codecs raise other kinds of UnicodeError.
    except (UnicodeError, LookupError):
        return None


def _mostly_utf8(data: bytes) -> Decoded | None:
    """Decode text that is in UTF-8 but for a few bytes: cut short, or pasted together.

    Surrogates may be encoded in it, as Java and some databases do: pairs are put together.
    """
    if _SURROGATE_IN_UTF8.search(data):
        try:
            units = data.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
        except UnicodeDecodeError:
            pass
        else:
            text = units.decode("utf-16-le", "replace")
            more_lost = text.count("\ufffd") > _replaced_before(data, "utf-8")
            return Decoded(
                text, "utf-8", "utf-8", _loss(text, data, "utf-8") if more_lost else None
            )
    text = data.decode("utf-8", errors="replace")
    lost = text.count("\ufffd") - _replaced_before(data, "utf-8")
    good = len(text) - len(data.translate(None, _HIGH)) - lost
    cut_short = lost == 1 and good >= 2 and text.endswith("\ufffd")
    if lost > good * _ERRORS_IN_UTF8 and not cut_short:
        return None
    return Decoded(text, "utf-8", "utf-8", _loss(text, data, "utf-8"))


def _seven_bit(data: bytes) -> Decoded | None:
    """Recognise East Asian text in seven-bit bytes with escapes, which is valid UTF-8, too."""
    sample = data[:_WINDOW]
    for escapes, encoding in (
        ((b"\x1b$)C",), "iso2022_kr"),
        ((b"\x1b$@", b"\x1b$B", b"\x1b(J", b"\x1b$(D"), "iso2022_jp_2"),
    ):
        if any(escape in sample for escape in escapes) and not _NOT_ASCII.search(data):
            text = _try(data, encoding)
            if text is not None and not text.isascii():
                return Decoded(text, encoding, "detected")
    return None
