// Views and lanes beside the list, each with how many there are.

import { attr, fill, find, h, put } from "./dom.js";
import { number } from "./format.js";
import { VIEWS } from "./model.js";
import { said, t } from "./words.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").View} View */

export class Side {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.element = find("#side");
    this.lanes = h("div", { class: "lanes" });
    this.names = h("datalist", { id: "lane-names" });
    /** @type {Map<View, HTMLButtonElement>} */
    this.views = new Map();
    /** @type {Map<string, HTMLButtonElement>} */
    this.laneButtons = new Map();
    for (const view of /** @type {View[]} */ (Object.keys(VIEWS))) {
      this.views.set(view, this.button(said("view", view), () => model.look({ view }), view));
    }
    fill(this.element, h("nav", { "aria-label": t("views") }, [...this.views.values()]),
      h("nav", { "aria-label": t("lanes") }, this.heading = h("h2", { class: "dim", text: t("lanes") }), this.lanes), this.names);
    model.watch(() => this.ask());
  }

  /** @param {string} name @param {() => void} act @param {string} [view] */
  button(name, act, view = "") {
    return h("button", { type: "button", class: "bare", onclick: act, "data-view": view }, h("span", { text: name }), h("span", { class: "count" }));
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
    const { views, lanes } = this.model.counts();
    for (const [view, button] of this.views) {
      const count = views[view];
      put(/** @type {Element} */ (button.lastElementChild), count > 0 ? number(count) : "");
      attr(button, "aria-current", this.model.view === view ? "true" : null);
      button.classList.toggle("calls", (view === "needs" || view === "failed") && count > 0);
    }
    const names = [...lanes.keys()].sort((a, b) => (a === "main" ? -1 : b === "main" ? 1 : a.localeCompare(b)));
    if (this.model.lane !== null && !lanes.has(this.model.lane)) this.model.look({ lane: null });
    if (names.join("\n") !== [...this.laneButtons.keys()].join("\n")) {
      this.laneButtons = new Map(names.map((name) => [name, this.button(name, () => this.model.look({ lane: this.model.lane === name ? null : name }))]));
      fill(this.lanes, [...this.laneButtons.values()]);
      fill(this.names, names.map((value) => h("option", { value })));
    }
    const several = names.length > 1;
    this.lanes.hidden = !several;
    if (this.heading) this.heading.hidden = !several;
    for (const [name, button] of this.laneButtons) {
      const count = lanes.get(name) ?? 0;
      put(/** @type {Element} */ (button.lastElementChild), count > 0 ? number(count) : "");
      button.setAttribute("aria-pressed", String(this.model.lane === name));
    }
  }
}
