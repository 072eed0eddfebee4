"""How well does an upload use a line that does not break?

To a server that drops every body, across the emulated link. Uploads of longhaul begin with one part and have more at once while
that pays; what a host took is remembered for a day. So there are three rows of it: the first upload to a host, the second, and one
that was made to believe that the host takes anything, which begins with four parts at once.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from .. import network
from .. import uploaders as u
from ..measure import end, environment
from ..report import Report, number, ratio
from ..rounds import failures, interleave, median, spread
from ..servers import make_file, read_through

FAT = network.Path(rate=500, delay_ms=100)
QUICK = network.Path(rate=100, delay_ms=20)
PATIENCE_S = 180
ANYTHING = 1 << 40

BASE = "longhaul oss, four at once"


@dataclass(frozen=True)
class Row:
    program: u.Uploader
    before: str = ""
    """What the state directory knows: nothing, what an `upload` learned, or that the host takes `anything`."""


def fat(bench, scenario):
    return measured(bench, scenario, FAT)


def quick(bench, scenario):
    return measured(bench, scenario, QUICK)


def measured(bench, scenario, path):
    ours = u.longhaul(bench.tools.longhaul, "oss")
    wanted = {"longhaul oss, first upload": Row(ours), "longhaul oss, second": Row(ours, "upload"), BASE: Row(ours, "anything")}
    others, left_out = u.present([u.oss2(), u.oss_v2(), u.s5cmd(), u.aws()])
    wanted |= {program.name: Row(program) for program in others}
    rows_wanted = {name: row for name, row in wanted.items() if not bench.args.programs or name in bench.args.programs}
    if why_not := network.why_not():
        return Report(scenario.name, {}, ["", "wall s"], [], [], {}, {"all": why_not})
    size = bench.size(scenario)
    with bench.scratch() as scratch:
        original = scratch / "object"
        make_file(original, size)
        with network.Namespaces() as ns, Dropping(bench, ns) as server:

            def run_one(name, turn):
                read_through(original)
                with tempfile.TemporaryDirectory(dir=scratch) as state:
                    return upload(bench, rows_wanted[name], ns, path, server, original, state, turn)

            load = bench.load()
            runs = interleave(rows_wanted, run_one, bench.rounds(scenario), 0, scenario.name)
    rows = []
    base = median(runs.get(BASE, []), "wall_s")
    for name, samples in runs.items():
        wall = median(samples, "wall_s")
        if wall is None:
            rows.append([name, failures(samples), "-", "-", "-"])
            continue
        low, high = spread(samples, "wall_s")
        rows.append([name, number(wall, 2), f"{number(low, 2)} to {number(high, 2)}", ratio(wall, base), number(size * 8 / wall / 1e6, 0)])
    settings = {"size": f"{size / 1e6:g} MB", "link": path.words()}
    return Report(scenario.name, settings, ["", "wall s", "min to max", "to four at once", "Mbit/s"], rows, [],
                  {name: row.program.shown() for name, row in rows_wanted.items()}, left_out, runs, bench.rounds(scenario), load)


def upload(bench, row, ns, path, server, original, state, turn):
    job = u.Job(network.SERVER, server.port, str(original), state)
    command = row.program.command(job)

    def once():
        server.forget()
        with network.Link(bench, ns, path, turn + 1):
            sample = bench.measure(command, PATIENCE_S, ns.client)
        if "failed" not in sample and server.length() != original.stat().st_size:
            sample["failed"] = "the object has another length"
        return sample

    if row.before:
        before = once()
        if "failed" in before:
            return before
    if row.before == "anything":
        for record in pathlib.Path(state, "hosts").glob("*.json"):
            known = json.loads(record.read_text())
            known["goodput"]["value"] = ANYTHING
            record.write_text(json.dumps(known))
    return once()


class Dropping:
    """drop.c in the server's namespace, until the end of the `with` block."""

    def __init__(self, bench, ns):
        self.bench, self.inside = bench, ["ip", "netns", "exec", ns.server]

    def __enter__(self):
        command = [*self.inside, str(self.bench.tools.drop), "any"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        env=environment(self.bench.home))
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        end(self.process)

    def ask(self, method):
        script = (f"import http.client as h; c = h.HTTPConnection('127.0.0.1', {self.port}, timeout=10); "
                  f"c.request('{method}', '/b/k'); r = c.getresponse(); print(r.status, r.getheader('Content-Length'))")
        done = subprocess.run([*self.inside, sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.split()

    def forget(self):
        self.ask("DELETE")

    def length(self):
        status, length = self.ask("HEAD")
        return int(length) if status == "200" else None
