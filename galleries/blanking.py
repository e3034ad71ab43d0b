"""Pure: the form of an original that everybody but its owner gets: the same bytes, with the places overwritten.

Its length is the original's, so ranges and archives need not know which form they give out. Nobody mirrors it.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO, Final

CHUNK_BYTES: Final = 1024 * 1024

# A photo with more to hide than this is given out in the web size: a row is no place for a book.
MAX_BLANKS: Final = 400
MAX_FILL_BYTES: Final = 64


@dataclass(frozen=True, order=True, slots=True)
class Blank:
    """`length` bytes from `offset` on are overwritten with `fill`, again and again until they are full."""

    offset: int
    length: int
    fill: bytes

    @property
    def stop(self) -> int:
        return self.offset + self.length

    def content(self, start: int, stop: int) -> bytes:
        """What stands from `start` to `stop`, offsets in the file, both within."""
        skipped = (start - self.offset) % len(self.fill)
        return (self.fill * ((stop - start) // len(self.fill) + 2))[skipped : skipped + stop - start]


@dataclass(frozen=True)
class BlankedForm:
    """What is known of it once it was made: the bytes themselves are only made on their way out."""

    blanks: tuple[Blank, ...]
    crc32: str
    sha256: str


def blanked(chunk: bytes, at: int, blanks: Sequence[Blank]) -> bytes:
    """The bytes of the blanked form in the place of `chunk`, which lies at offset `at` of the original."""
    stop = at + len(chunk)
    hit = [each for each in blanks if each.offset < stop and each.stop > at]
    if not hit:
        return chunk
    form = bytearray(chunk)
    for each in hit:
        first, last = max(each.offset, at), min(each.stop, stop)
        form[first - at : last - at] = each.content(first, last)
    return bytes(form)


def blanked_form(original: BinaryIO, blanks: Sequence[Blank]) -> BlankedForm:
    """One pass over the file from its beginning, a mebibyte in memory."""
    crc32, sha256, at = 0, hashlib.sha256(), 0
    original.seek(0)
    while chunk := original.read(CHUNK_BYTES):
        form = blanked(chunk, at, blanks)
        crc32 = zlib.crc32(form, crc32)
        sha256.update(form)
        at += len(chunk)
    return BlankedForm(tuple(blanks), f"{crc32:08x}", sha256.hexdigest())


def as_rows(blanks: Iterable[Blank]) -> list[list[int | str]]:
    """For JSON: `[[offset, length, fill as hex], …]`."""
    return [[each.offset, each.length, each.fill.hex()] for each in blanks]


def from_rows(rows: Any) -> tuple[Blank, ...]:
    """Raises: ValueError for anything but what `as_rows` makes of blanks in order that don't overlap."""
    if type(rows) is not list or len(rows) > MAX_BLANKS:
        raise ValueError("no list of blanks")
    blanks = tuple(_from_row(row) for row in rows)
    if any(before.stop > after.offset for before, after in pairwise(blanks)):
        raise ValueError("blanks that overlap")
    return blanks


def _from_row(row: Any) -> Blank:
    if type(row) is not list or [type(each) for each in row] != [int, int, str]:
        raise ValueError("no blank")
    offset, length, fill = row[0], row[1], bytes.fromhex(row[2])
    if offset < 0 or length < 1 or not 1 <= len(fill) <= MAX_FILL_BYTES:
        raise ValueError("a blank of nothing")
    return Blank(offset, length, fill)
