// Where the steps of a run stand on the canvas: from left to right in time, what ran at once, or looks
// for the same thing in two ways, below each other; what has parts is a group around them.

import { degradedOf } from "./spans.js";

const WIDE = 168;
const HIGH = 58;
const GAP = 34;
const ROW_GAP = 18;
const PAD = 16;
const HEAD = 30;
const LINE = 700; // points of a group's line, unless one step is wider
const LANES = new Set(["dense", "lexical", "embed"]);

/** Lay out a tree; `closed` holds the ids of groups that are drawn as one node. */
export function layOut(tree, closed) {
  const nodes = [];
  const edges = [];
  const root = tree.roots[0];
  const question = { id: "question", kind: "end", name: "question", text: root?.span.inputs?.question ?? root?.span.name ?? "", x: 0, y: 0, w: WIDE + 30, h: HIGH + 16 };
  let x = question.w + GAP;
  let high = question.h;
  const tops = [];
  for (const one of tree.roots) {
    const box = measured(one, closed);
    tops.push([one, box, x]);
    x += box.w + GAP;
    high = Math.max(high, box.h);
  }
  const middle = high / 2;
  question.y = middle - question.h / 2;
  nodes.push(question);
  let before = question;
  for (const [one, box, left] of tops) {
    const placed = place(one, box, left, middle - box.h / 2, closed, nodes, edges);
    edges.push({ from: before, to: placed.entry, way: true });
    before = placed.exit;
  }
  const outputs = root?.span.outputs;
  const refused = root?.span.attributes?.refused;
  if (root && (outputs?.answer || refused !== undefined || typeof outputs === "string")) {
    const said = outputs?.answer?.text ?? outputs?.answer ?? outputs;
    const answer = { id: "answer", kind: "end", name: refused ? "refused" : "answer", text: typeof said === "string" ? said : JSON.stringify(said ?? ""), x, y: middle - question.h / 2, w: WIDE + 30, h: HIGH + 16, refused };
    nodes.push(answer);
    edges.push({ from: before, to: answer, way: true });
    x += answer.w;
  }
  return { nodes, edges, width: x, height: high };
}

const isGroup = (node, closed) => node.children.length > 0 && !closed.has(node.span.id);

/** Children in steps: each a list of those that stand below each other. */
function stepsOf(node) {
  const steps = [];
  let end = -Infinity;
  for (const child of node.children) {
    const last = steps.at(-1);
    const lanes = last && LANES.has(child.span.name) && child.span.name !== "embed" && last.every((one) => LANES.has(one.span.name) && one.span.name !== "embed");
    const atOnce = last && child.span.started_at < end - 1e-4 && child.span.seconds > 0;
    if (lanes || atOnce) last.push(child);
    else steps.push([child]);
    end = lanes || atOnce ? Math.max(end, child.span.started_at + child.span.seconds) : child.span.started_at + child.span.seconds;
  }
  return steps;
}

function measured(node, closed) {
  if (!isGroup(node, closed)) return { w: WIDE, h: HIGH };
  const steps = stepsOf(node).map((step) => {
    const boxes = step.map((child) => measured(child, closed));
    return { step, boxes, w: Math.max(...boxes.map((box) => box.w)), h: boxes.reduce((sum, box) => sum + box.h, 0) + ROW_GAP * (boxes.length - 1) };
  });
  // Lines are filled up to a width; a group of very many steps becomes as wide as it is high.
  const most = Math.max(LINE, Math.sqrt(steps.length) * 1.6 * WIDE);
  const lines = [];
  for (const step of steps) {
    const line = lines.at(-1);
    if (line && line.w + GAP + step.w <= most) {
      line.steps.push(step);
      line.w += GAP + step.w;
      line.h = Math.max(line.h, step.h);
    } else {
      lines.push({ steps: [step], w: step.w, h: step.h });
    }
  }
  return { lines, w: Math.max(WIDE, ...lines.map((line) => line.w)) + 2 * PAD, h: lines.reduce((sum, line) => sum + line.h, 0) + GAP * (lines.length - 1) + HEAD + PAD };
}

function place(node, box, x, y, closed, nodes, edges) {
  const { span, sum } = node;
  const drawn = { id: span.id, kind: span.kind, name: span.name, span, sum, node, x, y, w: box.w, h: box.h, group: isGroup(node, closed), inside: node.children.length, degraded: degradedOf(span).length > 0 };
  nodes.push(drawn);
  if (!drawn.group) return { entry: drawn, exit: drawn };
  let top = y + HEAD;
  let before = [];
  let entry = drawn;
  for (const line of box.lines) {
    let left = x + PAD;
    for (const step of line.steps) {
      let high = top + (line.h - step.h) / 2;
      const now = step.step.map((child, at) => {
        const own = step.boxes[at];
        const placed = place(child, own, left + (step.w - own.w) / 2, high, closed, nodes, edges);
        high += own.h + ROW_GAP;
        return placed;
      });
      for (const one of before) for (const other of now) edges.push({ from: one.exit, to: other.entry });
      before = now;
      left += step.w + GAP;
    }
    top += line.h + GAP;
  }
  return { entry, exit: drawn };
}
