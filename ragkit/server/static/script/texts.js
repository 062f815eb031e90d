// What the page says, in the language of the browser, or the one that was chosen.

import { en } from "../text/en.js";
import { de } from "../text/de.js";

export const LANGUAGES = { en: "English", de: "Deutsch" };
const ALL = { en, de };
const KEY = "ragkit-language";
const wished = [localStorage.getItem(KEY), ...navigator.languages].map((one) => one?.slice(0, 2));

export const language = wished.find((one) => one in ALL) ?? "en";

export function choose(one) {
  localStorage.setItem(KEY, one);
  location.reload();
}

/** Return a text by its name; `{name}` in it stands for a value; of two forms by `n`, the one that fits. */
export function t(name, values = {}) {
  let text = ALL[language][name] ?? en[name] ?? name;
  if (Array.isArray(text)) text = text[values.n === 1 ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (_, key) => (typeof values[key] === "number" ? number(values[key]) : values[key] ?? ""));
}

export const number = (value, digits = 0) =>
  value.toLocaleString(language, { maximumFractionDigits: digits, minimumFractionDigits: digits });
export const moment = (seconds) =>
  new Date(seconds * 1000).toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" });
export const duration = (seconds) =>
  seconds < 1 ? `${number(seconds * 1000, seconds < 0.01 ? 1 : 0)} ms` : `${number(seconds, seconds < 10 ? 2 : 1)} s`;
export const size = (bytes) =>
  bytes < 1e3 ? `${bytes} B` : bytes < 1e6 ? `${number(bytes / 1e3, 1)} kB` : `${number(bytes / 1e6, 1)} MB`;
