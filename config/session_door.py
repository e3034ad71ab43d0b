"""The door of resumable sessions on the local store: Google's protocol, so that clients written for it need no change.

https://cloud.google.com/storage/docs/performing-resumable-uploads. A path that ends in an unguessable token takes
bytes in chunks, says how many it has, and goes on where it stopped. What a body brought counts once it is synced.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

from config.door_http import Batches, Body, ClientGone, Header, Scope, Send, answer, headers_of, refuse
from galleries.errors import GalleryError
from uploads import events
from uploads.errors import BadRange, BodyTooSlow, LengthRequired, RangeGap, UrlRefused
from uploads.lanes.local_sessions import LocalSession, LocalSessions, SessionWriter, Standing
from uploads.origins import own_origins

Result = TypeVar("Result")

CONTENT_RANGE: Final = re.compile(r"bytes (?:([0-9]{1,15})-([0-9]{1,15})|\*)/([0-9]{1,15})", re.ASCII)
RESUME_INCOMPLETE: Final = HTTPStatus.PERMANENT_REDIRECT
# What Google answers to a DELETE that did its work; no word of HTTP.
CANCELLED_STATUS: Final = 499
PREFLIGHT_KEPT_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes that a request brings. None of them (`length_bytes` is 0): it only asks."""

    first_byte: int
    length_bytes: int


class SessionDoor:
    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._own_origins = own_origins()

    async def answer(self, sessions: LocalSessions, scope: Scope, body: Body, send: Send) -> None:
        """Raises: ClientGone."""
        allowed = self._own_origins
        try:
            if scope["method"] == "OPTIONS" and headers_of(scope).get("origin") in allowed:
                # Also where the session is gone: a page that may not ask is not told so either.
                status, headers = HTTPStatus.NO_CONTENT.value, PREFLIGHT_HEADERS
            else:
                session = await self._in_thread(lambda: sessions.find(scope["path"], now_s=time.time()))
                allowed |= {session.plan.origin}
                status, headers = await self._done(session, scope, body)
        except GalleryError as refusal:
            events.door_refused("session", refusal)
            await refuse(refusal, scope, body, send, [*stored_of(refusal), *cors_headers(scope, allowed)])
        else:
            await answer(send, status, [*headers, *cors_headers(scope, allowed)])

    async def _done(self, session: LocalSession, scope: Scope, body: Body) -> tuple[int, Sequence[Header]]:
        match scope["method"]:
            case "PUT":
                return told(await self._put(session, scope, body))
            case "DELETE":
                await self._in_thread(session.cancel)
                return CANCELLED_STATUS, ()
            case "OPTIONS":
                return HTTPStatus.NO_CONTENT, PREFLIGHT_HEADERS
            case _:
                raise UrlRefused

    async def _put(self, session: LocalSession, scope: Scope, body: Body) -> Standing:
        chunk = chunk_of(headers_of(scope), size_bytes=session.plan.size_bytes)
        if chunk.length_bytes == 0:
            return await self._in_thread(session.standing)
        writer = await self._in_thread(lambda: session.writer(chunk.first_byte))

        def leave() -> None:
            """Also after a cancelled request, whose thread may still write."""
            with writer:
                writer.keep()

        try:
            return await self._take(writer, body)
        finally:
            self._threads.submit(leave)

    async def _take(self, writer: SessionWriter, body: Body) -> Standing:
        batches = Batches(self._threads, writer.write)

        def end(rest: Sequence[bytes]) -> Standing:
            with writer:
                writer.write(rest)
                return writer.end()

        try:
            rest = await batches.take_all(body)
        except (ClientGone, BodyTooSlow):
            await batches.hand_over()
            await batches.settle()
            raise
        return await self._in_thread(lambda: end(rest))

    async def _in_thread(self, ask: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


def chunk_of(headers: Mapping[str, str], *, size_bytes: int) -> Chunk:
    """Without Content-Range the body is the whole file.

    Raises: BadRange. LengthRequired for a body of unknown length.
    """
    if "transfer-encoding" in headers or not headers.get("content-length", "0").isdigit():
        raise LengthRequired
    body_bytes = int(headers.get("content-length", "0"))
    chunk, total_bytes = announced(headers.get("content-range", f"bytes 0-{body_bytes - 1}/{body_bytes}"))
    if total_bytes != size_bytes:
        raise BadRange(declared_bytes=size_bytes, total_bytes=total_bytes)
    if chunk.length_bytes != body_bytes or chunk.first_byte + chunk.length_bytes > size_bytes:
        raise BadRange(body_bytes=body_bytes)
    return chunk


def announced(content_range: str) -> tuple[Chunk, int]:
    found = CONTENT_RANGE.fullmatch(content_range)
    if found is None:
        raise BadRange
    if found[1] is None:
        return Chunk(0, 0), int(found[3])
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise BadRange
    return Chunk(first, last - first + 1), int(found[3])


def told(standing: Standing) -> tuple[int, Sequence[Header]]:
    if standing.is_whole:
        return HTTPStatus.OK, [(b"etag", f'"{standing.etag}"'.encode())]
    return RESUME_INCOMPLETE, range_headers(standing.offset_bytes)


def stored_of(refusal: GalleryError) -> Sequence[Header]:
    """After a gap the client is told where to go on, as after any chunk."""
    match refusal:
        case RangeGap(details={"stored_bytes": int(stored_bytes)}):
            return range_headers(stored_bytes)
        case _:
            return ()


def range_headers(stored_bytes: int) -> Sequence[Header]:
    """None where nothing is stored: a range can't be empty."""
    return [(b"range", f"bytes=0-{stored_bytes - 1}".encode())] if stored_bytes else ()


# A page of another origin may read these, and send those.
PREFLIGHT_HEADERS: Final[Sequence[Header]] = (
    (b"access-control-allow-methods", b"PUT, DELETE"),
    (b"access-control-allow-headers", b"content-type, content-range"),
    (b"access-control-max-age", str(PREFLIGHT_KEPT_S).encode()),
)
READABLE: Final = b"etag, range"


def cors_headers(scope: Scope, allowed: frozenset[str]) -> Sequence[Header]:
    origin = headers_of(scope).get("origin")
    if origin is None or origin not in allowed:
        return ()
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", READABLE),
        (b"vary", b"origin"),
    )
