// How a run ended, as its row in the list says it.

export const TEXTS = { answered: "answered", unsure: "unsure", refused: "refusedShort", degraded: "degradedShort", failed: "failedShort" };

export function stateOf(run) {
  if (run.failed) return "failed";
  if (run.degraded?.length) return "degraded";
  if (run.refused) return "refused";
  return run.sure === false && ["ask", "chat", "stream"].includes(run.kind) ? "unsure" : "answered";
}

export const outcomeName = (run) => TEXTS[stateOf(run)];
