"""How much memory does a long list take, and a prefix of many keys?

A hundred thousand URLs from a file, when no file is there yet and when all are; a million from stdin; and a prefix of a million
keys, whose list a little server makes up page by page. All names lead to one object of some bytes (of none where there are a
million), everything lies on a tmpfs.
"""

import http.server
import pathlib
import shlex
import shutil
import tempfile
import threading
import urllib.parse

from .. import programs as p
from ..report import Report, number
from ..rounds import interleave, median, spread
from ..servers import Server, make_file
from .small_files import MEMORY

SOME, MANY = 100_000, 1_000_000
PAGE = 1000
PATIENCE_S = 1800
KEYS = ["OSS_ACCESS_KEY_ID=bench", "OSS_ACCESS_KEY_SECRET=bench", "OSS_REGION=cn-hangzhou"]


class Listing(http.server.BaseHTTPRequestHandler):
    """A bucket of `MANY` objects without bytes, a page at a time. The token says where the next page begins."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802, that is how the library calls it
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        begin, prefix = int(query.get("continuation-token", ["0"])[0]), query["prefix"][0]
        end = min(begin + PAGE, MANY)
        objects = "".join(f"<Contents><Key>{prefix}{number:08}.bin</Key><Size>0</Size></Contents>" for number in range(begin, end))
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < MANY else ""
        goes_on = "true" if more else "false"
        body = f"<ListBucketResult><IsTruncated>{goes_on}</IsTruncated>{objects}{more}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def commands(tool):
    """Name → (tool, files, words, whether all files are there already). `{url}`, `{dir}`, `{state}`, `{some}`, `{many}`, `{config}`,
    `{endpoint}` are filled in."""
    get = [tool, "get", "-d", "{dir}", "--state-dir", "{state}", "--progress", "none", "--quiet", "--proxy", "none", "-j", "16",
           "--durability", "process"]
    curl = ["curl", "--disable", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", "16", "--config", "{config}"]
    wget2 = ["wget2", "--no-config", "--quiet", "--max-threads", "16", "-P", "{dir}", "-i", "{some}"]
    stdin = ["sh", "-c", 'exec "$@" < "$0"', "{many}", *get, "-i", "-"]
    prefix = ["env", *KEYS, *get, "-r", "oss://bkt/files/", "--endpoint", "{endpoint}"]
    return {
        "longhaul, 100,000 URLs": ("longhaul", SOME, [*get, "-i", "{some}"], False),
        "longhaul, 100,000 URLs, all there": ("longhaul", SOME, [*get, "-i", "{some}"], True),
        "curl --parallel, 100,000 URLs": ("curl", SOME, curl, False),
        "wget2 -i, 100,000 URLs": ("wget2", SOME, wget2, False),
        "longhaul, 1,000,000 URLs from stdin": ("longhaul", MANY, stdin, False),
        "longhaul, 1,000,000 URLs from stdin, all there": ("longhaul", MANY, stdin, True),
        "longhaul, a prefix of 1,000,000 keys": ("longhaul", MANY, prefix, False),
        "longhaul, a prefix of 1,000,000 keys, all there": ("longhaul", MANY, prefix, True),
    }


def run(bench, scenario):
    table = commands(bench.tools.longhaul)
    can, left_out = bench.choose(p.Program(name, tool, None, ()) for name, (tool, *_) in table.items())
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="longhaul-bench-") as scratch, \
            http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listing) as listing:
        scratch = pathlib.Path(scratch)
        threading.Thread(target=listing.serve_forever, daemon=True).start()
        served = scratch / "served"
        served.mkdir()
        make_file(served / "some", scenario.size)
        make_file(served / "none", 0)
        more = (f"location /some/ {{ try_files /some =404; }} location /none/ {{ try_files /none =404; }} location /bkt/ "
                f"{{ if ($args ~ list-type=) {{ proxy_pass http://127.0.0.1:{listing.server_address[1]}; }} try_files /none =404; }}")
        with Server(bench, served, more=more) as server:
            base = f"http://{server.host}:{server.port}"
            values = {"some": scratch / "some", "many": scratch / "many", "config": scratch / "config", "endpoint": base}
            for name, folder, count in (("some", "some", SOME), ("many", "none", MANY)):
                with open(values[name], "w", encoding="ascii") as f:
                    f.writelines(f"{base}/{folder}/of/a/list/{n:08}.bin\n" for n in range(count))

            def run_one(name, _):
                _, count, words, there = table[name]
                folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
                to = folder / "to"
                with open(values["config"], "w", encoding="ascii") as f:
                    f.writelines(f'url = "{base}/some/{n:08}.bin"\noutput = "{to}/{n:08}.bin"\n' for n in range(SOME))
                (folder / "state").mkdir()
                to.mkdir()
                command = [str(word).format(**values, dir=to, state=folder / "state") for word in words]
                try:
                    before = bench.measure(command, timeout_s=PATIENCE_S) if there else {}
                    sample = before if "failed" in before else bench.measure(command, timeout_s=PATIENCE_S)
                    found = sum(1 for _ in to.iterdir())
                    if "failed" not in sample and found != count:
                        sample["failed"] = f"{found} files of {count}"
                finally:
                    shutil.rmtree(folder)
                return sample

            load = bench.load()
            runs = interleave(can, run_one, bench.rounds(scenario), bench.warm_up(scenario), scenario.name)
        listing.shutdown()
    rows = []
    for name, samples in runs.items():
        peak, wall, cpu = (median(samples, key) for key in ("peak_kib", "wall_s", "cpu_s"))
        most = spread(samples, "peak_kib")
        each = cpu and cpu / table[name][1] * 1e6
        rows.append([name, number(peak and peak / 1024, 1), number(most and most[1] / 1024, 1), number(wall, 1), number(each, 0)])
    shown_as = {"dir": "DIR", "state": "STATE", "some": "URLS", "many": "URLS", "config": "CONFIG", "endpoint": "http://HOST:PORT"}
    shown = {name: shlex.join("longhaul" if word == bench.tools.longhaul else str(word).format(**shown_as)
                              for word in table[name][2]) for name in can}
    settings = {"each": f"{scenario.size} bytes, of the millions none", "on": "a tmpfs", "at once": "16"}
    return Report(scenario.name, settings, ["", "peak MiB", "most", "wall s", "CPU us a file"], rows, [], shown, left_out, runs,
                  bench.rounds(scenario), load)
