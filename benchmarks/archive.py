"""One ZIP of a gallery: the product's, beside zipstream-ng, stream-zip and `zip -0`, from warm files into /dev/null.

Each archive is made in a process of its own. Then the product as a server, a hundred downloads at once.
GB=1 sets how much the first holds.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import psutil

from benchmarks import _places
from benchmarks._report import Line, at_most, interleaved, median_ratio, percentile, show
from benchmarks._zip_once import files_in, make_files
from dev import python_packages
from dev.services import zip_tools

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dev.services.site import Site

GIGABYTES: Final = float(os.environ.get("GB", "1"))
REPETITIONS: Final = 5
PEERS: Final = {"zipstream": "zipstream-ng==1.9.3", "stream_zip": "stream-zip==0.0.84"}
LEAST_RATIO: Final = 2.0
MAX_GROWN_MIB: Final = 10.0
FIRST_BYTE_MS: Final = 50.0

AT_ONCE: Final = 100
PAGES: Final = 60
PAGE_P95_MS: Final = 200.0
# Of each download, so that a hundred of them last while the pages are asked for.
READ_BYTES_PER_S: Final = 1_000_000
PHOTO_COUNT, PHOTO_BYTES = 40, 2_000_000


def once(writer: str, folder: Path) -> dict[str, float]:
    if writer == "zip -0":
        return zip_once(folder)
    command = [sys.executable, "-m", "benchmarks._zip_once", writer, str(folder)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    cost: dict[str, float] = json.loads(ended.stdout)
    return cost


def zip_once(folder: Path) -> dict[str, float]:
    """Info-ZIP's own program, as people use it: it reads every file twice over."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(os.devnull, "wb") as null:  # noqa: PTH123
        command = [zip_tools.ensure("zip"), "-0", "-q", "-", "-@"]
        names = "\n".join(map(str, files_in(folder)))
        subprocess.run(command, check=True, stdout=null, input=names, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    total = sum(path.stat().st_size for path in files_in(folder))
    return {"cpu_s": used, "wall_s": time.perf_counter() - began, "byte_count": total}


def cpu_per_gb(costs: Sequence[dict[str, float]]) -> list[float]:
    return [each["cpu_s"] / each["byte_count"] * 1e9 for each in costs]


def told(costs: Sequence[dict[str, float]]) -> str:
    speed = median(each["byte_count"] / each["wall_s"] / 1e6 for each in costs)
    return f"{median(cpu_per_gb(costs)):.2f} s/GB, {speed:,.0f} MB/s"


def lines_of(count: int, folder: Path) -> list[Line]:
    file_bytes = int(GIGABYTES * 1e9 / count)
    make_files(folder, count, file_bytes)
    names = ("ours", "zipstream-ng", "stream-zip", "zip -0")
    costs = interleaved({name: partial(once, name, folder) for name in names}, repetitions=REPETITIONS)
    what = f"{count:,} x {file_bytes / 1e6:g} MB"
    lines = []
    for name in names[1:]:
        ratio = median_ratio(cpu_per_gb(costs[name]), cpu_per_gb(costs["ours"]))
        is_judged = name == "zipstream-ng"
        lines.append(
            Line(
                f"{what}, beside {name}", told(costs["ours"]), told(costs[name]),
                f">= {LEAST_RATIO:g} x less CPU" if is_judged else "", ratio,
                ratio >= LEAST_RATIO if is_judged else None,
            )
        )  # fmt: skip
    theirs = median(each["grown_mib"] for each in costs["zipstream-ng"])
    grown = median(each["grown_mib"] for each in costs["ours"])
    first_ms = median(each["first_byte_ms"] for each in costs["ours"])
    lines.append(at_most(f"{what}, first byte", first_ms, FIRST_BYTE_MS, unit="ms"))
    lines.append(
        at_most(f"{what}, memory above the start", grown, MAX_GROWN_MIB, unit="MiB", peer=f"{theirs:.1f} MiB")
    )
    return lines


def fill(site: Site) -> str:
    """The id of a gallery of the demo user."""
    words = f"from benchmarks._fill_archive import fill; print(fill({PHOTO_COUNT}, {PHOTO_BYTES}))"
    return site.manage("shell", "-v0", "-c", words).strip().splitlines()[-1]


async def download(site: Site, path: str, token: str, until: asyncio.Event) -> int:
    """Bytes taken, at the pace of a person's line, until the pages have been asked for."""
    reader, writer = await asyncio.open_connection("localhost", site.port, limit=64 * 1024)
    host = urlsplit(site.base_url).netloc
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise RuntimeError(head.decode())
    taken = 0
    while not until.is_set() and (chunk := await reader.read(READ_BYTES_PER_S // 10)):
        taken += len(chunk)
        await asyncio.sleep(0.1)
    writer.close()
    return taken


def page_ms(site: Site, path: str, token: str) -> float:
    asked = urllib.request.Request(  # noqa: S310 - an address of ours
        f"{site.base_url}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    began = time.perf_counter()
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
        answer.read()
    return 1000 * (time.perf_counter() - began)


async def at_once(site: Site, gallery_id: str, token: str) -> dict[str, Any]:
    web = psutil.Process(site.pid_of("web"))
    page = f"/api/galleries/{gallery_id}/photos?limit=100"
    alone = [await asyncio.to_thread(page_ms, site, page, token) for _ in range(PAGES)]
    before_mib, until, began = rss_mib(web), asyncio.Event(), time.perf_counter()
    path = f"/galleries/{gallery_id}/download.zip"
    downloads = [asyncio.create_task(download(site, path, token, until)) for _ in range(AT_ONCE)]
    meanwhile, most_mib = [], before_mib
    for _ in range(PAGES):
        meanwhile.append(await asyncio.to_thread(page_ms, site, page, token))
        most_mib = max(most_mib, rss_mib(web))
    until.set()
    taken = sum(await asyncio.gather(*downloads))
    return {
        "alone": alone,
        "meanwhile": meanwhile,
        "grown_mib": most_mib - before_mib,
        "mb_per_s": taken / 1e6 / (time.perf_counter() - began),
    }


def rss_mib(process: Any) -> float:
    rss_bytes: int = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    return rss_bytes / 2**20


def lines_of_server(path: Path) -> list[Line]:
    with _places.running_site(path / "site", {"ARCHIVES_AT_ONCE": str(2 * AT_ONCE)}) as site:
        gallery_id, token = fill(site), site.api_token()
        first_ms = [page_ms(site, f"/galleries/{gallery_id}/sha256sums.txt", token) for _ in range(9)]
        found = asyncio.run(at_once(site, gallery_id, token))
    return [
        Line(
            "the list of an archive, first and again", f"{first_ms[0]:.0f} ms, {median(first_ms[1:]):.0f} ms"
        ),
        at_most(
            f"a page while {AT_ONCE} archives are sent, p95",
            percentile(found["meanwhile"], 95),
            PAGE_P95_MS,
            unit="ms",
            peer=f"{percentile(found['alone'], 95):.0f} ms without",
        ),
        Line(f"memory of {AT_ONCE} archives at once", f"{found['grown_mib']:.0f} MiB"),
        Line("sent meanwhile", f"{found['mb_per_s']:.0f} MB/s"),
    ]


def main() -> int:
    for module, pinned in PEERS.items():
        if find_spec(module) is None:
            python_packages.install_into_venv(pinned, doing=f"install {pinned} to measure beside")
    with _places.folder() as path:
        lines = [line for count in (200, 5_000) for line in lines_of(count, path / f"{count}")]
        lines += lines_of_server(path)
    return show(f"Archives of {GIGABYTES:g} GB, median of {REPETITIONS}", lines)


if __name__ == "__main__":
    sys.exit(main())
