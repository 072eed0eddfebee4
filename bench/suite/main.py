"""bench/run: longhaul beside its peers, on this machine.

Each scenario answers one question; the programs take turns, round after round. Results are printed, written to
docs/performance.md between that scenario's markers, and kept as JSON, every single measurement, in target/bench.
Nothing is asserted: figures of one machine say little about another, ratios of one run say more.

Needs Python 3, a C compiler and nginx; openssl for HTTPS; root, /dev/net/tun, iproute2, nftables and iputils-ping for
the networks. Peers that are not installed are left out and named. On Debian:

    apt-get install --no-install-recommends nginx-light openssl gcc libc6-dev iproute2 nftables iputils-ping procps \\
        curl wget wget2 aria2 rclone

A quiet machine is needed for figures worth keeping. `bench/run --list` says what there is.
"""

import argparse
import contextlib
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from . import machine, measure, programs, report, scenarios

DOCUMENT = measure.ROOT / "docs" / "performance.md"
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SLOWEST_BYTES_PER_S = 2 << 20
"""Slower than this on loopback is not slow but stuck."""


def size(text):
    word = text.upper().removesuffix("IB").removesuffix("B")
    unit = word[-1:] if word[-1:] in UNITS else ""
    try:
        return int(word.removesuffix(unit)) * UNITS[unit]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a size: {text}") from error


def at_least_one(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def names(text, separator=","):
    return [name.strip() for name in text.split(separator) if name.strip()]


def arguments(words=None):
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, help="scenarios to run, separated by commas (default: all)")
    parser.add_argument("--list", action="store_true", help="say which scenarios there are, and end")
    parser.add_argument("--programs", type=lambda text: names(text, ";"),
                        help="rows to measure, by name as in the tables, separated by semicolons (names have commas)")
    parser.add_argument("--runs", type=at_least_one, help="measured rounds (default: see --list)")
    parser.add_argument("--warm-up", type=int, help="rounds before them that do not count (default: see --list)")
    parser.add_argument("--size", type=size, help="length of the large file, as in 64M (default: 1G on loopback, 200 MB over "
                        "a network)")
    parser.add_argument("--files", type=at_least_one, default=5000, help="how many small files (default 5000)")
    parser.add_argument("--jobs", type=at_least_one, default=16, help="small files at once (default 16)")
    parser.add_argument("--kills", type=at_least_one, default=10, help="kills of each program (default 10)")
    parser.add_argument("--dir", type=pathlib.Path, help="where downloads and results are written (default: target/bench)")
    parser.add_argument("--longhaul", type=pathlib.Path, help="the binary (default: built here, --release)")
    parser.add_argument("--document", type=pathlib.Path,
                        help="write the tables into this file (default: docs/performance.md; but only with all programs, "
                        "the usual sizes and at least the usual rounds)")
    parser.add_argument("--no-document", action="store_true", help="only print them")
    args = parser.parse_args(words)
    return args


def document_for(args, scenario):
    """Where the tables of a scenario go, if anywhere: figures of a quick look do not take the place of real ones."""
    if args.no_document or args.document:
        return None if args.no_document else args.document
    usual = [args.size, args.programs, args.files, args.jobs, args.kills] == [None, None, 5000, 16, 10]
    return DOCUMENT if usual and (args.runs or scenario.rounds) >= scenario.rounds else None


class Bench:
    """What every scenario is given."""

    def __init__(self, args, where, base, tools):
        self.args, self.where, self.base, self.tools = args, where, base, tools
        self.home = self.folder("home")

    def folder(self, name):
        path = self.base / name
        path.mkdir(exist_ok=True)
        return path

    @contextlib.contextmanager
    def scratch(self):
        with tempfile.TemporaryDirectory(dir=self.base) as path:
            yield pathlib.Path(path)

    def rounds(self, scenario):
        return self.args.runs or scenario.rounds

    def warm_up(self, scenario):
        return scenario.warm_up if self.args.warm_up is None else self.args.warm_up

    def size(self, scenario):
        return self.args.size or scenario.size

    def patience(self, length):
        return 60 + length / SLOWEST_BYTES_PER_S

    def measure(self, command, timeout_s, namespace=None):
        return measure.measure(self, command, timeout_s, namespace)

    def load(self):
        return machine.load()

    def choose(self, wanted):
        """Name → program of those that can run here and were asked for; name → reason of those that cannot."""
        can, cannot = programs.split_by_presence(self.tools, wanted)
        if self.args.programs:
            can = [program for program in can if program.name in self.args.programs]
        return {program.name: program for program in can}, cannot

    def shown(self, can, tls=False):
        return {name: program.shown(tls) for name, program in can.items()}


def chosen(args):
    known = {scenario.name: scenario for scenario in scenarios.ALL}
    unknown = [name for name in args.only or [] if name not in known]
    if unknown:
        sys.exit(f"bench: no such scenario: {', '.join(unknown)}; there are: {', '.join(known)}")
    return [scenario for scenario in scenarios.ALL if not args.only or scenario.name in args.only]


def main(words=None):
    args = arguments(words)
    if args.list:
        for scenario in scenarios.ALL:
            print(f"{scenario.name:20} {scenario.rounds:2} rounds  {scenario.about}")
        return
    # Asked to end, we leave through every `with` block.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    where = (args.dir or measure.ROOT / "target" / "bench").resolve()
    where.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(dir=where, prefix="run-"))
    try:
        base.chmod(0o755)
        tools = measure.build(base, args.longhaul)
        bench = Bench(args, where, base, tools)
        run_all(bench, chosen(args), machine.facts(where, tools.longhaul))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def run_all(bench, wanted, facts):
    for scenario in wanted:
        if document := document_for(bench.args, scenario):  # better now than after an hour
            report.place_in(document, document.read_text(), scenario.name)
    for scenario in wanted:
        began = time.monotonic()
        found = scenario.run(bench, scenario)
        report.write_json(found, facts, bench.where / f"{scenario.name}.json")
        body = report.markdown(found, facts)
        print(f"\n## {scenario.name}\n\n{body}\n", flush=True)
        document = document_for(bench.args, scenario)
        if document and found.runs:
            report.write_document(document, {"machine": report.machine(facts), scenario.name: body})
        where = f", written to {document}" if document and found.runs else ", not written to the document"
        print(f"bench: {scenario.name} took {time.monotonic() - began:.0f} s{where}", file=sys.stderr, flush=True)
