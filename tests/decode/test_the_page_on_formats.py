"""docs/formats.md says what the code does, or this fails."""

from pathlib import Path

import pytest

from galleries.blanking import MAX_BLANKS
from galleries.decode import floors
from galleries.decode.developer import GIB, MAX_FILES_PER_CHILD, RoomLimits
from galleries.decode.loaders import _LOADERS
from galleries.decode.wire import MAX_PIXELS, MAX_SIDE_PX
from galleries.renditions import RECIPES
from uploads import limits
from uploads.media_types import ACCEPTED

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()


def test_the_page_names_every_type_we_take_and_each_has_a_loader():
    assert set(_LOADERS) == ACCEPTED
    assert [media_type for media_type in ACCEPTED if f"`{media_type}`" not in PAGE] == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_page_tells_every_rendition(recipe):
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{recipe.name}`"))

    assert f"{recipe.longest_side_px} px" in row
    assert f"quality {recipe.quality}" in row


def test_the_page_tells_the_limits():
    room = RoomLimits()
    told = [
        f"| {MAX_PIXELS:,} |", f"| {MAX_SIDE_PX:,} px |", f"| {room.cpu_s} s |", f"| {room.wall_s:.0f} s |",
        f"| {room.address_space_bytes / GIB:g} GiB; WebP, AVIF, HEIC and RAW ",
        f"and RAW {room.wide_address_space_bytes / GIB:g} GiB |",
        f"after {MAX_FILES_PER_CHILD} photos",
        f"libvips before {'.'.join(map(str, floors.LEAST_LIBVIPS))}",
        f"libheif before {'.'.join(map(str, floors.LEAST_LIBHEIF))}",
        f"LibRaw before {'.'.join(map(str, floors.LEAST_LIBRAW))}",
        f"more than {MAX_BLANKS} stretches",
    ]  # fmt: skip

    assert [words for words in told if words not in PAGE] == []


def test_what_is_refused_on_arrival_is_what_is_refused_at_the_header():
    assert (MAX_PIXELS, MAX_SIDE_PX) == (limits.MAX_PIXELS, limits.MAX_SIDE_PX)


def test_decoders_with_known_holes_are_named():
    def wrong(**found):
        sound = {
            "libvips": floors.LEAST_LIBVIPS,
            "libheif": floors.LEAST_LIBHEIF,
            "libraw": floors.LEAST_LIBRAW,
            "is_blocked": True,
        }
        return floors.wrong_with(**(sound | found))

    assert wrong() == []
    assert wrong(libvips=(8, 18, 8), libheif=(1, 24, 0)) == []
    assert wrong(libvips=(8, 18, 6)) == ["libvips 8.18.6 has known holes: 8.18.7 or later is needed."]
    assert wrong(libheif=(1, 23, 2)) == ["libheif 1.23.2 has known holes: 1.23.3 or later is needed."]
    assert wrong(libraw=(0, 21, 3)) == ["LibRaw 0.21.3 has known holes: 0.21.4 or later is needed."]
    assert wrong(is_blocked=False) == ["libvips does not block its untrusted loaders."]
