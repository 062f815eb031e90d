// The canvas: a run as a graph. Only the nodes that are seen are in the page; where thousands are seen
// at once, they are painted as plain shapes.

import { button, h, replace, s } from "./dom.js";
import { layOut } from "./graph_layout.js";
import { stateOf, wayToAnswer } from "./spans.js";
import { duration, number, t } from "./texts.js";

const MOST_NODES = 350; // in the page at a time
const MANY_SPANS = 60; // beyond which groups begin closed

export function spanGraph(tree, { onPick }) {
  const closed = new Set();
  if (tree.ordered.length > MANY_SPANS) for (const node of tree.ordered) if (node.children.length && (node.depth >= 2 || node.children.length > 40) && node.depth > 0) closed.add(node.span.id);
  const way = wayToAnswer(tree.roots);
  const paper = h("canvas", { class: "paper", "aria-hidden": "true" });
  const world = s("g", {});
  const picture = s("svg", { class: "graph", role: "group", "aria-label": t("canvas"), tabindex: "0" }, world);
  const tools = h("div", { class: "graph-tools" },
    button({ icon: "plus", label: t("larger"), onclick: () => zoom(1.25) }), button({ icon: "minus", label: t("smaller"), onclick: () => zoom(0.8) }),
    button({ icon: "page", label: t("fit"), onclick: () => fit() }));
  const frame = h("div", { class: "graph-frame" }, paper, picture, tools);
  let layout = layOut(tree, closed);
  let look = { x: 0, y: 0, k: 1 };
  let picked = null;
  let waiting = 0;
  let touched = false; // by hand: then a new size does not move what is seen

  const schedule = () => { if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; paint(); }); };
  function zoom(factor, at = { x: frame.clientWidth / 2, y: frame.clientHeight / 2 }) {
    const k = Math.min(2.5, Math.max(0.02, look.k * factor));
    look = { k, x: at.x - ((at.x - look.x) * k) / look.k, y: at.y - ((at.y - look.y) * k) / look.k };
    schedule();
  }
  function fit() {
    const k = Math.min(1.25, Math.max(0.05, Math.min((frame.clientWidth - 48) / layout.width, (frame.clientHeight - 64) / layout.height)));
    const fits = layout.width * k < frame.clientWidth;
    look = { k, x: fits ? (frame.clientWidth - layout.width * k) / 2 : 24, y: (frame.clientHeight - layout.height * k) / 2 };
    schedule();
  }
  const toggle = (node) => {
    touched = true;
    if (closed.has(node.id)) closed.delete(node.id);
    else closed.add(node.id);
    const before = { x: node.x, y: node.y };
    layout = layOut(tree, closed);
    const after = layout.nodes.find((one) => one.id === node.id);
    if (after) look = { ...look, x: look.x + (before.x - after.x) * look.k, y: look.y + (before.y - after.y) * look.k };
    paint();
    world.querySelector(`[data-id="${CSS.escape(node.id)}"]`)?.focus();
  };
  const pick = (node) => {
    picked = node.id;
    if (node.node) onPick(node.node);
    else onPick(tree.roots[0], node);
    schedule();
  };

  function paint() {
    const { x, y, k } = look;
    const wide = frame.clientWidth;
    const high = frame.clientHeight;
    const seen = (one) => one.x * k + x < wide && (one.x + one.w) * k + x > 0 && one.y * k + y < high && (one.y + one.h) * k + y > 0;
    const nodes = layout.nodes.filter(seen);
    const plain = nodes.length > MOST_NODES;
    const ratio = devicePixelRatio;
    paper.width = wide * ratio;
    paper.height = high * ratio;
    const pen = paper.getContext("2d");
    pen.scale(ratio, ratio);
    pen.translate(x, y);
    pen.scale(k, k);
    if (plain) {
      const colours = getComputedStyle(frame);
      for (const one of nodes) {
        pen.fillStyle = one.group ? "transparent" : colours.getPropertyValue(`--${one.kind}`) || "#888";
        pen.strokeStyle = one.span && stateOf(one.span) === "failed" ? colours.getPropertyValue("--bad") : colours.getPropertyValue("--line-strong");
        pen.lineWidth = 2;
        pen.beginPath();
        pen.roundRect(one.x, one.y, one.w, one.h, 8);
        pen.fill();
        pen.stroke();
      }
      replace(world);
      return;
    }
    world.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    const focused = document.activeElement?.dataset?.id;
    const ids = new Set(nodes);
    replace(world,
      nodes.filter((one) => one.group).map(drawGroup),
      layout.edges.filter((edge) => ids.has(edge.from) || ids.has(edge.to)).map(drawEdge),
      nodes.filter((one) => !one.group).map(drawNode));
    if (focused) world.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  const onWay = (one) => !one.span || way.has(one.span.id);
  function drawEdge({ from, to }) {
    const inside = to.node && from.group && to.x >= from.x && to.x < from.x + from.w;
    const x1 = inside ? from.x : from.x + from.w;
    const y1 = from.y + from.h / 2;
    const x2 = to.x;
    const y2 = to.y + to.h / 2;
    const bend = x2 > x1 ? Math.max(14, (x2 - x1) / 2) : 40;
    const d = x2 > x1 - 1 ? `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` : `M${x1} ${y1}c26 0 26 ${(y2 - y1) / 2} 0 ${(y2 - y1) / 2}H${x2 - 6}c-26 0 -26 ${(y2 - y1) / 2} 6 ${(y2 - y1) / 2}`;
    return s("path", { d, class: `edge ${onWay(from) && onWay(to) ? "way" : ""}` });
  }
  const listeners = (one) => ({
    tabindex: "0", role: "button", data: { id: one.id },
    onclick: (event) => { event.stopPropagation(); pick(one); },
    ondblclick: () => { if (one.inside) toggle(one); },
    onkeydown: (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); pick(one); }
      if (one.inside && ["ArrowRight", "ArrowLeft"].includes(event.key) && (event.key === "ArrowRight") !== one.group) { event.preventDefault(); event.stopPropagation(); toggle(one); }
    },
  });
  const words = (one) => [one.name, one.span ? duration(one.span.seconds) : "", one.span?.status === "error" ? one.span.error : ""].filter(Boolean).join(", ");
  const fold = (one) => s("g", { class: "fold", "aria-hidden": "true", onclick: (event) => { event.stopPropagation(); toggle(one); } },
    s("rect", { x: one.x + one.w - 27, y: one.y + 6, width: 20, height: 18, rx: 5 }), s("text", { x: one.x + one.w - 17, y: one.y + 19, "text-anchor": "middle" }, one.group ? "–" : "+"));
  function drawGroup(one) {
    return s("g", { class: `group-node kind-${one.kind} ${stateOf(one.span)} ${picked === one.id ? "picked" : ""}`, "aria-label": words(one), "aria-expanded": "true", ...listeners(one) },
      s("rect", { x: one.x, y: one.y, width: one.w, height: one.h, rx: 14, class: "body" }),
      s("text", { x: one.x + 16, y: one.y + 20, class: "title" }, clipped(one.name, 40)),
      s("text", { x: one.x + one.w - 36, y: one.y + 20, class: "small", "text-anchor": "end" }, [duration(one.span.seconds), one.sum.calls ? t("tokensShort", { n: one.sum.read + one.sum.written }) : null, one.sum.cost ? `$${number(one.sum.cost, 4)}` : null].filter(Boolean).join(" · ")),
      fold(one));
  }
  function drawNode(one) {
    if (one.kind === "end") {
      return s("g", { class: `end-node ${one.refused ? "refused" : ""} ${picked === one.id ? "picked" : ""}`, "aria-label": `${t(`node_${one.name}`)}: ${one.text}`, ...listeners(one) },
        s("rect", { x: one.x, y: one.y, width: one.w, height: one.h, rx: 18, class: "body" }),
        s("text", { x: one.x + 16, y: one.y + 22, class: "small" }, t(`node_${one.name}`)),
        s("text", { x: one.x + 16, y: one.y + 42, class: "title" }, clipped(one.text, 25)),
        one.text.length > 25 ? s("text", { x: one.x + 16, y: one.y + 60, class: "title" }, clipped(one.text.slice(25).trimStart(), 25)) : null);
    }
    return s("g", { class: `step-node kind-${one.kind} ${stateOf(one.span)} ${onWay(one) ? "" : "aside"} ${picked === one.id ? "picked" : ""}`, "aria-label": words(one), "aria-expanded": one.inside ? "false" : null, ...listeners(one) },
      s("rect", { x: one.x, y: one.y, width: one.w, height: one.h, rx: 11, class: "body" }),
      s("rect", { x: one.x, y: one.y + 11, width: 4, height: one.h - 22, rx: 2, class: "stripe" }),
      s("text", { x: one.x + 15, y: one.y + 23, class: "title" }, clipped(one.name, one.inside ? 17 : 21)),
      s("text", { x: one.x + 15, y: one.y + 43, class: "small" }, clipped(factLine(one), 27)),
      one.inside ? fold(one) : null,
      ["failed", "degraded"].includes(stateOf(one.span)) ? s("circle", { cx: one.x + one.w - 14, cy: one.y + one.h - 14, r: 5, class: "flag" }) : null);
  }

  let hand = null;
  picture.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    touched = true;
    hand = { x: event.clientX - look.x, y: event.clientY - look.y, moved: false, id: event.pointerId };
  });
  picture.addEventListener("pointermove", (event) => {
    if (!hand) return;
    if (!hand.moved && Math.hypot(event.clientX - look.x - hand.x, event.clientY - look.y - hand.y) < 4) return;
    if (!hand.moved) { hand.moved = true; picture.setPointerCapture(hand.id); }
    look = { ...look, x: event.clientX - hand.x, y: event.clientY - hand.y };
    schedule();
  });
  const release = () => { hand = null; };
  picture.addEventListener("pointerup", release);
  picture.addEventListener("pointercancel", release);
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    touched = true;
    const bounds = frame.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey || !event.shiftKey) zoom(Math.exp(-event.deltaY * 0.0015), { x: event.clientX - bounds.left, y: event.clientY - bounds.top });
    else { look = { ...look, x: look.x - event.deltaY }; schedule(); }
  }, { passive: false });
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (step) { event.preventDefault(); look = { ...look, x: look.x + step[0], y: look.y + step[1] }; schedule(); }
    if (event.key === "+" || event.key === "=") zoom(1.25);
    if (event.key === "-") zoom(0.8);
    if (event.key === "0") fit();
  });
  new ResizeObserver(() => { if (frame.clientWidth && !touched) fit(); else schedule(); }).observe(frame);
  return frame;
}

const clipped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function factLine(one) {
  const facts = one.span.attributes ?? {};
  const said = one.kind === "model" && (facts.input_tokens || facts.output_tokens) ? t("tokensShort", { n: (facts.input_tokens ?? 0) + (facts.output_tokens ?? 0) })
    : facts.hits !== undefined ? t("found", { n: facts.hits }) : facts.passages !== undefined ? t("found", { n: facts.passages })
      : facts.confidence !== undefined ? t("confidence", { value: number(facts.confidence * 100) }) : facts.hit !== undefined ? t(facts.hit ? "cacheHit" : "cacheMiss") : "";
  return [duration(one.span.seconds), said].filter(Boolean).join(" · ");
}
