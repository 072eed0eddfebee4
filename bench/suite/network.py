"""Two network namespaces and the link between them (link.c).

    client namespace  wire0 10.99.0.1 ──── link ──── wire0 10.99.0.2  server namespace

The namespaces live as long as a scenario, the link as long as one measurement: every program begins with an idle link
and the same sequence of losses. TCP in both has the kernel's own defaults, cubic, and forgets what it learned about
the other side, whatever the machine is set to.
"""

import json
import os
import pathlib
import re
import select
import subprocess
import sys
from dataclasses import dataclass

from .measure import end, environment

CLIENT, SERVER = "10.99.0.1", "10.99.0.2"
PREFIX = "lhbench"
TCP = {
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_no_metrics_save": "1",
}
READY_WITHIN_S = 10


@dataclass(frozen=True)
class Path:
    """What the link is like. Rates in Mbit/s; `delay_ms` is the round trip."""

    rate: float
    delay_ms: float
    loss: float = 0.0
    flow_rate: float = 0.0
    slow_every: int = 0
    slow_rate: float = 0.0
    queue_kib: int = 0
    congestion: str = "cubic"
    """Set on the route: a namespace may choose only what the machine allows to everybody."""

    def words(self):
        text = f"{self.rate:g} Mbit/s, {self.delay_ms:g} ms round trip"
        if self.loss:
            text += f", {self.loss * 100:g} % random loss each way"
        if self.flow_rate:
            text += f", {self.flow_rate:g} Mbit/s for each connection"
        if self.slow_every:
            text += f", the second of every {self.slow_every} connections {self.slow_rate:g} Mbit/s"
        if self.queue_kib:
            text += f", a queue of {self.queue_kib:g} KiB"
        return text

    def arguments(self, seed):
        words = ["--rate", int(self.rate * 1e6), "--delay-us", int(self.delay_ms * 500),
                 "--loss-ppm", int(self.loss * 1e6), "--seed", seed]
        if self.queue_kib:
            words += ["--queue", self.queue_kib * 1024]
        if self.flow_rate:
            words += ["--flow-rate", int(self.flow_rate * 1e6)]
        if self.slow_every:
            words += ["--slow-every", self.slow_every, "--slow-rate", int(self.slow_rate * 1e6)]
        return words


def why_not():
    """Why there can be no network here, or None."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "needs root on Linux (network namespaces)"
    if not pathlib.Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    return None


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


def sweep():
    """Removes what a run that was killed left behind: namespaces are named after its process."""
    for line in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, timeout=30).stdout.splitlines():
        name = line.split()[0]
        match = re.fullmatch(rf"{PREFIX}-(\d+)-[cs]", name)
        if match and not pathlib.Path("/proc", match[1]).exists():
            run("ip", "netns", "del", name)


class Namespaces:
    """The two namespaces, until the end of the `with` block."""

    def __init__(self):
        self.client, self.server = (f"{PREFIX}-{os.getpid()}-{side}" for side in "cs")
        self.made = []

    def __enter__(self):
        sweep()
        try:
            for name in (self.client, self.server):
                run("ip", "netns", "add", name)
                self.made.append(name)
                run("ip", "-n", name, "link", "set", "lo", "up")
                settings = [f"{key}={value}" for key, value in TCP.items()]
                run("ip", "netns", "exec", name, "sysctl", "-q", "-w", *settings)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=30)

    def refuse_connections_beyond(self, count, port):
        """A server that answers further connections with a reset."""
        rules = (f"flush ruleset; table inet bench {{ chain in {{ type filter hook input priority 0; "
                 f"tcp dport {port} ct state new ct count over {count} reject with tcp reset; }}; }}")
        run("ip", "netns", "exec", self.server, "nft", rules)

    def refuse_nothing(self):
        run("ip", "netns", "exec", self.server, "nft", "flush ruleset")


class Link:
    """A link that is up, until the end of the `with` block; then `did` says what it carried."""

    def __init__(self, bench, namespaces, path, seed):
        self.bench, self.namespaces, self.path, self.seed = bench, namespaces, path, seed
        self.did = {}

    def __enter__(self):
        ns = self.namespaces
        command = [self.bench.tools.link, "--client", ns.client, "--server", ns.server, *self.path.arguments(self.seed)]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, env=environment(self.bench.home), text=True)
        try:
            ready, _, _ = select.select([self.process.stdout], [], [], READY_WITHIN_S)
            if not ready or self.process.stdout.readline() != "ready\n":
                raise RuntimeError("the link does not come up")
            for name, here, there in ((ns.client, CLIENT, SERVER), (ns.server, SERVER, CLIENT)):
                run("ip", "-n", name, "addr", "add", here, "dev", "wire0")
                # No drop but in the link's own queue, however late it looks at the device.
                run("ip", "-n", name, "link", "set", "wire0", "mtu", 1500, "txqueuelen", 20000, "up")
                run("ip", "-n", name, "route", "add", there, "dev", "wire0", "congctl", self.path.congestion)
        except BaseException:
            end(self.process)
            raise
        return self

    def __exit__(self, *_):
        end(self.process)
        try:
            self.did = json.loads(self.process.stdout.read() or "{}")
        except ValueError:
            self.did = {}
        self.process.stdout.close()
