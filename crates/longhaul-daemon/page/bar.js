// Above the list: what is looked at, and what can be done with what is selected.

import { Actions } from "./actions.js";
import { attr, find, h, icon, put } from "./dom.js";
import { number, size } from "./format.js";
import { said, t } from "./words.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./api.js").Row} Row */

export class Bar {
  /**
   * @param {Model} model
   * @param {Actions} actions
   * @param {(rows: Row[]) => void} remove
   */
  constructor(model, actions, remove) {
    this.model = model;
    this.element = find("#bar");
    this.what = h("span", { class: "what", role: "status" });
    /** @param {import("./dom.js").IconName} picture @param {import("./words.js").Word} word @param {(rows: Row[]) => unknown} act */
    const button = (picture, word, act) => h("button", { type: "button", class: "bare", title: t(word), "aria-label": t(word), onclick: () => act(model.chosen()) }, icon(picture), h("span", { class: "word", text: t(word) }));
    this.buttons = {
      hold: button("hold", "hold", (rows) => actions.hold(rows)),
      release: button("release", "release", (rows) => actions.release(rows)),
      retry: button("retry", "retry", (rows) => actions.retry(rows)),
      now: button("now", "now", (rows) => actions.now(rows)),
      top: button("top", "to_top", (rows) => actions.move(rows, "top")),
      bottom: button("bottom", "to_bottom", (rows) => actions.move(rows, "bottom")),
      remove: button("trash", "remove", (rows) => remove(rows)),
    };
    this.element.append(this.what, h("div", { class: "acts", role: "toolbar", "aria-label": t("actions") }, Object.values(this.buttons)));
    model.watch(() => this.ask());
  }

  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.show();
    });
  }

  show() {
    const { model, buttons } = this;
    const rows = model.chosen();
    const can = Actions.of(rows);
    const several = model.selected.size > 0;
    const bytes = several ? rows.reduce((sum, row) => sum + (row.total ?? 0), 0) : 0;
    const view = model.lane === null ? said("view", model.view) : `${said("view", model.view)} · ${model.lane}`;
    put(this.what, several ? t("n_selected", { n: number(rows.length), bytes: size(bytes) }) : `${view} · ${number(model.shown.length)}`);
    const able = { hold: can.hold, release: can.release, retry: can.retry, now: can.now, top: can.move, bottom: can.move, remove: rows };
    for (const [name, button] of Object.entries(buttons)) {
      const off = able[/** @type {keyof typeof able} */ (name)].length === 0;
      if (button.disabled !== off) button.disabled = off;
    }
    attr(this.element, "data-selected", String(several));
  }
}
