"""What does it cost to do next to nothing? `--version`, and a download of one byte."""

from .. import programs as p
from ..report import Report, number
from ..rounds import interleave, median
from ..servers import Server, make_file
from .streams import download

VERSION = {"curl": "--version", "wget2": "--version", "aria2c": "--version", "rclone": "version"}


def run(bench, scenario):
    t = bench.tools
    can, left_out = bench.choose(
        [p.loop(t), p.longhaul(t, "process"), p.longhaul(t, "power"), p.curl(), p.wget2(), p.aria2c(1), p.rclone(1)]
    )
    asked = {"longhaul": [t.longhaul, "--version"]}
    tools = {program.tool for program in can.values()}
    asked |= {name: [name, word] for name, word in VERSION.items() if name in tools}
    tasks = {f"{name}: version": (None, words) for name, words in asked.items()}
    tasks |= {f"{name}: one byte": (program, None) for name, program in can.items()}
    with bench.scratch() as scratch:
        served, out = scratch / "served", scratch / "out"
        served.mkdir()
        out.mkdir()
        make_file(served / "object", 1)
        with Server(bench, served) as server:

            def run_one(name, _):
                program, words = tasks[name]
                if program:
                    return download(bench, program, server, served / "object", out, compare=True)
                return bench.measure(words, timeout_s=60)

            load = bench.load()
            runs = interleave(tasks, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
    rows = []
    for name, samples in runs.items():
        wall, cpu, peak = (median(samples, key) for key in ("wall_s", "cpu_s", "peak_kib"))
        rows.append([name, number(wall and wall * 1e3, 1), number(cpu and cpu * 1e3, 1), number(peak and peak / 1024, 1)])
    return Report(scenario.name, {"server": "nginx, plain HTTP"}, ["", "wall ms", "CPU ms", "peak MiB"], rows, [],
                  bench.shown(can), left_out, runs, bench.rounds(scenario), load)
