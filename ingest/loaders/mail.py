"""E-mail: who wrote what to whom and when, the text of the message, and a list of attachments."""

from __future__ import annotations

import codecs
import email
import email.policy
from collections.abc import Iterator
from datetime import datetime
from email.message import Message
from typing import TYPE_CHECKING, Final

from ingest.decode import decode
from ingest.errors import WrongFormatError
from ingest.loaders.building import DocumentBuilder
from ingest.loaders.html.page import write_page
from ingest.loaders.plain_text import find_blocks

if TYPE_CHECKING:
    from ingest.document import Document
    from ingest.loader_spec import Source

_SHOWN: Final = ("From", "To", "Cc", "Date")
_MOST_PARTS: Final = 1000
_FORWARDED: Final = "message/rfc822"
_ALTERNATIVE: Final = "multipart/alternative"
_CALENDAR: Final = "text/calendar"
_TEXTS: Final = frozenset(["text/plain", "text/html", _CALENDAR])
_STUB: Final = 0.5  # of the HTML's words, that plain text has less of which stands for nothing
_APPOINTMENT: Final = {
    "SUMMARY": "Appointment",
    "DTSTART": "Begins",
    "DTEND": "Ends",
    "LOCATION": "Where",
    "DESCRIPTION": "About",
    "ORGANIZER": "Organizer",
    "ATTENDEE": "Attendee",
}


def load_email(source: Source) -> Document:
    """Load a message as it was sent (RFC 5322, ``.eml``).

    Of the same text in several forms the plain one is taken, unless the HTML says much more;
    messages in it are read, too. Attachments are listed and not read.

    Raises:
        WrongFormatError: It has no header of a message.
    """
    message = email.message_from_bytes(_as_sent(source.data), policy=email.policy.default)
    if not any(_header(message, name) for name in ("From", "To", "Subject", "Date", "Message-ID")):
        raise WrongFormatError("not an e-mail: it has no sender, recipient, subject or date")
    subject = _header(message, "Subject")
    builder = DocumentBuilder(
        "email", metadata={"author": _header(message, "From"), "created": _date(message)}
    )
    _add_message(builder, message, level=1)
    return builder.build(title=subject)


def _add_message(builder: DocumentBuilder, message: Message, *, level: int) -> None:
    builder.add("heading", _header(message, "Subject"), level=level)
    head = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
    builder.add("paragraph", "\n".join(head))
    attachments: list[str] = []
    forwarded: list[Message] = []
    for part in _own_parts(message):
        kind = part.get_content_type()
        if kind == _FORWARDED:
            forwarded += [inner for inner in _payload(part) if level < 5]
        elif kind == _ALTERNATIVE:
            within = [each for own in _payload(part) for each in _own_parts(own)]
            _add_one_of(builder, [each for each in within if _is_text(each)])
            others = (each for each in within if not _is_text(each) and not each.is_multipart())
            attachments += map(_described, others)
        elif _is_text(part):
            _add_written(builder, _written(builder, part))
        elif not part.is_multipart():
            attachments.append(_described(part))
    if attachments:
        builder.add("paragraph", "\n".join(["Attachments:", *attachments]))
    for inner in forwarded:
        _add_message(builder, inner, level=level + 1)


def _as_sent(data: bytes) -> bytes:
    """Return a message as it was sent, without what a program put before it or made of it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode("utf-8")
    return data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n\t ")


def _is_text(part: Message) -> bool:
    return part.get_content_type() in _TEXTS and _disposition(part) != "attachment"


def _add_one_of(builder: DocumentBuilder, parts: list[Message]) -> None:
    """Add the plain form of a text, unless it is a stub that lacks most of what the HTML says."""
    forms = [(part.get_content_type(), _written(builder, part)) for part in parts]
    plain = [form for kind, form in forms if kind == "text/plain"]
    html = [form for kind, form in forms if kind == "text/html"]
    said = {word for form in plain for word in form.text.casefold().split()}
    wanted = {word for form in html for word in form.text.casefold().split()}
    is_stub = len(said) < len(wanted) and len(said & wanted) < _STUB * len(wanted)
    for form in html if is_stub or not plain else plain:
        _add_written(builder, form)
    for kind, form in forms:
        if kind == _CALENDAR:
            _add_written(builder, form)


def _written(builder: DocumentBuilder, part: Message) -> Document:
    """Return what a part says, as a document of its own."""
    page = DocumentBuilder("html" if part.get_content_type() == "text/html" else "text")
    if part.get_content_type() == "text/html":
        write_page(page, _bytes(part), declared=part.get_content_charset())
        return page.build()
    text = _text(builder, part)
    if part.get_content_type() == _CALENDAR:
        text = "\n".join(_calendar_lines(text))
    for block in find_blocks(text)[0]:
        page.add(block.kind, text[block.start : block.end])
    return page.build()


def _add_written(builder: DocumentBuilder, written: Document) -> None:
    builder.warnings += written.warnings
    for block in written.blocks:
        builder.append(
            "paragraph" if block.kind in ("heading", "table") else block.kind,
            written.text[block.start : block.end],
        )


def _calendar_lines(text: str) -> Iterator[str]:
    """Yield what an appointment says (RFC 5545), one line for each of its facts."""
    unfolded = text.replace("\n ", "").replace("\n\t", "")
    for line in unfolded.split("\n"):
        name, _, value = line.partition(":")
        shown = _APPOINTMENT.get(name.partition(";")[0].upper())
        if shown and value.strip():
            value = value.strip().removeprefix("mailto:").replace("\\n", " ").replace("\\", "")
            yield f"{shown}: {value}"


def _own_parts(message: Message) -> Iterator[Message]:
    """Yield a message's parts, those of messages within it left out."""
    stack = [message]
    for _ in range(_MOST_PARTS):
        if not stack:
            return
        part = stack.pop()
        yield part
        if part.get_content_type() not in (_FORWARDED, _ALTERNATIVE):
            stack.extend(reversed(_payload(part)))


def _payload(part: Message) -> list[Message]:
    payload = part.get_payload() if part.is_multipart() else []
    return [inner for inner in payload if isinstance(inner, Message)] if payload else []


def _text(builder: DocumentBuilder, part: Message) -> str:
    decoded = decode(_bytes(part), declared=part.get_content_charset())
    if decoded.warning:
        builder.warnings.append(decoded.warning)
    return decoded.text.replace("\r\n", "\n")


def _bytes(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _disposition(part: Message) -> str | None:
    try:
        return part.get_content_disposition()
    except Exception:  # the parser of such headers raises many things on damaged ones
        return "attachment"


def _described(part: Message) -> str:
    size = len(_bytes(part))
    shown = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"
    try:
        name = part.get_filename() or "(without a name)"
    except Exception:  # as above
        name = "(without a name)"
    return f"- {name} ({part.get_content_type()}, {shown})"


def _header(message: Message, name: str) -> str:
    try:
        return str(message[name] or "")
    except Exception:  # as above
        return ""


def _date(message: Message) -> str:
    try:
        moment = getattr(message["Date"], "datetime", None)
    except Exception:  # as above
        return ""
    return moment.isoformat() if isinstance(moment, datetime) else ""
