"""A signed-in visitor in a real Chromium, choosing files that lie on the disk."""

from __future__ import annotations

import json
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

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page

    from dev.services.site import Site

POLL_S: Final = 0.05


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

    def drop(self, paths: Sequence[Path]) -> None:
        """A real drag from outside the browser."""
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 400, "data": data})
        session.detach()

    def wait_for_end(self, *, within_s: float) -> str:
        """The outcome that the page shows: all, some or none."""
        self.page.wait_for_selector(
            "[data-gallery-state=complete][data-outcome]", timeout=within_s * 1e3, state="attached"
        )
        return str(self.page.locator("[data-gallery-state=complete]").get_attribute("data-outcome"))


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium.ensure(Path(sys.executable))), args=list(chromium.FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor_of(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Signs in once; every page that it opens is watched."""
    context = browser.new_context(base_url=site.base_url)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(site.username)
    page.locator("input[name=password]").fill(site.password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/accounts/login" not in url)
    visitor = Visitor(site, page, site.api_token())
    page.on("console", lambda said: visitor.troubles.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: visitor.troubles.append(str(error)))
    page.on(
        "response",
        lambda answer: (
            visitor.troubles.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
        ),
    )
    try:
        yield visitor
    finally:
        context.close()


def uploads_in(site: Site, gallery_id: str, states: Sequence[str]) -> int:
    """Read from the file of the database: asking the product would slow what is measured."""
    marks = ",".join("?" * len(states))
    question = f"SELECT count(*) FROM uploads_upload WHERE gallery_id = ? AND state IN ({marks})"  # noqa: S608
    with closing(sqlite3.connect(f"file:{site.data_dir / 'db.sqlite3'}?mode=ro", uri=True)) as database:
        return int(database.execute(question, [uuid.UUID(gallery_id).hex, *states]).fetchone()[0])


class NeverSoError(TimeoutError):
    """What a benchmark waited for did not come."""


def wait_until(is_so: Callable[[], bool], *, what: str, within_s: float) -> None:
    """Raises: NeverSoError."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise NeverSoError(f"{what} after {within_s:g} s")
        time.sleep(POLL_S)


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
