// Amounts, rates and times, as the reader's language writes them.

import { language, t } from "./words.js";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/**
 * Bytes in units of 1000, three digits: `1.23 GB`.
 * @param {number} bytes
 */
export function size(bytes) {
  let unit = 0;
  let amount = Math.max(0, bytes);
  while (amount >= 999.5 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2;
  return `${number(amount, digits)} ${UNITS[unit]}`;
}

/** @param {number} bytes a second */
export function rate(bytes) {
  return `${size(bytes)}/s`;
}

/**
 * @param {number} value
 * @param {number} [digits]
 */
export function number(value, digits = 0) {
  return numbers(digits).format(value);
}

/** @type {Map<string, Intl.NumberFormat>} */
const known = new Map();

/** @param {number} digits */
function numbers(digits) {
  const key = `${language()} ${digits}`;
  let format = known.get(key);
  if (!format) {
    format = new Intl.NumberFormat(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
    known.set(key, format);
  }
  return format;
}

/**
 * How long something takes, in one or two units.
 * @param {number} seconds
 */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t("seconds", { n: s });
  if (s < 3600) return t("minutes", { n: Math.round(s / 60) });
  if (s < 86400) return t("hours", { n: Math.floor(s / 3600), m: Math.round((s % 3600) / 60) % 60 });
  return t("days", { n: Math.floor(s / 86400), h: Math.floor((s % 86400) / 3600) });
}

/**
 * A moment: the time alone today, with the date on other days.
 * @param {number} ms since 1970
 */
export function moment(ms) {
  const date = new Date(ms);
  const today = date.toDateString() === new Date().toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const form = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (!today) Object.assign(form, { month: "short", day: "numeric" });
  return new Intl.DateTimeFormat(language(), form).format(date);
}

/**
 * When it goes on: `in 12 s` while that is near, else the time of day.
 * @param {number} ms since 1970
 */
export function when(ms) {
  const left = (ms - Date.now()) / 1000;
  return left < 120 ? t("in", { time: duration(Math.max(1, left)) }) : t("at", { time: moment(ms) });
}

/**
 * The host of a link, the bucket of a name in a store.
 * @param {string} source
 */
export function host(source) {
  const rest = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(source);
  return rest ? (rest[1] ?? "").replace(/^.*@/, "") : "";
}

/**
 * The last part of a path or a link.
 * @param {string} path
 */
export function lastPart(path) {
  const parts = path.replace(/[?#].*$/, "").split("/").filter(Boolean);
  const last = parts[parts.length - 1] ?? path;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/**
 * A rate as it is typed: `2M`, `500k`, `1.5 MB/s`, `off`. Units of 1000 bytes, with `i` of 1024; `null` when it is none.
 * @param {string} text
 * @returns {number | null}
 */
export function parseRate(text) {
  const word = text.trim().toLowerCase();
  if (word === "" || word === "0" || word === "off") return 0;
  const parts = /^(\d+(?:[.,]\d+)?)\s*([kmgt]?)(i?)b?(?:\/s)?$/.exec(word);
  if (!parts) return null;
  const power = "kmgt".indexOf(parts[2] || " ") + 1;
  const value = Number((parts[1] ?? "").replace(",", ".")) * (parts[3] ? 1024 : 1000) ** power;
  return value >= 1 ? Math.round(value) : null;
}

/**
 * The same backwards, as a field shows it: `2M`; empty for no limit.
 * @param {number | null | undefined} bytes
 */
export function typedRate(bytes) {
  if (!bytes) return "";
  for (const [unit, factor] of /** @type {[string, number][]} */ ([["G", 1e9], ["M", 1e6], ["k", 1e3]])) {
    if (bytes >= factor && bytes % (factor / 1000) === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}
