"""Pure: first bytes -> real media type.

The twin is static/src/domain/sniff.ts; tests/vectors/sniff.json keeps both honest.
"""

import struct
from collections.abc import Iterator
from typing import Final

# The first directory of a RAW lies within it in every camera seen; brands of an HEIF fit into 64 bytes.
SNIFF_BYTES: Final = 64 * 1024

SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    (b"IIRO", "image/x-olympus-orf"),
    (b"IIRS", "image/x-olympus-orf"),
    (b"MMOR", "image/x-olympus-orf"),
    (b"IIU\0", "image/x-panasonic-rw2"),
)
AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
# ISO/IEC 23008-12, annex B: HEVC-coded still images and sequences; then the structure alone.
HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
GENERAL_HEIF_BRANDS: Final = frozenset({b"mif1", b"mif2", b"msf1"})

# TIFF 6.0 section 2; DNGVersion: Adobe DNG specification 1.7, chapter 4.
TAG_MAKE: Final = 271
TAG_SUB_IFDS: Final = 330
TAG_DNG_VERSION: Final = 50706
ENTRY: Final = 12


def sniff(head: bytes) -> str | None:
    """What the bytes are; None where it is nothing we take."""
    for signature, media_type in SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return sniff_brands(head)
    return sniff_tiff(head) if head[:4] in {b"II*\0", b"MM\0*"} else None


def sniff_brands(head: bytes) -> str | None:
    box_end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, box_end - 3, 4))]
    if brands[0] == b"crx ":
        return "image/x-canon-cr3"
    if not AVIF_BRANDS.isdisjoint(brands):
        return "image/avif"
    if not HEIC_BRANDS.isdisjoint(brands):
        return "image/heic"
    return None if GENERAL_HEIF_BRANDS.isdisjoint(brands) else "image/heif"


def sniff_tiff(head: bytes) -> str:
    if head[8:10] == b"CR":
        return "image/x-canon-cr2"
    tags = dict(first_directory(head))
    if TAG_DNG_VERSION in tags:
        return "image/x-adobe-dng"
    # A scanner's TIFF names its maker too; only a camera's RAW keeps its pixels in sub-directories.
    if TAG_SUB_IFDS not in tags:
        return "image/tiff"
    make = tags.get(TAG_MAKE, b"")
    if make.startswith(b"NIKON"):
        return "image/x-nikon-nef"
    return "image/x-sony-arw" if make.startswith(b"SONY") else "image/tiff"


def first_directory(head: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, text or nothing) of what of it lies within `head`. Counts and offsets are a stranger's: never trusted."""
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < struct.calcsize("8x"):
        return
    (start,) = struct.unpack_from(f"{order}I", head, 4)
    if start + 2 > len(head):
        return
    (count,) = struct.unpack_from(f"{order}H", head, start)
    for index in range(count):
        at = start + 2 + index * ENTRY
        if at + ENTRY > len(head):
            return
        tag, _, letters, value = struct.unpack_from(f"{order}HHII", head, at)
        begin = at + 8 if letters <= struct.calcsize("I") else value
        yield tag, head[begin : begin + min(letters, 64)] if tag == TAG_MAKE else b""
