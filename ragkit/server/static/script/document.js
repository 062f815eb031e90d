// A document: its pages as they look, or its text, opened at a place; outline, search, zoom.

import { app, openPlace, placeAddress } from "./app.js";
import { call, documentPath, download } from "./api.js";
import { announce, button, h, icon, replace, toast } from "./dom.js";
import { Points } from "./code_points.js";
import { pdfPages } from "./pdf_pages.js";
import { textBlocks } from "./text_blocks.js";
import { t } from "./texts.js";

let current = null; // the open document, so that another place in it need not fetch it again

/** Open `path` at `place` in the pane. */
export async function openDocument(pane, path, place, { alone, close }) {
  if (current?.path === path && current.pane === pane && pane.contains(current.element)) {
    current.moveTo(place);
    return;
  }
  replace(pane, h("div", { class: "loading", role: "status" }, t("opening")));
  let found;
  try {
    found = await call(`/api/documents/${documentPath(path)}/text`);
  } catch (error) {
    replace(pane, h("div", { class: "doc-head" }, h("h1", {}, path.split("/").pop()), button({ icon: "close", label: t("close"), kind: "quiet", onclick: close })),
      h("div", { class: "verdict" }, icon("warning"), h("div", {}, error.message)));
    return;
  }
  current = documentView(found, { alone, close });
  current.pane = pane;
  replace(pane, current.element);
  document.title = `${found.title ?? path} – ragkit`;
  await current.moveTo(place);
}

function documentView(found, { alone, close }) {
  const points = new Points(found.text);
  const isPdf = found.type === "pdf";
  const stage = h("div", { class: "stage", tabindex: "0", role: "document", "aria-label": found.title ?? found.path });
  const notice = h("div", { class: "notice", hidden: true });
  const outline = h("nav", { class: "outline", hidden: true, "aria-label": t("outline") });
  let asText = !isPdf;
  let viewer = null;
  let place = { page: null, start: null, end: null };

  const pageField = h("input", { class: "page-number", inputmode: "numeric", "aria-label": t("pageNumber"), onchange: () => viewer.toPage(Math.min(found.pages.length, Math.max(1, Number(pageField.value) || 1))) });
  const onPage = (page) => { pageField.value = page; };
  const kindButton = isPdf ? button({ icon: "text", kind: "quiet", label: t("asText"), "aria-pressed": "false", onclick: () => show(!asText) }) : null;
  const zoom = (factor) => viewer?.zoom(factor);
  const outlineButton = found.sections.length ? button({ icon: "outline", kind: "quiet", label: t("outline"), "aria-expanded": "false", onclick: () => {
    outline.hidden = !outline.hidden;
    outlineButton.setAttribute("aria-expanded", String(!outline.hidden));
    if (!outline.hidden) outline.querySelector("a")?.focus();
  } }) : null;

  const head = h("div", { class: "doc-head" },
    h("div", { class: "doc-title" }, h("h1", { title: found.path }, found.title ?? found.path.split("/").pop()), h("p", { class: "faint small" }, found.path)),
    h("div", { class: "row" },
      button({ icon: "link", kind: "quiet", label: t("copyLink"), onclick: () => navigator.clipboard.writeText(location.origin + placeAddress({ path: found.path, ...place })).then(() => toast(t("copied")), (error) => toast(error.message, "bad")) }),
      button({ icon: "download", kind: "quiet", label: t("download"), onclick: () => download(`/api/documents/${documentPath(found.path)}/file`, found.path.split("/").pop()).catch((error) => toast(error.message, "bad")) }),
      button({ icon: "close", kind: "quiet", label: t("close"), onclick: close })));
  const searchField = h("input", { type: "search", placeholder: t("searchInDocument"), "aria-label": t("searchInDocument") });
  const searchCount = h("span", { class: "faint small count", role: "status" });
  let hits = [];
  let hit = -1;
  const toHit = (step) => {
    if (!hits.length) return;
    hit = (hit + step + hits.length) % hits.length;
    searchCount.textContent = `${hit + 1} / ${hits.length}`;
    moveTo({ page: null, start: hits[hit][0], end: hits[hit][1] }, { focus: false });
  };
  const search = () => {
    hits = points.find(searchField.value);
    hit = -1;
    searchCount.textContent = searchField.value.trim() ? (hits.length ? `0 / ${hits.length}` : t("noHits")) : "";
    if (hits.length) toHit(1);
  };
  const tools = h("div", { class: "doc-tools row between" },
    h("div", { class: "row" }, outlineButton, kindButton,
      isPdf || found.pages.length ? [
        button({ icon: "left", kind: "quiet", label: t("pageBefore"), onclick: () => viewer.toPage(Math.max(1, Number(pageField.value) - 1)) }),
        pageField, h("span", { class: "faint small" }, `/ ${found.pages.length}`),
        button({ icon: "right", kind: "quiet", label: t("pageAfter"), onclick: () => viewer.toPage(Math.min(found.pages.length, Number(pageField.value) + 1)) })] : null,
      button({ icon: "minus", kind: "quiet", label: t("smaller"), onclick: () => zoom(1 / 1.2) }),
      button({ icon: "plus", kind: "quiet", label: t("larger"), onclick: () => zoom(1.2) })),
    h("form", { class: "row find", role: "search", onsubmit: (event) => { event.preventDefault(); if (hits.length && hit >= 0) toHit(1); else search(); } },
      searchField, searchCount,
      button({ icon: "left", kind: "quiet", label: t("hitBefore"), onclick: () => toHit(-1) }),
      button({ icon: "right", kind: "quiet", label: t("hitAfter"), onclick: () => toHit(1) })));
  searchField.addEventListener("input", () => { hits = []; hit = -1; searchCount.textContent = ""; });

  replace(outline, tree(found.sections, (section) => {
    openPlace({ path: found.path, page: null, start: section.start, end: section.start + points.cut(section.start, section.end).split("\n")[0].length });
    if (matchMedia("(max-width: 60rem)").matches) outlineButton.click();
  }));
  const warnings = found.warnings.length ? h("details", { class: "note" }, h("summary", {}, icon("warning"), t("warnings", { n: found.warnings.length })), h("ul", {}, found.warnings.map((one) => h("li", {}, one)))) : null;
  const element = h("div", { class: `document ${alone ? "is-alone" : ""}` }, head, tools, notice, warnings, h("div", { class: "doc-body" }, outline, stage));

  const say = (text) => { notice.hidden = !text; replace(notice, text ? [icon("warning"), text] : ""); };
  function show(text, why = null) {
    asText = text;
    viewer?.end();
    kindButton?.setAttribute("aria-pressed", String(asText));
    stage.classList.toggle("is-text", asText);
    say(why);
    viewer = asText
      ? textBlocks(stage, found, points, { onPage })
      : pdfPages(stage, found, points, { onPage, onFail: (error) => show(true, t("onlyText", { reason: error.message })) });
    element.dataset.mode = asText ? "text" : "pages";
    viewer.moveTo(place);
  }

  async function moveTo(wanted, { focus = true } = {}) {
    place = { ...wanted };
    if (place.start !== null && place.end === null) place.end = place.start;
    if (place.start === null && place.page !== null && !found.pages.length) place.page = null;
    let wrong = null;
    if (place.start !== null && (place.start > points.length || place.end > points.length || place.end < place.start)) {
      wrong = t("noSuchPlace");
      place = { page: place.page, start: null, end: null };
    }
    if (viewer === null) show(asText, wrong);
    else viewer.moveTo(place);
    if (viewer !== null && wrong) say(wrong);
    if (place.start !== null) announce(t("openedAt", { text: points.cut(place.start, Math.min(place.end, place.start + 200)) }));
    if (focus) stage.focus({ preventScroll: true });
  }
  return { path: found.path, element, moveTo };
}

/** The headings as a list in lists. */
function tree(sections, open) {
  const root = h("ul", {});
  const levels = [{ level: 0, list: root }];
  for (const section of sections.slice(0, 3000)) {
    while (levels.at(-1).level >= section.level) levels.pop();
    const item = h("li", {}, h("a", { href: "#", onclick: (event) => { event.preventDefault(); open(section); } }, section.path.at(-1)));
    const above = levels.at(-1);
    if (above.item && !above.own) {
      above.own = h("ul", {});
      above.item.append(above.own);
    }
    (above.own ?? above.list ?? root).append(item);
    levels.push({ level: section.level, item, own: null });
  }
  return root;
}
