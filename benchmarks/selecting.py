"""A folder of five thousand photos, chosen: in the product's page, in Uppy's Dashboard and in a bare page, in turn.

The page goes on to inspect, keep, register and send them; it is watched until a tenth is sent, and then once more,
opened again, until it shows what it remembers. The Dashboard waits for a click; it is watched until it has all of them
and has come to rest. The bare page draws one row and leaves the files alone: what that takes is the browser's own.
"""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyvips

from benchmarks import _places
from benchmarks._browser import (
    WATCH_TASKS,
    browser_type,
    own_browser,
    plain_page,
    renderer_mb,
    visitor_in,
    workers_stopped,
)
from benchmarks._peers import built_page
from benchmarks._report import Line, at_most, interleaved, show, task_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from playwright.sync_api import CDPSession, Page

    from benchmarks._browser import Visitor

COUNT: Final = int(os.environ.get("COUNT", "5000"))
REPETITIONS: Final = int(os.environ.get("REPETITIONS", "3"))
WITHIN_MS: Final = 180_000
WATCHED_PERCENT: Final = 10
FIRST_ROWS_MS: Final = 100
LONGEST_TASK_MS: Final = 50
MAX_HEAP_MB: Final = 150
OURS: Final = "[data-tile-state], [data-upload-state]"
UPPYS: Final = ".uppy-Dashboard-Item"

# Before a page's own scripts. A row is drawn in the frame after it has come into the document; what runs after that
# frame sees it drawn. A timer would wait behind five thousand words of Chromium's own.
WATCH_ROWS: Final = """
window.watchRows = row => {
    window.chosenAt = 0;
    window.rowAt = 0;
    window.longTasks.length = 0;
    document.addEventListener("change", () => { window.chosenAt = performance.now(); }, { capture: true, once: true });
    new MutationObserver((_, watch) => {
        if (document.querySelector(row) === null) return;
        watch.disconnect();
        requestAnimationFrame(() => scheduler.postTask(
            () => { window.rowAt = performance.now(); }, { priority: "user-blocking" },
        ));
    }).observe(document, { subtree: true, childList: true, attributes: true });
};
if (location.protocol === "http:" && sessionStorage.watchedRow) {
    window.watchRows(sessionStorage.watchedRow);
    delete sessionStorage.watchedRow;
}
"""
ADD_BARE_CHOOSER: Final = """() => {
    const input = document.createElement("input");
    input.type = "file";
    input.webkitdirectory = true;
    input.addEventListener("change", () => {
        const row = document.createElement("p");
        row.dataset.row = "";
        row.textContent = `${input.files.length} files`;
        document.body.append(row);
    });
    document.body.append(input);
}"""
IS_AT_REST: Final = """() => {
    const [startedAt, tookMs] = window.longTasks.at(-1) ?? [0, 0];
    return window.rowAt > 0 && performance.now() - Math.max(startedAt + tookMs, window.rowAt) > 1_000;
}"""
IS_SENDING: Final = """
percent => Number(document.querySelector("[data-progress-percent]")?.dataset.progressPercent ?? 0) >= percent
"""
# Chromium itself takes a second to make the files, and ends that task with the event: only what follows is the page's.
BEFORE_THE_EVENT: Final = """
() => Math.max(0, ...window.longTasks.map(([startedAt]) => window.chosenAt - startedAt))
"""
OUR_LONGEST_TASK: Final = """
() => Math.max(0, ...window.longTasks.map(
    ([startedAt, tookMs]) => startedAt + tookMs - Math.max(startedAt, window.chosenAt)
))
"""
HAS_ALL: Final = """
count => {
    const [startedAt, tookMs] = window.longTasks.at(-1) ?? [0, 0];
    return window.uppy.getFiles().length === count && performance.now() - startedAt - tookMs > 1_000;
}
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one choice of the folder cost, from the event on: what the browser took before it is told apart.

    The heap is that of the page's own JavaScript, without workers.
    """

    before_ms: float
    first_row_ms: float
    longest_task_ms: float
    memory_mb: float
    heap_mb: float


@dataclass(frozen=True, slots=True)
class Opening:
    """Of the page with thousands of remembered files, from the beginning of its navigation."""

    first_row_ms: float
    longest_task_ms: float


class Watch:
    """Of one page, from before the folder is chosen."""

    def __init__(self, page: Page, row: str) -> None:
        self.page = page
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.idle_mb, self.idle_heap_mb = renderer_mb(), self.heap_mb()
        page.evaluate("row => watchRows(row)", row)

    def heap_mb(self) -> float:
        return float(self.session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    def end(self) -> Choice:
        choice = Choice(
            float(self.page.evaluate(BEFORE_THE_EVENT)),
            float(self.page.evaluate("window.rowAt - window.chosenAt")),
            float(self.page.evaluate(OUR_LONGEST_TASK)),
            renderer_mb() - self.idle_mb,
            self.heap_mb() - self.idle_heap_mb,
        )
        self.session.detach()
        return choice


def choose_in_ours(visitor: Visitor, folder: Path) -> tuple[Choice, Opening]:
    page = visitor.page
    gallery_id = visitor.open_new_gallery("Five thousand")
    page.wait_for_load_state("networkidle")
    watch = Watch(page, OURS)
    visitor.choose_folder(folder)
    page.wait_for_function("() => window.rowAt > 0", polling="raf")
    page.wait_for_function(IS_SENDING, arg=WATCHED_PERCENT, timeout=WITHIN_MS)
    choice = watch.end()
    opening = open_again(page)
    visitor.forget(gallery_id)
    return choice, opening


def open_again(page: Page) -> Opening:
    """All are on the list by now, and so written down."""
    page.wait_for_selector(f"[aria-rowcount='{COUNT}']", state="attached", timeout=WITHIN_MS)
    page.evaluate("row => { sessionStorage.watchedRow = row; }", OURS)
    page.goto(page.url)
    page.wait_for_function(IS_AT_REST, timeout=WITHIN_MS)
    tasks = page.evaluate("window.longTasks.map(([, tookMs]) => tookMs)")
    return Opening(float(page.evaluate("window.rowAt")), max(tasks, default=0.0))


def choose_in_bare(page: Page, folder: Path) -> Choice:
    page.goto("/livez")
    page.evaluate(ADD_BARE_CHOOSER)
    watch = Watch(page, "[data-row]")
    page.locator("input").set_input_files(folder)
    page.wait_for_function(IS_AT_REST, timeout=WITHIN_MS)
    choice = watch.end()
    page.goto("about:blank")
    return choice


def choose_in_dashboard(page: Page, script: Path, folder: Path) -> Choice:
    """On a page that is of our site, and empty."""
    page.goto("/livez")
    page.add_style_tag(path=script.with_suffix(".css"))
    page.add_script_tag(path=script)
    page.wait_for_load_state("networkidle")
    watch = Watch(page, UPPYS)
    page.locator("input.uppy-Dashboard-input[webkitdirectory]").set_input_files(folder)
    page.wait_for_function(HAS_ALL, arg=COUNT, timeout=WITHIN_MS)
    choice = watch.end()
    page.goto("about:blank")
    return choice


def make_files(folder: Path) -> Path:
    """Each another picture's bytes; returns the folder."""
    folder.mkdir()
    picture = pyvips.Image.gaussnoise(64, 48).cast("uchar").jpegsave_buffer()
    for number in range(COUNT):
        (folder / f"IMG_{number:05d}.jpg").write_bytes(picture + number.to_bytes(4, "big"))
    return folder


def our_lines(choices: Sequence[Choice]) -> list[Line]:
    return [
        at_most("the page: first rows drawn", median(choices, "first_row_ms"), FIRST_ROWS_MS, unit="ms"),
        task_line("the page: longest task", tasks_ms(choices), limit_ms=LONGEST_TASK_MS),
        at_most(
            "the page: memory of its process above idle",
            median(choices, "memory_mb"),
            MAX_HEAP_MB,
            unit="MB",
        ),
        Line("the page: heap above idle", f"{median(choices, 'heap_mb'):.1f} MB"),
    ]


def opening_lines(openings: Sequence[Opening]) -> list[Line]:
    rows_ms = statistics.median(opening.first_row_ms for opening in openings)
    tasks = [opening.longest_task_ms for opening in openings]
    return [
        Line("opened again: first rows drawn, from the navigation on", f"{rows_ms:,.0f} ms"),
        task_line("opened again: longest task", tasks, limit_ms=LONGEST_TASK_MS),
    ]


def bare_lines(choices: Sequence[Choice]) -> list[Line]:
    """What no page can help."""
    tasks = statistics.median(tasks_ms(choices))
    return [
        Line("Chromium, before a page hears of the choice", "", f"{median(choices, 'before_ms'):,.0f} ms"),
        Line("bare page: one row drawn", "", f"{median(choices, 'first_row_ms'):,.1f} ms"),
        Line("bare page: longest task", "", "none of 50 ms" if tasks == 0 else f"{tasks:,.0f} ms"),
    ]


def their_lines(choices: Sequence[Choice]) -> list[Line]:
    return [
        Line("Dashboard 6.0.3: first rows drawn", "", f"{median(choices, 'first_row_ms'):,.0f} ms"),
        Line("Dashboard 6.0.3: longest task", "", f"{statistics.median(tasks_ms(choices)):,.0f} ms"),
        Line(
            "Dashboard 6.0.3: memory of its process above idle",
            "",
            f"{median(choices, 'memory_mb'):,.0f} MB",
        ),
        Line("Dashboard 6.0.3: heap above idle", "", f"{median(choices, 'heap_mb'):.1f} MB"),
    ]


def median(choices: Sequence[Choice], name: str) -> float:
    return statistics.median(float(getattr(choice, name)) for choice in choices)


def tasks_ms(choices: Sequence[Choice]) -> list[float]:
    return [choice.longest_task_ms for choice in choices]


def main() -> int:
    with _places.folder() as path, ExitStack() as stack:
        folder = make_files(path / "folder")
        site = stack.enter_context(_places.running_site(path / "site"))
        kind = stack.enter_context(browser_type())
        # Each in a window of its own: a page behind another one draws nothing.
        page = stack.enter_context(own_browser(kind, path / "ours", site)).open()
        other = plain_page(stack.enter_context(own_browser(kind, path / "uppy", site)).open())
        bare = stack.enter_context(own_browser(kind, path / "bare", site)).open()
        for each in (page, other, bare):
            each.add_init_script(WATCH_TASKS + WATCH_ROWS)
        visitor = visitor_in(page, site)
        script = built_page("dashboard")
        with workers_stopped(site):
            measured = interleaved(
                {
                    "ours": lambda: choose_in_ours(visitor, folder),
                    "dashboard": lambda: (choose_in_dashboard(other, script, folder), None),
                    "bare": lambda: (choose_in_bare(bare, folder), None),
                },
                repetitions=REPETITIONS,
            )
    chosen = {name: [choice for choice, _ in runs] for name, runs in measured.items()}
    openings = [opening for _, opening in measured["ours"] if opening is not None]
    lines = [
        *our_lines(chosen["ours"]),
        *opening_lines(openings),
        *bare_lines(chosen["bare"]),
        *their_lines(chosen["dashboard"]),
    ]
    return show(f"A folder of {COUNT:,} files, chosen; worker stopped", lines)


if __name__ == "__main__":
    sys.exit(main())
