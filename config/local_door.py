"""The local store's door: takes the bytes of signed PUTs, ahead of Django, from the socket to the disk.

Pure ASGI. The loop only moves references: writing, CRC and fsync happen in threads, while more bytes arrive.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from galleries.errors import GalleryError
from galleries.objects.base import is_key
from galleries.objects.local import IncomingFile
from uploads.errors import BodyTooSlow, LengthRequired, UrlRefused
from uploads.lanes.base import lanes_of
from uploads.lanes.local import LocalLanes
from uploads.lanes.local_urls import WriteTerms
from uploads.limits import MIB

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
Header = tuple[bytes, bytes]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

STORE: Final = "local"
# A hand-over to a thread costs about 60 microseconds, as much as writing this.
BATCH_BYTES: Final = 256 * 1024
# Below it a refused body is read to its end, so that the client reads our answer instead of a reset.
MAX_DRAINED_BYTES: Final = 16 * MIB
MAX_SILENCE_S: Final = 60.0
WRITING_THREADS: Final = 16


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


class LocalDoor:
    """Answers what lies below the local store's URL prefix; hands everything else to the next application."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._threads = ThreadPoolExecutor(WRITING_THREADS, thread_name_prefix="local-door")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lanes = local_lanes()
        if scope["type"] != "http" or not scope["path"].startswith(lanes.store.base_url):
            await self.app(scope, receive, send)
            return
        try:
            await self._answer(lanes, scope, Body(receive), send)
        except ClientGone:
            log.info("local_door.client_gone")

    async def _answer(self, lanes: LocalLanes, scope: Scope, body: Body, send: Send) -> None:
        try:
            etag = await self._keep(lanes, scope, body)
        except GalleryError as refusal:
            log.info("local_door.refused code=%s status=%d", refusal.code, refusal.status)
            await refuse(refusal, scope, body, send)
        else:
            await answer(send, HTTPStatus.OK, [(b"etag", f'"{etag}"'.encode())])

    async def _keep(self, lanes: LocalLanes, scope: Scope, body: Body) -> str:
        terms, signature = asked_of(scope, lanes.store.base_url)
        lanes.signer.check(terms, signature, now_s=time.time())
        loop = asyncio.get_running_loop()
        incoming = await loop.run_in_executor(self._threads, lanes.take, terms)

        def keep_rest(rest: list[bytes]) -> str:
            with incoming:
                incoming.write(rest)
                return lanes.settle(incoming, terms)

        try:
            rest = await self._write_all_but_the_last(incoming, body)
            return await loop.run_in_executor(self._threads, keep_rest, rest)
        finally:
            # After whatever thread still writes; when all went well there is nothing left to discard.
            self._threads.submit(incoming.discard)

    async def _write_all_but_the_last(self, incoming: IncomingFile, body: Body) -> list[bytes]:
        """One batch is written while the next one arrives; the last is left to the thread that settles."""
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[None] | None = None
        batch: list[bytes] = []
        batch_bytes = 0
        async for chunk in body.chunks():
            if batch_bytes >= BATCH_BYTES:
                if writing is not None:
                    await writing
                writing = loop.run_in_executor(self._threads, incoming.write, batch)
                batch, batch_bytes = [], 0
            batch.append(chunk)
            batch_bytes += len(chunk)
        if writing is not None:
            await writing
        return batch


def local_lanes() -> LocalLanes:
    lanes = lanes_of(STORE)
    if not isinstance(lanes, LocalLanes):
        raise TypeError(lanes)
    return lanes


def asked_of(scope: Scope, prefix: str) -> tuple[WriteTerms, str]:
    """What this request would need to be allowed, and the signature that should allow it.

    Raises: UrlRefused. LengthRequired for a body of unknown length.
    """
    headers = headers_of(scope)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    key = scope["path"].removeprefix(prefix)
    if scope["method"] != "PUT" or not is_key(key):
        raise UrlRefused
    if "content-length" not in headers:
        raise LengthRequired
    try:
        expires_at_s, part_number = int(query.get("expires", "0")), int(query.get("part", "0"))
    except ValueError as error:
        raise UrlRefused from error
    session = query.get("session", "")
    terms = WriteTerms(
        key=key,
        expires_at_s=expires_at_s,
        size_bytes=int(headers["content-length"]),
        # Browsers add a type of their own to a part, which no store minds.
        content_type="" if session else headers.get("content-type", ""),
        crc32_base64=headers.get("x-amz-checksum-crc32", ""),
        if_none_match=headers.get("if-none-match", ""),
        session=session,
        part_number=part_number,
    )
    return terms, query.get("signature", "")


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def refuse(refusal: GalleryError, scope: Scope, body: Body, send: Send) -> None:
    """A small body is read and dropped first: a client that is still sending may not see an early answer."""
    headers: list[Header] = [(b"content-type", b"application/json")]
    is_worth_reading = body.is_read or (not body.is_stalled and is_worth_draining(headers_of(scope)))
    if not (is_worth_reading and await body.drop_rest()):
        headers.append((b"connection", b"close"))
    await answer(send, refusal.status, headers, json.dumps({"error": refusal.as_wire()}).encode())


def is_worth_draining(headers: Mapping[str, str]) -> bool:
    """A client that waits for "100 Continue" has sent nothing yet."""
    length = headers.get("content-length", "")
    return length.isdigit() and int(length) <= MAX_DRAINED_BYTES and "expect" not in headers


async def answer(send: Send, status: int, headers: list[Header], body: bytes = b"") -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": int(status), "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
