"""Galleries with a Publish button: nothing is dropped when it is pressed too soon, and what failed goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import COMPLETE_WITHIN_MS, GalleryPage, write_photos
from tests.pictures import noise, saved

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page, Route

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]
ARE_IN_STATE = """([state, count]) =>
    document.querySelectorAll(`[data-upload-state="${state}"]`).length === count
"""
# What a worker does to a file that took it along too often. What others have left waits for its next turn.
FAIL_ONE = """
from time import sleep
from uploads.errors import GaveUp
from uploads.verify import claim_next, fail
while (upload := claim_next()) is None or str(upload.gallery_id) != "{gallery_id}":
    sleep(0.1)  # the last of them is just being completed
fail(upload, GaveUp(tries=6))
"""


def change(gallery: GalleryPage, **changes: Any) -> None:
    page = gallery.page
    token = page.evaluate("async () => (await (await fetch('/api/session')).json()).csrf_token")
    answer = page.request.patch(
        f"/api/galleries/{gallery.gallery_id}",
        data=changes,
        headers={"X-CSRFToken": token, "Referer": page.url},
    )
    assert answer.ok, answer.text()


@pytest.fixture
def by_hand(gallery_page: GalleryPage) -> GalleryPage:
    change(gallery_page, auto_publish=False)
    return gallery_page.open()


def wait_for_rows(gallery: GalleryPage, state: str, count: int) -> None:
    gallery.page.wait_for_function(ARE_IN_STATE, arg=[state, count])


def wait_for_staged(gallery: GalleryPage, count: int) -> None:
    words = "1 photo waits" if count == 1 else f"{count} photos wait"
    gallery.page.get_by_text(f"{words} to be published.", exact=True).wait_for(timeout=COMPLETE_WITHIN_MS)


def panel_of(gallery: GalleryPage) -> Locator:
    return gallery.page.locator("[data-part=publication]")


def press(gallery: GalleryPage, name: str) -> None:
    gallery.page.get_by_role("button", name=name, exact=True).click()


class Held:
    """The call that would write files down at the server waits here: until then they have no row."""

    def __init__(self, page: Page) -> None:
        self.routes: list[Route] = []
        self.is_over = False
        page.context.route("**/uploads/batch", self.hold)

    def hold(self, route: Route) -> None:
        if self.is_over:
            route.continue_()
        else:
            self.routes.append(route)

    def let_go(self) -> None:
        self.is_over = True
        for route in self.routes:
            route.continue_()


def add_two_and_hold_three(gallery: GalleryPage, folder: Path) -> Held:
    gallery.choose(*write_photos(folder / "there", 2))
    wait_for_staged(gallery, 2)
    held = Held(gallery.page)
    gallery.choose(*write_photos(folder / "later", 3, width_px=360))
    return held


def bytes_sent(page: Page) -> list[int]:
    sent: list[int] = []
    page.on(
        "request",
        lambda request: (
            sent.append(len(request.post_data_buffer or b"")) if request.method == "PUT" else None
        ),
    )
    return sent


def not_published(gallery: GalleryPage) -> Locator:
    return gallery.page.get_by_role("region", name="Not published")


def expect_waiting(gallery: GalleryPage, count: int) -> None:
    """They stand on the page with their pictures, apart from what others see."""
    expect(not_published(gallery)).to_contain_text("Only you see")
    expect(not_published(gallery).locator("[data-staged-photo-id][data-loaded]")).to_have_count(count)
    expect(gallery.page.locator("[data-photo-id]")).to_have_count(0)
    expect(gallery.page.get_by_text("Drop photos or a folder anywhere")).to_be_hidden()


def test_what_waits_to_be_published_is_seen_by_its_owner_and_leaves_when_it_is(by_hand, tmp_path) -> None:
    page = by_hand.page
    by_hand.choose(*write_photos(tmp_path / "waits", 3))
    wait_for_staged(by_hand, 3)
    expect_waiting(by_hand, 3)

    page.reload()
    expect_waiting(by_hand, 3)

    press(by_hand, "Publish")
    by_hand.wait_for_end()
    by_hand.wait_for_tiles(3)
    expect(not_published(by_hand)).to_be_hidden()
    assert len(by_hand.photos()) == 3


def test_what_waits_to_be_published_is_looked_at_and_thinned_out(by_hand, tmp_path) -> None:
    page = by_hand.page
    by_hand.choose(*write_photos(tmp_path / "thin", 2))
    wait_for_staged(by_hand, 2)
    page.get_by_role("link", name="thin-0001.jpg, not published").click()
    expect(page.get_by_role("dialog", name="Photo")).to_be_visible()
    page.reload()
    expect(page.get_by_role("dialog", name="Photo")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/galleries/{by_hand.gallery_id}/")

    page.get_by_role("button", name="Select thin-0001.jpg").click()
    press(by_hand, "Delete")
    wait_for_staged(by_hand, 1)
    press(by_hand, "Undo")

    wait_for_staged(by_hand, 2)
    expect_waiting(by_hand, 2)


def test_what_is_on_its_way_is_awaited(by_hand, tmp_path: Path) -> None:
    held = add_two_and_hold_three(by_hand, tmp_path)

    press(by_hand, "Publish")
    panel = panel_of(by_hand)
    panel.get_by_text("3 photos are still on the way.").wait_for()
    panel.get_by_text("Which files").click()
    for number in range(3):
        panel.get_by_text(f"later-{number:04}.jpg").wait_for()
    press(by_hand, "Publish when they are there")
    by_hand.page.wait_for_selector("[data-gallery-state=publishing]")
    assert by_hand.photos() == []
    held.let_go()

    by_hand.wait_for_end()
    panel.get_by_text("5 photos published.").wait_for()
    assert len(by_hand.photos()) == 5


def test_what_is_left_stays_in_the_form(by_hand, tmp_path: Path) -> None:
    held = add_two_and_hold_three(by_hand, tmp_path)

    press(by_hand, "Publish")
    press(by_hand, "Publish what is there")
    by_hand.wait_for_end()
    assert len(by_hand.photos()) == 2

    press(by_hand, "Done")
    held.let_go()
    wait_for_staged(by_hand, 3)
    assert len(by_hand.photos()) == 2
    press(by_hand, "Publish")
    by_hand.wait_for_end()
    assert len(by_hand.photos()) == 5


def test_what_failed_is_published_again_without_a_byte(by_hand, site: Site, tmp_path: Path) -> None:
    site.pause("worker")
    try:
        by_hand.choose(*write_photos(tmp_path / "some", 3))
        wait_for_rows(by_hand, "confirming", 3)
        press(by_hand, "Publish")
        panel_of(by_hand).get_by_text("Publishing: 0 of 3 photos").wait_for()
        site.manage("shell", "-c", FAIL_ONE.format(gallery_id=by_hand.gallery_id))
    finally:
        site.go_on("worker")
    by_hand.wait_for_end("some")
    panel_of(by_hand).get_by_text("2 of 3 photos published.").wait_for()
    sent = bytes_sent(by_hand.page)

    press(by_hand, "Retry 1")
    by_hand.page.wait_for_selector("[data-gallery-state=publishing]")
    by_hand.wait_for_end()

    assert len(by_hand.photos()) == 3
    assert sent == []


def test_a_reload_in_the_middle_goes_on(by_hand, site: Site, tmp_path: Path) -> None:
    site.pause("worker")
    try:
        by_hand.choose(*write_photos(tmp_path / "reload", 2))
        wait_for_rows(by_hand, "confirming", 2)
        press(by_hand, "Publish")
        panel_of(by_hand).get_by_text("Publishing: 0 of 2 photos").wait_for()

        by_hand.page.reload()
        by_hand.page.wait_for_selector("[data-gallery-state=publishing]")
    finally:
        site.go_on("worker")

    by_hand.wait_for_end()
    assert len(by_hand.photos()) == 2


def test_adding_more_begins_a_new_round(by_hand, tmp_path: Path) -> None:
    by_hand.choose(*write_photos(tmp_path / "first", 1))
    wait_for_staged(by_hand, 1)
    press(by_hand, "Publish")
    by_hand.page.wait_for_selector("[data-gallery-state=publishing]")
    by_hand.wait_for_end()

    by_hand.choose(*write_photos(tmp_path / "second", 1))

    by_hand.page.wait_for_selector("[data-gallery-state=form]")
    wait_for_staged(by_hand, 1)
    press(by_hand, "Publish")
    by_hand.page.wait_for_selector("[data-gallery-state=publishing]")
    by_hand.wait_for_end()
    assert len(by_hand.photos()) == 2


def test_a_gallery_says_what_it_takes_and_when_it_is_full(gallery_page, tmp_path: Path) -> None:
    change(
        gallery_page,
        profile={
            "media_types": ["image/jpeg"],
            "max_file_bytes": 60_000,
            "min_pixels": 60_000,
            "max_photos": 2,
        },
    )
    page = gallery_page.open().page
    page.get_by_text("This gallery takes JPEG, up to 60").wait_for()
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(saved(noise(200, 200), "PNG", compress_level=0))

    gallery_page.choose(wrong, *write_photos(tmp_path / "right", 3))

    page.get_by_text("This gallery is full (2 photos). 1 was left out.").wait_for()
    gallery_page.wait_for_end("some")
    assert len(gallery_page.photos()) == 2
    assert wrong.name not in {upload["name"] for upload in gallery_page.uploads()}
    told = {problem.get_attribute("data-problem") for problem in page.locator("[data-problem]").all()}
    assert told >= {"file_too_large", "type_not_taken", "too_few_pixels"}
    assert "gallery_full" not in told, "said above the photos already"
    assert page.locator("[data-chooser=files]").is_disabled()

    page.get_by_role("button", name="Dismiss").click()
    page.get_by_text("This gallery is full (2 photos).", exact=True).wait_for()
