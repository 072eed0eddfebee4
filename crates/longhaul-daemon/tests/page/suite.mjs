// The page in Chromium, as people use it: by keyboard, by mouse, on a telephone, in the dark, with 20,000 rows, with names
// that are traps, and with a daemon that goes away. `CHROMIUM` is the browser, `AXE` the file of axe-core.
//
//     node suite.mjs [WORDS OF A STORY]

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Browser } from "./browser.mjs";
import { Mock, TOKEN, reason, row, sample } from "./mock.mjs";

const AXE = process.env.AXE ? readFileSync(process.env.AXE, "utf8") : null;
const only = process.argv.slice(2).join(" ");
let browser;

/** A page that is logged in, with rows to see. */
async function opened(mock, options = {}) {
  const page = await browser.page(options);
  mock.codes.add("a-code-of-the-tests");
  await page.goto(`${mock.url}#code=a-code-of-the-tests`);
  await page.until(`document.body?.dataset.stage === "list"`);
  if (mock.rows.size > 0) await page.until(`document.querySelector(".row")`);
  return page;
}

const names = (page) => page.eval(`[...document.querySelectorAll(".row")].sort((a, b) => a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex")).map((e) => e.querySelector(".name").textContent)`);
const state = (page, name) => page.eval(`[...document.querySelectorAll(".row")].find((e) => e.querySelector(".name").textContent === ${JSON.stringify(name)})?.dataset.state`);
const becomes = (page, name, wanted) => page.until(`[...document.querySelectorAll(".row")].some((e) => e.querySelector(".name").textContent === ${JSON.stringify(name)} && e.dataset.state === ${JSON.stringify(wanted)})`, `${name} is ${wanted}`);
const dialog = (page) => page.until(`document.querySelector("dialog[open]") !== null`, "a dialog");
const noDialog = (page) => page.until(`document.querySelector("dialog[open]") === null`, "no dialog");
const says = (page, selector, text) => page.until(`[...document.querySelectorAll(${JSON.stringify(selector)})].some((e) => e.textContent.includes(${JSON.stringify(text)}))`, `${selector} says ${text}`);
const letters = (count, facts = {}) => Array.from({ length: count }, (_, i) => row({ name: `${String.fromCharCode(97 + i)}.bin`, ...facts }));
const rowOf = async (page, name) => `#${await page.eval(`[...document.querySelectorAll(".row")].find((e) => e.querySelector(".name").textContent === ${JSON.stringify(name)}).id`)}`;

/** Everything that can be seen is inside the window, and nothing has to be pushed sideways. */
async function fits(page, what) {
  const wide = await page.eval(`document.documentElement.scrollWidth - innerWidth`);
  assert.ok(wide <= 0, `${what}: ${wide} pixels too wide`);
  const outside = await page.eval(`[...document.querySelectorAll("button, input, select, textarea, h2, .name, .reason-text")].filter((e) => e.checkVisibility() && !e.closest(".unseen, label.link")).map((e) => [e, e.getBoundingClientRect()]).filter(([e, b]) => b.width > 0 && (b.left < -1 || b.right > innerWidth + 1)).map(([e]) => e.outerHTML.slice(0, 120))`);
  assert.deepEqual(outside, [], `${what}: outside of the window`);
}

/** What axe finds that keeps people from using it: contrast, names, roles. */
async function axe(page, what) {
  if (AXE === null) return;
  await page.eval(AXE);
  const found = await page.eval(`axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary).slice(0, 3).join(" | ")))`);
  assert.deepEqual(found, [], `axe: ${what}`);
}

const stories = {
  async "a code in the link opens the page once, and a token afterwards"() {
    const mock = await new Mock({ rows: letters(2) }).start();
    const page = await opened(mock);
    assert.equal(await page.eval("location.href"), mock.url, "the code is not left in the address");
    assert.equal(await page.eval("history.length"), 2, "nor in the history (about:blank, and this)");
    await page.eval("location.reload()");
    await page.until(`document.querySelectorAll(".row").length === 2`);
    assert.equal(await page.eval("document.cookie"), "", "no script sees the session");
    await page.close();

    const other = await browser.page();
    other.forgiven.push("401");
    await other.goto(`${mock.url}#code=a-code-of-the-tests`);
    await says(other, "#login", "has been used or is too old");
    await axe(other, "login");
    await other.until(`document.activeElement.name === "token"`);
    await other.type("wrong");
    await other.press("Enter");
    await says(other, "#login .bad", "token is not known here");
    await other.eval(`document.querySelector("#login input").value = ""`);
    await other.type(TOKEN);
    await other.press("Enter");
    await other.until(`document.querySelectorAll(".row").length === 2`);
    mock.sessions.clear();
    await other.press("ArrowDown");
    await other.press(" ");
    await other.until(`document.body.dataset.stage === "login"`, "a session that ended leads to the login");
    return [mock, other];
  },

  async "by keyboard alone: add, walk, hold, move, search, open, remove"() {
    const mock = await new Mock({ rows: letters(6) }).start();
    const page = await opened(mock);
    await page.press("n");
    await dialog(page);
    await page.type("https://a.example/new-one.iso\nhttps://a.example/gone.bin\nno link");
    page.forgiven.push("404");
    await page.until(`document.querySelectorAll(".probes li").length === 3 && !document.querySelector(".probes").textContent.includes("asking")`);
    await says(page, ".probes", "734 MB");
    await says(page, ".probes", "resumable");
    await says(page, ".probes", "the server does not have it");
    await page.press("Control+Enter");
    await says(page, "#sayings", "2 added");
    await says(page, "dialog .bad", "this is no link");
    assert.equal(await page.eval(`document.querySelector("dialog textarea").value`), "no link", "what was refused is left to be mended");
    await page.press("Escape");
    await noDialog(page);
    await page.until(`document.querySelectorAll(".row").length === 8`);
    assert.deepEqual((await names(page)).slice(6), ["new-one.iso", "gone.bin"]);

    await page.eval(`document.activeElement.blur()`);
    await page.press("ArrowDown");
    await page.press("ArrowDown");
    await page.until(`document.querySelector(".cursor .name")?.textContent === "b.bin"`);
    await page.eval(`document.querySelector("#list").focus()`);
    await page.press("ArrowUp");
    await page.press("ArrowDown");
    await page.until(`document.querySelector(".cursor .name")?.textContent === "b.bin"`);
    assert.equal(await page.eval(`getComputedStyle(document.querySelector(".cursor")).outlineStyle`), "solid", "the cursor is seen");
    assert.equal(await page.eval(`document.getElementById(document.querySelector("#list").getAttribute("aria-activedescendant")).querySelector(".name").textContent`), "b.bin");
    await page.press(" ");
    await becomes(page, "b.bin", "held");
    await page.press(" ");
    await becomes(page, "b.bin", "queued");
    await page.press("Alt+ArrowDown");
    await page.until(`(${String(order)})().startsWith("a.bin c.bin b.bin")`);
    await page.press("Alt+Home");
    await page.until(`(${String(order)})().startsWith("b.bin a.bin c.bin")`);
    await page.press("Home");
    await page.press("Shift+ArrowDown");
    await page.press("Shift+ArrowDown");
    await says(page, "#bar .what", "3 selected");
    await page.press("Alt+ArrowDown");
    await page.until(`(${String(order)})().startsWith("d.bin b.bin a.bin c.bin")`, "three moved together");
    await page.press("Alt+End");
    await page.until(`(${String(order)})().endsWith("b.bin a.bin c.bin")`);
    await page.press(" ");
    await becomes(page, "a.bin", "held");
    await becomes(page, "c.bin", "held");
    await page.press("Escape");

    await page.press("/");
    await page.type("newone");
    await page.until(`document.querySelectorAll(".row").length === 0`);
    await page.press("Escape");
    await page.type("NEW-");
    await page.until(`document.querySelectorAll(".row").length === 1`);
    await page.press("Enter");
    await page.press("Enter");
    await page.until(`document.querySelector("#detail-name")?.textContent === "new-one.iso"`);
    await page.press("Escape");
    await page.until(`document.querySelector("#detail").hidden`);
    await page.press("Delete");
    await dialog(page);
    assert.equal(await page.eval("document.activeElement.textContent"), "Remove");
    await page.press("Enter");
    await noDialog(page);
    await page.until(`document.querySelectorAll(".row").length === 0`);
    assert.equal(mock.asked.at(-1).method, "DELETE");
    assert.equal(mock.asked.at(-1).query, "?files=partial");
    await page.press("/");
    await page.press("Escape");
    await page.press("Escape");
    await page.press("?");
    await dialog(page);
    await says(page, "dialog", "Hold or release");
    await page.press("Escape");
    await noDialog(page);
    await page.press("End");
    await page.until(`document.querySelector(".cursor")?.getAttribute("aria-rowindex") === "7"`);
    return [mock, page];
  },

  async "by mouse: open, drag, select, hold, retry"() {
    const mock = await new Mock({ rows: [...letters(5), row({ name: "z.bin", state: "failed", reason: reason("integrity", "its SHA-256 is another one") })] }).start();
    const page = await opened(mock);
    await page.click(`${await rowOf(page, "b.bin")} .name`);
    await page.until(`document.querySelector("#detail-name")?.textContent === "b.bin"`);
    await page.click("#detail .shut");
    await page.until(`document.querySelector("#detail").hidden`);
    const from = await page.where(`${await rowOf(page, "a.bin")} .name`);
    const to = await page.where(await rowOf(page, "d.bin"));
    await page.drag(from, { x: from.x, y: to.y + to.height / 2 - 4 });
    await page.until(`(${String(order)})().startsWith("b.bin c.bin d.bin a.bin")`);
    assert.ok(await page.eval(`document.querySelector("#detail").hidden`), "a drag is no click");
    await page.click(`${await rowOf(page, "c.bin")} .pick`);
    await page.click(`${await rowOf(page, "a.bin")} .far`, { modifiers: 2 });
    await says(page, "#bar .what", "2 selected");
    const grip = await page.where(`${await rowOf(page, "a.bin")} .far`);
    const first = await page.where(await rowOf(page, "b.bin"));
    await page.drag(grip, { x: grip.x, y: first.y - first.height / 2 + 4 });
    await page.until(`(${String(order)})().startsWith("c.bin a.bin b.bin d.bin")`, "both moved, in their order");
    await page.click(`#bar button[title="Hold"]`);
    await becomes(page, "c.bin", "held");
    await becomes(page, "a.bin", "held");
    assert.deepEqual(mock.asked.at(-1).body.action, "hold");
    await page.click(`${await rowOf(page, "a.bin")} .main`);
    await becomes(page, "a.bin", "queued");
    await page.click(`${await rowOf(page, "z.bin")} .help`);
    await becomes(page, "z.bin", "queued");
    await page.click(`#side [data-view="held"]`);
    await page.until(`document.querySelectorAll(".row").length === 1`);
    await page.click(`#side [data-view="all"]`);
    await page.until(`document.querySelectorAll(".row").length === 6`);
    // A drag that is given up moves nothing.
    const before = mock.asked.length;
    const again = await page.where(`${await rowOf(page, "e.bin")} .name`);
    await page.mouse("mousePressed", again.x, again.y, { button: "left", buttons: 1, clickCount: 1 });
    await page.mouse("mouseMoved", again.x, again.y - 60, { button: "left", buttons: 1 });
    await page.mouse("mouseMoved", again.x, again.y - 120, { button: "left", buttons: 1 });
    await page.until(`document.querySelector("#list").classList.contains("dragging")`);
    await page.press("Escape");
    await page.until(`!document.querySelector("#list").classList.contains("dragging")`);
    await page.mouse("mouseReleased", again.x, again.y - 120, { button: "left", clickCount: 1 });
    assert.equal(mock.asked.length, before);
    return [mock, page];
  },

  async "each reason has its button, and the button helps"() {
    const mock = await new Mock({ rows: sample() }).start();
    const page = await opened(mock);
    await says(page, ".reason", "The link has expired");
    await says(page, ".reason", "Server busy, again at");
    await page.click(`[data-help="link"]`);
    await dialog(page);
    await says(page, "dialog", "The 3.10 GB that are here stay");
    await page.type("https://mirror.example/fresh?sig=2");
    await page.press("Enter");
    await becomes(page, "weights-00003-of-00017.safetensors", "queued");
    assert.deepEqual(mock.asked.at(-1).body, { sources: ["https://mirror.example/fresh?sig=2"] });
    await page.click(`[data-help="decide"]`);
    await dialog(page);
    await page.click(`dialog input[value="overwrite"]`);
    await page.click("dialog .primary");
    await becomes(page, "archive-part-01.zip", "queued");
    assert.deepEqual(mock.asked.at(-1).body, { answer: "overwrite" });
    await page.click(`${await rowOf(page, "ubuntu-26.04-desktop.iso")} .help`);
    await becomes(page, "ubuntu-26.04-desktop.iso", "queued");
    await page.click(`[data-help="space"]`);
    await dialog(page);
    await says(page, "dialog", "linux-6.18.tar.xz");
    await page.click("dialog .offered input");
    await page.click("dialog .danger");
    await becomes(page, "satellite-2026-10-31.tif", "queued");
    assert.deepEqual(mock.asked.slice(-2).map(({ method, query, route }) => [method, query, route.split("/").pop().length > 8 ? "" : route.split("/").pop()]), [["DELETE", "?files=all", ""], ["POST", "", "retry"]]);
    const id = [...mock.rows.values()].find((each) => each.name === "node-v26.1.0.tar.xz").id;
    mock.set(id, { state: "running" });
    await becomes(page, "node-v26.1.0.tar.xz", "running");
    mock.tell(id, { event: "restarted", reason: "changed", message: "the object changed at the source", discarded: 3_100_000_000 });
    await says(page, ".reason", "3.10 GB given up: the object changed at the source");
    return [mock, page];
  },

  async "links come as text, files, drops and Metalinks"() {
    const mock = await new Mock().start();
    const page = await opened(mock);
    await says(page, ".empty", "Nothing here yet");
    await page.click("button.add");
    await dialog(page);
    await page.eval(`(() => { const data = new DataTransfer(); data.items.add(new File(["# a list\\nhttps://a.example/1\\r\\nhttps://a.example/2\\n\\nhttps://a.example/1"], "links.txt")); dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true })); })()`);
    await page.until(`document.querySelector("dialog textarea").value === "https://a.example/1\\nhttps://a.example/2"`);
    await page.eval(`document.querySelectorAll("dialog details").forEach((e) => { e.open = true; })`);
    await page.eval(`(() => { const f = document.querySelector("dialog form"); f.folder.value = "/home/u/Downloads/iso"; f.lane.value = "night"; f.hold.checked = true; f.limit.value = "2M"; f.connections.value = 3; f.existing.value = "rename"; f.headers.value = "Cookie: a=b: c\\nReferer: https://a.example/"; })()`);
    await says(page, "dialog .primary", "Add 2");
    await page.click("dialog .primary");
    await noDialog(page);
    await page.until(`document.querySelectorAll(".row").length === 2`);
    assert.deepEqual(mock.asked.find(({ route }) => route === "/entries").body[0], {
      folder: "/home/u/Downloads/iso", lane: "night", hold: true, headers: { Cookie: "a=b: c", Referer: "https://a.example/" },
      options: { limit_rate: 2_000_000, connections: 3, existing: "rename" }, source: "https://a.example/1",
    });
    const metalink = `<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x.iso"><size>7</size><hash type="sha-256">${"AB".repeat(32)}</hash><pieces type="sha-1" length="4"><hash>00</hash></pieces><url priority="2">https://b.example/x</url><url priority="1">https://a.example/x</url><url>ftp://c/x</url></file></metalink>`;
    await page.eval(`(() => { const data = new DataTransfer(); data.items.add(new File([${JSON.stringify(metalink)}], "x.meta4")); dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true })); })()`);
    await says(page, "#sayings", "1 added");
    assert.deepEqual(mock.asked.at(-1).body, [{ sources: ["https://a.example/x", "https://b.example/x"], name: "x.iso", options: { checksums: [`sha256:${"ab".repeat(32)}`] } }]);
    await page.press("Escape");
    await noDialog(page);
    await page.eval(`(() => { const data = new DataTransfer(); data.setData("text/plain", "https://a.example/pasted"); document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true })); })()`);
    await dialog(page);
    await page.until(`document.querySelector("dialog textarea").value === "https://a.example/pasted"`);
    await page.press("Control+Enter");
    await noDialog(page);
    await page.press("n");
    await dialog(page);
    await page.until(`document.activeElement?.tagName === "TEXTAREA"`);
    await page.type("https://a.example/pasted");
    await page.until(`document.querySelector("dialog textarea").value === "https://a.example/pasted"`);
    await page.press("Control+Enter");
    await says(page, "#sayings", "1 were there already");
    return [mock, page];
  },

  async "2,500 links are added a thousand at a time"() {
    const mock = await new Mock().start();
    const page = await opened(mock);
    await page.press("n");
    await dialog(page);
    await page.type(Array.from({ length: 2500 }, (_, i) => `https://a.example/${i}`).join("\n"));
    await says(page, "dialog .primary", "Add 2,500");
    await page.click("dialog .primary");
    await noDialog(page);
    await says(page, "#bar .what", "2,500");
    assert.deepEqual(mock.asked.filter(({ route }) => route === "/entries").map(({ body }) => body.length), [1000, 1000, 500]);
    return [mock, page];
  },

  async "details: pieces, speed, what is held, events, options"() {
    const mock = await new Mock({ rows: sample() }).start();
    const page = await opened(mock);
    await page.click(".row .name");
    await says(page, "#detail", "4 connections");
    const inks = (selector) => `(() => { const c = document.querySelector(${JSON.stringify(selector)}); const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; const s = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) s.add(d[i] + " " + d[i + 1] + " " + d[i + 2]); return s.size })()`;
    assert.ok(await page.until(`${inks("#detail .map")} >= 4`), "held, received, on its way, missing");
    await page.until(`/\\d+ of \\d+ pieces are here, 2 on their way/.test(document.querySelector("#detail .map").getAttribute("aria-label"))`);
    await page.until(`/^Now 41\\.2 MB\\/s/.test(document.querySelector("#detail .speed").getAttribute("aria-label"))`);
    await axe(page, "details");
    await page.eval(`document.querySelectorAll("#detail details").forEach((e) => { e.open = true; })`);
    await says(page, "#detail .explain", "the ETag is strong");
    await says(page, "#detail .events", "the connection was reset");
    const id = mock.order[0];
    mock.tell(id, { event: "limited", connections: 2, reason: "503" });
    await says(page, "#detail .events", "fewer connections");
    await page.eval(`(() => { const f = document.querySelector("#detail form"); f.limit.value = "5M"; f.connections.value = "8"; f.requestSubmit(); })()`);
    await says(page, "#detail form", "Saved");
    assert.deepEqual(mock.asked.at(-1).body, { options: { limit_rate: 5_000_000, connections: 8 } });
    await page.eval(`(() => { const f = document.querySelector("#detail form"); f.limit.value = "fast"; f.requestSubmit(); })()`);
    assert.equal(await page.eval(`document.querySelector("#detail form").limit.validity.valid`), false);
    mock.forget(id);
    await page.until(`document.querySelector("#detail").hidden`, "an entry that left takes its details along");
    return [mock, page];
  },

  async "settings: limits, lanes, and what belongs to the browser"() {
    const mock = await new Mock({ rows: letters(2) }).start();
    const page = await opened(mock);
    await page.click(`button[title="Settings"]`);
    await page.until(`document.querySelector("dialog .lanes input") !== null`);
    await axe(page, "settings");
    await page.eval(`(() => { const f = document.querySelector("dialog form"); f.most.value = 2; f.limit_rate.value = "10M"; })()`);
    await page.click("dialog form > button.small");
    await page.type("weekend");
    await page.press("Tab");
    await page.type("3");
    await page.press("Tab");
    await page.type("500k");
    await page.click("dialog .primary");
    await noDialog(page);
    const { body } = mock.asked.at(-1);
    assert.equal(body.most, 2);
    assert.equal(body.limit_rate, 10_000_000);
    assert.deepEqual(body.lanes, { night: { most: 1, limit_rate: 1_000_000, timetable: "08:00,stop 23:00,off" }, weekend: { most: 3, limit_rate: 500_000, timetable: null } });
    assert.equal(body.spare, 2 ** 30, "what was not touched is as it was");
    assert.equal(body.patience_ms, 14 * 86_400_000);
    await page.click(`button[title="Settings"]`);
    await page.until(`document.querySelector("dialog select") !== null`);
    await page.eval(`(() => { const s = document.querySelector("dialog .browser select"); s.value = "zh"; s.dispatchEvent(new Event("change")); })()`);
    await says(page, "#side", "全部");
    assert.equal(await page.eval("document.documentElement.lang"), "zh-Hans");
    return [mock, page];
  },

  async "20,000 rows: only those in sight are drawn, and all are found"() {
    const rows = Array.from({ length: 20_000 }, (_, i) => row({ name: `file-${String(i).padStart(5, "0")}.bin`, state: i % 50 === 0 ? "held" : i > 15_000 ? "done" : i % 7 === 0 ? "later" : "queued", reason: i % 7 === 0 && i % 50 !== 0 ? reason("network", "lost", { why: "network", until_ms: Date.now() + 1e6 }) : null, ended_ms: i > 15_000 ? i : null }));
    const mock = await new Mock({ rows }).start();
    const page = await opened(mock);
    await says(page, "#bar .what", "20,000");
    const drawn = () => page.eval(`document.querySelectorAll(".row").length`);
    assert.ok(await drawn() < 60, `${await drawn()} rows are in the document`);
    await page.press("End");
    await page.until(`document.querySelector(".cursor")?.getAttribute("aria-rowindex") === "20000"`);
    assert.ok(await drawn() < 60);
    const seen = await page.eval(`(() => { const b = document.querySelector(".cursor").getBoundingClientRect(); const l = document.querySelector("#list").getBoundingClientRect(); return b.bottom <= l.bottom + 0.5 && b.top >= l.top })()`);
    assert.ok(seen, "the last row is in sight");
    await page.press("/");
    await page.type("file-12345");
    await page.until(`document.querySelectorAll(".row").length === 1`);
    await page.press("Escape");
    await page.until(`document.querySelectorAll(".row").length > 5`);
    // How long frames take is told, not judged: machines of tests are busy.
    const times = await page.eval(`new Promise((resolve) => { const list = document.querySelector("#list"); list.scrollTop = 0; const times = []; let last = performance.now(); let n = 0; const step = (now) => { times.push(now - last); last = now; list.scrollTop += 1500; if (++n < 120) requestAnimationFrame(step); else resolve(times.slice(2).sort((a, b) => a - b)); }; requestAnimationFrame(step); })`);
    const filter = await page.eval(`(() => { const s = document.querySelector("#search"); const times = []; for (const word of ["1", "12", "123", "x", ""]) { s.value = word; const t = performance.now(); s.dispatchEvent(new Event("input")); times.push(performance.now() - t); } return Math.max(...times) })()`);
    console.log(`   scrolling 20,000 rows: a frame takes ${times[59].toFixed(1)} ms, the slowest of 118 ${times.at(-1).toFixed(1)} ms; a filter ${filter.toFixed(1)} ms`);
    const moving = mock.order.slice(0, 200);
    for (const id of moving) mock.set(id, { state: "running", rate: 1e6, received: 1e9 });
    await says(page, `#side [data-view="running"]`, "200");
    await page.press("Escape");
    await page.press("Control+a");
    await says(page, "#bar .what", "20,000 selected");
    return [mock, page];
  },

  async "on a telephone: one column, everything in reach"() {
    for (const [width, height, dark] of [[390, 844, false], [360, 640, true]]) {
      const mock = await new Mock({ rows: sample() }).start();
      const page = await opened(mock, { width, height, dark, touch: true });
      await fits(page, `the list at ${width}`);
      await axe(page, `the list at ${width}`);
      await page.click(".menu");
      await fits(page, "views");
      await page.click(`#side [data-view="needs"]`);
      await page.until(`document.querySelectorAll(".row").length === 2`);
      assert.equal(await page.eval(`document.body.classList.contains("with-side")`), false, "choosing a view shows the list");
      await page.click(".row .name");
      await page.until(`document.querySelector("#detail-name") !== null && document.querySelector("#detail").getBoundingClientRect().width === innerWidth`);
      await page.eval(`document.querySelectorAll("#detail details").forEach((e) => { e.open = true; })`);
      await fits(page, "details");
      await axe(page, `details at ${width}`);
      await page.click("#detail .back");
      await page.click("button.add");
      await dialog(page);
      await page.eval(`document.querySelectorAll("dialog details").forEach((e) => { e.open = true; })`);
      await page.type("https://a.example/some-file-with-a-long-name-that-goes-on-and-on.iso");
      await says(page, ".probes", "resumable");
      await fits(page, "the box that adds");
      await axe(page, `adding at ${width}`);
      await page.press("Escape");
      await page.click(`button[title="Settings"]`);
      await page.until(`document.querySelector("dialog .lanes input") !== null`);
      await fits(page, "settings");
      await page.press("Escape");
      await noDialog(page);
      const small = await page.eval(`[...document.querySelectorAll(".row button, #top button, #bar button")].filter((e) => e.checkVisibility()).map((e) => [e.className, e.getBoundingClientRect()]).filter(([, b]) => b.width < 24 || b.height < 24).map(([c, b]) => c + " " + b.width + "x" + b.height)`);
      assert.deepEqual(small, [], "buttons that a finger misses (WCAG 2.5.8)");
      assert.deepEqual(page.complaints, []);
      await page.close();
      await mock.stop();
    }
    return [];
  },

  async "in the light and in the dark all can be read"() {
    const mock = await new Mock({ rows: sample() }).start();
    for (const dark of [false, true]) {
      const page = await opened(mock, { dark });
      const back = await page.eval(`getComputedStyle(document.body).backgroundColor`);
      assert.equal(back === "rgb(255, 255, 255)", !dark, back);
      await axe(page, `the list, dark: ${dark}`);
      await page.press("Control+a");
      await page.until(`document.querySelector('[aria-selected="true"]') !== null`);
      await axe(page, `selected, dark: ${dark}`);
      await page.press("Escape");
      for (const [open, what] of [[() => page.press("n"), "adding"], [() => page.press("?"), "help"], [() => page.click(`[data-help="decide"]`), "deciding"], [() => page.click(`[data-help="link"]`), "a link"], [() => page.click(`[data-help="space"]`), "space"]]) {
        await open();
        await dialog(page);
        await axe(page, `${what}, dark: ${dark}`);
        await page.press("Escape");
        await noDialog(page);
      }
      await page.press("ArrowDown");
      await page.press("Delete");
      await dialog(page);
      await axe(page, `removing, dark: ${dark}`);
      await page.press("Escape");
      await noDialog(page);
      assert.deepEqual(page.complaints, []);
      await page.close();
    }
    await mock.stop();
    return [];
  },

  async "names that are traps are text"() {
    const traps = ["<img src=x onerror=\"window.trapped=1\">.iso", "\"><script>window.trapped=2</script>", "{{constructor.constructor('window.trapped=3')()}}", "javascript:window.trapped=4", "\u202egpj.exe", "a".repeat(3000), "&lt;b&gt;", "line\nbreak\u0000\u0007"];
    const rows = traps.map((name) => row({ name, source: `https://evil.example/${name}`, state: "needs", lane: name, tags: [name], reason: reason(name, name, { need: "decision", advice: name }) }));
    const mock = await new Mock({ rows }).start();
    const page = await opened(mock);
    await page.until(`document.querySelectorAll(".row").length === ${traps.length}`);
    mock.tell(rows[0].id, { event: "warning", message: traps[0] });
    for (let i = 0; i < traps.length; i += 1) {
      await page.press("ArrowDown");
      await page.press("Enter");
      await page.until(`document.querySelector("#detail").hidden === false`);
      await page.eval(`document.querySelectorAll("#detail details").forEach((e) => { e.open = true; })`);
    }
    await says(page, "#detail-name", "line");
    await page.click(`[data-help="decide"]`);
    await dialog(page);
    await says(page, "dialog", "<img");
    await page.press("Escape");
    await page.press("Control+a");
    await page.press("Delete");
    await dialog(page);
    await page.press("Escape");
    assert.equal(await page.eval("window.trapped ?? null"), null);
    assert.equal(await page.eval(`document.querySelectorAll("img, iframe, script:not([src]), a").length`), 0);
    await fits(page, "names that are traps");
    return [mock, page];
  },

  async "a daemon that goes away and comes again"() {
    const rows = letters(3);
    const mock = await new Mock({ rows }).start();
    const page = await opened(mock);
    page.forgiven.push("Failed to load resource", "ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY");
    await page.until(`document.querySelectorAll(".row").length === 3`);
    const { port } = mock;
    await mock.stop();
    await page.until(`document.querySelector("#line").hidden === false && document.querySelector("#line").textContent.includes("Connection lost")`);
    assert.equal(await page.eval(`document.querySelectorAll(".row").length`), 3, "what was seen is still there");
    await page.press("ArrowDown");
    await page.press(" ");
    await says(page, "#sayings", "does not answer");
    const again = new Mock({ rows: rows.slice(1) });
    again.sessions = mock.sessions;
    await again.start(port);
    await page.until(`document.querySelectorAll(".row").length === 2`, "the list as it is now");
    await page.until(`document.querySelector("#line").hidden`);
    again.set(rows[1].id, { state: "held" });
    await becomes(page, rows[1].name, "held");
    return [again, page];
  },

  async "the tab shows how far it is, and tells when something is done"() {
    const rows = [row({ name: "a.bin", state: "running", total: 1000, received: 420, durable: 400, rate: 5_000_000 }), row({ name: "b.bin" })];
    const mock = await new Mock({ rows }).start();
    const page = await browser.page();
    await page.send("Page.addScriptToEvaluateOnNewDocument", { source: `window.told = []; window.Notification = class { static permission = "default"; static async requestPermission() { window.Notification.permission = "granted"; return "granted"; } constructor(title, options) { window.told.push([title, options.body]); } };` });
    mock.codes.add("another-code");
    await page.goto(`${mock.url}#code=another-code`);
    await page.until(`document.title.startsWith("42 % · 5.00 MB/s")`);
    await page.until(`document.querySelector('link[rel="icon"]').href.startsWith("data:image/png")`);
    await page.click(`button[title="Settings"]`);
    await page.until(`document.querySelector("dialog .browser input") !== null`);
    assert.equal(await page.eval("Notification.permission"), "default", "it is not asked for before a click");
    await page.click("dialog .browser input");
    await page.until(`Notification.permission === "granted"`);
    await page.press("Escape");
    await page.eval(`Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true })`);
    mock.set(rows[0].id, { state: "done", outcome: { path: "/a.bin", bytes: 1000, verified: "sha256", already: false } });
    await page.until(`window.told.length === 1`);
    assert.deepEqual(await page.eval("window.told"), [["a.bin", "Done."]]);
    await page.until(`document.title === "longhaul"`);
    await says(page, ".badge", "sha256");
    return [mock, page];
  },

  async "it can be installed, and it keeps still when asked to"() {
    const mock = await new Mock({ rows: sample() }).start();
    const page = await opened(mock);
    const { errors } = await page.send("Page.getAppManifest");
    assert.deepEqual(errors, []);
    const { installabilityErrors } = await page.send("Page.getInstallabilityErrors");
    assert.deepEqual(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito"), []);
    assert.equal(await page.eval(`document.getAnimations().length`), 0);
    await page.close();
    const lively = await opened(mock, { still: false });
    await lively.until(`document.getAnimations().length === 1`, "a bar without an end walks");
    return [mock, lively];
  },

  async "it speaks Chinese where the browser does"() {
    const mock = await new Mock({ rows: sample() }).start();
    const page = await opened(mock, { language: "zh-CN" });
    await says(page, "#side", "需要处理");
    await says(page, ".reason", "链接已过期");
    await says(page, ".pace", "剩余");
    await page.press("?");
    await says(page, "dialog", "暂停或继续");
    await fits(page, "Chinese");
    return [mock, page];
  },
};

/** The names of the rows in their order, said in the page. */
function order() {
  return [...document.querySelectorAll(".row")].sort((a, b) => a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex")).filter((e) => !["done", "failed", "cancelled"].includes(e.dataset.state)).map((e) => e.querySelector(".name").textContent).join(" ");
}

browser = await Browser.start(process.env.CHROMIUM ?? "chromium");
let failed = 0;
for (const [name, story] of Object.entries(stories)) {
  if (only && !name.includes(only)) continue;
  try {
    const [mock, page] = await story();
    if (page) {
      assert.deepEqual(page.complaints, [], "nothing was complained of in the console");
      await page.close();
    }
    if (mock) await mock.stop();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack}`);
  }
}
await browser.stop();
process.exit(failed === 0 ? 0 : 1);
