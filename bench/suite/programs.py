"""How each program is called: the one place with their command lines.

A peer is called as somebody would who knows it well: quiet, without its configuration file, without preallocation where
that only costs time, over HTTP/1.1 like all others (the server offers nothing else).
"""

import shlex
import shutil
from dataclasses import dataclass
from typing import Callable

SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Job:
    """What is to be downloaded, to where."""

    host: str
    port: object
    out: str
    state: str
    ca: str | None = None
    length: object = None
    name: str = "object"

    @property
    def base(self):
        return f"{'https' if self.ca else 'http'}://{self.host}:{self.port}"

    @property
    def url(self):
        return f"{self.base}/{self.name}"

    @property
    def directory(self):
        return self.out.rpartition("/")[0] or "."

    @property
    def file(self):
        return self.out.rpartition("/")[2]


def in_words(tls=False):
    """A job for showing a command line."""
    return Job(host="HOST", port="PORT", out="DIR/FILE", state="STATE", ca="CA.pem" if tls else None, length="LENGTH")


@dataclass(frozen=True)
class Program:
    """One row of a table."""

    name: str
    tool: str
    build: Callable[[Job], list]
    needs: tuple = ()
    """Flags of `longhaul get` without which there is no such row."""
    synced: bool = False

    def command(self, job):
        words = [str(word) for word in self.build(job)]
        return ["sh", "-c", '"$@" && sync "$0"', job.out, *words] if self.synced else words

    def shown(self, tls=False):
        words = shlex.join(str(word) for word in self.build(in_words(tls)))
        return f"{words} && sync DIR/FILE" if self.synced else words

    def then_sync(self):
        return Program(f"{self.name}, then sync", self.tool, self.build, self.needs, synced=True)


def split_by_presence(tools, programs):
    """Those that can run here, and the others with the reason."""
    can, cannot = [], {}
    for program in programs:
        missing = [flag for flag in program.needs if flag not in tools.flags]
        if missing:
            cannot[program.name] = f"this longhaul has no {' and no '.join(missing)}"
        elif program.tool not in ("longhaul", "loop") and not shutil.which(program.tool, path=SEARCH):
            cannot[program.name] = f"{program.tool} is not installed"
        else:
            can.append(program)
    return can, cannot


def longhaul(tools, durability=None, connections=None, name=None):
    def build(job):
        shown = "longhaul" if job.state == "STATE" else tools.longhaul
        return [
            shown, "get", job.url, "-o", job.out, "--state-dir", job.state, "--progress", "none", "--quiet",
            *(["--durability", durability] if durability else []),
            *(["-x", connections] if connections else []),
            *(["--ca-cert", job.ca] if job.ca else []),
        ]

    if not name:
        name = " ".join(filter(None, ["longhaul", f"-x{connections}" if connections else "", durability or ""]))
    return Program(name, "longhaul", build, ("--connections",) if connections else ())


def longhaul_one(tools, durability):
    """With one connection: where it is not yet possible to say so, there is only one."""
    if "--connections" in tools.flags:
        return longhaul(tools, durability, connections=1)
    return longhaul(tools, durability, name=f"longhaul -x1 {durability}")


def longhaul_from(tools, store):
    """An object of a store, over one connection."""

    def build(job):
        shown = "longhaul" if job.state == "STATE" else tools.longhaul
        keys = "AWS" if store == "s3" else "OSS"
        names = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY") if store == "s3" else ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET")
        return [
            "env", *(f"{keys}_{name}=bench" for name in names), shown, "get", f"{store}://bkt/{job.name}", "-o", job.out,
            "--endpoint", job.base, "--region", "bench", "--state-dir", job.state, "--progress", "none", "--quiet",
            "--durability", "process", "-x", 1,
        ]

    return Program(f"longhaul -x1 process, {store}://", "longhaul", build, ("--endpoint",))


def loop(tools, threads=1):
    def build(job):
        shown = "recv_pwrite" if job.state == "STATE" else tools.loop
        more = [threads, job.length] if threads > 1 else []
        return [shown, job.host, job.port, f"/{job.name}", job.out, *more]

    return Program("C loop" if threads == 1 else f"C loop, {threads} threads", "loop", build)


def curl(resume=False, retry=False):
    def build(job):
        return [
            "curl", "--disable", "--silent", "--show-error", "--fail",
            *(["-C", "-"] if resume else []),
            *(["--retry", 20, "--retry-delay", 1, "--retry-all-errors"] if retry else []),
            *(["--cacert", job.ca] if job.ca else []),
            "--output", job.out, job.url,
        ]

    return Program("curl -C -" if resume else "curl", "curl", build)


def wget():
    def build(job):
        return ["wget", "--no-config", "--quiet", "-c", "-O", job.out, job.url]

    return Program("wget -c", "wget", build)


def wget2(resume=False):
    """One connection: `--chunk-size` fetches chunk after chunk, and over one connection as well."""

    def build(job):
        return [
            "wget2", "--no-config", "--quiet",
            *(["-c"] if resume else []),
            *(["--ca-certificate", job.ca] if job.ca else []),
            "--output-document", job.out, job.url,
        ]

    return Program("wget2 -c" if resume else "wget2", "wget2", build)


def aria2c(connections, resume=False, retry=False, saving=False):
    def build(job):
        return [
            "aria2c", "--no-conf", "--quiet", "--file-allocation=none", "--auto-file-renaming=false",
            f"-x{connections}", f"-s{connections}", "-k1M",
            *(["--continue"] if resume else ["--allow-overwrite=true"]),
            *(["--auto-save-interval=1"] if saving else []),
            *(["--retry-wait=1", "--max-tries=0"] if retry else []),
            *([f"--ca-certificate={job.ca}"] if job.ca else []),
            "-d", job.directory, "-o", job.file, job.url,
        ]

    name = f"aria2c -x{connections}" + (" -c" if resume else "") + (", saving each second" if saving else "")
    return Program(name, "aria2c", build)


def rclone(streams):
    """`copyurl` has one stream only; the backend for HTTP has as many as wanted."""

    def build(job):
        return [
            "rclone", "copyto", "--config", "", "--http-url", job.base,
            "--multi-thread-streams", streams if streams > 1 else 0, "--multi-thread-cutoff", "1M",
            *(["--ca-cert", job.ca] if job.ca else []),
            f":http:{job.name}", job.out,
        ]

    return Program(f"rclone, {streams} stream{'s' if streams > 1 else ''}", "rclone", build)
