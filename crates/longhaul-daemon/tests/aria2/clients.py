"""What the client aioaria2 hears, over HTTP and over WebSocket: one line a step, the same for aria2 and for longhaul.

RPC_PORT, RPC_SECRET and FOLDER say where.
"""

import asyncio
import http.server
import json
import os
import pathlib
import re
import threading
import time

import aioaria2
import aiohttp

PORT, SECRET, FOLDER = (os.environ[name] for name in ("RPC_PORT", "RPC_SECRET", "FOLDER"))
URL = f"127.0.0.1:{PORT}/jsonrpc"
BYTES = b"longhaul\n" * 20000


class Origin(http.server.BaseHTTPRequestHandler):
    """/NAME whole; /slow a few bytes a moment, for as long as it is wanted; /denied 403."""

    def do_GET(self):
        if self.path.startswith("/denied"):
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        slow = self.path.startswith("/slow")
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 20 if slow else len(BYTES)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        if not slow:
            self.wfile.write(BYTES)
            return
        try:
            for _ in range(2000):
                self.wfile.write(bytes(512))
                time.sleep(0.02)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def say(step, what):
    print(f"{step}: {json.dumps(what, sort_keys=True)}", flush=True)


async def until(what, condition):
    end = time.monotonic() + 60
    while not await condition():
        assert time.monotonic() < end, f"this never came: {what}"
        await asyncio.sleep(0.02)


async def ended(call):
    """What a call ends with, in a form that can be compared."""
    try:
        return await call
    except aioaria2.exceptions.Aria2rpcException as error:
        # The number of the call depends on how often it was asked before.
        return {"error": re.sub(r"'id': \d+", "'id': N", str(error))}


async def talk(name, client, base, events):
    async def status(gid):
        return (await client.tellStatus(gid, ["status"]))["status"]

    async def heard(count):
        async def enough():
            return events is None or len(events) >= count

        await until(f"event {count} of {name}", enough)

    async def is_now(gid, wanted):
        async def so():
            return await status(gid) == wanted

        await until(wanted, so)

    version = (await client.getVersion())["version"]
    say(f"{name} version", version.count("."))
    whole, slow, denied = (f"{0xC0000000 + number + 16 * len(name):016x}" for number in range(3))
    file = f"{name}.bin"
    say(f"{name} add", await client.addUri([f"{base}/a"], {"gid": whole, "pause": "true", "out": file}))
    say(f"{name} waiting", await client.tellWaiting(0, 10, ["gid", "status"]))
    say(f"{name} unpause", await client.unpause(whole))
    await is_now(whole, "complete")
    say(f"{name} complete", await client.tellStatus(whole, ["status", "totalLength", "completedLength", "errorCode"]))
    say(f"{name} file", (pathlib.Path(FOLDER) / file).read_bytes() == BYTES)
    await heard(2)
    say(f"{name} add slow", await client.addUri([f"{base}/slow"], {"gid": slow, "out": f"slow-{file}"}))
    await is_now(slow, "active")
    await heard(3)
    say(f"{name} pause", await client.forcePause(slow))
    say(f"{name} paused", await client.tellStatus(slow, ["gid", "status"]))
    await heard(4)
    say(f"{name} unpause", await client.unpause(slow))
    await heard(5)
    await is_now(slow, "active")
    say(f"{name} remove", await client.forceRemove(slow))
    await is_now(slow, "removed")
    await heard(6)
    say(f"{name} add denied", await client.addUri([f"{base}/denied"], {"gid": denied}))
    await is_now(denied, "error")
    await heard(8)
    for gid in (slow, denied):
        say(f"{name} forget", await client.removeDownloadResult(gid))
    say(f"{name} forgotten", await ended(client.tellStatus(slow)))
    calls = [{"methodName": "aria2.tellStatus", "params": [gid, ["gid"]]} for gid in (whole, denied)]
    say(f"{name} multicall", await client.multicall(calls))
    say(f"{name} methods", len(await client.listMethods()))
    if events is not None:
        say(f"{name} events", [f"{event} {[whole, slow, denied].index(gid)}" for event, gid in events])


async def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    async with aioaria2.Aria2HttpClient(f"http://{URL}", token=SECRET) as client:
        await talk("aioaria2-http", client, base, None)
    async with aiohttp.ClientSession() as session:
        batch = [{"id": number, "method": "aria2.tellStatus", "params": [f"token:{SECRET}", "zz"]} for number in (1, 2)]
        async with session.post(f"http://{URL}", data=json.dumps(batch)) as reply:
            say("batch", [reply.status, reply.headers["Content-Type"], json.loads(await reply.text())])
    client = await aioaria2.Aria2WebsocketClient.new(f"http://{URL}", token=SECRET)
    events = []

    async def told(_, data):
        events.append((data["method"].removeprefix("aria2.onDownload"), data["params"][0]["gid"]))

    for event in ("Start", "Pause", "Stop", "Complete", "Error"):
        client.register(told, f"aria2.onDownload{event}")
    await talk("aioaria2-ws", client, base, events)
    await client.close()


asyncio.run(main())
