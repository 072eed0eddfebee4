// Elements are made here. Text becomes text nodes, so what comes from outside stays text.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Makes an element. Of `props`: `class`, `text`, functions under `on…`, `data` and ARIA as attributes, the rest as properties.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, String(value));
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...nodes(children));
  return element;
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const found = [];
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    found.push(typeof child === "number" ? String(child) : child);
  }
  return found;
}

/**
 * Replaces what is in an element.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/**
 * Writes text only where it is another one: unchanged rows cost no layout.
 * @param {Element} element
 * @param {string} text
 */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Sets an attribute only where it is another one; `null` removes it.
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value
 */
export function attr(element, name, value) {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}

/** Strokes on a square of 24. */
const ICONS = {
  down: "M12 4v12m0 0-5-5m5 5 5-5M5 20h14",
  up: "M12 16V4m0 0L7 9m5-5 5 5M5 20h14",
  queued: "M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  hold: "M8 5v14M16 5v14",
  release: "M8 5v14l11-7z",
  retry: "M4 12a8 8 0 1 0 3-6.2M4 4v5h5",
  check: "M5 13l4 4L19 7",
  alert: "M12 8v5m0 3v.5M12 3 2.5 20h19z",
  cross: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  gear: "M4 7h9m4 0h3M4 17h3m4 0h9M15 4.5v5M9 14.5v5",
  search: "M20 20l-4.5-4.5M17 10.5a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0z",
  menu: "M4 7h16M4 12h16M4 17h16",
  top: "M5 4h14M12 20V8m0 0-5 5m5-5 5 5",
  bottom: "M5 20h14M12 4v12m0 0-5-5m5 5 5-5",
  now: "M13 3 5 14h6l-1 7 8-11h-6z",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  question: "M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7v.5m0 3v.5",
  back: "M15 5l-7 7 7 7",
};

/** @typedef {keyof typeof ICONS} IconName */

/**
 * A picture that screen readers pass by; what it stands for is said by its neighbour.
 * @param {IconName} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  picture.append(path);
  return picture;
}

/**
 * A button with a picture, and its name for those who do not see it.
 * @param {IconName} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} act
 * @param {Record<string, any>} [props]
 */
export function iconButton(name, label, act, props = {}) {
  return h("button", { type: "button", class: "bare", title: label, "aria-label": label, onclick: act, ...props }, icon(name));
}

/** @param {string} selector */
export function find(selector) {
  const element = document.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return element;
}
