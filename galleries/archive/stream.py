"""The bytes of an archive, pulled from storage only as fast as somebody takes them.

What lies ready here at any moment: a chunk of the file that is being sent, and the first chunk of the next one, so that
nobody waits for a store's first word at every file; of several small files, as many as one chunk would hold.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import Final, cast

from galleries.archive.layout import Part
from galleries.archive.manifest import Archive, Stored
from galleries.blanking import blanked
from galleries.errors import ObjectChanged, StorageUnavailable
from galleries.objects.base import store_named

log = logging.getLogger(__name__)

# About a chunk of a store.
AHEAD_BYTES: Final = 256 * 1024
AHEAD_PIECES: Final = 16  # a file is two, with its header
# What is smaller is sent together with what follows it.
LEAST_SENT_BYTES: Final = 64 * 1024
# Between tries to go on where a store broke off. A try that brings bytes begins anew. The store itself says that it
# does not answer only after its own tries, ten seconds at most.
PAUSES_S: Sequence[float] = (0.2, 0.5, 1.0, 2.0, 4.0)


def archive_bytes(archive: Archive, first: int, stop: int) -> AsyncGenerator[bytes]:
    """From `first` up to but not including `stop`; nothing outside of it is asked for.

    Raises: StorageUnavailable, ObjectMissing, ObjectChanged in the middle of it: then nothing more may be sent.
    """
    return together(content_bytes(archive, first, stop))


async def together(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Headers of small files would each be a packet of their own."""
    held: list[bytes] = []
    held_bytes = 0
    async with aclosing(chunks):
        async for chunk in chunks:
            held.append(chunk)
            held_bytes += len(chunk)
            if held_bytes >= LEAST_SENT_BYTES:
                yield held[0] if len(held) == 1 else b"".join(held)
                held, held_bytes = [], 0
    if held:
        yield b"".join(held)


async def content_bytes(archive: Archive, first: int, stop: int) -> AsyncGenerator[bytes]:
    queue = Queue(archive, first, stop)
    try:
        while (piece := queue.take()) is not None:
            if isinstance(piece, bytes):
                yield piece
                continue
            queue.look_ahead()
            try:
                async for chunk in piece.chunks():
                    yield chunk
            finally:
                await piece.close()
    finally:
        await queue.close()


class Queue:
    """The pieces of a range in order; those at its head that lie in a store have been asked for already."""

    def __init__(self, archive: Archive, first: int, stop: int) -> None:
        self._pieces = self._pieces_of(archive, first, stop)
        self._waiting: deque[bytes | Opened] = deque()
        self._ahead_bytes = 0

    def take(self) -> "bytes | Opened | None":
        """The next piece; None at the end."""
        if not self._waiting:
            self._add_next()
        if not self._waiting:
            return None
        piece = self._waiting.popleft()
        if isinstance(piece, Opened):
            self._ahead_bytes -= piece.length
        return piece

    def look_ahead(self) -> None:
        """Asks for the next file, and for those behind it while all of them together are small."""
        while self._ahead_bytes < AHEAD_BYTES and len(self._waiting) < AHEAD_PIECES:
            if not self._add_next():
                return

    async def close(self) -> None:
        for piece in self._waiting:
            if isinstance(piece, Opened):
                await piece.close()

    def _add_next(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        if isinstance(piece, Opened):
            self._ahead_bytes += piece.length
        self._waiting.append(piece)
        return True

    @staticmethod
    def _pieces_of(archive: Archive, first: int, stop: int) -> "Iterator[bytes | Opened]":
        for piece in archive.layout.pieces(first, stop):
            if isinstance(piece, bytes):
                yield piece
                continue
            content = archive.contents[piece.index]
            if isinstance(content, bytes):
                yield content[piece.offset : piece.offset + piece.length]
            else:
                yield Opened(content, piece)


class Opened:
    """A part of a stored file whose first chunk is on its way from the moment on that this is made."""

    def __init__(self, content: Stored, part: Part) -> None:
        self.length = part.length
        self._chunks = stored_bytes(content, part.offset, part.length)
        self._first = asyncio.ensure_future(anext(self._chunks, b""))

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self._first
        async for chunk in self._chunks:
            yield chunk

    async def close(self) -> None:
        """Safe to call twice. Whatever its first chunk became, nobody wants it any more."""
        self._first.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._first
        await self._chunks.aclose()


async def stored_bytes(content: Stored, offset: int, length: int) -> AsyncGenerator[bytes]:
    """Exactly `length` bytes of the form from `offset` on. What breaks off is gone on with from where it broke.

    Raises: StorageUnavailable when that did not help. ObjectMissing. ObjectChanged.
    """
    stop, pauses = offset + length, iter(PAUSES_S)
    while offset < stop:
        try:
            async with aclosing(bytes_in_one_go(content, offset, stop)) as chunks:
                async for chunk in chunks:
                    yield blanked(chunk, offset, content.blanks) if content.blanks else chunk
                    offset, pauses = offset + len(chunk), iter(PAUSES_S)
        except StorageUnavailable:
            pause_s = next(pauses, None)
            if pause_s is None:
                raise
            log.warning("archive.source_retried store=%s key=%s at=%s", content.store, content.key, offset)
            await asyncio.sleep(pause_s)


async def bytes_in_one_go(content: Stored, offset: int, stop: int) -> AsyncGenerator[bytes]:
    """Raises: StorageUnavailable, also where it ends too soon. ObjectChanged for more than was asked for."""
    stream = store_named(content.store).stream(content.key, offset=offset, length=stop - offset)
    async with aclosing(cast("AsyncGenerator[bytes]", stream)) as chunks:
        async for chunk in chunks:
            if len(chunk) > stop - offset:
                raise ObjectChanged
            yield chunk
            offset += len(chunk)
    if offset < stop:
        raise StorageUnavailable
