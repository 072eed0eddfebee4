"""An nginx of the benchmark's own: its own configuration, its own certificates. The system's is left alone."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from .measure import end, environment

ANSWER_WITHIN_S = 10
SETTLE_WITHIN_S = 60

CONF = """
daemon off;
worker_processes {workers};
{user}
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    log_format bench '$connection $status $body_bytes_sent $request_uri "$http_range"';
    access_log {log};
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    limit_conn_zone $server_name zone=all:1m;
    limit_conn_log_level info;
    server {{
        listen {listen}:{port}{ssl}{listen_more};
        server_name bench;
        {limit}
        {certificate}
        root {root};
        {more}
    }}
    server {{
        listen unix:{dir}/status;
        access_log off;
        location / {{ stub_status; }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """nginx, until the end of the `with` block.

    `log`: whether it writes what it sent. `limit`: how many requests it answers at once, and the status of its refusals.
    `send_buffer`: bytes that the kernel may hold for a connection; what is in there when a client dies was sent for nothing.
    `more`: other lines of its configuration.
    """

    def __init__(self, bench, root, host="127.0.0.1", namespace=None, authority=None, log=False, limit=None,
                 send_buffer=None, workers=1, more=""):
        self.bench = bench
        self.dir = bench.folder("nginx")
        self.host, self.namespace, self.authority = host, namespace, authority
        self.port = 8080 if namespace else free_port()
        self.access = self.dir / "access.log"
        certificate = f"ssl_certificate {authority.certificate}; ssl_certificate_key {authority.key};" if authority else ""
        self.conf = self.dir / "nginx.conf"
        self.conf.write_text(CONF.format(
            dir=self.dir, port=self.port, root=root, workers=workers,
            listen="0.0.0.0" if namespace else host,  # there, the address comes and goes with the link
            user="user root;" if os.geteuid() == 0 else "",
            log=f"{self.access} bench" if log else "off",
            ssl=" ssl" if authority else "",
            listen_more=f" sndbuf={send_buffer}" if send_buffer else "",
            limit=f"limit_conn all {limit[0]}; limit_conn_status {limit[1]};" if limit else "",
            certificate=certificate,
            more=more,
        ))

    def __enter__(self):
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if not nginx:
            sys.exit("bench: nginx is not installed (apt-get install nginx-light)")
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        error = self.dir / "error.log"
        command = [*inside, nginx, "-e", error, "-p", self.dir, "-c", self.conf]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        env=environment(self.bench.home))
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while self._busy() is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                end(self.process)
                sys.exit(f"bench: nginx does not answer\n{error.read_text() if error.exists() else ''}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        end(self.process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _busy(self):
        """Connections that are open, our own left out; None while it does not answer. Over a socket in the file system:
        that one does not care about namespaces."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(str(self.dir / "status"))
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                text = b""
                while chunk := client.recv(4096):
                    text += chunk
            return int(text.split(b"Active connections:")[1].split()[0]) - 1
        except (OSError, IndexError):
            return None

    def settle(self):
        """Waits until it has noticed that all clients are gone: only then is everything in its log."""
        deadline = time.monotonic() + SETTLE_WITHIN_S
        while self._busy() != 0 and time.monotonic() < deadline:
            time.sleep(0.05)

    def served(self, since=0):
        """(bytes of bodies sent, requests, connections, refusals) that the log tells from byte `since` on."""
        sent, requests, connections, refused = 0, 0, set(), 0
        with open(self.access, "rb") as log:
            log.seek(since)
            for line in log:
                connection, status, body = line.split()[:3]
                requests += 1
                connections.add(connection)
                if status in (b"200", b"206"):
                    sent += int(body)
                elif status in (b"429", b"503"):
                    refused += 1
        return {"served": sent, "requests": requests, "connections": len(connections), "refused": refused}

    def log_end(self):
        return self.access.stat().st_size if self.access.exists() else 0


class Authority:
    """A certificate authority and a certificate for 127.0.0.1, made for this run."""

    def __init__(self, directory):
        self.ca = directory / "ca.pem"
        self.certificate, self.key = directory / "server.pem", directory / "server.key"
        ca_key, request, extra = directory / "ca.key", directory / "server.csr", directory / "server.ext"
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        extra.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
        openssl(["req", "-x509", *new_key, "-days", "2", "-subj", "/CN=bench authority", "-keyout", ca_key, "-out", self.ca])
        openssl(["req", *new_key, "-subj", "/CN=127.0.0.1", "-keyout", self.key, "-out", request])
        openssl(["x509", "-req", "-days", "2", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial",
                 "-extfile", extra, "-out", self.certificate])


def openssl(words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"bench: openssl {words[0]}: {done.stderr}")


def make_file(path: pathlib.Path, length):
    """Random bytes, all of them on disk: a sparse file would be served from nowhere."""
    with open(path, "wb") as f:
        left = length
        while left > 0:
            f.write(os.urandom(min(left, 1 << 20)))
            left -= min(left, 1 << 20)
        f.flush()
        os.fsync(f.fileno())


def read_through(path):
    """Into the page cache, or shown to be there."""
    with open(path, "rb", buffering=0) as f:
        while f.read(1 << 20):
            pass
