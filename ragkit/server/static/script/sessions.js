// The conversations that are kept in the base.

import { app, go } from "./app.js";
import { call } from "./api.js";
import { button, confirmed, entered, h, replace, toast } from "./dom.js";
import { t } from "./texts.js";

const readable = (name) => name.replace(/^chat-[\dT-]+-\w+: ?/, "");

/** A name for a new conversation that nobody else has, and that says what it is about. */
export function newName(question) {
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:]/g, "-");
  const chance = crypto.getRandomValues(new Uint16Array(1))[0].toString(36);
  return `chat-${stamp}-${chance}: ${question.replace(/[\s/?#%]+/g, " ").trim().slice(0, 60)}`;
}

export async function listSessions(place) {
  let found;
  try {
    found = (await call("/api/sessions")).sessions;
  } catch {
    return;
  }
  const current = new URLSearchParams(location.search).get("session");
  const forget = async (name) => {
    if (!(await confirmed(t("forgetSession", { name: readable(name) }), t("delete"), t("cancel")))) return;
    try {
      await call(`/api/sessions/${encodeURIComponent(name)}`, { method: "DELETE" });
      if (current === name) go("/");
    } catch (error) {
      toast(error.message, "bad");
    }
    listSessions(place);
  };
  const rename = async (name) => {
    const given = await entered(t("rename"), t("name"), { value: readable(name), yes: t("ok"), no: t("cancel") });
    if (!given?.trim() || given === readable(name)) return;
    try {
      await call(`/api/sessions/${encodeURIComponent(name)}`, { method: "PATCH", body: { session: given.trim() } });
      if (current === name) go(`/?session=${encodeURIComponent(given.trim())}`);
    } catch (error) {
      toast(error.message, "bad");
    }
    listSessions(place);
  };
  replace(
    place,
    h("div", { class: "row between" }, h("h2", {}, t("conversations")),
      h("a", { class: "button quiet", href: "/", "aria-label": t("newConversation"), title: t("newConversation") }, "+")),
    found.length
      ? h("ul", {}, found.map((session) =>
          h("li", {},
            h("a", { href: `/?session=${encodeURIComponent(session.name)}`, title: readable(session.name), "aria-current": session.name === current ? "page" : null }, readable(session.name) || session.name),
            app.readOnly() ? null : [button({ icon: "edit", kind: "quiet", label: t("renameOne", { name: readable(session.name) }), onclick: () => rename(session.name) }), button({ icon: "trash", kind: "quiet", label: t("forget", { name: readable(session.name) }), onclick: () => forget(session.name) })])))
      : h("p", { class: "faint small" }, t("noConversations")),
  );
}
