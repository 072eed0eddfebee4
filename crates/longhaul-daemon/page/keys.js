// Everything by keyboard.

import { isOver } from "./model.js";

/** @typedef {import("./api.js").Row} Row */

/**
 * @typedef {object} Hands
 * @property {import("./model.js").Model} model
 * @property {import("./list.js").List} list
 * @property {import("./actions.js").Actions} actions
 * @property {() => void} add
 * @property {() => void} search
 * @property {() => void} help
 * @property {(rows: Row[]) => void} remove
 * @property {(id: string | null) => void} open
 */

/** @param {Hands} hands */
export function listenForKeys(hands) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (document.body.dataset["stage"] !== "list") return;
    const target = event.target instanceof HTMLElement ? event.target : document.body;
    const typing = target.matches("input, textarea, select, [contenteditable]");
    const done = typing ? inSearch(hands, event, target) : anywhere(hands, event) || (inList(target) && onRows(hands, event, target));
    if (done) event.preventDefault();
  });
}

/** @param {HTMLElement} target */
const inList = (target) => target === document.body || target.closest("#list, #bar") !== null;

/** @param {Hands} hands @param {KeyboardEvent} event @param {HTMLElement} target */
function inSearch(hands, event, target) {
  if (target.id !== "search") return false;
  if (event.key === "Escape") {
    if (target instanceof HTMLInputElement && target.value !== "") {
      target.value = "";
      hands.model.look({ text: "" });
    } else {
      hands.list.element.focus();
    }
    return true;
  }
  if (event.key === "Enter" || event.key === "ArrowDown") {
    hands.list.element.focus();
    if (hands.model.cursor === null) hands.list.moveTo(0, false);
    return true;
  }
  return false;
}

/** @param {Hands} hands @param {KeyboardEvent} event */
function anywhere(hands, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  switch (event.key) {
    case "/": hands.search(); return true;
    case "n": hands.add(); return true;
    case "?": hands.help(); return true;
    case "Escape":
      if (hands.model.open !== null) hands.open(null);
      else hands.model.selected.clear();
      hands.model.changed();
      hands.list.element.focus();
      return true;
    default: return false;
  }
}

/** @param {Hands} hands @param {KeyboardEvent} event @param {HTMLElement} target */
function onRows(hands, event, target) {
  const { model, list, actions } = hands;
  const onButton = target.closest("button") !== null;
  if (event.altKey) return moves(hands, event);
  const at = list.indexOf(model.cursor);
  if (event.ctrlKey || event.metaKey) {
    if (event.key !== "a") return false;
    model.selected = new Set(model.shown.map((row) => row.id));
    model.changed();
    return true;
  }
  switch (event.key) {
    case "ArrowDown": list.moveTo(at + 1, event.shiftKey); return true;
    case "ArrowUp": list.moveTo(at < 0 ? 0 : at - 1, event.shiftKey); return true;
    case "Home": list.moveTo(0, event.shiftKey); return true;
    case "End": list.moveTo(model.shown.length - 1, event.shiftKey); return true;
    case "PageDown": list.moveTo(at + list.page(), event.shiftKey); return true;
    case "PageUp": list.moveTo(at - list.page(), event.shiftKey); return true;
    case "Delete": case "Backspace": hands.remove(model.chosen()); return true;
    case "r": void actions.retry(model.chosen()); return true;
    case " ":
      if (onButton) return false;
      void actions.toggle(model.chosen());
      return true;
    case "Enter":
      if (onButton || model.cursor === null) return false;
      hands.open(model.cursor);
      return true;
    default: return false;
  }
}

/** @param {Hands} hands @param {KeyboardEvent} event */
function moves({ model, actions }, event) {
  const rows = model.chosen().filter((row) => !isOver(row));
  if (rows.length === 0) return false;
  switch (event.key) {
    case "ArrowUp": void actions.move(rows, { up: 1 }); return true;
    case "ArrowDown": void actions.move(rows, { down: 1 }); return true;
    case "Home": void actions.move(rows, "top"); return true;
    case "End": void actions.move(rows, "bottom"); return true;
    default: return false;
  }
}
