"""Pure: finds the numbers by which a PNG or a HEIF says what its colours mean. No length of the file is believed."""

import struct
from collections.abc import Iterator
from typing import Final

from galleries.decode.colour import ColourSpace, space_of
from galleries.decode.exif import ReadAt
from galleries.decode.places.heif import Box, boxes
from galleries.decode.places.sheet import Block, Uncertain

# What stands before the pixels is a dozen chunks, and some kilobytes of boxes.
MAX_CHUNKS: Final = 200
MAX_TOP_BOXES: Final = 20
MAX_META_BYTES: Final = 1024 * 1024
_LOST: Final = (Uncertain, IndexError, struct.error)


def space_of_png(read_at: ReadAt) -> ColourSpace | None:
    """PNG specification (third edition), 11.3.2.6: `cICP` goes before any profile, and stands before the pixels."""
    at = 8
    for _ in range(MAX_CHUNKS):
        head = read_at(at, 12)
        if len(head) < 12 or head[4:8] == b"IDAT":  # noqa: PLR2004
            return None
        (length,) = struct.unpack_from(">I", head)
        if head[4:8] == b"cICP" and length == 4:  # noqa: PLR2004
            primaries, transfer, _, is_full = head[8:12]
            return space_of(primaries, transfer, is_narrow=not is_full)
        at += 12 + length
    return None


def space_of_heif(read_at: ReadAt) -> ColourSpace | None:
    """Of the primary image: ISO/IEC 14496-12, 12.1.5 and 23008-12, 9.3. Its decoder has seen to the range."""
    try:
        return _space_of_primary(_meta(read_at))
    except _LOST:
        return None


def _meta(read_at: ReadAt) -> Block:
    """Raises: Uncertain."""
    at = 0
    for _ in range(MAX_TOP_BOXES):
        size, kind = struct.unpack(">I4s", read_at(at, 8))
        if kind == b"meta" and size <= MAX_META_BYTES:
            return Block.whole(read_at(at, size))
        if size < 8:  # noqa: PLR2004 - to the end, or longer than 32 bits: the pixels
            break
        at += size
    raise Uncertain


def _space_of_primary(block: Block) -> ColourSpace | None:
    """Raises: Uncertain, IndexError, struct.error."""
    (meta,) = boxes(block, 0, len(block.data))
    inside = {box.kind: box for box in boxes(block, meta.start + 4, meta.stop)}
    if b"pitm" not in inside or b"iprp" not in inside:
        return None
    primary = _item_number(block, inside[b"pitm"])
    parts = list(boxes(block, inside[b"iprp"].start, inside[b"iprp"].stop))
    properties = [each for box in parts if box.kind == b"ipco" for each in boxes(block, box.start, box.stop)]
    for box in parts:
        if box.kind == b"ipma":
            for index in _properties_of(block, box, primary):
                space = _space_told_by(block, properties[index - 1]) if index else None
                if space is not None:
                    return space
    return None


def _item_number(block: Block, box: Box) -> int:
    (number,) = struct.unpack_from(">I" if block.data[box.start] else ">H", block.data, box.start + 4)
    return int(number)


def _properties_of(block: Block, box: Box, item: int) -> Iterator[int]:
    """Their numbers, from 1."""
    data, at = block.data, box.start + 8
    number_format = ">I" if data[box.start] else ">H"
    index_bytes = 2 if data[box.start + 3] & 1 else 1
    (count,) = struct.unpack_from(">I", data, box.start + 4)
    while count and at < box.stop:
        count -= 1
        (number,) = struct.unpack_from(number_format, data, at)
        at += struct.calcsize(number_format)
        stop = at + 1 + data[at] * index_bytes
        if number == item:
            for start in range(at + 1, stop, index_bytes):
                # The first bit says that a reader must know the property.
                yield int.from_bytes(data[start : start + index_bytes], "big") & (
                    0x7FFF if index_bytes > 1 else 0x7F
                )
        at = stop


def _space_told_by(block: Block, box: Box) -> ColourSpace | None:
    if box.kind != b"colr" or block.data[box.start : box.start + 4] != b"nclx":
        return None
    primaries, transfer = struct.unpack_from(">HH", block.data, box.start + 4)
    return space_of(primaries, transfer)
