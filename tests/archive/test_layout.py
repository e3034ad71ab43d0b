"""The bytes of an archive are a function of its files: what is foretold is what comes, from any byte to any other."""

import io
import random
import zipfile
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galleries.archive.layout import FULL_16, FULL_32, Entry, Layout, Part, dos_moment

WHEN = datetime(2026, 6, 1, 14, 30, 58, tzinfo=UTC)
LENGTH_OF_ONE = 30 + 46  # header and record of a file, without its name twice


def entry(name: str, content: bytes) -> Entry:
    return Entry(name, len(content), zlib.crc32(content), WHEN)


def made(layout: Layout, contents: list[bytes], first: int = 0, stop: int | None = None) -> bytes:
    def bytes_of(piece: bytes | Part) -> bytes:
        if isinstance(piece, bytes):
            return piece
        return contents[piece.index][piece.offset : piece.offset + piece.length]

    return b"".join(map(bytes_of, layout.pieces(first, layout.size if stop is None else stop)))


def foretold_size(layout: Layout) -> int:
    """What its pieces are long, without any content."""
    return sum(len(p) if isinstance(p, bytes) else p.length for p in layout.pieces(0, layout.size))


FILES = {"a.jpg": b"one" * 700, "empty": b"", "ünï 🎞.jpg": bytes(range(256)) * 9, "x/0001.webp": b"w"}


@pytest.fixture
def layout() -> Layout:
    return Layout([entry(name, content) for name, content in FILES.items()])


def test_python_reads_every_file_again(layout):
    with zipfile.ZipFile(io.BytesIO(made(layout, list(FILES.values())))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        assert {each.date_time for each in archive.infolist()} == {(2026, 6, 1, 14, 30, 58)}
        assert {each.external_attr >> 16 for each in archive.infolist()} == {0o100644}


def test_it_is_as_long_as_foretold(layout):
    whole = made(layout, list(FILES.values()))

    names = sum(len(name.encode()) for name in FILES)
    assert len(whole) == layout.size
    assert len(whole) == sum(map(len, FILES.values())) + LENGTH_OF_ONE * len(FILES) + 2 * names + 22


def test_an_archive_of_nothing_is_one():
    layout = Layout([])

    assert layout.size == 22
    assert zipfile.ZipFile(io.BytesIO(made(layout, []))).namelist() == []


def test_a_thousand_ranges_are_parts_of_the_whole(layout):
    contents, dice = list(FILES.values()), random.Random(6)
    whole = made(layout, contents)

    for _ in range(1_000):
        first = dice.randrange(layout.size)
        stop = dice.randint(first + 1, layout.size)
        assert made(layout, contents, first, stop) == whole[first:stop]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 9, FULL_32 - 1, FULL_32, FULL_32 + 1, 3 * 2**30]), max_size=6),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_two_ranges_that_meet_have_the_pieces_of_one(sizes, cut):
    layout = Layout([Entry(f"{index}.jpg", size, 0, WHEN) for index, size in enumerate(sizes)])
    first, middle = sorted(int(each * layout.size) for each in cut)

    def length(start: int, stop: int) -> int:
        pieces = layout.pieces(start, stop)
        return sum(len(each) if isinstance(each, bytes) else each.length for each in pieces)

    assert length(first, middle) == middle - first
    assert length(middle, layout.size) == layout.size - middle


def test_a_range_asks_for_nothing_that_lies_outside(layout):
    header_bytes = 30 + len("a.jpg")

    assert list(layout.pieces(header_bytes + 10, header_bytes + 12)) == [Part(0, 10, 2)]
    assert [piece for piece in layout.pieces(0, header_bytes) if isinstance(piece, Part)] == []
    assert [piece for piece in layout.pieces(layout.size - 30, layout.size) if isinstance(piece, Part)] == []


@pytest.mark.parametrize("size", [FULL_32 - 2, FULL_32 - 1, FULL_32, FULL_32 + 1])
def test_sizes_around_four_gibibytes_are_as_long_as_foretold(size):
    layout = Layout([Entry("large", size, 0, WHEN), Entry("after", 3, 0, WHEN)])

    assert foretold_size(layout) == layout.size
    is_large = size >= FULL_32
    assert (b"PK\x06\x06" in made(layout, [b""] * 2, layout.size - 98)) == (layout.size - 98 > FULL_32)
    assert len(next(iter(layout.pieces(0, layout.size)))) == 30 + 5 + (20 if is_large else 0)


@pytest.mark.parametrize("count", [FULL_16 - 1, FULL_16, FULL_16 + 1])
def test_counts_around_two_to_the_sixteenth_are_read_by_python(count):
    layout = Layout([Entry(f"{index}", 0, 0, WHEN) for index in range(count)])

    whole = made(layout, [b""] * count)

    assert len(whole) == layout.size
    assert (b"PK\x06\x06" in whole[-98:]) == (count >= FULL_16)
    assert len(zipfile.ZipFile(io.BytesIO(whole)).namelist()) == count


@pytest.mark.parametrize(
    ("moment", "date"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), (1980, 1, 1)),
        (datetime(1979, 12, 31, 23, tzinfo=UTC), (1980, 1, 1)),
        (datetime(1980, 1, 1, tzinfo=UTC), (1980, 1, 1)),
        (datetime(2107, 12, 31, tzinfo=UTC), (2107, 12, 31)),
        (datetime(2108, 2, 29, tzinfo=UTC), (2107, 12, 31)),
        (datetime(9999, 6, 1, tzinfo=UTC), (2107, 12, 31)),
    ],
)
def test_times_that_dos_can_not_write_are_the_nearest(moment, date):
    _, packed = dos_moment(moment)

    assert (1980 + (packed >> 9), packed >> 5 & 15, packed & 31) == date
