// Spans as a tree, with what they used in all, and the way that led to the answer.

/** Make a tree of a trace's spans: nodes with children in order of time, and sums of what they used. */
export function spanTree(spans) {
  const nodes = new Map(spans.map((span) => [span.id, { span, children: [], depth: 0, parent: null }]));
  const roots = [];
  for (const node of nodes.values()) {
    const parent = nodes.get(node.span.parent);
    if (parent && parent !== node) {
      parent.children.push(node);
      node.parent = parent;
    } else {
      roots.push(node);
    }
  }
  const byTime = (one, other) => one.span.started_at - other.span.started_at || one.span.seconds - other.span.seconds;
  roots.sort(byTime);
  const ordered = [];
  const waiting = roots.toReversed();
  while (waiting.length) {
    const node = waiting.pop();
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    node.children.sort(byTime);
    ordered.push(node);
    for (let at = node.children.length - 1; at >= 0; at--) waiting.push(node.children[at]);
  }
  for (let at = ordered.length - 1; at >= 0; at--) {
    const node = ordered[at];
    const own = usageOf(node.span);
    node.sum = node.children.reduce((sum, child) => ({
      calls: sum.calls + child.sum.calls, read: sum.read + child.sum.read, written: sum.written + child.sum.written, cost: sum.cost + child.sum.cost, failed: sum.failed + child.sum.failed, spans: sum.spans + child.sum.spans,
    }), { ...own, failed: node.span.status === "error" ? 1 : 0, spans: 1 });
  }
  return { roots, ordered };
}

function usageOf(span) {
  if (span.kind !== "model") return { calls: 0, read: 0, written: 0, cost: 0 };
  const facts = span.attributes ?? {};
  return { calls: 1, read: facts.input_tokens ?? 0, written: facts.output_tokens ?? 0, cost: facts.cost ?? 0 };
}

export const degradedOf = (span) => (Array.isArray(span.attributes?.degraded) ? span.attributes.degraded : []);

/** How a span stands: what is seen first. */
export const stateOf = (span) => (span.status === "error" ? "failed" : span.status === "cancelled" ? "cancelled" : degradedOf(span).length ? "degraded" : "fine");

/** The spans that the answer came by: the last child that took part, down to the leaves. */
export function wayToAnswer(roots) {
  const way = new Set();
  const visit = (node) => {
    way.add(node.span.id);
    for (const child of node.children) if (child.span.status !== "error" && !(child.span.kind === "cache" && !child.span.attributes?.hit)) visit(child);
  };
  roots.forEach(visit);
  return way;
}
