"""Uploads of which nothing is heard: taken in when all their bytes are there, ended after six days."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import redis
from django.db import transaction

from galleries.errors import StorageUnavailable
from galleries.models import Gallery, lock_galleries
from uploads import announce, clock, ledger
from uploads.errors import WrongState
from uploads.intake import discard_of
from uploads.janitor.deed import Deed, known_stores, some_of
from uploads.janitor.patience import ask_all
from uploads.limits import ADOPT_AFTER, UPLOAD_LIFE
from uploads.models import Upload, UploadQuerySet, move_to
from uploads.presign import Look, look
from uploads.publications import uploads_moved
from uploads.states import Event, State

log = logging.getLogger(__name__)
UNAVAILABLE: Final = Look(refusal=StorageUnavailable())
Looked = list[tuple[Upload, Look]]


def adoptions(now: datetime) -> Iterator[Deed]:
    """Files whose bytes are all in the store but whose `complete` never came."""
    for store in known_stores():
        silent = Upload.objects.filter(
            store=store, state=State.SIGNED, url_expires_at__lt=now - ADOPT_AFTER, looked_at=None
        )
        for upload, seen in looked_at(some_of(silent, "url_expires_at")):
            if seen.is_whole:
                yield Deed("adopt", [str(upload.pk)], partial(move_alone, upload, Event.STORED))
            elif seen.refusal is None:
                yield Deed("find bytes missing of", [str(upload.pk)], partial(note_look, upload, seen, now))


def expiries(now: datetime) -> Iterator[Deed]:
    """Six days without a sign of life. The ledger is asked first, then the store, once more."""
    for store in known_stores():
        silent = Upload.objects.silent_since(now - UPLOAD_LIFE).filter(store=store)
        uploads = some_of(silent, "active_at")
        try:
            heard = ledger.heard_of([(upload.gallery_id, upload.pk) for upload in uploads])
        except redis.RedisError:
            log.warning("sweep.ledger_unknown store=%s count=%d", store, len(uploads))
            continue
        lively = [each for each in uploads if each.pk in heard and heard[each.pk] > now - UPLOAD_LIFE]
        for upload in lively:
            yield Deed("keep", [str(upload.pk)], partial(note_sign_of_life, upload, heard[upload.pk]))
        for upload, seen in looked_at([each for each in uploads if each not in lively]):
            if seen.refusal is None:
                yield verdict(upload, seen, now)


def verdict(upload: Upload, seen: Look, now: datetime) -> Deed:
    """On an upload of which nothing was heard: what the store has of it is the last word.

    Of a session a store tells only how far it is, not since when: one that is elsewhere than at the look before has
    been sent to in between.
    """
    if seen.is_whole and upload.state == State.SIGNED:
        return Deed("adopt", [str(upload.pk)], partial(move_alone, upload, Event.STORED))
    if seen.stored_at and seen.stored_at > now - UPLOAD_LIFE:
        return Deed("keep", [str(upload.pk)], partial(note_sign_of_life, upload, seen.stored_at))
    if seen.offset_bytes and seen.offset_bytes != upload.seen_bytes:
        return Deed("keep", [str(upload.pk)], partial(note_growth, upload, seen, now))
    return Deed("expire", [str(upload.pk)], partial(move_alone, upload, Event.EXPIRE))


def looked_at(uploads: Sequence[Upload]) -> Looked:
    """All of one store."""
    seen = ask_all(look, uploads, unavailable=UNAVAILABLE, is_unavailable=is_unavailable)
    return list(zip(uploads, seen, strict=True))


def is_unavailable(seen: Look) -> bool:
    return isinstance(seen.refusal, StorageUnavailable)


def note_look(upload: Upload, seen: Look, now: datetime) -> int:
    """Of a row that was signed again meanwhile nothing is known: signing changes no version."""
    unchanged(upload).update(looked_at=now, seen_bytes=seen.offset_bytes)
    return 1


def note_growth(upload: Upload, seen: Look, now: datetime) -> int:
    """Sent to as late as now, for all we know."""
    unchanged(upload).update(active_at=now, seen_bytes=seen.offset_bytes)
    return 1


def unchanged(upload: Upload) -> UploadQuerySet:
    return Upload.objects.filter(pk=upload.pk, version=upload.version, active_at=upload.active_at)


def note_sign_of_life(upload: Upload, heard_at: datetime) -> int:
    """Neither state nor version changes: reports write to the ledger alone until somebody asks."""
    Upload.objects.filter(pk=upload.pk, active_at__lt=heard_at).update(active_at=heard_at)
    return 1


def move_alone(upload: Upload, event: Event) -> int:
    """One row in a transaction of its own; whoever was faster wins."""
    now = clock.now()
    try:
        with transaction.atomic():
            lock_galleries(Gallery.objects.filter(pk=upload.gallery_id))
            if event == Event.EXPIRE:
                refuse_lively(upload)
                discard_of(upload, now).save()
                move_to(upload, event, ended_at=now)
            else:
                move_to(upload, event, active_at=now)
                announce.ring_after_commit()
            uploads_moved(upload.gallery_id, [upload])
    except WrongState:
        log.info("sweep.overtaken upload_id=%s", upload.pk)
    return 1


def refuse_lively(upload: Upload) -> None:
    """Inside the transaction that holds the gallery: was it signed while the store was asked?

    Raises: WrongState.
    """
    if not unchanged(upload).exists():
        raise WrongState(id=str(upload.pk), state=upload.state)
