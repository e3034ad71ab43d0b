"""Five thousand photos: looking at them, reading their pages, and choosing as many files."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import psutil
import pyvips

from benchmarks import _places
from benchmarks._browser import running_chromium, visitor_of
from benchmarks._http import Ask, ask_all
from benchmarks._report import Line, at_most, percentile, show
from dev.places import ROOT
from dev.processes import descendants_of

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks._browser import Visitor
    from dev.services.site import Site

COUNT: Final = 5_000
REPETITIONS: Final = 3
CHOICES: Final = 3
PAGE_CALLS: Final = 100
FIRST_TILES_MS: Final = 1_000
MAX_NODES: Final = 1_500
LONGEST_TASK_MS: Final = 50
MAX_QUERIES: Final = 15
PAGE_P95_MS: Final = 50
FIRST_ROWS_MS: Final = 100
MAX_HEAP_MB: Final = 150
WHEEL_PX: Final = 1_600
WHEELS: Final = 60

# Before the page's own scripts: notes every task of 50 ms and more, the limit itself.
# https://www.w3.org/TR/longtasks-1/
WATCH_TASKS: Final = """
window.longTasks = [];
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) window.longTasks.push([entry.startTime, entry.duration]);
}).observe({ type: "longtask", buffered: true });
"""
FIRST_TILES: Final = """
() => {
    const shown = [...document.querySelectorAll("[data-photo-id] img")].filter(image => image.naturalWidth > 0);
    return shown.length >= 8 ? performance.now() : 0;
}
"""
WATCH_ROWS: Final = """
() => {
    window.chosenAt = 0;
    window.rowAt = 0;
    document.addEventListener("change", () => { window.chosenAt = performance.now(); }, { capture: true, once: true });
    new MutationObserver((_, watch) => {
        if (document.querySelector("[data-tile-state], [data-upload-state]") !== null) {
            window.rowAt = performance.now();
            watch.disconnect();
        }
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
}
"""


def beside(site: Site, *words: str) -> str:
    environment = {**site.environment, "REDIS_URL": f"unix://{site.data_dir / 'redis' / 'redis.sock'}"}
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks._fill_gallery", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def look(visitor: Visitor, gallery_id: str) -> dict[str, float]:
    """One visit: to the first pictures, then down the wall."""
    page = visitor.page
    page.goto("about:blank")
    page.goto(f"/galleries/{gallery_id}/", wait_until="commit")
    first_ms = float(page.wait_for_function(FIRST_TILES, polling="raf").json_value())
    page.wait_for_load_state("networkidle")
    nodes = node_count(visitor)
    page.evaluate("window.longTasks.length = 0")
    page.mouse.move(400, 400)
    for _ in range(WHEELS):
        page.mouse.wheel(0, WHEEL_PX)
        page.wait_for_timeout(50)  # a hand at the wheel, not a condition
        nodes = max(nodes, node_count(visitor))
    return {"first": first_ms, "nodes": nodes, "task": longest_task_ms(visitor)}


def node_count(visitor: Visitor) -> int:
    return int(visitor.page.evaluate("document.querySelectorAll('*').length"))


def longest_task_ms(visitor: Visitor) -> float:
    """0 where none took 50 ms: the browser reports no shorter ones."""
    return float(visitor.page.evaluate("Math.max(0, ...window.longTasks.map(task => task[1]))"))


def wall_lines(visitor: Visitor, gallery_id: str) -> list[Line]:
    visits = [look(visitor, gallery_id) for _ in range(REPETITIONS)]
    queries = json.loads(beside(visitor.site, "count", gallery_id))
    first_ms = statistics.median(visit["first"] for visit in visits)
    tasks_ms = [visit["task"] for visit in visits]
    return [
        at_most("first tiles with pictures", first_ms, FIRST_TILES_MS, unit="ms"),
        at_most(
            "elements, most while scrolling", max(visit["nodes"] for visit in visits), MAX_NODES, unit="nodes"
        ),
        task_line("longest task while scrolling", statistics.median(tasks_ms), worst_ms=max(tasks_ms)),
        at_most("queries of the page", queries["page"], MAX_QUERIES, unit="queries"),
        Line(
            "queries of a list of 10 and of 100 photos",
            f"{queries['photos 10']}, {queries['photos 100']}",
            limit="equal",
            is_within=queries["photos 10"] == queries["photos 100"],
        ),
    ]


def task_line(what: str, median_ms: float, *, worst_ms: float) -> Line:
    shown = "none of 50 ms" if median_ms == 0 else f"{median_ms:.0f} ms"
    limit = f"<= {LONGEST_TASK_MS} ms"
    return Line(f"{what} (worst {worst_ms:.0f} ms)", shown, "", limit, None, median_ms <= LONGEST_TASK_MS)


def list_lines(visitor: Visitor, gallery_id: str) -> list[Line]:
    headers = {"Authorization": f"Bearer {visitor.token}"}
    path = f"/api/galleries/{gallery_id}/photos?limit=100"
    asks = [Ask("GET", path, headers) for _ in range(PAGE_CALLS)]
    with ThreadPoolExecutor(1) as another_thread:  # Playwright's own loop lives in this one
        answers = another_thread.submit(
            lambda: asyncio.run(ask_all("127.0.0.1", visitor.site.port, asks, at_once=1))
        ).result()
    took_ms = [answer.took_s * 1e3 for answer in answers[5:]]
    return [
        at_most("a list of 100 photos, p95", percentile(took_ms, 95), PAGE_P95_MS, unit="ms"),
        Line("a list of 100 photos, median", f"{statistics.median(took_ms):.1f} ms"),
    ]


def make_files(folder: Path) -> list[Path]:
    folder.mkdir()
    picture = pyvips.Image.gaussnoise(64, 48).cast("uchar").jpegsave_buffer()
    files = [folder / f"IMG_{number:05d}.jpg" for number in range(COUNT)]
    for number, file in enumerate(files):
        file.write_bytes(picture + number.to_bytes(4, "big"))
    return files


def choose_lines(visitor: Visitor, files: list[Path]) -> list[Line]:
    chosen = [choose(visitor, files) for _ in range(CHOICES)]
    tasks_ms = [each["task"] for each in chosen]
    return [
        at_most(
            "first row after choosing",
            statistics.median(each["row"] for each in chosen),
            FIRST_ROWS_MS,
            unit="ms",
        ),
        task_line("longest task after choosing", statistics.median(tasks_ms), worst_ms=max(tasks_ms)),
        at_most(
            "memory of the page above idle",
            statistics.median(each["mb"] for each in chosen),
            MAX_HEAP_MB,
            unit="MB",
        ),
    ]


def choose(visitor: Visitor, files: list[Path]) -> dict[str, float]:
    page = visitor.page
    visitor.page.goto("about:blank")
    gallery_id = visitor.open_new_gallery("Five thousand")
    page.wait_for_load_state("networkidle")
    idle_mb = renderer_mb()
    page.evaluate(WATCH_ROWS)
    page.evaluate("window.longTasks.length = 0")
    visitor.choose(files)
    page.wait_for_function("() => window.rowAt > 0", polling="raf")
    page.wait_for_function(
        "() => Number(document.querySelector('[data-progress-percent]')?.dataset.progressPercent ?? 0) > 0"
    )
    measured = {
        "row": float(page.evaluate("window.rowAt - window.chosenAt")),
        "task": longest_task_ms(visitor),
        "mb": renderer_mb() - idle_mb,
    }
    page.goto("about:blank")
    forget(visitor, gallery_id)
    return measured


def forget(visitor: Visitor, gallery_id: str) -> None:
    """What it has not sent must not wait for the workers beside the next choice."""
    listed = visitor.call("GET", f"/api/galleries/{gallery_id}/uploads?limit=1000")["uploads"]
    ids = [each["id"] for each in listed]
    for first in range(0, len(ids), 100):
        visitor.call("POST", "/api/uploads/cancel", {"ids": ids[first : first + 100]})


def renderer_mb() -> float:
    """What the renderers hold alone, in MB: the heaps of pages and workers, and all around them."""
    total_bytes = 0
    for pid in descendants_of(os.getpid()):
        try:
            process = psutil.Process(pid)
            if "--type=renderer" in process.cmdline():
                total_bytes += process.memory_full_info().uss
        except psutil.Error:
            continue
    return total_bytes / 1e6


def main() -> int:
    lines: list[Line] = []
    with _places.folder() as path, ExitStack() as stack:
        files = make_files(path / "files")
        browser = stack.enter_context(running_chromium())
        site = stack.enter_context(_places.running_site(path / "site"))
        visitor = stack.enter_context(visitor_of(browser, site))
        visitor.page.add_init_script(WATCH_TASKS)
        gallery: Any = visitor.call("POST", "/api/galleries", {"title": "Five thousand photos"})
        beside(site, "fill", gallery["id"], str(COUNT))
        lines += wall_lines(visitor, gallery["id"])
        lines += list_lines(visitor, gallery["id"])
        missed = show(f"A gallery of {COUNT:,} photos", lines)
        return show(f"A choice of {COUNT:,} files", choose_lines(visitor, files)) or missed


if __name__ == "__main__":
    sys.exit(main())
