"""Three hundred files of 2 MB, the browser killed half way and opened again: what goes on, how soon, what goes twice.

Ours and Uppy with Golden Retriever, on Swift, in turn. Golden Retriever offers to go on; the benchmark accepts at once.
The workers are stopped meanwhile, so that a file that is not verified is one whose bytes the page still keeps.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks import _places
from benchmarks._browser import (
    ADD_INPUT,
    Visitor,
    browser_type,
    own_browser,
    plain_page,
    sign_in,
    uploads_in,
    wait_until,
    workers_stopped,
)
from benchmarks._peers import built_page, signed_for_uppy
from benchmarks._report import Line, at_most, interleaved, show
from benchmarks.browser_upload import FILE_BYTES, make_files
from tests.browser.lines import SentBytes, swift_behind_gates, target, was_heard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from playwright.sync_api import BrowserType, Page

    from dev.services.swift import SwiftServer
    from tests.browser.browsers import OwnBrowser
    from tests.browser.lines import GatedSite

REPETITIONS: Final = int(os.environ.get("REPETITIONS", "3"))
FIRST_BYTE_S: Final = 2.0
WITHIN_S: Final = 180.0
# Nothing more arrives: what is not there by then will not come by itself.
STILL_S: Final = 5.0
BUCKET: Final = "resume"
# What the site is asked on the way to the first byte: method, and how the path ends. Scripts come from the disk.
STAGES: Final = {
    "page": ("GET", r"/galleries/[^/]+/"),
    "session": ("GET", r"/api/session"),
    "list of uploads": ("GET", r"/uploads"),
    "first signatures": ("POST", r"/uploads/sign"),
}


@dataclass(frozen=True, slots=True)
class Resumption:
    """After one kill. Both times are to the beginning of the next body; `lost_bytes` were on their way at the kill."""

    page_s: float
    browser_s: float
    arrived_count: int
    again_bytes: int
    lost_bytes: int
    stages_s: dict[str, float]


class Person:
    """Has a browser with a profile of its own in each run, signed in."""

    def __init__(self, kind: BrowserType, gated: GatedSite, swift: SwiftServer, folder: Path) -> None:
        self.kind, self.gated, self.swift, self.folder = kind, gated, swift, folder
        self.token = gated.site.api_token()
        self.script = built_page("senders")
        self.cookies: list[Any] = self.signed_in()
        self.run_count = 0

    def signed_in(self) -> list[Any]:
        with own_browser(self.kind, self.folder / "first", self.gated.site) as own:
            page = own.open()
            sign_in(page, self.gated.site)
            return list(page.context.cookies())

    def resume_ours(self, files: Sequence[Path]) -> Resumption:
        with ExitStack() as stack:
            own = self.new_browser(stack)
            visitor = self.visitor_at(own.open())
            gallery_id = visitor.open_new_gallery("Killed half way")
            run = Run(self.gated, own)
            visitor.choose(files)
            run.kill_half_way(len(files))
            page = run.open_again()
            with run.sent.resumed() as reopened:
                page.goto(f"/galleries/{gallery_id}/", wait_until="commit")
            states = ["uploaded", "verifying", "verified"]
            wait_until(
                lambda: uploads_in(self.gated.site, gallery_id, states) == len(files) or run.is_still(),
                what="it neither ended nor stood still",
                within_s=WITHIN_S,
            )
            self.visitor_at(page).forget(gallery_id)
            return run.outcome(reopened.seconds)

    def resume_uppy(self, files: Sequence[Path]) -> Resumption:
        with ExitStack() as stack:
            own = self.new_browser(stack)
            # "originals", as ours: the gate counts what goes there.
            prefix = f"originals/uppy-{self.run_count}/"
            keys = [f"{prefix}{file.name}" for file in files]
            endpoint = self.gated.to_store.url
            urls = signed_for_uppy(self.swift, BUCKET, keys, endpoint=endpoint)
            job = {"prefix": prefix, "urls": urls}
            page = plain_page(own.open())
            self.load_uppy(page)
            page.locator("input[type=file]").set_input_files([str(file) for file in files])
            run = Run(self.gated, own)
            page.evaluate("job => beginByUppy(job)", job)
            run.kill_half_way(len(files))
            page = plain_page(run.open_again())
            with run.sent.resumed() as reopened:
                self.load_uppy(page)
                ghost_count = int(page.evaluate("job => resumeByUppy(job)", job))
            wait_until(
                lambda: len(run.arrived()) == len(files) or run.is_still(),
                what="it neither ended nor stood still",
                within_s=WITHIN_S,
            )
            print(f"  {ghost_count} files without bytes after the kill", file=sys.stderr)
            return run.outcome(reopened.seconds)

    def new_browser(self, stack: ExitStack) -> OwnBrowser:
        self.run_count += 1
        self.gated.heal()
        own = stack.enter_context(own_browser(self.kind, self.folder / f"{self.run_count}", self.gated.site))
        own.sign_in(self.cookies)
        return own

    def visitor_at(self, page: Page) -> Visitor:
        return Visitor(self.gated.site, page, self.token)

    def load_uppy(self, page: Page) -> None:
        page.goto(f"{self.gated.site.base_url}/livez")
        page.evaluate(ADD_INPUT)
        page.add_script_tag(path=self.script)


class Run:
    """One browser, and what the gate in front of the store has seen of it."""

    def __init__(self, gated: GatedSite, own: OwnBrowser) -> None:
        self.gate, self.own, self.sent = gated.to_store, own, SentBytes(gated.to_store)
        self.to_site, self.known_count = gated.to_site, 0
        self.opened_at = 0.0
        self.opening_s = 0.0
        self.last_count, self.last_at = 0, time.monotonic()

    def arrived(self) -> set[str]:
        return {target(call) for call in self.sent.counts.calls if was_heard(call)}

    def kill_half_way(self, file_count: int) -> None:
        self.gate.wait_until(lambda _: len(self.arrived()) >= file_count / 2, WITHIN_S)
        with self.sent.interrupted():
            self.own.kill()

    def open_again(self) -> Page:
        """Empty."""
        began = time.monotonic()
        page = self.own.open()
        self.opening_s = time.monotonic() - began
        self.opened_at, self.known_count = time.monotonic(), self.to_site.counts.requests
        return page

    def stages_s(self) -> dict[str, float]:
        """When the first request of each began and ended, from the page's opening on."""
        stages: dict[str, float] = {}
        for name, (method, path) in STAGES.items():
            for call in self.to_site.counts.calls[self.known_count :]:
                if call.method == method and re.search(f"{path}$", call.path):
                    stages[f"{name}, asked"] = call.began_at - self.opened_at
                    stages[f"{name}, answered"] = call.over_at - self.opened_at
                    break
        return stages

    def is_still(self) -> bool:
        count = len([call for call in self.sent.counts.calls if call.is_over])
        if count != self.last_count:
            self.last_count, self.last_at = count, time.monotonic()
        return time.monotonic() - self.last_at > STILL_S

    def outcome(self, page_s: float) -> Resumption:
        arrived_count = len(self.arrived())
        return Resumption(
            page_s,
            self.opening_s + page_s,
            arrived_count,
            self.sent.again_bytes(),
            self.sent.lost_bytes(),
            self.stages_s(),
        )


def lines_of(ours: Sequence[Resumption], uppys: Sequence[Resumption], file_count: int) -> list[Line]:
    again, lost = (max(run.again_bytes for run in ours), min(run.lost_bytes for run in ours))
    is_within = all(run.again_bytes <= run.lost_bytes for run in ours)
    arrived_count = min(run.arrived_count for run in ours)
    return [
        at_most(
            "from the page's opening to the first byte",
            statistics.median(run.page_s for run in ours),
            FIRST_BYTE_S,
            unit="s",
            peer=f"{statistics.median(run.page_s for run in uppys):.2f} s",
        ),
        *(
            Line(f"  {stage}", f"{statistics.median(run.stages_s[stage] for run in ours):.2f} s")
            for stage in ours[0].stages_s
        ),
        Line(
            "from the browser's start to the first byte",
            f"{statistics.median(run.browser_s for run in ours):.2f} s",
            f"{statistics.median(run.browser_s for run in uppys):.2f} s",
        ),
        Line(
            "sent again, most of any run",
            megabytes(again),
            megabytes(max(run.again_bytes for run in uppys)),
            f"<= on their way, {megabytes(lost)}",
            again / lost if lost else None,
            is_within,
        ),
        Line(
            "files that arrive without being chosen again, fewest",
            f"{arrived_count}",
            f"{min(run.arrived_count for run in uppys)}",
            f"= {file_count}",
            is_within=arrived_count == file_count,
        ),
    ]


def megabytes(count: float) -> str:
    return f"{count / 1e6:.1f} MB"


def main() -> int:
    with _places.folder() as path, ExitStack() as stack:
        files = make_files(path / "files")
        swift = stack.enter_context(_places.running_swift(path / "swift-server"))
        store = swift.environment(swift.make_bucket(BUCKET))
        gated = stack.enter_context(swift_behind_gates(path / "site", swift.endpoint, store))
        stack.callback(gated.site.stop)  # its own manager does so after success alone
        kind = stack.enter_context(browser_type())
        profiles = path / "profiles"
        profiles.mkdir()
        person = Person(kind, gated, swift, profiles)
        with workers_stopped(gated.site):
            runs = interleaved(
                {"ours": lambda: person.resume_ours(files), "uppy": lambda: person.resume_uppy(files)},
                repetitions=REPETITIONS,
            )
    lines = lines_of(runs["ours"], runs["uppy"], len(files))
    title = f"{len(files)} x {FILE_BYTES / 1e6:g} MB, killed half way; peer: Uppy 6.3.1 with Golden Retriever 6.0.0"
    return show(title, lines)


if __name__ == "__main__":
    sys.exit(main())
