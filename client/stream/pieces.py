"""A body in pieces, for HTTP clients whose patience counts for each piece of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# On a line of 75 kbit/s a piece takes half a minute.
PIECE_BYTES: Final = 256 * 1024


async def in_pieces(body: bytes | memoryview) -> AsyncIterator[bytes]:
    view = memoryview(body)
    for at in range(0, len(view), PIECE_BYTES):
        yield bytes(view[at : at + PIECE_BYTES])
