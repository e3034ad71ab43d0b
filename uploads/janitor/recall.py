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
from uploads.models import Upload, UploadQuerySet
from uploads.presign import Look
from uploads.states import State

log = logging.getLogger(__name__)

# Of these the store has something before all is there.
IN_PIECES: Final = ("multipart", "resumable")
GALLERIES_AT_ONCE: Final = 100
FILES_AT_ONCE: Final = 200


def recollections(now: datetime) -> Iterator[Deed]:
    """Once for each gallery that the ledger has begun anew, so many galleries in a sweep."""
    del now
    gallery_ids = list(receiving().order_by().values_list("gallery_id", flat=True).distinct())
    try:
        asked = ledger.asked_stores(gallery_ids)
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
        return
    unasked = [gallery_id for gallery_id, is_asked in zip(gallery_ids, asked, strict=True) if not is_asked]
    for gallery_id in unasked[:GALLERIES_AT_ONCE]:
        yield Deed("recall progress of", [str(gallery_id)], partial(recall, gallery_id))


def recall(gallery_id: UUID) -> int:
    """All files of it, those first of which was heard last. Returns how many of them the stores have some of.

    What a page has said meanwhile stands where it is more. With the first store that does not answer it ends, and the
    next sweep asks again.
    """
    ids = list(receiving().filter(gallery_id=gallery_id).order_by("-active_at").values_list("pk", flat=True))
    known_count = 0
    try:
        for first in range(0, len(ids), FILES_AT_ONCE):
            seen = looked_at(unheard_of(list(receiving().filter(pk__in=ids[first : first + FILES_AT_ONCE]))))
            stored = {(upload.pk, upload.actor): stored_bytes(upload, look) for upload, look in seen}
            known = {key: count for key, count in stored.items() if count}
            progress.take_reports([Report(gallery_id, known)])
            known_count += len(known)
            if any(look.refusal for _, look in seen):
                return known_count
        ledger.note_asked(gallery_id)
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
    return known_count


def receiving() -> UploadQuerySet:
    return Upload.objects.filter(state=State.SIGNED, lane__in=IN_PIECES, store__in=known_stores())


def unheard_of(uploads: Sequence[Upload]) -> list[Upload]:
    known = ledger.stored_of((upload.gallery_id, upload.pk) for upload in uploads)
    return [upload for upload in uploads if not known.get(upload.pk)]


def stored_bytes(upload: Upload, seen: Look) -> int:
    return upload.size if seen.is_whole else seen.offset_bytes or sum(seen.parts.values())
