"""What an owner does with photos that are there: delete them, bring them back within a day."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from galleries.errors import GalleryError, RestoreExpired
from galleries.models import (
    DELETED_KEPT_FOR,
    LIVE_STATUSES,
    Gallery,
    Photo,
    PhotoStatus,
    lock_galleries,
    raise_version,
)
from galleries.ports import Room, filler

# In one transaction: whoever else changes photos of the same gallery waits for it.
RESTORED_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Counted:
    """How the visible photos of a gallery changed."""

    ready_count: int = 0
    ready_bytes: int = 0


def delete_photos(gallery_id: uuid.UUID, photo_ids: Sequence[uuid.UUID]) -> None:
    """Hides them at once; their bytes stay for 24 hours. Safe to repeat. Four statements."""
    now = timezone.now()
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=gallery_id))
        photos = list(Photo.objects.select_for_update().filter(gallery_id=gallery_id, pk__in=photo_ids))
        alive = [photo for photo in photos if photo.status != PhotoStatus.DELETED]
        if not alive:
            return
        seen = counted(alive)
        Photo.objects.filter(pk__in=[photo.pk for photo in alive]).update(
            status_before_delete=F("status"),
            status=PhotoStatus.DELETED,
            deleted_at=now,
            version=F("version") + 1,
        )
        announce_change(gallery_id, alive, photos=-seen.ready_count, size=-seen.ready_bytes)


def restore_photos(gallery_id: uuid.UUID, photo_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, GalleryError]:
    """Gives them the state they had, in this order, while the gallery has room. Safe to repeat.

    Returns:
        Why those that stay deleted do: after more than 24 hours, or because the gallery is full.
    """
    now, place = timezone.now(), {photo_id: index for index, photo_id in enumerate(photo_ids)}
    refusals: dict[uuid.UUID, GalleryError] = {}
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=gallery_id))
        photos = Photo.objects.select_for_update().filter(gallery_id=gallery_id, pk__in=photo_ids)
        deleted = [photo for photo in photos if photo.status == PhotoStatus.DELETED]
        if not deleted:
            return refusals
        room, back = filler().room_in(gallery_id), []
        for photo in sorted(deleted, key=lambda photo: place[photo.pk]):
            try:
                refuse_to_bring_back(photo, room, now)
            except GalleryError as refusal:
                refusals[photo.pk] = refusal
            else:
                back.append(photo)
        if back:
            seen = bring_back(back)
            announce_change(gallery_id, back, photos=seen.ready_count, size=seen.ready_bytes)
    return refusals


@dataclass(frozen=True)
class BroughtBack:
    back_count: int
    left_count: int


def restore_deleted(gallery_id: uuid.UUID) -> BroughtBack:
    """All that was deleted within its day, the last deleted first, while the gallery has room. Safe to repeat."""
    restorable = Photo.objects.restorable(timezone.now()).filter(gallery_id=gallery_id)
    photo_ids = list(restorable.order_by("-deleted_at", "id").values_list("pk", flat=True))
    left_count = sum(
        len(restore_photos(gallery_id, photo_ids[start : start + RESTORED_AT_ONCE]))
        for start in range(0, len(photo_ids), RESTORED_AT_ONCE)
    )
    return BroughtBack(len(photo_ids) - left_count, left_count)


def refuse_to_bring_back(photo: Photo, room: Room, now: datetime) -> None:
    """Raises: RestoreExpired. GalleryFull."""
    if not is_restorable(photo, now):
        raise RestoreExpired
    room.take_back(photo.size)


def is_restorable(photo: Photo, now: datetime) -> bool:
    return photo.deleted_at is not None and photo.deleted_at > now - DELETED_KEPT_FOR


def bring_back(photos: Sequence[Photo]) -> Counted:
    """Inside the caller's transaction, on rows it holds; the caller raises the gallery's version.

    Who brings a photo back wants it, also where the same bytes have been added again meanwhile.
    """
    if not photos:
        return Counted()
    taken = bytes_taken(photos)
    for photo in photos:
        photo.status, photo.status_before_delete = photo.status_before_delete or PhotoStatus.STAGED, ""
        photo.deleted_at, photo.version = None, photo.version + 1
        identity = (photo.gallery_id, photo.size, photo.crc32)
        photo.is_wanted_copy = photo.is_wanted_copy or identity in taken
        if photo.status in LIVE_STATUSES:
            taken.add(identity)
    Photo.objects.bulk_update(
        photos, ["status", "status_before_delete", "deleted_at", "version", "is_wanted_copy"]
    )
    return counted(photos)


def bytes_taken(photos: Sequence[Photo]) -> set[tuple[uuid.UUID, int, str]]:
    """Gallery, size and CRC-32 of live photos that may be the same bytes. One query."""
    galleries, crcs = {photo.gallery_id for photo in photos}, {photo.crc32 for photo in photos}
    live = Photo.objects.live().filter(gallery_id__in=galleries, crc32__in=crcs)
    return set(live.values_list("gallery_id", "size", "crc32"))


def counted(photos: Sequence[Photo]) -> Counted:
    ready = [photo for photo in photos if photo.status == PhotoStatus.READY]
    return Counted(len(ready), sum(photo.size for photo in ready))


def announce_change(gallery_id: uuid.UUID, changed: Sequence[Photo], *, photos: int, size: int) -> None:
    version = raise_version(gallery_id, photos=photos, size=size)
    filler().photos_changed(gallery_id, version=version, photo_ids=[photo.pk for photo in changed])
