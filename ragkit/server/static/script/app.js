// The page: the rail at the side, one view, and a document beside it. The address says which.

import { call } from "./api.js";
import { announce, button, h, icon, replace } from "./dom.js";
import { choose, language, LANGUAGES, number, t } from "./texts.js";
import { openAsk } from "./ask.js";
import { openDocument } from "./document.js";
import { openLibrary } from "./library.js";
import { openSearch } from "./search.js";
import { openTraces } from "./traces.js";
import { openTrace } from "./trace.js";
import { listSessions } from "./sessions.js";

document.documentElement.lang = language;
const theme = localStorage.getItem("ragkit-theme");
if (theme) document.documentElement.dataset.theme = theme;

const view = h("main", { id: "view", class: "view", tabindex: "-1" });
const beside = h("div", { role: "complementary", id: "beside", class: "beside", hidden: true, "aria-label": t("document") });
const sessions = h("nav", { class: "sessions", "aria-label": t("conversations") });
const status = h("p", { class: "status faint" });
const LINKS = [["/", "ask"], ["/search", "search"], ["/library", "library"], ["/traces", "traces"]];

/** What the views share. */
export const app = { status: null, go, openPlace, refreshSessions, readOnly: () => app.status?.read_only ?? false };

function keep(href) {
  const base = new URLSearchParams(location.search).get("base");
  if (!base) return href;
  const [path, hash] = href.split("#");
  return `${path}${path.includes("?") ? "&" : "?"}base=${encodeURIComponent(base)}${hash ? `#${hash}` : ""}`;
}

function rail() {
  const dark = () => {
    const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("ragkit-theme", next);
  };
  return h("header", { class: "rail" },
    h("a", { class: "brand", href: "/", "aria-label": "ragkit" }, h("img", { src: "/static/icon.svg", alt: "", width: 28, height: 28 }), h("span", {}, "ragkit")),
    h("nav", { "aria-label": t("main") },
      LINKS.map(([href, name]) => h("a", { href, class: "link", data: { name } }, icon(name), h("span", {}, t(name))))),
    sessions,
    h("div", { class: "foot" }, status,
      h("div", { class: "row" },
        h("select", { class: "small", "aria-label": t("language"), onchange: (event) => choose(event.target.value) },
          Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, selected: code === language }, name))),
        button({ icon: "moon", label: t("theme"), kind: "quiet", onclick: dark }))));
}

let shown = null; // what stands in the main view, by its address without the place in a document
let leave = () => {};

/** Show what the address names. */
async function show() {
  const path = decodeURIComponent(location.pathname);
  const document_ = path.startsWith("/documents/") ? path.slice("/documents/".length) : null;
  if (document_ !== null) {
    const alone = shown === null || shown === "document";
    if (alone) {
      shown = "document";
      view.hidden = true;
    }
    document.body.classList.toggle("alone", alone);
    beside.hidden = false;
    document.body.classList.add("split");
    beside.setAttribute("role", alone || matchMedia("(max-width: 52rem)").matches ? "main" : "complementary");
    await openDocument(beside, document_, placeOf(location.hash), { alone, close });
    return;
  }
  beside.hidden = true;
  beside.replaceChildren();
  document.body.classList.remove("split", "alone");
  view.hidden = false;
  const key = path + location.search;
  if (key === shown) return;
  shown = key;
  leave();
  leave = () => {};
  for (const link of document.querySelectorAll(".rail .link")) {
    const own = link.getAttribute("href");
    const current = own === "/" ? path === "/" : path.startsWith(own);
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.replaceChildren();
  view.className = `view view-${path.split("/")[1] || "ask"}`;
  const asked = new URLSearchParams(location.search);
  if (path === "/") leave = (await openAsk(view, asked)) ?? leave;
  else if (path === "/search") leave = (await openSearch(view, asked)) ?? leave;
  else if (path === "/library") leave = (await openLibrary(view, asked)) ?? leave;
  else if (path === "/traces") leave = (await openTraces(view, asked)) ?? leave;
  else if (path.startsWith("/traces/")) leave = (await openTrace(view, path.slice("/traces/".length), asked)) ?? leave;
  else replace(view, h("h1", {}, t("nothingHere")), h("p", {}, h("a", { href: "/" }, t("ask"))));
}

function close() {
  if (history.state?.beside) history.back();
  else go("/library");
}

/** Read `#page=9&start=…&end=…`. */
function placeOf(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const read = (name) => (given.has(name) && /^\d+$/.test(given.get(name)) ? Number(given.get(name)) : null);
  return { page: read("page"), start: read("start"), end: read("end") };
}

export function go(href) {
  history.pushState({}, "", keep(href));
  return show();
}

/** The address of a place in a document. */
export function placeAddress({ path, page, start, end }) {
  const hash = new URLSearchParams();
  if (page) hash.set("page", page);
  if (start !== null && start !== undefined) hash.set("start", start);
  if (end !== null && end !== undefined) hash.set("end", end);
  const written = hash.toString();
  return `/documents/${path.split("/").map(encodeURIComponent).join("/")}${written ? `#${written}` : ""}`;
}

/** Open a place beside the view; the way back closes it. */
export function openPlace(place) {
  const already = !beside.hidden;
  const address = keep(placeAddress(place));
  if (already) history.replaceState({ beside: history.state?.beside ?? false }, "", address);
  else history.pushState({ beside: true }, "", address);
  return show();
}

async function refreshSessions() {
  await listSessions(sessions);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = new URL(link.href);
  if (target.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  if (/^\/(static|docs|api|openapi)/.test(target.pathname)) return;
  if (target.pathname === location.pathname && target.search === location.search && target.hash && !target.pathname.startsWith("/documents/")) return;
  event.preventDefault();
  if (target.pathname.startsWith("/documents/") && shown !== null) {
    const given = new URLSearchParams(target.hash.slice(1));
    const value = (name) => (given.has(name) ? Number(given.get(name)) : null);
    openPlace({ path: decodeURIComponent(target.pathname.slice("/documents/".length)), page: value("page"), start: value("start"), end: value("end") });
  } else {
    go(target.pathname + target.search + target.hash);
  }
});
addEventListener("popstate", show);
addEventListener("hashchange", show);
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (event.key === "Escape" && !beside.hidden && !document.querySelector("dialog[open]") && !typing) close();
  if (event.key === "/" && !typing) {
    const field = document.querySelector(".composer textarea, .search-form input");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  }
});

document.body.append(
  h("a", { class: "skip", href: "#view", onclick: (event) => { event.preventDefault(); view.focus(); } }, t("skip")),
  h("div", { class: "frame" }, rail(), view, beside),
  h("div", { id: "announcements", class: "away", "aria-live": "polite", role: "status" }),
  h("div", { id: "toasts", class: "toasts" }),
);

call("/api/status").then(
  (found) => {
    app.status = found;
    const own = found.bases.find((base) => base.name === new URLSearchParams(location.search).get("base")) ?? found.bases[0];
    replace(status, t("statusLine", { n: own.documents, chunks: number(own.chunks) }), found.read_only ? ` · ${t("readOnly")}` : "");
    document.dispatchEvent(new CustomEvent("status"));
  },
  (error) => { replace(status, error.message); announce(error.message); },
);
show();
refreshSessions();
