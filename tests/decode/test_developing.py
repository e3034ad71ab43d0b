"""What a photo becomes in the locked room: every kind, way up and colour; and what is refused, by which code."""

import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from galleries.decode.developer import Developed, Developer
from galleries.errors import (
    DamagedPhoto,
    GalleryError,
    TooLongSide,
    TooManyPixels,
    UnsupportedPhoto,
)
from galleries.renditions import GRID, RECIPES, VIEW
from tests import pictures
from tests.pictures import BLUE, GREEN, RED, YELLOW
from uploads.sniff import SNIFF_BYTES, sniff

KINDS = ("jpeg", "png", "webp", "tiff", "avif", "heic")
WHITE = (255, 255, 255)


def sniffed(photo: bytes) -> str:
    return sniff(photo[:SNIFF_BYTES]) or "nothing"


def develop(developer: Developer, photo: bytes, media_type: str | None = None) -> Developed:
    return developer.develop(
        io.BytesIO(photo), media_type=sniffed(photo) if media_type is None else media_type
    )


def shown(developed: Developed, name: str = "view") -> Image.Image:
    (rendition,) = (each for each in developed.renditions if each.name == name)
    return Image.open(rendition.content)


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours in the middle of its four quarters, row by row."""
    width, height = image.size
    rgb = image.convert("RGB")
    return [rgb.getpixel((x * width // 4, y * height // 4)) for y in (1, 3) for x in (1, 3)]


def are_alike(found, wanted, tolerance: int = 12) -> bool:
    return all(
        abs(a - b) <= tolerance
        for one, two in zip(found, wanted, strict=True)
        for a, b in zip(one, two, strict=True)
    )


def test_a_photo_becomes_its_renditions(developer):
    photo = pictures.jpeg(pictures.compass(3000, 2000), exif=pictures.camera_exif())

    developed = develop(developer, photo)

    assert (developed.width, developed.height) == (3000, 2000)
    assert [each.name for each in developed.renditions] == [recipe.name for recipe in RECIPES]
    assert shown(developed, "view").size == (1600, 1067)
    assert shown(developed, "view").format == "JPEG"
    assert shown(developed, "grid").size == (400, 267)
    assert shown(developed, "grid").format == "WEBP"
    assert 5 <= len(developed.thumbhash) <= 25
    assert developed.warnings == []


def test_sizes_and_checksums_are_those_of_the_bytes(developer):
    import hashlib
    import zlib

    for rendition in develop(developer, pictures.jpeg()).renditions:
        assert rendition.content.tell() == 0
        content = rendition.content.read()
        assert rendition.size_bytes == len(content)
        assert rendition.crc32 == f"{zlib.crc32(content):08x}"
        assert rendition.sha256 == hashlib.sha256(content).hexdigest()
        assert Image.open(io.BytesIO(content)).size == (rendition.width, rendition.height)


@pytest.mark.parametrize("longest", [side + more for side in (400, 1600) for more in (-1, 0, 1)])
def test_nothing_is_enlarged_and_nothing_is_larger_than_its_recipe(developer, longest):
    developed = develop(developer, pictures.jpeg(pictures.compass(longest, 100)))

    for recipe in (VIEW, GRID):
        assert max(shown(developed, recipe.name).size) == min(longest, recipe.longest_side_px)


@pytest.mark.parametrize("orientation", pictures.ORIENTATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_photo_stands_upright_once(developer, kind, orientation):
    developed = develop(developer, pictures.oriented(kind, orientation))

    assert (developed.width, developed.height) == (240, 160)
    for name in ("view", "grid"):
        assert are_alike(quarters(shown(developed, name)), [RED, GREEN, BLUE, YELLOW])


def test_a_large_photo_on_its_side_is_turned_after_shrinking(developer):
    stored = pictures.stored_as(pictures.compass(4000, 2400), 6)

    developed = develop(developer, pictures.jpeg(stored, exif=pictures.camera_exif(6)))

    assert (developed.width, developed.height) == (4000, 2400)
    assert shown(developed).size == (1600, 960)
    assert are_alike(quarters(shown(developed)), [RED, GREEN, BLUE, YELLOW])


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif", "heic"])
def test_what_the_camera_wrote_is_read(developer, kind):
    developed = develop(developer, pictures.saved(pictures.compass(), kind, exif=pictures.camera_exif()))

    assert developed.camera == "Canon EOS R5"
    assert developed.captured_at == datetime(2024, 2, 29, 23, 59, 58, 250_000, UTC)
    assert developed.details == {
        "lens": "RF35mm F1.8",
        "exposure": "1/250 s",
        "aperture": "f/2.8",
        "iso": "400",
        "focal_length": "35 mm",
    }


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif", "heic"])
def test_no_rendition_says_where_it_was_taken(developer, kind):
    photo = pictures.with_every_place(kind)
    assert b"GPSLatitude" in photo, "the photo must say it, or the test proves nothing"

    developed = develop(developer, photo)

    for rendition in developed.renditions:
        content = rendition.content.read()
        assert not any(
            word in content for word in (b"Exif", b"EXIF", b"GPS", b"XMP", b"adobe", b"ICC_PROFILE", b"ICCP")
        )
        image = Image.open(io.BytesIO(content))
        assert dict(image.getexif()) == {}
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
    assert not any("gps" in name or "location" in name for name in developed.details)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "jpeg"),
        ("CMYK", "jpeg"),
        ("LA", "png"),
        ("P", "png"),
        ("1", "png"),
        ("P", "gif"),
        ("CMYK", "tiff"),
        ("I;16", "png"),
    ],
)
def test_every_colour_mode_becomes_a_picture_all_can_see(developer, mode, kind):
    image = Image.new("I;16", (240, 160), 40_000) if mode == "I;16" else pictures.compass().convert(mode)

    developed = develop(developer, pictures.saved(image, kind))

    assert shown(developed).mode in {"L", "RGB"}
    if mode == "I;16":
        assert are_alike(quarters(shown(developed)), [(155, 155, 155)] * 4)
    if mode == "CMYK":
        upper_left, upper_right, lower_left, _ = quarters(shown(developed))
        assert upper_left[0] > 180 > upper_left[1]
        assert max(upper_right) == upper_right[1]
        assert max(lower_left) == lower_left[2]


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_what_is_see_through_is_white_in_jpeg_and_stays_so_in_webp(developer, kind):
    image = pictures.compass().convert("RGBA")
    image.putalpha(0)

    developed = develop(developer, pictures.saved(image, kind))

    assert quarters(shown(developed, "view")) == [WHITE] * 4
    assert shown(developed, "grid").convert("RGBA").getextrema()[3] == (0, 0)


def test_the_colours_of_a_profile_are_those_of_srgb_afterwards(developer):
    developed = develop(developer, pictures.jpeg(icc_profile=pictures.swapped_primaries()))

    upper_left, upper_right, *_ = quarters(shown(developed))
    assert are_alike([upper_left, upper_right], [(30, 220, 30), (160, 30, 60)])


@pytest.mark.parametrize(
    "harm", [lambda icc: icc[:200], lambda icc: icc.replace(b"RGB ", b"CMYK"), lambda _: b"nonsense" * 99]
)
def test_a_broken_profile_costs_the_colours_and_not_the_photo(developer, harm):
    developed = develop(developer, pictures.jpeg(icc_profile=harm(pictures.srgb())))

    assert are_alike(quarters(shown(developed)), [RED, GREEN, BLUE, YELLOW])


def test_an_animation_is_shown_by_its_first_frame_however_many_follow(developer):
    developed = develop(developer, pictures.moving_gif(20_000))

    assert (developed.width, developed.height) == (40, 40)
    assert developed.warnings == ["first_frame_only"]


@pytest.mark.parametrize(
    "trailer", [b"<script>alert(1)</script>" * 40, b"PK\x03\x04" + b"\0" * 900, pictures.jpeg()[:700]]
)
def test_what_follows_a_whole_photo_neither_harms_nor_stays(developer, trailer):
    """A ZIP, a script, or the second picture of an MPO, a gain map or a motion photo, cut off."""
    developed = develop(developer, pictures.jpeg() + trailer)

    assert are_alike(quarters(shown(developed)), [RED, GREEN, BLUE, YELLOW])
    assert trailer[:20] not in developed.renditions[0].content.read()


def test_a_raw_is_shown_by_the_preview_of_its_camera(developer):
    preview = pictures.jpeg(pictures.compass(1200, 900))

    developed = develop(developer, pictures.dng(1600, 1200, preview=preview))

    assert (developed.width, developed.height) == (1600, 1200)
    assert shown(developed).size == (1200, 900)
    assert are_alike(quarters(shown(developed)), [RED, GREEN, BLUE, YELLOW])
    assert developed.camera == "Made by code"
    assert developed.captured_at == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_preview_that_does_not_say_how_it_lies_is_turned_with_its_raw(developer, orientation):
    upright = pictures.compass(900, 1200) if orientation in {6, 8} else pictures.compass(1200, 900)
    preview = pictures.jpeg(pictures.stored_as(upright, orientation))

    developed = develop(developer, pictures.dng(1600, 1200, preview=preview, orientation=orientation))

    assert shown(developed).size == upright.size
    assert are_alike(quarters(shown(developed)), [RED, GREEN, BLUE, YELLOW])


def test_a_preview_that_is_upright_already_is_left_so(developer):
    preview = pictures.jpeg(pictures.compass(900, 1200))

    developed = develop(developer, pictures.dng(1600, 1200, preview=preview, orientation=6))

    assert are_alike(quarters(shown(developed)), [RED, GREEN, BLUE, YELLOW])


@pytest.mark.parametrize("preview", [b"", pictures.jpeg(pictures.compass(160, 120))])
def test_a_raw_with_no_preview_worth_showing_is_developed(developer, preview):
    developed = develop(developer, pictures.dng(1200, 800, preview=preview))

    assert (developed.width, developed.height) == (1200, 800)
    assert shown(developed).size == (600, 400)


def test_a_tiff_that_looks_like_a_raw_is_shown_as_a_tiff(developer):
    developed = develop(developer, pictures.saved(pictures.compass(), "tiff"), "image/x-nikon-nef")

    assert are_alike(quarters(shown(developed)), [RED, GREEN, BLUE, YELLOW])


@pytest.mark.parametrize("width", [29_999, 30_000])
def test_a_side_of_thirty_thousand_pixels_is_taken(developer, width):
    assert develop(developer, pictures.png_of_zeros(width, 1)).width == width


def test_one_pixel_more_is_too_long(developer):
    with pytest.raises(TooLongSide) as refusal:
        develop(developer, pictures.png_of_zeros(30_001, 1))

    assert refusal.value.details == {"width": 30_001, "height": 1, "limit_px": 30_000}
    assert not refusal.value.retryable


@pytest.mark.parametrize("height", [5_499, 5_500])
def test_as_many_pixels_as_the_limit_are_taken(developer, height):
    assert develop(developer, pictures.png_of_zeros(20_000, height)).height == height


def test_one_row_more_is_too_many(developer):
    with pytest.raises(TooManyPixels) as refusal:
        develop(developer, pictures.png_of_zeros(20_000, 5_501))

    assert refusal.value.details == {"width": 20_000, "height": 5_501, "limit_pixels": 110_000_000}


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (1_000_000, 1), (12_000, 12_000)])
def test_a_header_is_refused_before_a_pixel_is_made(developer, width, height):
    """It has no pixels to make: were they asked for, the end would be damaged_photo."""
    with pytest.raises((TooManyPixels, TooLongSide)):
        develop(developer, pictures.png_that_claims(width, height))


def cut(photo: bytes, keep: float) -> bytes:
    return photo[: int(len(photo) * keep)]


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif", "heic", "gif"])
def test_a_photo_cut_short_is_never_shown_as_if_whole(developer, kind, keep):
    photo = pictures.saved(pictures.noise(400, 300), kind)

    with pytest.raises(DamagedPhoto):
        develop(developer, cut(photo, keep), f"image/{kind}")


def test_a_jpeg_without_its_last_byte_is_cut_short(developer):
    with pytest.raises(DamagedPhoto):
        develop(developer, pictures.jpeg()[:-1])


IN_DISGUISE = {
    "a matrix, which libvips would read": b"2 2\n1 2\n3 4\n",
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "a FITS": b"SIMPLE  =                    T",
    "a PNM": b"P6 1 1 255\n\0\0\0",
    "a PDF": b"%PDF-1.7\n",
    "a page": b"<!doctype html><script>alert(1)</script>",
    "nothing": b"",
}


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/avif"]
)
@pytest.mark.parametrize("disguised", IN_DISGUISE.values(), ids=IN_DISGUISE)
def test_no_loader_but_the_named_one_ever_sees_a_file(developer, disguised, media_type):
    with pytest.raises(DamagedPhoto):
        develop(developer, disguised, media_type)


@pytest.mark.parametrize("media_type", ["image/svg+xml", "application/pdf", "image/jxl", ""])
def test_a_type_without_a_loader_is_unsupported(developer, media_type):
    with pytest.raises(UnsupportedPhoto):
        develop(developer, pictures.jpeg(), media_type)


@pytest.mark.parametrize("media_type", ["image/heic", "image/x-canon-cr3", "image/x-fuji-raf"])
def test_a_jpeg_called_something_else_ends_with_a_code(developer, media_type):
    with pytest.raises((DamagedPhoto, UnsupportedPhoto)):
        develop(developer, pictures.jpeg(), media_type)


SMALL = {kind: pictures.saved(pictures.noise(64, 48), kind) for kind in (*KINDS, "gif")} | {
    "x-adobe-dng": pictures.dng(64, 48)
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(SMALL)),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=8),
)
def test_flipped_bytes_end_in_a_picture_or_a_code(developer, kind, flips):
    photo = bytearray(SMALL[kind])
    for at, mask in flips:
        photo[at % len(photo)] ^= mask

    assert end_of(developer, io.BytesIO(photo), f"image/{kind}") in FINAL_ENDS


def test_a_source_without_a_descriptor_and_one_read_to_its_end_are_read_from_the_start(developer, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(pictures.jpeg())
    with path.open("rb") as file:
        file.read()

        assert (
            develop(developer, path.read_bytes()).width
            == developer.develop(file, media_type="image/jpeg").width
        )
        assert file.tell() == path.stat().st_size


FINAL_ENDS = {
    "visible", "damaged_photo", "unsupported_format", "too_many_pixels", "too_long_side", "decode_limit",
}  # fmt: skip


def end_of(developer: Developer, photo: BinaryIO, media_type: str) -> str:
    try:
        return "visible" if developer.develop(photo, media_type=media_type).renditions else "nothing"
    except GalleryError as refusal:
        return refusal.code


def corpus(tmp_path: Path) -> Path:
    """The folder a developer names by PHOTO_CORPUS, else one of every kind."""
    if named := os.environ.get("PHOTO_CORPUS"):
        return Path(named)
    for kind, photo in SMALL.items():
        (tmp_path / f"photo.{kind}").write_bytes(photo)
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def test_every_file_of_a_folder_ends_visible_or_with_a_code(developer, tmp_path):
    ends = {}
    for path in sorted(each for each in corpus(tmp_path).rglob("*") if each.is_file()):
        with path.open("rb") as file:
            media_type = sniff(file.read(SNIFF_BYTES))
            ends[path.name] = end_of(developer, file, media_type) if media_type else "not_an_image"
        if ends[path.name] != "visible":
            print(path.name, ends[path.name])  # noqa: T201 - who names a folder wants to know

    assert ends
    assert set(ends.values()) <= FINAL_ENDS | {"not_an_image"}
