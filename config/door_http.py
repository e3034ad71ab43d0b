"""What both doors of the local store share: bodies as they come, batches on their way to the disk, answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor
from typing import Any, Final

from galleries.errors import GalleryError
from uploads.errors import BodyTooSlow
from uploads.limits import MIB

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
Header = tuple[bytes, bytes]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A hand-over to a thread costs about 60 microseconds, as much as writing this.
BATCH_BYTES: Final = 256 * 1024
# Below it a refused body is read to its end, so that the client reads our answer instead of a reset.
MAX_DRAINED_BYTES: Final = 16 * MIB
MAX_SILENCE_S: Final = 60.0


class ClientGone(Exception):
    """It hung up; there is nobody to answer."""


class Body:
    """The body of one request as it arrives. To read on after its end is to wait for a hang-up."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_read = False
        self.is_stalled = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises: ClientGone. BodyTooSlow after a minute of silence."""
        while not self.is_read:
            message = await self._next_message()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self.is_read = not message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk

    async def drop_rest(self) -> bool:
        """False when the client fell silent before its end.

        Raises: ClientGone.
        """
        try:
            async for _ in self.chunks():
                pass
        except BodyTooSlow:
            return False
        return True

    async def _next_message(self) -> Message:
        try:
            async with asyncio.timeout(MAX_SILENCE_S):
                return await self._receive()
        except TimeoutError as error:
            self.is_stalled = True
            raise BodyTooSlow from error


class Batches:
    """Hands bytes to a thread in batches: one is written while the next one arrives."""

    def __init__(self, threads: Executor, write: Callable[[Sequence[bytes]], None]) -> None:
        self._threads, self._write = threads, write
        self._writing: asyncio.Future[None] | None = None
        self._batch: list[bytes] = []
        self._batch_bytes = 0

    async def take_all(self, body: Body) -> list[bytes]:
        """The last batch is left to the caller, whose thread may then do more than write."""
        async for chunk in body.chunks():
            if self._batch_bytes >= BATCH_BYTES:
                await self.hand_over()
            self._batch.append(chunk)
            self._batch_bytes += len(chunk)
        await self.settle()
        return self._batch

    async def hand_over(self) -> None:
        await self.settle()
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._threads, self._write, self._batch)
        self._batch, self._batch_bytes = [], 0

    async def settle(self) -> None:
        """Waits for what is being written, and raises what befell it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def refuse(
    refusal: GalleryError, scope: Scope, body: Body, send: Send, more: Sequence[Header] = ()
) -> None:
    """A small body is read and dropped first: a client that is still sending may not see an early answer."""
    headers: list[Header] = [(b"content-type", b"application/json"), *more]
    is_worth_reading = body.is_read or (not body.is_stalled and is_worth_draining(headers_of(scope)))
    if not (is_worth_reading and await body.drop_rest()):
        headers.append((b"connection", b"close"))
    await answer(send, refusal.status, headers, json.dumps({"error": refusal.as_wire()}).encode())


def is_worth_draining(headers: Mapping[str, str]) -> bool:
    """A client that waits for "100 Continue" has sent nothing yet."""
    length = headers.get("content-length", "")
    return length.isdigit() and int(length) <= MAX_DRAINED_BYTES and "expect" not in headers


async def answer(send: Send, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": int(status), "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
