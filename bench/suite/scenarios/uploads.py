"""What does one large upload cost? CPU and time from the page cache to a server on loopback that drops every body."""

import http.client
import subprocess
import tempfile

from .. import uploaders as u
from ..measure import end
from ..report import Report, number, ratio
from ..rounds import interleave, median, spread
from ..servers import make_file, read_through

GIB = 1 << 30


def run(bench, scenario):
    can, left_out = u.present(u.everybody(bench.tools))
    can = {program.name: program for program in can if not bench.args.programs or program.name in bench.args.programs}
    size = bench.size(scenario)
    with bench.scratch() as scratch:
        original = scratch / "object"
        make_file(original, size)
        load = bench.load()
        with Dropping(bench.tools.drop) as drops, Dropping(bench.tools.drop, "keep") as keeps:

            def run_one(name, _turn):
                read_through(original)
                server = keeps if can[name].kept else drops
                server.forget()
                return upload(bench, can[name], server, original)

            runs = interleave(can, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
    per_gib = GIB / size
    base = "C loop"
    rows = []
    for name, samples in runs.items():
        cpu, wall, peak = (median(samples, key) for key in ("cpu_s", "wall_s", "peak_kib"))
        if cpu is None:
            rows.append([name, "failed", *["-"] * 7])
            continue
        low, high = spread(samples, "cpu_s")
        rows.append([
            name, number(cpu * per_gib, 3), f"{low * per_gib:.3f} to {high * per_gib:.3f}",
            number(median(samples, "user_s") * per_gib, 3), number(median(samples, "sys_s") * per_gib, 3),
            ratio(cpu, median(runs.get(base, []), "cpu_s")), number(wall * per_gib, 3),
            ratio(wall, median(runs.get(base, []), "wall_s")), number(peak / 1024, 1),
        ])
    commands = {name: program.shown() for name, program in can.items()}
    return Report(
        scenario.name, {"size": f"{size / GIB:.3g} GiB", "over": "plain HTTP"},
        ["", "CPU s/GiB", "min to max", "user", "sys", f"CPU to {base}", "wall s/GiB", f"wall to {base}", "peak MiB"],
        rows, [], commands, left_out, runs, bench.rounds(scenario), load,
    )


def upload(bench, program, server, original):
    """One sample; it failed when the server did not get an object of that length."""
    with tempfile.TemporaryDirectory(dir=original.parent) as state:
        job = u.Job("127.0.0.1", server.port, str(original), state)
        sample = bench.measure(program.command(job), timeout_s=bench.patience(original.stat().st_size))
    if "failed" not in sample and server.length() != original.stat().st_size:
        sample["failed"] = "the object has another length"
    return sample


class Dropping:
    """drop.c, until the end of the `with` block."""

    def __init__(self, *command):
        self.command = command

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        end(self.process)

    def ask(self, method):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, "/b/k")
        reply = connection.getresponse()
        reply.read()
        connection.close()
        return reply

    def forget(self):
        self.ask("DELETE")

    def length(self):
        reply = self.ask("HEAD")
        return int(reply.getheader("Content-Length")) if reply.status == 200 else None
