"""Pure: proves that a rendition is a bare picture and nothing besides, and reads its size from its own bytes.

A child that was taken over could hand back anything. What is served to others is a JPEG or WebP without room for a
place, a profile, a script or a second picture: every segment is of a kind that only draws.
"""

import re
from struct import unpack_from
from typing import Final

from galleries.decode.wire import MalformedAnswer
from galleries.renditions import Recipe

# ITU T.81 annex B: tables, frame and scan headers. APP0 is JFIF's 14 bytes and no thumbnail.
_SOI, _EOI, _APP0, _SOS = 0xD8, 0xD9, 0xE0, 0xDA
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})
_JFIF_BYTES: Final = 16
# In a scan 0xFF is followed by 0 or a restart marker; anything else ends it.
_MARKER_IN_SCAN: Final = re.compile(b"\xff[^\x00\xd0-\xd7]")

# RFC 9649, 2.7: the chunks of a still picture, and of VP8X's flags only "alpha".
_WEBP_CHUNKS: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH"})
_ALPHA_FLAG: Final = 0x10


def plain_size(picture: bytes, recipe: Recipe) -> tuple[int, int]:
    """Width and height. Raises: MalformedAnswer for any other type, size or content than the recipe's."""
    try:
        width, height = _READERS[recipe.media_type](picture)
    except (IndexError, ValueError) as error:
        raise MalformedAnswer(f"{recipe.name} is no bare {recipe.media_type}") from error
    if not 1 <= min(width, height) <= max(width, height) <= recipe.longest_side_px:
        raise MalformedAnswer(f"{recipe.name} has {width} x {height} px")
    return width, height


def _jpeg(picture: bytes) -> tuple[int, int]:
    size = (0, 0)
    at = _expect(picture.startswith(bytes((0xFF, _SOI))), 2)
    while True:
        _expect(picture[at] == 0xFF)  # noqa: PLR2004
        marker, length = picture[at + 1], _u16(picture, at + 2)
        if marker in _FRAMES:
            height, width = _u16(picture, at + 5), _u16(picture, at + 7)
            size = (width, height)
        elif marker == _SOS:
            at = _next_marker(picture, at + 2 + length)
            if picture[at + 1] == _EOI:
                _expect(at + 2 == len(picture))
                return size
            continue
        else:
            _expect(marker in _TABLES or (marker == _APP0 and length == _JFIF_BYTES))
        at += 2 + length


def _next_marker(picture: bytes, start: int) -> int:
    found = _MARKER_IN_SCAN.search(picture, start)
    if found is None:
        raise ValueError
    return found.start()


def _u16(picture: bytes, at: int) -> int:
    return (picture[at] << 8) | picture[at + 1]


def _webp(picture: bytes) -> tuple[int, int]:
    _expect(picture[:4] == b"RIFF" and picture[8:12] == b"WEBP" and _u32(picture, 4) + 8 == len(picture))
    size = (0, 0)
    at = 12
    while at < len(picture):
        name, length = picture[at : at + 4], _u32(picture, at + 4)
        _expect(name in _WEBP_CHUNKS)
        size = _webp_size(name, picture[at + 8 : at + 8 + min(length, 10)]) or size
        at += 8 + length + length % 2
    _expect(at == len(picture))
    return size


def _webp_size(name: bytes, start: bytes) -> tuple[int, int] | None:
    if name == b"VP8X":
        _expect(start[0] & ~_ALPHA_FLAG == 0)
    if name == b"VP8 ":
        _expect(start[3:6] == b"\x9d\x01\x2a")
        return (start[6] | start[7] << 8) & 0x3FFF, (start[8] | start[9] << 8) & 0x3FFF
    if name == b"VP8L":
        _expect(start[0] == 0x2F)  # noqa: PLR2004
        bits = _u32(start, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _u32(picture: bytes, at: int) -> int:
    if len(picture) < at + 4:
        raise ValueError
    (number,) = unpack_from("<I", picture, at)
    return int(number)


def _expect(holds: bool, then: int = 0) -> int:  # noqa: FBT001
    if not holds:
        raise ValueError
    return then


_READERS: Final = {"image/jpeg": _jpeg, "image/webp": _webp}
