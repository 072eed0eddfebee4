"use strict";
// Shows what the admin endpoint tells, once a second, and asks it for changes. Everything is put in as text, never as
// markup: names of buckets and objects are what clients chose.
const SHOWN = 100; // requests
const KEPT = 1000; // requests that a filter looks through
const LISTED = 100; // objects on a page
const PREVIEW = 4096; // bytes of an object
const OPERATIONS = ["GetObject", "HeadObject", "PutObject", "DeleteObject", "CopyObject", "AppendObject",
  "DeleteMultipleObjects", "GetObjectMeta", "ListObjects", "ListObjectsV2", "InitiateMultipartUpload", "UploadPart",
  "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts", "ListMultipartUploads"];

const $ = (id) => document.getElementById(id);
let lines = [];
let state = { buckets: [], faults: [] };
// What is open in the object browser.
const open = { bucket: null, prefix: "", after: "", next: null };

function make(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function button(text, act, kind) {
  const made = make("button", text, kind);
  made.type = "button";
  made.addEventListener("click", () => attempt(act));
  return made;
}

// A row of a table: each cell is [text or element, class].
function row(cells) {
  const tr = document.createElement("tr");
  for (const [content, kind] of cells) {
    const td = make("td", "", kind);
    td.append(...[content].flat());
    tr.append(td);
  }
  return tr;
}

function fill(id, rows, empty) {
  const body = $(id);
  if (rows.length === 0) {
    const tr = row([[empty, "dim"]]);
    tr.cells[0].colSpan = body.parentElement.tHead.rows[0].cells.length;
    rows = [tr];
  }
  body.replaceChildren(...rows);
}

// Rows with buttons are made anew only when what they show has changed: a click must not miss its button.
const shown = new Map();
function changed(id, value) {
  const text = JSON.stringify(value);
  if (shown.get(id) === text) return false;
  shown.set(id, text);
  return true;
}

const count = (n) => Number(n).toLocaleString("en");
const time = (iso) => iso.slice(0, 19).replace("T", " ");
const ended = { cut: "cut off", reset: "reset", stall: "stalled", gone: "the client left" };

function size(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) { n /= 1024; at += 1; }
  return `${at && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}

// Asks the endpoint; throws its sentence when it says no.
async function ask(method, path, body) {
  const options = { method, headers: { "Content-Type": "application/json" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  const answer = await fetch(path, options);
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error || `status ${answer.status}`);
  return said;
}

function query(fields) {
  return Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
}

async function attempt(act) {
  $("problem").hidden = true;
  try {
    await act();
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
    $("problem").scrollIntoView({ block: "nearest" });
  }
  await look();
}

async function copy(text, from) {
  if (!navigator.clipboard) throw new Error("Browsers let a page copy at 127.0.0.1 and localhost only: select the text instead.");
  await navigator.clipboard.writeText(text);
  const before = from.textContent;
  from.textContent = "Copied";
  setTimeout(() => { from.textContent = before; }, 1200);
}

function define(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([name, ...value]) => {
    const dd = document.createElement("dd");
    dd.append(...value);
    return [make("dt", name), dd];
  }));
}

function showConnect() {
  const { endpoint, region, access_key_id: id, access_key_secret: secret } = state;
  if (!changed("connect", [endpoint, region, id, secret])) return;
  const copied = (text, about) => {
    const made = make("button", "Copy");
    made.type = "button";
    made.setAttribute("aria-label", `Copy ${about}`);
    made.addEventListener("click", () => attempt(() => copy(text, made)));
    return made;
  };
  define($("connect"), [
    ["Endpoint", endpoint, copied(endpoint, "the endpoint")], ["Region", region, copied(region, "the region")],
    ["Access key id", id, copied(id, "the access key id")], ["Access key secret", secret, copied(secret, "the secret")],
  ]);
}

function showBuckets() {
  if (!changed("buckets", [state.buckets, open.bucket])) return;
  fill("buckets", state.buckets.map((b) => row([
    [button(b.name, () => show(b.name, ""), "link")], [b.acl + (b.lifecycle ? ", lifecycle" : ""), "wide"],
    [count(b.objects), "n"], [size(b.bytes), "n"], [count(b.uploads.length), "n wide"], [time(b.created), "time wide"],
    [button("Delete", () => removeBucket(b), "danger"), "act"],
  ])), "No bucket yet: create one.");
  fill("uploads", state.buckets.flatMap((b) => b.uploads.map((u) => row([
    [`${b.name}/${u.key}`], [u.upload_id.slice(0, 8) + "…", "wide"], [count(u.parts), "n"], [size(u.bytes), "n"],
    [time(u.initiated), "time wide"],
    [button("Abort", () => ask("DELETE", "/uploads", { bucket: b.name, key: u.key }), "danger"), "act"],
  ]))), "none");
  // A bucket that has gone takes its list with it; one that has changed is listed again.
  if (open.bucket && !state.buckets.some((b) => b.name === open.bucket)) open.bucket = null;
  $("browser").hidden = !open.bucket;
  if (open.bucket) list().catch(() => {});
}

async function removeBucket(bucket) {
  const filled = bucket.objects || bucket.uploads.length;
  if (filled && !confirm(`Delete the bucket ${bucket.name} and everything in it?`)) return;
  await ask("DELETE", "/buckets", { name: bucket.name, all: Boolean(filled) });
}

async function show(bucket, prefix, after = "") {
  Object.assign(open, { bucket, prefix, after });
  $("object").hidden = true;
  $("browser").hidden = false;
  $("prefix-form").prefix.value = prefix;
  await list();
}

async function list() {
  const { bucket, prefix, after } = open;
  const page = await ask("GET", `/objects?${query({ bucket, prefix, after, delimiter: "/", limit: LISTED })}`);
  if (bucket !== open.bucket || prefix !== open.prefix || after !== open.after) return; // another was opened meanwhile
  open.next = page.next;
  $("bucket-name").textContent = bucket;
  const parts = prefix.split("/").slice(0, -1);
  const crumbs = [button(bucket, () => show(bucket, ""), "link")];
  parts.forEach((part, at) => {
    crumbs.push(" / ", button(part || "(empty)", () => show(bucket, parts.slice(0, at + 1).join("/") + "/"), "link"));
  });
  $("crumbs").replaceChildren(...crumbs);
  const folders = page.folders.map((name) => row([
    [button(name.slice(prefix.length), () => show(bucket, name), "link")], ["", "n"], ["folder", "wide dim"], ["", "wide"], [""],
  ]));
  const objects = page.objects.map((o) => row([
    [button(o.key.slice(prefix.length) || o.key, () => look_at(o), "link")], [size(o.size), "n"],
    [o.headers["Content-Type"] || "", "wide"], [time(o.modified), "time wide"], [actions(o), "act"],
  ]));
  fill("objects", [...folders, ...objects], "nothing here");
  $("first").hidden = !after;
  $("more").hidden = !page.next;
}

const place = (object) => query({ bucket: open.bucket, key: object.key });

function actions(object) {
  const save = make("a", "Download");
  save.href = `/object?${place(object)}`;
  save.download = "";
  const remove = button("Delete", async () => {
    if (!confirm(`Delete ${object.key}?`)) return;
    await ask("DELETE", "/objects", { bucket: open.bucket, key: object.key });
    $("object").hidden = true;
  }, "danger");
  return [save, " ", remove];
}

// Shows an object's facts, and its beginning if that is text.
async function look_at(object) {
  $("object-key").textContent = object.key;
  const headers = Object.entries(object.headers);
  define($("object-facts"), [
    ["Size", `${size(object.size)} (${count(object.size)} bytes)`], ["ETag", object.etag], ["CRC-64", object.crc64],
    ["Changed", `${time(object.modified)} UTC`], ["Storage class", object.storage_class], ["Kind", object.kind], ...headers,
  ]);
  const answer = await fetch(`/object?${place(object)}&first=${PREVIEW}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  const binary = bytes.includes(0) || text.slice(0, -4).includes("\ufffd");
  $("object-text").textContent = binary ? "(not text)" : text + (object.size > PREVIEW ? "\n…" : "");
  $("object").hidden = false;
  $("object").scrollIntoView({ block: "nearest" });
}

async function upload(form) {
  const files = [...form.files.files];
  for (const [at, file] of files.entries()) {
    $("uploading").textContent = `${at + 1} of ${files.length}: ${file.name}`;
    const where = query({ bucket: open.bucket, key: open.prefix + file.name });
    const headers = { "Content-Type": file.type || "application/octet-stream" };
    const answer = await fetch(`/object?${where}`, { method: "PUT", headers, body: file });
    if (!answer.ok) throw new Error((await answer.json()).error);
  }
  form.reset();
}

// What a rule says beyond which requests it is about.
function words(fault) {
  const about = ["id", "on", "op", "bucket", "key", "kind", "seen", "struck"];
  const more = Object.entries(fault).filter(([name, value]) => !about.includes(name) && value !== null && !(["skip", "seed"].includes(name) && !value));
  return [fault.kind, ...more.map(([name, value]) => `${name}=${value}`)].join(" ");
}

function target(fault) {
  const op = fault.op === "*" ? "all operations" : fault.op.replaceAll(",", ", ");
  const where = fault.bucket === "*" && fault.key === "*" ? "" : ` on ${fault.bucket}/${fault.key}`;
  return op + where;
}

function showFaults() {
  if (!changed("faults", state.faults)) return;
  fill("faults", state.faults.map((f) => {
    const on = document.createElement("input");
    on.type = "checkbox";
    on.checked = f.on;
    on.setAttribute("aria-label", `Fault ${f.id} is on`);
    on.addEventListener("change", () => attempt(() => ask("POST", `/faults/${f.id}`, { on: on.checked })));
    return row([
      [on], [words(f), f.on ? "" : "off"], [target(f)], [`${count(f.struck)} of ${count(f.seen)}`, "n"],
      [button("Delete", () => ask("DELETE", `/faults/${f.id}`), "danger"), "act"],
    ]);
  }), "none: the store behaves");
}

async function faultForm() {
  const form = $("fault-form");
  const kinds = await ask("GET", "/faults/kinds");
  form.kind.replaceChildren(...kinds.map((kind) => {
    const option = make("option", `${kind.name}: ${kind.does}`);
    option.value = kind.name;
    return option;
  }));
  $("operations").replaceChildren(...OPERATIONS.map((name) => Object.assign(make("option", ""), { value: name })));
  const fields = () => {
    const kind = kinds.find((one) => one.name === form.kind.value);
    const field = (name, needed) => {
      const label = make("label", name.replaceAll("_", " "));
      const input = document.createElement("input");
      Object.assign(input, { name, required: needed, placeholder: needed ? "" : "may be left out" });
      label.append(input);
      return label;
    };
    $("fault-fields").replaceChildren(...kind.needs.map((name) => field(name, true)), ...kind.may.map((name) => field(name, false)));
  };
  form.kind.addEventListener("change", fields);
  fields();
}

async function addFault(form) {
  const texts = ["kind", "op", "bucket", "key", "code", "by"];
  const given = [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
  const rule = Object.fromEntries(given.map(([name, value]) => {
    if (texts.includes(name)) return [name, value];
    if (Number.isNaN(Number(value))) throw new Error(`${name} is a number`);
    return [name, Number(value)];
  }));
  await ask("POST", "/faults", rule);
}

function what(line) {
  const range = line.range ? [line.range] : [];
  const faults = line.faults ? [`fault: ${line.faults.join(", ")}`] : [];
  return [...range, ...(line.code ? [line.code] : []), ...faults, ...(ended[line.ended] ? [ended[line.ended]] : [])].join(" · ");
}

function showLog() {
  const { text, failed } = $("filter-form");
  const wanted = text.value.trim().toLowerCase();
  const bad = (l) => l.status >= 400 || !l.status || l.ended !== "whole";
  const fits = (l) => (!failed.checked || bad(l))
    && `${l.status} ${l.op || l.method} ${l.bucket}/${l.key} ${l.target} ${what(l)} ${l.access_key_id}`.toLowerCase().includes(wanted);
  fill("log", lines.filter(fits).slice(-SHOWN).reverse().map((l) => row([
    [time(l.at).slice(11), "time wide"], [String(l.status || "–"), bad(l) ? "n bad" : "n"],
    [l.op || l.method, "op"], [[l.bucket ? `${l.bucket}/${l.key}` : l.target, make("span", what(l), bad(l) ? "narrow bad" : "narrow dim")]],
    [what(l), bad(l) ? "wide bad" : "wide"],
    [size(l.bytes_in), "n wide"], [size(l.bytes_out), "n wide"], [count(l.ms), "n wide"],
  ])), lines.length ? "none of that kind" : "none yet");
}

async function look() {
  try {
    const last = lines.length ? lines[lines.length - 1].n : 0;
    const [told, log] = await Promise.all([ask("GET", "/state"), fetch(`/log?since=${last}`)]);
    const more = (await log.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const known = lines.length ? lines[lines.length - 1].n : 0; // another look may have been quicker
    lines = lines.concat(more.filter((line) => line.n > known)).slice(-KEPT);
    state = told;
    const clock = state.clock_offset_ms ? `, its clock moved by ${count(state.clock_offset_ms)} ms` : "";
    const free = state.anonymous ? ", requests need no signature" : "";
    const variants = Object.entries(state.variants).map(([name, value]) => ` · ${name}=${value}`).join("");
    $("where").textContent = `An OSS store for tests${free} · ${time(state.now)} UTC${clock}${variants}`;
    showConnect();
    showBuckets();
    showFaults();
    showLog();
  } catch {
    $("where").textContent = "The store has stopped.";
  }
}

function onSubmit(id, act) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => act(event.target));
  });
}
onSubmit("bucket-form", async (form) => { await ask("POST", "/buckets", { name: form.elements.name.value }); form.reset(); });
onSubmit("prefix-form", (form) => show(open.bucket, form.prefix.value));
onSubmit("upload-form", (form) => upload(form).finally(() => { $("uploading").textContent = ""; }));
onSubmit("fault-form", addFault);
onSubmit("filter-form", () => {});
$("filter-form").addEventListener("input", showLog);
$("object-close").addEventListener("click", () => { $("object").hidden = true; });
$("first").addEventListener("click", () => attempt(() => show(open.bucket, open.prefix)));
$("more").addEventListener("click", () => attempt(() => show(open.bucket, open.prefix, open.next)));
$("reset").addEventListener("click", () => attempt(async () => {
  if (!confirm("Remove all buckets and objects, and begin as the store was started?")) return;
  await ask("POST", "/reset");
  lines = [];
}));
$("copy-all").addEventListener("click", () => attempt(() => {
  const { endpoint, region, access_key_id: id, access_key_secret: secret } = state;
  return copy(`export OSS_ENDPOINT=${endpoint} OSS_REGION=${region} OSS_ACCESS_KEY_ID=${id} OSS_ACCESS_KEY_SECRET=${secret}`, $("copy-all"));
}));

attempt(faultForm);
async function keepLooking() {
  await look();
  setTimeout(keepLooking, 1000);
}
keepLooking();
