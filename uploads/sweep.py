"""Step 7: what was dropped anywhere is picked up here. Everything may be repeated, and may run twice at once."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from time import monotonic

from django.conf import settings
from django.db import transaction

from galleries.errors import StorageUnavailable
from galleries.models import Gallery, Photo, Rendition, lock_galleries, raise_version
from galleries.objects.base import store_named
from uploads import announce, clock, heartbeats
from uploads.attempts import leftovers_of
from uploads.errors import SessionGone, WrongState
from uploads.intake import discard_of
from uploads.lanes.base import lanes_of
from uploads.limits import ADOPT_AFTER, DEAD_ATTEMPT_KEPT, UPLOAD_LIFE
from uploads.models import Discard, Publication, PublicationState, Upload, move_to
from uploads.presign import Look, look
from uploads.publications import announce_all, follow_up, uploads_moved
from uploads.sealing import unseal
from uploads.states import Event, State

log = logging.getLogger(__name__)
AT_A_TIME = 200


def sweep() -> None:
    adopt()
    expire()
    let_go_of_failures()
    tidy()
    forget_photos()
    abort_orphans_hourly()
    close_publications()
    heartbeats.forget_dead(clock.now())
    ring_if_work_waits()


def ring_if_work_waits() -> None:
    """A bell that was lost, or a lease that ran out."""
    now = clock.now()
    if Upload.objects.waiting(now).exists() or Upload.objects.abandoned(now).exists():
        announce.quietly(announce.ring)


def adopt() -> None:
    """Files whose bytes are all in the store but whose `complete` never came."""
    now = clock.now()
    silent = Upload.objects.filter(
        state=State.SIGNED, url_expires_at__lt=now - ADOPT_AFTER, looked_at=None
    ).order_by("url_expires_at")[:AT_A_TIME]
    for upload, seen in looked_at(list(silent)):
        if seen.is_whole:
            take_in(upload)
        elif seen.refusal is None:
            Upload.objects.filter(pk=upload.pk, version=upload.version).update(looked_at=now)


def expire() -> None:
    """Six days without a sign of life; the store is asked once more before anything ends."""
    silent = Upload.objects.silent_since(clock.now() - UPLOAD_LIFE).order_by("active_at")[:AT_A_TIME]
    for upload, seen in looked_at(list(silent)):
        if seen.is_whole and upload.state == State.SIGNED:
            take_in(upload)
        elif seen.refusal is None:
            end(upload)


def let_go_of_failures() -> None:
    """Bytes of failures that nobody took up for six days. The row stays: a later retry asks for them again."""
    now = clock.now()
    old = Upload.objects.filter(
        state=State.FAILED, ended_at__lt=now - UPLOAD_LIFE, url_expires_at__isnull=False
    )
    for upload in old[:AT_A_TIME]:
        held = Upload.objects.filter(pk=upload.pk, state=State.FAILED, version=upload.version)
        with transaction.atomic():
            if held.update(session="", sealed_session="", part_crcs={}, url_expires_at=None):
                discard_of(upload, now).save()


def looked_at(uploads: Sequence[Upload]) -> list[tuple[Upload, Look]]:
    if not uploads:
        return []
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(zip(uploads, pool.map(look, uploads), strict=True))


def take_in(upload: Upload) -> None:
    move_alone(upload, Event.STORED)


def end(upload: Upload) -> None:
    move_alone(upload, Event.EXPIRE)


def move_alone(upload: Upload, event: Event) -> None:
    """One row in a transaction of its own; whoever was faster wins."""
    now = clock.now()
    try:
        with transaction.atomic():
            lock_galleries(Gallery.objects.filter(pk=upload.gallery_id))
            if event == Event.EXPIRE:
                discard_of(upload, now).save()
                move_to(upload, event, ended_at=now)
            else:
                move_to(upload, event, active_at=now)
            uploads_moved(upload.gallery_id, [upload])
    except WrongState:
        log.info("sweep.overtaken upload_id=%s", upload.pk)


def close_publications() -> None:
    """What waits for files that nobody sends again."""
    running = Publication.objects.filter(state=PublicationState.IN_PROGRESS)
    for gallery_id in list(running.values_list("gallery_id", flat=True).distinct()):
        with transaction.atomic():
            lock_galleries(Gallery.objects.filter(pk=gallery_id))
            if closed := follow_up(gallery_id):
                announce_all(closed, version=raise_version(gallery_id))


def tidy() -> None:
    """Deletes what the list of discards names and no row does."""
    due = Discard.objects.filter(not_before__lte=clock.now()).order_by("not_before")
    throw_away(list(due[:AT_A_TIME]))


def throw_away(due: Sequence[Discard]) -> list[Discard]:
    """What of it is gone now, taken off the list; the rest waits for a store that does not answer."""
    leftovers = {each.pk: leftovers_of(each.key) for each in due}
    kept = kept_keys([key for keys in leftovers.values() for key in keys])
    gone = [each for each in due if thrown_away(each, [key for key in leftovers[each.pk] if key not in kept])]
    Discard.objects.filter(pk__in=[each.pk for each in gone]).delete()
    return gone


def kept_keys(keys: Sequence[str]) -> set[str]:
    """Keys that a photo, a rendition or an open upload lives by: never the janitor's.

    An attempt that is still open keeps all that it may yet leave: its renditions are stored before a row names them.
    """
    open_keys = Upload.objects.open().filter(key__in=keys).values_list("key", flat=True)
    return {
        *Photo.objects.filter(key__in=keys).values_list("key", flat=True),
        *Rendition.objects.filter(key__in=keys).values_list("key", flat=True),
        *(key for open_key in open_keys for key in leftovers_of(open_key)),
    }


def thrown_away(discard: Discard, keys: Sequence[str]) -> bool:
    try:
        if discard.session:
            lanes_of(discard.store).abort_multipart(discard.key, discard.session)
        if discard.sealed_session:
            cancel_sealed(discard)
        store_named(discard.store).delete(keys)
    except StorageUnavailable:
        return False  # it stays on the list
    return True


def cancel_sealed(discard: Discard) -> None:
    """One that nobody can unseal any more ends by itself, when its store forgets it."""
    with suppress(SessionGone):
        lanes_of(discard.store).cancel_resumable(unseal(discard.sealed_session))


def forget_photos() -> None:
    """Photos deleted, or in galleries deleted, more than 24 hours ago: their objects first, then their rows."""
    now = clock.now()
    beyond_restore = Photo.objects.beyond_restore(now).prefetch_related("renditions")[:AT_A_TIME]
    of_galleries = Photo.objects.of_forgotten_galleries(now).prefetch_related("renditions")[:AT_A_TIME]
    for photo in [*beyond_restore, *of_galleries]:
        try:
            store_named(photo.store).delete([photo.key, *[each.key for each in photo.renditions.all()]])
        except StorageUnavailable:
            return
        photo.delete()


class Orphans:
    """When this process has last asked a store for every open session: a listing, so not each time."""

    look_every_s = 3600
    looked_at_s: float | None = None


def abort_orphans_hourly() -> None:
    if Orphans.looked_at_s is None or monotonic() - Orphans.looked_at_s >= Orphans.look_every_s:
        Orphans.looked_at_s = monotonic()
        abort_orphans(clock.now())


def abort_orphans(now: datetime) -> None:
    """Sessions that no row names: whoever opened them died before writing it down."""
    lanes = lanes_of(settings.PHOTO_STORE)
    try:
        old = [
            each for each in lanes.list_sessions("originals/") if each.started_at < now - DEAD_ATTEMPT_KEPT
        ]
        named = {
            *Upload.objects.filter(session__in=[each.session for each in old]).values_list(
                "session", flat=True
            ),
            *Discard.objects.filter(session__in=[each.session for each in old]).values_list(
                "session", flat=True
            ),
        }
        for each in old:
            if each.session not in named:
                log.info("sweep.orphan_session key=%s", each.key)
                lanes.abort_multipart(each.key, each.session)
    except StorageUnavailable:
        log.warning("sweep.sessions_unknown store=%s", settings.PHOTO_STORE)
