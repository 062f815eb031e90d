// Asking: a conversation, its box, and what is asked with it.

import { app, go } from "./app.js";
import { call, events } from "./api.js";
import { announce, button, h, icon, replace, toast } from "./dom.js";
import { answerCard } from "./answer.js";
import { filterFields } from "./filters.js";
import { newName } from "./sessions.js";
import { t } from "./texts.js";

const MODEL = "ragkit-model";

/** Draw the view. `asked` is the query of the address: `q` is asked at once, `session` goes on. */
export async function openAsk(view, asked) {
  let session = asked.get("session");
  let running = null;
  const earlier = [];
  const heading = h("h1", { class: "away" }, t("conversation"));
  const turns = h("div", { class: "turns", role: "log", "aria-label": t("conversation") });
  const field = h("textarea", { rows: 1, placeholder: t("askPlaceholder"), "aria-label": t("question"), maxlength: 20000 });
  const send = h("button", { class: "button primary round", type: "submit", "aria-label": t("send"), title: t("send") }, icon("send"));
  const models = h("select", { class: "small", "aria-label": t("model"), onchange: () => localStorage.setItem(MODEL, models.value) });
  const filters = filterFields();
  const filterButton = button({ icon: "filter", kind: "quiet", "aria-expanded": "false", onclick: () => {
    filters.element.hidden = !filters.element.hidden;
    filterButton.setAttribute("aria-expanded", String(!filters.element.hidden));
    if (!filters.element.hidden) filters.focus();
  } }, t("filters"));
  filters.element.hidden = true;
  filters.onchange = () => filterButton.classList.toggle("active", filters.value() !== null);
  const form = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); if (running) running.abort(); else ask(field.value); } },
    filters.element,
    h("div", { class: "box" }, field, send),
    h("div", { class: "row between" }, filterButton, models));
  const welcome = h("div", { class: "welcome" }, h("h1", {}, t("welcome")), h("p", { class: "lead" }, t("welcomeText")), h("div", { class: "ideas" }));
  view.append(h("div", { class: "scroll" }, welcome, turns), form);

  const grow = () => { field.style.height = "auto"; field.style.height = `${Math.min(field.scrollHeight, 220)}px`; };
  field.addEventListener("input", grow);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  const fillModels = () => {
    const names = [...new Set(app.status?.models ?? ["ragkit"])];
    const chosen = localStorage.getItem(MODEL);
    replace(models, names.map((name) => h("option", { value: name, selected: name === chosen }, name === "ragkit" ? `${t("ownModel")} (${app.status?.bases[0]?.model ?? "…"})` : name)));
  };
  fillModels();
  document.addEventListener("status", fillModels);

  async function ask(question) {
    question = question.trim();
    if (!question) return field.focus();
    welcome.replaceWith(heading);
    field.value = "";
    grow();
    running = new AbortController();
    const { signal } = running;
    replace(send, icon("stop"));
    send.setAttribute("aria-label", t("stop"));
    const text = h("div", { class: "answer-text" });
    const found = h("p", { class: "faint small working" }, t("looking"));
    const slot = h("div", { class: "turn answer-slot", "aria-busy": "true" }, h("article", { class: "answer" }, found, text));
    turns.append(h("div", { class: "turn question" }, h("p", {}, question)), slot);
    slot.previousElementSibling.scrollIntoView({ block: "start", behavior: "instant" });
    const body = { question, where: filters.value(), model: models.value && models.value !== "ragkit" ? models.value : null };
    const fresh = session === null && !app.readOnly();
    if (app.readOnly()) body.history = earlier.slice(-40);
    else body.session = session ?? newName(question);
    let hits = [];
    let done = null;
    try {
      for await (const [name, data] of events("/api/ask?stream=true", { method: "POST", body, signal })) {
        if (name === "sources") {
          hits = data.hits;
          replace(found, t("reading", { n: hits.length, files: new Set(hits.map((hit) => hit.path)).size }));
        } else if (name === "text") {
          text.textContent += data.text;
        } else if (name === "error") {
          throw new Error(data.error.message);
        } else if (name === "answer") {
          done = { text: data.answer, ...data };
        }
      }
      if (done === null) throw new Error(t("cutOff"));
      replace(slot, answerCard(done, { hits, question }));
      earlier.push({ role: "user", content: question }, { role: "assistant", content: done.text });
      announce(done.text);
      if (fresh) {
        session = body.session;
        const base = asked.get("base");
        history.replaceState(history.state, "", `/?session=${encodeURIComponent(session)}${base ? `&base=${encodeURIComponent(base)}` : ""}`);
      }
      app.refreshSessions();
    } catch (error) {
      const stopped = error.name === "AbortError";
      replace(slot, h("article", { class: "answer failed" },
        text.textContent ? h("div", { class: "answer-text" }, h("p", {}, text.textContent)) : null,
        h("div", { class: "verdict" }, icon("warning"), h("div", {}, stopped ? t("stopped") : error.message)),
        h("div", { class: "meta" }, button({ icon: "refresh", onclick: () => { slot.previousElementSibling.remove(); slot.remove(); ask(question); } }, t("again")))));
      announce(stopped ? t("stopped") : error.message);
    } finally {
      slot.removeAttribute("aria-busy");
      running = null;
      replace(send, icon("send"));
      send.setAttribute("aria-label", t("send"));
      field.focus({ preventScroll: true });
    }
  }

  if (session !== null) {
    welcome.replaceWith(heading);
    try {
      const kept = await call(`/api/sessions/${encodeURIComponent(session)}`);
      let question = "";
      for (const turn of kept.turns) {
        if (turn.role === "user") {
          question = turn.content;
          turns.append(h("div", { class: "turn question" }, h("p", {}, turn.content)));
        } else {
          turns.append(h("div", { class: "turn answer-slot" }, answerCard(keptAnswer(turn), { question })));
        }
      }
      turns.lastElementChild?.scrollIntoView({ block: "end" });
    } catch (error) {
      if (error.status === 404) go("/");
      else toast(error.message, "bad");
    }
  } else {
    suggest(welcome.querySelector(".ideas"), ask);
  }
  const question = asked.get("q");
  if (question) {
    history.replaceState(history.state, "", session ? `/?session=${encodeURIComponent(session)}` : "/");
    ask(question);
  } else {
    field.focus({ preventScroll: true });
  }
  return () => {
    running?.abort();
    document.removeEventListener("status", fillModels);
  };
}

/** What is kept of an answer in a conversation: its words and where they are from. */
const keptAnswer = (turn) => ({
  text: turn.content, citations: turn.citations ?? [], unsupported: [], degraded: [], refused: false,
  reason: null, sure: true, model: "", trace: turn.trace,
});

/** Name what can be asked about: the documents themselves. */
async function suggest(place, ask) {
  try {
    const { documents } = await call("/api/documents");
    if (!documents.length) {
      replace(place, h("p", { class: "note" }, icon("warning"), t("emptyBase"), " ", h("a", { href: "/library" }, t("addDocuments"))));
      return;
    }
    const titled = documents.filter((one) => one.title).slice(0, 4);
    replace(place, titled.map((one) => button({ kind: "idea", onclick: () => ask(t("ideaQuestion", { title: one.title })) }, icon("ask"), t("ideaQuestion", { title: one.title }))));
  } catch (error) {
    replace(place, h("p", { class: "note" }, error.message));
  }
}
