"""Whoever may look sees the same number: the dock, the list, the gallery on another device, staff, and all together."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.conftest import GalleryPage, make_gallery, write_padded_photo, write_photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]

FILES: Final = 8
PASSED: Final = 4
FILE_BYTES: Final = 400_000
# A second is what people are promised; the rest is for a machine that does much else.
SAME_WITHIN_MS: Final = 5_000

PLACES: Final = {
    "dock": "() => document.querySelector('[data-progress-percent]')?.dataset.progressPercent",
    "list": "id => document.querySelector(`[data-gallery-id='${id}']`)?.dataset.galleryPercent",
    "all": "() => document.querySelector('#overall')?.dataset.overallPercent",
    "device": "() => document.querySelector('main')?.dataset.elsewherePercent",
    "staff": "id => document.querySelector(`[data-progress-of='${id}']`)?.dataset.galleryPercent",
}


@dataclass
class Valve:
    """Lets the bytes of so many files through, and the others when it is opened."""

    left: int
    held: list[Any] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, route: Route) -> None:
        if route.request.method != "PUT":
            route.continue_()
            return
        with self.guard:
            self.left -= 1
            is_held = self.left < 0
            if is_held:
                self.held.append(route)
        if not is_held:
            route.continue_()

    def open(self) -> None:
        self.left = FILES
        for route in self.held:
            route.continue_()


@pytest.fixture(scope="module")
def site(site_local: Site) -> Site:
    """Seen by somebody of the staff who has no other galleries: the sum of all of theirs is that of one."""
    site_local.manage(
        *("shell", "--verbosity", "0", "--command"),
        "from accounts.models import User; "
        f"User.objects.create_superuser('five', 'five@example.org', {site_local.password!r})",
    )
    return replace(site_local, username="five")


@pytest.fixture
def other_page(
    browser: Browser, site: Site, session_of: Callable[[Site], Any]
) -> Iterator[Callable[[str], Page]]:
    contexts = []

    def opened(path: str) -> Page:
        contexts.append(browser.new_context(base_url=site.base_url, storage_state=session_of(site)))
        page = contexts[-1].new_page()
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()


def wait_for(page: Page, place: str, gallery_id: str, percent: int, *, within_ms: float) -> None:
    page.wait_for_function(
        f"([id, percent]) => ({PLACES[place]})(id) === percent",
        arg=[gallery_id, str(percent)],
        timeout=within_ms,
    )


def test_five_places_say_the_same_and_a_hundred_only_of_what_is_verified(
    page: Page, other_page: Callable[[str], Page], tmp_path: Path
) -> None:
    gallery = make_gallery(page, "Five places")
    valve = Valve(PASSED)
    page.context.route("**/*", valve)
    pages = {
        "list": other_page("/galleries/"),
        "device": other_page(f"/galleries/{gallery.gallery_id}/"),
        "staff": other_page("/admin/galleries/gallery/"),
    }
    pages["all"] = pages["list"]
    files = [write_padded_photo(tmp_path / f"five-{number}.jpg", FILE_BYTES) for number in range(FILES)]

    gallery.choose(*files)
    wait_for(page, "dock", gallery.gallery_id, 50, within_ms=60_000)
    for place, shown in pages.items():
        wait_for(shown, place, gallery.gallery_id, 50, within_ms=SAME_WITHIN_MS)

    # What is published meanwhile is counted meanwhile, and the first of it is the cover.
    card = pages["list"].locator(f"[data-gallery-id='{gallery.gallery_id}']")
    row = pages["staff"].locator(
        "tr", has=pages["staff"].locator(f"[data-progress-of='{gallery.gallery_id}']")
    )
    card.get_by_text(f"{PASSED} photos").wait_for(timeout=SAME_WITHIN_MS)
    card.locator(".gallery-cover img").wait_for(timeout=SAME_WITHIN_MS)
    row.locator(".field-photo_count", has_text=str(PASSED)).wait_for(timeout=SAME_WITHIN_MS)
    row.locator(".field-state", has_text="receiving").wait_for(timeout=SAME_WITHIN_MS)

    valve.open()
    wait_for(pages["list"], "list", gallery.gallery_id, 100, within_ms=60_000)
    assert {upload["state"] for upload in gallery.uploads()} == {"verified"}
    wait_for(page, "dock", gallery.gallery_id, 100, within_ms=SAME_WITHIN_MS)
    wait_for(pages["staff"], "staff", gallery.gallery_id, 100, within_ms=SAME_WITHIN_MS)
    GalleryPage(pages["device"], gallery.gallery_id).wait_for_tiles(FILES)
    card.get_by_text(f"{FILES} photos").wait_for()
    row.locator(".field-photo_count", has_text=str(FILES)).wait_for(timeout=SAME_WITHIN_MS)
    row.locator(".field-state", has_text="ready").wait_for(timeout=SAME_WITHIN_MS)
    shown_size = card.locator(".card-bytes").inner_text()
    row.locator(".field-bytes_kept", has_text=shown_size).wait_for(timeout=SAME_WITHIN_MS)


def test_three_places_say_how_many_photos_wait_to_be_published(
    page: Page, other_page: Callable[[str], Page], tmp_path: Path
) -> None:
    gallery = make_gallery(page, "Three wait")
    page.get_by_label("Settings of this gallery").click()
    page.get_by_label("Show photos as soon as they are safe").uncheck()
    page.get_by_role("button", name="Save").click()
    publish = page.get_by_role("button", name="Publish", exact=True)
    publish.wait_for()
    card = other_page("/galleries/").locator(f"[data-gallery-id='{gallery.gallery_id}']")
    row = other_page("/admin/galleries/gallery/").locator(f"[data-progress-of='{gallery.gallery_id}']")

    gallery.choose(*write_photos(tmp_path / "waits", 3))
    page.get_by_text("3 photos wait to be published.").wait_for(timeout=60_000)
    for place in (card, row):
        place.get_by_text("3 wait to be published").wait_for(timeout=SAME_WITHIN_MS)

    publish.click()
    gallery.wait_for_tiles(3)
    for place in (card, row):
        place.get_by_text("to be published").wait_for(state="hidden", timeout=SAME_WITHIN_MS)
    card.get_by_text("3 photos").wait_for()


def test_a_gallery_made_elsewhere_appears_in_the_list(page: Page, other_page: Callable[[str], Page]) -> None:
    shown = other_page("/galleries/")

    made = make_gallery(page, "Made elsewhere")

    shown.locator(f"[data-gallery-id='{made.gallery_id}']").wait_for(timeout=10_000)
