"""Pure: the places in an XMP packet. Each property that tells one becomes spaces; where one is left, the whole packet.

It is never parsed as XML, so nothing in it is ever expanded. Names: ISO 16684-1, IPTC Photo Metadata 2024.
"""

import re
from typing import Final

from galleries.decode.places.sheet import SPACE, Block, Sheet

# Whatever has one of these in its name, in any spelling: exif:GPSLatitude, photoshop:City, Iptc4xmpExt:LocationShown,
# Iptc4xmpCore:CountryCode, and thumbnails, which are photos with metadata of their own.
_TELLING: Final = (
    rb"[\w.\-]*(?:gps|latitude|longitude|city|location|geotag|geoloc|country|province|thumbnails)[\w.\-]*"
)
_NAME: Final = rb"(?:[A-Za-z_][\w.\-]*:)?(?:" + _TELLING + rb"|state)"
_FIELDS: Final = (
    # An element with all it holds, an empty one, an attribute, an embedded JPEG or PNG in base 64.
    re.compile(rb"<(" + _NAME + rb")(?=[\s>])[^<>]*(?<!/)>.*?</\1\s*>", re.IGNORECASE | re.DOTALL),
    re.compile(rb"<" + _NAME + rb"(?=[\s/])[^<>]*/>", re.IGNORECASE),
    re.compile(rb"(?<=\s)" + _NAME + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", re.IGNORECASE),
    re.compile(rb"(?:/9j/|iVBORw0KGgo)(?:[A-Za-z0-9+/=\s]|&#x[dDaA];){40,}"),
)
_LEFT: Final = re.compile(
    rb"gps|latitude|longitude|city|location|geotag|&#|<!(?:doctype|entity)", re.IGNORECASE
)


def blank_xmp(block: Block, sheet: Sheet) -> None:
    text = block.data[:]
    rest = bytearray(text)
    found: list[tuple[int, int]] = []
    for pattern in _FIELDS:
        for match in pattern.finditer(bytes(rest)):
            found.append(match.span())
            rest[match.start() : match.end()] = SPACE * len(match[0])
    # In UTF-16 every other byte is zero: no name would be found in it.
    if b"\0" in text.rstrip(b"\0") or _LEFT.search(rest):
        found = [(0, len(text))]
    for start, stop in found:
        sheet.cover(block, start, stop, SPACE)
