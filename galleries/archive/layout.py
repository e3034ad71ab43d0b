"""Pure: the bytes of a ZIP as a function of an ordered list of files. Nobody mirrors it.

Files are stored, never deflated, and their sizes and CRC-32 are known beforehand: so the length is known before the
first byte, every byte has its place, and any range can be made without what lies before it. There are no data
descriptors, no comments and no entries of folders; ZIP64 is used exactly where a number does not fit, as macOS and .NET
want it. Source: APPNOTE.TXT 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# From here on a number stands in a ZIP64 field, and its own field is full of ones.
FULL_32: Final = 0xFFFF_FFFF
FULL_16: Final = 0xFFFF

LOCAL: Final = struct.Struct("<4s5H3I2H")
RECORD: Final = struct.Struct("<4s6H3I5H2I")
END: Final = struct.Struct("<4s4H2IH")
END_64: Final = struct.Struct("<4sQ2H2I4Q")
LOCATOR: Final = struct.Struct("<4sIQI")

NEEDS_PLAIN: Final = 20
NEEDS_ZIP64: Final = 45
MADE_ON_UNIX: Final = 3 << 8  # so that the mode below counts
PLAIN_FILE: Final = 0o100644 << 16
UTF8_NAMES: Final = 0x0800
STORED: Final = 0
ZIP64_EXTRA: Final = 0x0001
# Of the record that END_64 is, without its first 12 bytes.
END_64_REST_BYTES: Final = END_64.size - 12

FIRST_YEAR, LAST_YEAR = 1980, 2107  # that DOS can write
RECORDS_A_PIECE: Final = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: `size` in bytes; `written_at` is a wall clock, shown by whatever unpacks it as it stands here."""

    name: str
    size: int
    crc32: int
    written_at: datetime

    @property
    def needs_zip64(self) -> bool:
        return self.size >= FULL_32


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes, from `offset` on, of the content of the entry with that index."""

    index: int
    offset: int
    length: int


class Layout:
    """Where everything stands. A thousand entries cost two milliseconds and 16 KB beside the entries themselves."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        # Where each local header begins, and behind them where the directory does; likewise its records and its end.
        self._headers, self._records = array("Q"), array("Q")
        at = 0
        for entry in entries:
            self._headers.append(at)
            at += local_header_bytes(entry) + entry.size
        self._headers.append(at)
        for entry, header_at in zip(entries, self._headers, strict=False):
            self._records.append(at)
            at += record_bytes(entry, header_at)
        self._records.append(at)
        self._end = end_of(len(entries), self._headers[-1], at)
        self.size = at + len(self._end)

    def pieces(self, first: int, stop: int) -> Iterator[bytes | Part]:
        """The bytes from `first` up to but not including `stop`: those known here, and parts of contents."""
        if first < self._headers[-1]:
            index = bisect_right(self._headers, first) - 1
            while index < len(self.entries) and self._headers[index] < stop:
                yield from self._pieces_of(index, first, stop)
                index += 1
        yield from self._directory(first, stop)

    def _pieces_of(self, index: int, first: int, stop: int) -> Iterator[bytes | Part]:
        entry, at = self.entries[index], self._headers[index]
        content_at = at + local_header_bytes(entry)
        if header := clipped(local_header(entry), at, first, stop) if first < content_at else b"":
            yield header
        begin, end = max(first, content_at), min(stop, content_at + entry.size)
        if begin < end:
            yield Part(index, begin - content_at, end - begin)

    def _directory(self, first: int, stop: int) -> Iterator[bytes]:
        """In pieces of a few records, so that the directory of many files is never there as a whole."""
        begin = max(0, bisect_right(self._records, first) - 1)
        for index in range(begin, len(self.entries), RECORDS_A_PIECE):
            if self._records[index] >= stop:
                return
            last = min(index + RECORDS_A_PIECE, len(self.entries))
            records = b"".join(record(self.entries[each], self._headers[each]) for each in range(index, last))
            if piece := clipped(records, self._records[index], first, stop):
                yield piece
        if piece := clipped(self._end, self._records[-1], first, stop):
            yield piece


def clipped(content: bytes, at: int, first: int, stop: int) -> bytes:
    """What of it, standing at `at`, lies between `first` and `stop`."""
    return content[max(0, first - at) : max(0, stop - at)]


def local_header_bytes(entry: Entry) -> int:
    return LOCAL.size + len(entry.name.encode()) + (20 if entry.needs_zip64 else 0)


def record_bytes(entry: Entry, header_at: int) -> int:
    return RECORD.size + len(entry.name.encode()) + len(record_extra(entry, header_at))


def local_header(entry: Entry) -> bytes:
    """Both sizes stand in the ZIP64 field, or neither: macOS refuses one alone."""
    name, extra = entry.name.encode(), b""
    if entry.needs_zip64:
        extra = struct.pack("<2H2Q", ZIP64_EXTRA, 16, entry.size, entry.size)
    size = min(entry.size, FULL_32)
    return (
        LOCAL.pack(
            b"PK\x03\x04", needed(zip64=entry.needs_zip64), UTF8_NAMES, STORED, *dos_moment(entry.written_at),
            entry.crc32, size, size, len(name), len(extra),
        )
        + name
        + extra
    )  # fmt: skip


def record(entry: Entry, header_at: int) -> bytes:
    """What the directory says of a file. Readers compare it with the local header: they agree in every field."""
    name, extra = entry.name.encode(), record_extra(entry, header_at)
    needs, size = needed(zip64=bool(extra)), min(entry.size, FULL_32)
    return (
        RECORD.pack(
            b"PK\x01\x02", MADE_ON_UNIX | needs, needs, UTF8_NAMES, STORED, *dos_moment(entry.written_at),
            entry.crc32, size, size, len(name), len(extra),
            0, 0, 0, PLAIN_FILE, min(header_at, FULL_32),
        )
        + name
        + extra
    )  # fmt: skip


def record_extra(entry: Entry, header_at: int) -> bytes:
    """The numbers that do not fit, and no others, in this order."""
    numbers = [entry.size, entry.size] if entry.needs_zip64 else []
    if header_at >= FULL_32:
        numbers.append(header_at)
    if not numbers:
        return b""
    return struct.pack(f"<2H{len(numbers)}Q", ZIP64_EXTRA, 8 * len(numbers), *numbers)


def end_of(entry_count: int, directory_at: int, at: int) -> bytes:
    """What stands behind the directory, itself at `at`."""
    directory_bytes = at - directory_at
    plain = END.pack(
        b"PK\x05\x06", 0, 0, min(entry_count, FULL_16), min(entry_count, FULL_16),
        min(directory_bytes, FULL_32), min(directory_at, FULL_32), 0,
    )  # fmt: skip
    if entry_count < FULL_16 and directory_bytes < FULL_32 and directory_at < FULL_32:
        return plain
    end_64 = END_64.pack(
        b"PK\x06\x06", END_64_REST_BYTES, MADE_ON_UNIX | NEEDS_ZIP64, NEEDS_ZIP64, 0, 0,
        entry_count, entry_count, directory_bytes, directory_at,
    )  # fmt: skip
    return end_64 + LOCATOR.pack(b"PK\x06\x07", 0, at, 1) + plain


def needed(*, zip64: bool) -> int:
    """The version of the format that a reader must know."""
    return NEEDS_ZIP64 if zip64 else NEEDS_PLAIN


def dos_moment(moment: datetime) -> tuple[int, int]:
    """Time and date, to two seconds; what DOS has no year for is the nearest that it has."""
    if moment.year < FIRST_YEAR:
        return 0, 1 << 5 | 1
    if moment.year > LAST_YEAR:
        moment = moment.replace(year=LAST_YEAR, month=12, day=31)
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    return time, (moment.year - FIRST_YEAR) << 9 | moment.month << 5 | moment.day
