// Elements made of plain data. Nothing here, or elsewhere, reads HTML from a string: what comes from
// documents, models and traces can only ever become text.

/** Make an element: `on…` are listeners, `class`, `data`, and attributes; false leaves one out. */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else if (name === "vars") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an element of a picture. */
export function s(tag, given = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const ICONS = {
  ask: "M4 5h16v11H9l-5 4z",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20",
  library: "M5 4h4v16H5zM11 4h4v16h-4zM17 5l3.5-.8L24 19l-3.5.8z",
  traces: "M4 6h7M9 12h9M14 18h6M4 6v12",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  send: "M4 12 20 5l-4 15-4-6zM12 14l8-9",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h10v11H9zM5 15V4h10",
  up: "M7 11v9H4v-9zM7 11l4-7c2 0 2.5 1.500 2 3l-.7 3H19l-1.500 8.500c-.2 1-.8 1.500-1.700 1.500H7",
  down: "M17 13V4h3v9zM17 13l-4 7c-2 0-2.500-1.500-2-3l.7-3H5l1.500-8.500C6.700 4.500 7.300 4 8.200 4H17",
  trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
  filter: "M4 6h16M7 12h10M10 18h4",
  outline: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  text: "M5 6h14M12 6v13",
  page: "M6 3h9l4 4v14H6zM9 12h7M9 16h5",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1-1",
  warning: "M12 4 21 20H3zM12 10v5M12 17.500v.01",
  check: "M5 12l5 5 9-11",
  upload: "M12 16V5M7 9l5-5 5 5M4 20h16",
  refresh: "M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5",
  moon: "M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z",
  edit: "M4 20l1-5L16 4l4 4L9 19z",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  compare: "M4 5h7v14H4zM13 5h7v14h-7z",
};

export const icon = (name) =>
  s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" }, s("path", { d: ICONS[name] }));

/** A button; with a `label` alone it is an icon that has a name. */
export const button = (given, ...children) => {
  const { icon: name, label, kind = "", ...rest } = given;
  return h(
    "button",
    { type: "button", class: `button ${kind}`, "aria-label": children.length ? undefined : label, title: label, ...rest },
    name ? icon(name) : null,
    children,
  );
};

export const replace = (element, ...children) =>
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));

/** Say something to those who listen to the page. */
export function announce(text) {
  const region = document.getElementById("announcements");
  if (region) region.textContent = text;
}

/** Show a note for a while. */
export function toast(text, kind = "") {
  const note = h("div", { class: `toast ${kind}`, role: "status" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 9000 : 3500);
}

/** Ask for a yes in a dialog of the page's own. */
export function confirmed(title, yes, no) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title", onclose: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } },
      h("h2", { id: "dialog-title" }, title),
      h("div", { class: "row end" },
        button({ onclick: () => dialog.close("no") }, no),
        button({ kind: "danger", onclick: () => dialog.close("yes") }, yes)),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function entered(title, label, { value = "", type = "text", yes, no }) {
  return new Promise((resolve) => {
    const field = h("input", { type, value, id: "dialog-field", autocomplete: "off" });
    const done = (event) => { event.preventDefault(); dialog.close("yes"); };
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title", onclose: () => { resolve(dialog.returnValue === "yes" ? field.value : null); dialog.remove(); } },
      h("form", { onsubmit: done },
        h("h2", { id: "dialog-title" }, title),
        h("label", { for: "dialog-field" }, label), field,
        h("div", { class: "row end" },
          no ? button({ onclick: () => dialog.close("no") }, no) : null,
          h("button", { class: "button primary", type: "submit" }, yes))),
    );
    document.body.append(dialog);
    dialog.showModal();
    field.select();
  });
}
