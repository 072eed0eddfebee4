// What counts for the whole list, for its lanes, and for this browser.

import { api, ApiError } from "./api.js";
import { fill, h, iconButton } from "./dom.js";
import { note, openDialog } from "./dialogs.js";
import { parseRate, typedRate } from "./format.js";
import { mayNotify, notifies, notify } from "./head.js";
import { chooseLanguage, language, t } from "./words.js";

/** @typedef {{most?: number | null, limit_rate?: number, timetable?: string | null}} Lane */

const GIB = 2 ** 30;
const DAY_MS = 86_400_000;

/** @param {(text: string) => void} say */
export async function openSettings(say) {
  const place = h("div", {}, h("p", { class: "dim", text: t("loading") }));
  const dialog = openDialog(t("settings"), [place], { class: "wide" });
  try {
    const settings = await api.settings();
    fill(place, form(settings, dialog, say), browser());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    note(place, error.message, true);
    place.append(browser());
  }
}

/**
 * @param {Record<string, any>} settings
 * @param {HTMLDialogElement} dialog
 * @param {(text: string) => void} say
 */
function form(settings, dialog, say) {
  /** @param {string} name @param {import("./words.js").Word} word @param {Record<string, any>} props */
  const field = (name, word, props) => h("label", {}, t(word), h("input", { name, autocomplete: "off", ...props }));
  /** @param {string} name @param {import("./words.js").Word} word */
  const rateField = (name, word) => field(name, word, { type: "text", value: typedRate(settings[name]), placeholder: t("no_limit") });
  const lanes = h("tbody", {});
  for (const [name, lane] of Object.entries(settings["lanes"] ?? {})) lanes.append(laneRow(name, /** @type {Lane} */ (lane)));
  const answer = h("div", {});
  const submit = h("button", { type: "submit", class: "primary", text: t("save") });
  const element = h("form", { method: "dialog" },
    h("h3", { text: t("at_once") }),
    h("div", { class: "grid" },
      field("most", "most", { type: "number", min: "0", max: "1000", required: true, value: settings["most"] ?? 4 }),
      field("most_of_host", "most_of_host", { type: "number", min: "1", max: "1000", required: true, value: settings["most_of_host"] ?? 4 }),
      field("connections", "connections_each", { type: "number", min: "1", max: "64", value: settings["connections"] ?? "", placeholder: t("automatic") })),
    h("h3", { text: t("limits") }),
    h("div", { class: "grid" }, rateField("limit_rate", "limit_down"), rateField("limit_upload_rate", "limit_up"), rateField("limit_rate_each", "limit_each")),
    h("h3", { text: t("lanes") }),
    h("table", { class: "lanes" }, h("thead", {}, h("tr", {}, h("th", { text: t("name") }), h("th", { text: t("most_short") }), h("th", { text: t("limit") }), h("th", { text: t("timetable") }), h("th", {}, h("span", { class: "unseen", text: t("remove") })))), lanes),
    h("button", { type: "button", class: "small", text: t("new_lane"), onclick: () => {
      const row = laneRow("", {});
      lanes.append(row);
      row.querySelector("input")?.focus();
    } }),
    h("p", { class: "dim small-text", text: t("timetable_help") }),
    h("details", {}, h("summary", { text: t("more") }),
      h("div", { class: "grid" },
        field("folder", "default_folder", { type: "text", value: settings["folder"] ?? "" }),
        field("spare", "spare", { type: "number", min: "0", step: "any", value: (settings["spare"] ?? GIB) / GIB }),
        field("patience", "patience", { type: "number", min: "0", step: "any", value: (settings["patience_ms"] ?? 0) / DAY_MS }),
        field("history", "history", { type: "number", min: "0", value: settings["history"] ?? 10_000 }),
        field("user_agent", "user_agent", { type: "text", value: settings["user_agent"] ?? "", placeholder: t("automatic") }))),
    answer, h("footer", {}, h("button", { type: "button", text: t("cancel"), onclick: () => dialog.close() }), submit));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const next = read(settings, new FormData(element), lanes);
    if (typeof next === "string") return note(answer, next, true);
    submit.disabled = true;
    try {
      await api.setSettings(next);
      say(t("saved"));
      dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(answer, error.message, true);
    }
    submit.disabled = false;
  });
  return element;
}

/** @param {string} name @param {Lane} lane */
function laneRow(name, lane) {
  const row = h("tr", {},
    h("td", {}, h("input", { name: "lane", value: name, required: true, "aria-label": t("name"), autocomplete: "off" })),
    h("td", {}, h("input", { name: "lane_most", type: "number", min: "0", value: lane.most ?? "", "aria-label": t("most_short") })),
    h("td", {}, h("input", { name: "lane_limit", value: typedRate(lane.limit_rate), placeholder: t("no_limit"), "aria-label": t("limit"), autocomplete: "off" })),
    h("td", {}, h("input", { name: "lane_times", value: lane.timetable ?? "", placeholder: t("always"), "aria-label": t("timetable"), autocomplete: "off" })),
    h("td", {}, iconButton("cross", t("remove"), () => row.remove())));
  return row;
}

/**
 * The settings as the form has them, or what is wrong with it.
 * @param {Record<string, any>} before
 * @param {FormData} data
 * @param {HTMLElement} lanes
 * @returns {Record<string, any> | string}
 */
function read(before, data, lanes) {
  /** @param {string} name */
  const text = (name) => String(data.get(name) ?? "").trim();
  /** @type {Record<string, any>} */
  const next = { ...before };
  for (const name of ["most", "most_of_host", "history"]) next[name] = Number(text(name));
  for (const name of ["limit_rate", "limit_upload_rate", "limit_rate_each"]) {
    const bytes = parseRate(text(name));
    if (bytes === null) return t("bad_rate");
    next[name] = bytes;
  }
  next["connections"] = text("connections") === "" ? null : Number(text("connections"));
  for (const name of ["folder", "user_agent"]) next[name] = text(name) === "" ? null : text(name);
  next["spare"] = Math.round(Number(text("spare")) * GIB);
  next["patience_ms"] = Math.round(Number(text("patience")) * DAY_MS);
  next["lanes"] = {};
  for (const row of lanes.querySelectorAll("tr")) {
    /** @param {string} name */
    const of = (name) => /** @type {HTMLInputElement | null} */ (row.querySelector(`input[name="${name}"]`))?.value.trim() ?? "";
    const limit = parseRate(of("lane_limit"));
    if (limit === null) return t("bad_rate");
    next["lanes"][of("lane")] = {
      ...(before["lanes"]?.[of("lane")] ?? {}), most: of("lane_most") === "" ? null : Number(of("lane_most")), limit_rate: limit, timetable: of("lane_times") || null,
    };
  }
  return next;
}

/** What is kept here and not by the daemon. */
function browser() {
  const tell = h("input", { type: "checkbox", checked: notifies(), disabled: !mayNotify() });
  tell.addEventListener("change", async () => {
    tell.checked = await notify(tell.checked);
  });
  const words = h("select", { "aria-label": t("language") }, h("option", { value: "en", text: "English", lang: "en" }), h("option", { value: "zh", text: "中文", lang: "zh-Hans" }));
  words.value = language() === "en" ? "en" : "zh";
  words.addEventListener("change", () => {
    chooseLanguage(words.value === "zh" ? "zh" : "en");
    location.reload();
  });
  return h("section", { class: "browser" }, h("h3", { text: t("this_browser") }),
    h("label", { class: "check" }, tell, t("notify")), h("label", { class: "check" }, t("language"), words));
}
