"""Pure: the places in a JPEG, in the pictures inside it and in those behind it.

ITU T.81 annex B; which application segments there are: https://exiftool.org/TagNames/JPEG.html.
"""

import re
import struct
from typing import Final

from galleries.decode.places import tiff
from galleries.decode.places.iptc import blank_resources
from galleries.decode.places.sheet import SPACE, Block, Sheet, Uncertain, require
from galleries.decode.places.xmp import blank_xmp

_SOI: Final = b"\xff\xd8"
_NEXT_PICTURE: Final = b"\xff\xd8\xff"
_EOI, _SOS, _APP0, _APP1, _APP2, _APP13, _APP14, _APP15, _COM = (
    0xD9,
    0xDA,
    0xE0,
    0xE1,
    0xE2,
    0xED,
    0xEE,
    0xEF,
    0xFE,
)
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
# In a scan 0xFF is followed by 0 or a restart marker, or by a fill byte; anything else ends it.
_MARKER_IN_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_WORDS: Final = re.compile(rb"gps|latitude|longitude|city|location", re.IGNORECASE)

_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
# A checksum, the length of the whole, and where this piece begins in it: XMP specification part 3, 1.1.3.1.
_MORE_XMP_HEAD_BYTES: Final = len(_MORE_XMP) + 32 + 4 + 4

# Segments that are needed to show the picture, or point to another one, by marker and first words.
_KEPT: Final = (
    (_APP0, b"JFIF\0"),
    (_APP2, b"ICC_PROFILE\0"),
    (_APP2, b"MPF\0"),
    (_APP2, b"urn:iso:std:iso:ts:21496:-1\0"),
    (_APP14, b"Adobe"),
)

MAX_PICTURES: Final = 32


def blank_jpeg(block: Block, sheet: Sheet) -> None:
    """Raises: Uncertain."""
    _Walk(block, sheet).run()


class _Walk:
    def __init__(self, block: Block, sheet: Sheet) -> None:
        self.block, self.sheet, self.data = block, sheet, block.data
        self.exif: list[Block] = []
        self.more_xmp: list[Block] = []
        self.resources: list[Block] = []

    def run(self) -> None:
        stop = self.picture(0, self.sheet)
        for _ in range(MAX_PICTURES):
            stop = self.follower(stop)
            if stop == len(self.data):
                return
        raise Uncertain

    def follower(self, start: int) -> int:
        """A second picture behind the first: of an MPO, a gain map. Of all else that follows nothing is left."""
        found = self.data.find(_NEXT_PICTURE, start)
        begin = len(self.data) if found < 0 else found
        self.sheet.cover(self.block, start, begin)
        own = Sheet()
        try:
            stop = self.picture(begin, own) if begin < len(self.data) else begin
        except (Uncertain, IndexError, ValueError, struct.error):
            own, stop = Sheet(), len(self.data)
            own.cover(self.block, begin, stop)
        self.sheet.take(own)
        return stop

    def picture(self, start: int, sheet: Sheet) -> int:
        """One picture from its first to its last marker. Returns: where it stops. Raises: Uncertain."""
        require(self.data[start : start + 2] == _SOI)
        self.exif, self.more_xmp, self.resources = [], [], []
        at = start + 2
        while True:
            require(self.data[at] == 0xFF)  # noqa: PLR2004
            marker = self.data[at + 1]
            if marker == 0xFF:  # noqa: PLR2004 - a fill byte
                at += 1
            elif marker == _EOI:
                self.finish(sheet)
                return at + 2
            elif marker in _STANDALONE:
                at += 2
            else:
                at = self.segment(marker, at, sheet)

    def segment(self, marker: int, at: int, sheet: Sheet) -> int:
        """Returns: where the next marker is."""
        (length,) = struct.unpack_from(">H", self.data, at + 2)
        require(length >= 2)  # noqa: PLR2004
        if _APP0 <= marker <= _APP15 or marker == _COM:
            self.spoken(marker, self.block.part(at + 4, at + 2 + length), sheet)
        at += 2 + length
        if marker != _SOS:
            return at
        found = _MARKER_IN_SCAN.search(self.data, at)
        require(found is not None)
        return found.start() if found else at

    def spoken(self, marker: int, payload: Block, sheet: Sheet) -> None:
        head = payload.data[:64]
        if marker == _COM:
            if _WORDS.search(payload.data):
                sheet.all_of(payload, SPACE)
        elif marker == _APP1 and head.startswith(_EXIF):
            self.exif.append(payload.part(len(_EXIF), len(payload.data)))
        elif marker == _APP1 and head.startswith(_XMP):
            blank_xmp(payload.part(len(_XMP), len(payload.data)), sheet)
        elif marker == _APP1 and head.startswith(_MORE_XMP):
            self.more_xmp.append(payload.part(_MORE_XMP_HEAD_BYTES, len(payload.data)))
        elif marker == _APP13 and head.startswith(_PHOTOSHOP):
            self.resources.append(payload.part(len(_PHOTOSHOP), len(payload.data)))
        elif not any(marker == kind and head.startswith(words) for kind, words in _KEPT):
            sheet.all_of(payload)

    def finish(self, sheet: Sheet) -> None:
        """What may be spread over several segments is read as the one thing that it is."""
        for whole in _wholes(self.exif):
            tiff.blank_tiff(whole, sheet)
        if self.more_xmp:
            blank_xmp(Block.joined(self.more_xmp), sheet)
        if self.resources:
            blank_resources(Block.joined(self.resources), sheet)


def _wholes(pieces: list[Block]) -> list[Block]:
    """EXIF of more than 64 KiB goes on in the next segment, where no new header stands."""
    several: list[list[Block]] = []
    for piece in pieces:
        if piece.data[:2] in {b"II", b"MM"} or not several:
            several.append([piece])
        else:
            several[-1].append(piece)
    return [each[0] if len(each) == 1 else Block.joined(each) for each in several]
