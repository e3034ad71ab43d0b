"""Bytes that rows have let go of: the list of discards, failures nobody took up, photos deleted for good."""

import logging
import operator
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db import transaction

from galleries.errors import GalleryError, StorageUnavailable
from galleries.models import Gallery, Photo, PhotoStatus, lock_galleries, raise_version
from galleries.objects.base import store_named
from uploads import crash_points, events
from uploads.attempts import leftovers_of
from uploads.intake import discard_of
from uploads.janitor.deed import Deed, known_stores, some_of
from uploads.janitor.liveness import kept_of
from uploads.janitor.patience import ask_all
from uploads.lanes.base import lanes_of
from uploads.limits import UPLOAD_LIFE
from uploads.models import Discard, Sidecar, Upload
from uploads.resumable import cancel_resumable
from uploads.states import State

log = logging.getLogger(__name__)
# Whoever restores a photo looks at the clock before waiting for locks, 20 s at most; clocks differ a little too.
RESTORE_MAY_LAST: Final = timedelta(seconds=30)


def failures(now: datetime) -> Iterator[Deed]:
    """Those that nobody took up for six days let go of their bytes. The row stays: a retry asks for them again."""
    old = Upload.objects.filter(
        state=State.FAILED, ended_at__lt=now - UPLOAD_LIFE, url_expires_at__isnull=False
    )
    for upload in some_of(old, "ended_at"):
        yield Deed("let go of the bytes of", [str(upload.pk)], partial(let_go, upload, now))


def let_go(upload: Upload, now: datetime) -> int:
    held = Upload.objects.filter(
        pk=upload.pk, state=State.FAILED, version=upload.version, url_expires_at__isnull=False
    )
    gone = discard_of(upload, now)
    with transaction.atomic():
        if held.update(session="", sealed_session="", part_crcs={}, url_expires_at=None):
            gone.save()
    return 1


def discards(now: datetime) -> Iterator[Deed]:
    """What the list names and no row does."""
    for store in known_stores():
        due = Discard.objects.filter(store=store, not_before__lte=now)
        if rows := some_of(due, "not_before"):
            yield Deed("throw away", [row.key for row in rows], partial(clear, rows))


def clear(due: Sequence[Discard]) -> int:
    return len(throw_away(due))


def throw_away(due: Sequence[Discard]) -> list[Discard]:
    """All of one store. What of it is gone now, taken off the list; the rest waits until the store answers."""
    known = [each for each in due if each.store in known_stores()]
    leftovers = {each.pk: leftovers_of(each.key) for each in known}
    kept = kept_of(key for keys in leftovers.values() for key in keys)
    dead = [(each, [key for key in leftovers[each.pk] if key not in kept]) for each in known]
    is_gone = ask_all(thrown_away, dead, unavailable=False, is_unavailable=operator.not_)
    crash_points.reached("sweep.after_discards")
    gone = [each for (each, _), was in zip(dead, is_gone, strict=True) if was]
    Discard.objects.filter(pk__in=[each.pk for each in gone]).delete()
    tell_of_sessions(gone)
    return gone


def tell_of_sessions(gone: Sequence[Discard]) -> None:
    for discard in gone:
        if discard.session:
            events.session_ended(events.MULTIPART_ABORTED, discard.store)
        if discard.sealed_session:
            events.session_ended(events.RESUMABLE_CANCELLED, discard.store)


def thrown_away(dead: tuple[Discard, Sequence[str]]) -> bool:
    discard, keys = dead
    try:
        end_sessions(discard)
        store_named(discard.store).delete(keys)
    except GalleryError as error:  # whatever it is, the others must go
        log.warning("sweep.not_thrown_away store=%s key=%s code=%s", discard.store, discard.key, error.code)
        return False  # it stays on the list
    return True


def end_sessions(discard: Discard) -> None:
    """First, so that nothing is stored after the object is gone.

    Raises: StorageUnavailable.
    """
    if discard.session:
        lanes_of(discard.store).abort_multipart(discard.key, discard.session)
    if discard.sealed_session:
        cancel_resumable(discard.store, discard.sealed_session)


def photos(now: datetime) -> Iterator[Deed]:
    """Deleted, or in galleries deleted, more than 24 hours ago: their objects first, then their rows."""
    certain = now - RESTORE_MAY_LAST
    for store in known_stores():
        rows = Photo.objects.filter(store=store).prefetch_related("renditions")
        beyond_restore = some_of(rows.beyond_restore(certain), "deleted_at")
        of_galleries = some_of(rows.of_forgotten_galleries(certain), "gallery_id")
        found = {photo.pk: photo for photo in [*beyond_restore, *of_galleries]}
        if found:
            subjects = [str(pk) for pk in found]
            yield Deed("forget the photos", subjects, partial(forget_all, [*found.values()]))


def forget_all(found: Sequence[Photo]) -> int:
    """Stops at a store that does not answer: it would not answer for the next one either."""
    done = 0
    objects_gone = ask_all(objects_deleted, found, unavailable=False, is_unavailable=operator.not_)
    crash_points.reached("sweep.after_photo_objects")
    gone = [photo for photo, was in zip(found, objects_gone, strict=True) if was]
    for gallery_id, of_gallery in groupby(sorted(gone, key=gallery_of), key=gallery_of):
        done += forget(gallery_id, list(of_gallery))
    return done


def gallery_of(photo: Photo) -> str:
    return str(photo.gallery_id)


def objects_deleted(photo: Photo) -> bool:
    try:
        store_named(photo.store).delete([photo.key, *[each.key for each in photo.renditions.all()]])
    except StorageUnavailable:
        log.warning("sweep.storage_unavailable store=%s photo_id=%s", photo.store, photo.pk)
        return False  # the row stays, and names what is left
    return True


def forget(gallery_id: str, found: Sequence[Photo]) -> int:
    """Photos of a deleted gallery may have been shown: it counts them no longer."""
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=gallery_id))
        left = Photo.objects.filter(pk__in=[photo.pk for photo in found])
        shown = list(left.filter(status=PhotoStatus.READY).values_list("size", flat=True))
        Sidecar.objects.filter(upload__photo__in=left).delete()
        left.delete()
        if shown:
            raise_version(found[0].gallery_id, photos=-len(shown), size=-sum(shown))
    return len(found)


def sidecars(now: datetime) -> Iterator[Deed]:
    """Notes about what became no photo: kept as long as its bytes may still come."""
    old = Sidecar.objects.filter(upload__photo=None, upload__ended_at__lt=now - UPLOAD_LIFE)
    if rows := some_of(old, "added_at"):
        ids = [row.pk for row in rows]
        yield Deed("forget the notes", [str(pk) for pk in ids], partial(forget_notes, ids))


def forget_notes(ids: Sequence[UUID]) -> int:
    """Not of one that was chosen again meanwhile."""
    gone, _ = Sidecar.objects.filter(pk__in=ids, upload__ended_at__isnull=False).delete()
    return gone
