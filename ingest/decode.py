"""From bytes to text, saying which encoding was decided on and why."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

How = Literal["bom", "utf-8", "declared", "detected", "replaced"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What browsers take these names to mean: https://encoding.spec.whatwg.org/#names-and-labels
_BROWSER_NAMES = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-mac-cyrillic": "mac-cyrillic",
    "macintosh": "mac-roman",
    "unicode": "utf-16-le",
    "utf-16": "utf-16-le",
}
# Wide encodings are told by their zero bytes, UTF-7 and EBCDIC are not found in the wild.
_NOT_GUESSED = [
    *("utf_7", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be"),
    *("cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140"),
]

_SAMPLE = 1 << 16
_FEW = 8


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded text without a byte-order mark.

    ``how`` says what decided on ``encoding``; ``warning`` is one sentence for the user where the
    choice is a guess or characters were lost, else ``None``.
    """

    text: str
    encoding: str
    how: How
    warning: str | None = None


def decode(data: bytes, *, declared: str | None = None) -> Decoded:
    """Decode by byte-order mark, else as UTF-8, else as declared, else as detected.

    UTF-8 goes before what is declared because text in another encoding is practically never valid
    UTF-8, while declarations are often wrong. Nothing is ever dropped: where no encoding fits, the
    bytes that do not become U+FFFD and the warning counts them.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strict_or_replaced(data[len(mark) :], encoding, "bom")
    wide = _wide_encoding(data)
    if wide is not None and (text := _try(data, wide)) is not None:
        return Decoded(text, wide, "detected")
    if (text := _try(data, "utf-8")) is not None and not _is_escaped_japanese(data):
        return Decoded(text, "utf-8", "utf-8")
    problem = ""
    if declared:
        named = _python_name(declared)
        if named is None:
            problem = f"declares the unknown encoding {declared!r}; "
        elif (text := _try(data, named)) is not None:
            return Decoded(text, named, "declared")
        else:
            problem = f"declares {declared!r} but is not; "
    detected = _detect(data)
    if detected is not None and (text := _try(data, detected)) is not None:
        return Decoded(text, detected, "detected", f"{problem}decoded as {detected}")
    fallback = _python_name(declared) if declared else None
    decoded = _strict_or_replaced(data, detected or fallback or "cp1252", "detected")
    return Decoded(
        decoded.text,
        decoded.encoding,
        decoded.how,
        problem + (decoded.warning or "decoded") or None,
    )


def _strict_or_replaced(data: bytes, encoding: str, how: How) -> Decoded:
    text = _try(data, encoding)
    if text is not None:
        return Decoded(text, encoding, how)
    text = data.decode(encoding, errors="replace")
    lost = text.count("\ufffd")
    warning = f"decoded as {encoding}; {lost:,} places could not be read and became U+FFFD"
    return Decoded(text, encoding, "replaced", warning)


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _python_name(label: str) -> str | None:
    name = label.strip().strip("\"'").lower()
    name = _BROWSER_NAMES.get(name, name)
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    # Python also lists codecs that are not for text, such as "base64" and "rot13".
    return found.name if getattr(found, "_is_text_encoding", True) else None


def _wide_encoding(data: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark by where their zero bytes stand."""
    sample = data[: _SAMPLE & ~3]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    length = len(sample)
    zeros = [sample[offset::4].count(0) * 4 / length for offset in range(4)]
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


def _is_escaped_japanese(data: bytes) -> bool:
    return b"\x1b$" in data[:_SAMPLE]  # ISO-2022-JP is seven-bit and so also valid UTF-8


def _detect(data: bytes) -> str | None:
    # A few accents prove nothing; of all that they could be, the Western encoding is commonest.
    if len(data) < _SAMPLE and sum(byte > 127 for byte in data) < _FEW and _try(data, "cp1252"):
        return "cp1252"
    from charset_normalizer import from_bytes

    if len(data) <= 2 * _SAMPLE:
        sample = data
    else:  # the head may be boilerplate in ASCII: look where the other bytes are, too
        first = next((at for at, byte in enumerate(data) if byte > 127), 0)
        sample = data[:_SAMPLE] + data[first : first + _SAMPLE]
    best = from_bytes(sample, cp_exclusion=_NOT_GUESSED).best()
    return best.encoding.replace("_", "-") if best is not None else None
