"""From another computer a gallery shows what was begun and is missing, and takes the folder there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import GalleryPage, digests_of, write_photos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Route

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]


def hold_bytes(route: Route) -> None:
    """Calls get through, bytes never do."""
    if route.request.method != "PUT":
        route.continue_()


def test_the_folder_is_bound_by_what_its_files_are(
    gallery_page: GalleryPage,
    browser: Browser,
    site: Site,
    session_of: Callable[[Site], Any],
    tmp_path: Path,
) -> None:
    files = write_photos(tmp_path / "trip", 3)
    other = browser.new_context(base_url=site.base_url, storage_state=session_of(site))
    other.route("**/*", hold_bytes)
    begun = GalleryPage(other.new_page(), gallery_page.gallery_id).open()
    begun.choose_folder(tmp_path / "trip")
    begun.page.wait_for_function(
        "() => document.querySelectorAll('[data-upload-state=uploading], [data-upload-state=signing]').length === 3"
    )
    rows = {upload["id"] for upload in gallery_page.uploads()}
    other.close()

    here = gallery_page.open()
    missing = here.page.locator("[data-part=leftovers]")
    missing.get_by_text("3 files were begun on another device").wait_for()
    here.choose_folder(tmp_path / "trip")
    here.wait_for_end()

    assert {upload["id"] for upload in here.uploads()} == rows
    assert here.original_digests() == digests_of(files)
    assert missing.is_hidden()
