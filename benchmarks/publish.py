"""Two hundred photos that wait in a store, until each is published: two worker processes, each with its locked room.

Beside a bare libvips loop and beside `vipsthumbnail` in as many processes, which read the same files from the disk
and make the same sizes. No browser runs; the photos are sent while the worker is stopped. PHOTO_COUNT and ROUNDS make
a short run; no round is begun that would not end within six minutes of the start, but for the first.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import threading
import time
import urllib.request
import zlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import psutil

from benchmarks import _places
from benchmarks._bare import has_vipsthumbnail, seconds_bare, seconds_of_vipsthumbnail
from benchmarks._browser import signal_all, uploads_in, wait_until
from benchmarks._photos import photos
from benchmarks._report import Line, show
from dev.processes import descendants_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dev.services.site import Site

PHOTO_COUNT: Final = int(os.environ.get("PHOTO_COUNT", "200"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
WORKER_PROCESSES: Final = 2
WITHIN_S: Final = 900.0
ALL_WITHIN_S: Final = 360.0
BATCH_ITEMS: Final = 100
SENT_AT_ONCE: Final = 4
# ARCHITECTURE: verify + publish beside the bare loop.
LEAST_RATIO: Final = {"local": 0.9, "swift": 0.75}
MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Sender:
    """A program that puts files into a gallery of a site."""

    site: Site
    token: str

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.site.port}"

    def call(self, method: str, path: str, body: object) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own site
            f"{self.origin}/api{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own site
            return json.loads(answer.read())

    def make_gallery(self, title: str) -> str:
        gallery_id: str = self.call("POST", "/galleries", {"title": title})["id"]
        return gallery_id

    def send(self, gallery_id: str, files: Sequence[Path]) -> None:
        for start in range(0, len(files), BATCH_ITEMS):
            self.send_some(gallery_id, files[start : start + BATCH_ITEMS])

    def send_some(self, gallery_id: str, files: Sequence[Path]) -> None:
        """As the page sends them: registered, then signed with the checksum of each request's bytes."""
        contents = [file.read_bytes() for file in files]
        declared = [
            {"client_id": file.name, "name": file.name, "size": len(content)}
            for file, content in zip(files, contents, strict=True)
        ]
        batch = {"files": declared, "sign": False}
        registered = self.call("POST", f"/galleries/{gallery_id}/uploads/batch", batch)["uploads"]
        asks = [ask_for(row["id"], content) for row, content in zip(registered, contents, strict=True)]
        signed = self.call("POST", "/uploads/sign", {"uploads": asks})["uploads"]
        with ThreadPoolExecutor(SENT_AT_ONCE) as threads:
            for sent in [threads.submit(self.store, *each) for each in zip(signed, contents, strict=True)]:
                sent.result()
        self.call("POST", "/uploads/complete", {"uploads": [{"id": row["id"]} for row in signed]})

    def store(self, row: dict[str, Any], content: bytes) -> None:
        transfer = row["transfer"]
        whole = {"request": transfer.get("request"), "offset": 0, "size": len(content)}
        for part in transfer.get("parts") or [whole]:
            asked, body = part["request"], content[part["offset"] : part["offset"] + part["size"]]
            request = urllib.request.Request(  # noqa: S310 - our own store
                urljoin(self.origin, asked["url"]), body, asked["headers"], method=asked["method"]
            )
            with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - our own store
                pass


PART_BYTES: Final = 8 * 1024 * 1024


def ask_for(upload_id: str, content: bytes) -> dict[str, Any]:
    if len(content) <= PART_BYTES:
        return {"id": upload_id, "crc32": crc_of(content)}
    parts = [content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)]
    crcs = [{"number": number, "crc32": crc_of(part)} for number, part in enumerate(parts, start=1)]
    return {"id": upload_id, "parts": crcs}


def crc_of(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


@dataclass
class Memory:
    """The most that each kind of process had resident, while somebody looked."""

    peaks: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def look(self, pid: int) -> None:
        for each in descendants_of(pid):
            with suppress(psutil.Error):
                process = psutil.Process(each)
                kind = (
                    "room" if any("galleries.decode.room" in word for word in process.cmdline()) else "worker"
                )
                self.peaks[kind] = max(self.peaks[kind], process.memory_info().rss)

    @contextmanager
    def watched(self, pid: int) -> Iterator[None]:
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(0.2):
                self.look(pid)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()


def seconds_published(sender: Sender, files: Sequence[Path], memory: Memory) -> float:
    """Seconds from the worker's waking to the last photo that can be seen."""
    site = sender.site
    worker, gallery_id = site.pid_of("worker"), sender.make_gallery("Published alone")
    if worker is None:
        raise RuntimeError("the worker is not running")
    signal_all(worker, signal.SIGSTOP)
    try:
        sender.send(gallery_id, files)
    finally:
        signal_all(worker, signal.SIGCONT)
    began = time.perf_counter()
    with memory.watched(worker):
        wait_until(
            lambda: uploads_in(site, gallery_id, ["verified"]) == len(files),
            what="not every photo was published",
            within_s=WITHIN_S,
        )
    return time.perf_counter() - began


def measured(senders: dict[str, Sender], files: Sequence[Path], folder: Path, until_s: float) -> list[Line]:
    """Each of ours between two runs of the bare loop, so that drift and neighbours hit both alike."""
    ours_s: dict[str, list[float]] = {name: [] for name in senders}
    ratios: dict[str, list[float]] = {name: [] for name in senders}
    memories = {name: Memory() for name in senders}
    bare_s, program_s = [], []
    bare = partial(seconds_bare, files, WORKER_PROCESSES)
    for number in rounds_within(until_s):
        bare_s.append(bare())
        for name, sender in senders.items():
            took_s = seconds_published(sender, files, memories[name])
            bare_s.append(bare())
            ours_s[name].append(took_s)
            ratios[name].append((bare_s[-2] + bare_s[-1]) / 2 / took_s)
        program_s.append(seconds_of_vipsthumbnail(files, WORKER_PROCESSES, folder))
        print(f"  {number + 1}/{ROUNDS} {ours_s} bare {bare_s} {program_s}", file=sys.stderr, flush=True)
    bare_rate = f"{len(files) / statistics.median(bare_s):.1f} photos/s"
    program = "vipsthumbnail" if has_vipsthumbnail() else "pyvips as vipsthumbnail (no program here)"
    lines = [
        Line(
            f"{name}: {len(files)} photos, {WORKER_PROCESSES} worker processes, beside a bare loop",
            f"{len(files) / statistics.median(ours_s[name]):.1f} photos/s",
            bare_rate,
            f">= {LEAST_RATIO[name]:g} x",
            statistics.median(ratios[name]),
            statistics.median(ratios[name]) >= LEAST_RATIO[name],
        )
        for name in senders
    ]
    lines += [
        Line(
            f"{name}: the same, beside {program}, which decodes twice",
            f"{len(files) / statistics.median(ours_s[name]):.1f} photos/s",
            f"{len(files) / statistics.median(program_s):.1f} photos/s",
            ratio=statistics.median(program_s) / statistics.median(ours_s[name]),
        )
        for name in senders
    ]
    return lines + [
        Line(f"{name}: resident at most, a {kind}", f"{peak / MB:.0f} MB")
        for name, memory in memories.items()
        for kind, peak in sorted(memory.peaks.items())
    ]


def rounds_within(until_s: float) -> Iterator[int]:
    """At least one, at most ROUNDS; the next is taken to last as long as the longest so far."""
    longest_s = 0.0
    for number in range(ROUNDS):
        began_s = time.perf_counter()
        if number and began_s + longest_s > until_s:
            return
        yield number
        longest_s = max(longest_s, time.perf_counter() - began_s)


def main() -> int:
    until_s = time.perf_counter() + ALL_WITHIN_S
    with _places.folder() as path, ExitStack() as stack:
        print("making photos …", flush=True)
        files = photos(path / "photos", count=PHOTO_COUNT)
        swift = stack.enter_context(_places.running_swift(path))
        sites = {
            "local": stack.enter_context(_places.running_site(path / "a")),
            "swift": stack.enter_context(
                _places.running_site(path / "b", swift.environment(swift.make_bucket("publish")))
            ),
        }
        (path / "made").mkdir()
        senders = {name: Sender(site, site.api_token()) for name, site in sites.items()}
        for sender in senders.values():  # so that no start of a locked room is measured
            seconds_published(sender, files[: 4 * WORKER_PROCESSES], Memory())
        lines = measured(senders, files, path / "made", until_s)
    return show(f"Publishing photos of 12 to 24 MP, median of at most {ROUNDS}", lines)


if __name__ == "__main__":
    sys.exit(main())
