// The page against the real daemon: `DAEMON` is its address, `TOKEN` one of its tokens, `FOLDER` where its downloads go.
// Files to download are served from here: `small.bin` at once, `big.bin` slowly enough to be held.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Browser } from "./browser.mjs";

const { DAEMON: url, TOKEN: token, FOLDER: folder } = process.env;

const SIZES = { "small.bin": 300_000, "big.bin": 400_000_000 };
/** So many bytes each so many milliseconds, of a slow file. */
const SLICE = 100_000;
const BEAT_MS = 25;

/** Bytes of a file by their places, with ranges and an ETag (RFC 9110, 14). */
function serve(request, response) {
  const name = new URL(request.url, "http://x").pathname.slice(1);
  const size = SIZES[name];
  if (size === undefined) return response.writeHead(404).end();
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const from = range ? Number(range[1]) : 0;
  const to = Math.min(size, range && range[2] !== "" ? Number(range[2]) + 1 : size);
  const head = { "Accept-Ranges": "bytes", ETag: `"${name}"`, "Content-Length": to - from };
  if (range) head["Content-Range"] = `bytes ${from}-${to - 1}/${size}`;
  response.writeHead(range ? 206 : 200, head);
  if (request.method === "HEAD") return response.end();
  let at = from;
  const more = () => {
    const end = Math.min(to, at + SLICE);
    response.write(Buffer.alloc(end - at, "longhaul"));
    at = end;
    if (at === to) response.end();
    else if (!response.destroyed) setTimeout(more, name === "big.bin" ? BEAT_MS : 0);
  };
  return more();
}

const files = createServer(serve);
await new Promise((resolve) => files.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${files.address().port}`;
const asked = await fetch(`${url}api/v1/codes`, { method: "POST", headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" }, body: "{}" });
assert.equal(asked.status, 201);
const { code } = await asked.json();

const browser = await Browser.start(process.env.CHROMIUM ?? "chromium");
const page = await browser.page();
const state = (name, wanted) => page.until(`[...document.querySelectorAll(".row")].some((e) => e.querySelector(".name").textContent === ${JSON.stringify(name)} && e.dataset.state === ${JSON.stringify(wanted)})`, `${name} is ${wanted}`);
const says = (selector, text) => page.until(`[...document.querySelectorAll(${JSON.stringify(selector)})].some((e) => e.textContent.includes(${JSON.stringify(text)}))`, `${selector} says ${text}`);
const step = (name) => console.log(`ok: ${name}`);
let failed = 0;
try {
  await page.goto(`${url}#code=${code}`);
  await says(".empty", "Nothing here yet");
  assert.equal(await page.eval("document.cookie"), "");
  step("a code logs in, and the list is empty");

  await page.press("n");
  await page.type(`${origin}/small.bin`);
  await says(".probes", "resumable");
  await page.press("Control+Enter");
  await state("small.bin", "done");
  await page.until(`document.querySelector(".badge").textContent !== ""`);
  assert.ok(existsSync(join(folder, "small.bin")));
  step("a link is probed, added, and done");

  await page.press("n");
  await page.type(`${origin}/big.bin`);
  await page.press("Control+Enter");
  await state("big.bin", "running");
  await page.until(`/^\\d/.test(document.querySelector('[data-state="running"] .amount')?.textContent ?? "")`);
  await page.eval(`document.querySelector("#list").focus()`);
  await page.press("Home");
  await page.press(" ");
  await state("big.bin", "held");
  step("a download that runs is held");

  await page.press("Enter");
  await says("#detail-name", "big.bin");
  await page.until(`/pieces are here/.test(document.querySelector("#detail .map").getAttribute("aria-label") ?? "")`);
  await page.eval(`document.querySelectorAll("#detail details").forEach((e) => { e.open = true; })`);
  await says("#detail .explain", "continues");
  await says("#detail .events", "started");
  await page.eval(`(() => { const f = document.querySelector("#detail form"); f.limit.value = "100M"; f.requestSubmit(); })()`);
  await says("#detail form", "Saved");
  await page.press("Escape");
  step("details show pieces, what comes next, events; options are taken");

  await page.press("n");
  await page.type(`${origin}/small.bin?2\n${origin}/small.bin?3`);
  await page.eval(`(() => { const f = document.querySelector("dialog form"); f.hold.checked = true; f.lane.value = "night"; f.existing.value = "rename"; })()`);
  await page.press("Control+Enter");
  await says("#bar .what", "4");
  await page.until(`document.querySelectorAll('[data-state="held"]').length === 3`);
  await page.eval(`document.querySelector("#list").focus()`);
  await page.press("Home");
  await page.press("Alt+ArrowDown");
  await page.until(`document.querySelector('[aria-rowindex="2"] .name').textContent === "big.bin"`);
  await page.press("Alt+Home");
  await page.until(`document.querySelector('[aria-rowindex="1"] .name').textContent === "big.bin"`);
  step("held entries of a lane, moved");

  await page.click(`button[title="Settings"]`);
  await page.until(`document.querySelector("dialog form")?.most !== undefined`);
  await page.eval(`(() => { const f = document.querySelector("dialog form"); f.most.value = 3; f.requestSubmit(); })()`);
  await says("#sayings", "Saved");
  await page.eval("location.reload()");
  await says("#bar .what", "4");
  await page.click(`button[title="Settings"]`);
  await page.until(`document.querySelector("dialog form")?.most?.value === "3"`);
  await page.press("Escape");
  step("settings last, and so does the login");

  await page.until(`document.querySelector("dialog") === null`);
  await page.eval(`document.querySelector("#list").focus()`);
  await page.press("Home");
  await page.press(" ");
  await state("big.bin", "running");
  await page.press("Control+a");
  await page.press("Delete");
  await page.until(`document.querySelector("dialog[open]") !== null`);
  await page.click(`dialog input[value="all"]`);
  await page.click("dialog .danger");
  await says(".empty", "Nothing here yet");
  const left = readdirSync(folder).filter((name) => !name.startsWith("."));
  assert.deepEqual(left, []);
  step("all removed, with their files");
  assert.deepEqual(page.complaints, []);
} catch (error) {
  failed = 1;
  console.log(`FAILED: ${error.stack}\ncomplaints: ${page.complaints.join("\n")}`);
}
await browser.stop();
files.close();
process.exit(failed);
