// Why an entry does not run, in one line, and the one thing that helps.

import { number, size, when } from "./format.js";
import { moved } from "./model.js";
import { said, t } from "./words.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {"retry" | "link" | "decide" | "space"} Help What a button of a reason does; `app.js` does it. */
/** @typedef {{text: string, tone: "wait" | "need" | "bad" | "note", help: Help | null, label: string}} Line */

/**
 * @param {Row} row
 * @param {import("./model.js").Note | undefined} note what its transfer said lately
 * @returns {Line | null} `null`: there is nothing to say
 */
export function reasonOf(row, note) {
  const reason = row.reason;
  if (row.state === "needs") return need(row);
  if (row.state === "later") return later(row);
  if (row.state === "failed") {
    const text = reason?.message || said("kind", reason?.kind ?? "internal");
    return { text, tone: "bad", help: "retry", label: t("retry") };
  }
  if (note && (row.state === "running" || row.state === "queued")) return { text: note.text, tone: "note", help: null, label: "" };
  return null;
}

/** @param {Row} row @returns {Line} */
function need(row) {
  const what = row.reason?.need ?? "decision";
  const text = said("need", what);
  if (what === "link" || what === "headers") return { text, tone: "need", help: "link", label: t("paste_link") };
  if (what === "keys") return { text, tone: "need", help: "retry", label: t("retry_now") };
  return { text: row.reason?.message || text, tone: "need", help: "decide", label: t("decide") };
}

/** @param {Row} row @returns {Line} */
function later(row) {
  const reason = row.reason;
  const why = reason?.why ?? "network";
  let text = said("why", why);
  if (why === "space" && row.total) text = t("why.space_bytes", { bytes: size(row.total - moved(row)) });
  if (why === "in_use") {
    text = reason?.message || text;
  } else if (reason?.until_ms && why !== "space") {
    text = t("again", { why: text, when: when(reason.until_ms) });
  }
  if (why === "space") return { text, tone: "wait", help: "space", label: t("free_space") };
  return { text, tone: "wait", help: "retry", label: t("retry_now") };
}

/**
 * An event of a transfer as a remark for its row, with the milliseconds that it is worth showing; `null` when it is none.
 * @param {any} event
 * @returns {{text: string, ms: number} | null}
 */
export function remark(event) {
  switch (event.event) {
    case "restarted":
      return { text: t("gave_up", { bytes: size(event.discarded ?? 0), why: event.message ?? "" }), ms: 120_000 };
    case "retry":
      return { text: t("tries_again", { why: event.reason ?? "", n: Math.ceil((event.delay_ms ?? 0) / 1000) }), ms: (event.delay_ms ?? 0) + 1000 };
    case "damaged":
      return { text: t("damaged", { n: number((event.ranges ?? []).length) }), ms: 60_000 };
    case "limited":
      return { text: t("limited", { n: event.connections ?? 1 }), ms: 20_000 };
    case "warning":
      return { text: String(event.message ?? ""), ms: 60_000 };
    default:
      return null;
  }
}
