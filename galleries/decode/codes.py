"""Pure: a decoder's own words, as the code its owner will read."""

import re
from typing import Final

# How libvips, libheif, libtiff and LibRaw say that memory was refused to them, and that they don't know the coding.
_MEMORY: Final = re.compile(
    r"out of memory|(unable|failed) to allocate|(cannot|can't) allocate|memory alloc|mempool", re.IGNORECASE
)
_UNKNOWN: Final = re.compile(
    r"unsupported|not supported|not implemented|not configured|not been built in|bad labq", re.IGNORECASE
)


def code_for(words: str) -> str:
    if _MEMORY.search(words):
        return "memory"
    return "unsupported_format" if _UNKNOWN.search(words) else "damaged_photo"


def says_cut_short(words: str) -> bool:
    """The word of libjpeg for data that ends before the picture does, though a last marker may follow it."""
    return "premature end" in words
