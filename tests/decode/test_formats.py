"""Every format that is taken, in the kinds its writers make: shown as it was meant, in colours that are right."""

import io
from datetime import UTC, datetime
from typing import Final

import pytest
import pyvips
from PIL import Image

from galleries.decode.developer import Developed, Developer
from galleries.decode.places import find_blanks
from galleries.errors import UnsupportedPhoto
from tests import bad_photos, pictures, places
from tests.pictures import BLUE, COLOUR_SPACES, GREEN, RED, YELLOW
from uploads.sniff import SNIFF_BYTES, sniff

# Beyond it a trained eye sees two colours side by side as two (CIE 1976); JPEG itself costs one.
MOST_DIFFERENCE: Final = 3.0


def develop(developer: Developer, photo: bytes) -> Developed:
    return developer.develop(io.BytesIO(photo), media_type=sniff(photo[:SNIFF_BYTES]) or "")


def view(developed: Developed) -> Image.Image:
    return Image.open(developed.renditions[0].content).convert("RGB")


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    return [image.getpixel((x * width // 4, y * height // 4)) for y in (1, 3) for x in (1, 3)]


def is_compass(image: Image.Image, tolerance: int = 12) -> bool:
    wanted = (RED, GREEN, BLUE, YELLOW)
    return all(
        abs(a - b) <= tolerance
        for one, two in zip(quarters(image), wanted, strict=True)
        for a, b in zip(one, two, strict=True)
    )


# --- colour

# XYZ under D50 to linear sRGB: as COLOUR_SPACES.
TO_SRGB: Final = (
    (3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540), (0.0719453, -0.2289914, 1.4052427),
)  # fmt: skip
FROM_SRGB: Final = (
    (0.4360747, 0.3850649, 0.1430804), (0.2225045, 0.7168786, 0.0606169), (0.0139322, 0.0971045, 0.7141733),
)  # fmt: skip
WHITE: Final = (0.96422, 1.0, 0.82521)


def times(matrix, vector) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def lab(srgb: tuple[int, ...]) -> list[float]:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in srgb)]
    x, y, z = (
        t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116
        for t in (a / b for a, b in zip(times(FROM_SRGB, linear), WHITE, strict=True))
    )
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


def as_srgb(space: str, colour: tuple[int, ...]) -> tuple[int, ...]:
    """What these numbers of that space are in sRGB; None of those used here lies outside."""
    columns, exponent = COLOUR_SPACES[space]
    linear = [(each / 255) ** exponent for each in colour]
    found = times(TO_SRGB, times(list(zip(*columns, strict=True)), linear))
    assert all(-0.001 <= each <= 1.001 for each in found), (
        "it has no such colour: another one should be tried"
    )
    bounded = [min(max(each, 0.0), 1.0) for each in found]
    encoded = [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in bounded]
    return tuple(round(255 * each) for each in encoded)


def difference(one: tuple[int, ...], two: tuple[int, ...]) -> float:
    return sum((a - b) ** 2 for a, b in zip(lab(one), lab(two), strict=True)) ** 0.5


COLOURS: Final = (
    (180, 120, 100),
    (120, 150, 110),
    (100, 110, 150),
    (128, 128, 128),
    (240, 240, 240),
    (20, 20, 20),
)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif", "heic"])
@pytest.mark.parametrize("space", COLOUR_SPACES)
def test_wide_colours_are_what_they_were(developer, space, kind):
    for colour in COLOURS:
        lossless = {"png": {}, "tiff": {}, "webp": {"lossless": True}}.get(kind, {"quality": 100})
        patch = Image.new("RGB", (64, 64), colour)
        photo = pictures.saved(patch, kind, icc_profile=pictures.profile_of(space), **lossless)

        shown = view(develop(developer, photo)).getpixel((32, 32))

        assert difference(shown, as_srgb(space, colour)) <= MOST_DIFFERENCE, colour


def test_the_profiles_matter_or_the_test_above_proves_nothing():
    assert (
        min(difference(as_srgb(space, COLOURS[1]), COLOURS[1]) for space in COLOUR_SPACES) > MOST_DIFFERENCE
    )


def test_sixteen_bits_of_a_wide_space_are_right(developer):
    image = (pyvips.Image.black(64, 64, bands=3) + [v * 257 for v in COLOURS[0]]).cast("ushort")
    image = image.copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", pictures.profile_of("ProPhoto RGB"))
    for photo in (image.pngsave_buffer(bitdepth=16), image.tiffsave_buffer()):
        shown = view(develop(developer, bytes(photo))).getpixel((32, 32))

        assert difference(shown, as_srgb("ProPhoto RGB", COLOURS[0])) <= MOST_DIFFERENCE


# --- kinds of TIFF


@pytest.mark.parametrize(
    "compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg"]
)
def test_a_tiff_however_it_is_packed(developer, compression):
    photo = pictures.saved(pictures.compass(), "tiff", compression=compression)

    assert is_compass(view(develop(developer, photo)))


def test_a_tiff_packed_as_no_decoder_here_knows_says_so(developer):
    with pytest.raises(UnsupportedPhoto):
        develop(developer, pictures.saved(pictures.compass(), "tiff", compression="zstd"))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK", "I;16", "F"])
def test_a_tiff_of_any_mode(developer, mode):
    made = {
        "F": lambda: Image.new("F", (240, 160), 0.5),
        "P": lambda: pictures.compass().quantize(),
        "I;16": lambda: pictures.compass().convert("I").convert("I;16"),
    }.get(mode, lambda: pictures.compass().convert(mode))

    developed = develop(developer, pictures.saved(made(), "tiff"))

    assert view(developed).size == (240, 160)
    if mode in {"P", "RGBA"}:
        assert is_compass(view(developed))


def test_of_many_pages_the_first_is_shown(developer):
    buffer = io.BytesIO()
    pictures.compass().save(buffer, "TIFF", save_all=True, append_images=[Image.new("RGB", (99, 99))] * 3)

    developed = develop(developer, buffer.getvalue())

    assert is_compass(view(developed))
    assert developed.warnings == ["first_frame_only"]


# --- what moves


@pytest.mark.parametrize("kind", ["webp", "gif", "png", "avif"])
def test_of_what_moves_the_first_frame_is_shown(developer, kind):
    others = [Image.new("RGB", (240, 160), YELLOW), Image.new("RGB", (240, 160), BLUE)]
    photo = pictures.saved(pictures.compass(), kind, save_all=True, append_images=others)

    assert is_compass(view(develop(developer, photo)), tolerance=16)


def test_of_a_long_animation_the_first_frame_is_shown(developer):
    assert view(develop(developer, bad_photos.moving_webp(300))).getpixel((4, 4))[0] > 200


# --- RAW


@pytest.mark.parametrize("kind", ["cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"])
def test_a_raw_of_a_camera_that_nobody_knows_is_shown_by_its_preview(developer, kind):
    photo = pictures.camera_raw(kind, pictures.jpeg(pictures.compass(1200, 900)))
    assert (sniff(photo[:SNIFF_BYTES]) or "").endswith(f"-{kind}")

    developed = develop(developer, photo)

    assert (developed.width, developed.height) == (1200, 900)
    assert is_compass(view(developed))
    assert developed.warnings == ["preview_only"]
    if kind != "raf":  # its facts are in its preview
        assert developed.camera.endswith("New")
        assert developed.captured_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_such_a_preview_is_turned_with_its_raw(developer, orientation):
    upright = pictures.compass(1200, 900) if orientation == 3 else pictures.compass(900, 1200)
    preview = pictures.jpeg(pictures.stored_as(upright, orientation))

    developed = develop(developer, pictures.camera_raw("nef", preview, orientation))

    assert (developed.width, developed.height) == upright.size
    assert is_compass(view(developed))


def test_the_largest_of_several_previews_is_shown(developer):
    small = pictures.jpeg(Image.new("RGB", (1100, 800), YELLOW))
    preview = pictures.jpeg(pictures.compass(1600, 1200))
    stamp = pictures.jpeg(Image.new("RGB", (160, 120), YELLOW))

    developed = develop(developer, pictures.camera_raw("arw", stamp + small + preview + stamp))

    assert (developed.width, developed.height) == (1600, 1200)
    assert is_compass(view(developed))


def test_a_raw_with_a_stamp_alone_is_not_shown_by_it(developer):
    with pytest.raises(UnsupportedPhoto):
        develop(developer, pictures.camera_raw("raf", pictures.jpeg(pictures.compass(160, 120))))


# --- what the camera wrote


def test_texts_of_a_camera_are_short_and_visible(developer):
    exif = pictures.camera_exif()
    exif[pictures.MODEL] = "X\u202ey\u0007" + "z" * 5_000
    exif.get_ifd(pictures.EXIF_DIRECTORY)[0xA434] = "lens\x1b[31m" + "w" * 5_000

    developed = develop(developer, pictures.jpeg(exif=exif))

    texts = [developed.camera, *developed.details.values()]
    assert all(text.isprintable() for text in texts)
    assert max(len(text.encode()) for text in texts) <= 1024


def test_a_moving_original_is_kept_as_it_is_and_so_is_what_others_get(tmp_path):
    path = tmp_path / "moving.gif"
    path.write_bytes(places.TO_PLANT["a moving gif"][1])
    with path.open("rb") as file:
        assert find_blanks(file.fileno(), "image/gif") == []
