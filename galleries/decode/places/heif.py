"""Pure: the places in a HEIF, whether HEIC or AVIF. ISO/IEC 14496-12 and 23008-12.

A box that isn't known becomes a `free` one full of zeros: every reader skips it, and no offset moves.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from galleries.decode.places.sheet import Block, Sheet, Uncertain, require
from galleries.decode.places.tiff import blank_tiff
from galleries.decode.places.xmp import blank_xmp

_TOP_KEPT: Final = frozenset({b"ftyp", b"mdat", b"meta", b"moov"})
_META_KEPT: Final = frozenset(
    {b"hdlr", b"pitm", b"iinf", b"iloc", b"iprp", b"iref", b"idat", b"dinf", b"grpl", b"ipro"}
)
# Of a sequence (a burst, an animation): what plays it. Places stand in `udta` and `meta`.
_MOVIE_CONTAINERS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf"})
_MOVIE_KEPT: Final = frozenset(
    {
        b"mvhd", b"tkhd", b"tref", b"edts", b"mdhd", b"hdlr", b"vmhd", b"nmhd", b"dref", b"stsd", b"stts", b"ctts",
        b"stsc", b"stsz", b"stco", b"co64", b"stss", b"sdtp", b"sbgp", b"sgpd",
    }
)  # fmt: skip
_PROPERTIES_WITH_WORDS: Final = frozenset({b"udes", b"uuid"})
_PICTURES: Final = frozenset(
    {b"hvc1", b"hev1", b"av01", b"grid", b"iden", b"iovl", b"tmap", b"sato", b"vvc1", b"lhv1"}
)
_EXIF, _MIME, _XMP_TYPE = b"Exif", b"mime", b"application/rdf+xml"
_EXIF_PREFIX: Final = b"Exif\0\0"
_IN_FILE, _IN_IDAT = 0, 1
MAX_BOXES: Final = 20_000
MAX_ITEMS: Final = 20_000


@dataclass(frozen=True)
class Box:
    """`start` and `stop` are those of its content."""

    kind: bytes
    at: int
    start: int
    stop: int


@dataclass(frozen=True)
class Extents:
    """Where an item lies: `(offset, length)` each, in the file or in `idat`."""

    method: int
    ranges: tuple[tuple[int, int], ...]


def blank_heif(block: Block, sheet: Sheet) -> None:
    """Raises: Uncertain."""
    for box in boxes(block, 0, len(block.data)):
        if box.kind == b"meta":
            _blank_meta(block, box, sheet)
        elif box.kind == b"moov":
            _blank_movie(block, box, sheet)
        elif box.kind not in _TOP_KEPT:
            _free(block, box, sheet)


def boxes(block: Block, at: int, stop: int) -> Iterator[Box]:
    """Raises: Uncertain."""
    for _ in range(MAX_BOXES):
        if at >= stop:
            return
        size, kind = struct.unpack_from(">I4s", block.data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", block.data, at + 8)
            head = 16
        size = size or stop - at  # 0: to the end
        require(size >= head and at + size <= stop)
        yield Box(kind, at, at + head, at + size)
        at += size
    raise Uncertain


def _free(block: Block, box: Box, sheet: Sheet) -> None:
    sheet.write(block, box.at + 4, b"free")
    sheet.cover(block, box.start, box.stop)


def _blank_movie(block: Block, movie: Box, sheet: Sheet) -> None:
    for box in boxes(block, movie.start, movie.stop):
        if box.kind in _MOVIE_CONTAINERS:
            _blank_movie(block, box, sheet)
        elif box.kind not in _MOVIE_KEPT:
            _free(block, box, sheet)


def _blank_meta(block: Block, meta: Box, sheet: Sheet) -> None:
    inside = list(boxes(block, meta.start + 4, meta.stop))
    for box in inside:
        if box.kind not in _META_KEPT:
            _free(block, box, sheet)
    by_kind = {box.kind: box for box in inside}
    require(len(by_kind) == len(inside) or not {b"iinf", b"iloc", b"idat"} & _doubled(inside))
    if b"iprp" in by_kind:
        _blank_properties(block, by_kind[b"iprp"], sheet)
    if b"iinf" not in by_kind or b"iloc" not in by_kind:
        return
    idat = by_kind.get(b"idat")
    places = _locations(block, by_kind[b"iloc"])
    for number, kind, media_type in _items(block, by_kind[b"iinf"]):
        if kind not in _PICTURES:
            content = _content(block, places.get(number), idat)
            _blank_item(kind, media_type, content, sheet)


def _doubled(several: list[Box]) -> set[bytes]:
    kinds = [each.kind for each in several]
    return {kind for kind in kinds if kinds.count(kind) > 1 and kind != b"free"}


def _blank_properties(block: Block, properties: Box, sheet: Sheet) -> None:
    """Properties are known by their number: one that is emptied keeps its place."""
    for container in boxes(block, properties.start, properties.stop):
        if container.kind == b"ipco":
            for box in boxes(block, container.start, container.stop):
                if box.kind in _PROPERTIES_WITH_WORDS:
                    _free(block, box, sheet)


def _blank_item(kind: bytes, media_type: bytes, content: Block, sheet: Sheet) -> None:
    if not content.data:
        return
    if kind == _EXIF:
        (skipped,) = struct.unpack_from(">I", content.data)
        start = 4 + skipped
        if content.data[start : start + 6] == _EXIF_PREFIX:
            start += len(_EXIF_PREFIX)
        blank_tiff(content.part(start, len(content.data)), sheet)
    elif kind == _MIME and media_type == _XMP_TYPE:
        blank_xmp(content, sheet)
    else:
        sheet.all_of(content)


def _content(block: Block, extents: Extents | None, idat: Box | None) -> Block:
    if extents is None:
        return Block(b"", ((0, 0),))
    require(extents.method in {_IN_FILE, _IN_IDAT})
    base, stop = 0, len(block.data)
    if extents.method == _IN_IDAT:
        require(idat is not None)
        base, stop = (idat.start, idat.stop) if idat else (0, 0)
    pieces = []
    for offset, length in extents.ranges:
        begin = base + offset
        end = begin + length if length else stop
        require(end <= stop)
        pieces.append(block.part(begin, end))
    return pieces[0] if len(pieces) == 1 else Block.joined(pieces)


def _items(block: Block, iinf: Box) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, kind and media type of each. Old kinds of entries name no kind: they hide what they are."""
    version = block.data[iinf.start]
    head = 4 + (2 if version == 0 else 4)
    for box in boxes(block, iinf.start + head, iinf.stop):
        require(box.kind == b"infe")
        entry_version = block.data[box.start]
        require(entry_version in {2, 3})
        wide = entry_version == 3  # noqa: PLR2004
        number, _, kind = struct.unpack_from(">IH4s" if wide else ">HH4s", block.data, box.start + 4)
        words = block.data[box.start + (14 if wide else 12) : box.stop].split(b"\0")
        yield number, kind, words[1] if kind == _MIME and len(words) > 1 else b""


def _locations(block: Block, iloc: Box) -> dict[int, Extents]:
    return dict(_Locations(block, iloc).read())


class _Locations:
    """Reads `iloc`: 14496-12, 8.11.3. Its fields have the widths that it says itself."""

    def __init__(self, block: Block, iloc: Box) -> None:
        self.data = block.data
        self.at = iloc.start
        self.version = self.number(1)
        self.at += 3
        widths = self.number(2)
        self.offset_bytes, self.length_bytes = widths >> 12 & 15, widths >> 8 & 15
        self.base_bytes = widths >> 4 & 15
        self.index_bytes = widths & 15 if self.version in {1, 2} else 0

    def number(self, size: int) -> int:
        require(self.at + size <= len(self.data))
        number = int.from_bytes(self.data[self.at : self.at + size], "big")
        self.at += size
        return number

    def read(self) -> Iterator[tuple[int, Extents]]:
        count = self.number(2 if self.version < 2 else 4)  # noqa: PLR2004
        require(self.version <= 2 and count <= MAX_ITEMS)  # noqa: PLR2004
        for _ in range(count):
            number = self.number(2 if self.version < 2 else 4)  # noqa: PLR2004
            method = self.number(2) & 15 if self.version else _IN_FILE
            require(self.number(2) == 0)  # another file holds it otherwise
            base = self.number(self.base_bytes)
            yield number, Extents(method, tuple(self.extent(base) for _ in range(self.number(2))))

    def extent(self, base: int) -> tuple[int, int]:
        self.number(self.index_bytes)
        offset = self.number(self.offset_bytes)
        return base + offset, self.number(self.length_bytes)
