"""Pure: the places in IPTC's records, and in the resources of Photoshop that hold them.

IPTC-NAA Information Interchange Model 4.2, chapter 3; Adobe Photoshop file formats, "Image resources section".
"""

import struct
from typing import Final

from galleries.decode.places.sheet import Block, Sheet, require
from galleries.decode.places.xmp import blank_xmp

_MARKER: Final = 0x1C
_APPLICATION_RECORD: Final = 2
# Content location code and name, city, sub-location, province or state, country code and name.
_PLACES: Final = frozenset({26, 27, 90, 92, 95, 100, 101})
_UNUSED: Final = 254  # a number that means nothing in that record
_HEAD_BYTES: Final = 5
_LONG_LENGTH: Final = 0x8000

# Resolution, captions, lines for print, borders, the digest, guides, ids: none of them has a text with a place in it.
_KEPT_RESOURCES: Final = frozenset(
    {
        0x03ED, 0x03F3, 0x03F5, 0x03F8, 0x0400, 0x0402, 0x0406, 0x0408, 0x040A, 0x040D, 0x040F, 0x0411, 0x0414, 0x0419,
        0x041A, 0x041E, 0x0421, 0x0425, 0x0426, 0x0428, 0x043A, 0x043B, 0x2710,
    }
)  # fmt: skip
_IPTC, _XMP = 0x0404, 0x0424


def blank_iptc(block: Block, sheet: Sheet) -> None:
    """Whatever it can't read it overwrites."""
    sheet.or_all_of(block, _blank_records)


def _blank_records(block: Block, sheet: Sheet) -> None:
    data, at = block.data, 0
    while at + _HEAD_BYTES <= len(data) and data[at] == _MARKER:
        record, dataset, length = struct.unpack_from(">BBH", data, at + 1)
        require(length < _LONG_LENGTH and at + _HEAD_BYTES + length <= len(data))
        if record == _APPLICATION_RECORD and dataset in _PLACES:
            sheet.write(block, at + 2, bytes((_UNUSED,)))
            sheet.cover(block, at + _HEAD_BYTES, at + _HEAD_BYTES + length)
        at += _HEAD_BYTES + length
    sheet.cover(block, at, len(data))


def blank_resources(block: Block, sheet: Sheet) -> None:
    sheet.or_all_of(block, _blank_resources)


def _blank_resources(block: Block, sheet: Sheet) -> None:
    data, at = block.data, 0
    while data[at : at + 4] == b"8BIM":
        (number,) = struct.unpack_from(">H", data, at + 4)
        size_at = at + 6 + _even(1 + data[at + 6])
        require(size_at + 4 <= len(data))
        (size,) = struct.unpack_from(">I", data, size_at)
        value = block.part(size_at + 4, size_at + 4 + size)
        if number == _IPTC:
            blank_iptc(value, sheet)
        elif number == _XMP:
            blank_xmp(value, sheet)
        elif number not in _KEPT_RESOURCES:
            sheet.all_of(value)
        at = size_at + 4 + _even(size)
    sheet.cover(block, min(at, len(data)), len(data))


def _even(size: int) -> int:
    return size + size % 2
