"""Nothing that happens to a browser, a line or a server costs a photo, or a byte that was safe already."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import pytest

from tests.browser.conftest import GalleryPage, digests_of, make_gallery, write_padded_photo
from tests.browser.lines import A_PART, BODIES, MIB
from tests.fault_gate.faults import Answer, Break, LoseAnswer, Rule, Slow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from dev.services.site import Site
    from tests.browser.lines import GatedSite

pytestmark = [
    pytest.mark.alone,
    pytest.mark.browser,
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.parametrize("gated", ["local", "swift"], indirect=True),
]

SMALL_COUNT, LARGE_COUNT = 480, 20
SMALL_BYTES, LARGE_BYTES = 60_000, 10_000_000
SAMPLE_COUNT = 30
# What a page and its console say while lines and servers fail.
TROUBLE = r"ERR_|CORS|Failed to load|WebSocket|answer: 50[0-9]|net::"
# So slow that an upload of this size can be interrupted where it is wanted.
SLOW_FILES = Rule(Slow("request", 500_000), **BODIES)
SLOW_PARTS = Rule(Slow("request", 8 * MIB), **BODIES, query=A_PART)
OFFLINE_S = {"local": 5.0, "swift": 20.0}
# Two busy cores verify five photos a second.
VERIFIED_WITHIN_MS = 300_000
MIRRORED_WITHIN_S = 2


@pytest.fixture
def card(tmp_path: Path) -> list[Path]:
    """Five hundred photos in one folder; every twenty-fifth goes up in two parts."""
    sizes = [SMALL_BYTES] * SMALL_COUNT
    for place in range(LARGE_COUNT):
        sizes.insert(place * (SMALL_COUNT // LARGE_COUNT + 1), LARGE_BYTES)
    return write_card(tmp_path / "card", sizes)


def write_card(folder: Path, sizes: list[int]) -> list[Path]:
    folder.mkdir()
    return [write_padded_photo(folder / f"photo-{number:03}.jpg", size) for number, size in enumerate(sizes)]


def is_large(file: Path) -> bool:
    return file.stat().st_size == LARGE_BYTES


def bytes_of(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def test_five_hundred_photos_survive_whatever_happens_without_a_click(
    own_browser, gated, sent, card, page_watch
) -> None:
    page_watch.expect(TROUBLE)
    paces = [gated.to_store.add(rule) for rule in (SLOW_PARTS, SLOW_FILES)]
    gallery = make_gallery(watched(own_browser.open(), page_watch))
    gallery.choose_folder(card[0].parent)

    assert gallery.wait_for_percent(30) < 50
    with sent.interrupted():
        gallery.page.reload(wait_until="commit")

    assert gallery.wait_for_percent(60) < 75
    with sent.interrupted():
        own_browser.kill()
    page = watched(own_browser.open(), page_watch)
    with sent.resumed() as reopened:
        gallery = gallery.open(page)

    assert gallery.wait_for_percent(70) < 80
    with sent.interrupted():
        page.context.set_offline(True)
        page.get_by_text("No connection").first.wait_for()
    page.wait_for_timeout(OFFLINE_S[gated.name] * 1000)
    with sent.resumed() as online:
        page.context.set_offline(False)

    for program, percent in (("web", 80), ("worker", 85), ("redis", 90)):
        assert gallery.wait_for_percent(percent) < 99
        with sent.interrupted():
            gated.site.kill(program)
    for pace in paces:
        gated.to_store.remove(pace)
    gallery.wait_for_end(within_ms=VERIFIED_WITHIN_MS)

    figures = (
        f"first byte {reopened.seconds:.2f} s after the page, {online.seconds:.2f} s after the line; {sent}"
    )
    print(f"\n{gated.name}: {figures}")  # noqa: T201 - for who asks with -s
    assert_all_there(gallery, card)
    assert_stored_once(gallery, gated)
    assert_receipt_is_right(page, card)
    assert sent.again_bytes() <= sent.lost_bytes()
    assert (
        sent.most_lost_at_once() <= 2 * gated.slots
    )  # a page loaded again begins before the old one has ended
    assert reopened.seconds < 4
    assert online.seconds < 5


def test_walking_through_the_pages_restarts_nothing(page, gated, sent, tmp_path) -> None:
    files = write_card(tmp_path / "walk", [SMALL_BYTES] * 60 + [LARGE_BYTES] * 3)
    hills = make_gallery(page, "In the hills")
    gallery = make_gallery(page, "By the sea")
    paces = [gated.to_store.add(rule) for rule in (SLOW_PARTS, SLOW_FILES)]
    begun: list[str] = []
    page.on("worker", lambda worker: begun.append(worker.url) if "preview" not in worker.url else None)
    page.evaluate("window.isSameDocument = true")

    gallery.choose(*files)
    walk(page, page.get_by_role("link", name="Safelight").click, "/galleries/")
    walk(page, page.get_by_role("link", name="In the hills").first.click, f"/galleries/{hills.gallery_id}/")
    walk(page, page.go_back, "/galleries/")
    walk(page, page.go_forward, f"/galleries/{hills.gallery_id}/")
    walk(page, page.get_by_role("link", name="Safelight").click, "/galleries/")
    assert 0 < gallery.percent() < 99
    walk(page, page.get_by_role("link", name="By the sea").first.click, f"/galleries/{gallery.gallery_id}/")
    for pace in paces:
        gated.to_store.remove(pace)
    gallery.wait_for_end()

    assert_all_there(gallery, files)
    assert begun == []
    assert page.evaluate("window.isSameDocument")
    assert sent.counts.requests == 60 + 3 * 2
    assert sent.counts.received_bytes == bytes_of(files)


def walk(page: Page, step: Callable[[], object], path: str) -> None:
    """By a link, as Turbo does it: the dock comes along."""
    step()
    page.wait_for_url(f"**{path}")
    page.locator("#upload-dock").wait_for()


def test_a_second_device_shows_how_far_it_is(gallery_page, gated, other_device, tmp_path) -> None:
    files = write_card(tmp_path / "mirror", [LARGE_BYTES // 10] * 30)
    gated.to_store.add(Rule(Slow("request", MIB), **BODIES))
    gallery_page.open(other_device)

    gallery_page.choose(*files)
    for percent in (20, 50, 80):
        said = gallery_page.wait_for_percent(percent)
        other_device.wait_for_function(
            "percent => Number(document.querySelector('main').dataset.elsewherePercent ?? -1) >= percent",
            arg=said,
            timeout=MIRRORED_WITHIN_S * 1000,
        )
    gallery_page.wait_for_end()

    GalleryPage(other_device, gallery_page.gallery_id).wait_for_tiles(12)


@pytest.fixture
def other_device(browser: Browser, site: Site, session_of, page_watch) -> Iterator[Page]:
    """Where the same person is signed in."""
    context = browser.new_context(base_url=site.base_url, storage_state=session_of(site))
    page = context.new_page()
    page_watch.watch(page)
    yield page
    context.close()


def test_one_request_in_twenty_that_fails_costs_little(
    gallery_page, gated, sent, page_watch, tmp_path
) -> None:
    page_watch.expect(TROUBLE)
    files = write_card(tmp_path / "faults", [2 * SMALL_BYTES] * 280 + [LARGE_BYTES] * 4)
    for rule in some_fail(random.Random(5), share=0.05):
        gated.to_store.add(rule)

    gallery_page.choose(*files)
    gallery_page.wait_for_end(within_ms=VERIFIED_WITHIN_MS)

    failed = sum(call.rule is not None for call in sent.counts.calls)
    print(f"\n{gated.name}: {failed} failed, {sent.counts.received_bytes / bytes_of(files):.3f} x the bytes")  # noqa: T201
    assert failed >= 10
    assert_all_there(gallery_page, files)
    assert sent.counts.received_bytes <= 1.1 * bytes_of(files)


def assert_receipt_is_right(page: Page, files: list[Path]) -> None:
    page.get_by_text(f"{len(files)} of {len(files)} verified").first.wait_for()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download receipt").click()
    lines = list(csv.DictReader(io.StringIO(downloading.value.path().read_text(encoding="utf-8-sig"))))
    assert [line["verified"] for line in lines] == ["yes"] * len(files)
    assert {line["name"]: (line["crc32"], line["sha256"]) for line in lines} == {
        file.name: (f"{zlib.crc32(file.read_bytes()):08x}", digest)
        for file, digest in zip(files, digests_of(files).values(), strict=True)
    }


def some_fail(chance: random.Random, *, share: float) -> list[Rule]:
    """So many of the whole files, in the order in which they are sent, each in another way; and parts that stall."""
    faults = [Answer(500), Answer(503), Break("request", SMALL_BYTES), LoseAnswer()]
    unlucky = [call for call in range(1, 1_000) if chance.random() < share]
    rules = [
        Rule(fault, **BODIES, query=f"^(?!.*{A_PART})", calls=set(unlucky[way :: len(faults)]))
        for way, fault in enumerate(faults)
    ]
    # A small one would be swallowed whole by the system before it stalls, and be waited for four times as long.
    return [Rule(Break("request", MIB, "stall"), **BODIES, query=A_PART, calls={3}), *rules]


def watched(page: Page, page_watch) -> Page:
    page_watch.watch(page)
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def assert_all_there(gallery: GalleryPage, files: list[Path]) -> None:
    """Every file once, verified, and its bytes those on the disk."""
    assert [upload["state"] for upload in gallery.uploads()] == ["verified"] * len(files)
    digests = digests_of(files)
    assert {photo["name"]: photo["sha256"] for photo in gallery.photos()} == digests
    assert len(gallery.photos()) == len(files)
    sample = {file.name for file in random.Random(1).sample(files, min(len(files), SAMPLE_COUNT))}
    wanted = sample | {file.name for file in files if is_large(file)}
    assert originals_of(gallery, wanted) == {name: digests[name] for name in wanted}


def originals_of(gallery: GalleryPage, names: set[str]) -> dict[str, str]:
    """SHA-256 of what the product hands out. Not by Playwright, to which a hundred megabytes are a minute's work."""
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in gallery.page.context.cookies())
    base_url = gallery.page.url.partition("/galleries/")[0]
    digests = {}
    for photo in gallery.photos():
        if photo["name"] in names:
            asked = Request(urljoin(base_url, photo["original_url"]), headers={"Cookie": cookies})  # noqa: S310
            with urlopen(asked) as answer:  # noqa: S310 - our own address
                digests[photo["name"]] = hashlib.file_digest(answer, "sha256").hexdigest()
    return digests


def assert_stored_once(gallery: GalleryPage, gated: GatedSite) -> None:
    ids = {upload["id"] for upload in gallery.uploads()}
    keys = gated.stored_keys(ids)
    assert len(keys) == len(ids)
    assert {key.split("/")[2] for key in keys} == ids
