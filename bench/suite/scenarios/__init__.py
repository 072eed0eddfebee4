"""What is measured, a file per question. `ALL` has them in the order in which they run."""

from dataclasses import dataclass
from typing import Callable

from . import interrupted, kills, known, lines, long_lists, memory, networks, small_files, start_up, stores, streams, uploads


@dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    run: Callable
    """Takes the bench and this scenario, gives a `Report`."""
    rounds: int
    warm_up: int = 0
    size: int | None = None


GIB, MIB, MB = 1 << 30, 1 << 20, 1_000_000

ALL = [
    Scenario("one-stream", "1 GiB over plain HTTP on loopback, one connection", streams.one, 5, 1, GIB),
    Scenario("four-streams", "the same with four connections", streams.four, 5, 1, GIB),
    Scenario("one-stream-tls", "1 GiB over HTTPS, one connection", streams.one_tls, 5, 1, GIB),
    Scenario("four-streams-tls", "the same with four connections", streams.four_tls, 5, 1, GIB),
    Scenario("memory", "peak memory with 1, 4 and 16 connections", memory.run, 3, 0, GIB),
    Scenario("upload", "1 GiB to a server that drops it, on loopback", uploads.run, 5, 1, GIB),
    Scenario("from-stores", "1 GiB by its URL, and as an object of OSS and of S3", stores.downloads, 5, 1, GIB),
    Scenario("upload-kills", "an upload, six times kill -9 after 3 to 6 MB, then left to finish", interrupted.kills, 3, 0, 40 * MB),
    Scenario("upload-ten-kills", "an upload, ten times kill -9 on its way, then left to finish", interrupted.ten, 3, 0, 200 * MB),
    Scenario("upload-thirty-kills", "an upload, kill -9 after each 3 to 6 MB, thirty times at most", interrupted.thirty, 2, 0, 40 * MB),
    Scenario("upload-phone", "an upload over 2 Mbit/s, kill -9 every 15 s", interrupted.phone, 3, 0, 12 * MB),
    Scenario("upload-quick", "an upload over 100 Mbit/s, 20 ms", lines.quick, 3, 0, 200 * MB),
    Scenario("upload-fat", "an upload over 500 Mbit/s, 100 ms", lines.fat, 3, 0, 200 * MB),
    Scenario("long-list", "going on with an upload of 10,000 parts", stores.long_list, 3, 0, GIB),
    Scenario("start-up", "--version, and a download of one byte", start_up.run, 20, 1),
    Scenario("known-transfers", "list, show and get with 10,000 transfers on record", known.run, 5, 1),
    Scenario("small-files", "5,000 files of 16 KiB, to the disk", small_files.on_disk, 5, 1, 16 << 10),
    Scenario("small-files-in-memory", "the same to a tmpfs, with calls counted", small_files.in_memory, 5, 1, 16 << 10),
    Scenario("long-lists", "100,000 and a million URLs, and a prefix of a million keys: memory", long_lists.run, 1, 0, 64),
    Scenario("kills", "ten times kill -9, then left to finish", kills.run, 3, 0, 200 * MB),
    Scenario("fat-pipe", "500 Mbit/s, 100 ms", networks.fat, 3, 0, 200 * MB),
    Scenario("lossy-pipe", "500 Mbit/s, 100 ms, 1 % random loss", networks.lossy, 2, 0, 200 * MB),
    Scenario("thin-pipe", "50 Mbit/s, 300 ms", networks.thin, 3, 0, 200 * MB),
    Scenario("fat-pipe-short", "20 MB over 500 Mbit/s, 100 ms", networks.fat, 3, 0, 20 * MIB),
    Scenario("lossy-pipe-short", "20 MB over 500 Mbit/s, 100 ms, 1 % random loss", networks.lossy, 3, 0, 20 * MIB),
    Scenario("lossy-pipe-bbr", "200 MB over the same line, TCP with bbr", networks.lossy_bbr, 2, 0, 200 * MB),
    Scenario("thin-pipe-short", "20 MB over 50 Mbit/s, 300 ms", networks.thin, 3, 0, 20 * MIB),
    Scenario("mobile", "10 MB over 20 Mbit/s, 80 ms, 0.5 % random loss", networks.mobile, 3, 0, 10 * MB),
    Scenario("few-losses", "20 MB over 100 Mbit/s, 60 ms, 0.1 % random loss", networks.few_losses, 3, 0, 20 * MIB),
    Scenario("rationed", "20 Mbit/s for each connection", networks.rationed, 3, 0, 50 * MIB),
    Scenario("deep-queue", "8 MB over 10 Mbit/s, 40 ms, a queue of 1 MiB", networks.deep_queue, 3, 0, 8 * MB),
    Scenario("slow-connection", "one of eight connections at 1 % of the speed", networks.slow, 3, 0, 200 * MB),
    Scenario("limited-connections", "a server that answers 1, 2 or 4 connections", networks.limited, 2, 0, 200 * MB),
    Scenario("link", "is the emulated link what it says? (ping, curl)", networks.check, 1),
]
