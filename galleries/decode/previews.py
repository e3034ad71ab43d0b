"""In the child: the largest JPEG that a camera put into its RAW, found by its own marks.

For cameras younger than LibRaw: however their files are built, a preview in them begins and is framed as any JPEG.
Layout: ITU T.81 annex B.
"""

import struct
from collections.abc import Iterator
from typing import Final

_BEGINS: Final = b"\xff\xd8\xff"
# Baseline, extended and progressive; RAW data itself is often a lossless JPEG (0xC3), which is no picture.
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES: Final = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_SOS: Final = 0xDA
_PRECISION_BITS: Final = 8
_BANDS: Final = frozenset({1, 3})

MAX_CANDIDATES: Final = 256  # what looks like a beginning and is none lies in every file
MAX_SEGMENTS: Final = 100


def largest_preview(raw: bytes) -> bytes | None:
    """From its first byte to the end of the file: what reads it stops at its own last marker."""
    sized = [(pixels, at) for at in _beginnings(raw) if (pixels := _pixels(raw, at))]
    return raw[max(sized)[1] :] if sized else None


def _beginnings(raw: bytes) -> Iterator[int]:
    at = -1
    for _ in range(MAX_CANDIDATES):
        at = raw.find(_BEGINS, at + 1)
        if at < 0:
            return
        yield at


def _pixels(raw: bytes, at: int) -> int:
    """As its header says; 0 for what is no JPEG that can be shown."""
    at += 2
    try:
        for _ in range(MAX_SEGMENTS):
            mark, marker, length = struct.unpack_from(">BBH", raw, at)
            if mark != 0xFF or marker == _SOS or marker in _OTHER_FRAMES:  # noqa: PLR2004
                return 0
            if marker in _FRAMES:
                bits, height_px, width_px, bands = struct.unpack_from(">BHHB", raw, at + 4)
                return height_px * width_px if bits == _PRECISION_BITS and bands in _BANDS else 0
            at += 2 + length
    except struct.error:
        pass
    return 0
