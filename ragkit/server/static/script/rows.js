// Spans as rows: a waterfall over time, or a tree with what each step used. Only what is seen is drawn,
// so that ten thousand rows scroll as ten do.

import { h, replace } from "./dom.js";
import { stateOf } from "./spans.js";
import { duration, number, t } from "./texts.js";

const ROW = 28;

export function spanRows(tree, { waterfall, onPick }) {
  const closed = new Set();
  const body = h("div", { class: "span-body" });
  const scroll = h("div", { class: `span-rows ${waterfall ? "is-waterfall" : "is-tree"}`, tabindex: "0", role: "tree", "aria-label": waterfall ? t("waterfall") : t("tree") }, body);
  const begin = Math.min(...tree.ordered.map((node) => node.span.started_at));
  const whole = Math.max(1e-6, ...tree.ordered.map((node) => node.span.started_at + node.span.seconds - begin));
  let rows = [];
  let picked = null;
  const list = () => {
    rows = [];
    let hidden = Infinity;
    for (const node of tree.ordered) {
      if (node.depth > hidden) continue;
      hidden = closed.has(node.span.id) ? node.depth : Infinity;
      rows.push(node);
    }
    body.style.setProperty("height", `${rows.length * ROW}px`);
  };
  const paint = () => {
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - 8);
    const last = Math.min(rows.length, Math.ceil((scroll.scrollTop + (scroll.clientHeight || 600)) / ROW) + 8);
    replace(body, rows.slice(first, last).map((node, at) => row(node, first + at)));
  };
  const toggle = (node) => {
    if (closed.has(node.span.id)) closed.delete(node.span.id);
    else closed.add(node.span.id);
    list();
    paint();
  };
  const pick = (node) => { picked = node; paint(); onPick(node); };
  function row(node, at) {
    const { span, sum } = node;
    const open = !closed.has(span.id);
    return h("div", {
      class: `span-row ${stateOf(span)} ${picked === node ? "picked" : ""}`, role: "treeitem", "aria-level": node.depth + 1, "aria-selected": String(picked === node),
      "aria-expanded": node.children.length ? String(open) : null, vars: { "--top": `${at * ROW}px`, "--depth": Math.min(node.depth, 24) }, onclick: () => pick(node),
    },
    h("span", { class: "span-name" },
      node.children.length ? h("span", { class: "twist", "aria-hidden": "true", onclick: (event) => { event.stopPropagation(); toggle(node); } }, open ? "▾" : "▸") : h("span", { class: "twist" }),
      h("i", { class: `dot kind-${span.kind}`, "aria-hidden": "true" }), h("span", {}, span.name)),
    waterfall
      ? h("span", { class: "track" }, h("span", { class: `bar kind-${span.kind}`, vars: { "--left": (span.started_at - begin) / whole, "--wide": span.seconds / whole } }))
      : [h("span", { class: "faint" }, span.kind), h("span", { class: "number" }, sum.calls ? number(sum.read + sum.written) : "–"), h("span", { class: "number" }, sum.cost ? `$${number(sum.cost, 4)}` : "–")],
    h("span", { class: "number" }, duration(span.seconds)));
  }
  scroll.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
  scroll.addEventListener("keydown", (event) => {
    const at = rows.indexOf(picked);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined && rows[to]) {
      event.preventDefault();
      pick(rows[to]);
      const top = to * ROW;
      if (top < scroll.scrollTop) scroll.scrollTop = top;
      else if (top + ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + ROW - scroll.clientHeight;
    } else if (picked && (event.key === "ArrowLeft") === !closed.has(picked.span.id) && ["ArrowLeft", "ArrowRight"].includes(event.key) && picked.children.length) {
      event.preventDefault();
      toggle(picked);
    }
  });
  list();
  new ResizeObserver(paint).observe(scroll);
  paint();
  return scroll;
}
