"""What do many small files cost? Thousands of 16 KiB from a server on loopback, each program with as many at once.

On the disk, every run writes into a folder of its own, which is removed after the last one: ext4 steps over inodes that were
freed within the last minutes, so that a round that removes thousands of files makes the next ones slower, of every program.
In memory (a tmpfs) there is no such thing, and no disk: there CPU is compared, and calls to the system are counted.
"""

import filecmp
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

from .. import programs as p
from ..report import Report, number, ratio
from ..measure import environment
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


MEMORY = pathlib.Path("/dev/shm")
FILE_CALLS = ("open,openat,openat2,creat,close,stat,lstat,fstat,newfstatat,statx,access,faccessat,faccessat2,statfs,fstatfs,"
              "readlink,getcwd,write,pwrite64,pread64,lseek,ftruncate,fallocate,chmod,fchmod,fchmodat,utimensat,flock,rename,"
              "renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,getdents64")
"""Calls about files. `read`, `write` to sockets and pipes are told apart by what they write to."""


def on_disk(bench, scenario):
    return run(bench, scenario, bench.base, in_memory=False)


def in_memory(bench, scenario):
    """Without syncs, which mean nothing there."""
    return run(bench, scenario, MEMORY, in_memory=True)


def is_for_memory(name):
    return not name.endswith(("power", "sync"))


class Stage:
    """Folders below one, the files to serve and lists of them."""

    def __init__(self, bench, scratch, count, size):
        self.bench, self.scratch, self.count, self.size = bench, scratch, count, size
        self.served = scratch / "served"
        self.served.mkdir()
        self.names = [f"file-{index:05}.bin" for index in range(count)]
        for name in self.names:
            make_file(self.served / name, size)
        self.lists = {key: scratch / key for key in ("list", "names", "config")}

    def list_below(self, base):
        self.base = base
        self.lists["list"].write_text("".join(f"{base}/{name}\n" for name in self.names))
        self.lists["names"].write_text("".join(f"{name}\n" for name in self.names))

    def command(self, words):
        """The command, with a fresh folder to write into; with it that folder's parent."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        to, state = folder / "to", folder / "state"
        to.mkdir()
        state.mkdir()
        self.lists["config"].write_text("".join(f'url = "{self.base}/{n}"\noutput = "{to}/{n}"\n' for n in self.names))
        values = {"base": self.base, "dir": to, "state": state, "served": self.served, **self.lists}
        return [str(word).format(**values) for word in words], folder

    def run(self, words):
        command, folder = self.command(words)
        os.sync()
        sample = self.bench.measure(command, timeout_s=self.bench.patience(self.count * self.size) + self.count / 50)
        if "failed" not in sample:
            _, wrong, missing = filecmp.cmpfiles(self.served, folder / "to", self.names, shallow=False)
            if wrong or missing:
                sample["failed"] = f"{len(wrong)} files differ, {len(missing)} are missing"
        sample["left"] = len(set(os.listdir(folder / "to")) - set(self.names))
        return sample, folder

    def calls(self, words):
        """Calls about files for each file, by strace; None without it, or when it did not end well."""
        command, folder = self.command(words)
        log = folder / "calls"
        trace = ["strace", "-f", "-qq", "-y", "-e", "signal=none", "-e", f"trace={FILE_CALLS}", "-o", log, *command]
        try:
            subprocess.run(trace, check=True, timeout=600, env=environment(self.bench.home), stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            return None
        finally:
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            shutil.rmtree(folder)
        is_file = re.compile(r"(?!.*resumed>)(?!\d+ +write\(\d+<(?:socket|anon_inode|pipe|TCP))").match
        return sum(1 for line in lines if is_file(line)) / self.count


def run(bench, scenario, base, in_memory):
    count, size, jobs = bench.args.files, scenario.size, bench.args.jobs
    table = {name: row for name, row in commands(bench, jobs).items() if not in_memory or is_for_memory(name)}
    can, left_out = bench.choose(p.Program(name, tool, None, needs) for name, (tool, needs, _) in table.items())
    with tempfile.TemporaryDirectory(dir=base, prefix="longhaul-bench-") as scratch:
        stage = Stage(bench, pathlib.Path(scratch), count, size)
        with Server(bench, stage.served, workers=os.cpu_count()) as server:
            stage.list_below(f"http://{server.host}:{server.port}")

            def run_one(name, _):
                sample, folder = stage.run(table[name][2])
                if in_memory:
                    shutil.rmtree(folder)  # memory is needed again, and forgets at once
                return sample

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
            calls = {name: stage.calls(table[name][2]) for name in can} if in_memory else {}
    rows = []
    for name, samples in runs.items():
        cpu, wall, peak = (median(samples, key) for key in ("cpu_s", "wall_s", "peak_kib"))
        other = "curl --parallel, then sync" if name.endswith(("power", "sync")) else "curl --parallel"
        low, high = spread(samples, "wall_s") or (None, None)
        rows.append([
            name, number(cpu), ratio(cpu, median(runs.get(other, []), "cpu_s")), number(wall),
            f"{number(low)} to {number(high)}", ratio(wall, median(runs.get(other, []), "wall_s")),
            number(peak and peak / 1024, 1), max((sample["left"] for sample in samples), default=0),
            *([number(calls.get(name), 1)] if in_memory else []),
        ])
    words = {"base": "http://HOST:PORT", "dir": "DIR", "state": "STATE", "served": "SERVED", "list": "URLS", "names": "NAMES",
             "config": "CONFIG"}
    shown = {name: shlex.join("longhaul" if word == bench.tools.longhaul else str(word).format(**words)
                              for word in table[name][2]) for name in can}
    settings = {"files": count, "size of each": f"{size} bytes", "on": "a tmpfs" if in_memory else "the disk"}
    if not in_memory:
        settings["to curl"] = "rows that sync are compared with curl followed by `sync -f`, the others with curl alone"
    headers = ["", "CPU s", "CPU to curl", "wall s", "min to max", "wall to curl", "peak MiB", "files too many"]
    headers += ["file calls each"] if in_memory else []
    return Report(scenario.name, settings, headers, rows, [], shown, left_out, runs, bench.rounds(scenario), load)
