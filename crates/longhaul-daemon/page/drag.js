// Rows moved with the mouse: pressed, drawn more than a few pixels, let go between two others.

import { isOver } from "./model.js";

/** @typedef {import("./list.js").List} List */
/** @typedef {import("./model.js").Model} Model */

const FAR_ENOUGH = 6;
/** So near to an edge the list scrolls, and so many pixels each picture. */
const EDGE = 40;
const STEP = 12;

export class Drag {
  /**
   * @param {List} list
   * @param {Model} model
   * @param {(ids: string[], before: string | null) => void} drop `null`: behind all that are not over
   */
  constructor(list, model, drop) {
    this.list = list;
    this.model = model;
    this.drop = drop;
    /** @type {{id: string, y: number, pointer: number} | null} */
    this.pressed = null;
    /** @type {string[] | null} */
    this.ids = null;
    this.y = 0;
    /** @type {string | null | undefined} */
    this.before = undefined;
    /** A click follows each drag, and means no row. */
    this.swallow = false;
    const { element } = list;
    element.addEventListener("pointerdown", (event) => this.press(event));
    addEventListener("pointermove", (event) => this.move(event));
    addEventListener("pointerup", () => this.end(true));
    addEventListener("pointercancel", () => this.end(false));
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.ids) {
        event.stopImmediatePropagation();
        this.end(false);
      }
    }, { capture: true });
    element.addEventListener("click", (event) => {
      if (this.swallow) event.stopImmediatePropagation();
      this.swallow = false;
    }, { capture: true });
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.swallow = false;
    if (event.button !== 0 || event.pointerType === "touch" || !(event.target instanceof Element)) return;
    if (event.target.closest("button")) return;
    const id = event.target.closest(".row")?.getAttribute("data-id");
    const row = id ? this.model.rows.get(id) : undefined;
    if (!row || isOver(row)) return;
    this.pressed = { id: row.id, y: event.clientY, pointer: event.pointerId };
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (!this.pressed || event.pointerId !== this.pressed.pointer) return;
    this.y = event.clientY;
    if (!this.ids) {
      if (Math.abs(this.y - this.pressed.y) < FAR_ENOUGH) return;
      const { selected, shown } = this.model;
      const { id } = this.pressed;
      const ids = selected.has(id) ? shown.filter((row) => selected.has(row.id) && !isOver(row)).map((row) => row.id) : [id];
      this.ids = ids;
      this.list.element.classList.add("dragging");
      this.scroll();
    }
    this.aim();
  }

  /** Finds the gap nearest to the pointer, and shows it. */
  aim() {
    const { list, model } = this;
    const box = list.element.getBoundingClientRect();
    const y = this.y - box.top + list.element.scrollTop;
    const last = model.shown.findLastIndex((row) => !isOver(row));
    if (last < 0) return;
    const under = Math.min(list.at(y), last);
    const top = list.edges[under] ?? 0;
    const bottom = list.edges[under + 1] ?? top;
    const gap = y > (top + bottom) / 2 ? under + 1 : under;
    this.before = gap > last ? null : model.shown[gap]?.id ?? null;
    list.mark.hidden = false;
    list.mark.style.transform = `translateY(${(list.edges[gap] ?? 0) - 1}px)`;
  }

  /** While the pointer is near an edge, the list moves on. */
  scroll() {
    if (!this.ids) return;
    const { element } = this.list;
    const box = element.getBoundingClientRect();
    const by = this.y < box.top + EDGE ? -STEP : this.y > box.bottom - EDGE ? STEP : 0;
    if (by !== 0) {
      element.scrollTop += by;
      this.aim();
    }
    requestAnimationFrame(() => this.scroll());
  }

  /** @param {boolean} drops */
  end(drops) {
    const { ids, before } = this;
    this.pressed = null;
    this.ids = null;
    this.before = undefined;
    this.list.mark.hidden = true;
    this.list.element.classList.remove("dragging");
    if (!ids) return;
    this.swallow = true;
    if (drops && before !== undefined && !(before !== null && ids.includes(before))) this.drop(ids, before);
  }
}
