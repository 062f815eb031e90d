"""E-mail: who wrote what to whom and when, the text of the message, and a list of attachments."""

from __future__ import annotations

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


def load_email(source: Source) -> Document:
    """Load a message as it was sent (RFC 5322, ``.eml``).

    The plain text is taken where there is one, else the HTML; messages in it are read, too.
    Attachments are listed and not read.

    Raises:
        WrongFormatError: It has no header of a message.
    """
    message = email.message_from_bytes(source.data, policy=email.policy.default)
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
    plain: list[Message] = []
    html: list[Message] = []
    attachments: list[str] = []
    forwarded: list[Message] = []
    for part in _own_parts(message):
        kind = part.get_content_type()
        if _disposition(part) == "attachment" and kind != _FORWARDED:
            attachments.append(_described(part))
        elif kind == "text/plain":
            plain.append(part)
        elif kind == "text/html":
            html.append(part)
        elif kind == _FORWARDED:
            forwarded += [inner for inner in _payload(part) if level < 5]
        elif not part.is_multipart():
            attachments.append(_described(part))
    _add_body(builder, plain, html)
    if attachments:
        builder.add("paragraph", "\n".join(["Attachments:", *attachments]))
    for inner in forwarded:
        _add_message(builder, inner, level=level + 1)


def _add_body(builder: DocumentBuilder, plain: list[Message], html: list[Message]) -> None:
    texts = [_text(builder, part) for part in plain]
    if any(text.strip() for text in texts):
        for text in texts:
            for block in find_blocks(text)[0]:
                builder.add(
                    "paragraph" if block.kind == "heading" else block.kind,
                    text[block.start : block.end],
                )
        return
    for part in html:
        page = DocumentBuilder("html")
        write_page(page, _bytes(part), declared=part.get_content_charset())
        written = page.build()
        builder.warnings += written.warnings
        for block in written.blocks:
            builder.append(
                "paragraph" if block.kind in ("heading", "table") else block.kind,
                written.text[block.start : block.end],
            )


def _own_parts(message: Message) -> Iterator[Message]:
    """Yield a message's parts, those of messages within it left out."""
    stack = [message]
    for _ in range(_MOST_PARTS):
        if not stack:
            return
        part = stack.pop()
        yield part
        if part.get_content_type() != _FORWARDED:
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
