"""Two hundred photos of real size, dropped into a real browser, until each is a gallery's: on both stores.

What the workers take for it without a browser beside them is measured by `publish`.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks import _places
from benchmarks._browser import (
    Visitor,
    cpu_s_of,
    last_stored_at,
    running_chromium,
    visitor_of,
)
from benchmarks._photos import photos
from benchmarks._report import Line, show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http.client import HTTPResponse
    from pathlib import Path

PHOTO_COUNT: Final = int(os.environ.get("PHOTO_COUNT", "200"))
WITHIN_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Store:
    name: str
    visitor: Visitor
    objects: Path


@dataclass(frozen=True, slots=True)
class Trip:
    """One drop, from the hand to the gallery. Times are seconds after the drop."""

    stored_s: float
    complete_s: float
    worker_cpu_s: float
    outcome: str
    shown: int
    wrong: list[str]


def travel(store: Store, files: Sequence[Path]) -> Trip:
    visitor = store.visitor
    gallery_id = visitor.open_new_gallery("The whole way")
    worker = visitor.site.pid_of("worker")
    cpu_before_s, began = cpu_s_of(worker), time.time()
    visitor.drop(files)
    outcome = visitor.wait_for_end(within_s=WITHIN_S)
    complete_s = time.time() - began
    cpu_s = cpu_s_of(worker) - cpu_before_s
    photos_shown = all_photos(visitor, gallery_id)
    wrong = wrong_originals(visitor, photos_shown, files) + pictureless(visitor, photos_shown)
    smallest_bytes = min(file.stat().st_size for file in files)  # renditions are smaller
    stored_s = last_stored_at(store.objects, at_least_bytes=smallest_bytes) - began
    return Trip(stored_s, complete_s, cpu_s, outcome, len(photos_shown), wrong)


def all_photos(visitor: Visitor, gallery_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = visitor.call("GET", f"/api/galleries/{gallery_id}/photos?limit=500{cursor}")
        found += page["photos"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def wrong_originals(visitor: Visitor, shown: Sequence[dict[str, Any]], files: Sequence[Path]) -> list[str]:
    """Names whose bytes, as the product hands them out, are not those that were sent."""
    sent = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return [
        each["name"] for each in shown if digest_at(visitor, each["original_url"]) != sent.get(each["name"])
    ]


def pictureless(visitor: Visitor, shown: Sequence[dict[str, Any]]) -> list[str]:
    """Photos without both sizes, or whose small one is no WebP."""
    return [
        each["name"]
        for each in shown
        if {size["name"] for size in each["renditions"]} != {"grid", "view"}
        or opened(visitor, each["renditions"][0]["url"]).read(12)[8:] != b"WEBP"
    ]


def digest_at(visitor: Visitor, path: str) -> str:
    whole = hashlib.sha256()
    with opened(visitor, path) as answer:
        while chunk := answer.read(1 << 20):
            whole.update(chunk)
    return whole.hexdigest()


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect to the store is followed without our token, as a browser does."""

    def redirect_request(self, *_args: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_StayHere)


def opened(visitor: Visitor, path: str) -> HTTPResponse:
    request = urllib.request.Request(
        f"http://127.0.0.1:{visitor.site.port}{path}", headers={"Authorization": f"Bearer {visitor.token}"}
    )
    try:
        answer: HTTPResponse = _OPENER.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code not in {301, 302, 303, 307, 308}:
            raise
        answer = urllib.request.urlopen(error.headers["Location"], timeout=60)  # noqa: S310 - our store
    return answer


def lines_of(store: Store, files: Sequence[Path]) -> list[Line]:
    trip = travel(store, files)
    total_mb = sum(file.stat().st_size for file in files) / 1e6
    name = store.name
    return [
        Line(
            f"{name}: {len(files)} photos, {total_mb:,.0f} MB, all stored",
            f"{trip.stored_s:.1f} s, {total_mb / trip.stored_s:.0f} MB/s",
        ),
        Line(
            f"{name}: all shown",
            f"{trip.complete_s:.1f} s, {len(files) / trip.complete_s:.1f} photos/s",
        ),
        Line(f"{name}: CPU of the workers", f"{trip.worker_cpu_s / len(files) * 1e3:.0f} ms a photo"),
        promise(f"{name}: photos shown, outcome {trip.outcome}", trip.shown, len(files)),
        promise(f"{name}: originals or pictures that differ {trip.wrong[:3] or ''}", len(trip.wrong), 0),
        promise(
            f"{name}: console errors and 5xx {store.visitor.troubles[:2] or ''}",
            len(store.visitor.troubles),
            0,
        ),
    ]


def promise(what: str, found: int, wanted: int) -> Line:
    return Line(what, f"{found}", limit=f"= {wanted}", is_within=found == wanted)


def main() -> int:
    with _places.folder() as path, ExitStack() as stack:
        files = photos(path / "photos", count=PHOTO_COUNT)
        swift = stack.enter_context(_places.running_swift(path))
        browser = stack.enter_context(running_chromium())
        local_site = stack.enter_context(_places.running_site(path / "a"))
        swift_site = stack.enter_context(
            _places.running_site(path / "b", swift.environment(swift.make_bucket("whole-way")))
        )
        stores = [
            Store("local", stack.enter_context(visitor_of(browser, local_site)), path / "a" / "objects"),
            Store("swift", stack.enter_context(visitor_of(browser, swift_site)), path / "swift" / "data"),
        ]
        lines = [line for store in stores for line in lines_of(store, files)]
    return show("From the hand to the gallery, one worker of 2 processes", lines)


if __name__ == "__main__":
    sys.exit(main())
