// Which language the page speaks, and its words in it.

import { en } from "./words-en.js";
import { zh } from "./words-zh.js";

/** @typedef {keyof typeof en} Word */

const TABLES = { en, zh };
const KEPT = "longhaul.language";

/** @type {"en" | "zh"} */
let chosen = initial();

/** @returns {"en" | "zh"} */
function initial() {
  const kept = globalThis.localStorage?.getItem(KEPT);
  if (kept === "en" || kept === "zh") return kept;
  return (globalThis.navigator?.language ?? "en").toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The language of the page, as a BCP 47 tag. */
export function language() {
  return chosen === "zh" ? "zh-Hans" : "en";
}

/** @param {"en" | "zh"} next for this browser, from the next load on */
export function chooseLanguage(next) {
  localStorage.setItem(KEPT, next);
  chosen = next;
}

/**
 * A word or sentence, with its `{places}` filled.
 * @param {Word} word
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(word, values = {}) {
  return TABLES[chosen][word].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * The same for a word that comes from the daemon and may be a newer one: itself, then.
 * @param {string} prefix
 * @param {string} word
 */
export function said(prefix, word) {
  const key = `${prefix}.${word}`;
  return key in en ? t(/** @type {Word} */ (key)) : word.replaceAll("_", " ");
}
