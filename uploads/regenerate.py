"""Photos whose renditions were made by another recipe are developed again, while no upload waits.

Meanwhile the old ones are served. As with uploads the rows are the queue: a worker claims the next one by lease, does
it, and ends it in one transaction that its lease guards. What it stores has keys of its own try, listed as discards
until a row names them, so that nothing is written over and nothing stays of a worker that died.
"""

import hashlib
import logging
import tempfile
import uuid
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import transaction
from django.db.models import Count, F, Q

from galleries.blanking import BlankedForm
from galleries.decode.developer import Developed, Developer
from galleries.errors import GalleryError, StorageUnavailable
from galleries.models import (
    Gallery,
    Photo,
    PhotoQuerySet,
    PhotoStatus,
    Rendition,
    lock_galleries,
    raise_version,
)
from galleries.objects.base import rendition_key, store_named
from galleries.objects.url_life import SIGNED_GET_LIFE_S
from galleries.renditions import RECIPES
from uploads import announce, clock, crash_points, heartbeats
from uploads.errors import ChecksumMismatch, GaveUp, WrongState
from uploads.janitor.deed import Deed
from uploads.janitor.files import SPOOL_PREFIX
from uploads.leases import held, lease
from uploads.limits import DEAD_ATTEMPT_KEPT, MAX_TRIES, RETRY_BASE, RETRY_CAP
from uploads.models import Discard, Regeneration, RegenerationQuerySet
from uploads.verify import (
    PASSING_CODES,
    Spooled,
    all_at_once,
    blanked_columns,
    blanked_of,
    stored_rendition,
)

log = logging.getLogger(__name__)

# One look at what is stale reads all renditions: rows are made for so many at once.
PLANNED_AT_A_TIME: Final = 2_000
# A URL that was given out leads to the old object for so long.
OLD_ONES_KEPT: Final = timedelta(seconds=SIGNED_GET_LIFE_S) + timedelta(hours=1)


def recipes_digest() -> str:
    """Names all recipes of the moment together: 12 hex digits."""
    return hashlib.sha256(" ".join(recipe.digest for recipe in RECIPES).encode()).hexdigest()[:12]


def stale_photos() -> PhotoQuerySet:
    """Photos that can be seen and lack a rendition of today's recipes. Reads all renditions: seconds for a million."""
    up_to_date = Q()
    for recipe in RECIPES:
        up_to_date |= Q(renditions__name=recipe.name, renditions__recipe=recipe.digest)
    made = Count("renditions", filter=up_to_date)
    photos: PhotoQuerySet = Photo.objects.exclude(status=PhotoStatus.DELETED).filter(gallery__deleted_at=None)
    return photos.annotate(made_count=made).filter(made_count__lt=len(RECIPES))


def unplanned_photos() -> PhotoQuerySet:
    """Stale, and not yet tried with today's recipes: what can't be developed by them is not tried for ever."""
    tried = Regeneration.objects.filter(recipes=recipes_digest())
    photos: PhotoQuerySet = stale_photos().exclude(pk__in=tried.values("pk"))
    return photos


def plans(_now: datetime) -> Iterator[Deed]:
    """A step of the sweeper."""
    ids = list(unplanned_photos().order_by("pk").values_list("pk", flat=True)[:PLANNED_AT_A_TIME])
    if ids:
        yield Deed("develop again", [str(pk) for pk in ids], partial(plan, ids))


def plan(photo_ids: Sequence[uuid.UUID]) -> int:
    """Safe to repeat, and to run twice at once. A row of older recipes begins anew."""
    now, recipes = clock.now(), recipes_digest()
    rows = [Regeneration(photo_id=pk, recipes=recipes, try_after=now) for pk in photo_ids]
    with transaction.atomic():
        Regeneration.objects.filter(pk__in=photo_ids).exclude(recipes=recipes).delete()
        Regeneration.objects.bulk_create(rows, ignore_conflicts=True)
    return len(photo_ids)


def claim_next() -> Regeneration | None:
    """The next that is due, or that a dead worker held; None while as many are in work as may be."""
    now = clock.now()
    with transaction.atomic():
        if Regeneration.objects.in_work(now).count() >= most_at_once(now):
            return None
        due: RegenerationQuerySet = Regeneration.objects.due(now).select_related("photo")
        row = due.select_for_update(of=("self",), skip_locked=True).order_by("try_after", "pk").first()
        if row is None:
            return None
        row.lease_token, row.lease_until, row.tries = uuid.uuid4(), now + lease(), row.tries + 1
        row.save(update_fields=["lease_token", "lease_until", "tries"])
    return row


def most_at_once(now: datetime) -> int:
    """Half of the workers: an upload that comes meanwhile finds one that is free."""
    return max(1, sum(worker.concurrency for worker in heartbeats.live_workers(now)) // 2)


def regenerate(row: Regeneration, developer: Developer) -> None:
    """Raises nothing: a photo that can't be developed again keeps what it has, and stops no other."""
    crash_points.reached("regenerate.after_claim")
    if row.tries > MAX_TRIES:
        give_up(row, GaveUp.code)
        return
    try:
        with held(partial(prolong, row)), developed_again(row, developer) as made:
            replace(row, made)
    except WrongState:
        log.info("regenerate.overtaken photo_id=%s", row.pk)
    except GalleryError as error:
        settle(row, error)
    except Exception:
        log.exception("regenerate.crashed photo_id=%s", row.pk)
        put_back(row)


def prolong(row: Regeneration) -> None:
    """What has run out stays so: the janitor may have looked."""
    now = clock.now()
    Regeneration.objects.held_by(row, now).update(lease_until=now + lease())


def settle(row: Regeneration, error: GalleryError) -> None:
    """A store that is away says nothing about the photo: it is tried until it is back."""
    if isinstance(error, StorageUnavailable) or (error.code in PASSING_CODES and row.tries < MAX_TRIES):
        put_back(row, is_try=not isinstance(error, StorageUnavailable))
    else:
        give_up(row, error.code)


def put_back(row: Regeneration, *, is_try: bool = True) -> None:
    now = clock.now()
    Regeneration.objects.held_by(row, now).update(
        lease_until=None,
        tries=row.tries if is_try else row.tries - 1,
        try_after=now + min(RETRY_CAP, RETRY_BASE * 2**row.tries),
    )


def give_up(row: Regeneration, code: str) -> None:
    log.warning("regenerate.failed photo_id=%s code=%s", row.pk, code)
    Regeneration.objects.held_by(row, clock.now()).update(lease_until=None, error_code=code)


@dataclass(frozen=True)
class Made:
    thumbhash: bytes
    blanked: BlankedForm | None
    renditions: Sequence[Rendition]


@contextmanager
def developed_again(row: Regeneration, developer: Developer) -> Iterator[Made]:
    """Raises: whatever the store or the developer does. ChecksumMismatch for an original that has changed."""
    photo = row.photo
    with tempfile.TemporaryFile(prefix=SPOOL_PREFIX) as file:
        crc32, sha256, size_bytes = 0, hashlib.sha256(), 0
        for chunk in store_named(photo.store).read(photo.key):
            crc32 = zlib.crc32(chunk, crc32)
            sha256.update(chunk)
            size_bytes += file.write(chunk)
        if sha256.hexdigest() != photo.sha256:
            raise ChecksumMismatch(declared_crc32=photo.crc32, stored_crc32=f"{crc32:08x}")
        spooled = Spooled(file, size_bytes, f"{crc32:08x}", sha256.hexdigest())
        developed = developer.develop(file, media_type=photo.media_type)
        try:
            yield Made(developed.thumbhash, blanked_of(spooled, developed), store_again(row, developed))
        finally:
            for rendition in developed.renditions:
                rendition.content.close()


def store_again(row: Regeneration, developed: Developed) -> list[Rendition]:
    """Listed before they are stored: whatever happens then, somebody knows of them."""
    photo, suffix = row.photo, uuid.uuid4().hex[:8]
    digests = {recipe.name: recipe.digest for recipe in RECIPES}
    keys = {
        made.name: rendition_key(photo.pk, made.name, digests[made.name] + suffix)
        for made in developed.renditions
    }
    not_before = clock.now() + DEAD_ATTEMPT_KEPT
    Discard.objects.bulk_create(
        Discard(store=photo.store, key=key, not_before=not_before) for key in keys.values()
    )
    store = store_named(photo.store)
    stored = all_at_once(
        lambda made: stored_rendition(store, photo.pk, made, keys[made.name]), developed.renditions
    )
    crash_points.reached("regenerate.after_objects")
    return stored


def replace(row: Regeneration, made: Made) -> None:
    """New renditions for old, and the row is done: all or nothing.

    Raises: WrongState when the lease was lost.
    """
    photo, now = row.photo, clock.now()
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=photo.gallery_id))
        if not Regeneration.objects.held_by(row, now).delete()[0]:
            raise WrongState(id=str(row.pk))
        seen = Photo.objects.exclude(status=PhotoStatus.DELETED).filter(gallery__deleted_at=None, pk=photo.pk)
        if not seen.exists():
            return  # if it comes back, so does its turn
        old = Rendition.objects.filter(photo=photo)
        Discard.objects.bulk_create(
            Discard(store=photo.store, key=key, not_before=now + OLD_ONES_KEPT)
            for key in old.values_list("key", flat=True)
        )
        old.delete()
        Rendition.objects.bulk_create(made.renditions)
        Discard.objects.filter(key__in=[each.key for each in made.renditions]).delete()
        Photo.objects.filter(pk=photo.pk).update(
            version=F("version") + 1,
            thumbhash=made.thumbhash,
            **blanked_columns(made.blanked),
        )
        crash_points.reached("regenerate.after_rows")
        version = raise_version(photo.gallery_id)
        announce.photos_changed(photo.gallery_id, version=version, photo_ids=[photo.pk])
    crash_points.reached("regenerate.after_commit")
