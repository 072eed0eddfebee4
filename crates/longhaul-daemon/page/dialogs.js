// Questions in front of the list: what to remove, which link, which answer, which file may go; and the help.

import { fill, h, iconButton } from "./dom.js";
import { size } from "./format.js";
import { moved, title } from "./model.js";
import { said, t } from "./words.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {import("./dom.js").Child} Child */

/**
 * Shows a dialog, and takes it away when it is closed. The browser keeps the focus inside and gives it back.
 * @param {string} heading
 * @param {Child[]} content
 * @param {{class?: string, onclose?: () => void}} [options]
 */
export function openDialog(heading, content, options = {}) {
  const dialog = h("dialog", { class: options.class ?? "" });
  const label = `dialog-${Math.random().toString(36).slice(2)}`;
  dialog.setAttribute("aria-labelledby", label);
  dialog.append(
    h("header", {}, h("h2", { id: label, text: heading }), iconButton("cross", t("close"), () => dialog.close())),
    h("div", { class: "dialog-body" }, content));
  dialog.addEventListener("close", () => {
    dialog.remove();
    options.onclose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * A form in a dialog: closed when `act` says that it is done.
 * @param {string} heading
 * @param {Child[]} fields
 * @param {string} word of the button
 * @param {(form: FormData) => Promise<boolean>} act
 * @param {{danger?: boolean, class?: string}} [options]
 */
export function ask(heading, fields, word, act, options = {}) {
  const submit = h("button", { type: "submit", class: options.danger ? "danger" : "primary", text: word });
  const form = h("form", { method: "dialog" }, fields,
    h("footer", {}, h("button", { type: "button", text: t("cancel"), onclick: () => dialog.close() }), submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    const done = await act(new FormData(form));
    submit.disabled = false;
    if (done) dialog.close();
  });
  const dialog = openDialog(heading, [form], { class: options.class });
  return { dialog, form, submit };
}

/** @param {string} name @param {string} value @param {string} text @param {boolean} checked @param {string} [why] */
export function choice(name, value, text, checked, why) {
  return h("label", { class: "choice" },
    h("input", { type: "radio", name, value, checked }), h("span", {}, text, why ? h("small", { class: "dim", text: why }) : null));
}

/** What is to be named in a heading. @param {Row[]} rows */
const named = (rows) => (rows.length === 1 ? title(/** @type {Row} */ (rows[0])) : t("n_entries", { n: rows.length }));

/**
 * @param {Row[]} rows
 * @param {(rows: Row[], files: import("./api.js").Files) => Promise<boolean>} remove
 */
export function askRemove(rows, remove) {
  if (rows.length === 0) return;
  const unfinished = rows.some((row) => row.state !== "done");
  const downloads = rows.some((row) => row.state === "done" && row.kind === "download");
  const { submit } = ask(t("remove_what", { what: named(rows) }), [
    rows.length > 1 ? h("ul", { class: "names" }, rows.slice(0, 5).map((row) => h("li", { text: title(row) })),
      rows.length > 5 ? h("li", { class: "dim", text: t("and_more", { n: rows.length - 5 }) }) : null) : null,
    h("fieldset", {},
      h("legend", { text: t("files_of_it") }),
      unfinished ? choice("files", "partial", t("remove.partial"), true, t("remove.partial_why")) : null,
      choice("files", "keep", t("remove.keep"), !unfinished, unfinished ? t("remove.keep_why") : t("remove.keep_done")),
      downloads ? choice("files", "all", t("remove.all"), false, t("remove.all_why")) : null),
  ], t("remove"), (form) => remove(rows, /** @type {import("./api.js").Files} */ (form.get("files") ?? "keep")), { danger: true });
  submit.focus();
}

/**
 * @param {Row} row
 * @param {(row: Row, link: {sources: string[], headers?: Record<string, string>}) => Promise<boolean>} relink
 */
export function askLink(row, relink) {
  const wantsHeaders = row.reason?.need === "headers";
  ask(t("paste_link"), [
    h("p", { class: "dim wrap", text: title(row) }),
    h("p", { text: t("link_promise", { bytes: size(moved(row)) }) }),
    h("label", {}, t("new_link"), h("input", { name: "link", type: "text", autofocus: true, inputMode: "url", required: true, autocomplete: "off",
      spellcheck: false, value: wantsHeaders ? row.source : "", placeholder: "https://" })),
    h("details", { open: wantsHeaders }, h("summary", { text: t("headers") }),
      h("textarea", { name: "headers", rows: 3, spellcheck: false, "aria-label": t("headers"), placeholder: "Cookie: session=…" })),
  ], t("go_on"), (form) => {
    const headers = parseHeaders(String(form.get("headers") ?? ""));
    const sources = [String(form.get("link")).trim()];
    return relink(row, headers ? { sources, headers } : { sources });
  });
}

/** Lines `Name: value`; `null` where there are none. @param {string} text @returns {Record<string, string> | null} */
export function parseHeaders(text) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const line of text.split("\n")) {
    const parts = /^\s*([^:\s]+)\s*:\s*(.*?)\s*$/.exec(line);
    if (parts) found[parts[1] ?? ""] = parts[2] ?? "";
  }
  return Object.keys(found).length > 0 ? found : null;
}

/**
 * @param {Row} row
 * @param {(row: Row, answer: string) => Promise<boolean>} decide
 */
export function askDecision(row, decide) {
  const exists = row.reason?.kind === "exists";
  ask(t("decide"), [
    h("p", { class: "dim wrap", text: title(row) }),
    h("p", { class: "wrap", text: row.reason?.message ?? said("need", "decision") }),
    h("fieldset", {}, h("legend", { text: t("what_now") }),
      exists ? choice("answer", "rename", t("decide.rename"), true, t("decide.rename_why")) : null,
      exists ? choice("answer", "overwrite", t("decide.overwrite"), false, t("decide.overwrite_why")) : null,
      exists ? null : choice("answer", "restart", t("decide.restart"), true, t("decide.restart_why", { bytes: size(moved(row)) })),
      choice("answer", "forget", t("decide.forget"), false, t("decide.forget_why"))),
  ], t("go_on"), (form) => decide(row, String(form.get("answer"))));
}

/** So many finished files are offered, the largest. */
const OFFERED = 50;

/**
 * @param {Row} row that waits for room
 * @param {Iterable<Row>} all
 * @param {(rows: Row[]) => Promise<boolean>} free deletes their files
 */
export function askSpace(row, all, free) {
  const big = [...all].filter((each) => each.state === "done" && each.kind === "download" && each.outcome)
    .sort((a, b) => (b.outcome?.bytes ?? 0) - (a.outcome?.bytes ?? 0)).slice(0, OFFERED);
  const missing = row.total ? t("space_needed", { bytes: size(row.total - moved(row)) }) : "";
  ask(t("free_space"), [
    h("p", { class: "wrap", text: row.reason?.message ?? said("why", "space") }),
    h("p", { text: `${missing} ${big.length > 0 ? t("space_offer") : t("space_none")}` }),
    h("div", { class: "offered" }, big.map((each) => h("label", { class: "choice" },
      h("input", { type: "checkbox", name: "id", value: each.id }),
      h("span", {}, title(each), h("small", { class: "dim", text: size(each.outcome?.bytes ?? 0) }))))),
  ], big.length > 0 ? t("delete_files") : t("retry_now"), (form) => {
    const ids = new Set(form.getAll("id"));
    return free(big.filter((each) => ids.has(each.id)));
  }, { danger: big.length > 0 });
}

/** @type {[string, import("./words.js").Word][]} */
const KEYS = [
  ["n", "key.add"], ["Ctrl + Enter", "key.send"], ["/", "key.search"], ["↑ ↓ Home End", "key.walk"], ["Shift + ↑ ↓", "key.extend"], ["Ctrl + A", "key.all"],
  ["Enter", "key.open"], ["Space", "key.toggle"], ["r", "key.retry"], ["Alt + ↑ ↓", "key.move"], ["Alt + Home End", "key.ends"],
  ["Delete", "key.remove"], ["Esc", "key.close"], ["?", "key.help"],
];

export function showHelp() {
  openDialog(t("help"), [
    h("table", { class: "keys" }, h("tbody", {}, KEYS.map(([keys, word]) =>
      h("tr", {}, h("th", { scope: "row" }, keys.split(" ").map((key) => (key === "+" ? " + " : h("kbd", { text: key })))), h("td", { text: t(word) }))))),
    h("p", { class: "dim", text: t("help_mouse") }),
    h("p", { class: "dim", text: t("help_bar") }),
  ]);
}

/** @param {HTMLElement} place @param {string} text @param {boolean} bad */
export function note(place, text, bad) {
  fill(place, h("p", { class: bad ? "bad wrap" : "dim wrap", role: bad ? "alert" : "status", text }));
}
