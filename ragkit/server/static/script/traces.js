// All that was asked and run: a list with filters, live, and how it went over time.

import { go } from "./app.js";
import { call } from "./api.js";
import { button, h, icon, replace, s } from "./dom.js";
import { outcomeName, stateOf, TEXTS } from "./outcome.js";
import { duration, moment, number, t } from "./texts.js";

const EVERY = 2000; // milliseconds between two looks, while live
const ROW = 44; // pixels: only the rows that are seen are drawn

export async function openTraces(view) {
  const text = h("input", { type: "search", placeholder: t("filterTraces"), "aria-label": t("filterTraces") });
  const choice = (label, options) => h("label", {}, label, h("select", {}, options.map(([value, name]) => h("option", { value }, name))));
  const state = choice(t("state"), [["", t("all")], ["answered", t("answered")], ["refused", t("refusedShort")], ["unsure", t("unsure")], ["failed", t("failedShort")], ["degraded", t("degradedShort")]]);
  const kind = choice(t("kind"), [["", t("all")]]);
  const model = choice(t("model"), [["", t("all")]]);
  const slow = h("input", { type: "number", min: 0, step: 100, placeholder: "0" });
  const dear = h("input", { type: "number", min: 0, step: 0.001, placeholder: "0" });
  const live = h("input", { type: "checkbox", checked: true, role: "switch" });
  const plots = h("div", { class: "plots" });
  const count = h("p", { class: "faint small", role: "status" });
  const rows = h("div", { class: "trace-rows", role: "rowgroup" });
  const scroll = h("div", { class: "trace-scroll", tabindex: "0", role: "table", "aria-label": t("traces") }, rows);
  const picked = new Set();
  const compare = button({ icon: "compare", disabled: true, onclick: () => go(`/traces/${[...picked][0]}?with=${[...picked][1]}`) }, t("compareTwo"));
  view.append(h("div", { class: "console-list" },
    h("header", { class: "row between" }, h("h1", {}, t("traces")), h("div", { class: "row" }, compare, h("label", { class: "switch" }, live, t("live")))),
    plots,
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault(), oninput: () => draw(), onchange: () => draw() }, text, state, kind, model,
      h("label", {}, t("slowerThan"), slow), h("label", {}, t("dearerThan"), dear)),
    count, scroll));
  let all = [];
  let shown = [];
  let ended = false;

  const fill = (label, values) => {
    const select = label.querySelector("select");
    const chosen = select.value;
    const names = ["", ...values];
    if ([...select.options].map((one) => one.value).join() === names.join()) return;
    replace(select, names.map((value) => h("option", { value, selected: value === chosen }, value || t("all"))));
  };
  async function load() {
    try {
      all = (await call("/api/traces?limit=1000")).traces;
    } catch (error) {
      replace(count, error.message);
      return;
    }
    fill(kind, [...new Set(all.map((one) => one.kind))].sort());
    fill(model, [...new Set(all.map((one) => one.model).filter(Boolean))].sort());
    draw();
  }
  function draw() {
    const wanted = text.value.trim().toLowerCase();
    const value = (label) => label.querySelector("select").value;
    shown = all.filter((one) =>
      (!wanted || one.question.toLowerCase().includes(wanted) || one.id.startsWith(wanted) || one.session?.toLowerCase().includes(wanted)) &&
      (!value(state) || value(state) === stateOf(one)) && (!value(kind) || value(kind) === one.kind) && (!value(model) || value(model) === one.model) &&
      one.seconds * 1000 >= Number(slow.value || 0) && (one.usage?.cost ?? 0) >= Number(dear.value || 0));
    replace(count, t("tracesShown", { n: shown.length, all: all.length }));
    rows.style.setProperty("height", `${shown.length * ROW}px`);
    replace(plots, timePlot(shown), stateBar(shown), costPlot(shown));
    paint();
  }
  function paint() {
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, Math.ceil((scroll.scrollTop + scroll.clientHeight) / ROW) + 5);
    replace(rows, shown.slice(first, last).map((one, at) => {
      const own = stateOf(one);
      return h("div", { class: "trace-row", role: "row", vars: { "--top": `${(first + at) * ROW}px` } },
        h("span", { role: "cell" }, h("input", { type: "checkbox", checked: picked.has(one.id), "aria-label": t("pick", { name: one.question || one.kind }), onchange: (event) => {
          if (event.target.checked) picked.add(one.id);
          else picked.delete(one.id);
          if (picked.size > 2) { picked.delete([...picked][0]); paint(); }
          compare.disabled = picked.size !== 2;
        } })),
        h("span", { role: "cell", class: `state ${own}` }, h("i", { class: "dot", "aria-hidden": "true" }), t(outcomeName(one))),
        h("span", { role: "cell", class: "what" }, h("a", { href: `/traces/${one.id}` }, one.question || one.kind)),
        h("span", { role: "cell", class: "faint" }, one.kind),
        h("span", { role: "cell", class: "faint" }, one.model ?? ""),
        h("span", { role: "cell", class: "number" }, one.usage?.calls ? t("tokensShort", { n: one.usage.input_tokens + one.usage.output_tokens }) : "–"),
        h("span", { role: "cell", class: "number" }, one.usage?.cost ? `$${number(one.usage.cost, 4)}` : "–"),
        h("span", { role: "cell", class: "number" }, duration(one.seconds)),
        h("time", { role: "cell", class: "faint" }, moment(one.started_at)));
    }));
    if (!shown.length) replace(rows, h("p", { class: "empty", role: "row" }, h("span", { role: "cell" }, all.length ? t("noMatch") : t("noTraces"))));
  }
  scroll.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
  addEventListener("resize", paint);
  await load();
  const look = async () => {
    if (ended) return;
    if (live.checked && !document.hidden) {
      const before = all[0]?.id;
      const newest = await call("/api/traces?limit=1").catch(() => null);
      if (newest?.traces[0] && newest.traces[0].id !== before) await load();
    }
    setTimeout(look, EVERY);
  };
  setTimeout(look, EVERY);
  return () => { ended = true; removeEventListener("resize", paint); };
}

/** Times as dots, with what half, nine of ten and ninety-nine of a hundred stayed below. */
function timePlot(traces) {
  if (!traces.length) return null;
  const sorted = traces.map((one) => one.seconds).sort((one, other) => one - other);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  const most = Math.max(...sorted, 1e-6);
  const few = traces.slice(0, 400).reverse();
  const height = (seconds) => 56 - 52 * Math.sqrt(seconds / most);
  return h("figure", { class: "plot" }, h("figcaption", {}, t("times"), h("span", { class: "faint" }, ` p50 ${duration(at(0.5))} · p90 ${duration(at(0.9))} · p99 ${duration(at(0.99))}`)),
    s("svg", { viewBox: "0 0 400 60", preserveAspectRatio: "none", role: "img", "aria-label": `${t("times")}: p50 ${duration(at(0.5))}, p90 ${duration(at(0.9))}, p99 ${duration(at(0.99))}` },
      [0.5, 0.9, 0.99].map((share) => s("line", { x1: 0, x2: 400, y1: height(at(share)), y2: height(at(share)), class: "guide" })),
      few.map((one, place) => s("circle", { cx: 4 + (392 * place) / Math.max(1, few.length - 1), cy: height(one.seconds), r: 2.4, class: one.failed ? "bad" : "good" }))));
}

function stateBar(traces) {
  if (!traces.length) return null;
  const counts = new Map();
  for (const one of traces) counts.set(stateOf(one), (counts.get(stateOf(one)) ?? 0) + 1);
  let left = 0;
  const parts = ["answered", "unsure", "refused", "degraded", "failed"].filter((name) => counts.has(name));
  const label = (name) => t(TEXTS[name]);
  return h("figure", { class: "plot" }, h("figcaption", {}, t("outcomes"), h("span", { class: "faint" }, ` ${parts.map((name) => `${label(name)} ${number(counts.get(name))}`).join(" · ")}`)),
    s("svg", { viewBox: "0 0 400 60", preserveAspectRatio: "none", role: "img", "aria-label": parts.map((name) => `${label(name)} ${counts.get(name)}`).join(", ") },
      parts.map((name) => {
        const wide = (400 * counts.get(name)) / traces.length;
        left += wide;
        return s("rect", { x: left - wide, y: 22, width: Math.max(1, wide - 2), height: 20, rx: 3, class: `fill-${name}` });
      })));
}

function costPlot(traces) {
  const days = new Map();
  for (const one of traces) {
    const day = new Date(one.started_at * 1000).toISOString().slice(0, 10);
    const own = days.get(day) ?? { count: 0, cost: 0 };
    days.set(day, { count: own.count + 1, cost: own.cost + (one.usage?.cost ?? 0) });
  }
  const list = [...days].sort().slice(-30);
  if (!list.length) return null;
  const total = list.reduce((sum, [, day]) => sum + day.cost, 0);
  const measure = total > 0 ? (day) => day.cost : (day) => day.count;
  const most = Math.max(...list.map(([, day]) => measure(day)), 1e-9);
  const wide = 400 / Math.max(8, list.length);
  return h("figure", { class: "plot" }, h("figcaption", {}, total > 0 ? t("costPerDay") : t("runsPerDay"), h("span", { class: "faint" }, total > 0 ? ` $${number(total, 4)}` : ` ${number(traces.length)}`)),
    s("svg", { viewBox: "0 0 400 60", preserveAspectRatio: "none", role: "img", "aria-label": total > 0 ? t("costPerDay") : t("runsPerDay") },
      list.map(([day, own], at) => s("rect", { x: at * wide + 1, y: 58 - 54 * (measure(own) / most), width: wide - 3, height: 54 * (measure(own) / most) + 1, rx: 2, class: "fill-answered" }, s("title", {}, `${day}: ${number(own.count)}`)))));
}

