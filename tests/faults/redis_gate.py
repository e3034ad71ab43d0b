"""A gate in front of a Redis, which loses its clients at a chosen command, or falls shut as if Redis had died.

It counts what clients send, pipelined or not, whichever connection it comes on. A thread of the test runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dev.services.redis import url_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

READ_BYTES: Final = 65_536
# Remote control listens on a connection of its own; a worker asks for work on another.
LISTENING: Final = "PSUBSCRIBE"
ANSWERS_WITHIN_S: Final = 10


@dataclass(eq=False)
class Line:
    """One client and its connection to Redis."""

    client: asyncio.StreamWriter
    redis: asyncio.StreamWriter
    is_listening: bool = False

    def reset(self) -> None:
        self.client.transport.abort()
        self.redis.transport.abort()


@dataclass
class Commands:
    """Splits what a client sends; see https://redis.io/docs/latest/develop/reference/protocol-spec/ (2026)."""

    rest: bytes = b""

    def whole_in(self, raw: bytes) -> Iterator[bytes]:
        self.rest += raw
        while end := self.end_of_first():
            whole, self.rest = self.rest[:end], self.rest[end:]
            yield whole

    def end_of_first(self) -> int:
        """0 while it is not all there."""
        line_end = self.rest.find(b"\r\n")
        if line_end < 0:
            return 0
        position = line_end + 2
        for _ in range(int(self.rest[1:line_end])):
            line_end = self.rest.find(b"\r\n", position)
            if line_end < 0:
                return 0
            position = line_end + 2 + int(self.rest[position + 1 : line_end]) + 2
        return position if position <= len(self.rest) else 0


def name_of(command: bytes) -> str:
    return command.split(b"\r\n")[2].decode()


class RedisGate:
    """Open from the start; `stop` it."""

    _server: asyncio.Server

    def __init__(self, path: Path, upstream: Path) -> None:
        self.path, self.upstream = path, upstream
        self.has_fallen = threading.Event()
        self._lines: set[Line] = set()
        self._falls_in: int | None = None
        self._is_executed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="redis-gate", daemon=True)
        self._thread.start()
        self.open()

    @property
    def url(self) -> str:
        return url_of(self.path)

    def stop(self) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def fall_at(self, number: int, *, is_executed: bool) -> None:
        """All clients are lost at this command from now on (from 0); Redis has done it, or never heard of it."""
        self.has_fallen.clear()
        self._is_executed, self._falls_in = is_executed, number

    def shut(self, *, listening_first: bool = True) -> None:
        """Nobody is let in until `open`; who listens, or who asks, notices a moment before the others."""
        self._do(self._shut(listening_first=listening_first))

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._do(self._open())

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(ANSWERS_WITHIN_S)

    async def _open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def _shut(self, *, listening_first: bool) -> None:
        self._server.close()
        for line in sorted(self._lines, key=lambda line: line.is_listening != listening_first):
            line.reset()
            await asyncio.sleep(0.01)  # the other end is another process

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        redis_reader, redis = await asyncio.open_unix_connection(self.upstream)
        line = Line(client, redis)
        self._lines.add(line)
        back = asyncio.create_task(self._answer(redis_reader, client))
        commands = Commands()
        with contextlib.suppress(OSError):
            while raw := await client_reader.read(READ_BYTES):
                for command in commands.whole_in(raw):
                    line.is_listening |= name_of(command) == LISTENING
                    if self._is_the_last():
                        await self._fall(command, redis)
                        break
                    redis.write(command)
                await redis.drain()
        back.cancel()
        self._lines.discard(line)
        line.reset()

    def _is_the_last(self) -> bool:
        if self._falls_in is None:
            return False
        self._falls_in -= 1
        return self._falls_in < 0

    async def _fall(self, command: bytes, redis: asyncio.StreamWriter) -> None:
        self._falls_in = None
        if self._is_executed:
            redis.write(command)
            await redis.drain()
            redis.write_eof()  # Redis reads to the end before it lets go
        for line in self._lines:
            if line.redis is not redis:
                line.redis.transport.abort()
            line.client.transport.abort()
        self.has_fallen.set()

    async def _answer(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while raw := await reader.read(READ_BYTES):
                client.write(raw)
                await client.drain()
        client.transport.abort()
