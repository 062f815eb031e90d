// The server's API: JSON in and out, events as they come, pictures as addresses of what was fetched.

import { entered } from "./dom.js";
import { t } from "./texts.js";

export class Fault extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const TOKEN = "ragkit-token";
let asking = null;

function headers(body) {
  const token = sessionStorage.getItem(TOKEN);
  return {
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(body !== undefined && !(body instanceof Blob) ? { "content-type": "application/json" } : {}),
  };
}

/** The base that the page's address names, as part of a query. */
export function withBase(path) {
  const base = new URLSearchParams(location.search).get("base");
  return base ? `${path}${path.includes("?") ? "&" : "?"}base=${encodeURIComponent(base)}` : path;
}

async function fetched(path, { method = "GET", body, signal, headers: more = {} } = {}) {
  let answer;
  try {
    answer = await fetch(withBase(path), {
      method,
      signal,
      headers: { ...headers(body), ...more },
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Fault(t("unreachable"), 0);
  }
  if (answer.status === 401) {
    asking ??= entered(t("tokenNeeded"), t("token"), { type: "password", yes: t("ok") }).finally(() => { asking = null; });
    const token = await asking;
    if (token) {
      sessionStorage.setItem(TOKEN, token);
      return fetched(path, { method, body, signal, headers: more });
    }
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => null);
    throw new Fault(said?.error?.message ?? `${answer.status} ${answer.statusText}`, answer.status, said?.error?.code);
  }
  return answer;
}

export async function call(path, options) {
  const answer = await fetched(path, options);
  return answer.status === 204 ? null : answer.json();
}

/** Fetch bytes, and return an address for them within the page. */
export async function picture(path, signal) {
  const answer = await fetched(path, { signal });
  return URL.createObjectURL(await answer.blob());
}

export async function download(path, name) {
  const address = await picture(path);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Go through server-sent events: yields each one's name and its data. */
export async function* events(path, options) {
  const answer = await fetched(path, options);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      waiting += value;
      let end;
      while ((end = waiting.indexOf("\n\n")) >= 0) {
        const lines = waiting.slice(0, end).split("\n");
        waiting = waiting.slice(end + 2);
        const name = lines.find((line) => line.startsWith("event: "))?.slice(7) ?? "message";
        const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
        if (data) yield [name, JSON.parse(data)];
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

export const documentPath = (path) => path.split("/").map(encodeURIComponent).join("/");
