"""The way to the store: so many bodies at once, and none once it is closed by a pause."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class RoadClosedError(Exception):
    """Paused: what is on its way arrives, nothing else sets out."""


class Road:
    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._in_use = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_closed = False

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises: RoadClosedError."""
        async with self._places:
            if self.is_closed:
                raise RoadClosedError
            self._in_use += 1
            self._empty.clear()
            try:
                yield
            finally:
                self._in_use -= 1
                if not self._in_use:
                    self._empty.set()

    def close(self) -> None:
        self.is_closed = True

    async def empty(self) -> None:
        await self._empty.wait()
