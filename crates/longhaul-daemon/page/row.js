// One row of the list: elements that are made once and told what to show.

import { attr, h, icon, put } from "./dom.js";
import { duration, moment, number, rate, size } from "./format.js";
import { eta, far, moved, safe, title } from "./model.js";
import { reasonOf } from "./reason.js";
import { said, t } from "./words.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {import("./dom.js").IconName} IconName */

/** @type {Record<string, IconName>} */
const FACES = {
  queued: "queued", later: "queued", held: "hold", needs: "alert", failed: "alert", done: "check", cancelled: "cross", stopping: "hold",
};

/** What the button at the end of a row does, by state. @param {Row} row @returns {[string, IconName, string] | null} */
function mainAction(row) {
  switch (row.state) {
    case "held":
      return ["release", "release", t("release")];
    case "running": case "queued": case "later": case "needs": case "stopping":
      return ["hold", "hold", t("hold")];
    case "failed": case "cancelled":
      return ["retry", "retry", t("retry")];
    default:
      return ["remove", "cross", t("remove")];
  }
}

/** How much of it there is to see. @param {Row} row */
export function amount(row) {
  const here = moved(row);
  if (row.state === "done") return size(row.outcome?.bytes ?? row.total ?? here);
  if (row.total) return t("of", { part: size(here), whole: size(row.total) });
  return here > 0 ? size(here) : "";
}

/** Its speed and what is left, or the word for what it is. @param {Row} row */
export function pace(row) {
  if (row.state === "running") {
    if (!row.rate) return t("state.running");
    const left = eta(row);
    return left === null ? rate(row.rate) : t("rate_left", { rate: rate(row.rate), left: duration(left) });
  }
  if (row.state === "done") return row.ended_ms ? moment(row.ended_ms) : t("state.done");
  return said("state", row.state);
}

/** What stands behind a finished one. @param {Row} row */
export function badge(row) {
  if (row.state !== "done" || !row.outcome) return null;
  const by = row.outcome.verified;
  const weak = by === "nothing" || by === "length only" || by === "answer only";
  const text = said("verified", by.replaceAll(" ", "_"));
  return { text, weak, why: weak ? t("verified_weakly") : t("verified_by", { by: text }) };
}

/** How far, from 0 to 1; `null` when that is not known. @param {Row} row @param {number} bytes */
export function share(row, bytes) {
  if (row.state === "done") return 1;
  return row.total ? Math.min(1, bytes / row.total) : null;
}

export class RowView {
  constructor() {
    this.pick = h("button", { type: "button", class: "pick bare", tabIndex: -1, "data-act": "pick" });
    this.name = h("span", { class: "name" });
    this.far = h("span", { class: "far dim" });
    this.received = h("i", { class: "received" });
    this.durable = h("i", { class: "durable" });
    this.bar = h("span", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, this.received, this.durable);
    this.amount = h("span", { class: "amount" });
    this.pace = h("span", { class: "pace" });
    this.badge = h("span", { class: "badge" });
    this.main = h("button", { type: "button", class: "main bare", tabIndex: -1 });
    this.reason = h("span", { class: "reason-text" });
    this.help = h("button", { type: "button", class: "help small", tabIndex: -1, "data-act": "help" });
    this.line = h("div", { class: "reason", role: "gridcell" }, this.reason, this.help);
    this.element = h("div", { class: "row", role: "row" },
      h("div", { class: "c-pick", role: "gridcell" }, this.pick),
      h("div", { class: "c-name", role: "gridcell" }, this.name, this.far),
      h("div", { class: "c-bar", role: "gridcell" }, this.bar, this.amount),
      h("div", { class: "c-pace", role: "gridcell" }, this.pace, this.badge),
      h("div", { class: "c-main", role: "gridcell" }, this.main),
      this.line);
    this.face = "";
    this.act = "";
    this.id = "";
    /** Where it stands in the list, in pixels. */
    this.y = NaN;
  }

  /**
   * @param {Row} row
   * @param {{index: number, selected: boolean, cursor: boolean, open: boolean, note?: import("./model.js").Note}} place
   */
  show(row, place) {
    this.id = row.id;
    const { element } = this;
    attr(element, "id", `row-${row.id}`);
    attr(element, "data-id", row.id);
    attr(element, "data-state", row.state);
    attr(element, "aria-rowindex", String(place.index + 1));
    attr(element, "aria-selected", String(place.selected));
    element.classList.toggle("cursor", place.cursor);
    element.classList.toggle("open", place.open);

    const face = place.selected ? "check" : row.state === "running" ? (row.kind === "upload" ? "up" : "down") : FACES[row.state] ?? "queued";
    if (face !== this.face) {
      this.pick.replaceChildren(icon(face));
      this.face = face;
    }
    const name = title(row);
    attr(this.pick, "aria-label", t("select", { name }));
    attr(this.pick, "aria-pressed", String(place.selected));
    put(this.name, name);
    attr(this.name, "title", name);
    const tags = (row.tags ?? []).map((tag) => `#${tag}`);
    put(this.far, [row.kind === "upload" ? t("to", { host: far(row) }) : far(row), row.lane === "main" ? "" : row.lane, ...tags].filter(Boolean).join(" · "));
    this.showBar(row);
    put(this.amount, amount(row));
    put(this.pace, pace(row));
    const proof = badge(row);
    this.badge.hidden = proof === null;
    if (proof) {
      put(this.badge, proof.text);
      this.badge.classList.toggle("weak", proof.weak);
      attr(this.badge, "title", proof.why);
    }
    this.showAction(row, name);
    this.showReason(row, place.note, name);
  }

  /** @param {Row} row */
  showBar(row) {
    const all = share(row, moved(row));
    const kept = share(row, safe(row));
    this.bar.classList.toggle("unknown", all === null && row.state === "running");
    this.received.style.transform = `scaleX(${all ?? 0})`;
    this.durable.style.transform = `scaleX(${kept ?? 0})`;
    attr(this.bar, "aria-valuenow", all === null ? null : String(Math.floor(all * 100)));
    attr(this.bar, "aria-label", all === null ? t("progress_unknown") : t("percent", { n: number(Math.floor(all * 100)) }));
    attr(this.bar, "title", t("bar_title", { durable: size(safe(row)), received: size(moved(row)) }));
  }

  /** @param {Row} row @param {string} name */
  showAction(row, name) {
    const main = mainAction(row);
    this.main.hidden = main === null;
    if (!main) return;
    const [act, picture, label] = main;
    if (act !== this.act) {
      this.main.replaceChildren(icon(picture));
      this.act = act;
    }
    attr(this.main, "data-act", act);
    attr(this.main, "title", label);
    attr(this.main, "aria-label", `${label}: ${name}`);
  }

  /** @param {Row} row @param {import("./model.js").Note | undefined} note @param {string} name */
  showReason(row, note, name) {
    const reason = reasonOf(row, note);
    this.line.hidden = reason === null;
    if (!reason) return;
    put(this.reason, reason.text);
    attr(this.reason, "title", row.reason?.message ?? reason.text);
    attr(this.line, "data-tone", reason.tone);
    this.help.hidden = reason.help === null;
    put(this.help, reason.label);
    attr(this.help, "aria-label", `${reason.label}: ${name}`);
    attr(this.help, "data-help", reason.help);
  }
}
