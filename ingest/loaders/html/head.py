"""What a page says about itself: title, author, dates, language, description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_LARGEST_JSON = 1 << 20
_LONGEST_NAME = 80
_MOST_HEADINGS = 20
_MOST_STRINGS = 50
_PERMALINKS = " #¶§🔗"  # marks beside headings that link to themselves
_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)
_SITE_SEPARATOR = re.compile(r"\s+(?:[|–—·•»«:-]|::)\s+|\s*\|\s*")
_BY = re.compile(r"\A(?:by|von|par|por|di|автор:?)\s+", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_CREATED_NAMES = (
    "article:published_time",
    "datepublished",
    "date",
    "dc.date",
    "dc.date.issued",
    "dcterms.created",
    "dcterms.issued",
    "publication_date",
    "publish-date",
    "pubdate",
    "og:published_time",
    "citation_publication_date",
)
_MODIFIED_NAMES = (
    "article:modified_time",
    "og:updated_time",
    "datemodified",
    "last-modified",
    "dcterms.modified",
)
_AUTHOR_NAMES = ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """``title`` without the site's name, and flat metadata."""

    title: str | None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    """The elements of a page that may say something about it, gathered in one pass."""

    language: str = ""
    title: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    linked_data: list[dict[str, Any]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    times: dict[str, list[str]] = field(default_factory=dict)


def read_facts(tree: HtmlElement) -> PageFacts:
    """Read what the head and the structured data of a page say."""
    found = _gather(tree)
    meta = found.meta
    metadata: dict[str, str] = {}
    named = (_BY.sub("", name) for name in _authors(found))
    author = next((name for name in named if name and "://" not in name), None)
    if author:
        metadata["author"] = author
    for key, names, property_name in (
        ("created", _CREATED_NAMES, "datePublished"),
        ("modified", _MODIFIED_NAMES, "dateModified"),
    ):
        dates = [meta.get(name, "") for name in names]
        dates += [str(item.get(property_name, "")) for item in found.linked_data]
        dates += found.times.get(property_name.lower(), [])
        first = next((iso for text in dates if (iso := iso_date(text))), None)
        if first:
            metadata[key] = first
    shown = set(found.times.get("", []))
    if "created" not in metadata and len(shown) == 1 and (only := iso_date(shown.pop())):
        metadata["created"] = only
    language = found.language or meta.get("content-language") or meta.get("og:locale") or ""
    if _LANGUAGE.fullmatch(language.strip()):
        metadata["language"] = language.strip().replace("_", "-")
    description = _line(meta.get("description") or meta.get("og:description") or "")
    if description:
        metadata["description"] = description
    return PageFacts(_title(found), metadata)


def _gather(tree: HtmlElement) -> _Found:
    found = _Found()
    for tag in tree.iter():
        name = tag.tag
        if name == "meta":
            _add_meta(found.meta, tag)
        elif name == "script":
            if "ld+json" in (tag.get("type") or "").lower():
                found.linked_data += _linked_data(tag.text or "")
        elif name == "html":
            found.language = found.language or tag.get("lang") or tag.get("xml:lang") or ""
        elif name == "title":
            if not found.title and tag.getparent() is not None and tag.getparent().tag != "svg":
                found.title = _text(tag)
        elif name == "h1":
            if len(found.headings) < _MOST_HEADINGS:
                found.headings.append(_text(tag))
        elif tag.attrib:
            _add_marked(found, tag)
    return found


def _add_meta(meta: dict[str, str], tag: HtmlElement) -> None:
    """Note what a meta element says under its lower-case name; the first of a name counts."""
    content = (tag.get("content") or "").strip()
    for key in ("property", "name", "itemprop", "http-equiv"):
        name = (tag.get(key) or "").strip().lower()
        if name and content:
            meta.setdefault(name, content)


def _add_marked(found: _Found, tag: HtmlElement) -> None:
    """Note an element that is marked as an author or a time."""
    marked = (tag.get("itemprop") or "").lower()
    if marked == "author" or (tag.tag == "a" and tag.get("rel") == "author"):
        if len(found.authors) < _MOST_HEADINGS:
            found.authors.append(_text(tag))
    elif marked in ("datepublished", "datemodified"):
        times = found.times.setdefault(marked, [])
        if len(times) < _MOST_HEADINGS:
            times.append(tag.get("datetime") or tag.get("content") or _text(tag))
    elif tag.tag == "time" and tag.get("datetime"):
        key = "datepublished" if tag.get("pubdate") is not None else ""
        found.times.setdefault(key, []).append(tag.get("datetime"))


def _linked_data(source: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON-LD script that have a publication date or an author."""
    if not source or len(source) > _LARGEST_JSON:
        return []
    try:
        data = json.loads(source, strict=False)
    except (ValueError, RecursionError):
        return []  # it is a courtesy: a page whose structured data is broken has its text all the same
    return [item for item in _objects(data) if "datePublished" in item or "author" in item]


def _objects(data: Any) -> Iterator[dict[str, Any]]:
    stack = [data]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            graph = item.get("@graph")
            if isinstance(graph, list):
                stack.extend(reversed(graph))
        elif isinstance(item, list):
            stack.extend(reversed(item))


def _authors(found: _Found) -> Iterator[str]:
    for item in found.linked_data:
        yield _names(item.get("author"))
    for name in _AUTHOR_NAMES:
        yield _line(found.meta.get(name, ""))
    for author in found.authors:
        yield author if len(author) <= _LONGEST_NAME else ""


def _names(author: Any) -> str:
    authors = author if isinstance(author, list) else [author]
    names = [one.get("name") if isinstance(one, dict) else one for one in authors]
    return ", ".join(dict.fromkeys(_line(name) for name in names if isinstance(name, str) and name))


def iso_date(text: str) -> str | None:
    """Return a date or time in ISO 8601 if the text begins with one, else ``None``."""
    match = _DATE.match(text.strip())
    if match is None:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])).isoformat()
    except ValueError:
        return None
    return day + (f"T{match[4]}{match[5] or ''}" if match[4] else "")


def _text(tag: HtmlElement) -> str:
    """Return the text in an element on one line, as far as a title or a name may go."""
    return _line(" ".join(islice(tag.itertext(), _MOST_STRINGS))).strip(_PERMALINKS)


def _line(text: str) -> str:
    return " ".join(text.split())


def _title(found: _Found) -> str | None:
    """Return the heading that the page's title repeats, else that title, else a heading."""
    site = found.meta.get("og:site_name", "")
    trimmed = without_site(found.title, site)
    shared = without_site(_line(found.meta.get("og:title", "")), site)
    named = f"{trimmed}\n{shared}".casefold()
    headings = [heading for heading in found.headings if heading]
    repeated = [heading for heading in headings if heading.casefold() in named]
    if repeated:
        return max(repeated, key=len)
    return trimmed or shared or (headings[0] if headings else None)


def without_site(title: str, site: str) -> str:
    """Cut the site's name off a page's title: by its name, else what the last separator cuts off.

    Without the site's name only a last part of at most four words is cut, and only if more is left.
    """
    parts = _SITE_SEPARATOR.split(title)
    if len(parts) < 2:
        return title
    site = site.casefold().strip()
    if site and parts[0].casefold() == site:
        return title[len(parts[0]) :].strip(" |–—·•»«:-") or title
    is_site = bool(site) and parts[-1].casefold() == site
    is_short = len(parts[-1].split()) <= 4 and len(title) - len(parts[-1]) > len(parts[-1])
    if not is_site and not is_short:
        return title
    return title[: title.rindex(parts[-1])].strip(" |–—·•»«:-") or title
