"""The local store's door: takes the bytes of signed PUTs, ahead of Django, from the socket to the disk.

Pure ASGI. The loop only moves references: writing, CRC and fsync happen in threads, while more bytes arrive.
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from config.door_http import (
    App,
    Batches,
    Body,
    ClientGone,
    Receive,
    Scope,
    Send,
    answer,
    headers_of,
    refuse,
)
from config.session_door import SessionDoor
from galleries.errors import GalleryError
from galleries.objects.base import is_key
from uploads import events
from uploads.errors import LengthRequired, UrlRefused
from uploads.lanes.base import lanes_of
from uploads.lanes.local import LocalLanes
from uploads.lanes.local_urls import WriteTerms

log = logging.getLogger(__name__)

STORE: Final = "local"
WRITING_THREADS: Final = 16


class LocalDoor:
    """Answers what lies below the local store's URL prefix; hands everything else to the next application."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._threads = ThreadPoolExecutor(WRITING_THREADS, thread_name_prefix="local-door")
        self._sessions = SessionDoor(self._threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lanes = local_lanes()
        if scope["type"] != "http" or not scope["path"].startswith(lanes.store.base_url):
            await self.app(scope, receive, send)
            return
        body = Body(receive)
        try:
            if scope["path"].startswith(lanes.sessions.prefix):
                await self._sessions.answer(lanes.sessions, scope, body, send)
            else:
                await self._answer(lanes, scope, body, send)
        except ClientGone:
            log.info("local_door.client_gone")

    async def _answer(self, lanes: LocalLanes, scope: Scope, body: Body, send: Send) -> None:
        try:
            etag = await self._keep(lanes, scope, body)
        except GalleryError as refusal:
            events.door_refused("object", refusal)
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
            rest = await Batches(self._threads, incoming.write).take_all(body)
            return await loop.run_in_executor(self._threads, keep_rest, rest)
        finally:
            # After whatever thread still writes; when all went well there is nothing left to discard.
            self._threads.submit(incoming.discard)


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
    if bool(session) != bool(part_number):
        raise UrlRefused
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
