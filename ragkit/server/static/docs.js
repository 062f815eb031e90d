// Draws openapi.json: the routes by group, with their parameters and the forms of what is sent.

const make = (tag, text, ...children) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

/** Write a schema out as an example of its form; references are followed a few levels deep. */
const form = (schema, schemas, depth = 0) => {
  if (!schema || depth > 5) return "…";
  if (schema.$ref) return form(schemas[schema.$ref.split("/").pop()], schemas, depth + 1);
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return form(either.find((one) => one.type !== "null") ?? either[0], schemas, depth);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return schema.const;
  if (schema.type === "array") return [form(schema.items, schemas, depth + 1)];
  if (schema.properties) {
    const entries = Object.entries(schema.properties);
    return Object.fromEntries(entries.map(([name, one]) => [name, form(one, schemas, depth + 1)]));
  }
  return schema.default !== undefined ? schema.default : (schema.type ?? "any");
};

const content = (body) => body?.content?.["application/json"]?.schema;

const route = (method, path, facts, schemas) => {
  const summary = make("summary", "", make("code", `${method.toUpperCase()} ${path}`), ` ${facts.summary ?? ""}`);
  const inside = make("div", "", make("p", facts.description ?? ""));
  if (facts.parameters?.length) {
    const rows = facts.parameters.map((one) =>
      make("tr", "", make("td", "", make("code", one.name)), make("td", one.in), make("td", one.description ?? "")));
    inside.append(make("table", "", ...rows));
  }
  for (const [title, schema] of [["Sent", content(facts.requestBody)], ["Answered", content(facts.responses?.["200"])]]) {
    if (schema) inside.append(make("h4", title), make("pre", JSON.stringify(form(schema, schemas), null, 2)));
  }
  return make("details", "", summary, inside);
};

const draw = (description) => {
  const groups = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, facts] of Object.entries(methods)) {
      const group = facts.tags?.[0] ?? "other";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(route(method, path, facts, description.components?.schemas ?? {}));
    }
  }
  const place = document.getElementById("routes");
  for (const [group, routes] of groups) place.append(make("h2", group), ...routes);
};

document.getElementById("address").textContent = `${location.origin}/v1`;
const answer = await fetch("/openapi.json");
if (answer.ok) draw(await answer.json());
else document.getElementById("routes").textContent = "openapi.json wants the server's token.";
