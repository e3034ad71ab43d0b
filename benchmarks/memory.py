"""Three thousand files of 8 MB, sent and verified: what the browser holds meanwhile must not grow with what was sent.

The files are zeros behind a small picture, and so is what the store gives back. The browser has room for 1 GB, which
its copies fill again and again while files are verified.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psutil
import pyvips

from benchmarks import _places
from benchmarks._browser import (
    NeverSoError,
    browser_type,
    give_room,
    own_browser,
    renderers,
    uploads_in,
    visitor_in,
)
from benchmarks._report import Line, at_most, show
from benchmarks._sink_store import running_sink_store
from benchmarks._slow_store import environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks._browser import Visitor

COUNT: Final = int(os.environ.get("COUNT", "3000"))
FILE_BYTES: Final = 8_000_000
ROOM_BYTES: Final = int(os.environ.get("ROOM_BYTES", "1000000000"))
SAMPLE_MS: Final = 500
WITHIN_S: Final = 900.0
MAX_GROWTH: Final = 1.1
# Of the site and its own databases, beside the copies.
PROFILE_BYTES: Final = 100_000_000
STORED: Final = ("uploaded", "verifying", "verified")


@dataclass(slots=True)
class Samples:
    """Each list has one figure a sample, in MB, from the first file in the store to the last."""

    renderer_mb: list[float] = field(default_factory=list)
    heap_mb: list[float] = field(default_factory=list)
    browser_mb: list[float] = field(default_factory=list)
    profile_mb: list[float] = field(default_factory=list)
    took_s: float = 0.0
    verified_count: int = 0


def send(visitor: Visitor, folder: Path, profile: Path) -> Samples:
    """Raises: NeverSoError."""
    page, samples = visitor.page, Samples()
    session = page.context.new_cdp_session(page)
    gallery_id = visitor.open_new_gallery("Three thousand")
    page.wait_for_load_state("networkidle")
    visitor.choose_folder(folder)
    began = time.monotonic()
    stored_count = 0
    while stored_count < COUNT:
        if time.monotonic() - began > WITHIN_S:
            raise NeverSoError(f"{stored_count} of {COUNT} were stored {visitor.troubles[:3]}")
        page.wait_for_timeout(SAMPLE_MS)  # a sampling interval
        stored_count = uploads_in(visitor.site, gallery_id, STORED)
        if stored_count == 0:
            continue
        pages = renderers()
        # Chromium holds a spare one ready, and drops it when it likes.
        samples.renderer_mb.append(max(rss_mb([each]) for each in pages))
        samples.browser_mb.append(rss_mb(browsers_of(pages)))
        samples.heap_mb.append(float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6)
        samples.profile_mb.append(disk_mb(profile))
    samples.took_s = time.monotonic() - began
    samples.verified_count = uploads_in(visitor.site, gallery_id, ["verified"])
    return samples


def rss_mb(processes: Sequence[psutil.Process]) -> float:
    total_bytes = 0
    for process in processes:
        with suppress(psutil.Error):
            total_bytes += process.memory_info().rss
    return total_bytes / 1e6


def browsers_of(pages: Sequence[psutil.Process]) -> list[psutil.Process]:
    """The main processes: those which have no type, and hold blobs."""
    found = {}
    for process in pages:
        with suppress(psutil.Error):
            for above in process.parents():
                words = above.cmdline()
                is_browser = any(word.startswith("--user-data-dir=") for word in words)
                if is_browser and not any(word.startswith("--type=") for word in words):
                    found[above.pid] = above
    return list(found.values())


def disk_mb(folder: Path) -> float:
    total_bytes = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # a copy that was freed meanwhile
            total_bytes += file.lstat().st_blocks * 512
    return total_bytes / 1e6


def growth(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the second and of the last quarter."""
    quarter = max(1, len(values) // 4)
    return statistics.median(values[quarter : 2 * quarter] or values), statistics.median(values[-quarter:])


def growth_line(what: str, values: Sequence[float], *, is_promised: bool) -> Line:
    second_mb, last_mb = growth(values)
    ratio = last_mb / second_mb
    shown = f"{second_mb:,.0f} -> {last_mb:,.0f} MB"
    if not is_promised:
        return Line(what, shown, ratio=ratio)
    return Line(what, shown, "", f"<= {MAX_GROWTH:g} x", ratio, ratio <= MAX_GROWTH)


def lines_of(samples: Samples) -> list[Line]:
    sent_mb = COUNT * FILE_BYTES / 1e6
    return [
        Line(
            "sent", f"{sent_mb / 1e3:,.1f} GB in {samples.took_s:.0f} s, {sent_mb / samples.took_s:.0f} MB/s"
        ),
        Line("verified by then", f"{samples.verified_count} of {COUNT}"),
        growth_line("the renderer, second to last quarter", samples.renderer_mb, is_promised=True),
        growth_line("JavaScript of the page", samples.heap_mb, is_promised=True),
        growth_line("the browser's main process", samples.browser_mb, is_promised=False),
        at_most(
            "the profile on the disk, at most",
            max(samples.profile_mb),
            (ROOM_BYTES + PROFILE_BYTES) / 1e6,
            unit="MB",
        ),
    ]


def make_files(folder: Path) -> Path:
    """Sparse: of 8 MB each has a few kB on the disk. Returns the folder."""
    folder.mkdir()
    picture = pyvips.Image.gaussnoise(64, 48).cast("uchar").jpegsave_buffer()
    for number in range(COUNT):
        with (folder / f"IMG_{number:05d}.jpg").open("wb") as file:
            file.write(picture + number.to_bytes(4, "big"))
            file.truncate(FILE_BYTES)
    return folder


def main() -> int:
    with _places.folder() as path, ExitStack() as stack:
        folder = make_files(path / "folder")
        endpoint = stack.enter_context(running_sink_store(path))
        site = stack.enter_context(_places.running_site(path / "site", environment(endpoint)))
        kind = stack.enter_context(browser_type())
        profile = path / "profile"
        page = stack.enter_context(own_browser(kind, profile, site)).open()
        give_room(page, site, ROOM_BYTES)
        samples = send(visitor_in(page, site), folder, profile)
    title = f"{COUNT:,} x {FILE_BYTES / 1e6:g} MB, room for {ROOM_BYTES / 1e6:,.0f} MB, workers running"
    return show(title, lines_of(samples))


if __name__ == "__main__":
    sys.exit(main())
