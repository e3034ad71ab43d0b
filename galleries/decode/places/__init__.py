"""In the child: where in a file it says where the photo was taken. Pure but for reading the file.

Each container is walked by its own rules, and what isn't known to be harmless is overwritten with the rest. Where a
walk can't be certain the answer is None, and others than the owner get the web size: RAW always, since its maker notes
are needed to develop it, and hold places of their own.
"""

import mmap
import struct
from collections.abc import Callable
from typing import Final

from galleries.blanking import Blank
from galleries.decode.places.gif import blank_gif
from galleries.decode.places.heif import blank_heif
from galleries.decode.places.jpeg import blank_jpeg
from galleries.decode.places.png import blank_png
from galleries.decode.places.sheet import Block, Buffer, Sheet, Uncertain
from galleries.decode.places.tiff import blank_tiff
from galleries.decode.places.webp import blank_webp

_WALKS: Final[dict[str, Callable[[Block, Sheet], None]]] = {
    "image/jpeg": blank_jpeg,
    "image/png": blank_png,
    "image/webp": blank_webp,
    "image/gif": blank_gif,
    "image/tiff": blank_tiff,
    "image/avif": blank_heif,
    "image/heic": blank_heif,
    "image/heif": blank_heif,
}
# What a walk runs into where a stranger's lengths and offsets are wrong.
_LOST: Final = (Uncertain, IndexError, ValueError, struct.error, RecursionError, MemoryError, OSError)


def find_blanks(descriptor: int, media_type: str) -> list[Blank] | None:
    """In order, without overlap; empty when the file says nothing of a place. None when that can't be told for certain.

    The file is walked again with all of it overwritten: nothing may be left to find.
    """
    walk = _WALKS.get(media_type)
    if walk is None:
        return None
    try:
        # What is written to such a mapping stays in memory.
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY) as file:
            blanks = _walked(walk, file)
            for each in blanks:
                file[each.offset : each.stop] = each.content(each.offset, each.stop)
            return None if blanks and _walked(walk, file) else blanks
    except _LOST:
        return None


def _walked(walk: Callable[[Block, Sheet], None], file: Buffer) -> list[Blank]:
    sheet = Sheet()
    walk(Block.whole(file), sheet)
    return sheet.blanks()
