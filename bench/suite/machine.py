"""What machine this is, and which programs are compared."""

import os
import pathlib
import platform
import subprocess
import time

from .measure import ROOT

VERSIONS = {
    "curl": ["curl", "--version"], "wget": ["wget", "--version"], "wget2": ["wget2", "--version"],
    "aria2c": ["aria2c", "--version"], "rclone": ["rclone", "version"], "nginx": ["nginx", "-v"],
    "openssl": ["openssl", "version"], "rustc": ["rustc", "--version"], "cc": ["cc", "--version"],
}


def first_line(command):
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PATH": path})
        return (done.stdout + done.stderr).splitlines()[0].strip()
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return None


def file_system(path):
    best = ("", "unknown", "unknown")
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        head, tail = line.split(" - ")
        point, kind, device = head.split()[4], *tail.split()[:2]
        if path.resolve().is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind, device)
    return f"{best[1]} on {best[2]}"


def fields(file):
    lines = (line.split(":", 1) for line in pathlib.Path(file).read_text().splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in reversed(list(lines))}


def facts(where, longhaul):
    known = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]),
        "longhaul": first_line([longhaul, "--version"]),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": fields("/proc/cpuinfo").get("model name", "unknown"),
        "cores": os.cpu_count(),
        "memory": f"{int(fields('/proc/meminfo')['MemTotal'].split()[0]) // 1024} MiB",
        "disk": file_system(where),
        "TCP on loopback": pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
    }
    return known | {name: line for name, command in VERSIONS.items() if (line := first_line(command))}


def load():
    return round(os.getloadavg()[0], 2)
