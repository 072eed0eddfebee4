"""How well is a network used? One file over an emulated link (link.c), longhaul by itself beside every sensible setting.

A program that is not done when its time is up counts with what arrived until then.
"""

import filecmp
import re
import statistics
import subprocess
import tempfile

from .. import network
from .. import programs as p
from ..report import Report, number, ratio
from ..rounds import interleave
from ..servers import Server, make_file

FAT = network.Path(rate=500, delay_ms=100)
LOSSY = network.Path(rate=500, delay_ms=100, loss=0.01)
THIN = network.Path(rate=50, delay_ms=300)
SLOW = network.Path(rate=500, delay_ms=20, flow_rate=50, slow_every=8, slow_rate=0.5)
EACH = network.Path(rate=500, delay_ms=20, flow_rate=100)
LOSSY_BBR = network.Path(rate=500, delay_ms=100, loss=0.01, congestion="bbr")
MOBILE = network.Path(rate=20, delay_ms=80, loss=0.005)
FEW_LOSSES = network.Path(rate=100, delay_ms=60, loss=0.001)
RATIONED = network.Path(rate=500, delay_ms=20, flow_rate=20)
DEEP_QUEUE = network.Path(rate=10, delay_ms=40, queue_kib=1024)

LIMITS = (1, 2, 4)
REFUSALS = ("503", "429", "reset")
WAIT_S = {"lossy-pipe": 90, "lossy-pipe-short": 90, "slow-connection": 90}
WAIT_USUALLY_S = 120


def fat(bench, scenario):
    return pipe(bench, scenario, FAT, (1, 4, 16))


def lossy(bench, scenario):
    return pipe(bench, scenario, LOSSY, (1, 4, 16))


def thin(bench, scenario):
    return pipe(bench, scenario, THIN, (1, 4, 16))


def slow(bench, scenario):
    return pipe(bench, scenario, SLOW, (1, 8))


def lossy_bbr(bench, scenario):
    return pipe(bench, scenario, LOSSY_BBR, (1, 4, 16))


def mobile(bench, scenario):
    return pipe(bench, scenario, MOBILE, (1, 4, 16))


def few_losses(bench, scenario):
    return pipe(bench, scenario, FEW_LOSSES, (1, 4, 16))


def rationed(bench, scenario):
    return pipe(bench, scenario, RATIONED, (1, 4, 16))


def deep_queue(bench, scenario):
    return pipe(bench, scenario, DEEP_QUEUE, (1, 4))


def settings_of(tools, connections, retry=False):
    """Every program, with each number of connections where it has such a setting."""
    programs = [p.longhaul(tools, name="longhaul"), p.curl(retry=retry), p.wget2()]
    for count in connections:
        programs += [p.longhaul(tools, connections=count), p.aria2c(count, retry=retry), p.rclone(count)]
    return programs


def pipe(bench, scenario, path, connections):
    can, left_out = bench.choose(settings_of(bench.tools, connections))
    size = bench.size(scenario)
    if why_not := network.why_not():
        return Report(scenario.name, {}, ["", "Mbit/s"], [], [], {}, {"all": why_not})
    with bench.scratch() as scratch:
        original = scratch / "served" / "object"
        original.parent.mkdir()
        make_file(original, size)
        with network.Namespaces() as ns, \
                Server(bench, original.parent, host=network.SERVER, namespace=ns.server, log=True) as server:

            def run_one(name, turn):
                return over(bench, can[name], ns, server, path, turn, original, scratch, wait_s(scenario.name))

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), 0, scenario.name)
    rows = []
    for name, samples in runs.items():
        speeds = [sample["mbit_s"] for sample in samples]
        late = sum("failed" in sample for sample in samples)
        rows.append([
            name, number(statistics.median(speeds), 1), f"{min(speeds):.1f} to {max(speeds):.1f}",
            number(statistics.median(sample["wall_s"] for sample in samples), 1),
            number(statistics.median(sample["served"] for sample in samples) / size, 3),
            number(statistics.median(payload_to_client(sample) for sample in samples) / size, 3),
            number(statistics.median(sample["connections"] for sample in samples), 0),
            number(statistics.median(sample["peak_kib"] for sample in samples) / 1024, 1),
            f"{late} of {len(samples)} not done" if late else "yes",
        ])
    settings = {"size": f"{size / 1e6:g} MB", "link": path.words(), "TCP": path.congestion, "time": f"{wait_s(scenario.name)} s at most"}
    return Report(scenario.name, settings,
                  ["", "Mbit/s", "min to max", "wall s", "served ÷ size", "arrived ÷ size", "connections", "peak MiB", "done"], rows,
                  best_of(runs), bench.shown(can), left_out, runs, bench.rounds(scenario), load)


def wait_s(name):
    return WAIT_S.get(name, WAIT_USUALLY_S)


def over(bench, program, ns, server, path, turn, original, scratch, at_most_s):
    """One download over a link of its own."""
    size = original.stat().st_size
    with tempfile.TemporaryDirectory(dir=scratch) as out, tempfile.TemporaryDirectory(dir=scratch) as state:
        target = f"{out}/object"
        since = server.log_end()
        with network.Link(bench, ns, path, seed=turn + 1) as link:
            job = p.Job(server.host, server.port, target, state, length=size)
            sample = bench.measure(program.command(job), timeout_s=at_most_s, namespace=ns.client)
            server.settle()  # without the link nothing would tell it that the client is gone
        sample |= server.served(since)
        sample["link"] = link.did
        if "failed" not in sample and not filecmp.cmp(original, target, shallow=False):
            sample["failed"] = "other bytes"
    arrived = payload_to_client(sample) if "failed" in sample else size
    sample["mbit_s"] = min(arrived, size) * 8 / 1e6 / sample["wall_s"] if sample["wall_s"] else 0.0
    return sample


def payload_to_client(sample):
    """Bytes that TCP brought the client: heads of replies, and what was sent twice, included."""
    return sample["link"].get("to_client", {}).get("payload", 0)


def best_of(runs):
    """longhaul by itself beside the best setting of each peer."""
    speed = {name: statistics.median(sample["mbit_s"] for sample in samples) for name, samples in runs.items()}
    ours, best = speed.get("longhaul"), {}
    for name, value in speed.items():
        tool = name.split()[0].rstrip(",")
        if tool != "longhaul" and value > speed.get(best.get(tool), 0):
            best[tool] = name
    found = [f"longhaul by itself to {name}: {ratio(ours, speed[name])}" for name in best.values()]
    fixed = [name for name in speed if name.startswith("longhaul -x")]
    if fixed:
        name = max(fixed, key=speed.get)
        found.append(f"longhaul by itself to {name}: {ratio(ours, speed[name])}")
    return found


def limited(bench, scenario):
    """A server that answers so many at once, and refuses others in one of three ways."""
    can, left_out = bench.choose(settings_of(bench.tools, (1, 4), retry=True))
    size = bench.size(scenario)
    if why_not := network.why_not():
        return Report(scenario.name, {}, ["", "Mbit/s"], [], [], {}, {"all": why_not})
    runs, load = {}, bench.load()
    with bench.scratch() as scratch, network.Namespaces() as ns:
        original = scratch / "served" / "object"
        original.parent.mkdir()
        make_file(original, size)
        for refusal in REFUSALS:
            for limit in LIMITS:
                by_server = (limit, refusal) if refusal != "reset" else None
                with Server(bench, original.parent, host=network.SERVER, namespace=ns.server, log=True, limit=by_server) as server:
                    if refusal == "reset":
                        ns.refuse_connections_beyond(limit, server.port)

                    def run_one(name, turn):
                        return over(bench, can[name], ns, server, EACH, turn, original, scratch, wait_s(scenario.name))

                    title = f"{scenario.name}, {limit}, {refusal}"
                    found = interleave(can, run_one, bench.rounds(scenario), 0, title)
                    runs |= {f"{name}, {limit}, {refusal}": samples for name, samples in found.items()}
                    if refusal == "reset":
                        ns.refuse_nothing()
    rows = []
    for name in can:
        row = [name]
        for refusal in REFUSALS:
            for limit in LIMITS:
                samples = runs[f"{name}, {limit}, {refusal}"]
                failed = sum("failed" in sample for sample in samples)
                wall = statistics.median(sample["wall_s"] for sample in samples)
                again = statistics.median(sample["served"] for sample in samples) / size
                refused = statistics.median(sample["refused"] for sample in samples)
                row.append(f"failed {failed} of {len(samples)}" if failed else f"{wall:.1f} ({again:.2f}, {refused:.0f})")
        rows.append(row)
    settings = {"size": f"{size / 1e6:g} MB", "link": EACH.words(),
                "cells": "wall seconds (bytes served ÷ size, requests refused)"}
    headers = ["", *(f"{limit} ({refusal})" for refusal in REFUSALS for limit in LIMITS)]
    return Report(scenario.name, settings, headers, rows, [], bench.shown(can), left_out, runs, bench.rounds(scenario), load)


def check(bench, scenario):
    """The link itself: round trip and loss by ping, speed by curl, and how much it can carry at all."""
    if why_not := network.why_not():
        return Report(scenario.name, {}, ["", "round trip ms"], [], [], {}, {"all": why_not})
    paths = {
        "fat-pipe": FAT, "lossy-pipe": LOSSY, "thin-pipe": THIN, "slow-connection": SLOW, "limited-connections": EACH,
        "as fast as it can": network.Path(rate=20000, delay_ms=2, queue_kib=8192),
    }
    rows, runs, load = [], {}, bench.load()
    size = 100_000_000
    with bench.scratch() as scratch, network.Namespaces() as ns:
        original = scratch / "served" / "object"
        original.parent.mkdir()
        make_file(original, size)
        with Server(bench, original.parent, host=network.SERVER, namespace=ns.server, log=True) as server:
            for name, path in paths.items():
                with network.Link(bench, ns, path, seed=1):
                    ping = subprocess.run(
                        ["ip", "netns", "exec", ns.client, "ping", "-q", "-c", "200", "-i", "0.02", "-W", "2", network.SERVER],
                        capture_output=True, text=True, timeout=120).stdout
                sample = over(bench, p.curl(), ns, server, path, 0, original, scratch, at_most_s=20)
                rtt = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+)", ping)
                lost = re.search(r"([\d.]+)% packet loss", ping)
                link = sample["link"]
                ways = [link[way] for way in ("to_client", "to_server")]
                rows.append([
                    name, path.words(), f"{rtt[1]} / {rtt[2]} / {rtt[3]} ({rtt[4]})" if rtt else "-",
                    lost[1] if lost else "-", number(sample["mbit_s"], 1),
                    number(100 * sum(w["lost"] for w in ways) / max(1, sum(w["packets"] + w["lost"] for w in ways)), 2),
                    str(ways[0]["dropped"]), number(100 * link["cpu_s"] / sample["wall_s"], 0),
                ])
                runs[name] = [sample | {"ping": ping}]
    headers = ["link for", "set to", "ping ms: min / avg / max (deviation)", "ping lost %", "curl Mbit/s", "packets lost %",
               "dropped by the queue", "CPU % of one core"]
    return Report(scenario.name, {"size": f"{size / 1e6:g} MB", "pings": 200}, headers, rows, [], {}, {}, runs, 1, load)
