"""What do stores cost beyond plain HTTP, and what does a long list of parts cost?

Downloads: the same object of the same nginx, asked for by its URL and as an object of OSS and of S3; nginx does not look
at signatures, and what is left between the rows is the cost of making them. Long lists: an upload of 10,000 parts is killed at
four fifths of its length and started again; the store's log says what was asked and when.
"""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
from datetime import datetime

from .. import programs as p
from .. import uploaders as u
from ..measure import end, environment
from ..report import Report, number
from ..rounds import interleave, median, spread
from ..servers import Server, free_port, make_file
from . import streams

GIB = 1 << 30
BUCKET = "bkt"
WAIT_S = 300


def downloads(bench, scenario):
    t = bench.tools
    can, left_out = bench.choose([p.longhaul_one(t, "process"), p.longhaul_from(t, "oss"), p.longhaul_from(t, "s3")])
    size = bench.size(scenario)
    with bench.scratch() as scratch:
        served, out = scratch / "served", scratch / "out"
        (served / BUCKET).mkdir(parents=True)
        out.mkdir()
        original = served / "object"
        make_file(original, size)
        os.link(original, served / BUCKET / "object")
        with Server(bench, served, workers=os.cpu_count()) as server:

            def run_one(name, turn):
                return streams.download(bench, can[name], server, original, out, compare=turn == 0)

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
    return streams.report(bench, scenario, size, can, left_out, runs, load, False, base="longhaul -x1 process")


class Store:
    """`longhaul serve` with a bucket of its own, until the end of the `with` block."""

    def __init__(self, bench, folder, host="127.0.0.1", namespace=None):
        self.bench, self.folder, self.host, self.namespace = bench, folder, host, namespace
        self.log = folder.with_suffix(".log")

    def __enter__(self):
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        listen = "0.0.0.0" if self.namespace else self.host  # there, the address comes and goes with the link
        port = free_port()
        command = [*inside, self.bench.tools.longhaul, "serve", "--json", "--bucket", BUCKET, "--listen", f"{listen}:{port}",
                   "--admin", "127.0.0.1:0", "--log", self.log, "--durability", "process", self.folder]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment(self.bench.home))
        ready = json.loads(self.process.stdout.readline())
        self.port = port
        self.keys = [f"OSS_ACCESS_KEY_ID={ready['access_key_id']}", f"OSS_ACCESS_KEY_SECRET={ready['access_key_secret']}",
                     f"OSS_REGION={ready['region']}"]
        return self

    def __exit__(self, *_):
        end(self.process)

    def lines(self, since=0):
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines()[since:] if line.endswith("}")]


def long_list(bench, scenario):
    """What a resume of 10,000 parts asks and waits for before it sends its first byte."""
    size, part = bench.size(scenario), -(-bench.size(scenario) // 10_000)
    program = u.longhaul(bench.tools.longhaul, "oss", part=str(part), tell=True)
    rows, runs = [], {program.name: []}
    with bench.scratch() as scratch:
        original = scratch / "object"
        make_file(original, size)
        os.utime(original, (time.time() - 3600,) * 2)
        load = bench.load()
        for _ in range(bench.rounds(scenario)):
            with tempfile.TemporaryDirectory(dir=scratch) as folder, Store(bench, pathlib.Path(folder) / "store") as store:
                runs[program.name].append(resumed(bench, program, store, original, folder, 0.8 * size, part))
    for name, samples in runs.items():
        rows.append([name, *(number(median(samples, key), digits) for key, digits in (
            ("kept", 0), ("lists", 0), ("twice", 0), ("sent_mib", 1), ("to_list_s", 2), ("to_first_s", 2))),
            number((median(samples, "peak_kib") or 0) / 1024, 1)])
    return Report(scenario.name, {"size": f"{size / GIB:.3g} GiB", "parts": -(-size // part), "store": "longhaul serve"},
                  ["", "parts kept", "pages of the list", "of these sent again", "MiB sent",
                   "s from start to the list", "s from the list to the first part", "peak MiB"],
                  rows, [], {program.name: program.shown()}, {}, runs, bench.rounds(scenario), load)


def resumed(bench, program, store, original, folder, kill_at, part):
    state = os.path.join(folder, "state")
    os.mkdir(state)
    command = [str(word) for word in program.command(u.Job(store.host, store.port, str(original), state), store.keys)]
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(bench.home),
                             cwd=folder, start_new_session=True, text=True)
    deadline = time.monotonic() + WAIT_S
    for line in first.stdout:
        if json.loads(line).get("acknowledged", 0) >= kill_at or time.monotonic() > deadline:
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    before = store.lines()
    kept = {line["target"] for line in before if line["op"] == "UploadPart" and line["status"] == 200}
    began = time.time()
    sample = bench.measure(command, timeout_s=bench.patience(original.stat().st_size))
    after = store.lines(len(before))
    lists = [line for line in after if line["op"] == "ListParts"]
    parts = [line for line in after if line["op"] == "UploadPart"]
    if "failed" in sample or not lists or not parts:
        return {"failed": sample.get("failed", "nothing was left to resume")}
    listed = max(ended(line) for line in lists)
    return sample | {
        "kept": len(kept), "lists": len(lists), "twice": sum(line["target"] in kept for line in parts),
        "sent_mib": sum(line["bytes_in"] for line in parts) / (1 << 20),
        "to_list_s": min(begun(line) for line in lists) - began, "to_first_s": min(begun(line) for line in parts) - listed,
    }


def ended(line):
    return begun(line) + line["ms"] / 1000


def begun(line):
    return datetime.fromisoformat(line["at"].replace("Z", "+00:00")).timestamp()
