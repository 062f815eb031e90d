"""What a PDF says about itself: title, author, dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from ingest.loaders.pdf.assemble import normalise

if TYPE_CHECKING:
    from pathlib import PurePath

_JUNK_TITLE: Final = re.compile(
    r"untitled\d*|microsoft (?:word|powerpoint|excel)\b.*|powerpoint presentation|document\d*|"
    r"presentation\d*|slide ?1|title|no title|none|null|\(?anonymous\)?|\d{10}-\d\d-\d{6}|"
    r"[\w.~%()\[\] -]*\.(?:docx?|pptx?|xlsx?|pdf|tex|dvi|indd|qxd|pmd|fm|rtf|odt|txt|ps|eps|html?|pub|cdr)|"
    r"[\W\d_]*(?:[^\W\d_][\W\d_]*){0,2}|[a-f\d-]{16,}",
    re.IGNORECASE,
)
_NONE: Final = frozenset({"", "anonymous", "none", "null", "unknown", "unspecified"})
_DATE: Final = re.compile(
    r"(?:D:)?\s*(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?\s*"
    r"(?:(Z)[\d']*|([+-])(\d\d)'?(\d\d)?'?)?$"
)


def read_metadata(entries: Mapping[str, str]) -> dict[str, str]:
    """Return a PDF's information dictionary under our names, without empty entries."""
    found = {
        "title": normalise(entries.get("Title", "")),
        "author": normalise(entries.get("Author", "")),
        "subject": normalise(entries.get("Subject", "")),
        "keywords": normalise(entries.get("Keywords", "")),
        "created": iso_date(entries.get("CreationDate", "")),
        "modified": iso_date(entries.get("ModDate", "")),
    }
    return {key: value for key, value in found.items() if value.strip("()").casefold() not in _NONE}


def iso_date(value: str) -> str:
    """Return a PDF date as ISO 8601; empty if it is none."""
    match = _DATE.match(value.strip())
    if match is None:
        try:
            return datetime.fromisoformat(value.strip()).isoformat()
        except ValueError:
            return ""
    year, month, day, hour, minute, second, utc, sign, off_hours, off_minutes = match.groups()
    zone: timezone | None = None
    if utc:
        zone = UTC
    elif sign:
        offset = timedelta(hours=int(off_hours), minutes=int(off_minutes or 0))
        if offset < timedelta(days=1):
            zone = timezone(offset if sign == "+" else -offset)
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=zone,
        )
    except ValueError:
        return ""
    return moment.isoformat() if hour else moment.date().isoformat()


def usable_title(title: str, path: PurePath) -> str | None:
    """Return a title unless it is what a program filled in: a file name, a number, "untitled"."""
    if not title or len(title) > 300 or _JUNK_TITLE.fullmatch(title):
        return None
    if title.casefold() in (path.name.casefold(), path.stem.casefold()) and " " not in title:
        return None
    return title
