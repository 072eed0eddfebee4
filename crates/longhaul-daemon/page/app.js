// The page put together: who it is, the list as it comes, and what clicks and keys do.

import { Actions } from "./actions.js";
import { AddBox } from "./add.js";
import { api, ApiError, whenStranger } from "./api.js";
import { Bar } from "./bar.js";
import { askDecision, askLink, askRemove, askSpace, showHelp } from "./dialogs.js";
import { Detail } from "./detail.js";
import { fill, find, h, iconButton, put } from "./dom.js";
import { Drag } from "./drag.js";
import { rate } from "./format.js";
import { Head } from "./head.js";
import { listenForKeys } from "./keys.js";
import { List } from "./list.js";
import { codeInAddress, loginByCode, showLogin } from "./login.js";
import { Model } from "./model.js";
import { reasonOf, remark } from "./reason.js";
import { openSettings } from "./settings.js";
import { Side } from "./side.js";
import { Stream } from "./stream.js";
import { language, t } from "./words.js";

/** @typedef {import("./api.js").Row} Row */

document.documentElement.lang = language();
const model = new Model();
const actions = new Actions(say);
const list = new List(model);
const head = new Head(model);
const add = new AddBox(model, say);
const detail = new Detail(model, actions, { help, remove, link, close: () => open(null) });
new Side(model);
new Bar(model, actions, remove);
new Drag(list, model, (ids, before) => {
  const rows = ids.flatMap((id) => model.rows.get(id) ?? []);
  void actions.move(rows, before === null ? "bottom" : { before });
});
listenForKeys({ model, list, actions, add: () => add.open(), search: () => search.focus(), help: showHelp, remove, open });

const search = h("input", { id: "search", type: "search", placeholder: t("search"), "aria-label": t("search"), autocomplete: "off", spellcheck: false,
  oninput: () => model.look({ text: search.value }) });
const down = h("span", { class: "down" });
const up = h("span", { class: "up" });
const line = h("p", { id: "line", role: "status", hidden: true });
const sayings = h("div", { id: "sayings", "aria-live": "polite" });
fill(find("#top"),
  iconButton("menu", t("views"), () => document.body.classList.toggle("with-side"), { class: "bare menu" }),
  h("h1", { text: "longhaul" }), search, h("span", { class: "rates", "aria-label": t("rates") }, down, up),
  h("button", { type: "button", class: "primary add", onclick: () => add.open() }, h("span", { text: t("add") })),
  iconButton("gear", t("settings"), () => void openSettings(say)),
  iconButton("question", t("help"), showHelp, { class: "bare ask-help" }));
document.body.append(line, sayings);

/** Says something for a while. @param {string} text @param {boolean} [bad] */
function say(text, bad = false) {
  const saying = h("p", { class: bad ? "bad" : "", role: bad ? "alert" : "status" }, h("span", { class: "wrap", text }), iconButton("cross", t("close"), () => saying.remove()));
  sayings.append(saying);
  while (sayings.childElementCount > 3) sayings.firstElementChild?.remove();
  setTimeout(() => saying.remove(), bad ? 15_000 : 4000);
}

/** @param {string | null} id */
function open(id) {
  model.open = id;
  model.changed();
  if (id === null) list.element.focus();
}

/** @param {Row[]} rows */
function remove(rows) {
  askRemove(rows, (them, files) => actions.remove(them, files));
}

/** @param {Row} row */
function link(row) {
  askLink(row, (it, what) => actions.relink(it, what));
}

/** Does what the button of a reason says. @param {Row} row */
function help(row) {
  switch (reasonOf(row, undefined)?.help) {
    case "link": link(row); break;
    case "decide": askDecision(row, (it, answer) => actions.decide(it, answer)); break;
    case "space": askSpace(row, model.rows.values(), async (rows) => (rows.length === 0 || await actions.remove(rows, "all")) && actions.retry([row])); break;
    case "retry": void actions.retry([row]); break;
    default: break;
  }
}

list.element.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const id = target?.closest(".row")?.getAttribute("data-id");
  const row = id ? model.rows.get(id) : undefined;
  if (!row) return;
  const act = target?.closest("button")?.getAttribute("data-act");
  if (act) {
    press(row, act);
  } else if (event.shiftKey) {
    list.moveTo(list.indexOf(row.id), true);
  } else if (event.ctrlKey || event.metaKey) {
    pick(row);
  } else {
    list.moveTo(list.indexOf(row.id), false);
    open(row.id);
  }
});

/** @param {Row} row @param {string} act */
function press(row, act) {
  switch (act) {
    case "pick": pick(row); break;
    case "help": help(row); break;
    case "hold": void actions.hold([row]); break;
    case "release": void actions.release([row]); break;
    case "retry": void actions.retry([row]); break;
    case "remove": remove([row]); break;
    default: break;
  }
}

/** Adds a row to the selection, or takes it out. @param {Row} row */
function pick(row) {
  if (!model.selected.delete(row.id)) model.selected.add(row.id);
  model.cursor = model.anchor = row.id;
  model.changed();
}

find("#side").addEventListener("click", () => document.body.classList.remove("with-side"));
addEventListener("paste", (event) => {
  if (event.target instanceof HTMLElement && event.target.matches("input, textarea")) return;
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (document.body.dataset["stage"] === "list" && /^\s*(https?|oss|s3):\/\//i.test(text)) add.open(text.trim());
});

/** Why the list cannot be written, while it cannot. @type {string | null} */
let unwritten = null;
/** When the connection was lost, in milliseconds of the page's clock. @type {number | null} */
let lost = null;

const stream = new Stream({
  event(name, data) {
    if (name === "snapshot") model.snapshot(data);
    else if (name === "change") model.change(data);
    else if (name === "stat") model.stat = data;
    else if (name === "told") told(data.id, data.event);
    else if (name === "unwritten") unwritten = data.message ?? null;
    put(down, `↓ ${rate(model.stat.rate_down)}`);
    put(up, `↑ ${rate(model.stat.rate_up)}`);
  },
  up() {
    if (lost !== null) {
      put(line, t("found_again"));
      setTimeout(() => {
        if (lost === null) line.hidden = true;
      }, 2000);
    }
    lost = null;
    unwritten = null;
  },
  down() {
    lost ??= performance.now();
  },
});

/** @param {string} id @param {any} event */
function told(id, event) {
  const said = remark(event);
  if (said) {
    model.notes.set(id, { text: said.text, until: Date.now() + said.ms });
    model.changed();
  }
  detail.told(id, event);
}

setInterval(() => {
  model.second();
  head.second();
  detail.second();
  list.draw();
  if (lost !== null && performance.now() - lost > 1500) {
    put(line, t("lost"));
    line.hidden = false;
  } else if (unwritten !== null) {
    put(line, t("unwritten", { why: unwritten }));
    line.hidden = false;
  } else if (line.textContent !== t("found_again")) {
    line.hidden = true;
  }
}, 1000);

/** @param {"login" | "list"} stage */
function stage(stage) {
  document.body.dataset["stage"] = stage;
}

/** @param {string | null} problem */
function stranger(problem) {
  if (document.body.dataset["stage"] === "login") return;
  stream.stop();
  stage("login");
  showLogin(problem, () => {
    stream.forget();
    begin();
  });
}

function begin() {
  stage("list");
  stream.start();
  list.element.focus();
}

async function main() {
  const code = codeInAddress();
  const problem = code === null ? null : await loginByCode(code);
  try {
    await api.info();
    begin();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 || error.status === 403) stranger(problem);
    else begin();
  }
}

whenStranger(() => stranger(null));
void main();
