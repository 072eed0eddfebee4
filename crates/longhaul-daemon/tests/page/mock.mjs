// Stands in for the daemon: the page's files, the routes that the page asks, events as the daemon sends them. It keeps a
// list in memory and moves bytes that do not exist, so that a test has 20,000 rows, rare states and lost connections at
// once. What a daemon answers is held by the suite that runs against the real one; this one must say the same.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";

const PAGE = new URL("../../page/", import.meta.url).pathname;
const TYPES = { html: "text/html", css: "text/css", js: "text/javascript", svg: "image/svg+xml", webmanifest: "application/manifest+json" };
/** As the daemon's guard sends it. */
export const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const OVER = new Set(["done", "failed", "cancelled"]);
const FRAME_MS = 250;

export const TOKEN = "a-token-of-the-tests";

/** One row, with what is said of it and usual values for the rest. */
export function row(facts = {}) {
  const total = facts.total === undefined ? 4_000_000_000 : facts.total;
  const id = facts.id ?? randomBytes(16).toString("hex");
  const name = facts.name ?? `file-${id.slice(0, 6)}.iso`;
  const base = {
    id, gid: id.slice(0, 16), kind: "download", source: `https://mirror.example/pub/${encodeURIComponent(name)}`, folder: "/home/u/Downloads", name,
    path: `/home/u/Downloads/${name}`, destination: null, lane: "main", tags: [], state: "queued", reason: null, total, received: 0, durable: 0, verified: 0,
    rate: 0, connections: 0, attempts: 0, added_ms: Date.now() - 60_000, started_ms: null, ended_ms: null, limit_rate: 0, options: {}, outcome: null,
  };
  const made = { ...base, ...facts, id };
  if (made.kind === "upload") for (const gone of ["received", "durable", "verified"]) delete made[gone];
  if (made.state === "done") {
    made.outcome ??= { path: made.path, bytes: total ?? 0, verified: "sha256", already: false };
    made.ended_ms ??= Date.now() - 1000;
    if (made.kind === "download") made.received = made.durable = total;
  }
  if (OVER.has(made.state)) made.ended_ms ??= Date.now() - 1000;
  return made;
}

export const reason = (kind, message, more = {}) =>
  ({ kind, message, advice: null, status: null, need: null, why: null, until_ms: null, ...more });

export class Mock {
  constructor({ rows = [], runs = false } = {}) {
    this.rows = new Map(rows.map((each) => [each.id, each]));
    this.order = rows.filter((each) => !OVER.has(each.state)).map((each) => each.id);
    this.rev = 1;
    this.codes = new Set(["one-time-code"]);
    this.sessions = new Set();
    this.readers = new Set();
    this.changed = new Set();
    this.gone = new Set();
    /** Every request that changes something, for tests to look at. */
    this.asked = [];
    this.runs = runs;
    this.settings = {
      most: 4, most_of_host: 4, limit_rate: 0, limit_upload_rate: 0, spare: 2 ** 30, patience_ms: 14 * 86_400_000, history: 10_000, folder: "/home/u/Downloads",
      connections: null, limit_rate_each: 0, user_agent: null, lanes: { night: { most: 1, limit_rate: 1_000_000, timetable: "08:00,stop 23:00,off" } },
    };
  }

  async start(port = 0) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error) => {
        console.error("mock:", error);
        response.destroy();
      });
    });
    await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}/`;
    this.timer = setInterval(() => this.frame(), FRAME_MS);
    return this;
  }

  /** Ends as a killed daemon does. */
  async stop() {
    clearInterval(this.timer);
    for (const reader of this.readers) reader.destroy();
    this.readers.clear();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** A row as it is sent. */
  shown(id) {
    const found = this.rows.get(id);
    const at = this.order.indexOf(id);
    return { ...found, position: at < 0 ? null : at };
  }

  /** All rows, with positions counted once. */
  all() {
    const places = new Map(this.order.map((id, at) => [id, at]));
    return [...this.rows.values()].map((each) => ({ ...each, position: places.get(each.id) ?? null }));
  }

  set(id, change) {
    const next = { ...this.rows.get(id), ...change, rev: ++this.rev };
    if (OVER.has(next.state)) {
      next.ended_ms ??= Date.now();
      this.order = this.order.filter((each) => each !== id);
    } else if (!this.order.includes(id)) {
      this.order.push(id);
      next.ended_ms = null;
    }
    this.rows.set(id, next);
    this.changed.add(id);
  }

  forget(id) {
    this.rows.delete(id);
    this.order = this.order.filter((each) => each !== id);
    this.changed.delete(id);
    this.gone.add(id);
    this.rev += 1;
  }

  tell(id, event) {
    this.send("told", { id, event: { time_ms: Date.now(), id, ...event } });
  }

  stat() {
    const counts = {};
    let rate_down = 0;
    let rate_up = 0;
    for (const each of this.rows.values()) {
      counts[each.state] = (counts[each.state] ?? 0) + 1;
      if (each.kind === "upload") rate_up += each.rate;
      else rate_down += each.rate;
    }
    return { rate_down, rate_up, counts };
  }

  send(event, data, readers = this.readers) {
    const text = `event: ${event}\nid: ${this.rev}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const reader of readers) reader.write(text);
  }

  frame() {
    if (this.runs) this.advance();
    if (this.changed.size > 0 || this.gone.size > 0) {
      this.send("change", { rev: this.rev, rows: [...this.changed].map((id) => this.shown(id)), gone: [...this.gone] });
      this.changed.clear();
      this.gone.clear();
      this.send("stat", this.stat());
    }
  }

  /** Bytes move: as many entries run as may. */
  advance() {
    const running = this.order.filter((id) => this.rows.get(id).state === "running");
    for (const id of this.order) {
      if (running.length >= this.settings.most) break;
      if (this.rows.get(id).state !== "queued") continue;
      running.push(id);
      this.set(id, { state: "running", started_ms: Date.now(), attempts: this.rows.get(id).attempts + 1, connections: 4 });
    }
    for (const id of running) {
      const { total, received = 0, sent = 0, kind, pace = 40_000_000 } = this.rows.get(id);
      const step = Math.round(pace * FRAME_MS / 1000 * (0.8 + Math.random() * 0.4));
      const here = Math.min(total ?? Infinity, (kind === "upload" ? sent : received) + step);
      if (here === total) {
        this.set(id, { state: "done", rate: 0, connections: 0, received: total, durable: total, outcome: { path: this.rows.get(id).path, bytes: total, verified: "validator", already: false } });
      } else {
        const behind = Math.max(0, here - 24_000_000);
        this.set(id, { rate: step * 1000 / FRAME_MS, ...(kind === "upload" ? { sent: here, acknowledged: behind } : { received: here, durable: behind }) });
      }
    }
  }

  async answer(request, response) {
    const url = new URL(request.url, this.url);
    const path = url.pathname;
    const say = (status, body, headers = {}) => {
      response.writeHead(status, { "Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", ...headers });
      response.end(body);
    };
    const json = (status, body, headers = {}) => say(status, JSON.stringify(body), { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
    const problem = (status, kind, detail, more = {}) =>
      say(status, JSON.stringify({ type: "about:blank", title: kind, status, kind, detail, ...more }), { "Content-Type": "application/problem+json" });

    if (!path.startsWith("/api/v1/")) return this.file(path, say);
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = text === "" ? undefined : JSON.parse(text);
    const route = path.slice("/api/v1".length);
    if (request.headers["x-longhaul"] !== "1") return problem(403, "denied", "no X-Longhaul");
    if (route === "/login") {
      if (!this.codes.delete(body.code) && body.token !== TOKEN) return problem(401, "denied", "this code is not known here, or has ended");
      const session = randomBytes(16).toString("hex");
      this.sessions.add(session);
      return say(204, "", { "Set-Cookie": `longhaul-${this.port}=${session}; HttpOnly; SameSite=Strict; Path=/` });
    }
    const cookie = /longhaul-\d+=([0-9a-f]+)/.exec(request.headers.cookie ?? "");
    if (!cookie || !this.sessions.has(cookie[1])) return problem(401, "denied", "a token is needed");
    if (request.method !== "GET") this.asked.push({ method: request.method, route, query: url.search, body });
    return this.route(request, response, url, route, body, json, problem);
  }

  file(path, say) {
    const name = path === "/" ? "index.html" : path.startsWith("/assets/") ? path.slice("/assets/".length) : null;
    const kind = name?.split(".").pop();
    if (!name || name.includes("/") || !(kind in TYPES)) return say(404, "not found");
    try {
      return say(200, readFileSync(join(PAGE, name)), { "Content-Type": `${TYPES[kind]}; charset=utf-8`, "Cache-Control": "no-cache" });
    } catch {
      return say(404, "not found");
    }
  }

  async route(request, response, url, route, body, json, problem) {
    const { method } = request;
    if (route === "/info") return json(200, { version: "0.1.0", api: 1 });
    if (route === "/events" && method === "GET") {
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
      this.send("snapshot", { rev: this.rev, entries: this.all(), stat: this.stat() }, [response]);
      this.readers.add(response);
      request.on("close", () => this.readers.delete(response));
      return undefined;
    }
    if (route === "/settings") {
      if (method === "PUT") this.settings = body;
      return json(200, this.settings);
    }
    if (route === "/folders") return json(200, { root: "/home/u/Downloads", path: "/home/u/Downloads", folders: ["iso", "music"] });
    if (route === "/probe") {
      if (/gone/.test(body.source)) return problem(404, "not_found", `${body.source}: the server does not have it`);
      const name = decodeURIComponent(body.source.split("/").pop());
      return json(200, { url: body.source, name, resumable: !/stream/.test(name), why: "the server answers ranges", object: { length: /stream/.test(name) ? null : 734_003_200 } });
    }
    if (route === "/batch") {
      if (body.ids.length > 1000) return problem(400, "usage", "1000 entries at a time at most");
      const results = body.ids.map((id) => {
        if (!this.rows.has(id)) return { type: "about:blank", title: "Not Found", status: 404, kind: "not_found", detail: `no such entry: ${id}` };
        const refused = this.act(id, body.action, body);
        if (refused) return { type: "about:blank", title: "Conflict", status: 409, kind: "usage", detail: refused, id };
        return { id, changed: true, entry: this.rows.has(id) ? this.shown(id) : null };
      });
      return json(200, { results });
    }
    if (route === "/entries" && method === "POST") {
      const list = Array.isArray(body) ? body : [body];
      const answers = list.map((wanted) => {
        const source = wanted.source ?? wanted.sources?.[0];
        if (!/^(https?|oss|s3):\/\//.test(source)) return { type: "about:blank", title: "Bad Request", status: 400, kind: "usage", detail: `${source}: this is no link` };
        const there = [...this.rows.values()].find((each) => each.source === source && !OVER.has(each.state));
        if (there) return { id: there.id, added: false };
        const name = wanted.name ?? decodeURIComponent(source.split("/").pop());
        const made = row({ source, sources: wanted.sources ?? [source], name, lane: wanted.lane ?? "main", state: wanted.hold ? "held" : "queued", options: wanted.options ?? {}, added_ms: Date.now() });
        this.rows.set(made.id, made);
        if (wanted.place === "top") this.order.unshift(made.id);
        else this.order.push(made.id);
        this.changed.add(made.id);
        return { id: made.id, added: true };
      });
      return json(201, Array.isArray(body) ? { results: answers } : answers[0]);
    }
    const parts = /^\/entries\/([0-9a-f]+)(?:\/(\w+))?$/.exec(route);
    if (!parts) return problem(404, "not_found", `no such route: ${route}`);
    const [, id, verb] = parts;
    const found = this.rows.get(id);
    if (!found) return problem(404, "not_found", `no such entry: ${id}`);
    if (method === "GET" && !verb) return json(200, this.shown(id));
    if (method === "GET" && verb === "explain") {
      return json(200, { entry: this.shown(id), files: { resumable: true, resumable_why: "the ETag is strong", total: found.total, held: found.durable, next_start: "continues", claimed: [[0, found.durable]], fetch: [{ start: found.durable, end: found.total, reason: "not_received", message: "not received yet" }] } });
    }
    if (method === "GET" && verb === "map") {
      const { total, received = 0, durable = 0, state } = found;
      const flight = state === "running" ? [[received, received + 8_000_000], [total * 0.7, total * 0.7 + 9_000_000]] : [];
      return json(200, { total, held: [[0, received], [total * 0.6, total * 0.7]], durable: [[0, durable], [total * 0.6, total * 0.69]], in_flight: flight, damaged: found.damaged ?? [] });
    }
    if (method === "GET" && verb === "events") {
      return json(200, { events: [{ time_ms: Date.now() - 5000, event: "started", total: found.total, resumable: true }, { time_ms: Date.now() - 3000, event: "retry", reason: "the connection was reset", failures: 1, delay_ms: 800 }] });
    }
    if (method === "PATCH") {
      if (body.place !== undefined) this.move(id, body.place);
      if (body.options !== undefined) this.set(id, { options: { ...found.options, ...body.options }, limit_rate: body.options.limit_rate ?? 0 });
      return json(200, this.shown(id));
    }
    if (method === "DELETE") {
      this.forget(id);
      return json(200, {});
    }
    if (verb === "link") {
      this.set(id, { state: "queued", reason: null, source: body.sources[0] });
      return json(200, this.shown(id));
    }
    if (verb === "decide") {
      if (body.answer === "forget") this.forget(id);
      else this.set(id, { state: "queued", reason: null });
      return json(200, {});
    }
    const refused = this.act(id, verb);
    return refused ? problem(409, "usage", refused, { state: found.state }) : json(200, this.shown(id));
  }

  act(id, verb, words = {}) {
    const { state } = this.rows.get(id);
    if (verb === "hold") {
      if (OVER.has(state)) return `it is ${state}`;
      this.set(id, { state: "held", rate: 0, connections: 0, reason: null });
    } else if (verb === "release") {
      if (state !== "held") return `it is ${state}`;
      this.set(id, { state: "queued" });
    } else if (verb === "move") {
      this.move(id, words.place);
    } else if (verb === "remove") {
      this.forget(id);
    } else if (verb === "retry" || verb === "now") {
      this.set(id, { state: verb === "now" ? "running" : "queued", reason: null });
    } else {
      return `no such verb: ${verb}`;
    }
    return null;
  }

  move(id, place) {
    const at = this.order.indexOf(id);
    if (at < 0) return;
    const rest = this.order.filter((each) => each !== id);
    let to = at;
    if (place === "top") to = 0;
    else if (place === "bottom") to = rest.length;
    else if ("up" in place) to = Math.max(0, at - place.up);
    else if ("down" in place) to = Math.min(rest.length, at + place.down);
    else if ("before" in place) to = rest.indexOf(place.before);
    rest.splice(to, 0, id);
    this.order = rest;
    this.changed.add(id);
    this.rev += 1;
  }
}

/** A list that has a bit of everything. */
export function sample() {
  const G = 1_000_000_000;
  return [
    row({ name: "debian-13.2.0-amd64-DVD-1.iso", source: "https://cdimage.example/debian-13.2.0-amd64-DVD-1.iso", state: "running", total: 3.9 * G, received: 2.2 * G, durable: 2.1 * G, rate: 41_200_000, connections: 4, tags: ["os"] }),
    row({ kind: "upload", name: "backup-2026-11.tar.zst", source: "/srv/backup-2026-11.tar.zst", path: "/srv/backup-2026-11.tar.zst", destination: "oss://archive/backup-2026-11.tar.zst", state: "running", total: 12 * G, sent: 3.4 * G, acknowledged: 3.2 * G, rate: 8_400_000, connections: 3, lane: "night" }),
    row({ name: "weights-00003-of-00017.safetensors", state: "needs", total: 4.9 * G, received: 3.1 * G, durable: 3.1 * G, reason: reason("needs_link", "the server says 403: the link's signature has expired", { need: "link", status: 403, advice: "bring another link of the same file" }) }),
    row({ name: "ubuntu-26.04-desktop.iso", source: "https://releases.example/ubuntu.iso", state: "later", total: 6.1 * G, received: 0.9 * G, durable: 0.9 * G, reason: reason("refused", "the server is busy (503)", { why: "busy", until_ms: Date.now() + 840_000, status: 503 }) }),
    row({ name: "archive-part-01.zip", state: "needs", total: 0.7 * G, reason: reason("exists", "/home/u/Downloads/archive-part-01.zip exists and is another file", { need: "decision" }) }),
    row({ name: "satellite-2026-10-31.tif", source: "s3://imagery/satellite-2026-10-31.tif", state: "later", total: 88 * G, received: 1 * G, durable: 1 * G, reason: reason("no_space", "87 GB are needed on /home, 12 GB are free", { why: "space", until_ms: Date.now() + 30_000 }) }),
    row({ name: "node-v26.1.0.tar.xz", state: "queued", total: 29_300_000 }),
    row({ name: "a long name that says a lot about what is in the file and does not fit into one line of a list, whatever its width.tar.gz", state: "queued", total: 1.2 * G, lane: "night" }),
    row({ name: "live-stream.ts", source: "https://cam.example/live-stream.ts", state: "running", total: null, received: 88_000_000, durable: 80_000_000, rate: 610_000, connections: 1 }),
    row({ name: "map-tiles.mbtiles", state: "held", total: 2.4 * G, received: 1.1 * G, durable: 1.1 * G }),
    row({ name: "linux-6.18.tar.xz", state: "done", total: 151_000_000, ended_ms: Date.now() - 200_000 }),
    row({ name: "photo.jpg", state: "done", total: 4_200_000, ended_ms: Date.now() - 400_000, outcome: { path: "/home/u/Downloads/photo.jpg", bytes: 4_200_000, verified: "length only", already: false } }),
    row({ name: "report.pdf", state: "failed", total: 1_900_000, ended_ms: Date.now() - 500_000, reason: reason("not_found", "https://mirror.example/pub/report.pdf: the server does not have it (404)", { status: 404 }) }),
    row({ name: "old.bin", state: "cancelled", total: 900_000, ended_ms: Date.now() - 600_000 }),
  ];
}

// `node mock.mjs [PORT]`: a list to look at.
if (process.argv[1] === new URL(import.meta.url).pathname) {
  const mock = await new Mock({ rows: sample(), runs: true }).start(Number(process.argv[2] ?? 0));
  console.log(`${mock.url}#code=one-time-code   (token: ${TOKEN})`);
}
