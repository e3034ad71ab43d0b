"""An editor's notes (XMP) go with the photos of their shot, outlive page and disk, and come back as they were."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import write_photos

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.conftest import GalleryPage

pytestmark = [pytest.mark.browser, pytest.mark.services]

WITHIN_MS = 60_000


def notes_of(text: str) -> bytes:
    return f"\ufeff<x:xmpmeta xmlns:x='adobe:ns:meta/'>{text}</x:xmpmeta>\r\n".encode()


@pytest.fixture
def shoot(tmp_path) -> list[Path]:
    """Two photos, notes about each, and notes about none."""
    photos = write_photos(tmp_path / "shoot", 2)
    for notes in (photos[0].with_suffix(".xmp"), photos[1].with_suffix(".jpg.xmp")):
        notes.write_bytes(notes_of(notes.name))
    (tmp_path / "shoot" / "elsewhere.xmp").write_bytes(notes_of("elsewhere"))
    return photos


def test_notes_outlive_a_reload_and_are_found_beside_their_photo(gallery_page, shoot, tmp_path) -> None:
    page = gallery_page.page
    page.route("**/sidecars", lambda _: None)
    notes = sorted(each for each in shoot[0].parent.glob("*.xmp") if each.name != "elsewhere.xmp")
    contents = {each.name: each.read_bytes() for each in notes}

    gallery_page.choose_folder(shoot[0].parent)
    gallery_page.wait_for_end()
    line = page.locator("[data-part=sidecars]")
    expect(line).to_contain_text("2 files with edits (XMP) on the way, 0 kept.", timeout=WITHIN_MS)
    expect(line).to_contain_text("(no photo of that name is here): elsewhere.xmp.", timeout=WITHIN_MS)
    wait_until_kept_here(page, 2)
    for each in notes:
        each.unlink()
    page.unroute("**/sidecars")
    page.reload()

    expect(line).to_have_text("2 files with edits (XMP) kept beside their photos.", timeout=WITHIN_MS)
    assert kept(gallery_page) == contents
    assert download_from_lightbox(page, shoot[0].name, tmp_path) == contents[notes[0].name]
    assert verified_lines(page, tmp_path) == {*contents, *(photo.name for photo in shoot)}


def test_changed_notes_alone_replace_those_of_their_photo(gallery_page, shoot) -> None:
    page, name = gallery_page.page, f"{shoot[0].stem}.xmp"
    gallery_page.choose_folder(shoot[0].parent)
    gallery_page.wait_for_end()
    line = page.locator("[data-part=sidecars]")
    expect(line).to_contain_text("2 files with edits (XMP) kept beside their photos.", timeout=WITHIN_MS)
    changed = shoot[0].with_suffix(".xmp")
    changed.write_bytes(notes_of("changed since"))

    with page.expect_response("**/sidecars") as attached:
        gallery_page.choose(changed)

    assert attached.value.status == 201
    assert kept(gallery_page)[name] == notes_of("changed since")
    assert len(gallery_page.photos()) == 2


def wait_until_kept_here(page: Page, count: int) -> None:
    """In this browser's own store: their keys have the id of their photo in front."""
    page.wait_for_function(
        """async (count) => {
            const found = (await indexedDB.databases()).find(({ name }) => name.startsWith('safelight-'));
            if (found === undefined) return false;
            const db = await new Promise((resolve) => {
                const opening = indexedDB.open(found.name);
                opening.onsuccess = () => resolve(opening.result);
            });
            const keys = await new Promise((resolve) => {
                const asking = db.transaction('bytes').objectStore('bytes').getAllKeys();
                asking.onsuccess = () => resolve(asking.result);
            });
            db.close();
            return keys.filter(([, key]) => key.endsWith('.xmp')).length === count;
        }""",
        arg=count,
        timeout=WITHIN_MS,
    )


def kept(gallery: GalleryPage) -> dict[str, bytes]:
    """What the server has, by name."""
    request = gallery.page.request
    listed = request.get(f"/api/galleries/{gallery.gallery_id}/sidecars").json()["sidecars"]
    return {each["name"]: request.get(each["url"]).body() for each in listed}


def download_from_lightbox(page: Page, photo_name: str, folder: Path) -> bytes:
    page.get_by_role("link", name=photo_name).first.click()
    page.get_by_role("button", name="Details").click()
    with page.expect_download() as downloading:
        page.locator(".pswp-panel").get_by_role("link", name=".xmp").click()
    file = folder / "downloaded.xmp"
    downloading.value.save_as(file)
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".pswp")).to_have_count(0)
    return file.read_bytes()


def verified_lines(page: Page, folder: Path) -> set[str]:
    """Names that the receipt calls verified."""
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download receipt").click()
    file = folder / "receipt.csv"
    downloading.value.save_as(file)
    with file.open(encoding="utf-8", newline="") as lines:
        return {line["name"] for line in csv.DictReader(lines) if line["verified"] == "yes"}
