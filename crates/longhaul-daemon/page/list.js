// The list. Only the rows in sight are in the document, so 20 and 20,000 cost the same.

import { attr, find, h } from "./dom.js";
import { reasonOf } from "./reason.js";
import { RowView } from "./row.js";
import { t } from "./words.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./api.js").Row} Row */

/** So many pixels above and below are drawn before they come into sight. */
const AHEAD = 300;

export class List {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.empty = h("p", { class: "empty dim" });
    this.mark = h("div", { class: "drop-mark", hidden: true });
    this.element = find("#list");
    this.body.append(this.mark);
    this.element.append(this.body, this.empty);
    /** @type {Map<string, RowView>} */
    this.views = new Map();
    /** @type {RowView[]} */
    this.spare = [];
    /** The upper edge of each row, and the end of the last. */
    this.edges = new Float64Array(1);
    this.asked = false;
    /** The rows are not those that were laid out. */
    this.stale = true;
    /** The height of a row, and how much a reason adds. */
    this.plain = 0;
    this.more = 0;
    this.measure();
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    addEventListener("resize", () => {
      this.measure();
      this.stale = true;
      this.draw();
    });
    model.watch(() => {
      this.stale = true;
      this.draw();
    });
  }

  measure() {
    const style = getComputedStyle(document.documentElement);
    this.plain = parseFloat(style.getPropertyValue("--row"));
    this.more = parseFloat(style.getPropertyValue("--reason"));
  }

  /** Draws with the next picture. */
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.paint();
    });
  }

  layOut() {
    if (!this.stale) return;
    this.stale = false;
    const rows = this.model.shown;
    if (this.edges.length !== rows.length + 1) this.edges = new Float64Array(rows.length + 1);
    let y = 0;
    for (let i = 0; i < rows.length; i += 1) {
      const row = /** @type {Row} */ (rows[i]);
      this.edges[i] = y;
      y += this.hasReason(row) ? this.plain + this.more : this.plain;
    }
    this.edges[rows.length] = y;
  }

  /** The same question as `reasonOf`, without making the words. @param {Row} row */
  hasReason(row) {
    if (row.state === "needs" || row.state === "later" || row.state === "failed") return true;
    const note = this.model.notes.get(row.id);
    return note !== undefined && reasonOf(row, note) !== null;
  }

  /** The row at this height. @param {number} y */
  at(y) {
    let low = 0;
    let high = this.model.shown.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (/** @type {number} */ (this.edges[middle]) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  paint() {
    const { model, element } = this;
    this.layOut();
    const rows = model.shown;
    const height = this.edges[rows.length] ?? 0;
    const tall = `${height}px`;
    if (this.body.style.height !== tall) this.body.style.height = tall;
    attr(element, "aria-rowcount", String(rows.length));
    this.sayEmpty();

    const top = element.scrollTop;
    const first = this.at(Math.max(0, top - AHEAD));
    const bottom = top + element.clientHeight + AHEAD;
    /** @type {Set<string>} */
    const seen = new Set();
    for (let i = first; i < rows.length && (this.edges[i] ?? 0) < bottom; i += 1) seen.add(/** @type {Row} */ (rows[i]).id);
    for (const [id, view] of this.views) {
      if (seen.has(id)) continue;
      this.views.delete(id);
      view.element.remove();
      this.spare.push(view);
    }
    for (let i = first; i < first + seen.size; i += 1) {
      const row = /** @type {Row} */ (rows[i]);
      let view = this.views.get(row.id);
      if (!view) {
        view = this.spare.pop() ?? new RowView();
        this.views.set(row.id, view);
        this.body.append(view.element);
      }
      const cursor = model.cursor === row.id;
      view.show(row, {
        index: i, selected: model.selected.has(row.id), cursor, open: model.open === row.id, note: model.notes.get(row.id),
      });
      const y = this.edges[i] ?? 0;
      if (view.y !== y) view.element.style.transform = `translateY(${y}px)`;
      view.y = y;
    }
    this.spare.length = Math.min(this.spare.length, 60);
    const shown = model.cursor !== null && this.views.has(model.cursor);
    attr(element, "aria-activedescendant", shown ? `row-${model.cursor}` : null);
  }

  sayEmpty() {
    const { model } = this;
    this.empty.hidden = model.shown.length > 0;
    if (model.shown.length > 0) return;
    const filtered = model.view !== "all" || model.lane !== null || model.text !== "";
    const text = !model.known ? t("loading") : model.rows.size === 0 ? t("empty") : filtered ? t("none_match") : t("empty");
    if (this.empty.textContent !== text) this.empty.textContent = text;
  }

  /** @param {string | null} id */
  indexOf(id) {
    return id === null ? -1 : this.model.shown.findIndex((row) => row.id === id);
  }

  /** Scrolls just so far that a row is in sight. @param {number} index */
  reveal(index) {
    this.layOut();
    const top = this.edges[index] ?? 0;
    const bottom = this.edges[index + 1] ?? top;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.element.scrollTop = bottom - clientHeight;
  }

  /**
   * Puts the cursor on a row, and selects from where the selection began when `extend`.
   * @param {number} index
   * @param {boolean} extend
   */
  moveTo(index, extend) {
    const { model } = this;
    const rows = model.shown;
    if (rows.length === 0) return;
    const at = Math.max(0, Math.min(rows.length - 1, index));
    const row = /** @type {Row} */ (rows[at]);
    if (extend) {
      model.anchor ??= model.cursor ?? row.id;
      const from = Math.max(0, this.indexOf(model.anchor));
      model.selected = new Set(rows.slice(Math.min(from, at), Math.max(from, at) + 1).map((each) => each.id));
    } else {
      model.selected.clear();
      model.anchor = row.id;
    }
    model.cursor = row.id;
    this.reveal(at);
    model.changed();
  }

  /** How many rows a page has. */
  page() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.plain) - 1);
  }
}
