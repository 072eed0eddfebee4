// What the npm clients `aria2` and `maria2` hear, over HTTP and over WebSocket: one line a step, the same for aria2
// and for longhaul. RPC_PORT, RPC_SECRET and FOLDER say where; NODE_MODULES where the clients are.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const { RPC_PORT, RPC_SECRET, FOLDER, NODE_MODULES } = process.env;
const Aria2 = createRequire(path.join(NODE_MODULES, "x.js"))("aria2");
const maria2 = await import(pathToFileURL(path.join(NODE_MODULES, "maria2/dist/index.mjs")));
const transports = await import(pathToFileURL(path.join(NODE_MODULES, "maria2/dist/transport.mjs")));

const BYTES = Buffer.from("longhaul\n".repeat(20000));
// /NAME.bin whole, with ranges; /slow a few bytes a moment, for as long as it is wanted; /denied 403.
const server = http.createServer((request, reply) => {
    if (request.url.startsWith("/denied")) return reply.writeHead(403).end();
    const slow = request.url.startsWith("/slow");
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const body = slow ? Buffer.alloc(1 << 20, 7) : BYTES;
    const [from, to] = range ? [Number(range[1]), range[2] ? Number(range[2]) : body.length - 1] : [0, body.length - 1];
    const headers = { "Content-Length": to - from + 1, "Accept-Ranges": "bytes", ETag: '"one"' };
    if (range) headers["Content-Range"] = `bytes ${from}-${to}/${body.length}`;
    reply.writeHead(range ? 206 : 200, headers);
    if (!slow) return reply.end(body.subarray(from, to + 1));
    let at = from;
    const timer = setInterval(() => {
        if (at + 512 > to) return;
        reply.write(body.subarray(at, (at += 512)));
    }, 20);
    reply.on("close", () => clearInterval(timer));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${server.address().port}`;

function say(step, what) {
    console.log(`${step}: ${JSON.stringify(what)}`);
}

async function until(what, condition) {
    const end = Date.now() + 60_000;
    while (!(await condition())) {
        if (Date.now() > end) throw new Error(`this never came: ${what}`);
        await new Promise((later) => setTimeout(later, 20));
    }
}

/// What a promise ends with, in a form that can be compared.
async function ended(promise) {
    try {
        return await promise;
    } catch (error) {
        return { code: error.code, message: error.message };
    }
}

let number = 0;
const nextGid = () => (0xb0000000 + ++number).toString(16).padStart(16, "0");

async function talk(name, call, batches, events) {
    const step = (what) => `${name} ${what}`;
    const heard = (count) => until(`event ${count} of ${name}`, () => !events || events.length >= count);
    const status = async (gid) => (await call("tellStatus", gid, ["status"])).status;
    const version = await call("getVersion");
    say(step("version"), /^1\.\d+\.\d+$/.test(version.version));

    const whole = nextGid();
    const file = `${name.replaceAll(" ", "-")}.bin`;
    say(step("add"), await call("addUri", [`${base}/a.bin`], { gid: whole, pause: "true", out: file }));
    const keys = ["gid", "status", "totalLength", "completedLength", "files", "errorCode"];
    const before = await call("tellStatus", whole, keys);
    say(step("held"), JSON.parse(JSON.stringify(before).replaceAll(base, "BASE").replaceAll(FOLDER, "FOLDER")));
    say(step("waiting"), await call("tellWaiting", 0, 10, ["gid", "status"]));
    say(step("unpause"), await call("unpause", whole));
    await until("the end", async () => (await status(whole)) === "complete");
    const after = await call("tellStatus", whole, ["status", "totalLength", "completedLength", "errorCode", "bitfield"]);
    say(step("complete"), after);
    say(step("file"), readFileSync(path.join(FOLDER, file)).equals(BYTES));
    await heard(2);

    const slow = nextGid();
    say(step("add slow"), await call("addUri", [`${base}/slow`], { gid: slow, out: `slow-${file}` }));
    await until("bytes", async () => (await call("tellStatus", slow, ["completedLength"])).completedLength !== "0");
    say(step("active"), await call("tellActive", ["gid", "status"]));
    say(step("pause"), await call("pause", slow));
    say(step("paused"), await call("tellStatus", slow, ["gid", "status", "totalLength"]));
    say(step("pause again"), await ended(call("pause", slow)));
    await heard(4);
    say(step("unpause"), await ended(call("unpause", slow)));
    await until("active again", async () => (await status(slow)) === "active");
    await heard(5);
    say(step("remove"), await call("remove", slow));
    await until("removed", async () => (await status(slow)) === "removed");
    say(step("removed"), await call("tellStatus", slow, ["status", "errorCode"]));
    await heard(6);

    const denied = nextGid();
    say(step("add denied"), await call("addUri", [`${base}/denied`], { gid: denied }));
    await until("the error", async () => (await status(denied)) === "error");
    await heard(8);
    say(step("stopped"), (await call("tellStopped", 0, 100, ["gid", "status"])).slice(-3));
    for (const gid of [slow, denied]) say(step("forget"), await call("removeDownloadResult", gid));
    say(step("forgotten"), await ended(call("tellStatus", slow)));
    say(step("no method"), await ended(call("nonsense")));
    say(step("batches"), await batches(whole, denied));
    if (events) {
        say(step("events"), events.map(([event, gid]) => `${event} ${[whole, slow, denied].indexOf(gid)}`));
    }
}

async function ofAria2(open) {
    const name = open ? "aria2 ws" : "aria2 http";
    const aria2 = new Aria2({ host: "127.0.0.1", port: RPC_PORT, secret: RPC_SECRET });
    const events = open ? [] : undefined;
    for (const event of ["Start", "Pause", "Stop", "Complete", "Error"]) {
        aria2.on(`onDownload${event}`, ([{ gid }]) => events?.push([event, gid]));
    }
    if (open) await aria2.open();
    const batches = async (whole, gone) => {
        const calls = [["tellStatus", whole, ["gid"]], ["tellStatus", gone], ["getSessionInfo"]];
        const shape = (result) => (result?.sessionId ? "session" : result);
        const multi = (await aria2.multicall(calls)).map((result) => (Array.isArray(result) ? result.map(shape) : result));
        const batch = [];
        for (const promise of await aria2.batch(calls)) batch.push(shape(await ended(promise)));
        return { multi, batch };
    };
    await talk(name, (...all) => aria2.call(...all), batches, events);
    if (open) await aria2.close();
    const stranger = new Aria2({ host: "127.0.0.1", port: RPC_PORT, secret: "wrong" });
    if (open) await stranger.open();
    say(`${name} stranger`, await ended(stranger.call("getVersion")));
    say(`${name} methods`, (await stranger.listMethods()).length);
    if (open) await stranger.close();
}

async function ofMaria2(ws) {
    const name = ws ? "maria2 ws" : "maria2 http";
    const url = `${ws ? "ws" : "http"}://127.0.0.1:${RPC_PORT}/jsonrpc`;
    const socket = ws ? transports.createWebSocket(url) : transports.createHTTP(url);
    const conn = await maria2.open(socket, { secret: RPC_SECRET });
    const events = ws ? [] : undefined;
    if (ws) {
        for (const event of ["Start", "Pause", "Stop", "Complete", "Error"]) {
            maria2.aria2[`onDownload${event}`](conn, ({ gid }) => events.push([event, gid]));
        }
    }
    const batches = async (whole, gone) => {
        const calls = [[whole, ["gid"]], [gone]].map((params) => ({ methodName: "aria2.tellStatus", params }));
        return maria2.system.multicall(conn, ...calls);
    };
    const call = (method, ...all) => {
        const known = maria2.aria2[method];
        if (known === undefined) return conn.sendRequest({ method: `aria2.${method}`, secret: true }, ...all);
        return known(conn, ...all);
    };
    await talk(name, call, batches, events);
    if (ws) socket.close();
}

await ofAria2(false);
await ofAria2(true);
await ofMaria2(false);
await ofMaria2(true);
process.exit(0);
