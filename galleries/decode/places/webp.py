"""Pure: the places in a WebP. RFC 9649, 2.7."""

import struct
from typing import Final

from galleries.decode.places.sheet import Block, Sheet, require
from galleries.decode.places.tiff import blank_tiff
from galleries.decode.places.xmp import blank_xmp

_KEPT: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ICCP"})
_EXIF_PREFIX: Final = b"Exif\0\0"
_FRAME: Final = b"ANMF"
_FRAME_HEAD_BYTES: Final = 16


def blank_webp(block: Block, sheet: Sheet) -> None:
    """Raises: Uncertain."""
    data = block.data
    require(data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    (length,) = struct.unpack_from("<I", data, 4)
    stop = 8 + length
    require(stop <= len(data))
    _chunks(block, 12, stop, sheet)
    sheet.cover(block, stop, len(data))


def _chunks(block: Block, at: int, stop: int, sheet: Sheet) -> None:
    while at + 8 <= stop:
        name, length = struct.unpack_from("<4sI", block.data, at)
        require(at + 8 + length <= stop)
        if name == _FRAME:
            require(length >= _FRAME_HEAD_BYTES)
            _chunks(block, at + 8 + _FRAME_HEAD_BYTES, at + 8 + length, sheet)
        elif name not in _KEPT:
            _spoken(name, block.part(at + 8, at + 8 + length), sheet)
        at += 8 + length + length % 2


def _spoken(name: bytes, content: Block, sheet: Sheet) -> None:
    if name == b"EXIF":
        start = len(_EXIF_PREFIX) if content.data[:6] == _EXIF_PREFIX else 0
        blank_tiff(content.part(start, len(content.data)), sheet)
    elif name == b"XMP ":
        blank_xmp(content, sheet)
    else:
        sheet.all_of(content)
