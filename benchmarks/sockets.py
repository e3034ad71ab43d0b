"""A thousand sockets, each one report a second, on one web process: what it costs, and how late the others hear of it.

Ten sockets watch each gallery. Beside it, in the same run, a consumer that tells every report to its group at once.
Three sizes and the peer take some three minutes, never more than four. `SOCKETS=100,300` makes a short run. Nothing
leaves this machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from benchmarks import _places
from benchmarks._report import Line, at_most, show
from dev import python_packages
from dev.places import ROOT
from dev.processes import Server, free_port, port_is_taken
from dev.product import SOCKET_OPTIONS
from dev.services import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

SOCKETS: Final = tuple(int(word) for word in os.environ.get("SOCKETS", "100,300,1000").split(","))
WATCHERS: Final = int(os.environ.get("WATCHERS", "10"))
MEASURED_S: Final = float(os.environ.get("MEASURED_S", "10"))
WARM_S: Final = 4.0
REPORT_EVERY_S: Final = 1.0
OPENED_AT_ONCE: Final = 20
OPENED_WITHIN_S: Final = 35.0
# What begins later would end too late, and is left out: that is a budget missed.
BEGUN_WITHIN_S: Final = 175.0
FULL: Final = 1_000
MAX_CPU: Final = 60.0
MAX_P99_MS: Final = 500.0
WITHIN_S: Final = 30.0
OURS: Final = "config.asgi:application"
NAIVE: Final = "benchmarks._naive_sockets:application"
BEGAN: Final = time.monotonic()


@dataclass(frozen=True)
class Place:
    """A gallery with its sockets: each sends of one upload."""

    gallery_id: str
    token: str
    upload_ids: Sequence[str]


@dataclass
class Tally:
    """Of the time measured. `sent_s`: when which count of reports of a gallery had been sent."""

    sent_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    sent_at: dict[tuple[str, int], float] = field(default_factory=dict)
    delays_ms: list[float] = field(default_factory=list)
    message_count: int = 0
    report_count: int = 0
    is_measuring: bool = False


@dataclass(frozen=True)
class Result:
    opening_s: float
    cpu: float
    rss_mb: float
    p50_ms: float
    p99_ms: float
    message_count: int
    report_count: int
    commit_count: int


async def drive(places: Sequence[Place], port: int, pid: int, database: Path) -> Result | None:
    """None where not all sockets opened in time."""
    tally, process = Tally(), psutil.Process(pid)
    gate = asyncio.Semaphore(OPENED_AT_ONCE)
    began = time.monotonic()
    try:
        async with asyncio.timeout(OPENED_WITHIN_S):
            sockets = await asyncio.gather(*(opened(place, port, gate) for place in places))
    except (TimeoutError, OSError, WebSocketException) as err:
        print(f"  not open: {err!r}", file=sys.stderr)
        return None
    opening_s = time.monotonic() - began
    async with asyncio.timeout(WITHIN_S):
        jobs = [
            asyncio.create_task(job)
            for place, of_place in zip(places, sockets, strict=True)
            for number, socket in enumerate(of_place)
            for job in (talk(socket, place, number, tally), listen(socket, place, tally))
        ]
        await asyncio.sleep(WARM_S)
        watch = sqlite3.connect(database)
        versions = [data_version(watch)]
        cpu_s, began = cpu_of(process), time.monotonic()
        tally.is_measuring = True
        for _ in range(int(MEASURED_S)):
            await asyncio.sleep(1)
            versions.append(data_version(watch))
        tally.is_measuring = False
        cpu = 100 * (cpu_of(process) - cpu_s) / (time.monotonic() - began)
        rss_mb = process.memory_info().rss / 1e6
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        for socket in (each for of_place in sockets for each in of_place):
            socket.transport.abort()
    cuts = statistics.quantiles(tally.delays_ms or [0.0, 0.0], n=100)
    commits = sum(one != other for one, other in pairwise(versions))
    return Result(
        opening_s, cpu, rss_mb, cuts[49], cuts[98], tally.message_count, tally.report_count, commits
    )


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def data_version(connection: sqlite3.Connection) -> int:
    """Another one whenever somebody else has committed. https://www.sqlite.org/pragma.html#pragma_data_version"""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


async def opened(place: Place, port: int, gate: asyncio.Semaphore) -> list[ClientConnection]:
    url = f"ws://127.0.0.1:{port}/ws/galleries/{place.gallery_id}/"
    headers = {"Authorization": f"Bearer {place.token}"}
    sockets = []
    for _ in place.upload_ids:
        async with gate:
            socket = await connect(
                url, additional_headers=headers, compression=None, open_timeout=20, max_queue=None
            )
            await socket.recv()
            sockets.append(socket)
    return sockets


async def talk(socket: ClientConnection, place: Place, number: int, tally: Tally) -> None:
    """One byte more each time, so that the sum of a gallery is the number of its reports."""
    upload_id = place.upload_ids[number]
    await asyncio.sleep(hash((place.gallery_id, number)) % 1000 / 1000 * REPORT_EVERY_S)
    due = time.monotonic()
    for stored in range(1, 1_000):
        now = time.monotonic()
        tally.sent_s[place.gallery_id].append(now)
        tally.sent_at[(upload_id, stored)] = now
        tally.report_count += tally.is_measuring
        await socket.send(json.dumps({"type": "progress", "uploads": [[upload_id, stored, 0]]}))
        due += REPORT_EVERY_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def listen(socket: ClientConnection, place: Place, tally: Tally) -> None:
    heard = 0
    async for text in socket:
        now, message = time.monotonic(), json.loads(text)
        if message["type"] != "progress":
            continue
        times = tally.sent_s[place.gallery_id]
        if "totals" in message:
            taken = message["totals"]["bytes"]
            news, heard = times[heard:taken], max(heard, taken)
        else:
            news = [tally.sent_at[(upload_id, stored)] for upload_id, stored, _ in message["uploads"]]
        if tally.is_measuring:
            tally.message_count += 1
            tally.delays_ms += [1000 * (now - sent_s) for sent_s in news]


@contextmanager
def web(application: str, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """One process, as `make run` starts it. Its port and pid."""
    port = free_port()
    words = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning")
    command = [sys.executable, "-m", "uvicorn", application, *words, *SOCKET_OPTIONS]
    server = Server(command, log=folder / "web.log", env=environment, cwd=ROOT)
    try:
        deadline = time.monotonic() + WITHIN_S
        while not port_is_taken(port):
            if time.monotonic() > deadline or not server.is_running():
                raise RuntimeError((folder / "web.log").read_text()[-2_000:])
            time.sleep(0.05)
        yield port, server.pid
    finally:
        server.kill()


@contextmanager
def product_without_web(folder: Path) -> Iterator[dict[str, str]]:
    """A Redis, and the database that is in the folder."""
    server = redis.start(folder / "redis", python_packages.ensure_redis())
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SITE_URL"}}
    environment = {
        **kept,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(folder),
        "SECRET_KEY": "of sites that live as long as a benchmark",
        "REDIS_URL": server.url,
    }
    try:
        yield environment
    finally:
        server.stop()


def run(environment: Mapping[str, str], *words: str) -> str:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


@contextmanager
def empty_database() -> Iterator[Path]:
    """To be copied: made once, as it takes some seconds."""
    with _places.folder() as folder:
        with product_without_web(folder) as environment:
            run(environment, "-m", "dev.prepare_data")
        yield folder / "db.sqlite3"


def measured(application: str, count: int, database: Path) -> Result | None:
    """Everything new for each case."""
    if time.monotonic() - BEGAN > BEGUN_WITHIN_S:
        return None
    with _places.folder() as folder:
        shutil.copy(database, folder / "db.sqlite3")
        with product_without_web(folder) as environment:
            return measured_in(folder, environment, application, count)


def measured_in(folder: Path, environment: Mapping[str, str], application: str, count: int) -> Result | None:
    sizes = [len(range(first, min(first + WATCHERS, count))) for first in range(0, count, WATCHERS)]
    filled = json.loads(
        run(environment, "-m", "benchmarks._fill_sockets", ",".join(map(str, sizes))).splitlines()[-1]
    )
    places = [
        Place(gallery_id, filled["tokens"][owner], upload_ids)
        for gallery_id, owner, upload_ids in filled["galleries"]
    ]
    with web(application, folder, environment) as (port, pid):
        return asyncio.run(drive(places, port, pid, folder / "db.sqlite3"))


def lines_of(count: int, ours: Result | None, naive: Result | None) -> list[Line]:
    if ours is None:
        return [Line(f"{count} sockets", "not measured in time", is_within=False)]
    is_bound = count >= max(SOCKETS) and count >= FULL
    say = at_most if is_bound else figure

    def peer(words: Callable[[Result], str]) -> str:
        return "not measured in time" if naive is None else words(naive)

    def line(what: str, words: Callable[[Result], str]) -> Line:
        return Line(f"{count} sockets: {what}", words(ours), peer(words))

    cpu, p99 = peer(lambda each: f"{each.cpu:.0f} %"), peer(lambda each: f"{each.p99_ms:,.0f} ms")
    return [
        say(f"{count} sockets: CPU of the web process", ours.cpu, MAX_CPU, unit="%", peer=cpu),
        say(f"{count} sockets: p99 of delivery", ours.p99_ms, MAX_P99_MS, unit="ms", peer=p99),
        line("p50 of delivery", lambda each: f"{each.p50_ms:,.0f} ms"),
        line("all open after", lambda each: f"{each.opening_s:.1f} s"),
        line("reports sent a second", lambda each: f"{each.report_count / MEASURED_S:,.0f}"),
        line("messages heard a second", lambda each: f"{each.message_count / MEASURED_S:,.0f}"),
        line("memory of the web process", lambda each: f"{each.rss_mb:,.0f} MB"),
        at_most(
            f"{count} sockets: seconds with a database write",
            ours.commit_count,
            0,
            unit="s",
            peer=peer(lambda each: f"{each.commit_count} s"),
        ),
    ]


def figure(what: str, value: float, _limit: float, *, unit: str, peer: str) -> Line:
    return Line(what, f"{value:,.4g} {unit}", peer)


def main() -> int:
    wanted = 2 * max(SOCKETS) + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    lines = []
    with empty_database() as database:
        for count in SOCKETS:
            lines += lines_of(count, measured(OURS, count, database), measured(NAIVE, count, database))
    print(f"  {time.monotonic() - BEGAN:.0f} s altogether", file=sys.stderr)
    return show(f"Sockets: {WATCHERS} a gallery, each one report a second", lines)


if __name__ == "__main__":
    sys.exit(main())
