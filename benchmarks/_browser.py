"""A signed-in visitor in a real Chromium, choosing files that lie on the disk."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
import urllib.request
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
from playwright.sync_api import sync_playwright

from dev.processes import descendants_of, send
from dev.services import chromium
from tests.browser.browsers import OwnBrowser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, BrowserType, Page

    from dev.services.site import Site

POLL_S: Final = 0.05
WITHIN_MS: Final = 60_000
BATCH_ITEMS: Final = 100
# Before a page's own scripts: notes every task of 50 ms and more. https://www.w3.org/TR/longtasks-1/
WATCH_TASKS: Final = """
window.longTasks = [];
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) window.longTasks.push([entry.startTime, entry.duration]);
}).observe({ type: "longtask", buffered: true });
"""
# For those whose page we make ourselves: the same way from the disk as ours.
ADD_INPUT: Final = """() => {
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = true;
    document.body.append(input);
}"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Of one site. What went wrong unseen is in `troubles`."""

    site: Site
    page: Page
    token: str
    troubles: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A call of the API as a program of the same person."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.site.port}{path}",
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - an address of ours
            return json.load(answer)

    def open_new_gallery(self, title: str) -> str:
        gallery_id = str(self.call("POST", "/api/galleries", {"title": title})["id"])
        self.page.goto(f"{self.site.base_url}/galleries/{gallery_id}/")
        self.page.wait_for_selector("[data-gallery-state]")
        return gallery_id

    def choose(self, files: Sequence[Path]) -> None:
        self.page.locator("[data-chooser=files]").set_input_files([str(file) for file in files])

    def choose_folder(self, folder: Path) -> None:
        self.page.locator("[data-chooser=folder]").set_input_files(folder)

    def drop(self, paths: Sequence[Path]) -> None:
        """A real drag from outside the browser."""
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 400, "data": data})
        session.detach()

    def forget(self, gallery_id: str) -> None:
        """Leaves, and cancels what has not ended: it must not wait for the workers beside the next run."""
        self.page.goto("about:blank")
        forget_kept(self.page, self.site)
        while ids := self.open_ids(gallery_id):
            for first in range(0, len(ids), BATCH_ITEMS):
                self.call("POST", "/api/uploads/cancel", {"ids": ids[first : first + BATCH_ITEMS]})

    def open_ids(self, gallery_id: str) -> list[str]:
        """A page of them."""
        states = "state=registered&state=signed&state=uploaded"
        listed = self.call("GET", f"/api/galleries/{gallery_id}/uploads?limit=1000&{states}")
        return [upload["id"] for upload in listed["uploads"]]

    def wait_for_end(self, *, within_s: float) -> str:
        """The outcome that the page shows: all, some or none."""
        self.page.wait_for_selector(
            "[data-gallery-state=complete][data-outcome]", timeout=within_s * 1e3, state="attached"
        )
        return str(self.page.locator("[data-gallery-state=complete]").get_attribute("data-outcome"))


@contextmanager
def browser_type() -> Iterator[BrowserType]:
    """Once a process: Playwright's loop lives in its thread."""
    with sync_playwright() as playwright:
        yield playwright.chromium


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with browser_type() as kind:
        browser = kind.launch(
            executable_path=str(chromium.ensure(Path(sys.executable))), args=list(chromium.FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def own_browser(kind: BrowserType, profile: Path, site: Site) -> Iterator[OwnBrowser]:
    """With a profile on the disk, as people have: a private window would keep its files in memory. Not open yet."""
    own = OwnBrowser(kind, chromium.ensure(Path(sys.executable)), profile, site.base_url)
    try:
        yield own
    finally:
        own.close()
        own.kill()


@contextmanager
def visitor_of(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Signs in once; every page that it opens is watched."""
    context = browser.new_context(base_url=site.base_url)
    try:
        yield visitor_in(context.new_page(), site)
    finally:
        context.close()


def visitor_in(page: Page, site: Site) -> Visitor:
    sign_in(page, site)
    visitor = Visitor(site, page, site.api_token())
    page.on("console", lambda said: visitor.troubles.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: visitor.troubles.append(str(error)))
    page.on(
        "response",
        lambda answer: (
            visitor.troubles.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
        ),
    )
    return visitor


def sign_in(page: Page, site: Site) -> None:
    page.context.set_default_timeout(WITHIN_MS)
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(site.username)
    page.locator("input[name=password]").fill(site.password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/accounts/login" not in url)


def plain_page(page: Page) -> Page:
    """Made one for scripts that come from a benchmark, not from the site."""
    session = page.context.new_cdp_session(page)
    session.send("Page.enable")
    session.send("Page.setBypassCSP", {"enabled": True})
    return page


def give_room(page: Page, site: Site, room_bytes: int) -> None:
    """Of the disk, as long as this page lives. Before the site's first use of it."""
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": site.base_url, "quotaSize": room_bytes})


def forget_kept(page: Page, site: Site) -> None:
    """Nothing of an earlier run may be taken up by the next one. No page of the site may be open."""
    session = page.context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", {"origin": site.base_url, "storageTypes": "indexeddb"})
    session.detach()


@contextmanager
def workers_stopped(site: Site) -> Iterator[None]:
    worker = site.pid_of("worker")
    signal_all(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(worker, signal.SIGCONT)


def longest_task_ms(page: Page) -> float:
    """0 where none took 50 ms: the browser reports no shorter ones. Needs WATCH_TASKS."""
    return float(page.evaluate("Math.max(0, ...window.longTasks.map(task => task[1]))"))


def renderers() -> list[psutil.Process]:
    """The processes of the pages and their workers, of every browser that we started."""
    found = []
    for pid in descendants_of(os.getpid()):
        try:
            process = psutil.Process(pid)
            if "--type=renderer" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def renderer_mb() -> float:
    """What the renderers hold alone, in MB: the heaps of pages and workers, and all around them."""
    total_bytes = 0
    for process in renderers():
        try:
            total_bytes += process.memory_full_info().uss
        except psutil.Error:
            continue
    return total_bytes / 1e6


def uploads_in(site: Site, gallery_id: str, states: Sequence[str]) -> int:
    """Read from the file of the database: asking the product would slow what is measured."""
    marks = ",".join("?" * len(states))
    question = f"SELECT count(*) FROM uploads_upload WHERE gallery_id = ? AND state IN ({marks})"  # noqa: S608
    with closing(sqlite3.connect(f"file:{site.data_dir / 'db.sqlite3'}?mode=ro", uri=True)) as database:
        return int(database.execute(question, [uuid.UUID(gallery_id).hex, *states]).fetchone()[0])


class NeverSoError(TimeoutError):
    """What a benchmark waited for did not come."""


def wait_until(is_so: Callable[[], bool], *, what: str, within_s: float, every_s: float = POLL_S) -> None:
    """Raises: NeverSoError."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise NeverSoError(f"{what} after {within_s:g} s")
        time.sleep(every_s)


def cpu_s_of(pid: int | None) -> float:
    """CPU seconds of a process, of all that it started and of those which have ended."""
    if pid is None:
        return 0.0
    total = 0.0
    for each in (pid, *descendants_of(pid)):
        try:
            total += sum(psutil.Process(each).cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def signal_all(pid: int | None, number: signal.Signals) -> None:
    """To a program and all that it started: a stopped worker must not go on in its children."""
    if pid is not None:
        for each in (pid, *descendants_of(pid)):
            send(each, number)


def last_stored_at(folder: Path, *, at_least_bytes: int) -> float:
    """When the youngest object below a store's folder got its name, in seconds since the epoch."""
    found = (file.stat() for file in folder.rglob("*") if file.is_file())
    return max((each.st_ctime for each in found if each.st_size >= at_least_bytes), default=0.0)
