// What is in the base: by folder, with what went wrong; files put in and taken out.

import { app, placeAddress } from "./app.js";
import { call, documentPath, events } from "./api.js";
import { announce, button, confirmed, h, icon, replace, toast } from "./dom.js";
import { duration, number, size, t } from "./texts.js";

const SHOWN = 400; // documents of a folder that are listed before more are asked for

export async function openLibrary(view) {
  const list = h("div", { class: "folders" });
  const work = h("section", { class: "work", hidden: true, "aria-label": t("ingest") });
  const filter = h("input", { type: "search", placeholder: t("filterDocuments"), "aria-label": t("filterDocuments"), oninput: () => draw() });
  const chooser = h("input", { type: "file", multiple: true, class: "away", tabindex: "-1", "aria-label": t("chooseFiles"), onchange: () => put([...chooser.files].map((file) => [file.name, file])) });
  const folderChooser = h("input", { type: "file", webkitdirectory: true, class: "away", tabindex: "-1", "aria-label": t("chooseFolder"), onchange: () => put([...folderChooser.files].map((file) => [file.webkitRelativePath || file.name, file])) });
  const drop = h("section", { class: "drop", "aria-label": t("addDocuments") },
    icon("upload"), h("p", {}, t("dropHere")),
    h("div", { class: "row" }, button({ kind: "primary", onclick: () => chooser.click() }, t("chooseFiles")), button({ onclick: () => folderChooser.click() }, t("chooseFolder")),
      button({ icon: "refresh", kind: "quiet", onclick: () => begin({}) }, t("update"))),
    chooser, folderChooser);
  view.append(h("div", { class: "scroll wide" },
    h("header", { class: "row between" }, h("h1", {}, t("library")), filter), drop, work, list));
  let found = { documents: [], failures: [] };
  let left = false;
  const showDrop = () => { drop.hidden = app.readOnly(); };
  showDrop();
  document.addEventListener("status", showDrop);

  async function load() {
    try {
      found = await call("/api/documents");
      draw();
    } catch (error) {
      replace(list, h("div", { class: "verdict" }, icon("warning"), h("div", {}, error.message)));
    }
  }

  function draw() {
    const wanted = filter.value.trim().toLowerCase();
    const documents = found.documents.filter((one) => !wanted || one.path.toLowerCase().includes(wanted) || one.title?.toLowerCase().includes(wanted));
    const folders = new Map();
    for (const one of documents) {
      const folder = one.path.includes("/") ? one.path.slice(0, one.path.lastIndexOf("/")) : "";
      if (!folders.has(folder)) folders.set(folder, []);
      folders.get(folder).push(one);
    }
    const failures = found.failures.filter((one) => !wanted || one.path.toLowerCase().includes(wanted));
    replace(list,
      failures.length ? h("section", { class: "folder failures" },
        h("header", { class: "row between" }, h("h2", {}, icon("warning"), t("failed", { n: failures.length })),
          app.readOnly() ? null : button({ icon: "refresh", onclick: () => begin({ retry_failed: true }) }, t("retry"))),
        h("ul", { class: "plain-list" }, failures.slice(0, SHOWN).map((one) => h("li", {}, h("b", {}, one.path), h("span", { class: "faint" }, one.reason))))) : null,
      [...folders].sort(([one], [other]) => one.localeCompare(other)).map(([folder, own]) => section(folder, own)),
      documents.length ? null : h("p", { class: "empty" }, found.documents.length ? t("noMatch") : t("emptyBase")));
  }

  function section(folder, documents, most = SHOWN) {
    const element = h("section", { class: "folder" },
      h("h2", {}, folder ? `${folder}/` : t("topFolder"), h("span", { class: "faint" }, ` ${number(documents.length)}`)),
      h("div", { class: "table", tabindex: "0", role: "region", "aria-label": folder || t("topFolder") }, h("table", { class: "documents" },
        h("thead", {}, h("tr", {}, [t("document"), t("kind"), t("pages"), t("passages"), t("size"), t("changed"), ""].map((name, at) => h(at === 6 ? "td" : "th", { scope: at === 6 ? null : "col", class: at > 1 && at < 5 ? "number" : null }, name)))),
        h("tbody", {}, documents.slice(0, most).map((one) => h("tr", {},
          h("td", {}, h("a", { href: placeAddress({ path: one.path }) }, one.title ?? one.path.split("/").pop()),
            h("div", { class: "faint small" }, one.path.split("/").pop()),
            one.warnings.length ? h("details", { class: "small warnings" }, h("summary", {}, t("warnings", { n: one.warnings.length })), h("ul", {}, one.warnings.map((text) => h("li", {}, text)))) : null,
            one.vectors < one.chunks ? h("div", { class: "small faint" }, t("waiting", { n: one.chunks - one.vectors })) : null),
          h("td", {}, one.type), h("td", { class: "number" }, one.pages ? number(one.pages) : "–"), h("td", { class: "number" }, number(one.chunks)), h("td", { class: "number" }, size(one.size)),
          h("td", {}, new Date(one.modified).toLocaleDateString(document.documentElement.lang)),
          h("td", {}, app.readOnly() ? null : button({ icon: "trash", kind: "quiet", label: t("removeDocument", { name: one.path }), onclick: () => remove(one) }))))))),
      documents.length > most ? button({ onclick: () => element.replaceWith(section(folder, documents, most * 10)) }, t("more", { n: documents.length - most })) : null);
    return element;
  }

  async function remove(one) {
    if (!(await confirmed(t("removeSure", { name: one.path }), t("remove"), t("cancel")))) return;
    try {
      await call(`/api/documents/${documentPath(one.path)}`, { method: "DELETE" });
      toast(t("removed", { name: one.path }));
    } catch (error) {
      toast(error.message, "bad");
    }
    load();
  }

  async function put(files) {
    if (!files.length) return;
    work.hidden = false;
    const bar = h("progress", { max: files.length, value: 0, "aria-label": t("uploading") });
    const line = h("p", { role: "status" }, t("uploading"));
    const wrong = h("ul", { class: "plain-list" });
    replace(work, line, bar, wrong);
    let stored = 0;
    for (const [name, file] of files) {
      line.textContent = t("uploadingFile", { name, n: stored + 1, all: files.length });
      try {
        await call(`/api/documents?ingest=false&path=${encodeURIComponent(name)}`, { method: "POST", body: file });
        stored++;
      } catch (error) {
        wrong.append(h("li", {}, h("b", {}, name), h("span", { class: "faint" }, error.message)));
      }
      bar.value += 1;
    }
    chooser.value = folderChooser.value = "";
    if (stored) await follow(events("/api/ingest?stream=true", { method: "POST", body: {} }), wrong);
    else replace(work, h("p", {}, t("nothingStored")), wrong);
  }

  const begin = (asked) => follow(events("/api/ingest?stream=true", { method: "POST", body: asked }), null);

  async function follow(steps, wrong) {
    work.hidden = false;
    const line = h("p", { role: "status" }, t("ingesting"));
    const bar = h("progress", { "aria-label": t("ingest") });
    const begun = new Map();
    const left_ = ({ stage, done, total }) => {
      if (!begun.has(stage)) begun.set(stage, [performance.now(), done]);
      const [then, before] = begun.get(stage);
      const seconds = ((performance.now() - then) / 1000) * ((total - done) / (done - before));
      return total && done > before && seconds > 1.5 ? t("left", { time: duration(Math.round(seconds)) }) : null;
    };
    const stop = button({ icon: "stop", onclick: () => call("/api/ingest", { method: "DELETE" }).catch((error) => toast(error.message, "bad")) }, t("stop"));
    replace(work, h("div", { class: "row between" }, line, stop), bar, wrong);
    try {
      for await (const [name, data] of steps) {
        if (left) return;
        if (name === "progress") {
          if (data.total) { bar.max = data.total; bar.value = data.done; }
          line.textContent = [t(`stage_${data.stage}`), data.total ? `${number(data.done)} / ${number(data.total)}` : null, left_(data), data.detail].filter(Boolean).join(" · ");
        } else if (name === "report") {
          const said = t("report", { added: data.added?.length ?? 0, changed: data.changed?.length ?? 0, removed: data.removed?.length ?? 0, failed: data.failed?.length ?? 0 });
          replace(work, h("p", { role: "status" }, icon("check"), " ", said), (data.failed ?? []).length ? h("ul", { class: "plain-list" }, data.failed.map((one) => h("li", {}, h("b", {}, one.path), h("span", { class: "faint" }, one.reason)))) : null, wrong);
          announce(said);
        } else if (name === "stopped") {
          replace(work, h("p", { role: "status" }, t("ingestStopped")), wrong);
        } else if (name === "error") {
          throw new Error(data.error?.message ?? data);
        }
      }
    } catch (error) {
      replace(work, h("div", { class: "verdict" }, icon("warning"), h("div", {}, error.message)), wrong);
      announce(error.message);
    }
    load();
    app.refreshSessions();
  }

  const over = (event) => { event.preventDefault(); drop.classList.add("over"); };
  const out = () => drop.classList.remove("over");
  view.addEventListener("dragover", over);
  view.addEventListener("dragleave", out);
  view.addEventListener("drop", async (event) => {
    event.preventDefault();
    out();
    if (app.readOnly()) return toast(t("readOnly"), "bad");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    put((await Promise.all(entries.map(filesOf))).flat());
  });
  await load();
  return () => { left = true; document.removeEventListener("status", showDrop); };
}

/** All files in what was dropped, with their paths. */
async function filesOf(entry) {
  if (entry.isFile) return [[entry.fullPath.replace(/^\//, ""), await new Promise((resolve, reject) => entry.file(resolve, reject))]];
  const reader = entry.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    all.push(...some);
  }
  return (await Promise.all(all.map(filesOf))).flat();
}
