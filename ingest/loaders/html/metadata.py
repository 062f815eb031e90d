"""What a page says about itself: title, author, dates, language, description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bs4 import BeautifulSoup, Tag

_LARGEST_JSON = 1 << 20
_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)
_SITE_SEPARATOR = re.compile(r"\s+[|–—·•»«:-]+\s+|\s*\|\s*")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """``title`` without the site's name, and flat metadata."""

    title: str | None
    metadata: dict[str, str] = field(default_factory=dict)


def read_facts(soup: BeautifulSoup) -> PageFacts:
    """Read what the head and the structured data of a page say."""
    meta = _meta(soup)
    linked = _linked_data(soup)
    metadata: dict[str, str] = {}
    author = next(
        (name for name in _authors(soup, meta, linked) if name and "://" not in name), None
    )
    if author:
        metadata["author"] = author
    for key, names, field_name in (
        ("created", _CREATED_NAMES, "datePublished"),
        ("modified", _MODIFIED_NAMES, "dateModified"),
    ):
        found = [meta.get(name, "") for name in names]
        found += [str(item.get(field_name, "")) for item in linked]
        found += _marked_times(soup, field_name)
        date = next((iso for text in found if (iso := iso_date(text))), None)
        if date:
            metadata[key] = date
    html = soup.find("html")
    language = html.get("lang") or html.get("xml:lang") if isinstance(html, Tag) else None
    language = str(language or meta.get("content-language") or meta.get("og:locale") or "")
    if re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", language.strip()):
        metadata["language"] = language.strip().replace("_", "-")
    description = _line(meta.get("description") or meta.get("og:description") or "")
    if description:
        metadata["description"] = description
    return PageFacts(_title(soup, meta), metadata)


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
    "sailthru.date",
    "parsely-pub-date",
)
_MODIFIED_NAMES = (
    "article:modified_time",
    "og:updated_time",
    "datemodified",
    "last-modified",
    "dcterms.modified",
)


def _meta(soup: BeautifulSoup) -> dict[str, str]:
    """Return what the meta elements say, by lower-case name; the first one counts."""
    found: dict[str, str] = {}
    for tag in soup.find_all("meta"):
        content = str(tag.get("content") or "").strip()
        for key in ("property", "name", "itemprop", "http-equiv"):
            name = str(tag.get(key) or "").strip().lower()
            if name and content:
                found.setdefault(name, content)
    return found


def _linked_data(soup: BeautifulSoup) -> list[dict[str, Any]]:
    """Return the JSON-LD objects that have a publication date or an author."""
    found: list[dict[str, Any]] = []
    for script in soup.find_all("script", type=re.compile("ld\\+json", re.I)):
        source = script.string or ""
        if not source or len(source) > _LARGEST_JSON:
            continue
        try:
            data = json.loads(source, strict=False)
        except (ValueError, RecursionError):
            continue  # structured data is a courtesy; a page with broken data has text all the same
        found += [item for item in _objects(data) if "datePublished" in item or "author" in item]
    return found


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


def _authors(
    soup: BeautifulSoup, meta: dict[str, str], linked: list[dict[str, Any]]
) -> Iterator[str]:
    for item in linked:
        yield _names(item.get("author"))
    for name in ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author"):
        yield _line(meta.get(name, ""))
    for tag in (soup.find(rel="author"), soup.find(itemprop="author")):
        if isinstance(tag, Tag):
            name = _line(tag.get_text(" "))
            yield name if len(name) <= 80 else ""


def _names(author: Any) -> str:
    authors = author if isinstance(author, list) else [author]
    names = [one.get("name") if isinstance(one, dict) else one for one in authors]
    return ", ".join(dict.fromkeys(_line(name) for name in names if isinstance(name, str) and name))


def _marked_times(soup: BeautifulSoup, field_name: str) -> list[str]:
    found = [
        str(tag.get("datetime") or tag.get("content") or tag.get_text(" "))
        for tag in soup.find_all(itemprop=field_name)
    ]
    if field_name == "datePublished":
        found += [str(tag.get("datetime") or "") for tag in soup.find_all("time", pubdate=True)]
    return found


def iso_date(text: str) -> str | None:
    """Return a date or time in ISO 8601 if the text begins with one, else ``None``."""
    match = _DATE.match(text.strip())
    if match is None or not (1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31):
        return None
    date = f"{match[1]}-{match[2]}-{match[3]}"
    return date + (f"T{match[4]}{match[5] or ''}" if match[4] else "")


def _line(text: str) -> str:
    return " ".join(text.split())


def _title(soup: BeautifulSoup, meta: dict[str, str]) -> str | None:
    headings = [_line(tag.get_text(" ")) for tag in soup.find_all("h1")]
    headings = [heading for heading in headings if heading]
    full = _line(soup.title.get_text(" ")) if isinstance(soup.title, Tag) else ""
    shared = _line(meta.get("og:title", ""))
    for heading in headings:
        if heading.casefold() in full.casefold() or heading.casefold() in shared.casefold():
            return heading
    named = without_site(full, meta.get("og:site_name", "")) or shared
    return named or (headings[0] if headings else None)


def without_site(title: str, site: str) -> str:
    """Cut the site's name off a page's title: by its name, else after the last separator."""
    parts = _SITE_SEPARATOR.split(title)
    if len(parts) < 2:
        return title
    if site and parts[-1].casefold() == site.casefold():
        cut = title[: title.rindex(parts[-1])]
    elif site and parts[0].casefold() == site.casefold():
        return title[len(parts[0]) :].strip(" |–—·•»«:-")
    elif len(parts[-1].split()) <= 4 and len(title) - len(parts[-1]) > len(parts[-1]):
        cut = title[: title.rindex(parts[-1])]
    else:
        return title
    return cut.strip(" |–—·•»«:-") or title
