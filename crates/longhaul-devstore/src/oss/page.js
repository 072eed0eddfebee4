"use strict";
// Shows what /state and /log tell, once a second. Everything is put in as text, never as markup.
const SHOWN = 100;
let lines = [];

function row(cells) {
  const tr = document.createElement("tr");
  for (const [text, kind] of cells) {
    const td = document.createElement("td");
    td.textContent = text;
    if (kind) td.className = kind;
    tr.append(td);
  }
  return tr;
}

function fill(id, rows, empty) {
  const body = document.getElementById(id);
  const width = body.parentElement.tHead.rows[0].cells.length;
  if (rows.length === 0) {
    const tr = row([[empty, "dim"]]);
    tr.cells[0].colSpan = width;
    rows = [tr];
  }
  body.replaceChildren(...rows);
}

const bytes = (n) => n.toLocaleString("en").replaceAll(",", "\u2009");
const time = (iso) => iso.slice(0, 19).replace("T", " ");
const ended = { cut: "cut off", reset: "reset", stall: "stalled", gone: "the client left" };

// What a rule says beyond which requests it is about.
function words(fault) {
  const about = ["id", "op", "bucket", "key", "kind", "seen", "struck", "seed"];
  const more = Object.entries(fault).filter(([name, value]) => !about.includes(name) && value !== null && !(name === "skip" && !value));
  return [fault.kind, ...more.map(([name, value]) => `${name}=${value}`)].join(" ");
}

function what(line) {
  const range = line.range ? [line.range] : [];
  const faults = line.faults ? [`fault: ${line.faults.join(", ")}`] : [];
  return [...range, ...(line.code ? [line.code] : []), ...faults, ...(ended[line.ended] ? [ended[line.ended]] : [])].join(" · ");
}

function show(state) {
  const clock = state.clock_offset_ms ? `, its clock moved by ${state.clock_offset_ms} ms` : "";
  const open = state.anonymous ? ", nobody has to sign" : "";
  const variants = Object.entries(state.variants).map(([name, value]) => ` · ${name}=${value}`).join("");
  document.getElementById("where").textContent =
    `${state.endpoint} · region ${state.region}${open} · ${time(state.now)} UTC${clock}${variants}`;
  fill("buckets", state.buckets.map((b) => row([
    [b.name, "key"], [b.acl + (b.lifecycle ? ", lifecycle" : ""), "wide"], [bytes(b.objects), "n"], [bytes(b.bytes), "n"],
    [bytes(b.uploads.length), "n"], [time(b.created), "time wide"],
  ])), "none yet");
  fill("uploads", state.buckets.flatMap((b) => b.uploads.map((u) => row([
    [`${b.name}/${u.key}`, "key"], [u.upload_id.slice(0, 8) + "…", "wide"], [bytes(u.parts), "n"],
    [bytes(u.bytes), "n"], [time(u.initiated), "time wide"],
  ]))), "none");
  fill("faults", state.faults.map((f) => row([
    [f.id], [words(f)], [f.op === "*" ? "all" : f.op.replaceAll(",", ", ")], [`${f.bucket}/${f.key}`, "key wide"],
    [bytes(f.seen), "n wide"], [bytes(f.struck), "n"],
  ])), "none");
  fill("log", lines.slice(-SHOWN).reverse().map((l) => row([
    [time(l.at).slice(11), "time wide"], [l.status || "–", l.status >= 400 || !l.status ? "n bad" : "n"],
    [l.op || l.method, "op"], [l.bucket ? `${l.bucket}/${l.key}` : l.target, "key"],
    [what(l), l.status >= 400 || l.ended !== "whole" ? "bad" : ""],
    [bytes(l.bytes_in), "n wide"], [bytes(l.bytes_out), "n wide"], [bytes(l.ms), "n wide"],
  ])), "none yet");
}

async function look() {
  try {
    const last = lines.length ? lines[lines.length - 1].n : 0;
    const [state, log] = await Promise.all([fetch("/state"), fetch(`/log?since=${last}`)]);
    const more = (await log.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    lines = lines.concat(more).slice(-SHOWN);
    show(await state.json());
  } catch {
    document.getElementById("where").textContent = "The store has stopped.";
  }
  setTimeout(look, 1000);
}
look();
