"""Step 5: believe only the store. One read gives size, checksums, real type, picture and renditions.

A worker claims the next row by lease, does it, and ends it in one transaction that its lease and the row's version
guard: a worker that was taken for dead changes nothing when it comes back.
"""

import hashlib
import logging
import random
import tempfile
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, BinaryIO, Final

from django.db import IntegrityError, transaction
from django.db.models import Count

from galleries.blanking import BlankedForm, as_rows, blanked_form
from galleries.decode.developer import Developed, DevelopedRendition, Developer
from galleries.errors import DamagedPhoto, GalleryError, ObjectMissing, StorageUnavailable
from galleries.models import Gallery, Photo, PhotoStatus, Rendition, lock_galleries
from galleries.objects.base import ObjectStore, StoredObject, bound_key, rendition_key, store_named
from galleries.ports import Profile
from galleries.renditions import recipe_named
from uploads import announce, clock, crash_points, events
from uploads.attempts import Attempt, photo_id_of
from uploads.control import crc_of_parts
from uploads.errors import (
    QUARANTINED,
    ChecksumMismatch,
    Duplicate,
    GaveUp,
    NotAnImage,
    PartsMissing,
    ScannerUnavailable,
    SessionGone,
    SizeMismatch,
    WrongState,
)
from uploads.intake import discard_of
from uploads.janitor.files import SPOOL_PREFIX
from uploads.janitor.liveness import Life, lives_of
from uploads.lanes.base import StoredPart, lane_named, lanes_of
from uploads.leases import held, lease
from uploads.limits import (
    DEAD_ATTEMPT_KEPT,
    MAX_TRIES,
    RETRY_BASE,
    RETRY_CAP,
    STORE_FORGIVEN,
    STORE_RETRY_CAP,
)
from uploads.models import Discard, Upload, UploadQuerySet, move_to
from uploads.presign import is_every_part_signed, plan_of
from uploads.profile import objections, profile_of, refuse
from uploads.publications import is_being_published, uploads_moved
from uploads.resumable import resumable_status
from uploads.scan import scan
from uploads.sniff import SNIFF_BYTES, sniff
from uploads.states import Event, State

log = logging.getLogger(__name__)

PASSING_CODES: Final = frozenset(
    {"storage_unavailable", "scanner_unavailable", "decoder_died", "object_changed"}
)


@dataclass(frozen=True)
class Spooled:
    """An original as it was read, once, from the store."""

    file: BinaryIO
    size_bytes: int
    crc32: str
    sha256: str


@dataclass(frozen=True)
class Fetched:
    """An original, and the key of the object whose bytes can no longer change."""

    key: str
    spooled: Spooled


@dataclass(frozen=True)
class Verified:
    """All that the closing transaction writes."""

    key: str
    media_type: str
    spooled: Spooled
    developed: Developed
    renditions: list[Rendition]
    blanked: BlankedForm | None  # what others than the owner get; None where that is the web size


def claim_next() -> Upload | None:
    """A row whose lease ran out, else the oldest waiting upload of the owner with the fewest in work.

    Looked for and taken in one transaction, on rows no other worker holds, so that no two ever reach for the same.
    """
    now = clock.now()
    with transaction.atomic():
        candidate = abandoned_one(now) or fairest(now)
        return None if candidate is None else claimed(candidate, now)


def claim_untried() -> Upload | None:
    """As `claim_next`; None also where somebody has tried the one whose turn it is."""
    now = clock.now()
    with transaction.atomic():
        candidate = fairest(now)
        return None if candidate is None or candidate.tries else claimed(candidate, now)


def claimed(candidate: Upload, now: datetime) -> Upload:
    event = Event.TAKE_OVER if candidate.state == State.VERIFYING else Event.CLAIM
    return move_to(
        candidate, event, lease_token=uuid.uuid4(), lease_until=now + lease(), tries=candidate.tries + 1
    )


def first_free(waiting: UploadQuerySet) -> Upload | None:
    """SQLite locks the whole database instead, which comes to the same."""
    return waiting.select_related("gallery").select_for_update(of=("self",), skip_locked=True).first()


def abandoned_one(now: datetime) -> Upload | None:
    return first_free(Upload.objects.abandoned(now).order_by("lease_until"))


def fairest(now: datetime) -> Upload | None:
    """Three queries, each by index, whatever the length of the queue."""
    owners = list(Upload.objects.waiting(now).order_by().values_list("owner_id", flat=True).distinct())
    if not owners:
        return None
    busy: dict[uuid.UUID, int] = {}
    if len(owners) > 1:
        in_work = Upload.objects.filter(state=State.VERIFYING, owner_id__in=owners)
        busy = dict(in_work.values_list("owner_id").annotate(Count("pk")))
    least = min(busy.get(each, 0) for each in owners)
    # Drawn, not the first: else one worker would serve whose id sorts first until nothing of theirs is left.
    owner_id = random.choice([each for each in owners if busy.get(each, 0) == least])  # noqa: S311
    mine = Upload.objects.waiting(now).filter(owner_id=owner_id)
    return first_free(mine.order_by("try_after", "pk"))


def verify(
    upload: Upload,
    developer: Developer,
    *,
    coming: Future[Fetched] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Takes a claimed upload to its end, or puts it back. Raises nothing: one bad file never harms another.

    `coming` are its bytes, where somebody has sent for them. `meanwhile` is called once they are there.
    """
    crash_points.reached("verify.after_claim")
    if upload.tries > MAX_TRIES:
        settle(upload, GaveUp(tries=upload.tries - 1))
        return
    try:
        with (
            held(partial(prolong, upload.pk, upload.lease_token)),
            original_of(upload, coming) as original,
            developed_original(upload, original, developer, meanwhile) as verified,
        ):
            publish(upload, verified)
    except WrongState:
        let_go_of_late_work(upload)
    except GalleryError as error:
        settle(upload, error)
    except Exception:
        log.exception("verify.crashed upload_id=%s", upload.pk)
        settle(upload, GaveUp(tries=upload.tries), is_passing=True)


def let_go_of_late_work(upload: Upload) -> None:
    """A worker that was taken for dead may have stored renditions after its attempt was cleared away."""
    log.info("verify.overtaken upload_id=%s", upload.pk)
    attempt = Attempt(upload.pk, upload.attempt)
    if lives_of([attempt])[attempt] == Life.DEAD:
        Discard.objects.create(store=upload.store, key=upload.key, not_before=clock.now() + DEAD_ATTEMPT_KEPT)


def prolong(upload_id: uuid.UUID, lease_token: uuid.UUID | None) -> bool:
    """Whether it is still held. Not a move: neither state nor version changes. What somebody else took stays theirs."""
    held = Upload.objects.filter(pk=upload_id, state=State.VERIFYING, lease_token=lease_token)
    return held.update(lease_until=clock.now() + lease()) > 0


def settle(upload: Upload, error: GalleryError, *, is_passing: bool = False) -> None:
    """A passing fault is tried again later, anything else is the upload's coded end."""
    try:
        is_passing = is_passing or error.code in PASSING_CODES
        if is_forgiven(upload, error) or (is_passing and upload.tries < MAX_TRIES):
            put_back(upload, error)
        else:
            fail(upload, error)
    except WrongState:
        let_go_of_late_work(upload)


def is_forgiven(upload: Upload, error: GalleryError) -> bool:
    """Whether store or scanner fails, and not yet for too long: then it counts as no try of the file."""
    return (
        isinstance(error, StorageUnavailable | ScannerUnavailable)
        and clock.now() - upload.active_at < STORE_FORGIVEN
    )


def store_delay(upload: Upload) -> timedelta:
    """Grows with the age of the upload: no column counts how often a store was away."""
    return min(STORE_RETRY_CAP, max(2 * RETRY_BASE, (clock.now() - upload.active_at) / 4))


def put_back(upload: Upload, error: GalleryError) -> None:
    if is_forgiven(upload, error):
        tries, delay = upload.tries - 1, store_delay(upload)
    else:
        tries, delay = upload.tries, min(RETRY_CAP, RETRY_BASE * 2**upload.tries)
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=upload.gallery_id))
        jitter = random.uniform(0.5, 1)  # noqa: S311  spreads retries, guards nothing
        try_after = clock.now() + delay * jitter
        move_to(upload, Event.PUT_BACK, lease_until=None, tries=tries, try_after=try_after)
        events.put_back(upload, error.code)
        announce_upload(upload)


def fail(upload: Upload, error: GalleryError) -> None:
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=upload.gallery_id))
        move_to(
            upload,
            Event.FAIL,
            code=error.code,
            error_details=error.details,
            lease_until=None,
            ended_at=clock.now(),
        )
        if not (error.retryable or error.code in QUARANTINED):  # nobody will look at these bytes again
            discard_of(upload, clock.now()).save()
        announce_upload(upload)


def announce_upload(upload: Upload, *, photos: int = 0, size: int = 0) -> int:
    return uploads_moved(upload.gallery_id, [upload], photos=photos, size=size)


@contextmanager
def original_of(upload: Upload, coming: Future[Fetched] | None) -> Iterator[Fetched]:
    """Raises: whatever keeps its bytes away, each with its code."""
    if coming is not None:
        yield coming.result()
        return
    with tempfile.TemporaryFile(prefix=SPOOL_PREFIX) as file:
        yield fetch(upload, file)


def fetch(upload: Upload, file: BinaryIO) -> Fetched:
    stored = settle_object(upload)
    return Fetched(stored.key, spool(upload, stored, file))


@contextmanager
def developed_original(
    upload: Upload, original: Fetched, developer: Developer, meanwhile: Callable[[], None] | None
) -> Iterator[Verified]:
    """Raises: whatever refuses the file, each with its code."""
    spooled = original.spooled
    media_type = sniffed_type(spooled.file)
    if meanwhile is not None:
        meanwhile()
    scan(spooled.file)
    developed = developed_within(profile_of(upload.gallery), spooled, media_type, developer)
    crash_points.reached("verify.after_decode")
    try:
        renditions = store_renditions(upload, developed)
        yield Verified(
            original.key, media_type, spooled, developed, renditions, blanked_of(spooled, developed)
        )
    finally:
        for rendition in developed.renditions:
            rendition.content.close()


def developed_within(profile: Profile, spooled: Spooled, media_type: str, developer: Developer) -> Developed:
    """Also a file that is too large, or of a kind not taken, is opened: its owner is told all reasons at once.

    Raises: whatever the gallery has against it. Whatever the developer raises, where that is nothing.
    """
    size_bytes = spooled.size_bytes
    try:
        developed = developer.develop(spooled.file, media_type=media_type)
    except GalleryError as error:
        refuse([*objections(profile, size_bytes=size_bytes, media_type=media_type), error])
        raise
    refuse(
        objections(
            profile,
            size_bytes=size_bytes,
            media_type=media_type,
            width=developed.width,
            height=developed.height,
        )
    )
    return developed


def blanked_of(spooled: Spooled, developed: Developed) -> BlankedForm | None:
    """Read from the spool once more, and only where there is something to hide."""
    if developed.blanks is None:
        return None
    if not developed.blanks:
        return BlankedForm((), spooled.crc32, spooled.sha256)
    if developed.blanks[-1].stop > spooled.size_bytes:
        raise DamagedPhoto(reason="decoder")
    return blanked_form(spooled.file, developed.blanks)


def settle_object(upload: Upload) -> StoredObject:
    """The object whose bytes can no longer change: completed, and bound where a used URL could still write.

    Raises: ObjectMissing, PartsMissing, SizeMismatch. WrongState when the lease was lost.
    """
    stored = finished_object(upload)
    if stored.size_bytes != upload.size:
        raise SizeMismatch(declared_bytes=upload.size, stored_bytes=stored.size_bytes)
    return stored if is_bound_by_signature(upload) else bound_copy(upload, stored)


def bound_copy(upload: Upload, source: StoredObject) -> StoredObject:
    """Made once. One that is there may be a photo's by now: it is read as it is, and nothing is written over it.

    Such a store can't be told to copy only where nothing is: whoever holds the lease makes it, with all of the lease
    ahead.

    Raises: WrongState when the lease was lost.
    """
    store, key = store_named(upload.store), bound_key(upload.pk, upload.attempt)
    bound = store.find(key)
    if bound is not None:
        return bound
    if not prolong(upload.pk, upload.lease_token):
        raise WrongState(id=str(upload.pk), state=upload.state)
    return store.copy(upload.key, key, if_match=source.etag)


def finished_object(upload: Upload) -> StoredObject:
    if upload.lane == "multipart" and upload.session:
        return completed_multipart(upload)
    try:
        return store_named(upload.store).head(upload.key)
    except ObjectMissing:
        refuse_unfinished(upload)
        raise


def refuse_unfinished(upload: Upload) -> None:
    """A session that waits for more bytes goes on from there; without one the next attempt begins at zero.

    Raises: PartsMissing.
    """
    if not upload.sealed_session:
        return
    with suppress(SessionGone):
        received = resumable_status(upload)
        if not received.is_whole:
            raise PartsMissing(stored_bytes=received.offset_bytes)


def completed_multipart(upload: Upload) -> StoredObject:
    """Completes from the store's own list. A session that is gone left an object, or nothing."""
    lanes = lanes_of(upload.store)
    try:
        parts = lanes.list_parts(upload.key, upload.session)
        refuse_incomplete(upload, parts)
        planned = {part.number for part in plan_of(upload)}
        stored = lanes.complete_multipart(
            upload.key, upload.session, [part for part in parts if part.number in planned]
        )
    except SessionGone:
        return store_named(upload.store).head(upload.key)
    crash_points.reached("verify.after_complete_multipart")
    return stored


def refuse_incomplete(upload: Upload, parts: list[StoredPart]) -> None:
    stored = {part.number: part.size_bytes for part in parts}
    missing = [part.number for part in plan_of(upload) if stored.get(part.number) != part.size_bytes]
    if missing:
        raise PartsMissing(missing=missing[:100], missing_count=len(missing))


def is_bound_by_signature(upload: Upload) -> bool:
    """Whether no used URL can still change what it wrote."""
    is_all_signed = upload.lane != "multipart" or is_every_part_signed(upload)
    lane = lane_named(upload.lane)
    return not lanes_of(upload.store).needs_bound_copy(lane, is_all_signed=is_all_signed)


def spool(upload: Upload, stored: StoredObject, file: BinaryIO) -> Spooled:
    """The one read. Raises: SizeMismatch, ChecksumMismatch, ObjectChanged."""
    crc32, sha256, size_bytes = 0, hashlib.sha256(), 0
    for chunk in store_named(upload.store).read(stored.key, if_match=stored.etag):
        crc32 = zlib.crc32(chunk, crc32)
        sha256.update(chunk)
        size_bytes += file.write(chunk)
        crash_points.reached("verify.mid_read")
    file.flush()
    if size_bytes != upload.size:
        raise SizeMismatch(declared_bytes=upload.size, stored_bytes=size_bytes)
    # Whoever finds a file whole, instead of being told so, has not joined its parts' checksums.
    declared, found = upload.crc32 or crc_of_parts(upload), f"{crc32:08x}"
    if declared and declared != found:
        raise ChecksumMismatch(declared_crc32=declared, stored_crc32=found)
    return Spooled(file, size_bytes, found, sha256.hexdigest())


def sniffed_type(file: BinaryIO) -> str:
    """Raises: NotAnImage."""
    file.seek(0)
    media_type = sniff(file.read(SNIFF_BYTES))
    if media_type is None:
        raise NotAnImage
    return media_type


def store_renditions(upload: Upload, developed: Developed) -> list[Rendition]:
    store, photo_id = store_named(upload.store), photo_id_of(upload.pk, upload.attempt)

    def store_one(made: DevelopedRendition) -> Rendition:
        key = rendition_key(photo_id, made.name, recipe_named(made.name).digest)
        stored = stored_rendition(store, photo_id, made, key)
        crash_points.reached(f"verify.after_{made.name}")
        return stored

    return all_at_once(store_one, developed.renditions)


def all_at_once(
    store_one: Callable[[DevelopedRendition], Rendition], renditions: Sequence[DevelopedRendition]
) -> list[Rendition]:
    """Each waits for the disk, or for its store, beside the others. None is under way any more when this returns."""
    with ThreadPoolExecutor(len(renditions), thread_name_prefix="renditions") as threads:
        return list(threads.map(store_one, renditions))


def stored_rendition(
    store: ObjectStore, photo_id: uuid.UUID, made: DevelopedRendition, key: str
) -> Rendition:
    """The object, and the row that will name it."""
    store.put_bytes(key, made.content, content_type=made.media_type)
    return Rendition(
        photo_id=photo_id,
        name=made.name,
        recipe=recipe_named(made.name).digest,
        media_type=made.media_type,
        width=made.width,
        height=made.height,
        size=made.size_bytes,
        crc32=made.crc32,
        sha256=made.sha256,
        key=key,
    )


def publish(upload: Upload, verified: Verified) -> None:
    """Photo, renditions, the upload's end and the gallery's counters: all or nothing.

    Raises: WrongState when the lease was lost or the upload cancelled. Duplicate when the gallery has these bytes.
    """
    crash_points.reached("verify.before_rows")
    try:
        with transaction.atomic():
            gallery = Gallery.objects.select_for_update().get(pk=upload.gallery_id)
            photo = photo_of(upload, verified, is_ready=gallery.auto_publish or is_being_published(upload))
            photo.save(force_insert=True)
            Rendition.objects.bulk_create(verified.renditions)
            move_to(
                upload,
                Event.VERIFY,
                photo=photo,
                crc32=verified.spooled.crc32,
                lease_until=None,
                ended_at=clock.now(),
            )
            let_go_of_source(upload, verified.key)
            is_ready = photo.status == PhotoStatus.READY
            version = announce_upload(upload, photos=int(is_ready), size=photo.size if is_ready else 0)
            announce.photos_changed(upload.gallery_id, version=version, photo_ids=[photo.pk])
            crash_points.reached("verify.after_rows")
        crash_points.reached("verify.after_commit")
    except IntegrityError as err:
        twin = twin_of(upload, verified.spooled)
        if twin is None:
            raise
        raise Duplicate(photo_id=str(twin)) from err


def photo_of(upload: Upload, verified: Verified, *, is_ready: bool) -> Photo:
    developed, now = verified.developed, clock.now()
    return Photo(
        id=photo_id_of(upload.pk, upload.attempt),
        gallery_id=upload.gallery_id,
        upload_id=upload.pk,
        name=upload.name,
        status=PhotoStatus.READY if is_ready else PhotoStatus.STAGED,
        size=verified.spooled.size_bytes,
        crc32=verified.spooled.crc32,
        sha256=verified.spooled.sha256,
        media_type=verified.media_type,
        width=developed.width,
        height=developed.height,
        captured_at=developed.captured_at,
        camera=developed.camera[:200],
        details=developed.details,
        thumbhash=developed.thumbhash,
        store=upload.store,
        key=verified.key,
        **blanked_columns(verified.blanked),
        is_wanted_copy=upload.is_wanted_copy,
        sort_at=developed.captured_at or now,
        added_at=now,
    )


def blanked_columns(form: BlankedForm | None) -> dict[str, Any]:
    if form is None:
        return {"blanks": None}
    return {
        "blanks": as_rows(form.blanks),
        "blanked_crc32": form.crc32,
        "blanked_sha256": form.sha256,
    }


def twin_of(upload: Upload, spooled: Spooled) -> uuid.UUID | None:
    return (
        Photo.objects.live()
        .filter(gallery_id=upload.gallery_id, size=spooled.size_bytes, crc32=spooled.crc32)
        .values_list("pk", flat=True)
        .first()
    )


def let_go_of_source(upload: Upload, key: str) -> None:
    """After a binding copy the object that signed URLs can still reach is the janitor's."""
    if key != upload.key:
        Discard.objects.create(store=upload.store, key=upload.key, not_before=clock.now() + DEAD_ATTEMPT_KEPT)
