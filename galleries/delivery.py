"""Photos on their way to who may see them: access checked, then streamed (local) or redirected to a signed GET."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.views.decorators.http import require_safe

from galleries.access import Action, get_shown_photo
from galleries.blanking import Blank, blanked
from galleries.callers import caller_of
from galleries.download_names import download_name
from galleries.errors import GalleryError, NotFound
from galleries.models import Photo, Rendition
from galleries.objects.base import CACHE_CONTROL, ObjectStore, store_named
from galleries.original_form import form_for
from galleries.renditions import RECIPES, VIEW

# No file has more than 18 digits of bytes, and Python turns no more than 4,300 into a number.
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)

NO_STORE: Final = "no-store"
# What a download is at this moment; another form of it has another ETag.
ASK_AGAIN: Final = "private, max-age=0, must-revalidate"


class Ranged(Protocol):
    """Whatever parts of can be asked for: its size in bytes, its ETag unquoted."""

    @property
    def size(self) -> int: ...

    @property
    def etag(self) -> str: ...


@dataclass(frozen=True)
class Served:
    """One object on its way out. Sizes in bytes; `etag` unquoted."""

    store: ObjectStore
    key: str
    size: int
    etag: str
    media_type: str
    download_name: str | None
    cache_control: str
    blanks: tuple[Blank, ...] = ()


@require_safe
async def original(request: HttpRequest, photo_id: UUID) -> HttpResponseBase:
    """The very bytes that were sent, for others than the owner without the place; always as a download."""
    return await deliver(request, lambda: find_original(request, photo_id))


@require_safe
async def web_size(request: HttpRequest, photo_id: UUID) -> HttpResponseBase:
    """The largest rendition, as a download."""
    return await deliver(request, lambda: find_web_size(request, photo_id))


@require_safe
async def rendition(request: HttpRequest, photo_id: UUID, name: str, digest: str) -> HttpResponseBase:
    return await deliver(request, lambda: find_rendition(request, photo_id, name, digest))


async def deliver(request: HttpRequest, find: Callable[[], Served]) -> HttpResponseBase:
    try:
        served = await sync_to_async(find)()
    except GalleryError as refusal:
        return HttpResponse(refusal.message, status=refusal.status, content_type="text/plain")
    except Unmade as unmade:
        return placeholder(unmade.photo)
    url = signed_url(served)
    if url is None:
        return streamed(request, served)
    is_kept = served.cache_control != NO_STORE
    return HttpResponseRedirect(
        url, headers={"Cache-Control": "private, max-age=60" if is_kept else NO_STORE}
    )


def signed_url(served: Served) -> str | None:
    """None for what has to pass through here: a store would hand out the place with the rest."""
    if served.blanks:
        return None
    return served.store.signed_get(
        served.key, download_name=served.download_name, content_type=served.media_type
    )


def find_original(request: HttpRequest, photo_id: UUID) -> Served:
    actor = caller_of(request)
    photo = get_shown_photo(actor, photo_id, Action.FETCH_ORIGINAL)
    form = form_for(photo, is_owner=actor.owns(photo.gallery))
    return Served(
        store=store_named(photo.store),
        key=form.key,
        size=form.size,
        etag=form.sha256,
        media_type=form.media_type,
        download_name=form.name,
        cache_control=ASK_AGAIN,
        blanks=form.blanks,
    )


def find_web_size(request: HttpRequest, photo_id: UUID) -> Served:
    """Raises: NotFound, also where it is not made yet."""
    photo = get_shown_photo(caller_of(request), photo_id, Action.VIEW)
    view = photo.renditions.filter(name=VIEW.name).first()
    if view is None:
        raise NotFound
    name = download_name(photo.name, view.media_type)
    return served_rendition(photo, view, download_name=name, cache_control=ASK_AGAIN)


def find_rendition(request: HttpRequest, photo_id: UUID, name: str, digest: str) -> Served:
    """Another digest, or a rendition that is not made yet, answers what there is, without being kept.

    Raises: NotFound, and Unmade where there is nothing at all.
    """
    photo = get_shown_photo(caller_of(request), photo_id, Action.VIEW)
    made = {rendition.name: rendition for rendition in photo.renditions.all()}
    if name not in made and name not in {recipe.name for recipe in RECIPES}:
        raise NotFound
    found = made.get(name) or stand_in(made, name)
    if found is None:
        raise Unmade(photo)
    is_asked_for = (found.name, found.recipe) == (name, digest)
    return served_rendition(photo, found, cache_control=CACHE_CONTROL if is_asked_for else NO_STORE)


def served_rendition(
    photo: Photo, rendition: Rendition, *, cache_control: str, download_name: str | None = None
) -> Served:
    return Served(
        store=store_named(photo.store),
        key=rendition.key,
        size=rendition.size,
        etag=rendition.sha256,
        media_type=rendition.media_type,
        download_name=download_name,
        cache_control=cache_control,
    )


class Unmade(Exception):
    """Of a photo that may be seen nothing can be shown yet."""

    def __init__(self, photo: Photo) -> None:
        super().__init__(str(photo.pk))
        self.photo = photo


def stand_in(made: Mapping[str, Rendition], name: str) -> Rendition | None:
    """The next larger one, else the largest of the smaller ones."""
    names = [recipe.name for recipe in RECIPES]  # from large to small
    place = names.index(name)
    return next(
        (made[each] for each in [*reversed(names[:place]), *names[place + 1 :]] if each in made), None
    )


def placeholder(photo: Photo) -> HttpResponse:
    """A calm surface of the photo's shape, never a broken image."""
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {photo.width} {photo.height}">'
        '<rect width="100%" height="100%" fill="#888" fill-opacity=".25"/></svg>'
    )
    response = HttpResponse(picture, content_type="image/svg+xml")
    response["Cache-Control"] = NO_STORE
    guard(response)
    return response


def streamed(request: HttpRequest, served: Served) -> HttpResponseBase:
    """Whole, a range, or nothing when the client has it."""
    if f'"{served.etag}"' in request.headers.get("If-None-Match", ""):
        return with_headers(HttpResponse(status=HTTPStatus.NOT_MODIFIED), served)
    wanted = range_of(request, served)
    if wanted is None:
        beyond = HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        beyond["Content-Range"] = f"bytes */{served.size}"
        return with_headers(beyond, served)
    first, last = wanted
    is_part = (first, last) != (0, served.size - 1)
    body = chunks_of(served, first, last - first + 1) if request.method == "GET" else nothing()
    response = StreamingHttpResponse(body, content_type=served.media_type)
    response["Content-Length"] = str(last - first + 1)
    if is_part:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {first}-{last}/{served.size}"
    return with_headers(response, served)


async def nothing() -> AsyncIterator[bytes]:
    """The body of an answer to HEAD: asynchronous like the other, or Django warns of it."""
    no_chunks: tuple[bytes, ...] = ()
    for chunk in no_chunks:
        yield chunk


async def chunks_of(served: Served, offset: int, length: int) -> AsyncIterator[bytes]:
    async for chunk in served.store.stream(served.key, offset=offset, length=length):
        yield blanked(chunk, offset, served.blanks)
        offset += len(chunk)


def range_of(request: HttpRequest, served: Ranged) -> tuple[int, int] | None:
    """First and last byte; None when no byte of it is there. Several ranges, or a stale If-Range, give the whole."""
    whole = (0, served.size - 1)
    match = RANGE.fullmatch(request.headers.get("Range", "").strip())
    condition = request.headers.get("If-Range")
    if match is None or (condition and condition != f'"{served.etag}"') or match.groups() == ("", ""):
        return whole
    start, end = match.groups()
    if not start:
        return (max(0, served.size - int(end)), served.size - 1) if int(end) else None
    if int(start) >= served.size or (end and int(end) < int(start)):
        return None
    return int(start), min(int(end), served.size - 1) if end else served.size - 1


def with_headers(response: HttpResponseBase, served: Served) -> HttpResponseBase:
    response["ETag"] = f'"{served.etag}"'
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = served.cache_control
    guard(response)
    if served.download_name is not None:
        response["Content-Disposition"] = (
            f"attachment; filename*=UTF-8''{quote(served.download_name, safe='')}"
        )
    return response


def guard(response: HttpResponseBase) -> None:
    """What is shown here can be nothing but a picture."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
