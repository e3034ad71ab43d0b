"""A folder of five thousand photos, chosen: in the product's page and in Uppy's Dashboard, in turn.

The page goes on to inspect, keep, register and send them; it is watched until a tenth is sent. The Dashboard waits for
a click; it is watched until it has all of them and has come to rest.
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

# A row is drawn in the frame after it has come into the document; what runs after that frame sees it drawn.
WATCH_ROWS: Final = """
row => {
    window.chosenAt = 0;
    window.rowAt = 0;
    window.longTasks.length = 0;
    document.addEventListener("change", () => { window.chosenAt = performance.now(); }, { capture: true, once: true });
    new MutationObserver((_, watch) => {
        if (document.querySelector(row) === null) return;
        watch.disconnect();
        requestAnimationFrame(() => setTimeout(() => { window.rowAt = performance.now(); }));
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
}
"""
IS_SENDING: Final = """
percent => Number(document.querySelector("[data-progress-percent]")?.dataset.progressPercent ?? 0) >= percent
"""
# Chromium itself takes a second to hand over the folder, and ends that task with the event: only what follows is ours.
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
    """What one choice of the folder cost. The heap is that of the page's own JavaScript, without workers."""

    first_row_ms: float
    longest_task_ms: float
    memory_mb: float
    heap_mb: float


class Watch:
    """Of one page, from before the folder is chosen."""

    def __init__(self, page: Page, row: str) -> None:
        self.page = page
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.idle_mb, self.idle_heap_mb = renderer_mb(), self.heap_mb()
        page.evaluate(WATCH_ROWS, row)

    def heap_mb(self) -> float:
        return float(self.session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    def end(self) -> Choice:
        choice = Choice(
            float(self.page.evaluate("window.rowAt - window.chosenAt")),
            float(self.page.evaluate(OUR_LONGEST_TASK)),
            renderer_mb() - self.idle_mb,
            self.heap_mb() - self.idle_heap_mb,
        )
        self.session.detach()
        return choice


def choose_in_ours(visitor: Visitor, folder: Path) -> Choice:
    page = visitor.page
    gallery_id = visitor.open_new_gallery("Five thousand")
    page.wait_for_load_state("networkidle")
    watch = Watch(page, OURS)
    visitor.choose_folder(folder)
    page.wait_for_function("() => window.rowAt > 0", polling="raf")
    page.wait_for_function(IS_SENDING, arg=WATCHED_PERCENT, timeout=WITHIN_MS)
    choice = watch.end()
    visitor.forget(gallery_id)
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
        for each in (page, other):
            each.add_init_script(WATCH_TASKS)
        visitor = visitor_in(page, site)
        script = built_page("dashboard")
        with workers_stopped(site):
            choices = interleaved(
                {
                    "ours": lambda: choose_in_ours(visitor, folder),
                    "dashboard": lambda: choose_in_dashboard(other, script, folder),
                },
                repetitions=REPETITIONS,
            )
    lines = our_lines(choices["ours"]) + their_lines(choices["dashboard"])
    return show(f"A folder of {COUNT:,} files, chosen; worker stopped", lines)


if __name__ == "__main__":
    sys.exit(main())
