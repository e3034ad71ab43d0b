"""Progress that Redis has lost, of files whose page is gone: the stores say what they have."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import redis

from uploads import ledger, progress
from uploads.janitor.deed import Deed, known_stores
from uploads.janitor.silence import looked_at
from uploads.ledger import Report
from uploads.models import Upload
from uploads.presign import Look
from uploads.states import State

log = logging.getLogger(__name__)

# Of these the store has something before all is there.
IN_PIECES: Final = ("multipart", "resumable")
GALLERIES_AT_ONCE: Final = 100
FILES_OF_ONE: Final = 200


def recollections(now: datetime) -> Iterator[Deed]:
    """Once for each gallery that the ledger has begun anew, and a bounded number of files of it."""
    del now
    receiving = Upload.objects.filter(state=State.SIGNED, lane__in=IN_PIECES, store__in=known_stores())
    gallery_ids = list(
        receiving.order_by().values_list("gallery_id", flat=True).distinct()[:GALLERIES_AT_ONCE]
    )
    try:
        asked = ledger.asked_stores(gallery_ids)
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
        return
    for gallery_id, is_asked in zip(gallery_ids, asked, strict=True):
        if not is_asked:
            yield Deed("recall progress of", [str(gallery_id)], partial(recall, gallery_id))


def recall(gallery_id: UUID) -> int:
    """What a page has said meanwhile stands where it is more. Returns how many files the stores have some of."""
    uploads = list(
        Upload.objects.filter(
            gallery_id=gallery_id, state=State.SIGNED, lane__in=IN_PIECES, store__in=known_stores()
        ).order_by("-active_at")[:FILES_OF_ONE]
    )
    seen = looked_at(unheard_of(uploads))
    stored = {(upload.pk, upload.actor): stored_bytes(upload, look) for upload, look in seen}
    known = {key: count for key, count in stored.items() if count}
    try:
        progress.take_reports([Report(gallery_id, known)])
        if not any(look.refusal for _, look in seen):
            ledger.note_asked(gallery_id)
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
    return len(known)


def unheard_of(uploads: Sequence[Upload]) -> list[Upload]:
    known = ledger.stored_of((upload.gallery_id, upload.pk) for upload in uploads)
    return [upload for upload in uploads if not known.get(upload.pk)]


def stored_bytes(upload: Upload, seen: Look) -> int:
    return upload.size if seen.is_whole else seen.offset_bytes or sum(seen.parts.values())
