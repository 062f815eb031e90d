"""Write the PDFs of ``sample_docs/`` from the readable sources in ``tools/sample_sources/``.

Run ``python tools/make_sample_docs.py`` after changing a source (needs ``reportlab``, part of the
``dev`` extra). The same sources and the same reportlab give the same bytes.

A source is Markdown after a head of ``key: value`` lines: ``output`` (path under sample_docs),
``title``, ``subtitle``, ``author``, ``subject``, ``date`` (ISO), ``footer``, ``layout`` (``manual``,
with a cover and a table of contents; ``paper``, in two columns; ``plain``). Headings become the
outline. A fenced block marked ``bars TITLE`` draws a bar chart from ``label, value`` lines,
``equation`` sets its lines centred in italics, and ``pagebreak`` starts a new page.
"""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing, String
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    FrameBreak,
    KeepTogether,
    ListFlowable,
    ListItem,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Preformatted,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

if TYPE_CHECKING:
    from markdown_it.token import Token
    from reportlab.pdfgen.canvas import Canvas

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "sample_sources"
SAMPLE_DOCS = HERE.parent / "sample_docs"

INK = colors.HexColor("#1d2b36")
ACCENT = colors.HexColor("#0f6a80")
RULE = colors.HexColor("#c4d3da")
SHADE = colors.HexColor("#eaf2f5")
MARGIN = 22 * mm
PAGE_WIDTH, PAGE_HEIGHT = A4


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed source file."""

    head: dict[str, str]
    body: str

    @classmethod
    def read(cls, path: Path) -> Source:
        """Split the head from the Markdown body.

        Raises:
            ValueError: if the file does not begin with a head between two ``---`` lines.
        """
        lines = path.read_text(encoding="utf-8").split("\n")
        if lines[0] != "---" or "---" not in lines[1:]:
            raise ValueError(f"{str(path)!r} does not begin with a head between two '---' lines")
        end = lines.index("---", 1)
        pairs = (line.partition(":") for line in lines[1:end])
        return cls(
            head={key.strip(): value.strip() for key, _, value in pairs},
            body="\n".join(lines[end + 1 :]),
        )


class Template(BaseDocTemplate):
    """A document that bookmarks its headings and feeds them to the table of contents."""

    def afterFlowable(self, flowable: Flowable) -> None:
        """Called by reportlab after each flowable has been drawn."""
        level = getattr(flowable, "outline_level", None)
        if level is None:
            return
        text = flowable.getPlainText()
        key = f"heading-{self.page}-{round(self.frame._y)}-{round(self.frame._x)}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level=level, closed=False)
        self.notify("TOCEntry", (level, text, self.page, key))


def styles(layout: str) -> dict[str, ParagraphStyle]:
    """Paragraph styles of a layout; the two-column one is set smaller."""
    small = layout == "paper"
    size = 9.8 if small else 10
    body = ParagraphStyle(
        "body",
        fontName="Times-Roman" if small else "Helvetica",
        fontSize=size,
        leading=size * (1.22 if small else 1.42),
        textColor=INK,
        spaceAfter=4 if small else 6,
        alignment=TA_JUSTIFY if small else 0,
    )
    heading = {"fontName": "Helvetica-Bold", "textColor": ACCENT, "alignment": 0}
    return {
        "body": body,
        "h1": ParagraphStyle(
            "h1",
            body,
            **heading,
            fontSize=11 if small else 16,
            leading=14 if small else 20,
            spaceBefore=8 if small else 4,
            spaceAfter=3 if small else 8,
        ),
        "h2": ParagraphStyle(
            "h2",
            body,
            **heading,
            fontSize=9.5 if small else 12,
            leading=12 if small else 15,
            spaceBefore=6 if small else 9,
            spaceAfter=2 if small else 4,
        ),
        "cell": ParagraphStyle(
            "cell",
            body,
            fontName="Helvetica",
            fontSize=7.4 if small else 9,
            leading=9 if small else 12,
            alignment=0,
            spaceAfter=0,
        ),
        "caption": ParagraphStyle(
            "caption",
            body,
            fontName="Helvetica-Oblique",
            fontSize=size - 1.5,
            leading=size + 1.5,
            alignment=0,
        ),
        "code": ParagraphStyle(
            "code", body, fontName="Courier", fontSize=8.5, leading=11, alignment=0, leftIndent=6
        ),
        "equation": ParagraphStyle(
            "equation",
            body,
            fontName="Times-Italic",
            fontSize=size + 1,
            alignment=TA_CENTER,
            spaceBefore=2,
        ),
        "note": ParagraphStyle("note", body, leftIndent=6, rightIndent=6, spaceAfter=3),
        "title": ParagraphStyle(
            "title",
            body,
            **heading,
            fontSize=17 if small else 20,
            leading=21 if small else 25,
            spaceAfter=4,
        ),
        "subtitle": ParagraphStyle(
            "subtitle",
            body,
            fontName="Helvetica",
            fontSize=10.5,
            leading=14,
            alignment=0,
            spaceAfter=10,
        ),
    }


def inline(tokens: Sequence[Token] | None) -> str:
    """Inline Markdown tokens as reportlab's paragraph markup."""
    parts: list[str] = []
    tags = {"strong_open": "<b>", "strong_close": "</b>", "em_open": "<i>", "em_close": "</i>"}
    for token in tokens or ():
        if token.type in tags:
            parts.append(tags[token.type])
        elif token.type == "code_inline":
            parts.append(f'<font face="Courier">{escape(token.content)}</font>')
        elif token.type == "softbreak":
            parts.append(" ")
        elif token.type == "hardbreak":
            parts.append("<br/>")
        else:
            parts.append(escape(token.content))
    return "".join(parts)


def node_markup(node: SyntaxTreeNode) -> str:
    """Markup of a node that holds one inline child."""
    return "".join(
        inline(child.token.children)
        for child in node.walk()
        if child.type == "inline" and child.token
    )


class Builder:
    """Turns a Markdown body into flowables of a given width."""

    def __init__(self, layout: str, width: float) -> None:
        self.layout = layout
        self.width = width
        self.styles = styles(layout)

    def build(self, body: str) -> list[Flowable]:
        """All flowables of a body, headings kept with what follows them."""
        markdown = MarkdownIt("commonmark").enable("table")
        story: list[Flowable] = []
        for node in SyntaxTreeNode(markdown.parse(body)).children:
            story.extend(self.block(node))
        return story

    def block(self, node: SyntaxTreeNode) -> Iterator[Flowable]:
        """Flowables of one block-level node.

        Raises:
            ValueError: for a Markdown construct that these sources do not use.
        """
        if node.type == "heading":
            level = int(node.tag[1]) - 1
            if level == 0 and self.layout != "paper":
                yield CondPageBreak(45 * mm)
            heading = Paragraph(node_markup(node), self.styles[f"h{level + 1}"])
            heading.outline_level = level
            heading.keepWithNext = 1
            yield heading
        elif node.type == "paragraph":
            markup = node_markup(node)
            caption = markup.startswith(("<b>Table", "<b>Figure"))
            paragraph = Paragraph(markup, self.styles["caption" if caption else "body"])
            if caption and markup.startswith("<b>Table"):
                paragraph.keepWithNext = 1
            yield paragraph
        elif node.type in ("bullet_list", "ordered_list"):
            yield self.list(node)
        elif node.type == "table":
            yield self.table(node)
            yield Spacer(1, 3 * mm)
        elif node.type == "fence":
            yield from self.fence(node)
        elif node.type == "blockquote":
            yield self.note(node)
            yield Spacer(1, 2.5 * mm)
        else:
            raise ValueError(f"no layout for a Markdown {node.type!r}")

    def list(self, node: SyntaxTreeNode) -> Flowable:
        """A bullet or numbered list."""
        items = [
            ListItem(Paragraph(node_markup(item), self.styles["body"])) for item in node.children
        ]
        numbered = node.type == "ordered_list"
        return ListFlowable(
            items,
            bulletType="1" if numbered else "bullet",
            bulletFormat="%s." if numbered else None,
            start=None if numbered else "•",
            leftIndent=14,
            bulletFontName="Helvetica",
            bulletFontSize=self.styles["body"].fontSize,
            bulletColor=ACCENT,
        )

    def note(self, node: SyntaxTreeNode) -> Flowable:
        """A block quote as a shaded box."""
        rows = [[Paragraph(node_markup(child), self.styles["note"])] for child in node.children]
        box = Table(rows, colWidths=[self.width])
        box.setStyle(
            [("BACKGROUND", (0, 0), (-1, -1), SHADE), ("LINEBEFORE", (0, 0), (0, -1), 2.5, ACCENT)]
        )
        return box

    def table(self, node: SyntaxTreeNode) -> Flowable:
        """A table with its header row repeated on each page; columns as wide as they need."""
        rows = [
            [
                (node_markup(cell), "right" in str(cell.attrs.get("style", "")))
                for cell in row.children
            ]
            for part in node.children
            for row in part.children
        ]
        cell_style = self.styles["cell"]
        right = ParagraphStyle("cell-right", cell_style, alignment=TA_RIGHT)
        cells = [
            [
                Paragraph(
                    f"<b>{text}</b>" if i == 0 and text else text, right if is_right else cell_style
                )
                for text, is_right in row
            ]
            for i, row in enumerate(rows)
        ]
        table = Table(cells, colWidths=self.column_widths(rows), repeatRows=1)
        commands = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BACKGROUND", (0, 0), (-1, 0), SHADE),
            ("LINEBELOW", (0, 0), (-1, 0), 1, ACCENT),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, RULE),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ("LEFTPADDING", (0, 0), (-1, -1), 4),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ]
        table.setStyle(TableStyle(commands))
        return table

    def column_widths(self, rows: Sequence[Sequence[tuple[str, bool]]]) -> list[float]:
        """Share the width by each column's longest text, none narrower than its longest word."""
        columns = list(zip(*rows, strict=True))
        per_character = self.styles["cell"].fontSize * 0.56
        # A header is bold, hence wider.
        least = [
            max(
                len(word) * per_character * (1.2 if row == 0 else 1)
                for row, (text, _) in enumerate(column)
                for word in [*text.split(), ""]
            )
            + 9
            for column in columns
        ]
        wish = [
            max(least[i], max(len(text) for text, _ in column) * per_character + 9)
            for i, column in enumerate(columns)
        ]
        if sum(wish) <= self.width:
            spare = self.width - sum(wish)
            return [w + spare * w / sum(wish) for w in wish]
        spare = self.width - sum(least)
        extra = [w - low for w, low in zip(wish, least, strict=True)]
        return [low + spare * more / sum(extra) for low, more in zip(least, extra, strict=True)]

    def fence(self, node: SyntaxTreeNode) -> Iterator[Flowable]:
        """A fenced block: a chart, an equation, a page break or plain code."""
        kind, _, argument = node.info.strip().partition(" ")
        if kind == "pagebreak":
            yield PageBreak()
        elif kind == "bars":
            yield KeepTogether([self.bars(argument, node.content), Spacer(1, 2 * mm)])
        elif kind == "equation":
            for line in node.content.strip().split("\n"):
                yield Paragraph(escape(line), self.styles["equation"])
        else:
            box = Table(
                [[Preformatted(node.content.rstrip("\n"), self.styles["code"])]],
                colWidths=[self.width],
            )
            box.setStyle([("BACKGROUND", (0, 0), (-1, -1), SHADE)])
            yield box
            yield Spacer(1, 3 * mm)

    def bars(self, title: str, content: str) -> Drawing:
        """A bar chart from ``label, value`` lines."""
        pairs = [line.rsplit(",", 1) for line in content.strip().split("\n")]
        labels = [label.strip() for label, _ in pairs]
        values = [float(value) for _, value in pairs]
        height = 42 * mm if self.layout == "paper" else 58 * mm
        drawing = Drawing(self.width, height + 16)
        drawing.add(
            String(4, height + 5, title, fontName="Helvetica-Bold", fontSize=8.5, fillColor=INK)
        )
        chart = VerticalBarChart()
        chart.x, chart.y = 34, 16
        chart.width, chart.height = self.width - 44, height - 26
        chart.data = [values]
        chart.categoryAxis.categoryNames = labels
        chart.categoryAxis.labels.fontName = "Helvetica"
        chart.categoryAxis.labels.fontSize = 7.5
        chart.valueAxis.valueMin = 0
        chart.valueAxis.valueMax = max(values) * 1.15
        chart.valueAxis.labels.fontName = "Helvetica"
        chart.valueAxis.labels.fontSize = 7.5
        chart.valueAxis.visibleGrid = True
        chart.valueAxis.gridStrokeColor = RULE
        chart.bars[0].fillColor = ACCENT
        chart.bars[0].strokeColor = None
        chart.barLabelFormat = "%g"
        chart.barLabels.nudge = 7
        chart.barLabels.fontName = "Helvetica"
        chart.barLabels.fontSize = 7.5
        drawing.add(chart)
        return drawing


def draw_furniture(canvas: Canvas, template: BaseDocTemplate, head: dict[str, str]) -> None:
    """Running footer and page number."""
    canvas.saveState()
    canvas.setStrokeColor(RULE)
    canvas.line(MARGIN, 16 * mm, PAGE_WIDTH - MARGIN, 16 * mm)
    canvas.setFont("Helvetica", 8)
    canvas.setFillColor(INK)
    canvas.drawString(MARGIN, 12 * mm, head["footer"])
    canvas.drawRightString(PAGE_WIDTH - MARGIN, 12 * mm, f"Page {template.page}")
    canvas.restoreState()


def draw_cover(canvas: Canvas, head: dict[str, str]) -> None:
    """Coloured cover with the title and a barometer-like motif."""
    canvas.saveState()
    canvas.setFillColor(ACCENT)
    canvas.rect(0, PAGE_HEIGHT * 0.42, PAGE_WIDTH, PAGE_HEIGHT * 0.58, stroke=0, fill=1)
    canvas.setStrokeColor(colors.white)
    canvas.setLineWidth(1.4)
    for radius in (24, 34, 44):
        canvas.arc(
            PAGE_WIDTH - MARGIN - 2 * radius * mm * 0.9,
            PAGE_HEIGHT * 0.62 - radius * mm,
            PAGE_WIDTH - MARGIN,
            PAGE_HEIGHT * 0.62 + radius * mm,
            20,
            110,
        )
    canvas.setFillColor(colors.white)
    canvas.setFont("Helvetica-Bold", 13)
    canvas.drawString(MARGIN, PAGE_HEIGHT - 30 * mm, "CORVANE INSTRUMENTS")
    canvas.setFont("Helvetica-Bold", 30)
    canvas.drawString(MARGIN, PAGE_HEIGHT * 0.50, head["title"])
    canvas.setFont("Helvetica", 15)
    canvas.drawString(MARGIN, PAGE_HEIGHT * 0.465, head["subtitle"])
    canvas.setFillColor(INK)
    canvas.setFont("Helvetica", 10)
    canvas.drawString(MARGIN, PAGE_HEIGHT * 0.42 - 14 * mm, head["footer"])
    canvas.restoreState()


def frames(layout: str) -> list[Frame]:
    """The text areas of a page after the first."""
    bottom, top = 22 * mm, 18 * mm
    height = PAGE_HEIGHT - bottom - top
    if layout != "paper":
        return [Frame(MARGIN, bottom, PAGE_WIDTH - 2 * MARGIN, height, 0, 0, 0, 0)]
    return columns(bottom, height)


def columns(bottom: float, height: float) -> list[Frame]:
    """Two columns of equal width."""
    gap = 7 * mm
    width = (PAGE_WIDTH - 2 * MARGIN - gap) / 2
    return [Frame(x, bottom, width, height, 0, 0, 0, 0) for x in (MARGIN, MARGIN + width + gap)]


def title_frames() -> list[Frame]:
    """First page of a paper: a full-width title area above two columns."""
    title_height = 27 * mm
    bottom, top = 22 * mm, 18 * mm
    height = PAGE_HEIGHT - bottom - top - title_height
    title = Frame(MARGIN, bottom + height, PAGE_WIDTH - 2 * MARGIN, title_height, 0, 0, 0, 0)
    return [title, *columns(bottom, height)]


def contents(builder: Builder) -> list[Flowable]:
    """The heading "Contents" and the table of contents."""
    toc = TableOfContents()
    body = builder.styles["body"]
    toc.levelStyles = [
        ParagraphStyle("toc1", body, fontName="Helvetica-Bold", spaceBefore=4, spaceAfter=0),
        ParagraphStyle("toc2", body, leftIndent=14, spaceAfter=0),
    ]
    toc.dotsMinLevel = 0
    return [Paragraph("Contents", builder.styles["h1"]), toc, PageBreak()]


def write_pdf(source: Source, folder: Path) -> Path:
    """Lay one source out and write its PDF under ``folder``; returns the path."""
    head, layout = source.head, source.head["layout"]
    path = folder / head["output"]
    path.parent.mkdir(parents=True, exist_ok=True)
    written_on = datetime.datetime.fromisoformat(head["date"]).replace(tzinfo=datetime.UTC)
    # The only way to give reportlab a creation date of one's own.
    os.environ["SOURCE_DATE_EPOCH"] = str(int(written_on.timestamp()))
    template = Template(
        str(path),
        pagesize=A4,
        title=head["title"] + (f" – {head['subtitle']}" if layout == "manual" else ""),
        author=head["author"],
        subject=head["subject"],
        creator="Corvane Instruments document system",
        invariant=1,
        lang="en-IE",
    )

    def furniture(canvas: Canvas, current: BaseDocTemplate) -> None:
        draw_furniture(canvas, current, head)

    def cover(canvas: Canvas, _: BaseDocTemplate) -> None:
        draw_cover(canvas, head)

    body_frames = frames(layout)
    builder = Builder(layout, body_frames[0]._width)
    body_page = PageTemplate("body", body_frames, onPage=furniture)
    story: list[Flowable]
    if layout == "manual":
        template.addPageTemplates([PageTemplate("cover", frames("plain"), onPage=cover), body_page])
        story = [NextPageTemplate("body"), PageBreak(), *contents(builder)]
    else:
        first = PageTemplate(
            "first", title_frames() if layout == "paper" else frames(layout), onPage=furniture
        )
        template.addPageTemplates([first, body_page])
        story = [
            NextPageTemplate("body"),
            Paragraph(escape(head["title"]), builder.styles["title"]),
            Paragraph(escape(head["subtitle"]), builder.styles["subtitle"]),
            *([FrameBreak()] if layout == "paper" else []),
        ]
    template.multiBuild([*story, *builder.build(source.body)])
    return path


def main() -> None:
    """Write every PDF, or those whose source is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "sources", nargs="*", type=Path, help="default: all of tools/sample_sources"
    )
    parser.add_argument("--folder", type=Path, default=SAMPLE_DOCS, help="default: sample_docs")
    options = parser.parse_args()
    for source in options.sources or sorted(SOURCES.glob("*.md")):
        path = write_pdf(Source.read(source), options.folder)
        print(f"{path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
