"""Pure: the places in a TIFF, or in the EXIF of any other file, which is built like one.

Layout: TIFF 6.0 section 2. Tags: Exif 3.0 section 4.6, https://exiftool.org/TagNames/EXIF.html.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from galleries.decode.places.iptc import blank_iptc, blank_resources
from galleries.decode.places.sheet import Block, Sheet, require
from galleries.decode.places.xmp import blank_xmp

MAX_DIRECTORIES: Final = 1000  # pages of a TIFF among them
MAX_ENTRIES: Final = 4096
ENTRY_BYTES: Final = 12
_INLINE_BYTES: Final = 4
_UNIT_BYTES: Final = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1,
}  # fmt: skip

_SUB_DIRECTORIES, _EXIF_DIRECTORY, _GPS_DIRECTORY, _INTEROPERABILITY = 0x014A, 0x8769, 0x8825, 0xA005
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0201, 0x0202
# What Windows leaves where it takes something out of EXIF: no reader shows it.
_PADDING, _UNDEFINED = 0xEA1C, 7

# Below 0x8000 lie TIFF's own tags. Of those above, which anybody may register, these are known to tell no place;
# the maker note (0x927C) and SubjectLocation (0xA214, a spot in the picture, but by its name) are not among them.
_HARMLESS: Final = (
    range(0x80A3, 0x80E7), range(0x828D, 0x8290), range(0x8298, 0x829E), range(0x8649, 0x864A),
    range(0x8769, 0x876A), range(0x8773, 0x8774), range(0x8822, 0x8825), range(0x8827, 0x8836),
    range(0x83BB, 0x83BC), range(0x9000, 0x927C), range(0x9286, 0x9293), range(0x9400, 0x9407),
    range(0x9C9B, 0x9CA0), range(0xA000, 0xA214), range(0xA215, 0xA218), range(0xA300, 0xA303),
    range(0xA401, 0xA40D), range(0xA420, 0xA421), range(0xA430, 0xA43D), range(0xA460, 0xA463),
    range(0xA500, 0xA501), range(0xC4A5, 0xC4A6), range(0xEA1C, 0xEA1D),
)  # fmt: skip
# A map's own tags of TIFF: http://geotiff.maptools.org/spec/geotiff6.html
_FIRST_PRIVATE: Final = 0x8000

_NESTED: Final[dict[int, Callable[[Block, Sheet], None]]] = {
    0x02BC: blank_xmp,
    0x83BB: blank_iptc,
    0x8649: blank_resources,
}


@dataclass(frozen=True)
class Entry:
    """One entry of a directory: where it stands, and where its value begins and stops."""

    tag: int
    at: int
    start: int
    stop: int

    @property
    def is_inline(self) -> bool:
        return self.start == self.at + 8


def blank_tiff(block: Block, sheet: Sheet) -> None:
    """Raises: Uncertain."""
    _Walk(block, sheet).run()


class _Walk:
    def __init__(self, block: Block, sheet: Sheet) -> None:
        self.block, self.sheet = block, sheet
        self.order = {b"II": "<", b"MM": ">"}.get(block.data[:2], "")
        require(bool(self.order) and len(block.data) >= 8)  # noqa: PLR2004
        self.seen: set[int] = set()

    def run(self) -> None:
        self.chain(self.number("I", 4))

    def number(self, kind: str, at: int) -> int:
        """Raises: struct.error, which ends the walk, beyond the end."""
        (number,) = struct.unpack_from(self.order + kind, self.block.data, at)
        return int(number)

    def chain(self, at: int) -> None:
        """A directory, and those its last word leads to."""
        while at and self.is_new(at):
            is_first = len(self.seen) == 1
            count = self.entry_count(at)
            entries = [self.entry(at + 2 + index * ENTRY_BYTES) for index in range(count)]
            self.directory([each for each in entries if each is not None], is_first=is_first)
            link = at + 2 + count * ENTRY_BYTES
            # Some writers of EXIF leave out the last word.
            following = self.number("I", link) if link + 4 <= len(self.block.data) else 0
            at = following
            if at and (at in self.seen or at + 2 > len(self.block.data)):
                self.sheet.cover(self.block, link, link + 4)
                return

    def is_new(self, at: int) -> bool:
        known = at in self.seen
        self.seen.add(at)
        require(len(self.seen) <= MAX_DIRECTORIES)
        return not known

    def entry_count(self, at: int) -> int:
        count = self.number("H", at)
        require(count <= MAX_ENTRIES and at + 2 + count * ENTRY_BYTES <= len(self.block.data))
        return count

    def entry(self, at: int) -> Entry | None:
        """None for one whose value isn't there: it is taken out at once."""
        tag, kind, count = struct.unpack_from(self.order + "HHI", self.block.data, at)
        size = _UNIT_BYTES.get(kind, 1) * count
        start = at + 8 if size <= _INLINE_BYTES else self.number("I", at + 8)
        if start + size > len(self.block.data):
            self.pad(at)
            return None
        return Entry(tag, at, start, start + size)

    def directory(self, entries: list[Entry], *, is_first: bool) -> None:
        for each in entries:
            if each.tag == _GPS_DIRECTORY:
                self.erase_directory(self.number("I", each.at + 8))
                self.pad(each.at)
            elif each.tag in _NESTED:
                _NESTED[each.tag](self.block.part(each.start, each.stop), self.sheet)
            elif each.tag in {_EXIF_DIRECTORY, _INTEROPERABILITY, _SUB_DIRECTORIES}:
                self.descend(each)
            elif not is_harmless(each.tag):
                self.erase(each)
        self.thumbnail({each.tag: each for each in entries}, is_first=is_first)

    def descend(self, entry: Entry) -> None:
        for at in range(entry.start, entry.stop - 3, 4):
            start = self.number("I", at)
            if start in self.seen or start + 2 > len(self.block.data):
                self.sheet.cover(self.block, at, at + 4) if entry.tag == _SUB_DIRECTORIES else self.pad(
                    entry.at
                )
            else:
                self.chain(start)

    def erase(self, entry: Entry) -> None:
        if not entry.is_inline:
            self.sheet.cover(self.block, entry.start, entry.stop)
        self.pad(entry.at)

    def pad(self, at: int) -> None:
        self.sheet.write(self.block, at, struct.pack(self.order + "HHII", _PADDING, _UNDEFINED, 4, 0))

    def erase_directory(self, at: int) -> None:
        """All of it: values, entries and count. One that isn't there, or is another one too, says nothing."""
        if not 0 < at <= len(self.block.data) - 2 or at in self.seen:
            return
        count = self.entry_count(at)
        for index in range(count):
            entry = self.entry(at + 2 + index * ENTRY_BYTES)
            if entry is not None and not entry.is_inline:
                self.sheet.cover(self.block, entry.start, entry.stop)
        self.sheet.cover(self.block, at, min(at + 2 + count * ENTRY_BYTES + 4, len(self.block.data)))

    def thumbnail(self, entries: dict[int, Entry], *, is_first: bool) -> None:
        """A JPEG with metadata of its own, and perhaps of what was cut away since: it goes."""
        if _THUMBNAIL_AT not in entries or _THUMBNAIL_BYTES not in entries:
            return
        require(not is_first)  # of old TIFFs it is the picture itself
        at, length = entries[_THUMBNAIL_AT], entries[_THUMBNAIL_BYTES]
        start, stop = (min(each, len(self.block.data)) for each in self.thumbnail_span(at, length))
        self.sheet.cover(self.block, start, stop)
        self.pad(at.at)
        self.pad(length.at)

    def thumbnail_span(self, at: Entry, length: Entry) -> tuple[int, int]:
        start = self.number("I", at.at + 8)
        return start, start + self.number("I", length.at + 8)


def is_harmless(tag: int) -> bool:
    return tag < _FIRST_PRIVATE or any(tag in several for several in _HARMLESS)
