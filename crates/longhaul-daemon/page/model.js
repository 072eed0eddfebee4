// What the page knows of the list, and which part of it is looked at. Nothing here knows the document.

import { host, lastPart } from "./format.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {import("./api.js").Stat} Stat */
/** @typedef {{text: string, until: number}} Note */

/** Which states belong to a view, in the order in which the views are shown. */
export const VIEWS = /** @type {const} */ ({
  all: null,
  running: ["running", "stopping"],
  waiting: ["queued", "later"],
  held: ["held"],
  needs: ["needs"],
  failed: ["failed"],
  done: ["done"],
  cancelled: ["cancelled"],
});
/** @typedef {keyof typeof VIEWS} View */

const OVER = new Set(["failed", "done", "cancelled"]);

/** @param {Row} row */
export const isOver = (row) => OVER.has(row.state);

/** What of it is here, or in the store. @param {Row} row */
export const moved = (row) => (row.kind === "upload" ? row.sent ?? row.acknowledged : row.received ?? row.durable) ?? 0;

/** What of it no power cut takes, or the store has. @param {Row} row */
export const safe = (row) => (row.kind === "upload" ? row.acknowledged : row.durable) ?? 0;

/** What it is called before and after its name is known. @param {Row} row */
export function title(row) {
  if (row.kind === "upload") return lastPart(row.path ?? row.name ?? row.source);
  return row.name ?? (row.path ? lastPart(row.path) : lastPart(row.source));
}

/** The other end. @param {Row} row */
export const far = (row) => host((row.kind === "upload" ? row.destination : row.source) ?? "");

/** Seconds until it is whole, where that can be said. @param {Row} row */
export function eta(row) {
  if (row.state !== "running" || !row.total || !row.rate) return null;
  return (row.total - moved(row)) / row.rate;
}

/** What a search looks at, in lower case. @param {Row} row */
const searched = (row) =>
  [title(row), row.source, row.destination ?? "", row.lane, ...(row.tags ?? [])].join("\n").toLowerCase();

/** How many seconds of rates are kept. */
export const GRAPH_S = 120;

export class Model {
  constructor() {
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** Those that are not over, in the order of the list. @type {string[]} */
    this.order = [];
    /** Those that are over, the latest first. @type {string[]} */
    this.over = [];
    /** What is shown. @type {Row[]} */
    this.shown = [];
    /** @type {Stat} */
    this.stat = { rate_down: 0, rate_up: 0 };
    /** @type {View} */
    this.view = "all";
    /** @type {string | null} */
    this.lane = null;
    this.text = "";
    /** @type {Set<string>} */
    this.selected = new Set();
    /** The entry that keys act on. @type {string | null} */
    this.cursor = null;
    /** Where a selection with Shift began. @type {string | null} */
    this.anchor = null;
    /** The entry whose details are open. @type {string | null} */
    this.open = null;
    /** Bytes a second, of each running entry and, under "", of all. @type {Map<string, number[]>} */
    this.rates = new Map();
    /** What transfers said lately. @type {Map<string, Note>} */
    this.notes = new Map();
    /** A snapshot has come. */
    this.known = false;
    /** @type {Map<string, string>} */
    this.haystacks = new Map();
    /** @type {Set<() => void>} */
    this.watchers = new Set();
    /** @type {Set<(row: Row, before: string) => void>} */
    this.turns = new Set();
  }

  /** @param {() => void} act after each change */
  watch(act) {
    this.watchers.add(act);
  }

  /** @param {(row: Row, before: string) => void} act when an entry's state is another one */
  watchStates(act) {
    this.turns.add(act);
  }

  changed() {
    for (const act of this.watchers) act();
  }

  /** @param {{entries: Row[], stat?: Stat}} frame */
  snapshot(frame) {
    this.rows = new Map(frame.entries.map((row) => [row.id, row]));
    this.haystacks.clear();
    this.order = frame.entries.filter((row) => !isOver(row)).sort(byPosition).map((row) => row.id);
    this.sortOver();
    if (frame.stat) this.stat = frame.stat;
    this.known = true;
    this.forgetTheGone();
    this.refilter();
    this.changed();
  }

  /** @param {{rows?: Row[], gone?: string[]}} frame */
  change(frame) {
    let moves = false;
    let overs = false;
    for (const id of frame.gone ?? []) {
      this.rows.delete(id);
      this.haystacks.delete(id);
      this.rates.delete(id);
      moves = overs = true;
    }
    /** @type {[Row, string][]} */
    const turned = [];
    for (const row of frame.rows ?? []) {
      const before = this.rows.get(row.id);
      this.rows.set(row.id, row);
      if (!before || before.name !== row.name || before.lane !== row.lane || before.source !== row.source) {
        this.haystacks.delete(row.id);
      }
      if (before && before.state !== row.state) turned.push([row, before.state]);
      if (!before || isOver(before) !== isOver(row)) moves = overs = true;
      else if (!isOver(row) && row.position !== null && this.order[row.position] !== row.id) moves = true;
    }
    if (moves) this.place(frame.rows ?? []);
    if (overs) this.sortOver();
    if (moves || overs || turned.length > 0) this.forgetTheGone();
    this.refilter();
    this.changed();
    for (const [row, before] of turned) for (const act of this.turns) act(row, before);
  }

  /**
   * Puts rows at their new positions. Those that are not named keep their order among themselves.
   * @param {Row[]} rows
   */
  place(rows) {
    const named = rows.filter((row) => !isOver(row)).sort(byPosition);
    const names = new Set(named.map((row) => row.id));
    const rest = this.order.filter((id) => {
      const row = this.rows.get(id);
      return row && !isOver(row) && !names.has(id);
    });
    /** @type {string[]} */
    const order = [];
    let next = 0;
    for (const row of named) {
      const at = row.position ?? Infinity;
      while (order.length < at && next < rest.length) order.push(/** @type {string} */ (rest[next++]));
      order.push(row.id);
    }
    this.order = order.concat(rest.slice(next));
  }

  sortOver() {
    const over = [...this.rows.values()].filter(isOver);
    over.sort((a, b) => (b.ended_ms ?? 0) - (a.ended_ms ?? 0) || (a.id < b.id ? -1 : 1));
    this.over = over.map((row) => row.id);
  }

  forgetTheGone() {
    for (const id of this.selected) if (!this.rows.has(id)) this.selected.delete(id);
    if (this.cursor !== null && !this.rows.has(this.cursor)) this.cursor = null;
    if (this.anchor !== null && !this.rows.has(this.anchor)) this.anchor = null;
    if (this.open !== null && !this.rows.has(this.open)) this.open = null;
  }

  /** Shows other rows. @param {{view?: View, lane?: string | null, text?: string}} filter */
  look(filter) {
    Object.assign(this, filter);
    this.refilter();
    const seen = new Set(this.shown.map((row) => row.id));
    for (const id of this.selected) if (!seen.has(id)) this.selected.delete(id);
    if (this.cursor !== null && !seen.has(this.cursor)) this.cursor = null;
    this.changed();
  }

  refilter() {
    const states = VIEWS[this.view];
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    /** @type {Row[]} */
    const shown = [];
    for (const ids of [this.order, this.over]) {
      for (const id of ids) {
        const row = /** @type {Row} */ (this.rows.get(id));
        if (states && !(/** @type {readonly string[]} */ (states).includes(row.state))) continue;
        if (this.lane !== null && row.lane !== this.lane) continue;
        if (words.length > 0) {
          const hay = this.haystack(row);
          if (!words.every((word) => hay.includes(word))) continue;
        }
        shown.push(row);
      }
    }
    this.shown = shown;
  }

  /** @param {Row} row */
  haystack(row) {
    let hay = this.haystacks.get(row.id);
    if (hay === undefined) {
      hay = searched(row);
      this.haystacks.set(row.id, hay);
    }
    return hay;
  }

  /** How many there are in each view and each lane. */
  counts() {
    /** @type {Record<string, number>} */
    const states = {};
    /** @type {Map<string, number>} */
    const lanes = new Map();
    for (const row of this.rows.values()) {
      states[row.state] = (states[row.state] ?? 0) + 1;
      if (!isOver(row)) lanes.set(row.lane, (lanes.get(row.lane) ?? 0) + 1);
      else if (!lanes.has(row.lane)) lanes.set(row.lane, 0);
    }
    /** @type {Record<string, number>} */
    const views = {};
    for (const [view, names] of Object.entries(VIEWS)) {
      views[view] = names ? names.reduce((sum, name) => sum + (states[name] ?? 0), 0) : this.rows.size;
    }
    return { views: /** @type {Record<View, number>} */ (views), lanes };
  }

  /** Those that an action is for: the selected ones in the order shown, or the one at the cursor. @returns {Row[]} */
  chosen() {
    if (this.selected.size > 0) return this.shown.filter((row) => this.selected.has(row.id));
    const row = this.cursor === null ? undefined : this.rows.get(this.cursor);
    return row ? [row] : [];
  }

  /** One more second: rates are written down. */
  second() {
    sample(this.rates, "", this.stat.rate_down + this.stat.rate_up);
    for (const id of this.order) {
      const row = /** @type {Row} */ (this.rows.get(id));
      const runs = row.state === "running" || row.state === "stopping";
      if (runs || this.rates.has(id)) sample(this.rates, id, runs ? row.rate ?? 0 : 0);
    }
    const now = Date.now();
    const before = this.notes.size;
    for (const [id, note] of this.notes) if (note.until < now) this.notes.delete(id);
    if (this.notes.size !== before) this.changed();
  }
}

/** @param {Row} a @param {Row} b */
function byPosition(a, b) {
  return (a.position ?? Infinity) - (b.position ?? Infinity);
}

/** @param {Map<string, number[]>} rates @param {string} id @param {number} rate */
function sample(rates, id, rate) {
  const samples = rates.get(id) ?? [];
  samples.push(rate);
  if (samples.length > GRAPH_S) samples.shift();
  if (samples.some((value) => value > 0)) rates.set(id, samples);
  else rates.delete(id);
}
