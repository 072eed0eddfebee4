// Events of the daemon as they come, over one request that is made again when it ends. `EventSource` would do, but sends
// no header, and does not tell a refusal from a lost connection.

import { ApiError, send } from "./api.js";

/**
 * Splits a stream into events. Text may be cut anywhere; a large event is put together once.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export class EventReader {
  /** @param {(name: string, data: string, id: string | null) => void} told */
  constructor(told) {
    this.told = told;
    /** @type {string[]} */
    this.line = [];
    this.name = "message";
    /** @type {string[]} */
    this.data = [];
    /** @type {string | null} */
    this.id = null;
  }

  reset() {
    this.name = "message";
    this.data = [];
    this.id = null;
  }

  /** @param {string} text */
  read(text) {
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      this.line.push(text.slice(from, end));
      this.take(this.line.join("").replace(/\r$/, ""));
      this.line = [];
      from = end + 1;
    }
    if (from < text.length) this.line.push(text.slice(from));
  }

  /** @param {string} line */
  take(line) {
    if (line === "") {
      if (this.data.length > 0) this.told(this.name, this.data.join("\n"), this.id);
      this.reset();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.name = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
  }
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** The daemon says a word at least every 15 s. Three of them missing, the line is dead. */
const SILENCE_MS = 50_000;

/** The connection to `/events`: asks again for as long as the page is open. */
export class Stream {
  /**
   * @param {{event: (name: string, data: any) => void, up: () => void, down: (again_ms: number) => void}} ears
   */
  constructor(ears) {
    this.ears = ears;
    /** @type {string | null} */
    this.last = null;
    this.wait = FIRST_WAIT_MS;
    this.stopped = true;
    /** @type {AbortController | null} */
    this.request = null;
    /** @type {(() => void) | null} */
    this.hurry = null;
    addEventListener("online", () => this.hurry?.());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.hurry?.();
    });
  }

  start() {
    if (!this.stopped) return;
    this.stopped = false;
    void this.run();
  }

  stop() {
    this.stopped = true;
    this.request?.abort();
    this.hurry?.();
  }

  async run() {
    while (!this.stopped) {
      try {
        await this.once();
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) {
          this.stopped = true;
          return;
        }
        if (!(error instanceof ApiError) && !(error instanceof DOMException) && !(error instanceof TypeError)) throw error;
      }
      if (this.stopped) return;
      const pause = this.wait * (0.75 + Math.random() / 2);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
      this.ears.down(pause);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.hurry = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
      this.hurry = null;
    }
  }

  async once() {
    const request = new AbortController();
    this.request = request;
    let silence = setTimeout(() => request.abort(), SILENCE_MS);
    try {
      /** @type {Record<string, string>} */
      const headers = { Accept: "text/event-stream" };
      if (this.last !== null) headers["Last-Event-ID"] = this.last;
      const reply = await send("/events", { headers, signal: request.signal });
      if (!reply.body) return;
      const events = new EventReader((name, data, id) => {
        if (id !== null) this.last = id;
        this.ears.event(name, JSON.parse(data));
      });
      this.wait = FIRST_WAIT_MS;
      this.ears.up();
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => request.abort(), SILENCE_MS);
        events.read(value);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  /** What was missed cannot be told: the next answer is to begin with a snapshot. */
  forget() {
    this.last = null;
  }
}
