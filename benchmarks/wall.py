"""Five thousand photos: looking at them, and reading their pages."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks import _places
from benchmarks._browser import WATCH_TASKS, longest_task_ms, running_chromium, visitor_of
from benchmarks._http import Ask, ask_all
from benchmarks._report import Line, at_most, percentile, show, task_line
from dev.places import ROOT

if TYPE_CHECKING:
    from benchmarks._browser import Visitor
    from dev.services.site import Site

COUNT: Final = 5_000
REPETITIONS: Final = 3
PAGE_CALLS: Final = 100
FIRST_TILES_MS: Final = 1_000
MAX_NODES: Final = 1_500
LONGEST_TASK_MS: Final = 50
MAX_QUERIES: Final = 15
PAGE_P95_MS: Final = 50
WHEEL_PX: Final = 1_600
WHEELS: Final = 60

FIRST_TILES: Final = """
() => {
    const shown = [...document.querySelectorAll("[data-photo-id] img")].filter(image => image.naturalWidth > 0);
    return shown.length >= 8 ? performance.now() : 0;
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
    return {"first": first_ms, "nodes": nodes, "task": longest_task_ms(visitor.page)}


def node_count(visitor: Visitor) -> int:
    return int(visitor.page.evaluate("document.querySelectorAll('*').length"))


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
        task_line("longest task while scrolling", tasks_ms, limit_ms=LONGEST_TASK_MS),
        at_most("queries of the page", queries["page"], MAX_QUERIES, unit="queries"),
        Line(
            "queries of a list of 10 and of 100 photos",
            f"{queries['photos 10']}, {queries['photos 100']}",
            limit="equal",
            is_within=queries["photos 10"] == queries["photos 100"],
        ),
    ]


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


def main() -> int:
    lines: list[Line] = []
    with _places.folder() as path, ExitStack() as stack:
        browser = stack.enter_context(running_chromium())
        site = stack.enter_context(_places.running_site(path / "site"))
        visitor = stack.enter_context(visitor_of(browser, site))
        visitor.page.add_init_script(WATCH_TASKS)
        gallery: Any = visitor.call("POST", "/api/galleries", {"title": "Five thousand photos"})
        beside(site, "fill", gallery["id"], str(COUNT))
        lines += wall_lines(visitor, gallery["id"])
        lines += list_lines(visitor, gallery["id"])
    return show(f"A gallery of {COUNT:,} photos", lines)


if __name__ == "__main__":
    sys.exit(main())
