"""Pure: what is to be overwritten in a file, collected while it is walked."""

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from galleries.blanking import MAX_BLANKS, MAX_FILL_BYTES, Blank

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING: Final = b"\0"
SPACE: Final = b" "

# Before neighbours are joined: a file of nothing but blanks need not be walked to its end.
_MAX_FOUND: Final = 4 * MAX_BLANKS

Buffer = bytes | mmap.mmap


class Uncertain(Exception):
    """The file can't be walked to its end: whatever it hides would stay hidden from us, too."""


def require(holds: bool) -> None:  # noqa: FBT001 - reads as a sentence
    """Raises: Uncertain."""
    if not holds:
        raise Uncertain


@dataclass(frozen=True)
class Block:
    """Bytes that belong together and may lie in several pieces of the file: `(start in data, offset in file)` each."""

    data: Buffer
    pieces: tuple[tuple[int, int], ...]

    @classmethod
    def whole(cls, file: Buffer) -> "Block":
        return cls(file, ((0, 0),))

    @classmethod
    def joined(cls, blocks: "list[Block]") -> "Block":
        pieces: list[tuple[int, int]] = []
        data = bytearray()
        for block in blocks:
            pieces += [(len(data) + start, offset) for start, offset in block.pieces]
            data += block.data[:]
        return cls(bytes(data), tuple(pieces))

    def part(self, start: int, stop: int) -> "Block":
        """Raises: Uncertain when it is not all there."""
        require(0 <= start <= stop <= len(self.data))
        return Block(self.data[start:stop], tuple((a - start, b) for a, b in self._spans(start, stop)))

    def offsets(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """`(start in data, offset in file, length)` of each piece of it."""
        spans = self._spans(start, stop)
        ends = [begin for begin, _ in spans[1:]] + [stop]
        return [
            (begin, offset, end - begin)
            for (begin, offset), end in zip(spans, ends, strict=True)
            if end > begin
        ]

    def _spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for index, (begin, offset) in enumerate(self.pieces):
            end = self.pieces[index + 1][0] if index + 1 < len(self.pieces) else len(self.data)
            first, last = max(begin, start), min(end, stop)
            if first < last or (first == last == start and not found):
                found.append((first, offset + first - begin))
        return found or [(start, 0)]


class Sheet:
    """Collects blanks. What already looks as it would afterwards is none: a blanked file has nothing left to blank."""

    def __init__(self) -> None:
        self.found: list[Blank] = []

    def cover(self, block: Block, start: int, stop: int, fill: bytes = NOTHING) -> None:
        """Overwrites from `start` to `stop`, offsets in the block; a `fill` of several bytes begins anew in each piece.

        Raises: Uncertain when it lies outside.
        """
        require(0 <= start <= stop <= len(block.data))
        for begin, offset, length in block.offsets(start, stop):
            blank = Blank(offset, length, fill)
            if block.data[begin : begin + length] != blank.content(offset, blank.stop):
                self.found.append(blank)
        require(len(self.found) <= _MAX_FOUND)

    def write(self, block: Block, start: int, content: bytes) -> None:
        """Puts exactly these bytes there. Raises: Uncertain when they lie in several pieces, or outside."""
        require(0 < len(content) <= MAX_FILL_BYTES and start + len(content) <= len(block.data))
        require(len(block.offsets(start, start + len(content))) == 1)
        self.cover(block, start, start + len(content), content)

    def all_of(self, block: Block, fill: bytes = NOTHING) -> None:
        self.cover(block, 0, len(block.data), fill)

    def take(self, other: "Sheet") -> None:
        self.found += other.found
        require(len(self.found) <= _MAX_FOUND)

    def or_all_of(self, block: Block, walk: "Callable[[Block, Sheet], None]", fill: bytes = NOTHING) -> None:
        """As `walk` says; where that is lost, everything."""
        own = Sheet()
        try:
            walk(block, own)
        except (Uncertain, IndexError, ValueError):
            own = Sheet()
            own.all_of(block, fill)
        self.take(own)

    def blanks(self) -> list[Blank]:
        """In order and apart; where two say different things of a byte, the second pass over the file will tell.

        Raises: Uncertain when they are too many.
        """
        merged: list[Blank] = []
        for each in sorted(self.found):
            last = merged[-1] if merged else None
            if (
                last is not None
                and each.offset == last.stop
                and each.fill == last.fill
                and len(each.fill) == 1
            ):
                merged[-1] = Blank(last.offset, last.length + each.length, each.fill)
            elif last is None or each.offset >= last.stop:
                merged.append(each)
            elif each.stop > last.stop:
                rest = each.stop - last.stop
                merged.append(Blank(last.stop, rest, each.fill if len(each.fill) == 1 else NOTHING))
        require(len(merged) <= MAX_BLANKS)
        return merged

    def applied(self, block: Block) -> bytes:
        """The block's bytes as they will be; for a block in one piece."""
        form = bytearray(block.data[:])
        ((_, base),) = block.pieces
        for each in self.blanks():
            form[each.offset - base : each.stop - base] = each.content(each.offset, each.stop)
        return bytes(form)
