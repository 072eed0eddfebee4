"""How much memory does a large download need, with 1, 4 and 16 connections? The largest resident set, as the kernel has it.

From a server on loopback, where the network is as far ahead of the disk as it will ever be.
"""

import os

from .. import programs as p
from ..report import Report, number
from ..rounds import interleave, median, spread
from ..servers import Authority, Server, make_file, read_through
from .streams import download

CONNECTIONS = (1, 4, 16)


def run(bench, scenario):
    wanted = {}
    for count in CONNECTIONS:
        for program in (
            p.longhaul_one(bench.tools, "power") if count == 1 else p.longhaul(bench.tools, "power", count),
            p.aria2c(count),
            p.rclone(count),
            *([p.curl(), p.wget2()] if count == 1 else []),
        ):
            wanted[program.name] = program
    can, left_out = bench.choose(wanted.values())
    size = bench.size(scenario)
    runs = {}
    load = bench.load()
    with bench.scratch() as scratch:
        served, out = scratch / "served", scratch / "out"
        served.mkdir()
        out.mkdir()
        original = served / "object"
        make_file(original, size)
        for over, authority in (("HTTP", None), ("HTTPS", Authority(scratch))):
            with Server(bench, served, authority=authority, workers=os.cpu_count()) as server:

                def run_one(name, turn):
                    read_through(original)
                    return download(bench, can[name], server, original, out, compare=turn == 0)

                found = interleave(can, run_one, bench.rounds(scenario), 0, f"{scenario.name}, {over}")
                runs |= {f"{name}, {over}": samples for name, samples in found.items()}
    rows = []
    for name in can:
        row = [name]
        for over in ("HTTP", "HTTPS"):
            samples = runs[f"{name}, {over}"]
            peak = median(samples, "peak_kib")
            most = spread(samples, "peak_kib")
            row += [number(peak and peak / 1024, 1), number(most and most[1] / 1024, 1)]
        rows.append(row)
    return Report(
        scenario.name, {"size": f"{size / (1 << 20):.0f} MiB"},
        ["", "peak MiB, HTTP", "most", "peak MiB, HTTPS", "most"], rows, [], bench.shown(can), left_out, runs,
        bench.rounds(scenario), load,
    )
