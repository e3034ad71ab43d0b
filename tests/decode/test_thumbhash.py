import random

import pytest

from galleries.decode.thumbhash import MAX_SIDE_PX, thumbhash
from tests import pictures


def gradient(width: int, height: int, *, has_alpha: bool = False) -> bytes:
    return bytes(
        channel
        for y in range(height)
        for x in range(width)
        for channel in (
            x * 255 // width,
            y * 255 // height,
            (x * y) % 256,
            (x * 9 + 20) % 256 if has_alpha else 255,
        )
    )


def noise(width: int, height: int) -> bytes:
    made = random.Random(width * 1000 + height)
    return b"".join(made.randbytes(3) + b"\xff" for _ in range(width * height))


# Made by another encoder of the same format, the package thumbhash 0.1.2.
VECTORS = [
    (32, 21, "1ff8010d827e082e7a77b4d056ca6a923d5f760b5b"),
    (21, 32, "20f8010d04f326857b156575b6674466b0033a0715"),
    (32, 32, "df07020f0266c0c89b66869877b787669573fb557a30b606"),
    (7, 100, "2008020902904b653a96a58fcefa3b28ff"),
    (3, 2, "1e983e4d908878077787888788888870d4f0b76073"),
]


@pytest.mark.parametrize(("width", "height", "wanted"), VECTORS)
def test_the_hash_is_that_of_its_author(width, height, wanted):
    assert thumbhash(width, height, noise(width, height)).hex() == wanted


def test_what_is_see_through_is_said():
    assert thumbhash(8, 8, gradient(8, 8, has_alpha=True))[2] & 0x80
    assert not thumbhash(8, 8, gradient(8, 8))[2] & 0x80


@pytest.mark.parametrize("rgba", [bytes(4), b"\xff" * 4, bytes(400), b"\xff\0\0\xff" * 100])
def test_one_colour_or_nothing_at_all_has_a_hash(rgba):
    assert 5 <= len(thumbhash(1, len(rgba) // 4, rgba)) <= 25


def test_no_hash_is_longer_than_25_bytes():
    for width in (1, 7, 32, MAX_SIDE_PX):
        for height in (1, 9, 32, MAX_SIDE_PX):
            assert len(thumbhash(width, height, gradient(width, height, has_alpha=True))) <= 25


@pytest.mark.parametrize(("width", "height"), [(MAX_SIDE_PX + 1, 1), (1, MAX_SIDE_PX + 1)])
def test_a_larger_picture_is_refused(width, height):
    with pytest.raises(ValueError, match="px in"):
        thumbhash(width, height, bytes(width * height * 4))


def test_bytes_that_are_not_of_the_size_said_are_refused():
    with pytest.raises(ValueError, match="px in"):
        thumbhash(2, 2, bytes(15))


def test_photos_that_differ_have_hashes_that_differ():
    hashes = {
        thumbhash(60, 40, turned.convert("RGBA").tobytes())
        for turned in (pictures.compass(60, 40), pictures.compass(60, 40).rotate(180))
    }

    assert len(hashes) == 2
