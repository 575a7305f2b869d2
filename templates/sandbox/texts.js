// The words of the page, in the language that the reader chose.

import { keep, recall } from "./store.js";

export const LANGUAGES = ["zh", "en"];
let texts = {};
export let language = "zh";

/** The language of this visit: ?lang=, then the last choice, then Chinese. */
export function chosenLanguage() {
  const asked = new URLSearchParams(location.search).get("lang") || recall("localStorage", "language");
  return LANGUAGES.includes(asked) ? asked : "zh";
}

export async function loadTexts(wanted) {
  const response = await fetch(`/phone/texts.${wanted}.json`);
  texts = await response.json();
  language = wanted;
  keep("localStorage", "language", wanted);
  document.documentElement.lang = wanted === "zh" ? "zh-CN" : "en";
  document.title = t("page.title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
}

/** A text with its {values}. */
export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    if (!(name in values)) return whole;
    // Somebody's words may turn the direction around: isolated, they cannot do so to ours.
    return name === "name" || name === "message" ? `\u2068${values[name]}\u2069` : String(values[name]);
  });
}

/** Whether there are words for `key`. */
export const known = (key) => key in texts;

// The company lives by China's clock, wherever the reader is.
const ZONE = "Asia/Shanghai";
const locale = () => (language === "zh" ? "zh-CN" : "en-GB");
const formats = new Map();
function format(options) {
  const key = language + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale(), { timeZone: ZONE, ...options }));
  return formats.get(key);
}

export const clockTime = (seconds) => format({ hour: "2-digit", minute: "2-digit", hour12: false }).format(seconds * 1000);
export const exactTime = (seconds) =>
  format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(seconds * 1000);
export const fullTime = (seconds) =>
  format({ year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false }).format(
    seconds * 1000,
  );
export const barTime = (seconds) =>
  format({ month: "short", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false }).format(
    seconds * 1000,
  );
const day = (seconds) => format({ year: "numeric", month: "2-digit", day: "2-digit" }).format(seconds * 1000);

/** As chat lists say it: the time for today, else the date. */
export function shortTime(seconds, now) {
  if (day(seconds) === day(now)) return clockTime(seconds);
  return format({ year: "2-digit", month: "numeric", day: "numeric" }).format(seconds * 1000);
}

/** As chats say it between messages. */
export function chatTime(seconds, now) {
  if (day(seconds) === day(now)) return clockTime(seconds);
  return format({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false }).format(seconds * 1000);
}

export function fileSize(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** A duration in words: 0.3 秒, 12 毫秒. */
export function duration(seconds) {
  return seconds < 0.1
    ? t("time.ms", { n: Math.max(1, Math.round(seconds * 1000)) })
    : t("time.s", { n: seconds < 10 ? seconds.toFixed(1) : Math.round(seconds) });
}
