// What of the page needs no browser: its words, its sizes, and the modules that know no document.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const PAGE = new URL("../../page/", import.meta.url).pathname;
const { en } = await import(`${PAGE}words-en.js`);
const { zh } = await import(`${PAGE}words-zh.js`);
const { Model } = await import(`${PAGE}model.js`);
const { EventReader } = await import(`${PAGE}stream.js`);
const { parseRate, size, typedRate } = await import(`${PAGE}format.js`);
const { pieces } = await import(`${PAGE}graph.js`);
const { links } = await import(`${PAGE}add.js`);

const tests = {
  "the page is at most 60 KB, compressed": () => {
    let total = 0;
    for (const name of readdirSync(PAGE)) total += gzipSync(readFileSync(PAGE + name), { level: 9 }).length;
    console.log(`the page: ${total} bytes compressed`);
    assert.ok(total <= 60_000, `${total} bytes`);
  },

  "both languages say the same": () => {
    assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
    const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort().join();
    for (const [key, text] of Object.entries(en)) {
      assert.equal(places(zh[key]), places(text), key);
      assert.notEqual(zh[key], "", key);
    }
  },

  "all words are used, and all used words are there": () => {
    const code = readdirSync(PAGE).filter((name) => name.endsWith(".js") && !name.startsWith("words-")).map((name) => readFileSync(PAGE + name, "utf8")).join("\n");
    for (const key of Object.keys(en)) {
      const prefix = key.includes(".") ? key.slice(0, key.indexOf(".")) : null;
      const used = code.includes(`"${key}"`) || (prefix !== null && code.includes(`said("${prefix}"`));
      assert.ok(used, `no module says ${key}`);
    }
    for (const [, key] of code.matchAll(/\bt\("([\w.]+)"/g)) assert.ok(key in en, `there is no ${key}`);
  },

  "nothing becomes markup": () => {
    for (const name of readdirSync(PAGE).filter((each) => each.endsWith(".js"))) {
      const code = readFileSync(PAGE + name, "utf8");
      assert.doesNotMatch(code, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name);
    }
  },

  "events are read however they are cut": () => {
    const text = ": alive\n\nevent: change\ndata: {\"a\":\ndata: 1}\n\nid: 7-1\nevent: stat\ndata: é\r\n\r\ndata: x\n\nevent: none\n\n";
    const want = [["change", "{\"a\":\n1}", null], ["stat", "é", "7-1"], ["message", "x", null]];
    for (let at = 1; at < text.length; at += 1) {
      const heard = [];
      const reader = new EventReader((...event) => heard.push(event));
      reader.read(text.slice(0, at));
      reader.read(text.slice(at));
      assert.deepEqual(heard, want, `cut at ${at}`);
    }
  },

  "rows that moved are where the daemon has them": () => {
    let seed = 1;
    const chance = (below) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    let order = Array.from({ length: 12 }, (_, i) => `e${i}`);
    const state = new Map(order.map((id) => [id, "queued"]));
    const row = (id) => ({ id, kind: "download", source: `https://a.example/${id}`, lane: "main", state: state.get(id), position: order.includes(id) ? order.indexOf(id) : null });
    const model = new Model();
    model.snapshot({ entries: order.map(row) });
    for (let step = 0; step < 2000; step += 1) {
      const changed = new Set();
      for (let i = chance(4); i >= 0; i -= 1) {
        const id = `e${chance(14)}`;
        changed.add(id);
        const there = order.includes(id);
        if (!there || chance(3) > 0) {
          order = order.filter((each) => each !== id);
          order.splice(chance(order.length + 1), 0, id);
          state.set(id, "queued");
        } else if (chance(2) === 0) {
          order = order.filter((each) => each !== id);
          state.set(id, "done");
        } else {
          state.set(id, "running");
        }
      }
      model.change({ rows: [...changed].map(row), gone: [] });
      assert.deepEqual(model.order, order, `step ${step}`);
    }
  },

  "rates are read as they are typed": () => {
    for (const [text, bytes] of [["", 0], ["off", 0], ["2M", 2e6], ["500k", 5e5], ["1.5 MB/s", 1.5e6], ["1,5M", 1.5e6], ["1Mi", 1_048_576], ["1G", 1e9], ["7", 7], ["fast", null], ["-1", null], ["0.2", null], ["1M2", null]]) {
      assert.equal(parseRate(text), bytes, text);
    }
    for (const bytes of [0, 7, 500_000, 2_000_000, 1_500_000, 1_048_576, 3_000_000_000]) assert.equal(parseRate(typedRate(bytes)), bytes);
    assert.deepEqual([0, 999, 1000, 12_345, 999_499, 999_500, 1_234_567_890].map(size), ["0 B", "999 B", "1.00 kB", "12.3 kB", "999 kB", "1.00 MB", "1.23 GB"]);
  },

  "lines of text are links, each once": () => {
    assert.deepEqual(links("https://a/1\r\n\n# two\n https://a/2 \nhttps://a/1"), ["https://a/1", "https://a/2"]);
  },

  "a piece is held when all of it is": () => {
    const M = 1 << 20;
    const map = { total: 4 * M, held: [[0, 2 * M], [3 * M - 5, 3 * M]], durable: [[0, M]], in_flight: [[3 * M, 3 * M + 1]], damaged: [[10, 11]] };
    assert.deepEqual(pieces(map, 4), ["damaged", "hinted", "hinted", "flight"]);
    assert.deepEqual(pieces({ ...map, damaged: [] }, 4), ["held", "hinted", "hinted", "flight"]);
    assert.deepEqual(pieces({ total: null }, 4), []);
    assert.equal(pieces({ total: 100, held: [[0, 100]] }, 1000).length, 1);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
