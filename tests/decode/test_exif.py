"""Reading what a camera wrote: few facts, and no belief in any number of the file."""

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galleries.decode import exif
from galleries.decode.exif import MAX_CAMERA_CHARS, MAX_ENTRIES, MAX_WORD_CHARS, CameraNotes
from tests import pictures

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5
MAKE, MODEL, CHANGED_AT, EXIF_DIRECTORY, TAKEN_AT, EXPOSURE, APERTURE, GPS = (
    0x010F, 0x0110, 0x0132, 0x8769, 0x9003, 0x829A, 0x829D, 0x8825,
)  # fmt: skip


def wall_clock(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)


def tiff(
    *entries: tuple[int, int, int, bytes], order: str = "<", extra: bytes = b"", count: int | None = None
) -> bytes:
    """One directory; each entry is tag, type, count and its four bytes. `extra` follows it."""
    table = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + extra


def text(tag: int, words: str) -> tuple[bytes, ...]:
    """A directory of this one text, whose bytes lie behind it."""
    data = words.encode() + b"\0"
    return tiff((tag, ASCII, len(data), struct.pack("<I", 22)), extra=data)


def test_what_a_camera_wrote_is_read_and_the_place_is_not():
    notes = exif.from_bytes(b"Exif\0\0" + pictures.camera_exif(6).tobytes().removeprefix(b"Exif\0\0"))

    assert notes.camera == "Canon EOS R5"
    assert notes.captured_at == wall_clock(2024, 2, 29, 23, 59, 58, 250_000)
    assert notes.orientation == 6
    assert set(notes.details) == {"lens", "exposure", "aperture", "iso", "focal_length"}


@pytest.mark.parametrize(
    ("written", "second"),
    [("2024:02:29 23:59:58", 58), ("2024-02-29 23:59:58", 58), ("2024:02:29T23:59:58+02:00", 58)],
)
def test_the_clock_is_read_as_cameras_write_it(written, second):
    assert exif.from_bytes(text(TAKEN_AT, written)).captured_at == wall_clock(2024, 2, 29, 23, 59, second)


@pytest.mark.parametrize(
    "written",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "2023:02:29 10:00:00",
        "1825:12:31 23:59:59",
        "9999:01:01 00:00:00",
        "yesterday",
        "",
    ],
)
def test_a_clock_that_was_never_set_says_nothing(written):
    assert exif.from_bytes(text(TAKEN_AT, written)).captured_at is None


def test_when_it_was_saved_stands_in_only_for_want_of_better():
    assert exif.from_bytes(text(CHANGED_AT, "2020:01:02 03:04:05")).captured_at == wall_clock(
        2020, 1, 2, 3, 4, 5
    )


@pytest.mark.parametrize(
    ("above", "below", "said"),
    [(1, 250, "1/250 s"), (3, 10, "0.3 s"), (30, 1, "30 s"), (1, 0, None), (0, 1, None)],
)
def test_an_exposure_is_said_as_cameras_say_it(above, below, said):
    found = exif.from_bytes(
        tiff((EXPOSURE, RATIONAL, 1, struct.pack("<I", 22)), extra=struct.pack("<II", above, below))
    )

    assert found.details.get("exposure") == said


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [("NIKON CORPORATION", "NIKON D70", "NIKON D70"), ("SONY", "ILCE-7M4", "SONY ILCE-7M4")],
)
def test_a_maker_is_named_once(make, model, camera):
    both = tiff(
        (MAKE, ASCII, len(make) + 1, struct.pack("<I", 34)),
        (MODEL, ASCII, len(model) + 1, struct.pack("<I", 35 + len(make))),
        extra=f"{make}\0{model}\0".encode(),
    )

    assert exif.from_bytes(both).camera == camera


def test_words_are_short_and_printable():
    found = exif.from_bytes(text(MODEL, "Evil\u202e\x07 " + "x" * 500)).camera

    assert found.startswith("Evil xxx")
    assert len(found) == MAX_WORD_CHARS <= MAX_CAMERA_CHARS


def test_a_directory_that_points_at_itself_is_read_twice_at_most():
    circle = tiff((EXIF_DIRECTORY, LONG, 1, struct.pack("<I", 8)))
    asked = []

    def read_at(offset: int, size: int) -> bytes:
        asked.append((offset, size))
        return circle[offset : offset + size]

    assert exif.from_tiff(read_at) == CameraNotes()
    assert len(asked) <= 6


@pytest.mark.parametrize("count", [MAX_ENTRIES - 1, MAX_ENTRIES, MAX_ENTRIES + 1, 65_535])
def test_no_more_than_so_many_entries_are_read(count):
    entries = [(0x9999, SHORT, 1, b"\0\0\0\0")] * (count - 1) + [(MAKE, ASCII, 4, b"Abc\0")]
    sizes = []

    def read_at(offset: int, size: int) -> bytes:
        sizes.append(size)
        return whole[offset : offset + size]

    whole = tiff(*entries)
    notes = exif.from_tiff(read_at)

    assert max(sizes) <= MAX_ENTRIES * 12
    assert notes.camera == ("Abc" if count <= MAX_ENTRIES else "")


@pytest.mark.parametrize("lie", [2**32 - 1, 2**31, 1_000_000])
def test_a_value_that_claims_gigabytes_costs_half_a_kilobyte(lie):
    sizes = []

    def read_at(offset: int, size: int) -> bytes:
        sizes.append(size)
        return liar[offset : offset + size]

    liar = tiff((MAKE, ASCII, lie, struct.pack("<I", 22)), extra=b"A" * 5000)
    exif.from_tiff(read_at)

    assert max(sizes) <= 512


@given(st.binary(max_size=400))
def test_no_bytes_raise(data):
    exif.from_bytes(data)
    exif.from_bytes(b"II*\0\x08\0\0\0" + data)
    exif.from_bytes(b"MM\0*\0\0\0\x08" + data)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=20))
def test_no_harmed_exif_raises_and_every_word_stays_clean(harm):
    data = bytearray(pictures.camera_exif().tobytes())
    for at, byte in harm:
        data[at % len(data)] = byte

    notes = exif.from_bytes(bytes(data))

    for word in (notes.camera, *notes.details.values()):
        assert word.isprintable()
        assert len(word) <= MAX_CAMERA_CHARS
