"""Whoever is not the owner learns of no photo where it was taken: asked by ExifTool of every kind of file there is."""

import io
import random
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image, ImageSequence

from galleries.blanking import blanked, from_rows
from galleries.decode.places import find_blanks
from tests import bad_photos, pictures, places
from tests.places import MADE, MARK, TO_PLANT
from tests.services.exif_reader import ExifReader, exif_reader
from uploads.sniff import SNIFF_BYTES, sniff

pillow_heif.register_heif_opener()


@pytest.fixture(scope="module")
def exiftool() -> ExifReader:
    return exif_reader()


def form_of(path: Path) -> bytes | None:
    """The bytes that others than the owner get; None where they get the web size."""
    with path.open("rb") as file:
        original = file.read()
        blanks = find_blanks(file.fileno(), sniff(original[:SNIFF_BYTES]) or "")
    return None if blanks is None else blanked(original, 0, blanks)


def pixels(photo: bytes) -> list[bytes]:
    """Of each picture in it."""
    with Image.open(io.BytesIO(photo)) as image:
        return [each.convert("RGBA").tobytes() for each in ImageSequence.Iterator(image)]


@pytest.fixture(scope="module")
def told(tmp_path_factory, exiftool) -> dict[str, Path]:
    """Every photo that says its place, by name."""
    folder = tmp_path_factory.mktemp("told")
    paths = {}
    for index, (name, (ending, photo)) in enumerate((TO_PLANT | MADE).items()):
        paths[name] = folder / f"{index}.{ending}"
        paths[name].write_bytes(photo)
    exiftool.plant([paths[name] for name in TO_PLANT], *places.PLANTED, *places.KEPT)
    return paths


@pytest.fixture(scope="module")
def forms(told, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("forms")
    paths = {}
    for name, path in told.items():
        form = form_of(path)
        assert form is not None, f"{name} is given out in the web size"
        paths[name] = folder / path.name
        paths[name].write_bytes(form)
    return paths


# What ExifTool doesn't look into: the mark alone proves that these say a place.
UNREAD = {
    "a thumbnail with a place", "words of programs", "extensions of a GIF", "texts of a PNG", "behind a PNG",
    "a motion photo", "a packet in UTF-16",
}  # fmt: skip


def test_every_photo_says_its_place_or_the_others_prove_nothing(told, exiftool):
    found = exiftool.places(told.values())

    assert {name for name, path in told.items() if not found[path]} <= UNREAD
    assert "IFD0:GPSInfo" not in found[told["jpeg"]]
    assert {"GPS:GPSLatitude", "XMP-photoshop:City", "IPTC:City", "XMP-iptcExt:LocationShownCity"} <= found[
        told["jpeg"]
    ]


def test_no_form_says_a_place(forms, exiftool):
    found = exiftool.places(forms.values())

    assert {name: found[path] for name, path in forms.items() if found[path]} == {}


@pytest.mark.parametrize("name", TO_PLANT | MADE)
def test_a_form_has_the_length_and_the_pictures_of_its_original(told, forms, name):
    original, form = told[name].read_bytes(), forms[name].read_bytes()

    assert len(form) == len(original)
    assert form != original
    assert pixels(form) == pixels(original)


@pytest.mark.parametrize("name", TO_PLANT | MADE)
def test_of_a_form_not_even_the_words_are_left(told, forms, name):
    assert MARK not in forms[name].read_bytes()
    assert MARK.decode().encode("utf-16-le") not in forms[name].read_bytes()


def test_what_is_no_place_stays(told, forms, exiftool):
    names = ["jpeg", "png", "webp", "tiff", "avif", "heic"]
    before, after = (exiftool.tags(paths[name] for name in names) for paths in (told, forms))

    for name in names:
        kept = {
            tag: value
            for tag, value in before[told[name]].items()
            if "Ada" in str(value) or "2024" in str(value)
        }
        if name == "png":  # there IPTC is compressed, and can't be changed in its place
            kept = {tag: value for tag, value in kept.items() if not tag.startswith("IPTC")}
        assert kept
        assert {tag: after[forms[name]].get(tag) for tag in kept} == kept


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif", "heic"])
def test_the_way_up_and_the_profile_stay(tmp_path, kind):
    path = tmp_path / "photo"
    exif = pictures.camera_exif(1 if kind == "heic" else 6)
    path.write_bytes(pictures.saved(pictures.compass(), kind, exif=exif, icc_profile=pictures.srgb()))

    with Image.open(path) as before, Image.open(io.BytesIO(form_of(path) or b"")) as after:
        assert after.getexif().get(0x0112) == before.getexif().get(0x0112)
        assert after.info["icc_profile"] == before.info["icc_profile"]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "tiff", "avif", "heic"])
def test_a_photo_that_says_nothing_is_given_out_as_it_is(tmp_path, kind):
    path = tmp_path / "photo"
    path.write_bytes(places.plain(kind))

    assert form_of(path) == places.plain(kind)


@pytest.mark.parametrize("name", TO_PLANT | MADE)
def test_a_form_has_nothing_left_to_blank(forms, name):
    assert form_of(forms[name]) == forms[name].read_bytes()


def test_a_raw_is_given_out_in_the_web_size(tmp_path):
    """Its maker's notes are needed to develop it, and may hold a place."""
    path = tmp_path / "photo.dng"
    path.write_bytes(pictures.dng())

    assert form_of(path) is None


BROKEN = {
    "EXIF cut short": places.jpeg_with(places.exif_segment(places.exif_with_a_place()[:30])),
    "EXIF of another order": places.jpeg_with(places.exif_segment(b"XX" + places.exif_with_a_place()[2:])),
    "a JPEG without an end": pictures.jpeg()[:-40],
    "a PNG without an end": places.plain("png")[:-12],
    "a TIFF beyond its end": b"II*\0\xff\xff\xff\x7f",
    "a HEIC whose boxes overlap": places.plain("heic").replace(b"iinf", b"iinx", 1)[:400],
    "a picture that lies in another file": b"",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_walked_to_its_end_is_given_out_in_the_web_size(tmp_path, name):
    path = tmp_path / "photo"
    path.write_bytes(BROKEN[name])

    assert form_of(path) is None


def test_what_lies_in_the_head_of_a_heic_is_found_too(tmp_path):
    """An item may lie beside the others in `idat`, and in several pieces."""
    path = tmp_path / "photo.heic"
    items = [
        (1, b"hvc1", bytes(16)),
        (2, b"Exif", bytes(4) + places.exif_with_a_place()),
        (3, b"uri ", MARK),
    ]
    path.write_bytes(bad_photos.heif(items, width_px=64, height_px=64))

    form = form_of(path)

    assert form is not None
    assert MARK not in form


def test_the_video_of_a_sequence_says_no_place(tmp_path):
    path = tmp_path / "burst.heic"
    path.write_bytes(places.movie_with_a_place())

    with path.open("rb") as file:
        blanks = find_blanks(file.fileno(), "image/heic")

    form = blanked(path.read_bytes(), 0, blanks or ())
    assert MARK not in form
    assert b"mvhd" in form


def test_directories_that_lead_in_circles_lead_nowhere(tmp_path, exiftool):
    path = tmp_path / "photo.jpg"
    exif = bytearray(places.exif_with_a_place())
    exif[34:38] = b"\x08\0\0\0"  # the next directory is this one
    path.write_bytes(places.jpeg_with(places.exif_segment(bytes(exif))))

    form = form_of(path)

    assert form is not None
    path.write_bytes(form)
    assert exiftool.places([path])[path] == set()


def test_whatever_is_flipped_in_a_file_no_form_of_it_says_a_place(told, exiftool, tmp_path):
    """A stranger writes files for us to stumble over: ExifTool finds nothing where we said nothing is left."""
    chance = random.Random(20261121)
    forms = []
    for name in (
        "jpeg",
        "png",
        "webp",
        "tiff",
        "heic",
        "a maker's note",
        "every chunk of a PNG",
        "a second picture",
    ):
        for turn in range(12):
            photo = bytearray(told[name].read_bytes())
            for _ in range(chance.randint(1, 6)):
                photo[chance.randrange(min(len(photo), 1500))] ^= chance.randint(1, 255)
            broken = tmp_path / f"{turn}-{told[name].name}"
            broken.write_bytes(photo)
            if form := form_of(broken):
                broken.write_bytes(form)
                forms.append(broken)

    assert len(forms) > 20
    assert {path.name: found for path, found in exiftool.places(forms).items() if found} == {}


def test_the_room_finds_them_behind_its_walls(developer, told):
    for name in ("jpeg", "png", "webp", "gif", "tiff", "avif", "heic"):
        with told[name].open("rb") as file:
            media_type = sniff(file.read(SNIFF_BYTES)) or ""
            blanks = developer.develop(file, media_type=media_type).blanks
            assert blanks == from_rows([[each.offset, each.length, each.fill.hex()] for each in blanks or ()])
            assert blanks
            assert blanks == tuple(find_blanks(file.fileno(), media_type) or ())
