"""The pages as a person meets them: signing in, looking, moving by keyboard, being a stranger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import make_gallery, write_photos

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]


def test_a_wrong_password_is_said_on_the_page(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.base_url)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill(site.username)
    page.locator("[name=password]").fill("not the password")

    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        page.locator("[name=password]").press("Enter")

    assert answer.value.status == 422
    page.get_by_text("do not belong together").first.wait_for()
    expect(page.locator("[name=password]")).to_be_focused()
    context.close()


def test_a_new_account_begins_with_no_galleries(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.base_url)
    page = context.new_page()
    page.goto("/accounts/signup/")
    page.locator("[name=username]").fill("newcomer")
    page.locator("[name=password1]").fill("a long enough password")
    page.locator("[name=password1]").press("Enter")

    page.wait_for_url("**/galleries/")
    page.get_by_text("No galleries yet").wait_for()
    context.close()


def test_a_stranger_gets_404(gallery_page, browser: Browser, site: Site, page_watch) -> None:
    page_watch.expect("404")
    context = browser.new_context(base_url=site.base_url)
    page = context.new_page()
    page.goto("/accounts/signup/")
    page.locator("[name=username]").fill("stranger")
    page.locator("[name=password1]").fill("a long enough password")
    page.locator("[name=password1]").press("Enter")
    page.wait_for_url("**/galleries/")

    assert page.request.get(f"/galleries/{gallery_page.gallery_id}/").status == 404
    assert page.request.get(f"/api/galleries/{gallery_page.gallery_id}").status == 404
    context.close()


def test_the_lightbox_goes_by_keyboard_and_has_an_address(gallery_page, tmp_path: Path) -> None:
    gallery_page.choose(*write_photos(tmp_path / "box", 3))
    gallery_page.wait_for_end()
    gallery_page.wait_for_tiles(3)
    page = gallery_page.page
    shown = re.compile(rf"/galleries/{gallery_page.gallery_id}/photos/[0-9a-f-]{{36}}/")

    first_tile = page.evaluate_handle(
        """() => [...document.querySelectorAll('[data-photo-id]')]
            .map(tile => [tile, tile.getBoundingClientRect()])
            .sort(([, a], [, b]) => a.top - b.top || a.left - b.left)[0][0]"""
    ).as_element()
    assert first_tile is not None
    first_tile.click()
    page.wait_for_url(shown)
    page.locator(".pswp--ui-visible").wait_for()
    first = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url != first and shown.search(url) is not None)
    second = page.url
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/galleries/{gallery_page.gallery_id}/")

    page.goto(second)
    page.locator(".pswp").wait_for()
    assert page.url == second


def test_a_removed_file_can_be_picked_again(gallery_page, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("no photo")
    gallery_page.choose(tmp_path / "words.txt")
    gallery_page.page.locator("[data-upload-state=invalid]").first.wait_for(state="attached")

    gallery_page.page.get_by_role("button", name="Hide the list of files").wait_for()
    gallery_page.page.get_by_role("button", name=re.compile("^(Clear|Remove)")).first.click()
    gallery_page.page.locator("[data-upload-state=invalid]").first.wait_for(state="detached")
    gallery_page.choose(tmp_path / "words.txt")

    gallery_page.page.locator("[data-upload-state=invalid]").first.wait_for(state="attached")


def test_without_auto_publish_photos_wait_for_the_button(gallery_page, tmp_path: Path) -> None:
    page = gallery_page.page
    token = page.evaluate("async () => (await (await fetch('/api/session')).json()).csrf_token")
    page.request.patch(
        f"/api/galleries/{gallery_page.gallery_id}",
        data={"auto_publish": False},
        headers={"X-CSRFToken": token, "Referer": page.url},
    )
    gallery_page.open()
    gallery_page.choose(*write_photos(tmp_path / "staged", 3))
    page.get_by_text("3 photos wait to be published.").wait_for()
    assert gallery_page.photos() == []

    page.get_by_role("button", name="Publish").click()
    gallery_page.wait_for_end()

    gallery_page.wait_for_tiles(3)
    assert len(gallery_page.photos()) == 3


def test_a_gallery_is_renamed_and_deleted(page) -> None:
    made = make_gallery(page, "Old title")
    page.get_by_label("Settings of this gallery").click()
    page.get_by_label("Title", exact=True).fill("New title")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="New title").wait_for()

    page.get_by_label("Settings of this gallery").click()
    page.get_by_role("button", name="Delete gallery").click()
    page.wait_for_url("**/galleries/")

    assert page.locator(f"[data-gallery-id='{made.gallery_id}']").count() == 0
    assert page.request.get(f"/galleries/{made.gallery_id}/").status == 410
