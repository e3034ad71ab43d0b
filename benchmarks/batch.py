"""Registering and signing a thousand files over HTTP, beside Uppy Companion and a loop of boto3.

Ours registers each file in the database and signs its length, type and checksum; Companion signs one POST
policy a request and keeps nothing. Everything runs on the same cores, the client too.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import statistics
import sys
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
import psutil
from botocore.config import Config

from benchmarks import _places, _slow_store
from benchmarks._browser import signal_all
from benchmarks._http import Answer, Ask, ask_all
from benchmarks._peers import companion_path, running_companion
from benchmarks._report import Line, at_most, interleaved, median_ratio, percentile, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dev.services.postgres import PostgresServer
    from dev.services.site import Site
    from dev.services.swift import SwiftServer

FILES: Final = 1_000
BATCH_ITEMS: Final = 100
REPETITIONS: Final = 7
COMPANION_AT_ONCE: Final = (6, 20, 100)
TIMES_COMPANION: Final = 5.0
BATCH_P95_S: Final = 0.300
PHOTO_BYTES: Final = 3_000_000
LARGE_BYTES: Final = 20_000_000
# The first leaves no doubt that they wait together; at the second the CPU of a hundred calls weighs as much.
STORE_LATENCIES_S: Final = (0.25, 0.05)
SESSIONS_AT_ONCE: Final = 50


@dataclass
class Caller:
    """A signed-in program at one site, with the time of each batch it sent."""

    site: Site
    token: str
    took_s: list[float] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def ask(self, asks: Sequence[Ask], *, at_once: int = 1) -> list[Answer]:
        return asyncio.run(ask_all("127.0.0.1", self.site.port, asks, at_once=at_once))

    def new_gallery(self) -> str:
        body = json.dumps({"title": "Batch"}).encode()
        created = self.ask([Ask("POST", "/api/galleries", self.headers, body)])
        return str(json.loads(created[0].body)["id"])

    def batch_of(self, gallery_id: str, *, count: int = BATCH_ITEMS, size: int = PHOTO_BYTES) -> Ask:
        files = [declared(number, size) for number in range(count)]
        body = json.dumps({"files": files}).encode()
        return Ask("POST", f"/api/galleries/{gallery_id}/uploads/batch", self.headers, body)

    def register_all(self, *, at_once: int) -> float:
        """Seconds for all files, in a new gallery, each answered with its signed request."""
        gallery_id = self.new_gallery()
        asks = [self.batch_of(gallery_id) for _ in range(FILES // BATCH_ITEMS)]
        began = time.perf_counter()
        answers = self.ask(asks, at_once=at_once)
        took_s = time.perf_counter() - began
        refuse_unsigned(answers)
        if at_once == 1:
            self.took_s += [answer.took_s for answer in answers]
        # What a person has open is counted at each batch, and nobody has all repetitions open.
        self.ask([Ask("DELETE", f"/api/galleries/{gallery_id}", self.headers)])
        return took_s


def declared(number: int, size: int) -> dict[str, object]:
    return {
        "client_id": uuid.uuid4().hex,
        "name": f"IMG_{number:04d}.jpg",
        "size": size + number,
        "type": "image/jpeg",
        "last_modified": 1_760_000_000_000,
        "crc32": uuid.uuid4().hex[:8],
    }


class NotSignedError(RuntimeError):
    """An answer without a URL for each file would be fast for the wrong reason."""


def refuse_unsigned(answers: Sequence[Answer]) -> None:
    """Raises: NotSignedError."""
    for answer in answers:
        for upload in json.loads(answer.body)["uploads"]:
            if upload["state"] != "signed" or not upload.get("transfer"):
                raise NotSignedError(f"{upload}")


def caller_at(site: Site) -> Caller:
    return Caller(site, site.api_token())


def ask_companion(port: int, at_once: int) -> float:
    asks = [Ask("GET", companion_path(number), {}) for number in range(FILES)]
    began = time.perf_counter()
    asyncio.run(ask_all("127.0.0.1", port, asks, at_once=at_once))
    return time.perf_counter() - began


def boto3_client(endpoint: str, access_key: str, secret_key: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        ),
    )


def sign_by_boto3(client: Any, bucket: str) -> float:
    began = time.perf_counter()
    for number in range(FILES):
        client.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": bucket,
                "Key": f"originals/{number:04d}",
                "ContentLength": PHOTO_BYTES + number,
                "ContentType": "image/jpeg",
                "ChecksumCRC32": "AAAAAA==",
            },
            ExpiresIn=900,
        )
    return time.perf_counter() - began


def rates(swift: SwiftServer, callers: dict[str, Caller], companion_port: int, bucket: str) -> list[Line]:
    client = boto3_client(swift.endpoint, swift.access_key, swift.secret_key)
    cases: dict[str, Callable[[], float]] = {}
    for at_once in COMPANION_AT_ONCE:
        cases[f"companion {at_once}"] = partial(ask_companion, companion_port, at_once)
    for name, caller in callers.items():
        cases[f"{name} 1"] = partial(caller.register_all, at_once=1)
        cases[f"{name} 2"] = partial(caller.register_all, at_once=2)
    cases["boto3"] = partial(sign_by_boto3, client, bucket)
    for case in cases.values():
        case()  # imports, prepared statements, compiled code
    for caller in callers.values():
        caller.took_s.clear()
    took_s = interleaved(cases, repetitions=REPETITIONS)
    best = min(
        (f"companion {n}" for n in COMPANION_AT_ONCE), key=lambda name: statistics.median(took_s[name])
    )
    lines = [
        Line(f"Companion, {name.split()[1]} at once", "", rate(took_s[name]))
        for name in cases
        if "comp" in name
    ]
    lines.append(Line("boto3.generate_presigned_url, no HTTP, no rows", "", rate(took_s["boto3"])))
    lines += [
        beside(f"{name}, {at_once} at a time", took_s[f"{name} {at_once}"], took_s[best])
        for name in callers
        for at_once in (1, 2)
    ]
    for name, caller in callers.items():
        lines.append(
            at_most(
                f"{name}: p95 of a batch of 100",
                percentile(caller.took_s, 95) * 1e3,
                BATCH_P95_S * 1e3,
                unit="ms",
            )
        )
    return lines


def rate(took_s: Sequence[float]) -> str:
    return f"{FILES / statistics.median(took_s):,.0f} files/s"


def beside(what: str, ours_s: Sequence[float], peer_s: Sequence[float]) -> Line:
    times = median_ratio(peer_s, ours_s)
    return Line(
        what, rate(ours_s), rate(peer_s), f">= {TIMES_COMPANION:g} x", times, times >= TIMES_COMPANION
    )


def complete_all(caller: Caller, *, count: int = BATCH_ITEMS) -> tuple[float, list[Answer]]:
    """Seconds to hand over a thousand signed uploads, so many a call, in a gallery of their own."""
    gallery_id = caller.new_gallery()
    batches = caller.ask([caller.batch_of(gallery_id) for _ in range(FILES // BATCH_ITEMS)])
    ids = [upload["id"] for batch in batches for upload in json.loads(batch.body)["uploads"]]
    asks = [
        Ask(
            "POST",
            "/api/uploads/complete",
            caller.headers,
            json.dumps({"uploads": [{"id": each} for each in ids[first : first + count]]}).encode(),
        )
        for first in range(0, len(ids), count)
    ]
    began = time.perf_counter()
    answers = caller.ask(asks)
    took_s = time.perf_counter() - began
    caller.ask([Ask("DELETE", f"/api/galleries/{gallery_id}", caller.headers)])
    return took_s, answers


@contextmanager
def alone(caller: Caller) -> Iterator[None]:
    """The web process without those who would take up what it hands over, or ask the database besides."""
    pids = [caller.site.pid_of(program) for program in ("worker", "sweeper", "beat")]
    for pid in pids:
        signal_all(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            signal_all(pid, signal.SIGCONT)


def completions(callers: dict[str, Caller]) -> list[Line]:
    lines = []
    for name, caller in callers.items():
        with alone(caller):
            complete_all(caller)
            runs = [complete_all(caller) for _ in range(REPETITIONS)]
        calls_ms = [answer.took_s * 1e3 for _, answers in runs for answer in answers]
        lines.append(
            Line(
                f"{name}: {FILES:,} completed in {FILES // BATCH_ITEMS} calls",
                f"{statistics.median(took_s for took_s, _ in runs) * 1e3:.0f} ms, "
                f"a call {statistics.median(calls_ms):.0f} ms, p95 {percentile(calls_ms, 95):.0f} ms",
            )
        )
    return lines


def statements(caller: Caller, postgres: PostgresServer) -> list[Line]:
    """What PostgreSQL saw of batches of several sizes. The fewest of several: the first of a connection asks more."""
    log = postgres.server.log
    gallery_id = caller.new_gallery()
    counted: dict[int, tuple[int, int]] = {}
    for count in (1, 10, 100):
        seen = [
            counts_during(log, partial(caller.ask, [caller.batch_of(gallery_id, count=count)]))
            for _ in range(7)
        ]
        counted[count] = min(seen)
    lines = [
        Line(
            f"a batch of {count} on PostgreSQL",
            f"{queries} queries, {connections} connections",
            limit="as for 1",
            is_within=(queries, connections) <= counted[1],
        )
        for count, (queries, connections) in counted.items()
    ]
    return lines + statements_of_complete(caller, log)


def statements_of_complete(caller: Caller, log: Path) -> list[Line]:
    """Two and more: where there is one, no column differs, and the statement for those that do is not needed."""
    counted: dict[int, tuple[int, int]] = {}
    for count in (2, 10, 100):
        counted[count] = min(completed_once(caller, log, count) for _ in range(5))
    return [
        Line(
            f"a complete of {count} on PostgreSQL",
            f"{queries} queries, {connections} connections",
            limit="as for 2",
            is_within=(queries, connections) <= counted[2],
        )
        for count, (queries, connections) in counted.items()
    ]


def completed_once(caller: Caller, log: Path, count: int) -> tuple[int, int]:
    answer = caller.ask([caller.batch_of(caller.new_gallery(), count=count)])[0]
    items = [{"id": upload["id"]} for upload in json.loads(answer.body)["uploads"]]
    ask = Ask("POST", "/api/uploads/complete", caller.headers, json.dumps({"uploads": items}).encode())
    return counts_during(log, partial(caller.ask, [ask]))


def counts_during(log: Path, action: Callable[[], object]) -> tuple[int, int]:
    """Queries (without BEGIN, COMMIT and settings) and new connections."""
    before = log.stat().st_size
    action()
    text = log.read_bytes()[before:].decode(errors="replace")
    queries = re.findall(r"(?:statement|execute [^:]*): (?:SELECT|INSERT|UPDATE|DELETE|WITH)", text)
    return len(queries), text.count("connection authorized")


def sessions(path: Path, latency_s: float) -> list[Line]:
    """A hundred multipart uploads in one batch, at a store that takes its time and at one that takes none."""
    with ExitStack() as stack:
        slow = stack.enter_context(_slow_store.running_slow_store(path, latency_s=latency_s))
        prompt = stack.enter_context(_slow_store.running_slow_store(path, latency_s=0))
        site = stack.enter_context(
            _places.running_site(path / f"slow-{latency_s:g}", _slow_store.environment(slow))
        )
        caller = caller_at(site)
        client = boto3_client(prompt, "key", "secret")
        measured = interleaved(
            {"ours": partial(open_sessions, caller), "boto3": partial(open_by_boto3, client)},
            repetitions=REPETITIONS,
        )
        at_once = _slow_store.most_at_once(slow)
    wall_s = statistics.median(wall for wall, _cpu in measured["ours"])
    cpu_s = statistics.median(cpu for _wall, cpu in measured["ours"])
    calls_s = statistics.median(cpu for _wall, cpu in measured["boto3"])
    return [
        Line(
            "sessions asked for at one time",
            f"{at_once}",
            limit=f">= {SESSIONS_AT_ONCE}",
            is_within=at_once >= SESSIONS_AT_ONCE,
        ),
        at_most(
            f"100 multipart uploads, store latency {latency_s * 1e3:.0f} ms",
            wall_s * 1e3,
            (2 * latency_s + calls_s) * 1e3,
            unit="ms",
            peer=f"100 calls: {calls_s * 1e3:.0f} ms CPU",
        ),
        Line("   CPU of the web process for them", f"{cpu_s * 1e3:.0f} ms"),
    ]


def open_sessions(caller: Caller) -> tuple[float, float]:
    web = psutil.Process(caller.site.pid_of("web"))
    ask = caller.batch_of(caller.new_gallery(), size=LARGE_BYTES)
    before = sum(web.cpu_times()[:2])
    answer = caller.ask([ask])[0]
    refuse_unsigned([answer])
    return answer.took_s, sum(web.cpu_times()[:2]) - before


def open_by_boto3(client: Any) -> tuple[float, float]:
    began, cpu_began = time.perf_counter(), time.process_time()
    for number in range(BATCH_ITEMS):
        client.create_multipart_upload(Bucket="photos", Key=f"originals/{number}", ContentType="image/jpeg")
    return time.perf_counter() - began, time.process_time() - cpu_began


def main() -> int:
    with _places.folder() as path, ExitStack() as stack:
        swift = stack.enter_context(_places.running_swift(path))
        postgres = stack.enter_context(_places.running_postgres(path))
        store = swift.environment(swift.make_bucket("batch"))
        on_sqlite = stack.enter_context(_places.running_site(path / "a", store))
        on_postgres = stack.enter_context(
            _places.running_site(path / "b", {**store, "DATABASE_URL": postgres.url})
        )
        companion_port = stack.enter_context(running_companion(path, swift, "batch"))
        callers = {"SQLite": caller_at(on_sqlite), "PostgreSQL": caller_at(on_postgres)}
        lines = rates(swift, callers, companion_port, "batch")
        lines += completions(callers)
        log_statements(postgres)
        with alone(callers["PostgreSQL"]):
            lines += statements(callers["PostgreSQL"], postgres)
        for latency_s in STORE_LATENCIES_S:
            lines += sessions(path, latency_s)
    return show(
        f"{FILES:,} files registered and signed over HTTP ({REPETITIONS} repetitions, medians)", lines
    )


def log_statements(postgres: PostgresServer) -> None:
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for setting in ("log_statement = 'all'", "log_connections = on"):
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")


if __name__ == "__main__":
    sys.exit(main())
