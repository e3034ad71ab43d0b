"""The product's page against Google's store: small photos by signed PUTs, a large one by a session, across origins.

The store is the emulator behind dev/services/gcs_emulator.py, which answers preflights and checks signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import digests_of, write_large_photo, write_photos

if TYPE_CHECKING:
    from pathlib import Path

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def site(site_gcs: Site) -> Site:
    return site_gcs


def test_small_photos_and_a_large_one_are_shown_byte_for_byte(gallery_page, tmp_path: Path) -> None:
    files = [*write_photos(tmp_path / "trip", 6), write_large_photo(tmp_path / "large.png")]
    ranges_sent: list[str] = []

    def take_note(request) -> None:
        if "content-range" in request.headers:
            ranges_sent.append(request.headers["content-range"])

    gallery_page.page.on("request", take_note)

    gallery_page.choose(*files)
    gallery_page.wait_for_end()
    gallery_page.wait_for_tiles(len(files))

    size = files[-1].stat().st_size
    assert len(ranges_sent) == -(-size // (8 * 2**20))
    assert gallery_page.percent() == 100
    assert gallery_page.original_digests() == digests_of(files)


def test_a_session_goes_on_after_the_page_was_reloaded(gallery_page, page_watch, tmp_path: Path) -> None:
    page_watch.expect(r"upload/storage")
    large = write_large_photo(tmp_path / "again.png")
    chunks: list[str] = []

    def take_note(route) -> None:
        range_sent = route.request.headers.get("content-range")
        if range_sent is not None:
            chunks.append(range_sent)
        if range_sent is not None and len(chunks) == 2:
            route.abort()
        else:
            route.continue_()

    gallery_page.page.route("**/upload/storage/**", take_note)
    gallery_page.choose(large)
    while len(chunks) < 2:
        gallery_page.page.wait_for_timeout(20)
    gallery_page.page.reload()
    gallery_page.page.wait_for_selector("[data-gallery-state]")

    gallery_page.choose(large)
    gallery_page.wait_for_end()

    assert sum(each.startswith("bytes 0-") for each in chunks) == 1
    assert gallery_page.original_digests() == digests_of([large])
