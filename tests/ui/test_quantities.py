"""Sizes on pages are written as the scripts write them."""

import pytest

from galleries.templatetags.quantities import bytes_words, photos_of, to_be_published


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1 KB"),
        (1_000_000, "1.0 MB"),
        (9_940_000, "9.9 MB"),
        (9_950_000, "10 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1.0 GB"),
        (12_400_000_000, "12 GB"),
        (1_204_000_000_000, "1,204 GB"),
    ],
)
def test_a_size_has_one_decimal_below_ten(size_bytes, words):
    assert bytes_words(size_bytes) == words.replace(" ", "\N{NO-BREAK SPACE}")


def test_one_waits_and_two_wait():
    words = [to_be_published(count) for count in (1, 2, 1_204)]

    assert words == ["1 waits to be published", "2 wait to be published", "1,204 wait to be published"]


def test_one_photo_is_one_photo():
    assert [photos_of(0), photos_of(1), photos_of(1_204)] == ["0 photos", "1 photo", "1,204 photos"]
