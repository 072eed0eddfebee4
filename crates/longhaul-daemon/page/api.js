// What the page asks of the daemon: one function for each route, and errors as the daemon says them.

import { t } from "./words.js";

/**
 * One row of the list, as `docs/openapi.json` has it. Of a download `received` and `durable`, of an upload `sent` and `acknowledged`.
 * @typedef {object} Row
 * @property {string} id
 * @property {"download" | "upload"} kind
 * @property {string} source
 * @property {string[]} [sources]
 * @property {string | null} [folder]
 * @property {string | null} [name]
 * @property {string | null} [path]
 * @property {string | null} [destination]
 * @property {string} lane
 * @property {number | null} position
 * @property {string[]} [tags]
 * @property {string} state
 * @property {Reason | null} [reason]
 * @property {number | null} [total]
 * @property {number} [received]
 * @property {number} [durable]
 * @property {number} [acknowledged]
 * @property {number} [sent]
 * @property {number} [rate]
 * @property {number} [connections]
 * @property {number} [attempts]
 * @property {number} [added_ms]
 * @property {number | null} [started_ms]
 * @property {number | null} [ended_ms]
 * @property {number} [limit_rate]
 * @property {Record<string, any>} [options]
 * @property {{path: string, bytes: number, verified: string, already: boolean} | null} [outcome]
 * @property {number} [rev]
 *
 * @typedef {object} Reason
 * @property {string} kind
 * @property {string} message
 * @property {string | null} [advice]
 * @property {number | null} [status]
 * @property {string | null} [need]
 * @property {string | null} [why]
 * @property {number | null} [until_ms]
 *
 * @typedef {{rate_down: number, rate_up: number, counts?: Record<string, number>}} Stat
 * @typedef {"keep" | "partial" | "all"} Files
 */

const BASE = "/api/v1";

/** What went wrong, in a sentence for people. `status` is 0 when the daemon did not answer. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   * @param {string} kind
   * @param {any} [body]
   */
  constructor(message, status, kind, body) {
    super(message);
    this.status = status;
    this.kind = kind;
    this.body = body;
  }
}

/** Called when the daemon does not know this browser any more. */
let onStranger = () => {};

/** @param {() => void} act */
export function whenStranger(act) {
  onStranger = act;
}

/**
 * @param {string} path
 * @param {{method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal, quiet?: boolean}} [options]
 *   `quiet`: an answer 401 is only an error, and does not bring the login
 * @returns {Promise<Response>}
 */
export async function send(path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { "X-Longhaul": "1", ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  /** @type {Response} */
  let reply;
  try {
    reply = await fetch(BASE + path, {
      method: options.method ?? "GET", headers, body, signal: options.signal, cache: "no-store", credentials: "same-origin",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(t("no_answer"), 0, "network");
  }
  if (reply.ok) return reply;
  const problem = await reply.json().catch(() => ({}));
  if (reply.status === 401 && !options.quiet) onStranger();
  const message = problem.detail ?? problem.title ?? t("status", { status: reply.status });
  throw new ApiError(String(message), reply.status, String(problem.kind ?? ""), problem);
}

/**
 * @param {string} path
 * @param {Parameters<typeof send>[1]} [options]
 * @returns {Promise<any>}
 */
async function json(path, options) {
  const reply = await send(path, options);
  return reply.status === 204 ? null : reply.json().catch(() => null);
}

/** @param {string} id */
const entry = (id) => `/entries/${encodeURIComponent(id)}`;

export const api = {
  info: () => json("/info", { quiet: true }),
  /** @param {{code?: string, token?: string}} proof */
  login: (proof) => json("/login", { method: "POST", body: proof, quiet: true }),

  /** @param {string} id */
  get: (id) => json(entry(id)),
  /** @param {string} id */
  explain: (id) => json(`${entry(id)}/explain`),
  /** @param {string} id @param {number} buckets */
  map: (id, buckets) => json(`${entry(id)}/map?buckets=${buckets}`),
  /** @param {string} id */
  events: (id) => json(`${entry(id)}/events`),

  /** @param {object[]} entries at most 1,000 */
  add: (entries) => json("/entries", { method: "POST", body: entries, headers: { "Idempotency-Key": crypto.randomUUID() } }),
  /** @param {string} id @param {object} change */
  change: (id, change) => json(entry(id), { method: "PATCH", body: change }),
  /** @param {string} id @param {Files} files */
  remove: (id, files) => json(`${entry(id)}?files=${files}`, { method: "DELETE" }),
  /** @param {string} id @param {"hold" | "release" | "cancel" | "retry" | "now" | "link" | "decide"} verb @param {object} [body] */
  tell: (id, verb, body) => json(`${entry(id)}/${verb}`, { method: "POST", body: body ?? {} }),
  /** @param {string[]} ids @param {string} action @param {object} [more] */
  batch: (ids, action, more) => json("/batch", { method: "POST", body: { ids, action, ...more } }),

  settings: () => json("/settings"),
  /** @param {object} settings */
  setSettings: (settings) => json("/settings", { method: "PUT", body: settings }),
  /** @param {string} source @param {AbortSignal} [signal] */
  probe: (source, signal) => json("/probe", { method: "POST", body: { source }, signal }),
  /** @param {string} path */
  folders: (path) => json(`/folders?path=${encodeURIComponent(path)}`),
};
