"""What does one large download cost? CPU and time from the page cache of the server to the disk, on loopback."""

import filecmp
import os
import tempfile

from .. import programs as p
from ..report import Report, number, ratio
from ..rounds import interleave, median, spread
from ..servers import Authority, Server, make_file, read_through

GIB = 1 << 30


def one(bench, scenario):
    t = bench.tools
    peers = [p.curl(), p.wget2(), p.aria2c(1), p.rclone(1)]
    ours = [p.longhaul_one(t, "process"), p.longhaul_one(t, "power")]
    return run(bench, scenario, [p.loop(t), *ours, *peers, *(peer.then_sync() for peer in peers)])


def four(bench, scenario):
    t = bench.tools
    peers = [p.aria2c(4), p.rclone(4), p.curl(), p.wget2()]
    ours = [p.longhaul(t, "process", 4), p.longhaul(t, "power", 4), p.longhaul_one(t, "process")]
    return run(bench, scenario, [p.loop(t), p.loop(t, 4), *ours, *peers, *(peer.then_sync() for peer in peers)])


def one_tls(bench, scenario):
    peers = [p.curl(), p.wget2(), p.aria2c(1), p.rclone(1)]
    ours = [p.longhaul_one(bench.tools, "process"), p.longhaul_one(bench.tools, "power")]
    return run(bench, scenario, [*ours, *peers, *(peer.then_sync() for peer in peers)], tls=True)


def four_tls(bench, scenario):
    t = bench.tools
    peers = [p.aria2c(4), p.rclone(4), p.curl(), p.wget2()]
    ours = [p.longhaul(t, "process", 4), p.longhaul(t, "power", 4), p.longhaul_one(t, "process")]
    return run(bench, scenario, [*ours, *peers, *(peer.then_sync() for peer in peers)], tls=True)


def run(bench, scenario, wanted, tls=False):
    can, left_out = bench.choose(wanted)
    size = bench.size(scenario)
    with bench.scratch() as scratch:
        served, out = scratch / "served", scratch / "out"
        served.mkdir()
        out.mkdir()
        original = served / "object"
        make_file(original, size)
        authority = Authority(scratch) if tls else None
        with Server(bench, served, authority=authority, workers=os.cpu_count()) as server:

            def run_one(name, turn):
                read_through(original)
                return download(bench, can[name], server, original, out, compare=turn == 0)

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
    return report(bench, scenario, size, can, left_out, runs, load, tls)


def download(bench, program, server, original, out, compare):
    """One sample. What the run before left to write to the disk is not this one's load."""
    target = out / "object"
    target.unlink(missing_ok=True)
    os.sync()
    length = original.stat().st_size
    with tempfile.TemporaryDirectory(dir=out.parent) as state:
        job = p.Job(server.host, server.port, str(target), state, ca=str(server.authority.ca) if server.authority else None,
                    length=length)
        sample = bench.measure(program.command(job), timeout_s=bench.patience(length))
    if "failed" not in sample:
        if not target.exists() or target.stat().st_size != length:
            sample["failed"] = "wrong length"
        elif compare and not filecmp.cmp(original, target, shallow=False):
            sample["failed"] = "other bytes"
    for left in out.iterdir():
        left.unlink()
    return sample


def report(bench, scenario, size, can, left_out, runs, load, tls, base=None):
    per_gib = GIB / size
    base = base or ("C loop" if "C loop" in runs else "curl")
    rows = []
    for name, samples in runs.items():
        cpu, wall, peak = (median(samples, key) for key in ("cpu_s", "wall_s", "peak_kib"))
        if cpu is None:
            rows.append([name, *["failed"] + ["-"] * 7])
            continue
        low, high = spread(samples, "cpu_s")
        rows.append([
            name, number(cpu * per_gib, 3), f"{low * per_gib:.3f} to {high * per_gib:.3f}",
            number(median(samples, "user_s") * per_gib, 3), number(median(samples, "sys_s") * per_gib, 3),
            ratio(cpu, median(runs.get(base, []), "cpu_s")), number(wall * per_gib, 3),
            ratio(wall, median(runs.get(base, []), "wall_s")), number(peak / 1024, 1),
        ])
    return Report(
        scenario.name, {"size": f"{size / GIB:.3g} GiB", "over": "HTTPS" if tls else "plain HTTP"},
        ["", "CPU s/GiB", "min to max", "user", "sys", f"CPU to {base}", "wall s/GiB", f"wall to {base}", "peak MiB"],
        rows, findings(runs), bench.shown(can, tls), left_out, runs, bench.rounds(scenario), load,
    )


def findings(runs):
    """longhaul beside the best peer, which one that is being known only now."""
    walls = {name: wall for name, samples in runs.items() if (wall := median(samples, "wall_s"))}
    found = []
    for durability, synced in (("process", False), ("power", True)):
        peers = {name: wall for name, wall in walls.items()
                 if not name.startswith(("longhaul", "C loop")) and name.endswith(", then sync") == synced}
        ours = {name: wall for name, wall in walls.items() if name.startswith("longhaul") and name.endswith(durability)}
        if peers:
            best = min(peers, key=peers.get)
            found += [f"wall of {name} to the best peer ({best}): {wall / peers[best]:.2f}" for name, wall in ours.items()]
    return found
