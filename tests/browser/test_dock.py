"""The dock while the engine runs: title, promise about closing, selected rows, and what is downloaded."""

from __future__ import annotations

import csv
import hashlib
import re
import zlib
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import write_photos

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]

IS_LEAVING_QUESTIONED = """() => {
  const leaving = new Event('beforeunload', { cancelable: true });
  window.dispatchEvent(leaving);
  return leaving.defaultPrevented;
}"""


def hold_uploads(page: Page) -> None:
    """Nothing that is sent is answered: files stay on their way."""
    page.route("**/uploads/batch", lambda _: None)


def sending(title: str) -> re.Pattern[str]:
    return re.compile(rf"^\d+ % · {re.escape(title)}$")


def test_the_title_tells_how_far_it_is_on_every_page_and_is_then_itself_again(gallery_page, tmp_path) -> None:
    page = gallery_page.page
    own = page.title()
    hold_uploads(page)

    gallery_page.choose(*write_photos(tmp_path / "title", 3))
    expect(page).to_have_title(sending(own))
    page.get_by_role("link", name="Safelight").click()
    expect(page).to_have_title(sending("Galleries \N{EN DASH} Safelight"))
    page.go_back()
    expect(page).to_have_title(sending(own))
    # What was held goes on as well.
    page.unroute("**/uploads/batch")

    gallery_page.wait_for_end()
    expect(page).to_have_title(own)


def test_closing_is_called_safe_once_the_files_are_kept_and_is_then_not_questioned(
    gallery_page, tmp_path
) -> None:
    page = gallery_page.page
    hold_uploads(page)

    gallery_page.choose(*write_photos(tmp_path / "kept", 5))

    dock = page.locator("#upload-dock")
    expect(dock).to_contain_text("Closing this tab is safe: uploading goes on when you come back.")
    expect(dock).to_contain_text("5 go on by themselves")
    assert not page.evaluate(IS_LEAVING_QUESTIONED)


def test_all_rows_are_selected_also_those_never_seen_and_removed_by_one_key(gallery_page, tmp_path) -> None:
    page = gallery_page.page
    hold_uploads(page)
    gallery_page.choose(*write_photos(tmp_path / "many", 80))
    rows = page.locator("[data-file-id]")
    rows.first.wait_for()
    assert rows.count() < 40
    # Files are handed over in groups: all of them are those that are there by now.
    expect(page.locator("#upload-dock")).to_contain_text("0 of 80")

    rows.nth(2).focus()
    page.keyboard.press("Control+a")
    page.get_by_text("80 files selected").wait_for()
    page.keyboard.press("Delete")

    expect(rows).to_have_count(0)
    expect(page.get_by_text("files selected")).to_be_hidden()


def test_one_file_is_held_and_goes_on_alone(gallery_page, tmp_path) -> None:
    page = gallery_page.page
    hold_uploads(page)
    files = write_photos(tmp_path / "one", 3)
    gallery_page.choose(*files)
    row = page.locator("[data-file-id]", has_text=files[1].name)

    row.get_by_role("button", name=f"Hold {files[1].name}").click()
    expect(row).to_have_attribute("data-upload-state", "paused")
    expect(page.locator("[data-upload-state=paused]")).to_have_count(1)
    row.get_by_role("button", name=f"Go on with {files[1].name}").click()

    expect(page.locator("[data-upload-state=paused]")).to_have_count(0)


def test_the_receipt_lists_each_file_with_its_sums(gallery_page, tmp_path: Path) -> None:
    page = gallery_page.page
    files = write_photos(tmp_path / "paid", 3)
    gallery_page.choose(*files)
    gallery_page.wait_for_end()
    page.get_by_text("3 of 3 verified").first.wait_for()

    with page.expect_download() as receipt:
        page.get_by_role("button", name="Download receipt").click()

    assert receipt.value.suggested_filename == "By the sea receipt.csv"
    lines = list(csv.DictReader(receipt.value.path().read_text(encoding="utf-8").splitlines()))
    assert [line["name"] for line in lines] == [file.name for file in files]
    for line, file in zip(lines, files, strict=True):
        content = file.read_bytes()
        assert line["bytes"] == str(len(content))
        assert line["crc32"] == f"{zlib.crc32(content):08x}"
        assert line["sha256"] == hashlib.sha256(content).hexdigest()
        assert line["verified"] == "yes"
        assert page.request.get(line["where"]).ok


def test_another_device_shows_what_arrives_and_this_browser_only_once(
    gallery_page, browser: Browser, site: Site, tmp_path: Path
) -> None:
    page = gallery_page.page
    page.route("**/api/uploads/complete", lambda _: None)
    device = browser.new_context(base_url=site.base_url, storage_state=page.context.storage_state())
    other = gallery_page.open(device.new_page())
    other.page.wait_for_selector("[data-gallery-state]")

    gallery_page.choose(*write_photos(tmp_path / "far", 4))

    expect(other.page.locator("main[data-elsewhere-percent='99']")).to_contain_text(
        "Arriving from another device: 0 of 4"
    )
    expect(page.locator("[data-elsewhere-percent]")).to_have_count(0)
    page.unroute("**/api/uploads/complete")
    expect(other.page.locator("[data-photo-id]")).to_have_count(4, timeout=60_000)
    device.close()


def delete_while_away(gallery, files) -> Page:
    """Chosen and kept, then the page is shut; the gallery is deleted before it is opened again."""
    page, context = gallery.page, gallery.page.context
    hold_uploads(page)
    gallery.choose(*files)
    expect(page.locator("#upload-dock")).to_contain_text(f"{len(files)} go on by themselves")
    page.close()
    token = context.request.get("/api/session").json()["csrf_token"]
    headers = {"X-CSRFToken": token, "Referer": gallery.page.url}
    assert context.request.delete(f"/api/galleries/{gallery.gallery_id}", headers=headers).status == 204
    return context.new_page()


def test_what_a_deleted_gallery_left_out_is_told_until_it_is_brought_back(
    gallery_page, page_watch, tmp_path
) -> None:
    page_watch.expect("410")
    page = delete_while_away(gallery_page, write_photos(tmp_path / "left", 3))
    dock = page.locator("#upload-dock")

    for _ in range(2):
        page.goto("/galleries/")
        expect(dock).to_contain_text("By the sea\u2069 was deleted: 3 photos were never sent.")
    dock.get_by_text("Which files").click()
    expect(dock.get_by_text("left-0002.jpg", exact=True).first).to_be_visible()
    dock.get_by_role("button", name="Bring it back").click()

    expect(dock).to_contain_text("3 photos safe.")
    back = gallery_page.open(page)
    back.wait_for_tiles(3)
    assert len(back.photos()) == 3


def test_what_a_deleted_gallery_left_out_is_told_no_more_once_it_was_dismissed(
    gallery_page, page_watch, tmp_path
) -> None:
    page_watch.expect("410")
    page = delete_while_away(gallery_page, write_photos(tmp_path / "dismissed", 2))
    page.goto("/galleries/")
    dock = page.locator("#upload-dock")
    expect(dock).to_contain_text("2 photos were never sent.")

    dock.get_by_role("button", name="Hide the uploads").click()
    page.reload()

    page.wait_for_load_state("networkidle")
    expect(dock).to_be_hidden()
