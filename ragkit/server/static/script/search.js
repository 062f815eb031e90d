// Searching, to see why a passage stands where it stands: its ranks, and two settings side by side.

import { placeAddress } from "./app.js";
import { call } from "./api.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { placeName } from "./answer.js";
import { filterFields } from "./filters.js";
import { duration, number, t } from "./texts.js";

const DEFAULTS = { k: 10, mode: "hybrid", rerank: "", diversity: 0, by: "" };

function settings(name) {
  const k = h("input", { type: "number", min: 1, max: 200, value: DEFAULTS.k });
  const choice = (options) => h("select", {}, options.map(([value, text]) => h("option", { value }, text)));
  const mode = choice([["hybrid", t("hybrid")], ["lexical", t("byWords")], ["dense", t("byMeaning")]]);
  const rerank = choice([["", t("none")], ["sentences", t("bySentences")]]);
  const by = choice([["", t("passages")], ["page", t("perPage")], ["document", t("perDocument")]]);
  const diversity = h("input", { type: "range", min: 0, max: 1, step: 0.1, value: 0 });
  return {
    element: h("fieldset", { class: "settings" }, h("legend", {}, name),
      h("label", {}, t("howMany"), k), h("label", {}, t("searchMode"), mode), h("label", {}, t("rerank"), rerank), h("label", {}, t("onePer"), by), h("label", {}, t("diversity"), diversity)),
    value: () => ({ k: Number(k.value) || 10, mode: mode.value, diversity: Number(diversity.value), ...(rerank.value ? { rerank: rerank.value } : {}), ...(by.value ? { by: by.value } : {}) }),
  };
}

export async function openSearch(view, asked) {
  const field = h("input", { type: "search", placeholder: t("searchPlaceholder"), "aria-label": t("question"), value: asked.get("q") ?? "" });
  const one = settings(t("settingsA"));
  const other = settings(t("settingsB"));
  other.element.hidden = true;
  const filters = filterFields();
  filters.fill();
  const results = h("div", { class: "results" });
  const compare = button({ icon: "compare", "aria-pressed": "false", onclick: () => {
    other.element.hidden = !other.element.hidden;
    compare.setAttribute("aria-pressed", String(!other.element.hidden));
    if (field.value.trim()) search();
  } }, t("compareSettings"));
  let running = null;
  const form = h("form", { class: "search-form", role: "search", onsubmit: (event) => { event.preventDefault(); search(); } },
    h("div", { class: "box" }, field, h("button", { class: "button primary round", type: "submit", "aria-label": t("search") }, icon("search"))),
    h("details", { class: "search-settings", open: matchMedia("(min-width: 50rem)").matches }, h("summary", {}, t("settings")), filters.element, h("div", { class: "two" }, one.element, other.element), compare));
  view.append(h("div", { class: "scroll wide" }, h("h1", {}, t("search")), form, results));
  form.addEventListener("change", (event) => { if (event.target !== field && field.value.trim()) search(); });

  async function search() {
    const question = field.value.trim();
    if (!question) return field.focus();
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    const base = asked.get("base");
    history.replaceState(history.state, "", `/search?q=${encodeURIComponent(question)}${base ? `&base=${encodeURIComponent(base)}` : ""}`);
    const ask = (own) => call("/api/search", { method: "POST", signal, body: { question, where: filters.value(), explain: true, ...own.value() } });
    try {
      const two = !other.element.hidden;
      const found = await Promise.all(two ? [ask(one), ask(other)] : [ask(one)]);
      const names = two ? [t("settingsA"), t("settingsB")] : [null];
      const ranks = found.map((result) => new Map(result.hits.map((hit, at) => [key(hit), at + 1])));
      replace(results, h("div", { class: two ? "two" : "" }, found.map((result, at) => column(result, names[at], two ? ranks[1 - at] : null))));
      announce(t("found", { n: found[0].hits.length }));
    } catch (error) {
      if (error.name !== "AbortError") replace(results, h("div", { class: "verdict" }, icon("warning"), h("div", {}, error.message)));
    }
  }
  if (field.value) search();
  else field.focus();
  return () => running?.abort();
}

const key = (hit) => `${hit.path}:${hit.start}`;

function column(result, name, others) {
  const considered = new Map(result.considered.map((one) => [key(one), one]));
  const kept = new Set(result.hits.map(key));
  const dropped = result.considered.filter((one) => !kept.has(key(one)));
  const total = Object.values(result.milliseconds).reduce((sum, one) => sum + one, 0);
  return h("section", { class: "hits", "aria-label": name ?? t("passages") },
    name ? h("h2", {}, name) : null,
    h("p", { class: "faint small" }, t("found", { n: result.hits.length }), ` · ${duration(total / 1000)}`, ...result.notes.map((note) => ` · ${note}`)),
    result.degraded.map((note) => h("p", { class: "note" }, icon("warning"), note)),
    h("ol", { class: "hit-list" }, result.hits.map((hit, at) => {
      const reasons = considered.get(key(hit));
      const elsewhere = others?.get(key(hit));
      return h("li", { class: others && elsewhere === undefined ? "only-here" : null },
        h("a", { class: "quote", href: placeAddress(hit) },
          h("span", { class: "quote-head" }, h("span", { class: "rank" }, String(at + 1)), h("b", {}, placeName(hit)), h("span", { class: "faint" }, hit.heading),
            others ? h("span", { class: "moved" }, elsewhere === undefined ? t("onlyHere") : elsewhere === at + 1 ? "=" : elsewhere > at + 1 ? `▲ ${elsewhere - at - 1}` : `▼ ${at + 1 - elsewhere}`) : null),
          h("span", { class: "quote-text" }, hit.text.length > 420 ? `${hit.text.slice(0, 420)} …` : hit.text)),
        reasonsOf(hit, reasons));
    })),
    dropped.length ? h("details", { class: "dropped" }, h("summary", {}, t("dropped", { n: dropped.length })),
      h("div", { class: "table", tabindex: "0", role: "region", "aria-label": t("dropped", { n: dropped.length }) }, h("table", {}, h("thead", {}, h("tr", {}, [t("document"), t("byWords"), t("byMeaning"), t("fused"), t("why")].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, dropped.map((one) => h("tr", {}, h("td", {}, h("a", { href: placeAddress(one) }, placeName(one))), h("td", {}, rank(one.lexical_rank)), h("td", {}, rank(one.dense_rank)), h("td", {}, number(one.fused_score, 3)), h("td", {}, one.outcome))))))) : null);
}

const rank = (value) => (value === null ? "–" : `#${value}`);

/** Why a passage stands where it stands, as small bars. */
export function reasonsOf(hit, reasons) {
  const bar = (name, place, value) => h("span", { class: "reason" }, h("span", { class: "reason-name" }, name), h("span", { class: "reason-rank" }, place), h("span", { class: "meter", vars: { "--share": Math.max(0, Math.min(1, value ?? 0)) } }));
  const ranks = hit.ranks ?? {};
  return h("div", { class: "reasons" },
    bar(t("byWords"), rank(ranks.lexical ?? null), reasons?.lexical_score),
    bar(t("byMeaning"), rank(ranks.dense ?? null), reasons?.dense_score),
    ranks.rerank ? bar(t("rerank"), rank(ranks.rerank), reasons?.rerank_score) : null,
    bar(t("score"), number(hit.score, 3), hit.score),
    reasons?.boost ? h("span", { class: "reason extra" }, t("boost", { value: number(reasons.boost, 3) })) : null,
    reasons?.repetition ? h("span", { class: "reason extra" }, t("repetition", { value: number(reasons.repetition, 3) })) : null);
}
