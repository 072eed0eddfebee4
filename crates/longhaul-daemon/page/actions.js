// What can be done to entries, and what is said of it when it is done or refused.

import { api, ApiError } from "./api.js";
import { isOver } from "./model.js";
import { t } from "./words.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {import("./api.js").Files} Files */
/** @typedef {"top" | "bottom" | {up: number} | {down: number} | {before: string}} Place */

/** How many requests of one action are under way at a time. */
const AT_ONCE = 6;

export class Actions {
  /** @param {(text: string, bad?: boolean) => void} say */
  constructor(say) {
    this.say = say;
  }

  /** Those of `rows` that an action would change. @param {Row[]} rows */
  static of(rows) {
    return {
      hold: rows.filter((row) => !isOver(row) && row.state !== "held"),
      release: rows.filter((row) => row.state === "held"),
      retry: rows.filter((row) => ["later", "needs", "failed", "cancelled"].includes(row.state)),
      now: rows.filter((row) => ["queued", "later", "held"].includes(row.state)),
      move: rows.filter((row) => !isOver(row)),
    };
  }

  /** @param {Row[]} rows */
  hold(rows) {
    return this.each("hold", Actions.of(rows).hold);
  }

  /** @param {Row[]} rows */
  release(rows) {
    return this.each("release", Actions.of(rows).release);
  }

  /** @param {Row[]} rows */
  retry(rows) {
    return this.each("retry", Actions.of(rows).retry);
  }

  /** @param {Row[]} rows */
  now(rows) {
    return this.each("now", Actions.of(rows).now);
  }

  /** Holds them, or where all are held releases them. @param {Row[]} rows */
  toggle(rows) {
    return Actions.of(rows).hold.length > 0 ? this.hold(rows) : this.release(rows);
  }

  /**
   * @param {"hold" | "release" | "retry" | "now"} verb
   * @param {Row[]} rows
   */
  each(verb, rows) {
    const ids = rows.map((row) => row.id);
    if (ids.length > 1) return this.tried(() => batch(ids, verb));
    return this.tried(async () => {
      for (const id of ids) await api.tell(id, verb);
    });
  }

  /**
   * Moves rows so that they keep their order among themselves.
   * @param {Row[]} rows in the order of the list
   * @param {Place} place
   */
  move(rows, place) {
    const movable = Actions.of(rows).move;
    const backwards = place === "top" || (typeof place === "object" && "down" in place);
    const ordered = backwards ? [...movable].reverse() : movable;
    const ids = ordered.map((row) => row.id);
    return this.tried(() => (ids.length > 1 ? batch(ids, "move", { place }) : eachOf(ids, (id) => api.change(id, { place }))));
  }

  /** @param {Row[]} rows @param {Files} files */
  remove(rows, files) {
    const ids = rows.map((row) => row.id);
    return this.tried(() => (ids.length > 1 ? batch(ids, "remove", { files }) : eachOf(ids, (id) => api.remove(id, files))));
  }

  /** @param {Row} row @param {object} link */
  relink(row, link) {
    return this.tried(() => api.tell(row.id, "link", link));
  }

  /** @param {Row} row @param {string} answer */
  decide(row, answer) {
    return this.tried(() => api.tell(row.id, "decide", { answer }));
  }

  /** @param {Row[]} rows @param {object} change */
  change(rows, change) {
    return this.tried(() => eachOf(rows, (row) => api.change(row.id, change)));
  }

  /**
   * Does it, and says what was wrong. `true` when it was done.
   * @param {() => Promise<unknown>} act
   */
  async tried(act) {
    try {
      await act();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== 401) this.say(error.message || t("no_answer"), true);
      return false;
    }
  }
}

/** So many the daemon takes at a time. */
const AT_A_TIME = 1000;

/**
 * An action for many. The first refusal is told when all were asked for.
 * @param {string[]} ids
 * @param {string} action
 * @param {object} [more]
 */
async function batch(ids, action, more) {
  /** @type {any} */
  let refusal = null;
  for (let i = 0; i < ids.length; i += AT_A_TIME) {
    const answer = await api.batch(ids.slice(i, i + AT_A_TIME), action, more);
    refusal ??= (answer?.results ?? []).find((/** @type {any} */ each) => each.detail);
  }
  if (refusal) throw new ApiError(refusal.detail, refusal.status, refusal.kind, refusal);
}

/**
 * A few at a time. The first refusal is told when all were tried.
 * @template T
 * @param {T[]} items
 * @param {(item: T) => Promise<unknown>} act
 */
export async function eachOf(items, act) {
  const queue = [...items];
  /** @type {unknown} */
  let refusal = null;
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await act(item);
      } catch (error) {
        refusal ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (refusal) throw refusal;
}
