// One run: as a graph, a waterfall or a tree, with what went in and out; its passages; asked again.

import { app, go, placeAddress } from "./app.js";
import { call, download } from "./api.js";
import { button, h, icon, replace, toast } from "./dom.js";
import { answerCard, placeName } from "./answer.js";
import { reasonsOf } from "./search.js";
import { spanGraph } from "./graph.js";
import { spanRows } from "./rows.js";
import { degradedOf, spanTree, stateOf } from "./spans.js";
import { outcomeName } from "./outcome.js";
import { duration, moment, number, t } from "./texts.js";

const VIEWS = ["canvas", "waterfall", "tree", "passages", "replay"];
const EVERY = 1500;

export async function openTrace(view, id, asked) {
  let trace;
  try {
    trace = await call(`/api/traces/${encodeURIComponent(id)}`);
  } catch (error) {
    replace(view, h("div", { class: "scroll" }, h("h1", {}, t("traces")), h("div", { class: "verdict" }, icon("warning"), h("div", {}, error.message)), h("p", {}, h("a", { href: "/traces" }, t("allTraces")))));
    return undefined;
  }
  const other = asked.get("with");
  if (other) return compared(view, trace, other);
  const tree = spanTree(trace.spans);
  const detail = h("aside", { class: "span-detail", "aria-label": t("details"), tabindex: "0" });
  const stage = h("div", { class: "trace-stage", id: "trace-stage", role: "tabpanel", "aria-labelledby": "tab-canvas", tabindex: "-1" });
  const tabs = VIEWS.map((name) => h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "trace-stage", onclick: () => show(name), onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { const next = tabs[(VIEWS.indexOf(name) + step + VIEWS.length) % VIEWS.length]; next.focus(); next.click(); }
  } }, t(name)));
  const root = tree.roots[0];
  const sum = tree.roots.reduce((all, node) => ({ calls: all.calls + node.sum.calls, tokens: all.tokens + node.sum.read + node.sum.written, cost: all.cost + node.sum.cost, failed: all.failed + node.sum.failed }), { calls: 0, tokens: 0, cost: 0, failed: 0 });
  const degraded = [...new Set(tree.ordered.flatMap((node) => degradedOf(node.span)))];
  const facts = [[t("state"), root ? t(outcomeName(trace)) : "–"], [t("time"), duration(trace.seconds)], [t("steps"), number(trace.spans.length)],
    [t("modelCalls"), number(sum.calls)], [t("tokensName"), number(sum.tokens)], [t("cost"), sum.cost ? `$${number(sum.cost, 4)}` : "–"], [t("started"), moment(trace.started_at)]];
  const save = (kind, ending) => download(`/api/traces/${trace.id}/export?format=${kind}`, `${trace.id}.${ending}`).catch((error) => toast(error.message, "bad"));
  view.append(h("div", { class: "console" },
    h("header", { class: "console-head" },
      h("div", {}, h("p", { class: "faint small" }, h("a", { href: "/traces" }, t("traces")), ` / ${trace.kind} / ${trace.id.slice(0, 8)}`), h("h1", {}, trace.question || trace.kind)),
      h("div", { class: "row" }, button({ icon: "download", kind: "quiet", onclick: () => save("jsonl", "jsonl") }, "JSONL"), button({ icon: "download", kind: "quiet", onclick: () => save("html", "html") }, "HTML"), button({ icon: "download", kind: "quiet", onclick: () => save("otlp", "json") }, "OTLP"))),
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    degraded.length ? h("div", { class: "note", role: "note" }, icon("warning"), h("ul", {}, degraded.map((one) => h("li", {}, one)))) : null,
    trace.spans_dropped ? h("p", { class: "note" }, t("spansDropped", { n: trace.spans_dropped })) : null,
    h("div", { class: "tabs", role: "tablist", "aria-label": t("views") }, tabs),
    h("div", { class: "trace-body" }, stage, detail)));

  const pick = (node, end) => replace(detail, end?.kind === "end" ? endDetail(end) : node ? spanDetail(node) : "");
  function show(name) {
    for (const [at, tab] of tabs.entries()) {
      tab.setAttribute("aria-selected", String(VIEWS[at] === name));
      tab.tabIndex = VIEWS[at] === name ? 0 : -1;
    }
    stage.setAttribute("aria-labelledby", `tab-${name}`);
    detail.hidden = name === "passages" || name === "replay";
    history.replaceState(history.state, "", `${location.pathname}${location.search}#${name}`);
    if (!trace.spans.length && name !== "replay") replace(stage, h("p", { class: "empty" }, t("noSpans")));
    else if (name === "canvas") replace(stage, spanGraph(tree, { onPick: pick }));
    else if (name === "passages") replace(stage, passages(tree));
    else if (name === "replay") replace(stage, replay(trace));
    else replace(stage, spanRows(tree, { waterfall: name === "waterfall", onPick: pick }));
  }
  pick(root);
  const wanted = location.hash.slice(1);
  show(VIEWS.includes(wanted) ? wanted : "canvas");

  // What still runs is drawn again as it grows.
  let ended = false;
  const running = trace.running === true;
  const look = async () => {
    if (ended) return;
    const now = await call(`/api/traces/${trace.id}`).catch(() => null);
    if (now && now.spans.length !== trace.spans.length) { view.replaceChildren(); openTrace(view, id, asked); return; }
    setTimeout(look, EVERY);
  };
  if (running) setTimeout(look, EVERY);
  return () => { ended = true; };
}

function endDetail(end) {
  return [h("h2", {}, t(`node_${end.name}`)), h("p", { class: "pre" }, end.text)];
}

function spanDetail(node) {
  const { span, sum } = node;
  const part = (name, value) => (value === null || value === undefined || (typeof value === "object" && !Object.keys(value).length) ? null : h("section", {}, h("h3", {}, name), content(value)));
  return [
    h("h2", {}, h("i", { class: `dot kind-${span.kind}`, "aria-hidden": "true" }), span.name),
    h("p", { class: "faint small" }, [span.kind, duration(span.seconds), sum.calls ? t("tokens", { read: sum.read, written: sum.written }) : null, sum.cost ? `$${number(sum.cost, 4)}` : null, sum.spans > 1 ? t("stepsInside", { n: sum.spans - 1 }) : null].filter(Boolean).join(" · ")),
    stateOf(span) === "fine" ? null : h("div", { class: "verdict" }, icon("warning"), h("div", {}, span.error ?? t(span.status === "cancelled" ? "cancelled" : "degradedShort"))),
    part(t("factsName"), span.attributes), part(t("inputs"), span.inputs), part(t("outputs"), span.outputs),
  ];
}

/** Any value: texts as they are, passages as links, the rest as it is written in JSON. */
function content(value) {
  if (typeof value === "string") return h("p", { class: "pre" }, value);
  if (typeof value !== "object" || value === null) return h("p", { class: "pre" }, String(value));
  const entries = Object.entries(value);
  return h("dl", { class: "values" }, entries.slice(0, 200).map(([name, one]) => h("div", {}, h("dt", {}, name),
    h("dd", {}, name === "hits" && Array.isArray(one) ? h("ol", {}, one.map((hit) => h("li", {}, hit.path ? h("a", { href: placeAddress(hit) }, placeName(hit)) : JSON.stringify(hit))))
      : typeof one === "string" ? h("span", { class: "pre" }, one) : one !== null && typeof one === "object" ? h("pre", { tabindex: "0" }, JSON.stringify(one, null, 1)) : String(one)))));
}

/** The passages of each search: how each rank came about, and what the answer cites of them. */
function passages(tree) {
  const answer = tree.roots.map((node) => node.span.outputs?.answer).find((one) => one && typeof one === "object");
  const cited = answer?.citations ?? [];
  const searches = tree.ordered.filter((node) => Array.isArray(node.span.outputs?.hits));
  if (!searches.length) return h("p", { class: "empty" }, t("noPassages"));
  return h("div", { class: "scroll wide" }, searches.map((node) => h("section", {},
    h("h2", {}, `${node.span.name} `, h("span", { class: "faint" }, node.span.inputs?.question ?? "")),
    h("div", { class: "table", tabindex: "0", role: "region", "aria-label": t("passages") }, h("table", { class: "lane" },
      h("thead", {}, h("tr", {}, [t("place"), t("byWords"), t("byMeaning"), t("rerank"), t("score"), t("document"), t("fate")].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, node.span.outputs.hits.map((hit, at) => {
        const used = cited.filter((one) => one.path === hit.path && one.start < hit.end && hit.start < one.end);
        return h("tr", { class: used.length ? "used" : null }, h("td", {}, h("span", { class: "rank" }, String(at + 1))), h("td", {}, cell(hit.ranks?.lexical)), h("td", {}, cell(hit.ranks?.dense)), h("td", {}, cell(hit.ranks?.rerank)), h("td", {}, number(hit.score, 3)),
          h("td", {}, h("a", { href: placeAddress(hit) }, placeName(hit)), h("div", { class: "faint small clamp" }, hit.text)),
          h("td", {}, used.length ? h("b", {}, t("cited", { n: used.map((one) => `[${one.n}]`).join(" ") })) : t("keptShort")));
      })))))));
}

const cell = (rank) => (rank ? `#${rank}` : "–");

/** The same question with other settings, beside what was said then. */
function replay(trace) {
  const field = h("textarea", { rows: 2, "aria-label": t("question") });
  field.value = trace.question ?? "";
  const model = h("select", {}, [...new Set(app.status?.models ?? ["ragkit"])].map((name) => h("option", { value: name }, name === "ragkit" ? t("ownModel") : name)));
  const mode = h("select", {}, [["", t("modeDefault")], ["simple", t("modeSimple")], ["compare", t("modeCompare")], ["agentic", t("modeAgentic")]].map(([value, name]) => h("option", { value }, name)));
  const cache = h("input", { type: "checkbox" });
  const place = h("div", { class: "replayed" });
  const form = h("form", { class: "replay-form", onsubmit: async (event) => {
    event.preventDefault();
    replace(place, h("p", { role: "status" }, t("looking")));
    try {
      const body = { question: field.value, cache: cache.checked, model: model.value === "ragkit" ? null : model.value, ...(mode.value ? { mode: mode.value } : {}) };
      const answer = await call("/api/ask", { method: "POST", body });
      go(`/traces/${trace.id}?with=${answer.trace}`);
    } catch (error) {
      replace(place, h("div", { class: "verdict" }, icon("warning"), h("div", {}, error.message)));
    }
  } },
  h("p", {}, t("replayText")), field,
  h("div", { class: "row" }, h("label", {}, t("model"), model), h("label", {}, t("mode"), mode), h("label", { class: "switch" }, cache, t("useCache"))),
  h("button", { class: "button primary", type: "submit" }, t("askAgain")));
  return h("div", { class: "scroll" }, form, place);
}

/** Two runs side by side: their answers, their steps, and what differs. */
async function compared(view, one, otherId) {
  let other;
  try {
    other = await call(`/api/traces/${encodeURIComponent(otherId)}`);
  } catch (error) {
    replace(view, h("div", { class: "verdict" }, icon("warning"), h("div", {}, error.message)));
    return undefined;
  }
  const traces = [one, other];
  const trees = traces.map((trace) => spanTree(trace.spans));
  const sums = trees.map((tree) => {
    const steps = new Map();
    for (const node of tree.ordered) {
      const own = steps.get(node.span.name) ?? { seconds: 0, count: 0, kind: node.span.kind };
      steps.set(node.span.name, { ...own, seconds: own.seconds + node.span.seconds, count: own.count + 1 });
    }
    return steps;
  });
  const names = [...new Set(sums.flatMap((steps) => [...steps.keys()]))];
  const hitsOf = (tree) => tree.ordered.flatMap((node) => (Array.isArray(node.span.outputs?.hits) ? node.span.outputs.hits : []));
  const hits = trees.map(hitsOf);
  const places = hits.map((list) => new Map(list.map((hit, at) => [`${hit.path}:${hit.start}`, at + 1])));
  const text = (tree) => {
    const outputs = tree.roots[0]?.span.outputs;
    const said = outputs?.answer ?? outputs;
    return said;
  };
  const card = (trace, tree) => {
    const said = text(tree);
    const facts = tree.roots[0]?.span.attributes ?? {};
    const answer = typeof said === "object" && said !== null ? said : { text: said ?? "", citations: [] };
    return answerCard({ unsupported: [], degraded: Array.isArray(facts.degraded) ? facts.degraded : [], refused: facts.refused ?? false, sure: facts.sure, reason: null, model: facts.model ?? "", seconds: trace.seconds, trace: trace.id, ...answer, citations: Array.isArray(answer.citations) ? answer.citations : [] }, { quiet: true });
  };
  const same = JSON.stringify(text(trees[0])?.text ?? text(trees[0])) === JSON.stringify(text(trees[1])?.text ?? text(trees[1]));
  view.append(h("div", { class: "scroll wide compare" },
    h("p", { class: "faint small" }, h("a", { href: "/traces" }, t("traces")), ` / ${t("compareTwo")}`),
    h("h1", {}, one.question || one.kind),
    h("p", { class: same ? "note good" : "note" }, icon(same ? "check" : "compare"), t(same ? "sameAnswer" : "otherAnswer")),
    h("div", { class: "two" }, traces.map((trace, at) => h("section", {}, h("h2", {}, h("a", { href: `/traces/${trace.id}` }, `${at ? "B" : "A"} · ${moment(trace.started_at)}`)), card(trace, trees[at])))),
    h("h2", {}, t("steps")),
    h("div", { class: "table", tabindex: "0", role: "region", "aria-label": t("steps") }, h("table", {}, h("thead", {}, h("tr", {}, [t("step"), "A", "B", t("difference")].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, names.map((name) => {
        const [a, b] = sums.map((steps) => steps.get(name));
        const change = (b?.seconds ?? 0) - (a?.seconds ?? 0);
        return h("tr", { class: !a || !b ? "only-here" : null }, h("td", {}, h("i", { class: `dot kind-${(a ?? b).kind}`, "aria-hidden": "true" }), name), h("td", {}, a ? `${duration(a.seconds)}${a.count > 1 ? ` × ${a.count}` : ""}` : "–"), h("td", {}, b ? `${duration(b.seconds)}${b.count > 1 ? ` × ${b.count}` : ""}` : "–"), h("td", {}, `${change > 0 ? "+" : change < 0 ? "−" : ""}${duration(Math.abs(change))}`));
      })))),
    h("h2", {}, t("passages")),
    h("div", { class: "two" }, hits.map((list, at) => h("ol", { class: "hit-list" }, list.slice(0, 20).map((hit, place) => {
      const elsewhere = places[1 - at].get(`${hit.path}:${hit.start}`);
      return h("li", { class: elsewhere === undefined ? "only-here" : null }, h("a", { class: "quote", href: placeAddress(hit) }, h("span", { class: "quote-head" }, h("span", { class: "rank" }, String(place + 1)), h("b", {}, placeName(hit)), h("span", { class: "moved" }, elsewhere === undefined ? t("onlyHere") : elsewhere === place + 1 ? "=" : elsewhere > place + 1 ? `▲ ${elsewhere - place - 1}` : `▼ ${place + 1 - elsewhere}`))), reasonsOf(hit, null));
    }))))));
  return undefined;
}
