"""What happens to programs and people while photos are on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import digests_of, write_large_photo, write_photos

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.slow]


def test_a_killed_worker_costs_no_photo(gallery_page, site, tmp_path: Path) -> None:
    files = write_photos(tmp_path / "kill", 40, width_px=1600)

    gallery_page.choose(*files)
    gallery_page.wait_for_tiles(1)
    site.kill("worker")
    gallery_page.wait_for_tiles(2)
    site.kill("worker")

    gallery_page.page.wait_for_selector("[data-gallery-state=complete]", timeout=180_000)
    assert gallery_page.original_digests() == digests_of(files)


def test_a_killed_web_server_costs_no_photo(gallery_page, page_watch, site, tmp_path: Path) -> None:
    page_watch.expect(r"ERR_CONNECTION|ERR_EMPTY|ERR_NETWORK|ERR_SOCKET|WebSocket|Failed to load|50[0-9]")
    files = write_photos(tmp_path / "web", 60, width_px=1200)

    gallery_page.choose(*files)
    gallery_page.page.wait_for_function(
        "() => Number(document.querySelector('[data-progress-percent]')?.dataset.progressPercent ?? 0) > 5"
    )
    site.kill("web")
    gallery_page.wait_for_end()

    assert gallery_page.original_digests() == digests_of(files)


def test_a_killed_redis_costs_no_photo(gallery_page, page_watch, site, tmp_path: Path) -> None:
    page_watch.expect(r"WebSocket|ERR_|50[0-9]|Failed to load")
    files = write_photos(tmp_path / "redis", 30, width_px=1200)

    gallery_page.choose(*files)
    gallery_page.wait_for_tiles(1)
    site.kill("redis")
    gallery_page.wait_for_end()

    assert gallery_page.original_digests() == digests_of(files)


def test_offline_in_the_middle_is_waited_for(gallery_page, page_watch, context, tmp_path: Path) -> None:
    page_watch.expect(r"ERR_INTERNET_DISCONNECTED|WebSocket|Failed to load")
    files = [
        write_large_photo(tmp_path / "large.png"),
        *write_photos(tmp_path / "offline", 30, width_px=1200),
    ]

    gallery_page.choose(*files)
    gallery_page.page.wait_for_function(
        "() => Number(document.querySelector('[data-progress-percent]')?.dataset.progressPercent ?? 0) > 0"
    )
    context.set_offline(True)
    gallery_page.page.get_by_text("No connection").first.wait_for()
    context.set_offline(False)
    gallery_page.wait_for_end()

    assert gallery_page.original_digests() == digests_of(files)
