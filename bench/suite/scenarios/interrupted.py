"""What do interruptions cost an upload?

`longhaul serve` across the emulated link; every run is ended by `kill -9`, and the link says how many bytes of TCP payload
reached the store: requests with their heads, all parts that were sent, whether they were kept or not.

Kills: after so many bytes of each run have reached the store, drawn from a seed, the same for all programs; after the last kill it is
left to finish. Phone: after so many seconds, as often as it takes; a program that does not get there within `TRIES` has failed.
"""

import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from .. import network
from .. import uploaders as u
from ..measure import environment
from ..report import Report, number
from ..rounds import interleave, median, spread
from ..servers import make_file
from .stores import Store

KILLS_PATH = network.Path(rate=50, delay_ms=40, queue_kib=256)
KILLS = 6
PROGRESS = (3_000_000, 6_000_000)
"""Bytes that reach the store between two kills."""
THIRTY = 30
"""More than an upload needs that keeps something of each run."""

TEN_PATH = network.Path(rate=100, delay_ms=20, queue_kib=256)
TEN = 10
TEN_PROGRESS = (0.016, 0.144)
"""The same as shares of the object: ten take four fifths of it."""

PHONE_PATH = network.Path(rate=2, delay_ms=60, queue_kib=64)
AWAKE_S = 15
TRIES = 12

POLL_S = 0.01
PATIENCE_S = 120


def kills(bench, scenario):
    wanted = [u.longhaul(bench.tools.longhaul, "oss"), u.longhaul(bench.tools.longhaul, "oss", part="5M"),
              u.longhaul(bench.tools.longhaul, "oss", connections=1), u.oss2(), u.oss_v2()]
    size = bench.size(scenario)
    settings = {"size": f"{size / 1e6:g} MB", "kills": f"{KILLS}, each after 3 to 6 MB"}
    return measured(bench, scenario, wanted, KILLS_PATH, settings, killer(KILLS, PROGRESS))


def thirty(bench, scenario):
    wanted = [u.longhaul(bench.tools.longhaul, "oss"), u.longhaul(bench.tools.longhaul, "oss", connections=1), u.oss2(), u.oss_v2()]
    size = bench.size(scenario)
    settings = {"size": f"{size / 1e6:g} MB", "kills": f"at most {THIRTY}, each after 3 to 6 MB"}
    return measured(bench, scenario, wanted, KILLS_PATH, settings, killer(THIRTY, PROGRESS))


def ten(bench, scenario):
    wanted = [u.longhaul(bench.tools.longhaul, "oss"), u.longhaul(bench.tools.longhaul, "oss", part="5M"), u.oss2(), u.oss_v2()]
    size = bench.size(scenario)
    settings = {"size": f"{size / 1e6:g} MB", "kills": f"{TEN}, together after about four fifths of the object"}
    progress = tuple(share * size for share in TEN_PROGRESS)
    return measured(bench, scenario, wanted, TEN_PATH, settings, killer(TEN, progress))


def phone(bench, scenario):
    wanted = [u.longhaul(bench.tools.longhaul, "oss"), u.oss2(), u.oss_v2()]
    settings = {"size": f"{bench.size(scenario) / 1e6:g} MB", "kills": f"every {AWAKE_S} s, at most {TRIES} tries"}
    return measured(bench, scenario, wanted, PHONE_PATH, settings, kill_by_time)


def measured(bench, scenario, wanted, path, settings, one):
    size = bench.size(scenario)
    can, left_out = u.present(wanted)
    can = {program.name: program for program in can if not bench.args.programs or program.name in bench.args.programs}
    why_not = network.why_not()
    if why_not:
        return Report(scenario.name, {}, ["", "arrived ÷ size"], [], [], {}, {"all": why_not})
    with bench.scratch() as scratch:
        original = scratch / "object"
        make_file(original, size)
        os.utime(original, (time.time() - 3600,) * 2)
        with network.Namespaces() as ns:

            def run_one(name, turn):
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    with network.Link(bench, ns, path, turn + 1) as link, \
                            Store(bench, pathlib.Path(folder) / "store", network.SERVER, ns.server) as store:
                        state = os.path.join(folder, "state")
                        os.mkdir(state)
                        job = u.Job(store.host, store.port, str(original), state)
                        words = [str(word) for word in can[name].command(job, store.keys)]
                        began = time.monotonic()
                        sample = one(bench, ["ip", "netns", "exec", ns.client, *words], store, folder, turn)
                        sample["wall_s"] = time.monotonic() - began
                        sample |= kept(store)
                    sample["arrived_to_size"] = link.did.get("to_server", {}).get("payload", 0) / size
                    return sample

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), 0, scenario.name)
    rows = []
    for name, samples in runs.items():
        low, high = spread(samples, "arrived_to_size") or (None, None)
        rows.append([name, number(median(samples, "arrived_to_size"), 3), f"{number(low, 3)} to {number(high, 3)}",
                     number(median(samples, "tries"), 0), number(median(samples, "parts"), 0), number(median(samples, "wall_s"), 1)])
    settings |= {"link": path.words(), "store": "longhaul serve"}
    return Report(scenario.name, settings,
                  ["", "arrived ÷ size", "min to max", "tries", "parts stored", "wall s"], rows, [],
                  {name: program.shown() for name, program in can.items()}, left_out, runs, bench.rounds(scenario), load)


def kept(store):
    """What the store's log says in the end."""
    lines = store.lines()
    done = any(line["op"] in ("CompleteMultipartUpload", "PutObject") and line["status"] == 200 for line in lines)
    parts = sum(line["op"] == "UploadPart" and line["status"] == 200 for line in lines)
    return {"parts": parts} | ({} if done else {"failed": "there is no object"})


def killer(kills, progress):
    """Kills so often, each time after so many bytes; then it is left to finish."""

    def kill_by_bytes(bench, words, store, folder, turn):
        draws = random.Random(turn)
        for tries in range(1, kills + 1):
            until = received(store) + draws.uniform(*progress)
            if ended(bench, words, folder, lambda until=until: received(store) >= until):
                return {"tries": tries}  # it was done before
        last = ended(bench, words, folder, lambda: False)
        return {"tries": kills + 1} | ({} if last else {"failed": f"not done after {PATIENCE_S} s"})

    return kill_by_bytes


def kill_by_time(bench, words, store, folder, _turn):
    for tries in range(1, TRIES + 1):
        deadline = time.monotonic() + AWAKE_S
        if ended(bench, words, folder, lambda until=deadline: time.monotonic() >= until):
            return {"tries": tries}
    return {"tries": TRIES, "failed": f"not done after {TRIES} tries"}


def ended(bench, words, cwd, is_enough):
    """Runs it until it ends, or kills it when that is enough. Whether it ended."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=environment(bench.home), cwd=cwd, start_new_session=True)
    patience = time.monotonic() + PATIENCE_S
    try:
        while process.poll() is None:
            if is_enough() or time.monotonic() > patience:
                return False
            time.sleep(POLL_S)
        return True
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def received(store):
    """Bytes, with all heads, that came over the link to the store's namespace."""
    for line in pathlib.Path(f"/proc/{store.process.pid}/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "wire0":
            return int(counters.split()[0])
    return 0
