"""The product's promise, in a real browser against a real store: what is dropped becomes a gallery, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import digests_of, write_every_kind, write_large_photo, write_photos

if TYPE_CHECKING:
    from pathlib import Path

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.slow]


@pytest.fixture(params=["local", "swift"])
def site(request: pytest.FixtureRequest) -> Site:
    """Every promise of this module holds on both stores."""
    site: Site = request.getfixturevalue(f"site_{request.param}")
    return site


def test_a_nested_folder_becomes_a_gallery_byte_for_byte(gallery_page, tmp_path: Path) -> None:
    files = [
        *write_photos(tmp_path / "trip", 60),
        *write_photos(tmp_path / "trip" / "day one", 50),
        *write_photos(tmp_path / "trip" / "day one" / "evening", 25),
    ]

    gallery_page.drop(tmp_path / "trip")
    gallery_page.wait_for_end()

    assert gallery_page.percent() == 100
    assert gallery_page.original_digests() == digests_of(files)
    gallery_page.wait_for_tiles(20)


def test_a_file_of_many_parts_arrives_whole(gallery_page, tmp_path: Path) -> None:
    large = write_large_photo(tmp_path / "large.png")

    gallery_page.choose(large)
    gallery_page.wait_for_end()

    assert gallery_page.original_digests() == digests_of([large])
    [upload] = gallery_page.uploads()
    assert upload["state"] == "verified"


def test_every_kind_of_photo_is_shown(gallery_page, tmp_path: Path) -> None:
    files = write_every_kind(tmp_path / "kinds")

    gallery_page.choose(*files)
    gallery_page.wait_for_end()
    gallery_page.wait_for_tiles(len(files))

    assert {(photo["width"], photo["height"]) for photo in gallery_page.photos()} == {(400, 260)}
    gallery_page.page.wait_for_function(
        """() => [...document.querySelectorAll('[data-photo-id] img')]
            .every(image => image.complete && image.naturalWidth > 0)"""
    )


def test_what_is_no_photo_is_named_and_the_others_go_on(gallery_page, tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "mixed", 3)
    (tmp_path / "mixed" / "notes.txt").write_text("not a photo")
    (tmp_path / "mixed" / "empty.jpg").write_bytes(b"")
    (tmp_path / "mixed" / "broken.jpg").write_bytes(photos[0].read_bytes()[:2000])

    gallery_page.choose(*sorted((tmp_path / "mixed").iterdir()))
    gallery_page.wait_for_end("some")

    assert set(gallery_page.original_digests()) == {photo.name for photo in photos}
    words = gallery_page.page.locator("[data-progress-percent]").inner_text()
    for name in ("notes.txt", "empty.jpg", "broken.jpg"):
        assert name in words


def test_a_second_device_sees_photos_appear(gallery_page, page_watch, context, tmp_path: Path) -> None:
    other = context.new_page()
    page_watch.watch(other)
    watching = gallery_page.open(other)
    files = write_photos(tmp_path / "live", 12)

    gallery_page.choose(*files)
    watching.wait_for_tiles(len(files))

    gallery_page.wait_for_end()
    assert {photo["name"] for photo in watching.photos()} == {file.name for file in files}


def test_the_same_folder_again_sends_no_bytes(gallery_page, tmp_path: Path) -> None:
    files = write_photos(tmp_path / "twice", 5)
    gallery_page.choose(*files)
    gallery_page.wait_for_end()
    sent: list[str] = []
    again = gallery_page.open()
    again.page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)

    again.choose(*files)
    again.wait_for_end()

    assert sent == []
    assert len(again.photos()) == len(files)
