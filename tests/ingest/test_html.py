"""Pages: their main text with its structure, and nothing of what surrounds it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import blocks, headers, headings, loaded

from ingest.errors import NoTextError

PROSE = (
    "The pump moves water from the lower tank to the upper one, day and night, and needs no care.",
    "It is delivered with two seals, a rotor and a cable of ten metres, all of them in one box.",
    "Its warranty lasts for two years from the day of delivery, and covers every part of it.",
)
BODY = "".join(f"<p>{text}</p>" for text in PROSE)


def page(body: str, head: str = "<title>The pump – Example</title>") -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


CHROME = {
    "nav": "<nav><ul><li><a href=/a>Home</a><li><a href=/b>Products</a></ul></nav>",
    "header": "<header><a href=/>Example Inc.</a><p>We sell pumps of all kinds to everybody.</p></header>",
    "footer": "<footer><p>Copyright 2024 Example Inc. All rights are reserved by us.</p></footer>",
    "aside": "<aside><p>Our newsletter comes every week and costs you nothing at all.</p></aside>",
    "role": "<div role=navigation><a href=/x>Somewhere else on this site of ours</a></div>",
    "cookies": "<div id=cookie-consent><p>We use cookies to make your visit a better one.</p></div>",
    "comments": "<div class=comments><p>I have had mine for years and it never failed me once.</p></div>",
    "related": "<div class=related-posts><h3>Related</h3><a href=/y>Another pump that we sell</a></div>",
    "share": "<div class='social share-buttons'><a href=/t>Tweet</a> <a href=/f>Share</a></div>",
    "hidden": "<div style='display: none'><p>Nobody sees this text, so nobody should find it.</p></div>",
    "script": "<script>var text = 'The script says that it is a text of some length.';</script>",
    "noscript": "<noscript><p>Please turn on scripts to see this page as we meant it.</p></noscript>",
    "form": "<form><select><option>One<option>Two</select><input value=three></form>",
    "template": "<template><p>A template is no text of the page, whatever it may hold.</p></template>",
}  # fmt: skip


@pytest.mark.parametrize("name", [*CHROME])
@pytest.mark.parametrize("frame", ["<div id=wrap>{}</div>", "<main>{}</main>", "{}"])
def test_what_surrounds_the_text_is_left_out(name: str, frame: str) -> None:
    if name == "header" and "main" in frame:
        pytest.skip("a header within the main text is that of the text")
    article = f"<article><h1>The pump</h1>{BODY}</article>"
    for body in (CHROME[name] + article, article + CHROME[name]):
        document = loaded("a.html", page(frame.format(body)))
        assert [text for text in blocks(document) if text != "The pump"] == list(PROSE), name


@pytest.mark.parametrize("name", ["comments", "menus", "tags", "footer", "related", "sidebar"])
def test_sections_named_after_their_heading_stay(name: str) -> None:
    body = f"<section id={name}><h2>{name.title()}</h2>{BODY}</section>"
    document = loaded("a.html", page(f"<main><h1>Manual</h1><p>{PROSE[0]}</p>{body}</main>"))
    assert PROSE[2] in document.text


# -- documentation --------------------------------------------------------------------------------

# As the common generators write it: Sphinx, MkDocs, Docusaurus, Javadoc-like tables.
SPHINX = """<div class="document"><div class="documentwrapper"><div class="bodywrapper">
<div class="body" role="main"><section id="pumps"><h1>Pumps<a class="headerlink" href="#pumps">¶</a></h1>
<p>{0}</p><section id="starting"><h2>Starting<a class="headerlink" href="#starting">¶</a></h2>
<div class="highlight-python notranslate"><div class="highlight"><pre><span></span><span class="kn">import</span> <span class="nn">pump</span>

<span class="k">def</span> <span class="nf">run</span><span class="p">():</span>
    <span class="n">pump</span><span class="o">.</span><span class="n">start</span><span class="p">()</span>
</pre></div></div><div class="admonition note"><p class="admonition-title">Note</p><p>{1}</p></div>
<table class="docutils"><thead><tr><th>Option</th><th>Meaning</th></tr></thead><tbody>
<tr><td><code>fast</code></td><td>runs fast</td></tr><tr><td><code>slow</code></td><td>runs slowly</td></tr>
</tbody></table></section></section></div></div></div>
<div class="sphinxsidebar" role="navigation"><h3>Contents</h3><ul><li><a href="#">Pumps</a></li></ul></div></div>
<div class="footer">Copyright 2024.</div>"""
MKDOCS = """<header class="md-header"><a href="/">Docs</a></header><main class="md-main"><div class="md-sidebar">
<nav class="md-nav"><a href="/">Pumps</a></nav></div><div class="md-content"><article class="md-content__inner md-typeset">
<a href="edit" class="md-content__button" title="Edit"><svg></svg></a><h1 id="pumps">Pumps<a class="headerlink" href="#pumps">#</a></h1><p>{0}</p>
<h2 id="starting">Starting</h2><div class="language-python highlight"><pre><code>import pump

def run():
    pump.start()
</code></pre></div><p>{1}</p><table><thead><tr><th>Option</th><th>Meaning</th></tr></thead><tbody>
<tr><td>fast</td><td>runs fast</td></tr><tr><td>slow</td><td>runs slowly</td></tr></tbody></table>
</article></div></main><footer class="md-footer"><a href="next">Next</a></footer>"""
DOCUSAURUS = """<nav class="navbar"><a href="/">Docs</a></nav><div class="main-wrapper"><aside class="theme-doc-sidebar-container">
<nav class="menu"><ul class="menu__list"><li><a href="/a">Pumps</a></li></ul></nav></aside><main><div class="row"><div class="col">
<article><nav class="theme-doc-breadcrumbs"><a href="/">Home</a></nav><div class="theme-doc-markdown markdown"><header><h1>Pumps</h1></header>
<p>{0}</p><h2 class="anchor" id="starting">Starting<a href="#starting" class="hash-link">​</a></h2>
<div class="language-python codeBlockContainer"><div class="codeBlockContent"><pre tabindex="0"><code><span class="token-line">import pump
</span><span class="token-line">
</span><span class="token-line">def run():
</span><span class="token-line">    pump.start()
</span></code></pre><div class="buttonGroup"><button type="button">Copy</button></div></div></div>
<p>{1}</p><table><thead><tr><th>Option</th><th>Meaning</th></tr></thead><tbody><tr><td>fast</td><td>runs fast</td></tr>
<tr><td>slow</td><td>runs slowly</td></tr></tbody></table></div></article></div></div></main></div>
<footer class="footer">Copyright</footer>"""


@pytest.mark.parametrize(
    "template", [SPHINX, MKDOCS, DOCUSAURUS], ids=["sphinx", "mkdocs", "docusaurus"]
)
def test_documentation_keeps_headings_code_and_tables(template: str) -> None:
    body = template.format(PROSE[0], PROSE[1])
    document = loaded("a.html", page(body, "<title>Pumps — Docs 1.0</title>"))
    assert headings(document) == [("Pumps",), ("Pumps", "Starting")]
    assert blocks(document, "code") == ["import pump\n\ndef run():\n    pump.start()"]
    assert blocks(document, "table") == ["Option | Meaning\nfast | runs fast\nslow | runs slowly"]
    assert headers(document) == ["Option | Meaning"]
    assert PROSE[0] in document.text and PROSE[1] in document.text
    for outside in ("Copyright", "Contents", "Copy", "Home", "Next", "¶"):
        assert outside not in document.text


def test_the_heading_above_a_text_with_sections_is_taken_in() -> None:
    sections = "".join(f"<h2>Part {number}</h2>{BODY}" for number in range(3))
    body = f"<div><h1>Manual of the pump</h1><div class=docs>{sections}</div></div>"
    document = loaded("a.html", page(body, "<title>Manual of the pump</title>"))
    assert headings(document)[:2] == [("Manual of the pump",), ("Manual of the pump", "Part 0")]


# -- structure ------------------------------------------------------------------------------------


def content(markup: str) -> list[str]:
    return blocks(loaded("a.html", page(f"<main><p>{PROSE[0]}</p>{markup}</main>")))[1:]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<ul><li>one<li>two</ul>", ["- one", "- two"]),
        ("<ol start=3><li>one<li value=7>two<li>three</ol>", ["3. one", "7. two", "8. three"]),
        ("<ol reversed><li>one<li>two</ol>", ["2. one", "1. two"]),
        ("<ol type=a><li>one<li>two</ol>", ["a. one", "b. two"]),
        ("<dl><dt>term<dd>what it means</dl>", ["term\nwhat it means"]),
        ("<p>one<br>two</p>", ["one\ntwo"]),
        ("<p>a&nbsp;b \n  c</p>", ["a b c"]),
        ("<p>soft\u00adhyphen and \ufb01sh</p>", ["softhyphen and fish"]),
        ("<p>He said <q>no</q>.</p>", ["He said “no”."]),
        ("<p>H<sub>2</sub>O</p>", ["H2O"]),
        ("<pre>\n  a\n    b\n</pre>", ["  a\n    b"]),
        ("<p>5 &lt; 6 &amp; &#x1F600;</p>", ["5 < 6 & 😀"]),
    ],
)
def test_markup_becomes_text_as_it_is_drawn(markup: str, expected: list[str]) -> None:
    assert content(markup) == expected


def test_cells_that_span_rows_are_repeated() -> None:
    table = (
        "<table><caption>Prices</caption><tr><th>Part<th>Year<th>Price"
        "<tr><td rowspan=2>Pump<td>2023<td>10<tr><td>2024<td>12</table>"
    )
    assert content(table) == ["Prices", "Part | Year | Price\nPump | 2023 | 10\nPump | 2024 | 12"]


def test_tables_that_only_place_things_are_no_tables() -> None:
    document = loaded("a.html", page(f"<table><tr><td><h1>The pump</h1>{BODY}</td></tr></table>"))
    assert not blocks(document, "table")
    assert PROSE[2] in document.text


# -- about the page -------------------------------------------------------------------------------


def test_facts_of_a_page() -> None:
    head = (
        "<title>The pump | Example</title><meta name=author content='Ada Lovelace'>"
        "<meta property='article:published_time' content='2024-05-06T07:08:09Z'>"
        "<meta property='og:site_name' content='Example'>"
    )
    document = loaded("a.html", page(f"<article><h1>The pump</h1>{BODY}</article>", head))
    assert document.title == "The pump"
    assert document.metadata["author"] == "Ada Lovelace"
    assert document.metadata["created"].startswith("2024-05-06")
    assert (document.format, document.pages) == ("html", ())


@pytest.mark.parametrize(
    "declaration", ["<meta charset=windows-1251>", "<?xml version='1.0' encoding='windows-1251'?>"]
)
def test_the_declared_encoding_is_taken(declaration: str) -> None:
    data = f"{declaration}<p>Привет всем, кто это читает.</p>".encode("cp1251")
    document = loaded("a.html", data)
    assert (document.text, document.encoding) == ("Привет всем, кто это читает.", "cp1251")


@pytest.mark.parametrize("markup", ["", "<p></p>", "<script>x</script>", "<!-- only a comment -->"])
def test_a_page_without_text_says_so(markup: str) -> None:
    with pytest.raises(NoTextError):
        loaded("a.html", page(markup))


def test_a_page_of_links_only_is_its_links() -> None:
    document = loaded(
        "a.html", page("<ul><li><a href=/a>First page<li><a href=/b>Second page</ul>")
    )
    assert "First page" in document.text


@pytest.mark.parametrize(
    "fragment", ["just words", "<p>unclosed", "</div></p>words", "<a <b>words"]
)
def test_broken_markup_keeps_its_words(fragment: str) -> None:
    assert "word" in loaded("a.html", fragment + " words").text


def test_a_text_within_its_own_heading_is_no_loop() -> None:
    sections = "".join(f"<h3>Part {number}</h3>{BODY}" for number in range(3))
    body = f"<h1>Manual of the pump<div><pre>start</pre>{sections}</div></h1>"
    assert PROSE[2] in loaded("a.html", page(body, "<title>Manual of the pump</title>")).text


def test_a_page_that_is_nested_too_deep_for_the_parser_loses_nothing() -> None:
    body = "<div>" * 3_000 + f"<p>{PROSE[0]}</p>" + "</div>" * 3_000 + f"<p>{PROSE[1]}</p>"
    text = loaded("a.html", page(body)).text
    assert PROSE[0] in text and PROSE[1] in text


def test_all_of_a_table_in_the_text_is_kept() -> None:
    rows = "".join(f"<tr><td>Part {number}<td>{number}0</tr>" for number in range(4))
    table = f"<table><tr><th>Part<th>Price</tr>{rows}</table>"
    document = loaded("a.html", page(f"<article><h1>Pumps</h1>{BODY}{table}{BODY}</article>"))
    assert blocks(document, "table") == [
        "Part | Price\nPart 0 | 00\nPart 1 | 10\nPart 2 | 20\nPart 3 | 30"
    ]


# -- pages made to harm ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "markup",
    [
        "<b>" * 300_000,
        "<p>x" * 40_000,
        "<b>x</b> " * 40_000,
        "<table>" + "<tr><td colspan=99999 rowspan=99999>x<td>y</tr>" * 1_000 + "</table>",
        "<p " + " ".join(f"a{number}=x" for number in range(8_000)) + "></p>",
        "<table><tr><td>x<td>y</tr><tr><td>" * 3_000,
        "<a href=x><div>" * 30_000,
        "<svg><path d='M0 0'/><text>t</text></svg>" * 20_000,
    ],
    ids=["b", "p", "b-closed", "spans", "attributes", "tables", "a-div", "svg"],
)
def test_pages_made_to_take_long_do_not(markup: str) -> None:
    begun = time.process_time()
    assert PROSE[0] in loaded("a.html", page(f"<main>{BODY}</main>{markup}")).text
    assert time.process_time() - begun < 15  # a second or two where nothing else runs


def test_braille_which_runs_are_told_apart_by_stays_in_the_text() -> None:
    braille = "⠁⠂ is written ⠃⠇⠁⠉⠅, and ⠠⠞⠓⠑ ⠟⠥⠊⠉⠅ stands at the head of the second column."
    body = f"<article><h1>Signs ⠉⠉</h1><p>{braille}</p>{BODY}</article>"
    assert blocks(loaded("a.html", page(body))) == ["Signs ⠉⠉", braille, *PROSE]


def test_controls_keep_the_labels_beside_them_apart() -> None:
    form = "<form><label>User name</label><input><label>Password</label><input></form>"
    assert loaded("a.html", page(form)).text == "User name Password"


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                *(
                    "<p>",
                    "</p>",
                    "<div>",
                    "</div>",
                    "<main>",
                    "<article>",
                    "<h2>",
                    "</h2>",
                    "<pre>",
                ),
                *("</pre>", "<table><tr><td>", "<td rowspan=2>", "</table>", "<ul><li>", "</ul>"),
                *("<dl><dt>", "<dd>", "</dl>", "<br>", "<a href=x>", "</a>", "<nav>", "</nav>"),
                *("&nbsp;", "&#x2028;", "&#13;", "\u200b", "\u2801\u2802", "\ufb01", " \n ", "<q>"),
                *PROSE,
            ]
        )
        | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20),
        max_size=40,
    )
)
def test_any_markup_gives_exact_places_and_the_same_ones_again(pieces: list[str]) -> None:
    data = page("".join(pieces)).encode("utf-8", "replace")
    try:
        first = loaded("a.html", data)
    except NoTextError:
        return
    assert loaded("a.html", data) == first
    # Blocks are what the text is made of: nothing between them but the blank lines that part them.
    assert "\n\n".join(blocks(first)) == first.text


def test_a_table_in_a_cell_leaves_the_one_around_it_whole() -> None:
    inner = "<table><tr><td>Summer<td>12<tr><td>Winter<td>5</table>"
    outer = f"<table><tr><th>Boat<th>Fee<tr><td>Dinghy<td>From {inner}<tr><td>Yacht<td>80</table>"
    document = loaded("a.html", page(f"<main><h1>Fees</h1>{BODY}{outer}</main>"))
    [table] = [one for one in document.blocks if one.kind == "table"]
    assert document.text[table.start : table.end] == (
        "Boat | Fee\nDinghy | From Summer 12; Winter 5\nYacht | 80"
    )
    assert headers(document) == ["Boat | Fee"]


def test_tables_without_names_of_columns_that_hold_tables_only_place_them() -> None:
    inner = "<table><tr><th>Size<th>Price<tr><td>Small<td>12</table>"
    document = loaded("a.html", page(f"<table><tr><td>{BODY}<td>{inner}</table>"))
    assert blocks(document)[-1] == "Size | Price\nSmall | 12"
    assert blocks(document)[0] == PROSE[0]


def test_what_a_component_draws_in_its_shadow_is_read() -> None:
    shadow = f"<template shadowrootmode=open><h2>Bolts</h2>{BODY}<p>Torque: 95 Nm.</p></template>"
    document = loaded("a.html", page(f"<my-page><my-text>{shadow}</my-text></my-page>"))
    assert blocks(document) == ["Bolts", *PROSE, "Torque: 95 Nm."]


@pytest.mark.parametrize(
    "source, read",
    [
        ("Price <del>40</del> <ins>35</ins> euros.", "Price ~~40~~ 35 euros."),
        ("Price <s> 4<b>0</b> </s>35 <i>euros</i>.", "Price ~~40~~ 35 euros."),
        ("Was <strike>on <s>Monday</s> or so</strike>.", "Was ~~on Monday or so~~."),
        ("<span style='text-decoration: line-through red'>No</span> dogs.", "~~No~~ dogs."),
        ("<del></del>Price <del> </del>35.", "Price 35."),
        ("<ins>Price</ins> <span style='text-decoration: underline'>35</span>.", "Price 35."),
    ],
)
def test_what_is_struck_out_is_marked(source: str, read: str) -> None:
    document = loaded("a.html", page(f"<main><h1>Fees</h1>{BODY}<p>{source}</p></main>"))
    assert blocks(document)[-1] == read


def test_what_is_struck_out_over_several_blocks_is_marked_in_each() -> None:
    body = "<del><p>It is <b>open</b>.</p><ul><li>Daily</ul></del><table><tr><th>A<th>B"
    body += "<tr><td><del>1</del> 2<td>3</table>"
    document = loaded("a.html", page(f"<main><h1>Fees</h1>{BODY}{body}</main>"))
    assert blocks(document)[-3:] == ["~~It is open.~~", "- ~~Daily~~", "A | B\n~~1~~ 2 | 3"]


def test_raised_digits_are_told_from_the_number_before_them() -> None:
    document = loaded("page.html", page("<p>It moves 10<sup>3</sup> m and 10<sup>-2</sup> mm.</p>"))
    assert "It moves 10³ m and 10⁻² mm." in document.text
