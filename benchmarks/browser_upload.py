"""Three hundred files of 2 MB from Chromium to the store: the product's page, a bare loop, and Uppy, in turn.

Each run begins when the files are chosen and ends when the last one has its name in the store, as the file system
says; the bare loop and Uppy are given signed URLs for nothing. The workers are stopped meanwhile, since they would
verify beside our runs alone; the last row says what it takes with them.

The page copies what it sends into its browser. Where the browser gives no room for that it sends all the same: the
second of its rows. Golden Retriever, as it comes, copies 300 MiB at most.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import zlib
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pyvips

from benchmarks import _places
from benchmarks._browser import (
    ADD_INPUT,
    BATCH_ITEMS,
    browser_type,
    forget_kept,
    give_room,
    last_stored_at,
    own_browser,
    plain_page,
    uploads_in,
    visitor_in,
    wait_until,
    workers_stopped,
)
from benchmarks._cpu import CpuMeter
from benchmarks._peers import built_page, signed_for_uppy
from benchmarks._report import Line, interleaved, median_ratio, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import BrowserType, Page

    from benchmarks._browser import Visitor
    from dev.services.site import Site
    from dev.services.swift import SwiftServer

FILE_COUNT: Final = int(os.environ.get("FILE_COUNT", "300"))
FILE_BYTES: Final = 2_000_000
REPETITIONS: Final = int(os.environ.get("REPETITIONS", "5"))
LIMIT: Final = 1.10
KEEPING_LIMIT: Final = 1.30
# Too little for a single record.
NO_ROOM_BYTES: Final = 1
WITHIN_S: Final = 300.0
# When the last byte arrived, the files say; asking often would take time from our runs alone.
LOOK_EVERY_S: Final = 0.25
BUCKET: Final = "browser"
# What the engine leaves of the six sockets of its own origin.
AT_ONCE: Final = {"local": 4, "swift": 6}

# The others begin when their files are in the page already; so the way of the names into the page counts for none.
TELL_WHEN_CHOSEN: Final = """() => document.addEventListener(
    "change", () => { window.chosenAtMs = performance.timeOrigin + performance.now(); },
    { capture: true, once: true },
)"""
COUNT_KEPT: Final = """async () => {
    const asked = request => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    let count = 0;
    for (const { name } of await indexedDB.databases()) {
        const db = await asked(indexedDB.open(name));
        if (db.objectStoreNames.contains("bytes")) {
            count += await asked(db.transaction("bytes").objectStore("bytes").count());
        }
        db.close();
    }
    return count;
}"""


UPPY_CASES: Final = {
    "uppy": "Uppy 6.3.1, as it comes",
    "uppy keeping": "Uppy 6.3.1 with Golden Retriever 6.0.0",
}


class NotStoredError(RuntimeError):
    """A run that lost files would be fast for the wrong reason."""


@dataclass(frozen=True, slots=True)
class Arena:
    """One store with the product, in a browser that keeps and in one without room, and a page for the others."""

    name: str
    keeping: Visitor
    roomless: Visitor
    page: Page
    objects: Path
    files: list[Path]
    crcs: list[str]
    script: Path
    folder: Path
    store_pids: list[int]
    kept_counts: list[int] = field(default_factory=list)
    cpu_s: defaultdict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def site(self) -> Site:
        return self.keeping.site

    def run_keeping(self) -> float:
        took_s, kept_count = self.run_ours("keeping", self.keeping)
        self.kept_counts.append(kept_count)
        return took_s

    def run_roomless(self) -> float:
        """Raises: NotStoredError: it kept something, and so is no measure of sending alone."""
        took_s, kept_count = self.run_ours("roomless", self.roomless)
        if kept_count:
            raise NotStoredError(f"{kept_count} files were kept where there was no room")
        return took_s

    def run_ours(self, name: str, visitor: Visitor) -> tuple[float, int]:
        """Seconds to the last byte, and how many files lie in the browser then."""
        gallery_id = visitor.open_new_gallery("Three hundred")
        visitor.page.wait_for_load_state("networkidle")
        visitor.page.evaluate(TELL_WHEN_CHOSEN)
        with self.metered(name):
            visitor.choose(self.files)
            self.wait_for_bytes(gallery_id)
        took_s = self.last_at() - float(visitor.page.evaluate("window.chosenAtMs")) / 1e3
        kept_count = int(visitor.page.evaluate(COUNT_KEPT))
        visitor.forget(gallery_id)
        return took_s, kept_count

    def run_ours_to_the_end(self) -> tuple[float, float]:
        """Seconds to the last byte and to the last confirmation, with the workers."""
        self.keeping.open_new_gallery("Three hundred, confirmed")
        began = time.time()
        self.keeping.choose(self.files)
        if self.keeping.wait_for_end(within_s=WITHIN_S) != "all":
            raise NotStoredError(f"{self.keeping.troubles[:3]}")
        confirmed_s = time.time() - began
        return self.last_at() - began, confirmed_s

    def wait_for_bytes(self, gallery_id: str) -> None:
        states = ["uploaded", "verifying", "verified"]
        wait_until(
            lambda: uploads_in(self.site, gallery_id, states) == len(self.files),
            what=f"not every file was stored {self.keeping.troubles[:3]} {self.roomless.troubles[:3]}",
            within_s=WITHIN_S,
            every_s=LOOK_EVERY_S,
        )

    def run_bare(self) -> float:
        gallery_id, targets = self.signed_targets()
        self.open_empty_page()
        with self.metered("bare"):
            self.choose_in_page()
            began = time.time()
            job = {"targets": targets, "atOnce": AT_ONCE[self.name]}
            sent = self.page.evaluate("job => sendBare(job)", job)
        took_s = self.last_at() - began
        self.refuse_lost(sent)
        self.keeping.forget(gallery_id)
        return took_s

    def run_uppy(self, swift: SwiftServer, *, is_keeping: bool) -> float:
        self.open_empty_page()
        self.choose_in_page()
        prefix = f"uppy/{time.time():.0f}/"
        keys = [f"{prefix}{file.name}" for file in self.files]
        urls = signed_for_uppy(swift, BUCKET, keys, endpoint=swift.endpoint)
        began = time.time()
        sent = self.page.evaluate(
            "job => sendByUppy(job)", {"prefix": prefix, "urls": urls, "isKeeping": is_keeping}
        )
        took_s = self.last_at() - began
        self.refuse_lost(sent)
        self.page.goto("about:blank")
        forget_kept(self.page, self.site)
        return took_s

    def refuse_lost(self, sent: dict[str, Any]) -> None:
        """Raises: NotStoredError."""
        if sent["storedCount"] != len(self.files):
            raise NotStoredError(f"{sent}")

    def last_at(self) -> float:
        return last_stored_at(self.objects, at_least_bytes=FILE_BYTES)

    @contextmanager
    def metered(self, name: str) -> Iterator[None]:
        profile = self.folder / ("others" if name == "bare" else name)
        web, redis = (self.site.pid_of(program) for program in ("web", "redis"))
        meter = CpuMeter(
            profile, {"web process": [web or 0], "redis": [redis or 0], "store": self.store_pids}
        )
        yield
        self.cpu_s[name].append(meter.spent_s())

    def open_empty_page(self) -> None:
        self.page.goto(f"{self.site.base_url}/livez")
        self.page.evaluate(ADD_INPUT)
        self.page.add_script_tag(path=self.script)

    def choose_in_page(self) -> None:
        self.page.locator("input[type=file]").set_input_files([str(file) for file in self.files])

    def signed_targets(self) -> tuple[str, list[dict[str, Any]]]:
        gallery_id = str(self.keeping.call("POST", "/api/galleries", {"title": "Bare"})["id"])
        declared = [
            {
                "client_id": file.name,
                "name": file.name,
                "size": FILE_BYTES,
                "type": "image/jpeg",
                "last_modified": 0,
                "crc32": crc32,
            }
            for file, crc32 in zip(self.files, self.crcs, strict=True)
        ]
        answers = [
            upload["transfer"]["request"]
            for first in range(0, len(declared), BATCH_ITEMS)
            for upload in self.keeping.call(
                "POST",
                f"/api/galleries/{gallery_id}/uploads/batch",
                {"files": declared[first : first + BATCH_ITEMS]},
            )["uploads"]
        ]
        return gallery_id, answers


def make_files(folder: Path) -> list[Path]:
    """Small JPEGs with as many random bytes after their end as make them the size."""
    folder.mkdir()
    picture = pyvips.Image.gaussnoise(320, 240).cast("uchar").jpegsave_buffer()
    files = [folder / f"IMG_{number:04d}.jpg" for number in range(FILE_COUNT)]
    for file in files:
        file.write_bytes(picture + os.urandom(FILE_BYTES - len(picture)))
    return files


def arena_of(
    stack: ExitStack, kind: BrowserType, path: Path, swift: SwiftServer | None, files: list[Path]
) -> Arena:
    """`path` gets the site and the profiles of the browsers."""
    environment = None if swift is None else swift.environment(swift.make_bucket(BUCKET))
    site = stack.enter_context(_places.running_site(path, environment))
    keeping = stack.enter_context(own_browser(kind, path / "keeping", site))
    roomless = stack.enter_context(own_browser(kind, path / "roomless", site))
    # Each in a window of its own: a page behind another one draws nothing.
    others = stack.enter_context(own_browser(kind, path / "others", site))
    keeping_page, roomless_page = keeping.open(), roomless.open()
    give_room(roomless_page, site, NO_ROOM_BYTES)
    return Arena(
        path.name,
        visitor_in(keeping_page, site),
        visitor_in(roomless_page, site),
        plain_page(others.open()),
        path / "objects" if swift is None else path.parent / "swift-server" / "swift" / "data",
        files,
        [f"{zlib.crc32(file.read_bytes()):08x}" for file in files],
        built_page("senders"),
        path,
        [] if swift is None else [server.pid for server in swift.servers],
    )


def measure(arena: Arena, cases: dict[str, Callable[[], float]]) -> list[Line]:
    with workers_stopped(arena.site):
        took_s = interleaved(cases, repetitions=REPETITIONS)
    bare_s = took_s["bare"]
    at_once = f"{AT_ONCE[arena.name]} at once, worker stopped"
    kept = f"{statistics.median(arena.kept_counts):.0f} of {FILE_COUNT} kept"
    lines = [
        Line(f"{arena.name}: the bare loop, {at_once}", "", speed(bare_s)),
        row(f"{arena.name}: the page, {at_once}, {kept}", took_s["keeping"], bare_s, limit=KEEPING_LIMIT),
        row(f"{arena.name}: the page, no room to keep", took_s["roomless"], bare_s, limit=LIMIT),
    ]
    for name, what in UPPY_CASES.items():
        if name in took_s:
            lines.append(row(f"{arena.name}: {what}", took_s[name], bare_s, limit=None))
    lines += [*cpu_lines(arena, "keeping"), *cpu_lines(arena, "roomless")]
    stored_s, confirmed_s = arena.run_ours_to_the_end()
    return [
        *lines,
        Line(f"{arena.name}: the page, worker running: last byte", speed([stored_s])),
        Line(f"{arena.name}: the page, worker running: all confirmed", speed([confirmed_s])),
    ]


def row(what: str, took_s: Sequence[float], bare_s: Sequence[float], *, limit: float | None) -> Line:
    ratio = median_ratio(took_s, bare_s)
    if limit is None:
        return Line(what, speed(took_s), speed(bare_s), ratio=ratio)
    return Line(what, speed(took_s), speed(bare_s), f"<= {limit:.2f} x", ratio, ratio <= limit)


def cpu_lines(arena: Arena, case: str) -> list[Line]:
    """Where the page's CPU seconds went, beside the bare loop's: the mean of all runs, the largest difference first."""
    ours, bare = mean_of(arena.cpu_s[case]), mean_of(arena.cpu_s["bare"])
    places = sorted({*ours, *bare}, key=lambda place: bare.get(place, 0.0) - ours.get(place, 0.0))
    rows = [(place, ours.get(place, 0.0), bare.get(place, 0.0)) for place in places]
    return [
        Line(f"{arena.name}: CPU, {case}: {place}", f"{ours_s:.2f} s", f"{bare_s:.2f} s")
        for place, ours_s, bare_s in [("all", sum(ours.values()), sum(bare.values())), *rows]
    ]


def mean_of(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    places = {place for run in runs for place in run}
    return {place: statistics.mean(run.get(place, 0.0) for run in runs) for place in places}


def speed(took_s: Sequence[float]) -> str:
    median_s = statistics.median(took_s)
    return f"{median_s:.2f} s, {FILE_COUNT * FILE_BYTES / 1e6 / median_s:.0f} MB/s"


def main() -> int:
    with _places.folder() as path, ExitStack() as stack:
        files = make_files(path / "files")
        swift = stack.enter_context(_places.running_swift(path / "swift-server"))
        kind = stack.enter_context(browser_type())
        lines: list[Line] = []
        for name, store in (("local", None), ("swift", swift)):
            with ExitStack() as inner:
                arena = arena_of(inner, kind, path / name, store, files)
                cases: dict[str, Callable[[], float]] = {
                    "keeping": arena.run_keeping,
                    "bare": arena.run_bare,
                    "roomless": arena.run_roomless,
                }
                if name == "swift":
                    cases["uppy"] = partial(arena.run_uppy, swift, is_keeping=False)
                    cases["uppy keeping"] = partial(arena.run_uppy, swift, is_keeping=True)
                lines += measure(arena, cases)
    title = (
        f"{FILE_COUNT} x {FILE_BYTES / 1e6:g} MB from Chromium; peer: a bare loop with CRC-32 and progress"
    )
    return show(title, lines)


if __name__ == "__main__":
    sys.exit(main())
