"""The page of ``ragkit serve``, in a real browser: ask, read at the place, put in, search."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ragkit import KnowledgeBase
from tests.ragkit.browser import Page, browsing, letters
from tests.ragkit.serving import served

REPOSITORY = Path(__file__).resolve().parents[2]
STATIC = REPOSITORY / "ragkit" / "server" / "static"
VISIBLE = """
const box = document.querySelector('mark.hit').getBoundingClientRect();
const stage = document.querySelector('.stage').getBoundingClientRect();
return box.bottom > stage.top && box.top < stage.bottom;
"""
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"

sys.path.append(str(REPOSITORY / "tests" / "ingest"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from make_samples import all_samples

    docs = tmp_path_factory.mktemp("docs")
    shutil.copytree(REPOSITORY / "sample_docs", docs, dirs_exist_ok=True)
    for number, (ending, data) in enumerate(all_samples()):
        (docs / f"kind{number}{ending}").write_bytes(data)
    (docs / "a 100% [odd] name?.md").write_text(
        f"# Crêpes 🥞 {HOSTILE}\n\n🥞🥞 The crêpe stand opens at seven 🥞.\n\nA {HOSTILE} line.\n",
        encoding="utf-8",
    )
    return docs


@pytest.fixture(scope="module")
def kb(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    kb = KnowledgeBase(tmp_path_factory.mktemp("base") / "kb")
    kb.ingest(folder)
    yield kb
    kb.close()


@pytest.fixture(scope="module")
def browser(kb: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with (
        served(kb, models=("extractive",)) as client,
        browsing(str(client.base_url).rstrip("/"), tmp_path_factory.mktemp("browser")) as page,
    ):
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """The browser; whatever a test did, nothing was asked of anybody else and no script was stopped."""
    browser.size(1400)
    yield browser
    assert browser.asked() <= {"own"}
    assert browser.faults() == []
    assert browser.driver.title != "taken"


def ask(page: Page, question: str) -> Any:
    """Ask, wait for the whole answer, and return its element."""
    before = len(page.all("article.answer[data-trace]"))
    page.one(".composer textarea").send_keys(question + "\n")
    page.until(lambda: len(page.all("article.answer[data-trace]")) > before, what="an answer")
    return page.all("article.answer[data-trace]")[-1]


def test_an_answer_opens_at_its_words(page: Page, kb: KnowledgeBase) -> None:
    page.open("/")
    answer = ask(page, "How long is the Heron CV-300 under warranty for private use?")
    assert "36 months" in answer.text
    answer.find_element("css selector", "a.chip").click()
    given = kb.ask("How long is the Heron CV-300 under warranty for private use?").citations[0]
    page.one(".pdf-page img")
    assert letters(page.marked()) == letters(given.quote)
    assert f"/documents/{given.path}#" in page.driver.current_url
    assert f"start={given.start}&end={given.end}" in page.driver.current_url
    assert page.one(".composer").is_displayed()  # the answer stands beside it
    page.driver.back()
    page.until(lambda: not page.one("#beside").is_displayed(), what="the document is closed")
    assert "36 months" in page.all("article.answer")[-1].text


def test_the_three_ways_to_speak(page: Page) -> None:
    page.open("/")
    sure = ask(page, "How long is the Heron CV-300 under warranty for private use?")
    assert "sure" in sure.get_attribute("class") and not sure.find_elements(
        "css selector", ".verdict"
    )
    refused = ask(page, "Who won the world cup 1954?")
    assert "refused" in refused.get_attribute("class")
    assert "'1954' occurs nowhere" in refused.find_element("css selector", ".verdict").text
    assert len(refused.find_elements("css selector", "a.quote")) == 4  # the nearest passages
    unsure = ask(page, "how long is the warranty?")
    assert "unsure" in unsure.get_attribute("class")
    assert "Not sure" in unsure.find_element("css selector", ".verdict").text
    assert page.violations() == []


def test_a_conversation_is_kept_renamed_and_deleted(page: Page, kb: KnowledgeBase) -> None:
    page.open("/")
    ask(page, "How much does the RG-2H cost?")
    name = page.until(
        lambda: next((one.name for one in kb.sessions() if "RG-2H" in one.name), None),
        what="the conversation",
    )
    page.until(lambda: "session=" in page.driver.current_url, what="its address")
    page.driver.refresh()
    page.one("article.answer a.chip")
    assert "RG-2H" in page.one(".turn.question").text
    row = page.one(".sessions a[aria-current]").find_element("xpath", "..")
    page.run("arguments[0].querySelectorAll('button')[0].click()", row)
    field = page.one("dialog input")
    field.clear()
    field.send_keys("Prices\n")
    page.until(lambda: [one.name for one in kb.sessions() if one.name == "Prices"], what="renamed")
    assert name not in [one.name for one in kb.sessions()]
    page.until(lambda: "session=Prices" in page.driver.current_url, what="its new address")
    row = page.one('.sessions a[title="Prices"]').find_element("xpath", "..")
    page.run("arguments[0].querySelectorAll('button')[1].click()", row)
    page.one("dialog .danger").click()
    page.until(lambda: "Prices" not in [one.name for one in kb.sessions()], what="deleted")


def test_feedback_becomes_a_golden_question(page: Page, kb: KnowledgeBase) -> None:
    page.open("/")
    answer = ask(page, "What does the bearing kit for the WS-30 cost?")
    answer.find_element(
        "css selector", '.sources button[aria-label="This passage was right"]'
    ).click()
    golden = kb.directory / "golden.jsonl"
    page.until(golden.exists, what="the golden set")
    kept = json.loads(golden.read_text(encoding="utf-8").splitlines()[-1])
    assert kept["question"] == "What does the bearing kit for the WS-30 cost?"
    assert kept["relevant"][0]["path"] == kb.ask(kept["question"]).citations[0].path


def test_filters_narrow_what_is_asked(page: Page) -> None:
    page.open("/")
    page.one(".composer > .row .button.quiet").click()
    folders = page.one('select[aria-label="Folder"]')
    page.until(lambda: "people/" in folders.text, what="folders")
    folders.find_element("css selector", 'option[value="people"]').click()
    answer = ask(page, "How long is the Heron CV-300 under warranty for private use?")
    places = {one.get_attribute("href") for one in answer.find_elements("css selector", "a.quote")}
    assert places and all("/documents/people/" in place for place in places)


def test_every_kind_of_document_opens_at_the_words(page: Page, kb: KnowledgeBase) -> None:
    chance = random.Random(3)
    kinds = set()
    for stored in kb.documents():
        document = kb.document(stored.path)
        blocks = [one for one in document.blocks if letters(document.text[one.start : one.end])]
        kinds.add(document.format)
        for block in chance.sample(blocks, min(2 if document.format == "pdf" else 1, len(blocks))):
            start = chance.randint(block.start, block.end - 1)
            end = min(block.end, start + chance.choice((12, 60, 200)))
            if not letters(document.text[start:end]):
                continue
            page.open(f"/documents/{quote(stored.path)}#start={start}&end={end}")
            where = f"{stored.path} {start}-{end}"
            assert letters(page.marked()) == letters(document.text[start:end]), where
            page.until(lambda: page.run(VISIBLE), seconds=3, what=f"{where} is seen")
    assert len(kinds) >= 12


def test_a_document_is_paged_zoomed_searched_and_outlined(page: Page, kb: KnowledgeBase) -> None:
    path = "manuals/heron-cv300-manual.pdf"
    page.open(f"/documents/{path}#page=3")
    page.until(lambda: page.one(".page-number").get_attribute("value") == "3", what="page 3")
    page.one('[data-page="3"] .text-layer span')
    shown = page.run("return document.querySelector('[data-page=\"3\"] .text-layer').textContent")
    third = kb.document(path).pages[2]
    assert letters(kb.text(path)[third.start : third.end]) == letters(shown)
    wide = page.one('[data-page="3"]').size["width"]
    page.one('button[aria-label="Larger"]').click()
    page.until(lambda: page.one('[data-page="3"]').size["width"] > 1.1 * wide, what="larger")
    page.one('input[type="search"]').send_keys("bull's-eye\n")
    assert "bull" in page.until(lambda: page.all("mark.hit") and page.marked(), what="a hit")
    assert re.fullmatch(r"1 / \d+", page.one(".count").text)
    page.one('button[aria-label="Outline"]').click()
    link = next(one for one in page.all(".outline a") if "Troubleshooting" in one.text)
    title = link.text
    link.click()
    page.until(lambda: letters(page.marked()) == letters(title), what="the heading")
    page.one('button[aria-label="Show as text"]').click()
    page.one(".prose mark.hit")
    assert letters(page.marked()) == letters(title)
    assert page.violations() == []


def test_a_changed_file_is_said_and_its_text_stays(
    page: Page, kb: KnowledgeBase, folder: Path
) -> None:
    file = folder / "technical" / "tn-14-rain-correction.pdf"
    before = file.read_bytes()
    text = kb.text("technical/tn-14-rain-correction.pdf")
    try:
        file.write_bytes(before + b"\n% changed\n")
        page.open("/documents/technical/tn-14-rain-correction.pdf#start=0&end=30")
        assert "has changed since it was read" in page.one(".notice:not([hidden])").text
        assert letters(page.marked()) == letters(text[:30])
    finally:
        file.write_bytes(before)


def test_places_that_are_not_there(page: Page) -> None:
    page.open("/documents/support/faq.html#start=10&end=99999999")
    assert "does not have" in page.one(".notice:not([hidden])").text
    page.open("/documents/nowhere.pdf")
    assert "nowhere.pdf" in page.one(".verdict").text
    page.open("/traces/0123456789")
    assert "0123456789" in page.one(".verdict").text


def test_what_documents_hold_never_runs(page: Page) -> None:
    page.open("/documents/" + quote("a 100% [odd] name?.md"))
    page.one(".prose h2")
    assert HOSTILE in page.one(".prose").text
    assert not page.all(".prose img, .prose script")
    page.open("/library")
    page.one(".documents")
    assert not page.all("#view script, #view td img")
    page.open(f"/search?q={quote('crêpe stand ' + HOSTILE)}")
    page.one(".hit-list a.quote")
    assert not page.all("#view script, .hits img")


def test_the_library_takes_files_in_and_out(page: Page, kb: KnowledgeBase, tmp_path: Path) -> None:
    good, bad = tmp_path / "ferry times.md", tmp_path / "broken.pdf"
    good.write_text("# Ferry\n\nThe night ferry leaves at 23:40.\n", encoding="utf-8")
    bad.write_bytes(b"%PDF-1.7 nothing")
    page.open("/library")
    page.one(".documents")
    page.one('.drop input[type="file"]').send_keys(f"{good}\n{bad}")
    page.until(lambda: "1 added" in page.one(".work").text, seconds=60, what="the report")
    assert "broken.pdf" in page.one(".work").text
    stored = next(one.path for one in kb.documents() if "ferry times" in one.path)
    assert "23:40" in kb.text(stored)
    assert "broken.pdf" in page.one(".failures").text
    assert page.violations() == []
    page.one('input[type="search"]').send_keys("ferry times")
    page.until(lambda: len(page.all(".documents tbody tr")) == 1, what="one document")
    page.one(".documents button").click()
    page.one("dialog .danger").click()
    page.until(lambda: stored not in [one.path for one in kb.documents()], what="removed")


def test_search_shows_ranks_and_compares_settings(page: Page, kb: KnowledgeBase) -> None:
    question = "warranty of the battery"
    page.open(f"/search?q={quote(question)}")
    page.until(lambda: len(page.all(".hit-list > li")) == 10, what="ten passages")
    first = kb.search(question)[0]
    assert f"#{first.ranks.dense}" in page.one(".reasons").text
    next(one for one in page.all(".search-settings .button") if "Compare" in one.text).click()
    page.until(lambda: len(page.all(".hits")) == 2, what="two columns")
    modes = page.all(".settings:not([hidden]) select")
    next(one for one in page.all(".settings")[1].find_elements("css selector", "option")
         if one.get_attribute("value") == "lexical").click()  # fmt: skip
    page.until(lambda: page.all(".only-here"), what="differences")
    assert modes and page.violations() == []


def test_the_keyboard_reaches_what_matters(page: Page) -> None:
    page.open("/search")
    page.one(".search-form input")
    page.run("document.activeElement.blur()")
    body = page.one("body")
    body.send_keys("/")
    assert page.run("return document.activeElement.matches('.search-form input')")
    page.driver.switch_to.active_element.send_keys("warranty\n")
    page.one(".hit-list a.quote").send_keys("\ue007")  # Enter
    page.one("#beside .document")
    page.one("#beside .stage").send_keys("\ue00c")  # Escape
    page.until(lambda: not page.one("#beside").is_displayed(), what="closed")


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_each_view_is_accessible_and_fits(
    page: Page, kb: KnowledgeBase, width: int, dark: bool
) -> None:
    kb.ask("How long is the warranty?")
    page.size(width)
    page.dark(dark)
    try:
        views = {
            "/": ".idea",
            "/library": ".documents",
            "/search?q=warranty": ".hit-list",
            "/documents/legal/warranty-terms.pdf#start=97&end=246": ".pdf-page mark.hit",
            "/documents/support/price-list-2025.html": ".prose table",
            "/traces": ".trace-row",
        }
        for path, ready in views.items():
            page.open(path)
            page.one(ready)
            assert page.violations() == [], path
            assert page.run("return document.documentElement.scrollWidth") <= width, path
    finally:
        page.dark(False)


def test_the_languages_say_the_same(page: Page) -> None:
    names = [
        set(
            re.findall(
                r"(?:^\s*|[{,] ?)(\w+): [\"\[]", file.read_text(encoding="utf-8"), re.MULTILINE
            )
        )
        for file in (STATIC / "text" / "en.js", STATIC / "text" / "de.js")
    ]
    assert names[0] == names[1] and len(names[0]) > 150
    used = set()
    for script in (STATIC / "script").glob("*.js"):
        used |= set(re.findall(r"\bt\(\"(\w+)\"", script.read_text(encoding="utf-8")))
    assert used <= names[0]
    page.open("/")
    page.one('.foot select option[value="de"]').click()
    page.until(lambda: page.all(".welcome") and "Fragen Sie" in page.one("h1").text, what="German")
    assert page.run("return document.documentElement.lang") == "de"
    page.run("localStorage.clear()")


def test_a_token_is_asked_for(folder: Path, tmp_path: Path) -> None:
    token = "a-token-that-is-long-enough"
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.add("The night ferry leaves at 23:40.", path="ferry.md")
        with (
            served(kb, token=token, read_only=True) as client,
            browsing(str(client.base_url).rstrip("/"), tmp_path / "browser") as page,
        ):
            page.open("/library")
            page.one("dialog input").send_keys(token + "\n")
            page.one(".documents")
            assert not page.one(".drop").is_displayed()  # nothing can be put in
            page.open("/")
            assert "23:40" in ask(page, "When does the night ferry leave?").text
            assert page.asked() <= {"own"}


def test_without_scripts_the_page_says_so(browser: Page) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open("/")
        assert "needs JavaScript" in browser.one("body").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_nothing_of_the_page_is_loaded_from_elsewhere_or_read_as_html() -> None:
    for file in STATIC.rglob("*.*"):
        text = file.read_text(encoding="utf-8")
        foreign = re.findall(r"https?://(?!www\.w3\.org/)[^\s\"')]+", text)
        assert foreign == [], file
        if file.suffix == ".js":
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text
            )
            assert len(text.splitlines()) <= 400
