"""The console of ``ragkit serve``, in a real browser: runs listed, drawn, asked again, compared."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ragkit import KnowledgeBase
from ragkit.events import span
from ragkit.testing import ScriptedModel
from tests.ragkit.browser import Page, browsing
from tests.ragkit.serving import served

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
MANY = 10_000


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    kb = KnowledgeBase(tmp_path_factory.mktemp("base") / "kb")
    kb.add("# Ferry\n\nThe night ferry leaves at 23:40 from pier 6.\n", path="ferry.md")
    kb.add("# Fares\n\nA car costs 31 euros.\n", path="fares.md")
    yield kb
    kb.close()


@pytest.fixture(scope="module")
def web(kb: KnowledgeBase) -> Iterator[httpx.Client]:
    with served(kb) as client:
        yield client


@pytest.fixture(scope="module")
def browser(web: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(str(web.base_url).rstrip("/"), tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    yield browser
    assert browser.asked() <= {"own"}
    assert browser.faults() == []
    assert browser.driver.title != "taken"


def names(page: Page) -> list[str]:
    """The steps that the canvas shows."""
    return list(
        page.run(
            "return Array.from(document.querySelectorAll('.graph [data-id]'),"
            " (one) => one.getAttribute('aria-label'))"
        )
    )


def test_a_run_is_drawn_as_what_happened(page: Page, kb: KnowledgeBase) -> None:
    with ScriptedModel("The night ferry leaves at 23:40 [1].") as model:
        answer = kb.ask("When does the night ferry leave?", model=model)
    page.open(f"/traces/{answer.trace}")
    page.one(".graph [data-id]")
    shown = "\n".join(names(page))
    for step in ("Question: When does", "dense", "lexical", "Answer: The night ferry"):
        assert step in shown
    assert page.all(".edge.way")
    dense = next(
        one for one in page.all(".graph [data-id]") if "dense" in one.get_attribute("aria-label")
    )
    dense.send_keys("\n")
    page.until(lambda: "dense" in page.one(".span-detail h2").text, what="its details")
    assert page.violations() == []
    group = page.one(".group-node[data-id]")
    label = group.get_attribute("aria-label")
    before = len(names(page))
    group.send_keys("\ue012")  # the arrow to the left closes it
    page.until(lambda: len(names(page)) < before, what="closed")
    assert label in names(page)
    page.one("#tab-waterfall").click()
    rows = page.until(lambda: page.all(".span-row"), what="rows")
    assert len(rows) == len(kb.trace(answer.trace).spans)
    page.one("#tab-tree").click()
    page.one(".is-tree .span-row")
    assert page.violations() == []
    page.one("#tab-passages").click()
    used = page.one("tr.used")
    assert "cited [1]" in used.text and "ferry.md" in used.text
    used.find_element("css selector", "a").click()
    assert "23:40" in page.marked()


def test_what_failed_and_what_was_degraded_is_seen_at_once(page: Page, kb: KnowledgeBase) -> None:
    with kb.recording("job", inputs={"question": f"a job {HOSTILE}"}):
        with span("step", "tool") as step:
            step.fail(f"the disk is full {HOSTILE}")
        with span("other", "retrieval") as step:
            step.set(degraded=["the reranker was left out"])
    page.open("/traces")
    page.until(lambda: "a job" in page.one(".trace-rows").text, what="the run")
    assert "Failed" in page.one(".trace-row").text
    page.one(".trace-row a").click()
    page.one(".step-node.failed")
    page.one(".step-node.degraded")
    assert "the reranker was left out" in page.one(".note").text
    page.one(".step-node.failed").send_keys("\n")
    page.until(lambda: HOSTILE in page.one(".span-detail .verdict").text, what="the error as text")


def test_the_list_is_filtered_and_live(page: Page, kb: KnowledgeBase) -> None:
    kb.ask("What does a car cost?")
    kb.ask("Who won in 1954?")
    page.open("/traces")
    page.one(".trace-row")
    page.one('.filters input[type="search"]').send_keys("car cost")
    page.until(lambda: {"What does a car cost?"} == {one.text for one in page.all(".trace-row a")}, what="one")  # fmt: skip
    page.one('.filters input[type="search"]').clear()
    page.one('.filters option[value="refused"]').click()
    page.until(lambda: all("Refused" in one.text for one in page.all(".trace-row")), what="refused")
    assert any("1954" in one.text for one in page.all(".trace-row"))
    page.one('.filters option[value=""]').click()
    kb.ask("Where is pier 6?")
    page.until(lambda: "Where is pier 6?" in page.one(".trace-rows").text, what="the new one")
    assert page.violations() == []


def test_a_question_is_asked_again_and_both_runs_compared(page: Page, kb: KnowledgeBase) -> None:
    trace = kb.ask("When does the night ferry leave?").trace
    page.open(f"/traces/{trace}#replay")
    page.one(".replay-form option[value='compare']").click()
    page.one(".replay-form .primary").click()
    page.until(lambda: len(page.all(".compare article.answer")) == 2, what="both answers")
    other = page.driver.current_url.partition("with=")[2]
    assert kb.trace(other).question == "When does the night ferry leave?"
    assert page.all(".compare tbody tr")
    assert page.violations() == []


def test_exports(web: httpx.Client, kb: KnowledgeBase) -> None:
    trace = kb.trace(kb.ask("Where is pier 6?").trace)
    place = f"/api/traces/{trace.id}/export"
    lines = web.get(place).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [one.id for one in trace.spans]
    page = web.get(place, params={"format": "html"})
    assert "Where is pier 6?" in page.text and "attachment" in page.headers["content-disposition"]
    found: dict[str, Any] = web.get(place, params={"format": "otlp"}).json()
    spans = found["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [one["spanId"] for one in spans] == [one.id for one in trace.spans]
    assert all(int(one["endTimeUnixNano"]) >= int(one["startTimeUnixNano"]) for one in spans)
    assert {one["traceId"] for one in spans} == {trace.id}
    assert web.get(place, params={"format": "pdf"}).status_code == 400


def many_spans(count: int) -> list[dict[str, Any]]:
    """A run of a main agent with a hundred sub-agents, each of which calls tools."""
    begin = time.time()
    spans = [
        {"id": "0" * 16, "parent": None, "name": "run", "kind": "agent", "seconds": count / 100}
    ]
    for number in range(1, count):
        parent = 0 if number <= 100 else 1 + number % 100
        kind = "agent" if number <= 100 else ("model", "tool")[number % 2]
        one = {"id": f"{number:016x}", "parent": f"{parent:016x}", "name": f"{kind} {number}"}
        spans.append({**one, "kind": kind, "seconds": 0.009})
    facts = {"trace": "f" * 32, "status": "ok", "error": None, "attributes": {}, "inputs": None}
    return [
        {**facts, "outputs": None, "started_at": begin + number / 100, **one}
        for number, one in enumerate(spans)
    ]


def test_ten_thousand_spans_stay_in_few_elements(page: Page) -> None:
    page.open("/traces")
    page.one("#view h1")
    # The page's own modules, on spans that no base would keep in one trace.
    page.driver.execute_async_script(
        "const [spans, done] = arguments;"
        "Promise.all(['spans', 'graph', 'rows'].map((name) => import(`/static/script/${name}.js`)))"
        ".then(([spansOf, graph, rows]) => {"
        "  const tree = spansOf.spanTree(spans);"
        "  window.made = {tree, graph: graph.spanGraph(tree, {onPick: () => {}}),"
        "    rows: rows.spanRows(tree, {waterfall: true, onPick: () => {}})};"
        "  const view = document.getElementById('view');"
        "  view.className = 'view console';"
        "  view.replaceChildren(made.graph, made.rows);"
        "  requestAnimationFrame(() => requestAnimationFrame(() => done(true)));"
        "});",
        many_spans(MANY),
    )
    assert page.run("return made.tree.ordered.length") == MANY
    assert page.run("return made.tree.roots[0].sum.spans") == MANY
    assert 1 < page.run("return made.graph.querySelectorAll('[data-id]').length") <= 400
    assert 5 < page.run("return made.rows.querySelectorAll('.span-row').length") < 80
    page.run("made.rows.scrollTop = made.rows.scrollHeight")
    page.until(lambda: str(MANY - 1) in page.run("return made.rows.textContent")
               or "agent 100" in page.run("return made.rows.textContent"), what="the last row")  # fmt: skip
    assert page.run("return made.rows.querySelectorAll('.span-row').length") < 80
