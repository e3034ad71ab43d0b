"""Three hundred files of 2 MB from Chromium to the store: the product's page, a bare loop, and Uppy, in turn.

Each run begins when the files are chosen and ends when the last one has its name in the store, as the file system
says; the bare loop and Uppy are given signed URLs for nothing. The workers are stopped meanwhile, since they would
verify beside our runs alone; the last row says what it takes with them.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
import pyvips
from botocore.config import Config

from benchmarks import _places
from benchmarks._browser import (
    last_stored_at,
    running_chromium,
    signal_all,
    uploads_in,
    visitor_of,
    wait_until,
)
from benchmarks._peers import UPPY
from benchmarks._report import Line, interleaved, median_ratio, show
from dev.node_packages import installed
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from benchmarks._browser import Visitor
    from dev.services.site import Site
    from dev.services.swift import SwiftServer

FILE_COUNT: Final = int(os.environ.get("FILE_COUNT", "300"))
FILE_BYTES: Final = 2_000_000
REPETITIONS: Final = int(os.environ.get("REPETITIONS", "5"))
LIMIT: Final = 1.10
BATCH_ITEMS: Final = 100
WITHIN_S: Final = 300.0
# What the engine leaves of the six sockets of its own origin.
AT_ONCE: Final = {"local": 4, "swift": 6}

# The others begin when their files are in the page already; so the way of the names into the page counts for none.
TELL_WHEN_CHOSEN: Final = """() => document.addEventListener(
    "change", () => { window.chosenAtMs = performance.timeOrigin + performance.now(); },
    { capture: true, once: true },
)"""


class NotStoredError(RuntimeError):
    """A run that lost files would be fast for the wrong reason."""


@dataclass(frozen=True, slots=True)
class Arena:
    """One store with the product and a page for the others, on the same origin."""

    name: str
    visitor: Visitor
    page: Page
    objects: Path
    files: list[Path]
    crcs: list[str]

    def run_ours(self) -> float:
        gallery_id = self.visitor.open_new_gallery("Three hundred")
        self.visitor.page.evaluate(TELL_WHEN_CHOSEN)
        self.visitor.choose(self.files)
        self.wait_for_bytes(gallery_id)
        took_s = self.last_at() - float(self.visitor.page.evaluate("window.chosenAtMs")) / 1e3
        self.visitor.page.goto("about:blank")
        self.forget(gallery_id)
        return took_s

    def run_ours_to_the_end(self) -> tuple[float, float]:
        """Seconds to the last byte and to the last confirmation, with the workers."""
        self.visitor.open_new_gallery("Three hundred, confirmed")
        began = time.time()
        self.visitor.choose(self.files)
        if self.visitor.wait_for_end(within_s=WITHIN_S) != "all":
            raise NotStoredError(f"{self.visitor.troubles[:3]}")
        confirmed_s = time.time() - began
        return self.last_at() - began, confirmed_s

    def wait_for_bytes(self, gallery_id: str) -> None:
        states = ["uploaded", "verifying", "verified"]
        wait_until(
            lambda: uploads_in(self.visitor.site, gallery_id, states) == len(self.files),
            what=f"not every file was stored {self.visitor.troubles[:3]}",
            within_s=WITHIN_S,
        )

    def forget(self, gallery_id: str) -> None:
        """What it has not verified must not wait for the workers of the next run."""
        ids = [each["id"] for each in self.uploads_of(gallery_id)]
        for first in range(0, len(ids), BATCH_ITEMS):
            self.visitor.call("POST", "/api/uploads/cancel", {"ids": ids[first : first + BATCH_ITEMS]})

    def uploads_of(self, gallery_id: str) -> list[dict[str, Any]]:
        answer = self.visitor.call("GET", f"/api/galleries/{gallery_id}/uploads?limit=1000")
        return list(answer["uploads"])

    def run_bare(self) -> float:
        gallery_id, targets = self.signed_targets()
        self.choose_in_page()
        began = time.time()
        sent = self.page.evaluate("job => sendBare(job)", {"targets": targets, "atOnce": AT_ONCE[self.name]})
        took_s = self.last_at() - began
        self.refuse_lost(sent)
        self.forget(gallery_id)
        return took_s

    def run_uppy(self) -> float:
        self.choose_in_page()
        began = time.time()
        sent = self.page.evaluate("job => sendByUppy(job)", {"prefix": f"uppy/{began:.0f}/"})
        took_s = self.last_at() - began
        self.refuse_lost(sent)
        return took_s

    def refuse_lost(self, sent: dict[str, Any]) -> None:
        """Raises: NotStoredError."""
        if sent["storedCount"] != len(self.files):
            raise NotStoredError(f"{sent}")

    def last_at(self) -> float:
        return last_stored_at(self.objects, at_least_bytes=FILE_BYTES)

    def choose_in_page(self) -> None:
        """The same way from the disk as ours: by a file input."""
        self.page.goto(f"{self.visitor.site.base_url}/livez")
        self.page.evaluate(
            """() => {
                const input = document.createElement("input");
                input.type = "file";
                input.multiple = true;
                document.body.append(input);
            }"""
        )
        self.page.add_script_tag(path=ROOT / ".build" / "peers" / "senders.js")
        self.page.locator("input[type=file]").set_input_files([str(file) for file in self.files])

    def signed_targets(self) -> tuple[str, list[dict[str, Any]]]:
        gallery_id = str(self.visitor.call("POST", "/api/galleries", {"title": "Bare"})["id"])
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
            for upload in self.visitor.call(
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


def build_senders() -> None:
    place = installed("uppy", UPPY, doing="install Uppy to measure beside")
    subprocess.run(
        [
            place / "node_modules" / ".bin" / "esbuild",
            ROOT / "benchmarks" / "page" / "senders.js",
            *("--bundle", "--format=iife", "--log-level=error"),
            f"--outfile={ROOT / '.build' / 'peers' / 'senders.js'}",
        ],
        check=True,
        env={**os.environ, "NODE_PATH": str(place / "node_modules")},
    )


def plain_page(browser: Browser) -> Page:
    context = browser.new_context(bypass_csp=True)  # its scripts come from the benchmark, not from the site
    context.set_default_timeout(WITHIN_S * 1e3)
    return context.new_page()


def let_uppy_sign(page: Page, swift: SwiftServer, bucket: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=swift.endpoint,
        region_name=swift.region,
        aws_access_key_id=swift.access_key,
        aws_secret_access_key=swift.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )

    def sign(prefix: str, request: dict[str, Any]) -> dict[str, str]:
        key = prefix + str(request["key"])
        return {"url": client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})}

    page.expose_function("signForUppy", sign)


@contextmanager
def workers_stopped(site: Site) -> Iterator[None]:
    worker = site.pid_of("worker")
    signal_all(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(worker, signal.SIGCONT)


def measure(arena: Arena, cases: dict[str, Callable[[], float]]) -> list[Line]:
    with workers_stopped(arena.visitor.site):
        took_s = interleaved(cases, repetitions=REPETITIONS)
    bare_s = took_s["bare"]
    lines = [
        row(
            f"{arena.name}: the page, {AT_ONCE[arena.name]} at once, worker stopped",
            took_s["ours"],
            bare_s,
            limit=LIMIT,
        )
    ]
    if "uppy" in took_s:
        lines.append(row(f"{arena.name}: Uppy 6.3.1, as it comes", took_s["uppy"], bare_s, limit=None))
    ends = [arena.run_ours_to_the_end() for _ in range(1)]
    lines += [
        Line(f"{arena.name}: the page, worker running: last byte", speed([stored for stored, _ in ends])),
        Line(f"{arena.name}: the page, worker running: all confirmed", speed([end for _, end in ends])),
    ]
    return lines


def row(what: str, took_s: Sequence[float], bare_s: Sequence[float], *, limit: float | None) -> Line:
    ratio = median_ratio(took_s, bare_s)
    if limit is None:
        return Line(what, speed(took_s), speed(bare_s), ratio=ratio)
    return Line(what, speed(took_s), speed(bare_s), f"<= {limit:.2f} x", ratio, ratio <= limit)


def speed(took_s: Sequence[float]) -> str:
    median_s = statistics.median(took_s)
    return f"{median_s:.2f} s, {FILE_COUNT * FILE_BYTES / 1e6 / median_s:.0f} MB/s"


def main() -> int:
    with _places.folder() as path, ExitStack() as stack:
        build_senders()
        files = make_files(path / "files")
        crcs = [f"{zlib.crc32(file.read_bytes()):08x}" for file in files]
        swift = stack.enter_context(_places.running_swift(path))
        store = swift.environment(swift.make_bucket("browser"))
        browser = stack.enter_context(running_chromium())
        lines: list[Line] = []
        for name, environment, objects in (
            ("local", None, path / "local" / "objects"),
            ("swift", store, path / "swift" / "data"),
        ):
            with ExitStack() as inner:
                site = inner.enter_context(_places.running_site(path / name, environment))
                visitor = inner.enter_context(visitor_of(browser, site))
                arena = Arena(name, visitor, plain_page(browser), objects, files, crcs)
                cases: dict[str, Callable[[], float]] = {"ours": arena.run_ours, "bare": arena.run_bare}
                if name == "swift":
                    let_uppy_sign(arena.page, swift, "browser")
                    cases["uppy"] = partial(arena.run_uppy)
                lines += measure(arena, cases)
    title = (
        f"{FILE_COUNT} x {FILE_BYTES / 1e6:g} MB from Chromium; peer: a bare loop with CRC-32 and progress"
    )
    return show(title, lines)


if __name__ == "__main__":
    sys.exit(main())
