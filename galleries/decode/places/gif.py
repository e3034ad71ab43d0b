"""Pure: the places in a GIF, which has them in XMP alone. GIF89a, appendix B; XMP specification part 3, 1.1.2."""

from typing import Final

from galleries.decode.places.sheet import SPACE, Block, Sheet, require
from galleries.decode.places.xmp import blank_xmp

_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_HAS_PALETTE: Final = 0x80
_XMP: Final = b"XMP DataXMP"
_KEPT: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})
_NAME_BYTES: Final = 11
# Behind a packet stand 258 bytes that lead a reader of blocks to the end, wherever it came from.
_MAGIC_BYTES: Final = 258


def blank_gif(block: Block, sheet: Sheet) -> None:
    """Raises: Uncertain."""
    data = block.data
    require(data[:3] == b"GIF")
    at = 13 + _palette_bytes(data[10])
    while data[at] != _TRAILER:
        if data[at] == _IMAGE:
            at = _blocks_stop(block, at + 11 + _palette_bytes(data[at + 9]))
        else:
            require(data[at] == _EXTENSION)
            at = _extension(block, data[at + 1], at + 2, sheet)
    sheet.cover(block, at + 1, len(data))


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & _HAS_PALETTE else 0


def _blocks_stop(block: Block, at: int) -> int:
    """Behind the blocks that begin at `at`, each with its length before it."""
    while block.data[at]:
        at += 1 + block.data[at]
    return at + 1


def _extension(block: Block, kind: int, at: int, sheet: Sheet) -> int:
    """Returns: where it stops."""
    stop = _blocks_stop(block, at)
    name = block.data[at + 1 : at + 1 + _NAME_BYTES]
    if kind == _APPLICATION and name == _XMP:
        blank_xmp(block.part(at + 1 + _NAME_BYTES, max(at + 1 + _NAME_BYTES, stop - _MAGIC_BYTES)), sheet)
    elif kind != _GRAPHIC_CONTROL and not (kind == _APPLICATION and name in _KEPT):
        _empty_blocks(block, at, sheet)
    return stop


def _empty_blocks(block: Block, at: int, sheet: Sheet) -> None:
    """The lengths stay, so that whoever reads on finds the end."""
    while length := block.data[at]:
        sheet.cover(block, at + 1, at + 1 + length, SPACE)
        at += 1 + length
