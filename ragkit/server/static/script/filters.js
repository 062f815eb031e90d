// What a question is asked of: documents by folder, kind and date.

import { call } from "./api.js";
import { h, replace } from "./dom.js";
import { t } from "./texts.js";

export function filterFields() {
  const folder = h("select", { "aria-label": t("folder") }, h("option", { value: "" }, t("allFolders")));
  const kind = h("select", { "aria-label": t("kind") }, h("option", { value: "" }, t("allKinds")));
  const after = h("input", { type: "date" });
  const before = h("input", { type: "date" });
  const element = h("div", { class: "filters" },
    h("label", {}, t("folder"), folder), h("label", {}, t("kind"), kind),
    h("label", {}, t("after"), after), h("label", {}, t("before"), before),
    h("button", { type: "button", class: "button quiet", onclick: () => { for (const one of [folder, kind, after, before]) one.value = ""; fields.onchange(); } }, t("clear")));
  element.addEventListener("change", () => fields.onchange());
  let filled = false;
  const fill = async () => {
    if (filled) return;
    filled = true;
    const { documents } = await call("/api/documents").catch(() => ({ documents: [] }));
    const folders = new Set(documents.flatMap((one) => {
      const parts = one.path.split("/").slice(0, -1);
      return parts.map((_, depth) => parts.slice(0, depth + 1).join("/"));
    }));
    replace(folder, h("option", { value: "" }, t("allFolders")), [...folders].sort().map((one) => h("option", { value: one }, `${one}/`)));
    replace(kind, h("option", { value: "" }, t("allKinds")), [...new Set(documents.map((one) => one.type))].sort().map((one) => h("option", { value: one }, one)));
  };
  const fields = {
    element,
    onchange: () => {},
    focus: () => { fill(); folder.focus(); },
    fill,
    value: () => {
      const literal = (path) => path.replace(/[*?[]/g, (letter) => `[${letter}]`);
      const dates = [after.value && `>=${after.value}`, before.value && `<=${before.value}`].filter(Boolean);
      const where = {
        ...(folder.value ? { path: `${literal(folder.value)}/*` } : {}),
        ...(kind.value ? { type: kind.value } : {}),
        ...(dates.length ? { date: dates } : {}),
      };
      return Object.keys(where).length ? where : null;
    },
  };
  return fields;
}
