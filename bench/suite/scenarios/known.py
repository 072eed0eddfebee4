"""What do `list`, `show` and a download cost when 10,000 transfers are known, all of them cut in the middle?"""

import socketserver
import threading

from ..report import Report, number
from ..rounds import interleave, median
from ..servers import Server, make_file

TRANSFERS = 10_000
HELD, LENGTH = 1000, 300_000


class Cutter(socketserver.StreamRequestHandler):
    """Answers any request with the head of an object and its first bytes, and closes the connection."""

    def handle(self):
        while self.rfile.readline().strip():
            pass
        head = f'HTTP/1.1 200 OK\r\nETag: "1"\r\nAccept-Ranges: bytes\r\nContent-Length: {LENGTH}\r\nConnection: close\r\n\r\n'
        self.wfile.write(head.encode() + b"x" * HELD)


class Cutting(socketserver.ThreadingTCPServer):
    request_queue_size = 512
    daemon_threads = True


def begin(bench, scratch, state):
    """Downloads that were cut, in the list of this state directory."""
    listed = scratch / "urls"
    with Cutting(("127.0.0.1", 0), Cutter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        listed.write_text("".join(f"http://127.0.0.1:{port}/f{number}\n" for number in range(TRANSFERS)))
        words = [bench.tools.longhaul, "get", "-q", "-j", "32", "-x", "1", "--retries", "0", "--durability", "process"]
        words += ["--proxy", "none", "--state-dir", state, "-d", scratch / "begun", "-i", listed]
        bench.measure(words, timeout_s=600)
        server.shutdown()
    found = len(list((state / "transfers").iterdir()))
    assert found == TRANSFERS, f"{found} of {TRANSFERS} transfers are listed"


def run(bench, scenario):
    t = bench.tools
    with bench.scratch() as scratch:
        served, out, state = scratch / "served", scratch / "out", scratch / "state"
        for folder in (served, out, scratch / "begun"):
            folder.mkdir()
        make_file(served / "object", 1)
        begin(bench, scratch, state)
        with Server(bench, served) as server:
            tasks = {
                "list": ["list"],
                "show FILE": ["show", scratch / "begun" / "f77"],
                "get, one byte": ["get", "-q", "--overwrite", "-o", out / "object", f"http://{server.host}:{server.port}/object"],
            }

            def run_one(name, _):
                (out / "object").unlink(missing_ok=True)
                return bench.measure([t.longhaul, *tasks[name], "--state-dir", state], timeout_s=60)

            load = bench.load()
            runs = interleave(tasks, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
    rows = []
    for name, samples in runs.items():
        wall, cpu, peak = (median(samples, key) for key in ("wall_s", "cpu_s", "peak_kib"))
        rows.append([name, number(wall and wall * 1e3, 1), number(cpu and cpu * 1e3, 1), number(peak and peak / 1024, 1)])
    return Report(scenario.name, {"transfers": f"{TRANSFERS}"}, ["", "wall ms", "CPU ms", "peak MiB"], rows, [],
                  {"list": "longhaul list", "show FILE": "longhaul show FILE", "get, one byte": "longhaul get -q URL"}, {}, runs, bench.rounds(scenario), load)
