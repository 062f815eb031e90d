// A document's text with its headings, lists, tables and code, and the words that are cited marked.
// Everything is text: what a document holds cannot become part of the page.

import { h } from "./dom.js";
import { t } from "./texts.js";

const GROUP = 120; // blocks that are drawn at a time

export function textBlocks(stage, found, points, { onPage }) {
  const levels = new Map(found.sections.map((section) => [section.start, section.level]));
  const blocks = found.blocks.length ? found.blocks : [{ kind: "paragraph", start: 0, end: points.length, header_end: null }];
  const starts = new Map(found.pages.map((page) => [page.start, page.number]));
  const groups = [];
  for (let first = 0; first < blocks.length; first += GROUP) {
    const own = blocks.slice(first, first + GROUP);
    groups.push({ blocks: own, start: own[0].start, end: own.at(-1).end, element: h("div", { class: "group" }), drawn: false });
  }
  const body = h("div", { class: `prose ${["code", "text"].includes(found.type) ? "is-plain" : ""}` }, groups.map((group) => group.element));
  let place = { start: null, end: null };
  let ended = false;
  let size = 1;
  let tables = 0;
  stage.replaceChildren(body);

  const marked = (start, end) => place.start !== null && place.start < end && start < Math.max(place.end, place.start + 1);

  /** Text from `start` to `end`, with what is cited of it as a mark. */
  function words(start, end) {
    if (!marked(start, end) || place.end === place.start) return [points.cut(start, end)];
    const from = Math.max(start, place.start);
    const to = Math.min(end, place.end);
    return [points.cut(start, from), h("mark", { class: "hit" }, points.cut(from, to)), points.cut(to, end)].filter((part) => part !== "");
  }

  function table(block) {
    const rows = [];
    let position = block.start;
    const lines = points.cut(block.start, block.end).split("\n");
    const header = block.header_end ?? block.start;
    for (const line of lines) {
      const length = [...line].length;
      if (!/^\s*\|?[\s:|-]*-{2,}[\s:|-]*$/.test(line)) {
        const kind = position < header ? "th" : "td";
        const cells = cellsOf(line, found.type).map(([from, to]) => h(kind, { scope: kind === "th" ? "col" : null }, words(position + from, position + to)));
        rows.push(h("tr", {}, cells));
      }
      position += length + 1;
    }
    return h("div", { class: "table", tabindex: "0", role: "region", "aria-label": `${t("table")} ${++tables}` }, h("table", {}, h("tbody", {}, rows)));
  }

  function drawn(block) {
    if (block.kind === "table") return table(block);
    if (block.kind === "heading") {
      const level = Math.min(6, (levels.get(block.start) ?? 1) + 1);
      const own = points.cut(block.start, block.end);
      const sign = found.type === "markdown" ? (/^#{1,6}\s+/.exec(own)?.[0].length ?? 0) : 0;
      return h(`h${level}`, {}, sign ? h("span", { class: "sign", "aria-hidden": "true" }, words(block.start, block.start + sign)) : null, words(block.start + sign, block.end));
    }
    if (block.kind === "code") return h("pre", { tabindex: "0" }, h("code", {}, words(block.start, block.end)));
    return h("p", { class: block.kind === "list_item" ? "item" : null }, words(block.start, block.end));
  }

  function draw(group) {
    if (group.drawn) return;
    group.drawn = true;
    group.element.replaceChildren(...group.blocks.flatMap((block) => {
      const page = starts.get(block.start);
      const parts = [drawn(block)];
      if (page !== undefined) parts.unshift(h("div", { class: "page-break", data: { page } }, t("page", { page })));
      return parts;
    }));
  }

  const rest = () => {
    if (ended) return;
    const next = groups.find((group) => !group.drawn);
    if (!next) return;
    const before = next.element.offsetTop < stage.scrollTop ? stage.scrollHeight : null;
    draw(next);
    if (before !== null) stage.scrollTop += stage.scrollHeight - before;
    setTimeout(rest, 8);
  };
  const tell = () => {
    const breaks = [...body.querySelectorAll(".page-break")];
    const last = breaks.findLast((one) => one.offsetTop <= stage.scrollTop + stage.clientHeight / 3) ?? breaks[0];
    if (last) onPage(Number(last.dataset.page));
  };
  if (found.pages.length) stage.addEventListener("scroll", tell, { passive: true });

  const toPage = (number) => {
    const page = found.pages[number - 1];
    if (!page) return;
    const group = groups.findLast((one) => one.start <= page.start) ?? groups[0];
    if (!group) return;
    draw(group);
    const target = body.querySelector(`.page-break[data-page="${number}"]`) ?? group.element;
    stage.scrollTop = target.offsetTop - 8;
    onPage(number);
  };
  return {
    toPage,
    zoom: (factor) => { size = Math.min(3, Math.max(0.6, size * factor)); body.style.setProperty("--zoom", size); },
    moveTo: (wanted) => {
      const before = groups.filter((group) => marked(group.start, group.end));
      place = wanted;
      const now = groups.filter((group) => marked(group.start, group.end));
      for (const group of [...before, ...now]) group.drawn = false;
      for (const group of [...before, ...now]) draw(group);
      if (place.start === null) {
        if (wanted.page) toPage(wanted.page);
        else { groups.slice(0, 1).forEach(draw); stage.scrollTop = 0; }
      } else {
        const group = now[0] ?? groups.findLast((one) => one.start <= place.start) ?? groups[0];
        if (group) draw(group);
        const hit = body.querySelector("mark.hit") ?? group?.element;
        if (hit) hit.scrollIntoView({ block: "center", behavior: "instant" });
        const page = found.pages.findLast((one) => one.start <= place.start);
        if (page) onPage(page.number);
      }
      setTimeout(rest, 30);
    },
    end: () => { ended = true; stage.removeEventListener("scroll", tell); },
  };
}

/** Where the cells of a line begin and end, as code points of the line. */
function cellsOf(line, type) {
  const letters = [...line];
  const cells = [];
  if (type === "csv" || (type === "tabular" && !line.includes(" | "))) {
    const sign = line.includes("\t") ? "\t" : line.includes(";") && !line.includes(",") ? ";" : ",";
    let start = 0;
    let quoted = false;
    letters.forEach((letter, at) => {
      if (letter === '"') quoted = !quoted;
      else if (letter === sign && !quoted) { cells.push([start, at]); start = at + 1; }
    });
    cells.push([start, letters.length]);
    return cells;
  }
  let start = 0;
  letters.forEach((letter, at) => {
    if (letter === "|" && letters[at - 1] !== "\\") { cells.push([start, at]); start = at + 1; }
  });
  cells.push([start, letters.length]);
  if (cells.length > 1 && !letters.slice(0, cells[0][1]).join("").trim()) cells.shift();
  if (cells.length > 1 && !letters.slice(cells.at(-1)[0]).join("").trim()) cells.pop();
  return cells;
}
