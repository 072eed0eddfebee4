"""Building what is measured, and running one command under the measurer.

A sample is a dictionary: `code`, `late`, `user_s`, `sys_s`, `cpu_s`, `wall_s`, `peak_kib`, and `failed`, a reason, where the
command did not do what it should have done. A failure is a result as well: it is shown, and the rest goes on.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
MEASURER_GRACE_S = 15


@dataclass(frozen=True)
class Tools:
    """The binaries that were built for this run."""

    longhaul: pathlib.Path
    loop: pathlib.Path
    measurer: pathlib.Path
    link: pathlib.Path
    drop: pathlib.Path
    pread_send: pathlib.Path
    flags: frozenset = field(default_factory=frozenset)
    """The long flags of `longhaul get`."""


def build(to, longhaul=None):
    longhaul = longhaul.resolve() if longhaul else build_longhaul()
    words = subprocess.run([longhaul, "get", "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    return Tools(
        longhaul=longhaul,
        loop=build_c("recv_pwrite", to),
        measurer=build_c("measure", to),
        link=build_c("link", to),
        drop=build_c("drop", to),
        pread_send=build_c("pread_send", to),
        flags=frozenset(re.findall(r"--[a-z][a-z-]+", words)),
    )


def build_c(name, to):
    binary = to / name
    subprocess.run(["cc", "-O2", "-pthread", "-o", binary, BENCH / f"{name}.c"], check=True, timeout=120)
    return binary


def build_longhaul():
    command = ["cargo", "build", "--release", "--locked", "-p", "longhaul-cli"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "longhaul"


def environment(home):
    """The same for every program: no proxies, no settings of whoever runs this."""
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return {"PATH": path, "HOME": str(home), "LANG": "C", "TMPDIR": str(home)}


def measure(bench, command, timeout_s, namespace=None):
    """Runs `command` to its end, or until `timeout_s`."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    reader, writer = os.pipe()
    words = [*inside, bench.tools.measurer, writer, int(timeout_s), *command]
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
            pass_fds=[writer], env=environment(bench.home), cwd=bench.home,
        )
        os.close(writer)
        try:
            process.wait(timeout=timeout_s + MEASURER_GRACE_S)
        finally:
            end(process)
        with os.fdopen(reader) as result:
            used = json.loads(result.read() or '{"code": -1, "late": 0, "user_s": 0, "sys_s": 0, "wall_s": 0, "peak_kib": 0}')
        used["cpu_s"] = used["user_s"] + used["sys_s"]
        if used["late"]:
            used["failed"] = f"not done after {timeout_s:.0f} s"
        elif used["code"] != 0:
            stderr.seek(0)
            said = stderr.read()[-2000:].decode(errors="replace").strip().splitlines()
            used["failed"] = f"exit {used['code']}" + (f": {said[-1][:160]}" if said else "")
    return used


def end(process, grace_s=5):
    """Ends a process of ours, kindly at first. SIGTERM makes the measurer and the link end what they started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
