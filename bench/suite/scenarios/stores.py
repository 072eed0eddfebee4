"""What do stores cost beyond plain HTTP, and what do kills cost an upload?

Downloads: the same object of the same nginx, asked for by its URL and as an object of OSS and of S3; nginx does not look
at signatures, and what is left between the rows is the cost of making them. Kills: `longhaul serve` across the emulated link,
whose log says which bytes of parts arrived; what a client's death left in the buffers on the way arrives as well. Long
lists: an upload of 10,000 parts is killed at four fifths of its length and started again; the store's log says what was asked and when.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
from datetime import datetime

from .. import network
from .. import programs as p
from .. import uploaders as u
from ..measure import end, environment
from ..report import Report, number
from ..rounds import interleave, median, spread
from ..servers import Server, free_port, make_file
from . import streams
from .kills import PATH, kill_after

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


def kills(bench, scenario):
    """Bytes of parts that arrived, over the size, with ten kills; beside the SDKs that can go on."""
    size, count = bench.size(scenario), bench.args.kills
    wanted = [u.longhaul(bench.tools.longhaul, "oss"), u.longhaul(bench.tools.longhaul, "oss", connections=1),
              u.longhaul(bench.tools.longhaul, "oss", connections=4, part="5M"), u.oss2(), u.oss_v2()]
    can, left_out = u.present(wanted)
    can = {program.name: program for program in can if not bench.args.programs or program.name in bench.args.programs}
    why_not = network.why_not()
    if why_not:
        return Report(scenario.name, {}, ["", "arrived ÷ size"], [], [], {}, {"all": why_not})
    with bench.scratch() as scratch:
        original = scratch / "object"
        make_file(original, size)
        with network.Namespaces() as ns:

            def run_one(name, turn):
                with tempfile.TemporaryDirectory(dir=scratch) as folder, network.Link(bench, ns, PATH, turn + 1), \
                        Store(bench, pathlib.Path(folder) / "store", network.SERVER, ns.server) as store:
                    return killed(bench, can[name], store, ns.client, original, folder, count, turn)

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), 0, scenario.name)
    rows = []
    for name, samples in runs.items():
        low, high = spread(samples, "arrived_to_size") or (None, None)
        rows.append([name, number(median(samples, "arrived_to_size"), 3), f"{number(low, 3)} to {number(high, 3)}",
                     number(median(samples, "kills"), 0), number(median(samples, "stored_twice"), 0),
                     number(median(samples, "wall_s"), 1)])
    settings = {"size": f"{size / 1e6:g} MB", "kills": count, "link": PATH.words(), "store": "longhaul serve"}
    return Report(scenario.name, settings,
                  ["", "arrived ÷ size", "min to max", "kills", "parts stored twice", "wall s"], rows, [],
                  {name: program.shown() for name, program in can.items()}, left_out, runs, bench.rounds(scenario), load)


def killed(bench, program, store, namespace, original, folder, count, turn):
    size = original.stat().st_size
    state = os.path.join(folder, "state")
    os.mkdir(state)
    command = program.command(u.Job(store.host, store.port, str(original), state), store.keys)
    words = ["ip", "netns", "exec", namespace, *(str(word) for word in command)]
    draws = random.Random(turn)
    weights = [draws.uniform(0.2, 1.8) for _ in range(count)]
    ideal_s = size * 8 / (PATH.rate * 1e6)
    sample = {"kills": 0}
    began = time.monotonic()
    for weight in weights:
        if not kill_after(bench, words, folder, 0.8 * ideal_s * weight / sum(weights)):
            break  # it was done before
        sample["kills"] += 1
    last = bench.measure(command, timeout_s=bench.patience(size), namespace=namespace)
    sample["wall_s"] = time.monotonic() - began
    parts = [line for line in store.lines() if line["op"] in ("UploadPart", "PutObject")]
    stored = [line["target"] for line in parts if line["status"] == 200]
    sample["arrived_to_size"] = sum(line["bytes_in"] for line in parts) / size
    sample["stored_twice"] = len(stored) - len(set(stored))
    if "failed" in last:
        sample["failed"] = last["failed"]
    elif not any(line["op"] in ("CompleteMultipartUpload", "PutObject") and line["status"] == 200 for line in store.lines()):
        sample["failed"] = "there is no object"
    return sample


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
