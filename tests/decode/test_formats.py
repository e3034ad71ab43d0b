"""Every format that is taken, in the kinds its writers make: shown as it was meant, in colours that are right."""

import io
from datetime import UTC, datetime
from typing import Final

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from galleries.decode.code_points import MAX_CHUNKS, space_of_heif, space_of_png
from galleries.decode.colour import space_of
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


def as_srgb(space: str, colour: tuple[int, ...], light=None) -> tuple[int, ...]:
    """What these numbers of that space are in sRGB; None of those used here lies outside. `light` is another curve."""
    columns, exponent = COLOUR_SPACES[space]
    linear = [light(each / 255) if light else (each / 255) ** exponent for each in colour]
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


# --- colours told by numbers

P3, BT2020, SRGB_PRIMARIES, UNSPECIFIED = 12, 9, 1, 2
SRGB_CURVE, PQ, HLG, LINEAR = 13, 16, 18, 8
CODED: Final = ["png", "avif", "heic"]
KNOWN_TO_ITS_DECODER: Final = range(1, 13)  # libheif refuses a HEIC that tells others


def srgb_light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def shown_of(developer, photo: bytes) -> tuple[int, ...]:
    return view(develop(developer, photo)).getpixel((32, 32))


def patch(colour: tuple[int, ...]) -> Image.Image:
    return Image.new("RGB", (64, 64), colour)


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize(("space", "primaries"), [("Display P3", P3), ("BT.2020", BT2020)])
# The last four are the curves of video, which still pictures are shown by as if they were sRGB's.
@pytest.mark.parametrize("transfer", [SRGB_CURVE, UNSPECIFIED, 1, 6, 14, 15])
def test_wide_colours_told_by_numbers_alone_are_what_they_were(developer, space, primaries, transfer, kind):
    for colour in COLOURS if transfer == SRGB_CURVE else COLOURS[:1]:
        photo = pictures.with_code_points(kind, patch(colour), primaries, transfer)

        assert (
            difference(shown_of(developer, photo), as_srgb(space, colour, srgb_light)) <= MOST_DIFFERENCE
        ), colour


def test_the_numbers_matter_or_the_test_above_proves_nothing():
    assert all(
        difference(as_srgb(space, COLOURS[1], srgb_light), COLOURS[1]) > MOST_DIFFERENCE
        for space in ("Display P3", "BT.2020")
    )


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize(
    ("primaries", "transfer"), [(1, 13), (2, 2), (1, 1), (10, 13), (12, 11), (0, 0), (99, 13), (255, 255)]
)
def test_numbers_that_say_srgb_or_nothing_change_nothing(developer, kind, primaries, transfer):
    if kind == "heic" and primaries not in KNOWN_TO_ITS_DECODER:
        return
    photo = pictures.with_code_points(kind, patch(COLOURS[0]), primaries, transfer)

    assert difference(shown_of(developer, photo), COLOURS[0]) <= MOST_DIFFERENCE


@pytest.mark.parametrize("kind", CODED)
def test_light_itself_is_told_by_a_number_too(developer, kind):
    photo = pictures.with_code_points(kind, patch((55, 55, 55)), SRGB_PRIMARIES, LINEAR)

    assert difference(shown_of(developer, photo), (128, 128, 128)) <= MOST_DIFFERENCE


# ITU-R BT.2408, table 1: grey card and white paper, in percent of the signal.
@pytest.mark.parametrize(("transfer", "grey", "white"), [(PQ, 0.38, 0.58), (HLG, 0.38, 0.75)])
@pytest.mark.parametrize("kind", CODED)
def test_what_shines_is_brought_into_what_paper_can_show(developer, kind, transfer, grey, white):
    def lightness(signal: float) -> float:
        level = round(255 * signal)
        photo = pictures.with_code_points(kind, patch((level, level, level)), BT2020, transfer)
        shown = shown_of(developer, photo)
        assert max(shown) - min(shown) <= 3
        return lab(shown)[0]

    dark, middle, paper = lightness(0.0), lightness(grey), lightness(white)
    peak = lightness(0.7518 if transfer == PQ else 1.0)  # 1,000 cd/m2

    assert dark < 3
    assert 35 < middle < 60
    assert 70 < paper < 85
    assert peak > 98


def test_numbers_go_before_a_profile_in_png(developer):
    """PNG specification (third edition), 4.3."""
    profiled = pictures.saved(patch(COLOURS[0]), "png", icc_profile=pictures.profile_of("ProPhoto RGB"))
    for primaries, wanted in ((P3, as_srgb("Display P3", COLOURS[0], srgb_light)), (1, COLOURS[0])):
        photo = pictures.png_told(profiled, primaries, SRGB_CURVE)

        assert difference(shown_of(developer, photo), wanted) <= MOST_DIFFERENCE


def test_a_profile_goes_before_numbers_in_heif(developer):
    told = {"color_primaries": BT2020, "transfer_characteristics": PQ, "matrix_coefficients": 0}
    profile = pictures.profile_of("Display P3")
    photo = pictures.saved(
        patch(COLOURS[0]), "heic", quality=-1, chroma=444, full_range_flag=1, icc_profile=profile, **told
    )

    assert difference(shown_of(developer, photo), as_srgb("Display P3", COLOURS[0])) <= MOST_DIFFERENCE


def test_a_png_of_a_narrow_range_is_as_bright_as_it_was_meant(developer):
    photo = pictures.with_code_points("png", patch((16, 16, 16)), SRGB_PRIMARIES, SRGB_CURVE, is_full=False)
    bright = pictures.with_code_points(
        "png", patch((235, 235, 235)), SRGB_PRIMARIES, SRGB_CURVE, is_full=False
    )

    assert (max(shown_of(developer, photo)), min(shown_of(developer, bright))) == (0, 255)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_a_png_of_any_mode_may_tell_its_colours_by_numbers(developer, mode):
    made = (
        pictures.compass().convert("I").convert("I;16")
        if mode == "I;16"
        else pictures.compass().convert(mode)
    )
    photo = pictures.with_code_points("png", made, P3, SRGB_CURVE)

    developed = develop(developer, photo)

    assert view(developed).size == (240, 160)
    assert developed.warnings == []


def test_sixteen_bits_told_by_numbers_are_right(developer):
    image = (pyvips.Image.black(64, 64, bands=3) + [v * 257 for v in COLOURS[0]]).cast("ushort")
    plain = image.copy(interpretation="rgb16").pngsave_buffer(bitdepth=16)
    wanted = as_srgb("BT.2020", COLOURS[0], srgb_light)

    photo = pictures.png_told(bytes(plain), BT2020, SRGB_CURVE)

    assert difference(shown_of(developer, photo), wanted) <= MOST_DIFFERENCE


@given(st.binary(max_size=64), st.integers(0, 400), st.sampled_from(CODED))
def test_bytes_in_any_place_break_nothing(noise, at, kind):
    photo = HARMED[kind][:at] + noise + HARMED[kind][at + len(noise) :]

    for read in (space_of_png, space_of_heif):
        read(lambda offset, size: photo[offset : offset + size])


HARMED: Final = {kind: pictures.with_code_points(kind, patch(COLOURS[0]), P3, SRGB_CURVE) for kind in CODED}


def box(kind: bytes, content: bytes) -> bytes:
    return len(content + bytes(8)).to_bytes(4, "big") + kind + content


def test_boxes_that_claim_billions_of_entries_are_read_to_their_own_end():
    claims = box(b"ipma", bytes(4) + b"\xff\xff\xff\xff" + bytes(999))
    numbers = box(b"colr", b"nclx" + bytes([0, P3, 0, SRGB_CURVE, 0, 0, 0x80]))
    truth = box(b"ipma", bytes(4) + b"\0\0\0\1" + b"\0\7" + b"\1\1")
    told = box(b"pitm", bytes(4) + b"\0\7") + box(b"iprp", box(b"ipco", numbers) + claims * 500 + truth)
    photo = box(b"ftyp", b"avif") + box(b"meta", bytes(4) + told)

    assert space_of_heif(lambda offset, size: photo[offset : offset + size]) == space_of(P3, SRGB_CURVE)


def test_chunks_without_end_are_not_looked_through():
    chunk = b"\0\0\0\0tEXt" + bytes(4)
    looks: list[int] = []

    def read_at(offset: int, size: int) -> bytes:
        looks.append(offset)
        return (chunk * 2)[:size]

    assert space_of_png(read_at) is None
    assert len(looks) == MAX_CHUNKS


# --- a camera set to Adobe RGB, which writes no profile


def adobe_exif(index: str = "R03", space: int = 0xFFFF) -> Image.Exif:
    exif = pictures.camera_exif()
    exif.get_ifd(pictures.EXIF_DIRECTORY).update({0xA001: space, 0xA005: {1: index}})
    return exif


@pytest.mark.parametrize(
    ("index", "space", "is_adobe"),
    [("R03", 0xFFFF, True), ("R98", 2, True), ("R98", 1, False), ("R03", 1, False), ("R98", 0xFFFF, False)],
)
def test_a_camera_set_to_adobe_rgb_says_so_without_a_profile(developer, index, space, is_adobe):
    colour = COLOURS[1]
    photo = pictures.jpeg(patch(colour), quality=100, exif=adobe_exif(index, space))

    wanted = as_srgb("Adobe RGB", colour) if is_adobe else colour
    assert difference(shown_of(developer, photo), wanted) <= MOST_DIFFERENCE
    assert difference(as_srgb("Adobe RGB", colour), colour) > MOST_DIFFERENCE


def test_a_profile_goes_before_what_the_camera_was_set_to(developer):
    profile = pictures.profile_of("Display P3")
    photo = pictures.jpeg(patch(COLOURS[0]), quality=100, exif=adobe_exif(), icc_profile=profile)

    assert difference(shown_of(developer, photo), as_srgb("Display P3", COLOURS[0])) <= MOST_DIFFERENCE


def test_inks_are_inks_whatever_else_is_said(developer):
    plain = pictures.jpeg(pictures.compass().convert("CMYK"))
    photo = pictures.jpeg(pictures.compass().convert("CMYK"), exif=adobe_exif())

    assert quarters(view(develop(developer, photo))) == quarters(view(develop(developer, plain)))


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
