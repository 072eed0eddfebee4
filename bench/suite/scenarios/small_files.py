"""What do many small files cost? Thousands of 16 KiB from a server on loopback, each program with as many at once."""

import filecmp
import os
import shlex
import shutil
import tempfile

from .. import programs as p
from ..report import Report, number, ratio
from ..rounds import interleave, median, spread
from ..servers import Server, make_file


def commands(bench, jobs):
    """Name → (tool, needed flags, words). `{base}`, `{list}`, `{config}`, `{names}`, `{dir}`, `{state}`, `{served}` are
    filled in: lists of URLs, of curl's kind, of names; where to; where from."""
    longhaul = [bench.tools.longhaul, "get", "-i", "{list}", "-d", "{dir}", "--state-dir", "{state}", "--progress", "none",
                "--quiet"]
    at_once = [*longhaul, "-j", jobs]
    curl = ["curl", "--disable", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", jobs, "--config",
            "{config}"]
    wget2 = ["wget2", "--no-config", "--quiet", "--max-threads", jobs, "-P", "{dir}", "-i", "{list}"]
    aria2c = ["aria2c", "--no-conf", "--quiet", "--file-allocation=none", "-j", jobs, "-x1", "-d", "{dir}", "-i", "{list}"]
    rclone = ["rclone", "copy", "--config", "", "--http-url", "{base}", "--http-no-head", "--no-traverse", "--no-check-dest",
              "--transfers", jobs, "--files-from-raw", "{names}", ":http:", "{dir}"]
    copy = ["cp", "-r", "{served}/.", "{dir}"]
    peers = {"cp -r": ("cp", copy), "curl --parallel": ("curl", curl), "wget2 -i": ("wget2", wget2),
             "aria2c -i": ("aria2c", aria2c), "rclone": ("rclone", rclone)}
    table = {
        f"longhaul -j{jobs} process": ("longhaul", ("--jobs",), [*at_once, "--durability", "process"]),
        f"longhaul -j{jobs} power": ("longhaul", ("--jobs",), [*at_once, "--durability", "power"]),
        "longhaul process": ("longhaul", (), [*longhaul, "--durability", "process"]),
    }
    table |= {name: (tool, (), words) for name, (tool, words) in peers.items()}
    table |= {f"{name}, then sync": (tool, (), ["sh", "-c", '"$@" && sync -f "$0"', "{dir}", *words])
              for name, (tool, words) in peers.items()}
    return table


def run(bench, scenario):
    count, size, jobs = bench.args.files, scenario.size, bench.args.jobs
    table = commands(bench, jobs)
    can, left_out = bench.choose(p.Program(name, tool, None, needs) for name, (tool, needs, _) in table.items())
    with bench.scratch() as scratch:
        served = scratch / "served"
        served.mkdir()
        names = [f"file-{index:05}.bin" for index in range(count)]
        for name in names:
            make_file(served / name, size)
        with Server(bench, served, workers=os.cpu_count()) as server:
            base = f"http://{server.host}:{server.port}"
            lists = {key: scratch / key for key in ("list", "names", "config")}
            lists["list"].write_text("".join(f"{base}/{name}\n" for name in names))
            lists["names"].write_text("".join(f"{name}\n" for name in names))

            def run_one(name, _):
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    to, state = os.path.join(folder, "to"), os.path.join(folder, "state")
                    os.mkdir(to)
                    os.mkdir(state)
                    lists["config"].write_text("".join(f'url = "{base}/{n}"\noutput = "{to}/{n}"\n' for n in names))
                    os.sync()
                    values = {"base": base, "dir": to, "state": state, "served": served, **lists}
                    words = [str(word).format(**values) for word in table[name][2]]
                    sample = bench.measure(words, timeout_s=bench.patience(count * size) + count / 50)
                    if "failed" not in sample:
                        _, wrong, missing = filecmp.cmpfiles(served, to, names, shallow=False)
                        if wrong or missing:
                            sample["failed"] = f"{len(wrong)} files differ, {len(missing)} are missing"
                    sample["left"] = len(set(os.listdir(to)) - set(names))
                    shutil.rmtree(to)
                return sample

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
    rows = []
    for name, samples in runs.items():
        cpu, wall, peak = (median(samples, key) for key in ("cpu_s", "wall_s", "peak_kib"))
        other = "curl --parallel, then sync" if name.endswith(("power", "sync")) else "curl --parallel"
        low, high = spread(samples, "wall_s") or (None, None)
        rows.append([
            name, number(cpu), ratio(cpu, median(runs.get(other, []), "cpu_s")), number(wall),
            f"{number(low)} to {number(high)}", ratio(wall, median(runs.get(other, []), "wall_s")),
            number(peak and peak / 1024, 1), max((sample["left"] for sample in samples), default=0),
        ])
    words = {"base": "http://HOST:PORT", "dir": "DIR", "state": "STATE", "served": "SERVED", "list": "URLS", "names": "NAMES",
             "config": "CONFIG"}
    shown = {name: shlex.join("longhaul" if word == bench.tools.longhaul else str(word).format(**words)
                              for word in table[name][2]) for name in can}
    settings = {"files": count, "size of each": f"{size} bytes",
                "to curl": "those that sync are held against curl followed by `sync -f`, the others against curl alone"}
    return Report(scenario.name, settings,
                  ["", "CPU s", "CPU to curl", "wall s", "min to max", "wall to curl", "peak MiB", "files too many"], rows, [],
                  shown, left_out, runs, bench.rounds(scenario), load)
