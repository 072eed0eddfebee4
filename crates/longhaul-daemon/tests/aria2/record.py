#!/usr/bin/env python3
"""Asks aria2c what it answers, and writes it to wire.json beside this file, which the tests compare with.

    python3 record.py

Everything stays on loopback: aria2c listens there, and its entries are held and lead to a port that is closed.
"""

import http.client
import json
import pathlib
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).parent
LINK = "http://127.0.0.1:9/a.bin"
FIRST, SECOND, ABSENT = "00000000000000a1", "00000000000000a2", "00000000000000ff"

# Bodies that are no call.
ENVELOPES = [
    '{"method":"aria2.getGlobalStat"}',
    '{"id":1}',
    '{"id":1,"method":5}',
    '{"id":"x","method":null}',
    '{"id":1,"method":"aria2.getGlobalStat","params":{}}',
    '{"id":1,"method":"aria2.getGlobalStat","params":"x"}',
    "{nonsense",
    "[]",
    "[1]",
    "5",
    "null",
    '"a"',
    "",
]

BAD_OPTIONS = [
    {"split": "x"},
    {"split": "0"},
    {"pause": "maybe"},
    {"checksum": "sha-256"},
    {"checksum": "sha-256=zz"},
    {"checksum": "sha-999=00"},
    {"max-download-limit": "foo"},
    {"max-connection-per-server": "0"},
    {"remote-time": "yes"},
    {"allow-overwrite": "1"},
    {"lowest-speed-limit": "1X"},
    {"max-tries": "some"},
    {"min-split-size": "big"},
]


def calls():
    """Calls in order; each as the method and its parameters."""
    gid_methods = ["tellStatus", "pause", "unpause", "remove", "forceRemove", "forcePause", "getOption", "getUris"]
    gid_methods += ["getFiles", "getServers", "getPeers", "removeDownloadResult"]
    for method in gid_methods:
        for params in [[], [ABSENT], ["zz"], [5], ["00000000000000a"], [""], [FIRST + "0"]]:
            yield method, params
    yield "foo", []
    yield "addUri", []
    yield "addUri", ["http://x/"]
    yield "addUri", [[]]
    yield "addUri", [[5]]
    yield "addUri", [[LINK], []]
    yield "addUri", [[LINK], {"pause": "true"}, -1]
    yield "addUri", [[LINK], {"pause": "true"}, "1"]
    yield "addMetalink", []
    yield "addTorrent", []
    yield "tellStatus", [FIRST, "gid"]
    yield "tellStatus", [FIRST, ["gid", "status", "nonsense", 5]]
    yield "tellStatus", ["00000000000000A1", ["gid"]]
    yield "tellStatus", [FIRST, ["gid", "status", "files", "completedLength", "connections", "downloadSpeed"]]
    yield "tellStatus", [FIRST, ["totalLength", "uploadLength", "uploadSpeed", "numPieces", "pieceLength"]]
    yield "tellStatus", [FIRST, ["bitfield", "errorCode", "errorMessage", "verifiedLength", "infoHash", "followedBy"]]
    yield "pause", [FIRST]
    yield "getUris", [FIRST]
    yield "getFiles", [FIRST]
    yield "getServers", [FIRST]
    yield "removeDownloadResult", [FIRST]
    for params in [[], [0], ["0", 1], [0, "1"], [0, -1], [-1, -1], [5, 5], [-9, 3], [0, 0]]:
        yield "tellWaiting", params
        yield "tellStopped", params
    for params in [[0, 1000, ["gid"]], [-1, 1000, ["gid"]], [-2, 1000, ["gid"]], [1, 1, ["gid"]], [-1, 1, ["gid"]]]:
        yield "tellWaiting", params
    yield "tellWaiting", [0, 2, "gid"]
    yield "tellActive", [["gid"]]
    yield "tellActive", ["gid"]
    for params in [[], [FIRST], [FIRST, 1], [FIRST, 1, "POS_X"], [FIRST, "1", "POS_SET"], [ABSENT, 5, "POS_END"]]:
        yield "changePosition", params
    for pos, how in [(1, "POS_SET"), (0, "POS_SET"), (99, "POS_SET"), (-99, "POS_CUR"), (1, "POS_CUR"), (-1, "POS_END"),
                     (5, "POS_END"), (-5, "POS_SET"), (0, "POS_END"), (0, "POS_SET")]:
        yield "changePosition", [FIRST, pos, how]
        yield "tellWaiting", [0, 1000, ["gid"]]
    yield "changeOption", [FIRST]
    yield "changeOption", [FIRST, {"split": "x"}]
    yield "changeOption", [FIRST, []]
    yield "changeOption", [FIRST, {"foo": "x"}]
    yield "changeOption", [FIRST, {"max-download-limit": "20K"}]
    yield "changeGlobalOption", []
    yield "changeGlobalOption", [{"max-concurrent-downloads": "x"}]
    yield "changeGlobalOption", [{"max-concurrent-downloads": "0"}]
    yield "changeGlobalOption", [{"nope": "0"}]
    yield "changeGlobalOption", [{"max-overall-download-limit": "1M"}]
    yield "changeUri", []
    yield "changeUri", [FIRST]
    yield "changeUri", [FIRST, 0, [], []]
    yield "changeUri", [ABSENT, 1, [], []]
    yield "changeUri", [FIRST, 1, [], []]
    yield "changeUri", [FIRST, 1, ["nope"], ["http://127.0.0.1:9/b.bin"]]
    yield "getUris", [FIRST]
    yield "changeUri", [FIRST, 1, [LINK], ["http://127.0.0.1:9/c.bin"], 0]
    yield "getUris", [FIRST]
    yield "getGlobalStat", []
    yield "purgeDownloadResult", []
    yield "system.multicall", []
    yield "system.multicall", ["x"]
    yield "system.multicall", [[
        {"methodName": "aria2.tellStatus", "params": [FIRST, ["gid"]]}, {"methodName": "aria2.foo"}, 5, {"params": []},
        {"methodName": "system.multicall", "params": [[]]}, {"methodName": "aria2.tellStatus", "params": ["zz"]},
    ]]
    yield "system.listMethods", []
    yield "system.listNotifications", []


def answer_to(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/jsonrpc", body.encode())
    reply = connection.getresponse()
    text = reply.read().decode().replace("\\/", "/")
    connection.close()
    return reply.status, text


def call(port, method, params):
    name = method if "." in method else f"aria2.{method}"
    return answer_to(port, json.dumps({"id": "x", "method": name, "params": params}))


def record(port, folder):
    envelopes = []
    for body in ENVELOPES:
        status, answer = answer_to(port, body)
        envelopes.append({"body": body, "status": status, "answer": answer})
    options = []
    for bad in BAD_OPTIONS:
        _, answer = call(port, "addUri", [[LINK], bad])
        options.append({"options": bad, "message": json.loads(answer)["error"]["message"]})
    for gid in (FIRST, SECOND):
        status, answer = call(port, "addUri", [[LINK], {"gid": gid, "pause": "true", "out": f"{gid}.bin"}])
        assert status == 200, answer
    answers = []
    for method, params in calls():
        status, answer = call(port, method, params)
        answer = json.loads(answer.replace(str(folder), "DIR"))
        kept = "result" if "result" in answer else "error"
        answers.append({"method": method, "params": params, "status": status, kept: answer[kept]})
    return {"aria2": json.loads(call(port, "getVersion", [])[1])["result"]["version"], "envelopes": envelopes,
            "bad_options": options, "calls": answers}


def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        aria2 = subprocess.Popen(["aria2c", "--no-conf", f"--dir={folder}", "--quiet", "--enable-rpc",
                                  f"--rpc-listen-port={port}"])
        try:
            for _ in range(600):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.1)
            recorded = record(port, folder)
        finally:
            aria2.kill()
            aria2.wait()
    parts = [f'"aria2": {json.dumps(recorded["aria2"])}']
    for key in ("envelopes", "bad_options", "calls"):
        parts.append(f'"{key}": [\n' + ",\n".join(json.dumps(case) for case in recorded[key]) + "\n]")
    (HERE / "wire.json").write_text("{" + ",\n".join(parts) + "}\n")


main()
