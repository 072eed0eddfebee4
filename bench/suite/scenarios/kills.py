"""How much is fetched again when a program is killed ten times and then left to finish?

The server's own log says what it sent: what a client's death left in the server's buffer is counted as sent, so that
buffer is small, and the link short and slow enough that the kills come at every stage. The moments of the kills are
drawn from a seed, the same for all programs; together they take four fifths of the time that the file needs.

Whatever comes out is compared byte by byte, and what lies beside it is named.
"""

import filecmp
import os
import random
import signal
import subprocess
import tempfile
import time

from .. import network
from .. import programs as p
from ..measure import environment
from ..report import Report, number
from ..rounds import interleave, median, spread
from ..servers import Server, make_file

RATE = 200.0
PATH = network.Path(rate=RATE, delay_ms=1, queue_kib=64)
SEND_BUFFER = 32 << 10


def run(bench, scenario):
    size, kills = bench.size(scenario), bench.args.kills
    t = bench.tools
    one = [p.longhaul_one(t, "power"), p.longhaul_one(t, "process"), p.curl(resume=True), p.wget(), p.wget2(resume=True),
           p.aria2c(1, resume=True), p.aria2c(1, resume=True, saving=True), p.rclone(1)]
    four = [p.longhaul(t, "power", 4), p.longhaul(t, "process", 4), p.aria2c(4, resume=True),
            p.aria2c(4, resume=True, saving=True), p.rclone(4)]
    can, left_out = bench.choose([*one, *four])
    why_not = network.why_not()
    if why_not:
        return Report(scenario.name, {}, ["", "served ÷ size"], [], [], {}, {"all": why_not})
    with bench.scratch() as scratch:
        served = scratch / "served"
        served.mkdir()
        original = served / "object"
        make_file(original, size)
        with network.Namespaces() as ns, \
                Server(bench, served, host=network.SERVER, namespace=ns.server, log=True, send_buffer=SEND_BUFFER) as server:

            def run_one(name, turn):
                with tempfile.TemporaryDirectory(dir=scratch) as folder, network.Link(bench, ns, PATH, turn + 1) as link:
                    sample = killed(bench, can[name], server, ns.client, original, folder, kills, turn)
                sample["arrived_to_size"] = link.did.get("to_client", {}).get("payload", 0) / size
                return sample

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), 0, scenario.name)
    rows = []
    for name, samples in runs.items():
        low, high = spread(samples, "served_to_size") or (None, None)
        left = sorted({file for sample in samples for file in sample.get("left", [])})
        rows.append([name, number(median(samples, "served_to_size"), 4), f"{number(low, 4)} to {number(high, 4)}",
                     number(median(samples, "arrived_to_size"), 4), number(median(samples, "kills"), 0),
                     number(median(samples, "wall_s"), 1), ", ".join(left) or "nothing"])
    settings = {"size": f"{size / 1e6:g} MB", "kills": kills, "link": PATH.words()}
    return Report(scenario.name, settings,
                  ["", "served ÷ size", "min to max", "arrived ÷ size (with heads)", "kills", "wall s", "left beside the file"],
                  rows, [], bench.shown(can), left_out, runs, bench.rounds(scenario), load)


def killed(bench, program, server, namespace, original, folder, kills, turn):
    size = original.stat().st_size
    out, state = os.path.join(folder, "out"), os.path.join(folder, "state")
    os.mkdir(out)
    os.mkdir(state)
    target = os.path.join(out, "object")
    job = p.Job(server.host, server.port, target, state, length=size)
    words = ["ip", "netns", "exec", namespace, *program.command(job)]
    since = server.log_end()
    draws = random.Random(turn)
    weights = [draws.uniform(0.2, 1.8) for _ in range(kills)]
    ideal_s = size * 8 / (RATE * 1e6)
    sample = {"kills": 0}
    began = time.monotonic()
    for weight in weights:
        if kill_after(bench, words, out, 0.8 * ideal_s * weight / sum(weights)):
            sample["kills"] += 1
        else:
            break  # it was done before
    last = bench.measure(program.command(job), timeout_s=bench.patience(size), namespace=namespace)
    sample["wall_s"] = time.monotonic() - began
    server.settle()
    sample |= server.served(since)
    sample["served_to_size"] = sample["served"] / size
    sample["left"] = sorted(name for name in os.listdir(out) if name != "object")
    if "failed" in last:
        sample["failed"] = last["failed"]
    elif not os.path.exists(target) or not filecmp.cmp(original, target, shallow=False):
        sample["failed"] = "other bytes"
    return sample


def kill_after(bench, words, cwd, seconds):
    """Whether it was there to be killed."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=environment(bench.home), cwd=cwd, start_new_session=True)
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
