"""Pure: the places in an XMP packet. Each property that tells one becomes spaces; where one is left, the whole packet.

It is never parsed as XML, so nothing in it is ever expanded, and every step is bounded: a packet is a stranger's, and
may be as long as a file. Names: ISO 16684-1, IPTC Photo Metadata 2024.
"""

import re
from collections.abc import Iterator
from typing import Final

from galleries.decode.places.sheet import SPACE, Block, Sheet

MAX_PACKET_BYTES: Final = 16 * 1024 * 1024  # beyond it nobody looks for fields
MAX_ELEMENTS: Final = 200

# Whatever has one of these in its name, in any spelling: exif:GPSLatitude, photoshop:City, Iptc4xmpExt:LocationShown,
# Iptc4xmpCore:CountryCode, and thumbnails, which are photos with metadata of their own.
_TELLING: Final = (
    rb"[\w.\-]{0,64}"
    rb"(?:gps|latitude|longitude|city|location|geotag|geoloc|country|province|thumbnails)"
    rb"[\w.\-]{0,64}"
)
_NAME: Final = rb"(?:[A-Za-z_][\w.\-]{0,64}:)?(?:" + _TELLING + rb"|state)"
_ELEMENT: Final = re.compile(rb"<(" + _NAME + rb")(?=[\s/>])[^<>]{0,4096}>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(
    rb"(?<=\s)" + _NAME + rb"\s{0,64}=\s{0,64}(?:\"[^\"]{0,4096}\"|'[^']{0,4096}')", re.IGNORECASE
)
# A JPEG or a PNG in base 64.
_PICTURE: Final = re.compile(rb"(?:/9j/|iVBORw0KGgo)(?:[A-Za-z0-9+/=\s]|&#x[dDaA];){40,}")
_LEFT: Final = re.compile(
    rb"gps|latitude|longitude|city|location|geotag|&#|<!(?:doctype|entity)", re.IGNORECASE
)


def blank_xmp(block: Block, sheet: Sheet) -> None:
    if len(block.data) > MAX_PACKET_BYTES:
        sheet.all_of(block, SPACE)
        return
    text = block.data[:]
    rest = bytearray(text)
    found = [*_elements(text)]
    _erase(rest, found)
    for pattern in (_ATTRIBUTE, _PICTURE):
        spans = [match.span() for match in pattern.finditer(bytes(rest))]
        _erase(rest, spans)
        found += spans
    # In UTF-16 every other byte is zero: no name would be found in it.
    if b"\0" in text.rstrip(b"\0") or _LEFT.search(rest):
        found = [(0, len(text))]
    for start, stop in found:
        sheet.cover(block, start, stop, SPACE)


def _elements(text: bytes) -> Iterator[tuple[int, int]]:
    """From the first to the last byte of each, with all it holds; an unclosed one is left for the last look."""
    at = 0
    for _ in range(MAX_ELEMENTS):
        opened = _ELEMENT.search(text, at)
        if opened is None:
            return
        at = opened.end()
        if not opened[0].endswith(b"/>"):
            closing = text.find(b"</" + opened[1], at)
            stop = text.find(b">", closing) + 1 if closing >= 0 else 0
            if not stop:
                continue
            at = stop
        yield opened.start(), at


def _erase(text: bytearray, spans: list[tuple[int, int]]) -> None:
    for start, stop in spans:
        text[start:stop] = SPACE * (stop - start)
