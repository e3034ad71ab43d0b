"""What a download is called."""

import pytest

from galleries.download_names import EXTENSIONS, download_name
from uploads.media_types import ACCEPTED


@pytest.mark.parametrize(
    ("name", "media_type", "called"),
    [
        ("IMG_1.JPG", "image/jpeg", "IMG_1.JPG"),
        ("IMG_1.jpeg", "image/jpeg", "IMG_1.jpeg"),
        ("page.html", "image/jpeg", "page.html.jpg"),
        ("run.jpg.exe", "image/jpeg", "run.jpg.exe.jpg"),
        ("a.png", "image/jpeg", "a.jpg"),
        ("a.jpg", "image/heic", "a.heic"),
        ("photo", "image/webp", "photo.webp"),
        ("Trip 12.08", "image/gif", "Trip 12.08.gif"),
        (".html", "image/png", ".html.png"),
        ("scan.nef", "image/tiff", "scan.nef"),
        ("a.html", "image/x-unheard-of", "a.html"),
    ],
)
def test_the_ending_says_what_the_bytes_are(name, media_type, called):
    assert download_name(name, media_type) == called


@pytest.mark.parametrize("length", [250, 251, 252, 255])
def test_a_name_stays_short_enough_for_a_disk(length):
    called = download_name("é" * (length // 2), "image/jpeg")

    assert len(called.encode()) <= 255
    assert called.endswith("é.jpg")


def test_every_kind_that_is_taken_has_an_ending():
    assert set(EXTENSIONS) == ACCEPTED
