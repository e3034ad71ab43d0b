"""What a person does with a gallery, in a real browser against the running product."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.builders import jpeg

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.services]

COMPLETE_MS = 60_000
_seeds = count(1)


def photo(name: str | None = None) -> dict[str, Any]:
    """A file to choose; each is another photo."""
    seed = next(_seeds)
    content = jpeg(seed, width=600, height=400)
    return {"name": name or f"IMG_{seed:04}.jpg", "mimeType": "image/jpeg", "buffer": content}


def note(name: str = "notes.txt") -> dict[str, Any]:
    return {"name": name, "mimeType": "text/plain", "buffer": b"buy milk\n" * 200}


def create_gallery(page: Page, title: str = "Island") -> str:
    page.goto("/galleries/")
    page.get_by_label("Title of a new gallery").fill(title)
    page.get_by_role("button", name="Create gallery").click()
    page.wait_for_url(re.compile(r"/galleries/[0-9a-f-]{36}/$"))
    page.locator("main[data-gallery-state]").wait_for()
    return page.url


def choose(page: Page, *files: dict[str, Any]) -> None:
    page.locator("input[data-chooser='files']").set_input_files(list(files))


def wait_until_complete(page: Page, outcome: str = "all") -> None:
    page.locator(f"main[data-gallery-state='complete'][data-outcome='{outcome}']").wait_for(
        timeout=COMPLETE_MS
    )


def gallery_with(page: Page, photo_count: int) -> str:
    url = create_gallery(page)
    choose(page, *(photo() for _ in range(photo_count)))
    wait_until_complete(page)
    expect(page.locator("[data-photo-id]")).to_have_count(photo_count)
    return url


def tile(page: Page, number: int) -> Locator:
    return page.locator(f"[data-photo-id][aria-posinset='{number}']")


# works


def test_chosen_photos_become_tiles_and_the_page_says_how_it_stands(page) -> None:
    create_gallery(page)
    assert page.locator("main").get_attribute("data-gallery-state") == "form"

    choose(page, photo(), photo(), photo())

    wait_until_complete(page)
    expect(page.locator("[data-photo-id]")).to_have_count(3)
    expect(page.locator("#upload-dock")).to_have_attribute("data-progress-percent", "100")
    expect(page.locator("[data-upload-state='done']")).to_have_count(3)
    expect(page.locator("#upload-dock")).to_contain_text("3 photos safe.")
    expect(page.locator("[data-part='facts']")).to_contain_text("3 photos")


def test_what_is_no_photo_is_left_out_with_a_sentence_and_can_be_cleared(page) -> None:
    create_gallery(page)

    choose(page, photo(), note())

    wait_until_complete(page, "some")
    problem = page.locator("[data-problem='not_an_image']")
    expect(problem).to_contain_text("notes.txt: This is not a photo, so it was left out.")
    problem.get_by_role("button", name="Clear").click()
    expect(problem).to_have_count(0)
    expect(page.locator("[data-photo-id]")).to_have_count(1)


def test_a_photo_can_be_dropped_anywhere_and_the_edge_shows_where(page) -> None:
    create_gallery(page)
    held = page.evaluate_handle(
        """([bytes, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/jpeg' }));
          return data;
        }""",
        [list(jpeg(next(_seeds))), "dropped.jpg"],
    )

    page.dispatch_event("h1", "dragenter", {"dataTransfer": held})
    expect(page.locator("html")).to_have_attribute("data-dragging", "")
    page.dispatch_event("h1", "drop", {"dataTransfer": held})

    expect(page.locator("html")).not_to_have_attribute("data-dragging", "")
    wait_until_complete(page)
    expect(page.locator("[data-photo-id]")).to_have_count(1)


def test_uploading_goes_on_while_a_person_walks_from_page_to_page(page) -> None:
    url = create_gallery(page)
    documents: list[str] = []
    page.on("request", lambda sent: documents.append(sent.url) if sent.resource_type == "document" else None)
    choose(page, *(photo() for _ in range(30)))
    page.locator("#upload-dock").wait_for()

    page.get_by_role("link", name="Safelight").click()
    page.wait_for_url("**/galleries/")
    expect(page.locator("#upload-dock")).to_contain_text("30 photos safe.", timeout=COMPLETE_MS)
    page.go_back()

    expect(page.locator("[data-part='facts']")).to_contain_text("30 photos")
    assert page.url == url
    assert documents == [], "no page was loaded anew, so the engine was never stopped"


def test_pausing_holds_and_resuming_goes_on(page) -> None:
    create_gallery(page)
    choose(page, *(photo() for _ in range(60)))

    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()

    wait_until_complete(page)
    expect(page.locator("#upload-dock")).to_contain_text("60 photos safe.")


def test_an_upload_whose_sign_in_has_ended_waits_and_goes_on_after_signing_in(
    page, context, site, page_watch
) -> None:
    page_watch.expect("401|403|422|WebSocket")
    url = create_gallery(page)
    # Nothing is kept in this browser: whoever leaves now would have to choose the photos again.
    no_room = {"origin": site.base_url, "quotaSize": 1}
    context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", no_room)
    context.clear_cookies()

    choose(page, photo(), photo())

    dock = page.locator("#upload-dock")
    expect(dock).to_contain_text("Please sign in again. Nothing is lost")
    assert is_leaving_questioned(page)
    dock.get_by_role("link", name="Sign in").click()
    page.locator("input[name=login]").fill(site.username)
    page.locator("input[name=password]").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(url)
    expect(dock).to_contain_text("2 photos safe.", timeout=COMPLETE_MS)
    assert not is_leaving_questioned(page)


def is_leaving_questioned(page: Page) -> bool:
    asked: bool = page.evaluate(
        "() => { const leaving = new Event('beforeunload', { cancelable: true });"
        " window.dispatchEvent(leaving); return leaving.defaultPrevented; }"
    )
    return asked


def test_a_photo_that_is_there_already_is_told_and_can_be_kept_twice(page) -> None:
    create_gallery(page)
    first = photo("one.jpg")
    choose(page, first)
    wait_until_complete(page)

    choose(page, {**first, "name": "two.jpg"})

    again = page.locator("[data-upload-state='done']", has_text="two.jpg")
    expect(again).to_contain_text("This photo is in the gallery already.")
    again.get_by_role("button", name="Keep both").click()
    expect(page.locator("[data-photo-id]")).to_have_count(2, timeout=COMPLETE_MS)


# looking at photos


def test_a_photo_opens_with_its_own_address_and_back_closes_it(page) -> None:
    url = gallery_with(page, 3)
    first = page.locator("[data-photo-id]").first
    photo_id = first.get_attribute("data-photo-id")

    first.get_by_role("link").click()
    page.wait_for_url(f"{url}photos/{photo_id}/")
    page.locator(".pswp--open").wait_for()
    page.go_back()

    page.locator(".pswp").wait_for(state="detached")
    assert page.url == url


def test_the_keyboard_opens_turns_and_closes_and_the_focus_returns_to_the_photo_seen_last(page) -> None:
    url = gallery_with(page, 3)
    second = tile(page, 2)
    second_id = second.get_attribute("data-photo-id")
    tile(page, 1).locator("a").focus()

    page.keyboard.press("Enter")
    expect(page.locator(".pswp")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"{url}photos/{second_id}/")
    page.keyboard.press("Escape")

    page.locator(".pswp").wait_for(state="detached")
    page.wait_for_url(url)
    expect(second.get_by_role("link")).to_be_focused()


def test_the_address_of_a_photo_opens_it_and_closing_shows_its_gallery(page) -> None:
    url = gallery_with(page, 2)
    photo_id = tile(page, 2).get_attribute("data-photo-id")

    page.goto(f"{url}photos/{photo_id}/")
    page.locator(".pswp--open").wait_for()
    page.keyboard.press("Escape")

    page.wait_for_url(url)
    page.locator(".pswp").wait_for(state="detached")


def test_selected_photos_are_deleted_and_brought_back_and_each_heading_counts_them(
    page, browser, site
) -> None:
    gallery_with(page, 3)
    device = browser.new_context(base_url=site.base_url, storage_state=page.context.storage_state())
    other = device.new_page()
    other.goto(page.url)
    headings = [each.locator("[data-part='facts']") for each in (page, other)]
    for heading in headings:
        expect(heading).to_contain_text("3 photos")
    tile(page, 1).hover()

    tile(page, 1).locator(".tile-select").click()
    tile(page, 2).locator("a").click()
    expect(page.locator("[data-part='selection']")).to_contain_text("2 photos selected")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("[data-photo-id]")).to_have_count(1)
    for heading in headings:
        expect(heading).to_contain_text("1 photo ")
    page.get_by_role("button", name="Undo").click()

    expect(page.locator("[data-photo-id]")).to_have_count(3)
    for heading in headings:
        expect(heading).to_contain_text("3 photos")
    device.close()


def test_photos_that_find_no_room_again_are_not_said_to_be_back(page) -> None:
    """The server says so of each; a gallery that is full takes five thousand photos to make."""
    gallery_with(page, 1)
    refusal = {"code": "gallery_full", "message": "The gallery is full.", "retryable": False}
    page.route(
        "**/api/photos/restore", lambda route: route.fulfill(json={"photos": [{"id": "1", "error": refusal}]})
    )
    tile(page, 1).hover()
    tile(page, 1).locator(".tile-select").click()
    page.get_by_role("button", name="Delete", exact=True).click()

    page.get_by_role("button", name="Undo").click()

    expect(page.locator("[data-part='selection']")).to_contain_text("This gallery is full")
    expect(page.locator("[data-photo-id]")).to_have_count(0)


# the page itself


def test_every_control_has_a_name_and_the_first_stop_skips_to_the_content(page) -> None:
    gallery_with(page, 2)

    page.reload()
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    nameless = page.evaluate(
        """() => Array.from(document.querySelectorAll('button, a[href], input:not([type=hidden]), summary, select'))
          .filter((each) => !(each.ariaLabel || each.textContent.trim() || each.labels?.length || each.title))
          .map((each) => each.outerHTML)"""
    )
    assert nameless == []


def test_a_chosen_theme_stays_and_is_there_at_the_first_paint(page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/galleries/")
    switch = page.get_by_role("button", name="Switch colours")

    switch.click()
    switch.click()
    page.add_init_script(
        "document.addEventListener('DOMContentLoaded', () => {"
        " window.atFirst = getComputedStyle(document.documentElement).backgroundColor; }, { once: true })"
    )
    page.reload()

    assert page.evaluate("window.atFirst") == "rgb(18, 17, 16)"


def test_a_wrong_password_is_told_on_the_page_without_loading_another(browser, site) -> None:
    context = browser.new_context(base_url=site.base_url)
    page = context.new_page()
    page.goto("/accounts/login/")

    page.locator("input[name=login]").fill(site.username)
    page.locator("input[name=password]").fill("not this one")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_be_visible()
    context.close()


def test_on_a_phone_every_menu_lies_within_the_screen(page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    create_gallery(page)

    choose(page, photo())
    expect(page.locator("#upload-dock")).to_be_visible()
    expect(page.locator("#dock-panel")).to_be_hidden()
    wait_until_complete(page)
    for path, menu in ((page.url, "Settings of this gallery"), ("/galleries/", "Change Island")):
        page.goto(path)
        page.get_by_label(menu).first.click()
        sheet = page.locator("details[open] .menu-sheet").bounding_box()

        assert sheet is not None
        assert sheet["x"] >= 0
        assert sheet["x"] + sheet["width"] <= 390
        assert sheet["y"] >= 0
        assert sheet["y"] + sheet["height"] <= 844


def test_signing_out_asks_first_and_leaves_no_file_name_behind(page) -> None:
    url = create_gallery(page)
    choose(page, photo("secret.jpg"), photo())
    wait_until_complete(page)
    page.route("**/api/uploads**", lambda route: None)
    page.route("**/uploads", lambda route: None)
    choose(page, *(photo() for _ in range(3)))
    expect(page.locator("#upload-dock")).to_contain_text("2 of 5")

    page.get_by_role("button", name="Sign out").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("3 photos are not sent yet")
    question.get_by_role("button", name="Stay").click()
    expect(question).to_have_count(0)
    assert page.url == url
    page.get_by_role("button", name="Sign out").click()
    question.get_by_role("button", name="Sign out anyway").click()
    page.wait_for_url(lambda now: now != url)

    expect(page.locator("#upload-dock")).to_be_hidden()
    assert "secret.jpg" not in page.content()


# what an earlier visit left


def test_files_that_failed_before_are_told_where_this_browser_remembers_them(page) -> None:
    url = create_gallery(page)
    broken = photo()
    choose(page, photo(), {**broken, "buffer": broken["buffer"][:1500]})
    wait_until_complete(page, "some")

    page.goto(url)
    problem = page.locator("#upload-dock [data-problem='damaged_photo']")
    expect(problem).to_contain_text(broken["name"])
    problem.get_by_role("button", name="Clear").click()

    expect(problem).to_have_count(0)
    expect(page.locator("[data-part='leftovers']")).to_be_hidden()


def test_files_that_failed_before_are_told_and_cleared_on_another_device(page, browser, site) -> None:
    url = create_gallery(page)
    broken = photo()
    choose(page, photo(), {**broken, "buffer": broken["buffer"][:1500]})
    wait_until_complete(page, "some")
    device = browser.new_context(base_url=site.base_url, storage_state=page.context.storage_state())
    page.close()
    other = device.new_page()

    other.goto(url)
    problem = other.locator("[data-part='leftovers'] [data-problem='damaged_photo']")
    expect(problem).to_contain_text(broken["name"])
    problem.get_by_role("button", name="Clear").click()

    expect(other.locator("[data-part='leftovers']")).to_be_hidden()
    other.reload()
    expect(other.locator("main")).to_have_attribute("data-state", "ready")
    device.close()


def test_files_that_fail_are_told_live_on_another_device(page, browser, site) -> None:
    url = create_gallery(page)
    device = browser.new_context(base_url=site.base_url, storage_state=page.context.storage_state())
    other = device.new_page()
    other.goto(url)
    broken = photo()

    choose(page, photo(), {**broken, "buffer": broken["buffer"][:1500]})
    wait_until_complete(page, "some")

    problem = other.locator("[data-part='leftovers'] [data-problem='damaged_photo']")
    expect(problem).to_contain_text(broken["name"], timeout=COMPLETE_MS)
    device.close()


# publishing by hand


def test_photos_show_only_after_publish_where_the_gallery_says_so(page) -> None:
    create_gallery(page)
    page.get_by_label("Settings of this gallery").click()
    page.get_by_label("Show photos as soon as they are safe").uncheck()
    page.get_by_role("button", name="Save").click()
    publish = page.get_by_role("button", name="Publish")
    publish.wait_for()
    choose(page, photo(), photo())
    expect(page.locator("#upload-dock")).to_contain_text("2 photos safe.", timeout=COMPLETE_MS)
    expect(page.locator("[data-photo-id]")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("2 photos wait to be published")

    publish.click()

    wait_until_complete(page)
    expect(page.locator("[data-photo-id]")).to_have_count(2)
    expect(page.locator("[data-part='staged']")).to_be_hidden()
