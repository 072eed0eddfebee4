// All that is known of one entry: numbers, pieces, speed, connections, what its journal says, events, options.

import { Actions } from "./actions.js";
import { api, ApiError } from "./api.js";
import { fill, find, h, icon, iconButton, put } from "./dom.js";
import { moment, number, parseRate, rate, size, typedRate } from "./format.js";
import { cells, drawMap, drawRates, pieces } from "./graph.js";
import { isOver, moved, safe, title } from "./model.js";
import { reasonOf } from "./reason.js";
import { amount, badge, pace } from "./row.js";
import { said, t } from "./words.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {import("./model.js").Model} Model */

/** So many events are kept in sight. */
const EVENTS = 200;

export class Detail {
  /**
   * @param {Model} model
   * @param {Actions} actions
   * @param {{help: (row: Row) => void, remove: (rows: Row[]) => void, link: (row: Row) => void, close: () => void}} acts
   */
  constructor(model, actions, acts) {
    this.model = model;
    this.actions = actions;
    this.acts = acts;
    this.element = find("#detail");
    /** @type {string | null} */
    this.id = null;
    /** @type {Row | null} */
    this.row = null;
    this.state = "";
    this.shownActions = "";
    model.watch(() => this.follow());
  }

  /** Opens the entry that the model says is open, or brings it up to date. */
  follow() {
    const row = this.model.open === null ? undefined : this.model.rows.get(this.model.open);
    if (!row) {
      if (this.id !== null) this.clear();
      return;
    }
    if (row.id !== this.id) this.build(row);
    this.row = row;
    this.refresh(row);
  }

  clear() {
    this.id = null;
    this.row = null;
    this.element.hidden = true;
    document.body.classList.remove("with-detail");
    fill(this.element);
  }

  /** @param {Row} row */
  build(row) {
    this.id = row.id;
    this.state = "";
    this.shownActions = "";
    this.name = h("h2", { class: "wrap", id: "detail-name" });
    this.line = h("p", { class: "dim" });
    this.why = h("div", { class: "why" });
    this.buttons = h("div", { class: "buttons" });
    this.facts = h("dl", { class: "facts" });
    this.map = h("canvas", { class: "map", role: "img" });
    this.mapNote = h("p", { class: "dim small-text" });
    this.speed = h("canvas", { class: "speed", role: "img" });
    this.lines = h("div", {});
    this.explain = h("div", {});
    this.events = h("ol", { class: "events" });
    this.explainBox = this.section(t("explain"), this.explain, () => void this.loadExplain());
    this.eventBox = this.section(t("events"), this.events, () => void this.loadEvents());
    this.optionBox = this.section(t("options"), this.options(row), () => {});
    fill(this.element,
      h("header", {}, iconButton("back", t("close"), () => this.acts.close(), { class: "bare back" }), this.name,
        iconButton("cross", t("close"), () => this.acts.close(), { class: "bare shut" })),
      h("div", { class: "detail-body", tabIndex: -1 }, this.line, this.why, this.buttons,
        h("h3", { text: t("pieces") }), this.map, this.mapNote,
        h("h3", { text: t("speed") }), this.speed, this.lines,
        this.facts, this.explainBox, this.eventBox, this.optionBox));
    this.element.hidden = false;
    document.body.classList.add("with-detail");
    void this.loadMap();
  }

  /** @param {string} name @param {Node} content @param {() => void} load */
  section(name, content, load) {
    const box = h("details", {}, h("summary", { text: name }), content);
    box.addEventListener("toggle", () => {
      if (box.open) load();
    });
    return box;
  }

  /** @param {Row} row */
  refresh(row) {
    if (!this.name || !this.line || !this.why || !this.facts || !this.speed) return;
    put(this.name, title(row));
    const proof = badge(row);
    put(this.line, [amount(row), pace(row), proof?.why].filter(Boolean).join(" · "));
    this.showWhy(row);
    this.showButtons(row);
    this.showFacts(row);
    drawRates(this.speed, this.model.rates.get(row.id) ?? []);
    if (row.state !== this.state) {
      this.state = row.state;
      void this.loadMap();
      if (this.explainBox?.open) void this.loadExplain();
    }
  }

  /** @param {Row} row */
  showWhy(row) {
    const line = reasonOf(row, this.model.notes.get(row.id));
    const { why } = this;
    if (!why) return;
    why.hidden = line === null;
    const said = line ? [line.text, row.reason?.message, row.reason?.advice].join("\n") : "";
    if (!line || why.dataset["said"] === said) return;
    why.dataset["said"] = said;
    why.dataset["tone"] = line.tone;
    const more = [row.reason?.message, row.reason?.advice].filter((text) => text && text !== line.text);
    fill(why, h("p", { class: "wrap", text: line.text }), more.map((text) => h("p", { class: "dim wrap", text })),
      line.help ? h("button", { type: "button", class: "small", text: line.label, onclick: () => this.row && this.acts.help(this.row) }) : null);
  }

  /** @param {Row} row */
  showButtons(row) {
    if (this.shownActions === row.state || !this.buttons) return;
    this.shownActions = row.state;
    const can = Actions.of([row]);
    const { actions } = this;
    /** @param {import("./dom.js").IconName} picture @param {import("./words.js").Word} word @param {(row: Row) => unknown} act */
    const button = (picture, word, act) => h("button", { type: "button", onclick: () => this.row && act(this.row) }, icon(picture), t(word));
    fill(this.buttons,
      can.hold.length > 0 && button("hold", "hold", (r) => actions.hold([r])),
      can.release.length > 0 && button("release", "release", (r) => actions.release([r])),
      can.retry.length > 0 && button("retry", "retry", (r) => actions.retry([r])),
      can.now.length > 0 && button("now", "now", (r) => actions.now([r])),
      row.kind === "download" && row.state !== "done" && row.state !== "cancelled" && button("link", "paste_link", (r) => this.acts.link(r)),
      can.move.length > 0 && button("top", "to_top", (r) => actions.move([r], "top")),
      can.move.length > 0 && button("bottom", "to_bottom", (r) => actions.move([r], "bottom")),
      button("trash", "remove", (r) => this.acts.remove([r])));
  }

  /** @param {Row} row */
  showFacts(row) {
    /** @type {[string, string | null | undefined][]} */
    const facts = [
      [t("from"), row.kind === "upload" ? row.path ?? row.source : [row.source, ...(row.sources ?? []).filter((each) => each !== row.source)].join("\n")],
      [t("into"), row.kind === "upload" ? row.destination : row.outcome?.path ?? row.path ?? row.folder],
      [t("state"), row.state === "running" ? said("view", "running") : said("state", row.state) + (row.position === null ? "" : ` · ${t("nth", { n: number(row.position + 1) })}`)],
      [row.kind === "upload" ? t("acknowledged") : t("durable"), row.total ? t("of", { part: size(safe(row)), whole: size(row.total) }) : size(safe(row))],
      [row.kind === "upload" ? t("sent") : t("received"), isOver(row) ? null : size(moved(row))],
      [t("lane"), row.lane],
      [t("tags"), (row.tags ?? []).join(", ")],
      [t("added"), row.added_ms ? moment(row.added_ms) : null],
      [t("ended"), row.ended_ms ? moment(row.ended_ms) : null],
      [t("runs"), row.attempts ? number(row.attempts) : null],
      ["ID", row.id],
    ];
    const kept = facts.filter(([, value]) => value);
    const { facts: list } = this;
    if (!list) return;
    if (list.childElementCount !== kept.length * 2) {
      fill(list, kept.map(([name, value]) => [h("dt", { text: name }), h("dd", { class: "wrap", text: value ?? "" })]).flat());
      return;
    }
    kept.forEach(([name, value], i) => {
      put(/** @type {Element} */ (list.children[2 * i]), name);
      put(/** @type {Element} */ (list.children[2 * i + 1]), value ?? "");
    });
  }

  /** Once a second while it is open. */
  second() {
    if (!this.row || document.visibilityState === "hidden") return;
    drawRatesOf(this);
    if (this.row.state === "running" || this.row.state === "stopping") void this.loadMap();
  }

  async loadMap() {
    const { id, map, mapNote, lines } = this;
    if (!id || !map || !mapNote || !lines) return;
    const room = cells(map);
    const answer = await asked(api.map(id, Math.min(4096, room.most)));
    if (this.id !== id) return;
    const drawn = answer ? pieces(answer, room.most) : [];
    map.hidden = drawn.length === 0;
    put(mapNote, drawn.length === 0 ? t("no_map") : t("map_legend"));
    if (drawn.length > 0) drawMap(map, drawn);
    this.showLines(answer?.connections);
  }

  /** @param {any} connections how many, or each with its host and rate */
  showLines(connections) {
    const row = this.row;
    if (!this.lines) return;
    const several = Array.isArray(connections) ? connections : [];
    const count = several.length || row?.connections || 0;
    if (row?.state !== "running" || count === 0) {
      fill(this.lines);
      return;
    }
    fill(this.lines, h("p", { class: "dim small-text", text: t("n_connections", { n: number(count), rate: rate(row.rate ?? 0) }) }),
      several.length > 0 ? h("ul", { class: "lines" }, several.map((each) =>
        h("li", {}, h("span", { class: "wrap", text: String(each.host ?? "") }), h("span", { text: each.rate === undefined ? "" : rate(each.rate) })))) : null);
  }

  async loadExplain() {
    const { id, explain } = this;
    if (!id || !explain) return;
    const answer = await asked(api.explain(id));
    if (this.id !== id) return;
    fill(explain, answer?.files ? table(answer.files) : h("p", { class: "dim", text: t("nothing_known") }));
  }

  async loadEvents() {
    const { id, events } = this;
    if (!id || !events) return;
    const answer = await asked(api.events(id));
    if (this.id !== id) return;
    const list = Array.isArray(answer) ? answer : answer?.events ?? [];
    fill(events, list.slice(-EVENTS).reverse().map(eventLine));
    if (list.length === 0) fill(events, h("li", { class: "dim", text: t("nothing_yet") }));
  }

  /** An event of an entry came. @param {string} id @param {any} event */
  told(id, event) {
    if (id !== this.id || !this.eventBox?.open || event.event === "progress" || !this.events) return;
    this.events.prepend(eventLine({ time_ms: Date.now(), ...event }));
    while (this.events.childElementCount > EVENTS) this.events.lastElementChild?.remove();
  }

  /** @param {Row} row */
  options(row) {
    const options = row.options ?? {};
    const limit = h("input", { name: "limit", type: "text", value: typedRate(row.limit_rate ?? options["limit_rate"]), placeholder: t("no_limit"), autocomplete: "off" });
    const connections = h("input", { name: "connections", type: "number", min: "1", max: "64", value: options["connections"] ?? "", placeholder: t("automatic") });
    const answer = h("p", { class: "small-text", role: "status" });
    const form = h("form", { class: "grid" }, h("label", {}, t("limit"), limit), h("label", {}, t("connections"), connections),
      h("button", { type: "submit", text: t("save") }), answer);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const bytes = parseRate(limit.value);
      limit.setCustomValidity(bytes === null ? t("bad_rate") : "");
      if (bytes === null) {
        limit.reportValidity();
        return;
      }
      const change = { options: { limit_rate: bytes, connections: connections.value === "" ? null : Number(connections.value) } };
      const done = this.row !== null && await this.actions.change([this.row], change);
      answer.textContent = done ? t("saved") : "";
    });
    limit.addEventListener("input", () => limit.setCustomValidity(""));
    return form;
  }
}

/** @param {Detail} detail */
function drawRatesOf(detail) {
  if (detail.speed && detail.row) drawRates(detail.speed, detail.model.rates.get(detail.row.id) ?? []);
}

/**
 * An answer, or `null` where the daemon has none of this entry.
 * @param {Promise<any>} question
 */
async function asked(question) {
  try {
    return await question;
  } catch (error) {
    if (error instanceof ApiError) return null;
    throw error;
  }
}

/** An object as a table, ranges and lists shortened. @param {any} value */
function table(value) {
  const rows = Object.entries(value ?? {}).filter(([, each]) => each !== null && each !== undefined && !(Array.isArray(each) && each.length === 0));
  return h("table", { class: "explain" }, h("tbody", {}, rows.map(([name, each]) =>
    h("tr", {}, h("th", { scope: "row", text: name.replaceAll("_", " ") }), h("td", { class: "wrap", text: plain(name, each) })))));
}

/** @param {string} name @param {any} value @returns {string} */
function plain(name, value) {
  if (typeof value === "boolean") return value ? t("yes") : t("no");
  if (typeof value === "number") {
    if (name.endsWith("_ms")) return moment(value);
    return ["total", "held", "length", "reread", "start", "end", "bytes", "received", "durable", "part_size", "stored", "kept_older"].includes(name) ? size(value) : number(value);
  }
  if (Array.isArray(value)) {
    const parts = value.slice(0, 12).map((each) => (Array.isArray(each) ? each.map((end) => number(Number(end))).join(" – ") : plain("", each)));
    return parts.join("\n") + (value.length > 12 ? `\n${t("and_more", { n: value.length - 12 })}` : "");
  }
  if (value && typeof value === "object") {
    return Object.entries(value).filter(([, each]) => each !== null && !(Array.isArray(each) && each.length === 0))
      .map(([key, each]) => `${key.replaceAll("_", " ")}: ${plain(key, each)}`).join("\n");
  }
  return String(value);
}

/** @param {any} event */
function eventLine(event) {
  const inner = event.event && typeof event.event === "object" ? { ...event, ...event.event } : event;
  const { event: name, time_ms, message, reason, id: _id, url: _url, path: _path, number: _number, ...rest } = inner;
  const facts = Object.entries(rest).filter(([, value]) => typeof value === "number" || typeof value === "string")
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${plain(key, value)}`);
  return h("li", {}, h("time", { text: time_ms ? moment(time_ms) : "" }),
    h("span", { class: "wrap" }, h("b", { text: said("event", String(name)) }), " ", [message ?? reason, ...facts].filter(Boolean).join(" · ")));
}
