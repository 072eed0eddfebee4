// What is seen without looking at the page: title, picture of the tab, notifications.

import { moved, title } from "./model.js";
import { number, rate } from "./format.js";
import { t } from "./words.js";

/** @typedef {import("./model.js").Model} Model */

const KEPT = "longhaul.notify";

export const mayNotify = () => "Notification" in globalThis && Notification.permission !== "denied";
export const notifies = () => mayNotify() && Notification.permission === "granted" && localStorage.getItem(KEPT) === "yes";

/**
 * Asks the browser for its leave, after a click. `true`: it will.
 * @param {boolean} wanted
 */
export async function notify(wanted) {
  const may = wanted && mayNotify() && (await Notification.requestPermission()) === "granted";
  localStorage.setItem(KEPT, may ? "yes" : "no");
  return may;
}

export class Head {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.drawn = "";
    this.icon = document.querySelector('link[rel="icon"]');
    this.plain = this.icon?.getAttribute("href") ?? "";
    model.watchStates((row, before) => this.tell(row, before));
  }

  /** How far those that run are together, in percent. @returns {number | null} */
  percent() {
    let total = 0;
    let here = 0;
    for (const id of this.model.order) {
      const row = this.model.rows.get(id);
      if (row?.state !== "running" || !row.total) continue;
      total += row.total;
      here += moved(row);
    }
    return total > 0 ? Math.floor((here / total) * 100) : null;
  }

  /** Once a second. */
  second() {
    const percent = this.percent();
    const all = this.model.stat.rate_down + this.model.stat.rate_up;
    const text = percent === null ? "longhaul" : `${t("percent", { n: number(percent) })} · ${rate(all)} – longhaul`;
    if (document.title !== text) document.title = text;
    this.paint(percent);
  }

  /** A ring that fills. @param {number | null} percent */
  paint(percent) {
    const key = String(percent);
    if (key === this.drawn || !this.icon) return;
    this.drawn = key;
    if (percent === null) {
      this.icon.setAttribute("href", this.plain);
      return;
    }
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 32;
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.lineWidth = 6;
    pen.strokeStyle = "#9aa3ad";
    pen.beginPath();
    pen.arc(16, 16, 12, 0, 2 * Math.PI);
    pen.stroke();
    pen.strokeStyle = "#1f7a5c";
    pen.beginPath();
    pen.arc(16, 16, 12, -Math.PI / 2, (percent / 50 - 0.5) * Math.PI);
    pen.stroke();
    this.icon.setAttribute("href", canvas.toDataURL());
  }

  /** @param {import("./api.js").Row} row @param {string} before */
  tell(row, before) {
    if (!notifies() || document.visibilityState === "visible" || before === row.state) return;
    const text = row.state === "done" ? t("tell.done") : row.state === "failed" ? t("tell.failed") : row.state === "needs" ? t("tell.needs") : null;
    if (text) new Notification(title(row), { body: row.reason?.message ?? text, tag: row.id });
  }
}
