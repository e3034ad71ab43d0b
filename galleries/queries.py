"""Reads for pages and the API: a constant number of queries, pages by keyset."""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, OuterRef, Prefetch, Q, Subquery
from django.utils import timezone

from galleries.errors import BadRequest
from galleries.models import Gallery, GallerySort, Photo, PhotoStatus, Rendition
from galleries.ports import Totals, filler
from galleries.states import GalleryState, gallery_state
from galleries.text import clean_text

# How each sort pages: the column, with the id to break ties.
SORT_COLUMNS = {GallerySort.CAPTURED: "sort_at", GallerySort.NAME: "name", GallerySort.ADDED: "added_at"}


@dataclass(frozen=True)
class GalleryView:
    """A gallery with what is derived for it."""

    gallery: Gallery
    totals: Totals
    state: GalleryState
    cover: Photo | None = None


@dataclass(frozen=True)
class PhotoPage:
    photos: Sequence[Photo]
    next_cursor: str | None
    version: int


def view_of(gallery: Gallery) -> GalleryView:
    return views_of([gallery])[0]


def views_of(galleries: Sequence[Gallery]) -> list[GalleryView]:
    """Four queries, however many galleries."""
    totals = filler().progress_of([gallery.pk for gallery in galleries])
    covers = covers_of(galleries)
    return [
        GalleryView(
            gallery=gallery,
            totals=totals[gallery.pk],
            state=gallery_state(totals[gallery.pk].files, gallery.photo_count),
            cover=covers.get(gallery.pk),
        )
        for gallery in galleries
    ]


def covers_of(galleries: Sequence[Gallery]) -> dict[uuid.UUID, Photo]:
    """The chosen cover, else the first photo added. Chosen covers in one query, the others in one more."""
    chosen = [gallery.cover_photo_id for gallery in galleries if gallery.cover_photo_id]
    covers = {
        photo.gallery_id: photo
        for photo in Photo.objects.ready().filter(pk__in=chosen).prefetch_related("renditions")
    }
    missing = [gallery.pk for gallery in galleries if gallery.pk not in covers and gallery.photo_count]
    return covers | {photo.gallery_id: photo for photo in first_photos(missing)}


def first_photos(gallery_ids: Sequence[uuid.UUID]) -> Sequence[Photo]:
    if not gallery_ids:
        return []
    first = Photo.objects.ready().filter(gallery_id=OuterRef("pk")).order_by("sort_at", "id").values("pk")[:1]
    ids = Gallery.objects.filter(pk__in=gallery_ids).values_list(Subquery(first), flat=True)
    return list(Photo.objects.filter(pk__in=list(ids)).prefetch_related("renditions"))


def list_galleries(user_id: uuid.UUID) -> list[GalleryView]:
    return views_of(list(Gallery.objects.live().owned_by(user_id).order_by("-created_at", "id")))


def list_deleted_galleries(user_id: uuid.UUID) -> list[Gallery]:
    """Those that can be brought back, the last deleted first. One query."""
    deleted = Gallery.objects.restorable(timezone.now()).owned_by(user_id)
    return list(deleted.order_by("-deleted_at", "id"))


def list_photos(gallery: Gallery, *, status: str, cursor: str | None, limit: int) -> PhotoPage:
    """Two queries. The version is that of the gallery in hand, read before the page.

    Raises: BadRequest for a cursor that no answer gave.
    """
    column = SORT_COLUMNS[GallerySort(gallery.sort)]
    photos = Photo.objects.filter(gallery=gallery, status=status)
    if cursor:
        value, photo_id = read_cursor(cursor, column)
        photos = photos.filter(Q(**{f"{column}__gt": value}) | Q(**{column: value, "id__gt": photo_id}))
    found = list(photos.order_by(column, "id").prefetch_related(with_renditions())[: limit + 1])
    for photo in found:  # or each of them would ask for it
        photo.gallery = gallery
    page, more = found[:limit], len(found) > limit
    return PhotoPage(page, write_cursor(page[-1], column) if more else None, gallery.version)


def count_photos(gallery: Gallery, *, status: str) -> int:
    """One query, answered from an index."""
    return Photo.objects.filter(gallery=gallery, status=status).count()


def count_deleted(gallery: Gallery) -> int:
    """Photos that can be brought back. One query."""
    return Photo.objects.restorable(timezone.now()).filter(gallery=gallery).count()


def count_staged(gallery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Of those that have any. One query, answered from an index."""
    staged = Photo.objects.filter(gallery_id__in=gallery_ids, status=PhotoStatus.STAGED)
    return dict(staged.order_by().values_list("gallery_id").annotate(Count("pk")))


def with_renditions() -> Prefetch[str]:
    return Prefetch("renditions", Rendition.objects.order_by("width"))


def get_photos(photo_ids: Sequence[uuid.UUID]) -> list[Photo]:
    """With their renditions and galleries. Two queries."""
    found = Photo.objects.filter(pk__in=photo_ids).select_related("gallery")
    return list(found.prefetch_related(with_renditions()))


def write_cursor(photo: Photo, column: str) -> str:
    value: Any = getattr(photo, column)
    kept = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([column, kept, str(photo.pk)]).encode()).decode()


def read_cursor(cursor: str, column: str) -> tuple[Any, uuid.UUID]:
    try:
        kept_column, value, photo_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if kept_column != column:
            raise BadRequest(cursor="the order of the gallery has changed; begin again")
        return (name_in(value) if column == "name" else moment_in(value)), uuid.UUID(photo_id)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as err:
        raise BadRequest(cursor="unknown") from err


def name_in(value: object) -> str:
    """Raises: ValueError for what no name can be."""
    if not isinstance(value, str) or clean_text(value) != value:
        raise ValueError(value)
    return value


def moment_in(value: str) -> datetime:
    """Raises: ValueError, OverflowError for a time without a zone, or outside the calendar."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment.astimezone(UTC)
