"""What may be sent, by its name or by what the browser calls it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploads.media_types import ACCEPTED, BY_EXTENSION, media_type_for

CONTRACT = {
    "jpeg", "png", "webp", "gif", "avif", "tiff", "heic", "heif", "x-canon-cr2", "x-canon-cr3", "x-nikon-nef",
    "x-sony-arw", "x-adobe-dng", "x-fuji-raf", "x-olympus-orf", "x-panasonic-rw2",
}  # fmt: skip


def test_exactly_the_promised_types_are_taken():
    assert {media_type.removeprefix("image/") for media_type in ACCEPTED} == CONTRACT


@pytest.mark.parametrize("extension", sorted(BY_EXTENSION))
def test_an_extension_speaks_for_a_file_of_which_the_browser_knows_nothing(extension):
    assert media_type_for(f"x.{extension.upper()}", "") == BY_EXTENSION[extension]
    assert media_type_for(f"x.{extension} ", "application/octet-stream") == BY_EXTENSION[extension]


@pytest.mark.parametrize(
    ("name", "declared", "taken"),
    [
        ("photo", "image/jpeg", "image/jpeg"),
        ("photo.bin", "IMAGE/PNG; charset=x", "image/png"),
        ("photo.jpg", "text/html", "image/jpeg"),
        ("page.html", "text/html", ""),
        ("picture.svg", "image/svg+xml", ""),
        ("clip.mp4", "video/mp4", ""),
        ("paper.pdf", "application/pdf", ""),
        ("nothing", "", ""),
    ],
)
def test_the_name_comes_first_then_the_browser(name, declared, taken):
    assert media_type_for(name, declared) == taken


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_said_only_known_types_are_signed(name, declared):
    assert media_type_for(name, declared) in ACCEPTED | {""}
