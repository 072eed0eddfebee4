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

function show(state) {
  const clock = state.clock_offset_ms ? `, its clock moved by ${state.clock_offset_ms} ms` : "";
  const open = state.anonymous ? ", nobody has to sign" : "";
  document.getElementById("where").textContent =
    `${state.endpoint} · region ${state.region}${open} · ${time(state.now)} UTC${clock}`;
  fill("buckets", state.buckets.map((b) => row([
    [b.name, "key"], [b.acl + (b.lifecycle ? ", lifecycle" : "")], [bytes(b.objects), "n"], [bytes(b.bytes), "n"],
    [bytes(b.uploads.length), "n"], [time(b.created)],
  ])), "none yet");
  fill("uploads", state.buckets.flatMap((b) => b.uploads.map((u) => row([
    [b.name], [u.key, "key"], [u.upload_id.slice(0, 8) + "…"], [bytes(u.parts), "n"], [bytes(u.bytes), "n"],
    [time(u.initiated)],
  ]))), "none");
  fill("faults", state.faults.map((f) => row([
    [f.id, "n"], [f.kind], [f.op], [`${f.bucket}/${f.key}`, "key"], [bytes(f.seen), "n"], [bytes(f.struck), "n"],
  ])), "none");
  fill("log", lines.slice(-SHOWN).reverse().map((l) => row([
    [l.n, "n"], [l.op || l.method], [l.bucket ? `${l.bucket}/${l.key}` : l.target, "key"],
    [l.status || "–", l.status >= 400 || !l.status ? "n bad" : "n"], [l.code || "", "bad"], [bytes(l.bytes_in), "n"],
    [bytes(l.bytes_out), "n"], [bytes(l.ms), "n"],
    [[...(l.faults || []), ...(l.ended === "whole" ? [] : [`ended: ${l.ended}`])].join(", ")],
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
