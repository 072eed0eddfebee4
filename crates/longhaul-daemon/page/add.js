// The box that adds: links as text, as files, as drops; what each one is, before it is in the list.

import { api, ApiError } from "./api.js";
import { fill, h } from "./dom.js";
import { note, openDialog, parseHeaders } from "./dialogs.js";
import { isMetalink, readMetalink } from "./metalink.js";
import { lastPart, number, parseRate, size } from "./format.js";
import { t } from "./words.js";

/** So many links are looked at before they are added; the others are added unseen. */
const PROBED = 20;
const PROBES_AT_ONCE = 3;
/** So many the daemon takes at a time. */
const AT_A_TIME = 1000;
/** A list of links is no longer than this, in bytes. */
const FILE_MOST = 8_000_000;

/** @typedef {{name?: string, size?: number | null, resumable?: boolean, why?: string, problem?: string} | null} Seen `null`: being asked */

/**
 * The links in a text: one a line, blank lines and comments left out, each once.
 * @param {string} text
 */
export function links(text) {
  const found = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  return [...new Set(found)];
}

export class AddBox {
  /**
   * @param {import("./model.js").Model} model
   * @param {(text: string, bad?: boolean) => void} say
   */
  constructor(model, say) {
    this.model = model;
    this.say = say;
    /** @type {HTMLDialogElement | null} */
    this.dialog = null;
    /** @type {Map<string, Seen>} */
    this.seen = new Map();
    this.listenForDrops();
  }

  /** @param {string} [text] */
  open(text = "") {
    if (this.dialog) {
      this.take(text);
      return;
    }
    this.seen.clear();
    this.asking = new AbortController();
    this.field = h("textarea", { name: "links", rows: 4, spellcheck: false, placeholder: t("links_placeholder"), "aria-label": t("links"), oninput: () => this.typed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.field?.form?.requestSubmit();
      } });
    this.file = h("input", { type: "file", multiple: true, accept: ".txt,.lst,.urls,.meta4,.metalink,text/plain", onchange: () => void this.read([...(this.file?.files ?? [])]) });
    this.results = h("div", { class: "probes", role: "status" });
    this.submit = h("button", { type: "submit", class: "primary", text: t("add") });
    this.folder = h("input", { name: "folder", autocomplete: "off", placeholder: t("default_folder"), oninput: () => void this.offerFolders() });
    this.folder.setAttribute("list", "folder-names");
    const lane = h("input", { name: "lane", autocomplete: "off", placeholder: "main" });
    lane.setAttribute("list", "lane-names");
    this.single = h("div", { class: "grid" },
      h("label", {}, t("save_as"), h("input", { name: "name", autocomplete: "off", placeholder: t("name_by_server") })),
      h("label", {}, t("checksum"), h("input", { name: "checksum", autocomplete: "off", spellcheck: false, placeholder: "sha256:…" })));
    this.answer = h("div", {});
    const form = h("form", { method: "dialog" }, this.field,
      h("p", { class: "dim small-text" }, t("or_files"), " ", h("label", { class: "link" }, t("choose_files"), this.file)),
      this.results, this.answer,
      h("div", { class: "grid" }, h("label", {}, t("folder"), this.folder), h("label", {}, t("lane"), lane)),
      h("details", {}, h("summary", { text: t("more") }), this.single,
        h("div", { class: "grid" },
          h("label", {}, t("limit"), h("input", { name: "limit", placeholder: t("no_limit"), autocomplete: "off" })),
          h("label", {}, t("connections"), h("input", { name: "connections", type: "number", min: "1", max: "64", placeholder: t("automatic") })),
          h("label", {}, t("existing"), h("select", { name: "existing" },
            h("option", { value: "ask", text: t("existing.ask") }), h("option", { value: "rename", text: t("existing.rename") }), h("option", { value: "overwrite", text: t("existing.overwrite") })))),
        h("label", {}, t("headers"), h("textarea", { name: "headers", rows: 2, spellcheck: false, placeholder: "Cookie: session=…" })),
        h("label", { class: "check" }, h("input", { type: "checkbox", name: "top" }), t("add_top"))),
      h("footer", {}, h("label", { class: "check" }, h("input", { type: "checkbox", name: "hold" }), t("add_held")),
        h("button", { type: "button", text: t("cancel"), onclick: () => this.dialog?.close() }), this.submit));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.add(new FormData(form));
    });
    this.dialog = openDialog(t("add"), [form], { class: "wide", onclose: () => {
      this.asking?.abort();
      clearTimeout(this.timer);
      this.dialog = null;
    } });
    this.field.focus();
    this.take(text);
    void this.offerFolders();
  }

  /** Adds lines to those that are there. @param {string} text */
  take(text) {
    if (!this.field || text === "") return;
    const there = this.field.value.trimEnd();
    this.field.value = there === "" ? text : `${there}\n${text}`;
    this.typed();
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.probe(), 400);
    this.showSeen();
  }

  /** Asks of each link what it is, a few at a time. */
  async probe() {
    const wanted = links(this.field?.value ?? "").slice(0, PROBED).filter((link) => !this.seen.has(link));
    for (const link of wanted) this.seen.set(link, null);
    this.showSeen();
    const signal = this.asking?.signal;
    const worker = async () => {
      for (let link = wanted.shift(); link !== undefined; link = wanted.shift()) {
        try {
          this.seen.set(link, seen(await api.probe(link, signal)));
        } catch (error) {
          if (!(error instanceof ApiError)) return;
          this.seen.set(link, { problem: error.message });
        }
        this.showSeen();
      }
    };
    await Promise.all(Array.from({ length: PROBES_AT_ONCE }, worker));
  }

  showSeen() {
    const { field, results, submit, single } = this;
    if (!field || !results || !submit || !single) return;
    const all = links(field.value);
    submit.disabled = all.length === 0;
    submit.textContent = all.length > 1 ? t("add_n", { n: number(all.length) }) : t("add");
    single.hidden = all.length > 1;
    const known = all.slice(0, PROBED).filter((link) => this.seen.has(link));
    fill(results, known.length === 0 ? null : h("ul", {}, known.map((link) => {
      const what = this.seen.get(link);
      if (!what) return h("li", {}, h("span", { class: "name", text: lastPart(link) }), h("span", { class: "dim", text: t("asking") }));
      if (what.problem) return h("li", { class: "bad" }, h("span", { class: "name", text: lastPart(link) }), h("span", { class: "wrap", text: what.problem }));
      return h("li", {}, h("span", { class: "name", text: what.name || lastPart(link) }),
        h("span", { text: what.size === null || what.size === undefined ? t("size_unknown") : size(what.size) }),
        h("span", { class: what.resumable ? "good" : "dim", title: what.why ?? "", text: what.resumable ? t("resumable") : t("not_resumable") }));
    }), all.length > PROBED ? h("li", { class: "dim", text: t("and_more", { n: all.length - PROBED }) }) : null));
  }

  /** Files of links, or Metalinks. @param {File[]} files */
  async read(files) {
    for (const file of files) {
      if (file.size > FILE_MOST) {
        this.say(t("file_too_long", { name: file.name }), true);
        continue;
      }
      const text = await file.text();
      if (isMetalink(text)) await this.addMetalink(file.name, text);
      else this.take(links(text).join("\n"));
    }
    if (this.file) this.file.value = "";
  }

  /** Adds what a Metalink names, with what else the form says. @param {string} name @param {string} text */
  async addMetalink(name, text) {
    const form = this.field?.form;
    const files = readMetalink(text);
    if (!form || files.length === 0) return this.say(t("metalink_empty", { name }), true);
    const common = shared(new FormData(form), 0, false);
    try {
      const outcome = counted(await api.add(files.slice(0, AT_A_TIME).map((file) => ({ ...common, ...file }))));
      if (outcome.added > 0) this.say(t("added_n", { n: number(outcome.added) }));
      if (outcome.already > 0) this.say(t("already_n", { n: number(outcome.already) }));
      if (outcome.refused.length > 0) this.say(`${name}: ${outcome.why}`, true);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.say(`${name}: ${error.message}`, true);
    }
  }

  /** @param {FormData} form */
  async add(form) {
    const { field, submit, answer, dialog } = this;
    if (!field || !submit || !answer || !dialog) return;
    const all = links(field.value);
    const limit = parseRate(String(form.get("limit") ?? ""));
    if (limit === null) return note(answer, t("bad_rate"), true);
    submit.disabled = true;
    const common = shared(form, limit, all.length === 1);
    /** @type {string[]} */
    const refused = [];
    let added = 0;
    let already = 0;
    let why = "";
    for (let i = 0; i < all.length; i += AT_A_TIME) {
      const some = all.slice(i, i + AT_A_TIME);
      try {
        const outcome = counted(await api.add(some.map((source) => ({ ...common, source }))), some);
        added += outcome.added;
        already += outcome.already;
        refused.push(...outcome.refused);
        why ||= outcome.why;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        refused.push(...some);
        why ||= error.message;
      }
    }
    submit.disabled = false;
    const text = [added > 0 ? t("added_n", { n: number(added) }) : "", already > 0 ? t("already_n", { n: number(already) }) : ""].filter(Boolean).join(" ");
    if (text) this.say(text);
    if (refused.length === 0) return dialog.close();
    field.value = refused.join("\n");
    this.showSeen();
    note(answer, refused.length > 1 ? t("refused_n", { n: number(refused.length), why }) : why, true);
  }

  async offerFolders() {
    const path = this.folder?.value ?? "";
    const answer = await api.folders(path).catch(() => null);
    const names = (answer?.folders ?? []).map((/** @type {string} */ name) => `${answer.path}/${name}`);
    let list = document.getElementById("folder-names");
    if (!list) {
      list = h("datalist", { id: "folder-names" });
      document.body.append(list);
    }
    fill(list, names.slice(0, 100).map((/** @type {string} */ value) => h("option", { value })));
  }

  /** Links and files may be dropped anywhere on the page. */
  listenForDrops() {
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      const { dataTransfer } = event;
      if (!dataTransfer) return;
      const text = dataTransfer.getData("text/uri-list") || dataTransfer.getData("text/plain");
      const files = [...dataTransfer.files];
      if (files.length === 0 && text === "") return;
      this.open(files.length > 0 ? "" : links(text).join("\n"));
      void this.read(files);
    });
  }
}

/** @param {any} answer @returns {Seen} */
function seen(answer) {
  return { name: answer.name, size: answer.object?.length ?? answer.total ?? null, resumable: answer.resumable, why: answer.why };
}

/** What all of them are added with. @param {FormData} form @param {number} limit @param {boolean} single */
function shared(form, limit, single) {
  /** @param {string} name */
  const field = (name) => String(form.get(name) ?? "").trim();
  /** @type {Record<string, unknown>} */
  const options = {};
  if (limit > 0) options["limit_rate"] = limit;
  if (field("connections")) options["connections"] = Number(field("connections"));
  if (field("existing") && field("existing") !== "ask") options["existing"] = field("existing");
  if (single && field("checksum")) options["checksums"] = [field("checksum")];
  /** @type {Record<string, unknown>} */
  const entry = {};
  if (field("folder")) entry["folder"] = field("folder");
  if (single && field("name")) entry["name"] = field("name");
  if (field("lane")) entry["lane"] = field("lane");
  if (form.get("hold")) entry["hold"] = true;
  if (form.get("top")) entry["place"] = "top";
  const headers = parseHeaders(String(form.get("headers") ?? ""));
  if (headers) entry["headers"] = headers;
  if (Object.keys(options).length > 0) entry["options"] = options;
  return entry;
}

/**
 * What became of each that was sent.
 * @param {any} answer
 * @param {string[]} [sent]
 */
function counted(answer, sent = []) {
  const list = Array.isArray(answer) ? answer : answer?.results ?? (answer ? [answer] : []);
  /** @type {{added: number, already: number, refused: string[], why: string}} */
  const outcome = { added: 0, already: 0, refused: [], why: "" };
  list.forEach((/** @type {any} */ each, /** @type {number} */ i) => {
    const problem = each.error ?? (each.detail ? each : null);
    if (problem) {
      outcome.refused.push(sent[i] ?? "");
      outcome.why ||= String(problem.detail ?? problem.message ?? "");
    } else if (each.added === false) {
      outcome.already += 1;
    } else {
      outcome.added += 1;
    }
  });
  return outcome;
}
