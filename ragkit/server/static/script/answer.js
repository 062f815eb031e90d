// An answer as it is shown: what is cited opens, what nothing supports is marked, and how sure it is.

import { app, placeAddress } from "./app.js";
import { call } from "./api.js";
import { button, h, icon, toast } from "./dom.js";
import { duration, number, t } from "./texts.js";

/** The place of a citation or a hit, for people. */
export function placeName({ path, page, line, heading }) {
  const where = page ? t("page", { page }) : line ? t("line", { line }) : heading ? heading.split(" > ").pop() : "";
  return where ? `${path.split("/").pop()}, ${where}` : path.split("/").pop();
}

const chip = (citation) =>
  h("a", { class: "chip", href: placeAddress(citation), title: citation.quote, data: { n: citation.n }, "aria-label": t("source", { n: String(citation.n), place: placeName(citation) }) }, String(citation.n));

/** Text with `[n]` as chips, sentences that nothing supports marked, and its lines as paragraphs. */
function body(text, citations, unsupported) {
  const byNumber = new Map(citations.map((citation) => [citation.n, citation]));
  const marks = new Set();
  for (const sentence of unsupported) {
    const at = text.indexOf(sentence);
    if (at >= 0) for (let place = at; place < at + sentence.length; place++) marks.add(place);
  }
  const parts = [];
  let line = [];
  let piece = "";
  let marked = false;
  const flush = () => {
    if (piece) line.push(marked ? h("span", { class: "unsupported", title: t("unsupported") }, piece) : piece);
    piece = "";
  };
  const end = () => {
    flush();
    if (line.length) parts.push(line);
    line = [];
  };
  for (let place = 0; place < text.length; place++) {
    const cited = text[place] === "[" ? /^\[(\d{1,4})\]/.exec(text.slice(place, place + 6)) : null;
    if (cited && byNumber.has(Number(cited[1]))) {
      flush();
      const last = line.at(-1);
      if (typeof last === "string") line[line.length - 1] = last.replace(/ $/, "\u00a0");
      line.push(chip(byNumber.get(Number(cited[1]))));
      place += cited[0].length - 1;
    } else if (text[place] === "\n") {
      end();
    } else {
      if (marks.has(place) !== marked) flush();
      marked = marks.has(place);
      piece += text[place];
    }
  }
  end();
  return parts.map((content) => {
    const bullet = typeof content[0] === "string" && /^[-*•] /.test(content[0]);
    if (bullet) content[0] = content[0].slice(2);
    return h(bullet ? "div" : "p", { class: bullet ? "bullet" : null }, content);
  });
}

const quoteCard = (item, number_, text, extra) =>
  h("li", {},
    h("a", { class: "quote", href: placeAddress(item) },
      h("span", { class: "quote-head" }, number_ ? h("span", { class: "chip still" }, String(number_)) : null, h("b", {}, placeName(item)),
        item.heading ? h("span", { class: "faint" }, item.heading) : null),
      h("span", { class: "quote-text" }, text)),
    extra);

const short = (text, most = 260) => (text.length > most ? `${text.slice(0, most).trimEnd()} …` : text);

/** Draw an answer. `hits` are the passages it was drawn from; `question` is what was asked. */
export function answerCard(answer, { hits = [], question = "", quiet = false } = {}) {
  const state = answer.refused ? "refused" : answer.sure === false && answer.reason ? "unsure" : "sure";
  const text = state === "unsure" ? answer.text.replace(/^[^\n]*:\n/, "") : answer.text;
  const near = state === "refused" ? hits.slice(0, 4) : [];
  const copy = async () => {
    const sources = answer.citations.map((one) => `[${one.n}] ${one.path}${one.page ? `, ${t("page", { page: one.page })}` : ""}: “${one.quote}”\n    ${location.origin}${placeAddress(one)}`);
    await navigator.clipboard.writeText([answer.text, ...(sources.length ? ["", ...sources] : [])].join("\n"));
    toast(t("copied"));
  };
  const places = (list) => list.map(({ path, page, start, end }) => ({ path, page, start, end }));
  const say = async (pressed, body, thanks) => {
    try {
      await call("/api/feedback", { method: "POST", body: { question, trace: answer.trace, answer: answer.text, ...body } });
      pressed.setAttribute("aria-pressed", "true");
      toast(thanks);
    } catch (error) {
      toast(error.message, "bad");
    }
  };
  const rated = quiet || !question || app.readOnly() ? null : [
    answer.citations.length ? button({ icon: "up", label: t("good"), kind: "quiet", onclick: (event) => say(event.currentTarget, { rating: "right", relevant: places(answer.citations) }, t("thanks")) }) : null,
    button({ icon: "down", label: t("bad"), kind: "quiet", onclick: (event) => say(event.currentTarget, { rating: "wrong" }, t("thanks")) })];
  const right = (citation) => (rated ? button({ icon: "check", kind: "quiet", label: t("wasRight"), onclick: (event) => say(event.currentTarget, { rating: "right", relevant: places([citation]) }, t("keptAsRight")) }) : null);
  return h("article", { class: `answer ${state}`, data: { trace: answer.trace } },
    state === "sure" ? null : h("div", { class: "verdict" }, icon("warning"),
      h("div", {}, h("b", {}, t(state)), answer.reason ? h("span", {}, ` ${answer.reason}`) : null)),
    h("div", { class: "answer-text" }, body(text, answer.citations, answer.unsupported)),
    answer.unsupported.length ? h("p", { class: "note" }, icon("warning"), t("unsupportedNote", { n: answer.unsupported.length })) : null,
    answer.degraded.length ? h("div", { class: "note", role: "note" }, icon("warning"), h("div", {}, t("degraded"), h("ul", {}, answer.degraded.map((one) => h("li", {}, one))))) : null,
    answer.citations.length ? h("details", { class: "sources", open: !quiet }, h("summary", {}, t("sources", { n: answer.citations.length })),
      h("ol", {}, answer.citations.map((one) => quoteCard(one, one.n, short(one.quote), right(one))))) : null,
    near.length ? h("div", { class: "sources" }, h("h2", {}, t("nearest")), h("ol", {}, near.map((one) => quoteCard(one, null, short(one.text), right(one))))) : null,
    h("div", { class: "meta" },
      button({ icon: "copy", label: t("copy"), kind: "quiet", onclick: () => copy().catch((error) => toast(error.message, "bad")) }),
      rated,
      h("span", { class: "faint" }, [
        answer.model,
        answer.seconds !== undefined ? duration(answer.seconds) : null,
        answer.confidence !== null && answer.confidence !== undefined ? t("confidence", { value: number(answer.confidence * 100) }) : null,
        answer.usage?.input_tokens ? t("tokens", { read: answer.usage.input_tokens, written: answer.usage.output_tokens }) : null,
        answer.cached ? t("cached") : null,
      ].filter(Boolean).join(" · ")),
      answer.trace ? h("a", { class: "faint", href: `/traces/${answer.trace}` }, t("howItCame")) : null));
}
