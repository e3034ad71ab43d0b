"""Archives over HTTP: whole, or any range of one; broken off where one may not, or can not, be finished."""

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from galleries import views as pages
from galleries.archive import seats
from galleries.archive.asked import Asked, Remembered
from galleries.archive.manifest import CHECKSUMS_NAME, Archive
from galleries.archive.stream import archive_bytes
from galleries.delivery import range_of
from galleries.errors import ArchiveChanged, GalleryError, TooManyRequests

log = logging.getLogger(__name__)
T = TypeVar("T")

# Whoever may not have it any more gets nothing after at most this and one look.
LOOKS_EVERY_S: Final = 3.0
ZIP: Final = "application/zip"
NOT_IN_QUOTES: Final = re.compile(r"[^ !#-\[\]-~]")  # what ASCII can't say, and quotes


@require_safe
async def download(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponseBase:
    return await answered(request, lambda: gallery_zip(request, gallery_id))


@require_safe
async def checksums(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponseBase:
    """The list that `sha256sum -c` reads beside the unpacked archive of the same address."""
    return await answered(request, lambda: checksum_list(request, gallery_id))


async def answered(
    request: HttpRequest, answer: Callable[[], Awaitable[HttpResponseBase]]
) -> HttpResponseBase:
    try:
        return await answer()
    except GalleryError as refusal:
        return await in_thread(partial(refused, request, refusal))


def refused(request: HttpRequest, refusal: GalleryError) -> HttpResponse:
    """A page for a person, a code for a program."""
    if "text/html" in request.headers.get("Accept", ""):
        answer = pages.refused(request, refusal)
    else:
        answer = JsonResponse({"error": refusal.as_wire()}, status=refusal.status)
    if isinstance(refusal, TooManyRequests):
        answer["Retry-After"] = str(refusal.details["retry_after_s"])
    answer["Cache-Control"] = "no-store"
    return answer


async def gallery_zip(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponseBase:
    asked = Asked.of(request, gallery_id)
    actor, archive = await in_thread(asked.find)
    if quote_etag(archive.etag) in request.headers.get("If-None-Match", ""):
        return with_headers(HttpResponse(status=HTTPStatus.NOT_MODIFIED), archive)
    if request.method == "HEAD":  # ranges are for GET alone: RFC 9110, 14.2
        return spanning(HttpResponse(content_type=ZIP), archive, 0, archive.size)
    refuse_part_of_another(request, archive)
    wanted = range_of(request, archive)
    if wanted is None:
        beyond = HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        beyond["Content-Range"] = f"bytes */{archive.size}"
        return with_headers(beyond, archive)
    first, stop = wanted[0], wanted[1] + 1
    seat = await in_thread(lambda: seats.take(actor.name))
    body = Sending(asked, archive, seat, (first, stop))
    return spanning(StreamingHttpResponse(body, content_type=ZIP), archive, first, stop)


def refuse_part_of_another(request: HttpRequest, archive: Archive) -> None:
    """Who names the archive in the address gets parts of that one, or none.

    Raises: ArchiveChanged.
    """
    named = request.GET.get("v")
    if named is not None and named != archive.etag and "Range" in request.headers:
        raise ArchiveChanged


def spanning(response: HttpResponseBase, archive: Archive, first: int, stop: int) -> HttpResponseBase:
    response["Content-Length"] = str(stop - first)
    if (first, stop) != (0, archive.size):
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {first}-{stop - 1}/{archive.size}"
    return with_headers(response, archive)


def with_headers(response: HttpResponseBase, archive: Archive) -> HttpResponseBase:
    response["ETag"] = quote_etag(archive.etag)
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-transform, max-age=0, must-revalidate"
    response["Content-Disposition"] = attachment(archive.download_name)
    response["X-Content-Type-Options"] = "nosniff"
    return response


def attachment(name: str) -> str:
    """The name in UTF-8, behind one for clients that know ASCII alone (RFC 6266, appendix D)."""
    plain = NOT_IN_QUOTES.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def checksum_list(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponseBase:
    _, archive = await in_thread(Asked.of(request, gallery_id).find)
    response = HttpResponse(archive.checksums, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{CHECKSUMS_NAME}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


class Sending:
    """The body of an answer: the bytes from the first to before the last of `span`, while they may go on.

    Where they may not, or can not, its task is cancelled. Django ends such a request as one whose client has gone,
    and the server closes the connection of an answer that is not whole: what is shorter than its length has failed.
    """

    def __init__(self, asked: Asked, archive: Archive, seat: seats.Seat, span: tuple[int, int]) -> None:
        self._asked, self._archive, self._seat, self._span = asked, archive, seat, span
        self._loop: asyncio.AbstractEventLoop | None = None
        self._chunks = self._watched()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Called by Django in a thread, however the answer has ended; whoever waited to send never comes back."""
        if self._loop is None:
            seats.leave(self._seat)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(asyncio.ensure_future, self._chunks.aclose())

    async def _watched(self) -> AsyncGenerator[bytes]:
        self._loop = asyncio.get_running_loop()
        watcher = asyncio.create_task(self._watch(asyncio.current_task()))
        try:
            async with aclosing(archive_bytes(self._archive, *self._span)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except GalleryError as error:
            Remembered.forget(self._archive)
            log.warning("archive.broken_off gallery=%s code=%s", self._asked.gallery_id, error.code)
            raise asyncio.CancelledError from error
        finally:
            watcher.cancel()
            await in_thread(lambda: seats.leave(self._seat))

    async def _watch(self, sender: "asyncio.Task[object] | None") -> None:
        """Keeps the seat, and ends the sender, whatever it waits for, once its reader may not read any more."""
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            try:
                await in_thread(lambda: seats.keep(self._seat))
                await in_thread(self._asked.refuse_if_revoked)
            except DatabaseError as error:  # says nothing about anybody's rights
                log.warning("archive.not_looked error=%s", type(error).__name__)
            except GalleryError as error:
                log.info("archive.revoked gallery=%s code=%s", self._asked.gallery_id, error.code)
                if sender is not None:
                    sender.cancel()
                return


async def in_thread(act: Callable[[], T]) -> T:
    """What asks the database or Redis. The connection goes back at once: a download may take hours."""

    def act_and_let_go() -> T:
        try:
            return act()
        finally:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:  # whoever began the transaction still needs it
                    connection.close_if_unusable_or_obsolete()

    return await sync_to_async(act_and_let_go)()
