// Two pictures on a canvas: rates of the last two minutes, and which pieces are here.

import { attr } from "./dom.js";
import { number, rate } from "./format.js";
import { GRAPH_S } from "./model.js";
import { t } from "./words.js";

/**
 * Fits a canvas to its place on the screen, in its pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} height in CSS pixels
 */
function prepare(canvas, height) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.style.height = `${height}px`;
  const [w, tall] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== tall) canvas.height = tall;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width };
}

/** @param {Element} element @param {string} name */
const colour = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

/** A colour of the style sheet as the canvas takes it, for the light or the dark. @param {Element} element @param {string} name */
function ink(element, name) {
  const probe = document.createElement("i");
  probe.hidden = true;
  element.parentElement?.append(probe);
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found || colour(element, name);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} samples one a second, the last is now
 */
export function drawRates(canvas, samples) {
  const height = 72;
  const { pen, width } = prepare(canvas, height);
  const most = Math.max(1, ...samples);
  const x = (/** @type {number} */ i) => width - ((samples.length - 1 - i) / (GRAPH_S - 1)) * width;
  const y = (/** @type {number} */ value) => height - 1 - (value / most) * (height - 6);
  const line = ink(canvas, "--accent");
  pen.strokeStyle = ink(canvas, "--line");
  pen.beginPath();
  for (const part of [0, 0.5]) {
    pen.moveTo(0, Math.round(y(most * part)) + 0.5);
    pen.lineTo(width, Math.round(y(most * part)) + 0.5);
  }
  pen.stroke();
  if (samples.length > 1) {
    pen.beginPath();
    samples.forEach((value, i) => (i === 0 ? pen.moveTo(x(i), y(value)) : pen.lineTo(x(i), y(value))));
    pen.strokeStyle = line;
    pen.lineWidth = 1.5;
    pen.stroke();
    pen.lineTo(width, height);
    pen.lineTo(x(0), height);
    pen.closePath();
    pen.globalAlpha = 0.15;
    pen.fillStyle = line;
    pen.fill();
    pen.globalAlpha = 1;
  }
  const last = samples[samples.length - 1] ?? 0;
  attr(canvas, "aria-label", t("graph_label", { now: rate(last), most: rate(samples.length > 0 ? Math.max(...samples) : 0) }));
}

/** @typedef {"missing" | "held" | "hinted" | "flight" | "damaged"} Piece */
/** @type {Record<Piece, string>} */
const INKS = { missing: "--track", held: "--accent", hinted: "--received", flight: "--flight", damaged: "--bad" };

const CELL = 9;
const GAP = 2;

/**
 * How many cells a map of this canvas has, with this many rows at most.
 * @param {HTMLCanvasElement} canvas
 */
export function cells(canvas) {
  const across = Math.max(8, Math.floor((canvas.clientWidth + GAP) / (CELL + GAP)));
  return { across, most: across * 10 };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Piece[]} pieces
 */
export function drawMap(canvas, pieces) {
  const { across } = cells(canvas);
  const lines = Math.max(1, Math.ceil(pieces.length / across));
  const { pen } = prepare(canvas, lines * (CELL + GAP) - GAP);
  /** @type {Record<string, string>} */
  const inks = {};
  for (const [piece, name] of Object.entries(INKS)) inks[piece] = ink(canvas, name);
  pieces.forEach((piece, i) => {
    pen.fillStyle = inks[piece] ?? "";
    pen.fillRect((i % across) * (CELL + GAP), Math.floor(i / across) * (CELL + GAP), CELL, CELL);
  });
  const count = (/** @type {Piece} */ which) => pieces.filter((piece) => piece === which).length;
  attr(canvas, "aria-label", t("map_label", {
    n: number(pieces.length), held: number(count("held") + count("hinted")), flight: number(count("flight")), damaged: number(count("damaged")),
  }));
}

/**
 * Half-open ranges of bytes as cells. A cell is held when all of it is.
 * @param {{total: number | null, held?: [number, number][], durable?: [number, number][], in_flight?: [number, number][], damaged?: [number, number][]}} map
 * @param {number} most
 * @returns {Piece[]}
 */
export function pieces(map, most) {
  const total = map.total ?? 0;
  if (total <= 0) return [];
  const n = Math.max(1, Math.min(most, Math.ceil(total / 65_536)));
  const length = total / n;
  const held = covered(map.held ?? [], n, length);
  const durable = map.durable ? covered(map.durable, n, length) : held;
  const damaged = covered(map.damaged ?? [], n, length);
  const flight = covered(map.in_flight ?? [], n, length);
  return held.map((part, i) => {
    if ((damaged[i] ?? 0) > 0) return "damaged";
    if (part >= 0.999) return (durable[i] ?? 0) >= 0.999 ? "held" : "hinted";
    if ((flight[i] ?? 0) > 0) return "flight";
    return part > 0 ? "hinted" : "missing";
  });
}

/**
 * Which share of each cell ranges cover.
 * @param {[number, number][]} ranges
 * @param {number} n
 * @param {number} length
 */
function covered(ranges, n, length) {
  /** @type {number[]} */
  const share = new Array(n).fill(0);
  for (const [start, end] of ranges) {
    for (let i = Math.floor(start / length); i < n && i * length < end; i += 1) {
      const from = Math.max(start, i * length);
      const to = Math.min(end, (i + 1) * length);
      share[i] = (share[i] ?? 0) + Math.max(0, to - from) / length;
    }
  }
  return share;
}
