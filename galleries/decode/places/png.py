"""Pure: the places in a PNG. Every chunk that is changed gets a new checksum, so that readers go on believing it.

PNG specification (third edition), 5.3 and 11.3.
"""

import struct
import zlib
from typing import Final

from galleries.decode.places.sheet import SPACE, Block, Sheet, require
from galleries.decode.places.tiff import blank_tiff
from galleries.decode.places.xmp import blank_xmp

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_END: Final = b"IEND"
_EXIF_PREFIX: Final = b"Exif\0\0"
# What draws, or says how: none of it holds text.
_KEPT: Final = frozenset(
    {
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV",
        b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"tIME", b"acTL", b"fcTL", b"fdAT",
    }
)  # fmt: skip
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# Keywords of the specification; Comment is also what stands in for a text that is taken out.
_PLAIN: Final = frozenset(
    {b"Title", b"Author", b"Copyright", b"Creation Time", b"Software", b"Disclaimer", b"Warning"}
)
_XMP: Final = b"XML:com.adobe.xmp\0\0\0\0\0"
_EMPTY: Final = b"Comment\0"


def blank_png(block: Block, sheet: Sheet) -> None:
    """Raises: Uncertain."""
    data = block.data
    require(data[:8] == _SIGNATURE)
    at, name = 8, b""
    while name != _END:
        length, name = struct.unpack_from(">I4s", data, at)
        require(at + 12 + length <= len(data))
        if name not in _KEPT:
            _chunk(block.part(at + 4, at + 12 + length), sheet)
        at += 12 + length
    sheet.cover(block, at, len(data))


def _chunk(chunk: Block, sheet: Sheet) -> None:
    """`chunk` is its name, its data and its checksum."""
    own = Sheet()
    name, stop = chunk.data[:4], len(chunk.data) - 4
    content = chunk.part(4, stop)
    if name in _TEXTS:
        _text(chunk, own)
    elif name == b"eXIf":
        start = len(_EXIF_PREFIX) if content.data[:6] == _EXIF_PREFIX else 0
        blank_tiff(content.part(start, len(content.data)), own)
    else:
        own.all_of(content)
    if own.blanks():
        checksum = zlib.crc32(own.applied(chunk)[:stop])
        own.write(chunk, stop, struct.pack(">I", checksum))
        sheet.take(own)


def _text(chunk: Block, sheet: Sheet) -> None:
    """Compressed text can't be changed in its place: all of it goes."""
    name, content = chunk.data[:4], chunk.data[4:-4]
    keyword = content.split(b"\0", 1)[0]
    if name == b"iTXt" and content.startswith(_XMP):
        blank_xmp(chunk.part(4 + len(_XMP), len(chunk.data) - 4), sheet)
    elif not (name == b"tEXt" and keyword in _PLAIN) and content != _empty(len(content)):
        sheet.write(chunk, 0, b"tEXt")
        sheet.write(chunk, 4, _EMPTY[: len(content)])
        sheet.cover(chunk, 4 + len(_EMPTY[: len(content)]), len(chunk.data) - 4, SPACE)


def _empty(length: int) -> bytes:
    return (_EMPTY + SPACE * length)[:length]
