// Chromium, driven over the pipe that it opens for this: the DevTools protocol, messages ended by a zero byte.
// https://chromedevtools.github.io/devtools-protocol/

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long a condition is waited for: machines may be busy. */
const PATIENCE_MS = 60_000;

export class Browser {
  static async start(program) {
    const browser = new Browser();
    browser.folder = mkdtempSync(join(tmpdir(), "longhaul-page-"));
    const flags = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--lang=en-US", "--hide-scrollbars", `--user-data-dir=${browser.folder}`, "about:blank"];
    browser.process = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], env: { ...process.env, LANGUAGE: "en" } });
    browser.gone = new Promise((resolve) => browser.process.once("exit", resolve));
    browser.waiting = new Map();
    browser.ears = new Map();
    browser.next = 1;
    let rest = "";
    browser.process.stdio[4].setEncoding("utf8").on("data", (text) => {
      const parts = (rest + text).split("\0");
      rest = parts.pop();
      for (const part of parts) browser.hear(JSON.parse(part));
    });
    return browser;
  }

  hear(message) {
    if (message.id !== undefined) {
      const { resolve, reject, method } = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.error) reject(new Error(`${method}: ${message.error.message}`));
      else resolve(message.result);
    } else {
      this.ears.get(message.sessionId)?.(message.method, message.params);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, method });
      this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  async page(options = {}) {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, browserContextId);
    await page.prepare(options);
    return page;
  }

  async stop() {
    await Promise.race([this.send("Browser.close").catch(() => {}), this.gone]);
    await this.gone;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

const KEYS = { " ": ["Space", 32, " "], Enter: ["Enter", 13, "\r"], Tab: ["Tab", 9], Escape: ["Escape", 27], Delete: ["Delete", 46], ArrowUp: ["ArrowUp", 38], ArrowDown: ["ArrowDown", 40], Home: ["Home", 36], End: ["End", 35], PageDown: ["PageDown", 34], PageUp: ["PageUp", 33] };
const MODIFIERS = { Alt: 1, Control: 2, Shift: 8 };

export class Page {
  constructor(browser, session, context) {
    this.browser = browser;
    this.session = session;
    this.context = context;
    /** What no test expects: errors, violations of the policy, exceptions. */
    this.complaints = [];
    /** Complaints with these words are part of the test. */
    this.forgiven = [];
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  async prepare({ width = 1280, height = 800, dark = false, touch = false, still = true, language = "en-US" }) {
    this.browser.ears.set(this.session, (method, params) => this.hear(method, params));
    await Promise.all(["Page.enable", "Runtime.enable", "Log.enable", "Network.enable", "Audits.enable"].map((method) => this.send(method)));
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: touch });
    if (touch) await this.send("Emulation.setTouchEmulationEnabled", { enabled: true });
    await this.send("Emulation.setLocaleOverride", { locale: language });
    await this.send("Emulation.setUserAgentOverride", { userAgent: "longhaul tests", acceptLanguage: language });
    await this.send("Emulation.setFocusEmulationEnabled", { enabled: true });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }, { name: "prefers-reduced-motion", value: still ? "reduce" : "no-preference" }] });
  }

  hear(method, params) {
    if (method === "Runtime.exceptionThrown") this.complain(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) this.complain(params.args.map((each) => each.value ?? each.description).join(" "));
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) this.complain(`${params.entry.text} ${params.entry.url ?? ""}`);
    if (method === "Audits.issueAdded" && params.issue.code === "ContentSecurityPolicyIssue") this.complain(`policy: ${JSON.stringify(params.issue.details)}`);
    if (method === "Network.requestWillBeSent") {
      const { url } = params.request;
      if (!/^(http:\/\/127\.0\.0\.1:|data:|about:)/.test(url)) this.complain(`it asks elsewhere: ${url}`);
    }
  }

  complain(text) {
    if (!this.forgiven.some((words) => text.includes(words))) this.complaints.push(text);
  }

  async goto(url) {
    await this.send("Page.navigate", { url });
  }

  /** A value from the page. `code` is an expression. */
  async eval(code) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression: code, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${code}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /** Waits until an expression is true, and gives its value. */
  async until(code, what = code) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const value = await this.eval(code).catch((error) => {
        if (/context was destroyed|Cannot find context|Inspected target navigated/.test(error.message)) return null;
        throw error;
      });
      if (value) return value;
      if (Date.now() > end) throw new Error(`waited in vain for: ${what}\n${await this.eval("document.body.innerText.slice(0, 1500)")}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** Presses a key, with those that are held: `Alt+ArrowUp`. */
  async press(combination) {
    const held = combination.split("+");
    const key = combination === "+" ? "+" : held.pop();
    const modifiers = held.reduce((sum, name) => sum + MODIFIERS[name], 0);
    const [code, keyCode, text] = KEYS[key] ?? [`Key${key.toUpperCase()}`, key.toUpperCase().charCodeAt(0), key];
    const plain = modifiers === 0 || modifiers === 8 ? text : undefined;
    const event = { key, code, windowsVirtualKeyCode: keyCode, modifiers };
    await this.send("Input.dispatchKeyEvent", { type: plain ? "keyDown" : "rawKeyDown", text: plain, ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  async type(text) {
    await this.send("Input.insertText", { text });
  }

  /** Where the middle of the first element that fits is. */
  async where(selector) {
    return this.until(`(() => { const e = [...document.querySelectorAll(${JSON.stringify(selector)})].find((e) => e.checkVisibility()); if (!e) return null; e.scrollIntoView({ block: "nearest" }); const b = e.getBoundingClientRect(); return b.width > 0 ? { x: b.x + b.width / 2, y: b.y + b.height / 2, width: b.width, height: b.height } : null })()`, selector);
  }

  async click(selector, { modifiers = 0, count = 1 } = {}) {
    const { x, y } = await this.where(selector);
    await this.mouse("mouseMoved", x, y);
    await this.mouse("mousePressed", x, y, { button: "left", clickCount: count, modifiers });
    await this.mouse("mouseReleased", x, y, { button: "left", clickCount: count, modifiers });
  }

  mouse(type, x, y, more = {}) {
    return this.send("Input.dispatchMouseEvent", { type, x, y, ...more });
  }

  /** Draws with the mouse from one place to another, and lets go there. */
  async drag(from, to) {
    await this.mouse("mouseMoved", from.x, from.y);
    await this.mouse("mousePressed", from.x, from.y, { button: "left", buttons: 1, clickCount: 1 });
    for (let i = 1; i <= 8; i += 1) {
      await this.mouse("mouseMoved", from.x + ((to.x - from.x) * i) / 8, from.y + ((to.y - from.y) * i) / 8, { button: "left", buttons: 1 });
    }
    await this.mouse("mouseReleased", to.x, to.y, { button: "left", clickCount: 1 });
  }

  async picture(file) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    writeFileSync(file, Buffer.from(data, "base64"));
  }

  async close() {
    this.browser.ears.delete(this.session);
    await this.browser.send("Target.disposeBrowserContext", { browserContextId: this.context });
  }
}
