"""Step 1: declared files become rows, or refusals with reasons. The number of queries does not depend on the batch."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from galleries.access import Actor
from galleries.curation import bring_back, is_restorable
from galleries.errors import GalleryDeleted, GalleryError
from galleries.models import Gallery, Photo, PhotoStatus, raise_version
from galleries.objects.base import original_key
from galleries.ports import Profile
from uploads import announce, clock, crash_points, events
from uploads.bulk_insert import insert
from uploads.errors import (
    BYTES_ARE_BAD,
    ClientIdConflict,
    Duplicate,
    EmptyFile,
    UnsupportedType,
)
from uploads.lanes.base import UploadLanes, choose_lane, lanes_of
from uploads.limits import (
    DEAD_ATTEMPT_KEPT,
    SIGNED_URL_LIFE,
)
from uploads.media_types import media_type_for
from uploads.models import Discard, Upload, move_many, record_births
from uploads.mould import Mould
from uploads.names import display_name, display_path
from uploads.part_plan import plan_parts
from uploads.profile import objections, profile_of, refuse
from uploads.quotas import lock_gallery_and_owner, room_in
from uploads.states import ENDED_STATES, Event, State
from uploads.wire import DeclaredFile


@dataclass(frozen=True)
class Intake:
    """What became of one declared file: a row, or why not (or both: a known row that can't be taken up)."""

    file: DeclaredFile
    upload: Upload | None = None
    refusal: GalleryError | None = None
    is_new: bool = False


@dataclass(frozen=True)
class Known:
    """What the gallery already has that bears on this batch."""

    uploads: Mapping[str, Upload]
    copies: Mapping[tuple[int, str], uuid.UUID]


def register(
    actor: Actor, gallery_id: uuid.UUID, files: Sequence[DeclaredFile], *, birth: State = State.REGISTERED
) -> list[Intake]:
    """One transaction. Safe to repeat: the same client ids meet the same rows.

    New rows of the `put` lane are born in the state `birth`: they need no session, so a caller that signs at once
    has them `signed` without a second transaction.

    Raises: GalleryDeleted when the gallery went away since it was looked up.
    """
    now = clock.now()
    lanes = lanes_of(settings.PHOTO_STORE)
    with transaction.atomic():
        gallery = lock_gallery_and_owner(gallery_id)
        if gallery.deleted_at is not None:
            raise GalleryDeleted(id=str(gallery_id))
        batch = Batch(Context(actor, gallery, lanes, now, birth), known_of(actor, gallery, files))
        taken = batch.take_in(files)
    crash_points.reached("batch.after_commit")
    return taken


@dataclass(frozen=True)
class Context:
    """Who adds to what, through which lanes, when, and how new rows are born."""

    actor: Actor
    gallery: Gallery
    lanes: UploadLanes
    now: datetime
    birth: State


class Batch:
    """One call's worth of files, under the gallery's lock."""

    def __init__(self, context: Context, known: Known) -> None:
        self.context, self.known = context, known
        self.gallery, self.now = context.gallery, context.now
        self.urls_expire_at = self.now + SIGNED_URL_LIFE
        self.mould = Mould(
            Upload(
                gallery_id=self.gallery.pk,
                owner_id=self.gallery.owner_id,
                actor=context.actor.name,
                store=context.lanes.store.name,
            )
        )
        # Under both locks, so that parallel batches never overfill the gallery, nor its owner's galleries together.
        self.room = room_in(self.gallery)
        self.is_round_running = self.room.gallery.open_uploads > 0
        self.profile = profile_of(self.gallery)
        self.copies = dict(known.copies)
        self.new: dict[str, Upload] = {}
        self.reopened: dict[str, Upload] = {}
        self.restored: dict[str, Photo] = {}
        self.discards: list[Discard] = []

    def take_in(self, files: Sequence[DeclaredFile]) -> list[Intake]:
        intakes = [self.consider(file) for file in files]
        crash_points.reached("batch.before_rows")
        self.write()
        crash_points.reached("batch.after_rows")
        events.refused([each.refusal for each in intakes if each.refusal])
        return intakes

    def consider(self, file: DeclaredFile) -> Intake:
        upload = self.new.get(file.client_id) or self.known.uploads.get(file.client_id)
        try:
            if upload is None:
                upload = self.make(file)
                self.new[file.client_id] = upload
            else:
                self.take_up(upload, file)
        except GalleryError as refusal:
            return Intake(file, upload, refusal)
        return Intake(file, upload, is_new=file.client_id in self.new)

    def make(self, file: DeclaredFile) -> Upload:
        refuse_unfit(file, self.profile)
        lane = choose_lane(self.context.lanes, size_bytes=file.size, preferred=file.lane)
        self.refuse_copy(file)
        self.room.take(file.size)
        upload_id = uuid.uuid4()
        upload = self.mould.cast(
            id=upload_id,
            client_id=file.client_id,
            size=file.size,
            lane=lane,
            key=original_key(upload_id, attempt=1),
            part_bytes=plan_parts(file.size).part_bytes,
        )
        self.describe(upload, file)
        if lane == "put" and self.context.birth == State.SIGNED:
            upload.state, upload.url_expires_at = State.SIGNED, self.urls_expire_at
        return upload

    def describe(self, upload: Upload, file: DeclaredFile) -> None:
        upload.name = display_name(file.name)
        upload.relative_path = display_path(file.relative_path or "")
        upload.media_type = media_type_for(file.name, file.type)
        upload.last_modified = file.last_modified
        upload.crc32 = file.crc32 or ""
        upload.is_wanted_copy = file.allow_duplicate
        upload.registered_at = upload.active_at = upload.try_after = self.now

    def take_up(self, upload: Upload, file: DeclaredFile) -> None:
        """A known file: resumed as it is, or begun anew where its last attempt has ended."""
        if upload.size != file.size:
            raise ClientIdConflict(id=str(upload.pk), known_bytes=upload.size, declared_bytes=file.size)
        if file.client_id in self.new or file.client_id in self.reopened or file.client_id in self.restored:
            return
        photo = upload.photo if upload.state == State.VERIFIED else None
        if photo is not None and photo.status != PhotoStatus.DELETED:
            return
        if photo is not None and is_restorable(photo, self.now):
            self.restore(photo, file)
        elif begins_anew(upload):
            self.reopen(upload, file)

    def restore(self, photo: Photo, file: DeclaredFile) -> None:
        is_wished = file.allow_duplicate or photo.is_wanted_copy
        if not is_wished and (twin := self.copies.get((photo.size, photo.crc32))):
            raise Duplicate(photo_id=str(twin))
        self.room.take_back(photo.size)
        self.restored[file.client_id] = photo
        self.copies[photo.size, photo.crc32] = photo.pk

    def reopen(self, upload: Upload, file: DeclaredFile) -> None:
        refuse_unfit(file, self.profile)
        lane = choose_lane(lanes_of(upload.store), size_bytes=file.size, preferred=file.lane)
        self.refuse_copy(file)
        self.room.take(file.size)
        if upload.state != State.VERIFIED:  # a verified attempt's object belongs to its deleted photo
            self.discards.append(discard_of(upload, self.now))
        renew_attempt(upload)
        upload.lane = lane
        self.describe(upload, file)
        self.reopened[file.client_id] = upload

    def refuse_copy(self, file: DeclaredFile) -> None:
        """Raises: Duplicate when the gallery has these bytes already."""
        if file.crc32 and not file.allow_duplicate and (twin := self.copies.get((file.size, file.crc32))):
            raise Duplicate(photo_id=str(twin))

    def write(self) -> None:
        changed = [*self.new.values(), *self.reopened.values()]
        if not changed and not self.restored:
            return
        if not self.is_round_running:
            start_round(self.gallery, self.now)
        insert(list(self.new.values()))
        record_births(list(self.new.values()), self.now)
        move_many(list(self.reopened.values()), Event.CHOOSE_AGAIN, fields=ATTEMPT_FIELDS)
        Discard.objects.bulk_create(self.discards)
        restored = bring_back([*self.restored.values()])
        version = raise_version(self.gallery.pk, photos=restored.ready_count, size=restored.ready_bytes)
        announce.uploads_changed(self.gallery.pk, version=version, uploads=changed)
        if self.restored:
            announce.photos_changed(
                self.gallery.pk, version=version, photo_ids=[photo.pk for photo in self.restored.values()]
            )


ATTEMPT_FIELDS = (
    "attempt",
    "lane",
    "key",
    "session",
    "sealed_session",
    "crc32",
    "part_crcs",
    "error_details",
    "photo",
    "registered_at",
    "active_at",
    "url_expires_at",
    "ended_at",
    "tries",
    "name",
    "relative_path",
    "media_type",
    "last_modified",
    "is_wanted_copy",
)


def refuse_unfit(file: DeclaredFile, profile: Profile) -> None:
    """Raises: EmptyFile, FileTooLarge, UnsupportedType, TypeNotTaken."""
    if file.size <= 0:
        raise EmptyFile(declared_bytes=file.size)
    media_type = media_type_for(file.name, file.type)
    if not media_type:
        raise UnsupportedType(type=file.type[:80])
    refuse(objections(profile, size_bytes=file.size, media_type=media_type))


def begins_anew(upload: Upload) -> bool:
    if upload.state == State.FAILED:
        return upload.error_code in BYTES_ARE_BAD or upload.error_code == Duplicate.code
    return upload.state in ENDED_STATES


def renew_attempt(upload: Upload) -> None:
    """The next attempt has a key of its own: what was written under the last one stays what it was."""
    upload.attempt += 1
    upload.key = original_key(upload.pk, upload.attempt)
    upload.session, upload.sealed_session, upload.crc32, upload.part_crcs = "", "", "", {}
    upload.error_code, upload.error_details = "", {}
    upload.photo, upload.url_expires_at, upload.ended_at, upload.tries = None, None, None, 0


def end_as_copy(upload: Upload, twin: uuid.UUID, now: datetime) -> None:
    """What a row says that ends because the gallery has its bytes already. The caller moves it."""
    upload.error_code, upload.error_details = Duplicate.code, {"photo_id": str(twin)}
    upload.ended_at = now


def discard_of(upload: Upload, now: datetime) -> Discard:
    """Not before every URL of the attempt is dead: a late write would make the object anew."""
    return Discard(
        store=upload.store,
        key=upload.key,
        session=upload.session,
        sealed_session=upload.sealed_session,
        not_before=now + DEAD_ATTEMPT_KEPT,
    )


def known_of(actor: Actor, gallery: Gallery, files: Iterable[DeclaredFile]) -> Known:
    """Two queries, three where files are known whose photos are there."""
    uploads = (
        Upload.objects.select_for_update()
        .prefetch_related("photo")  # new files have none: no join, and no second query either
        .filter(gallery=gallery, actor=actor.name, client_id__in={file.client_id for file in files})
    )
    known = {upload.client_id: upload for upload in uploads}
    crcs = {file.crc32 for file in files if file.crc32}
    return Known(
        known, copies_of(gallery.pk, crcs | {each.photo.crc32 for each in known.values() if each.photo})
    )


def copies_of(gallery_id: uuid.UUID, crcs: set[str]) -> dict[tuple[int, str], uuid.UUID]:
    if not crcs:
        return {}
    rows = (
        Photo.objects.live().filter(gallery_id=gallery_id, crc32__in=crcs).values_list("size", "crc32", "pk")
    )
    return {(size, crc32): pk for size, crc32, pk in rows}


def begin_round(gallery: Gallery, now: datetime) -> None:
    """Totals begin at zero with the first file after all had ended."""
    if not Upload.objects.open().filter(gallery=gallery).exists():
        start_round(gallery, now)


def start_round(gallery: Gallery, now: datetime) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(round_started_at=now)
