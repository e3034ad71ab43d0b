"""Step 4: complete, cancel, retry. Each takes up to 100 uploads, makes no store call, and may be repeated."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import User
from galleries.access import Actor
from galleries.errors import GalleryDeleted, GalleryError, NotFound
from galleries.models import Gallery, Photo, lock_galleries
from uploads import announce, clock, crash_points, events
from uploads.crc32 import combine_parts
from uploads.errors import BYTES_ARE_BAD, QUARANTINED, ChecksumConflict, PartsMissing, TooLate, WrongState
from uploads.intake import begin_round, discard_of, end_as_copy, renew_attempt
from uploads.models import Discard, Publication, Upload, UploadQuerySet, by_id, insert_all, move_many
from uploads.presign import plan_of, readable
from uploads.publications import close_done, uploads_moved
from uploads.quotas import Rooms
from uploads.states import ENDED_STATES, TAKES_BYTES, Event, State
from uploads.wire import error_of


@dataclass(frozen=True)
class Staff:
    """Somebody who repairs other people's uploads. Whoever makes one has asked for the permission."""

    user: User


@dataclass(frozen=True)
class Outcome:
    """One upload of a bulk call: its row as it is now, whether it was moved, and what stood in the way."""

    upload_id: str
    upload: Upload | None = None
    refusal: GalleryError | None = None
    moved: Event | None = None


Decision = tuple[Event, Upload] | None


def complete(actor: Actor, crcs: Mapping[uuid.UUID, str]) -> list[Outcome]:
    """Hands uploads to verification; `crcs` maps id -> crc32 or empty."""
    copies, now = Copies(actor, list(crcs)), clock.now()

    def decide(upload: Upload) -> Decision:
        if upload.state == State.REGISTERED:
            raise WrongState(id=str(upload.pk), state=upload.state)
        if upload.state != State.SIGNED:
            return None
        settle_crc(upload, crcs[upload.pk], now)
        if not upload.is_wanted_copy and (twin := copies.twin_of(upload)):
            end_as_copy(upload, twin, now)
            return Event.FAIL, upload
        return Event.STORED, upload

    return decide_all(actor, list(crcs), decide)


def settle_crc(upload: Upload, given: str, now: datetime) -> None:
    """The checksum of the whole: the one given, the one kept, or the combination of the parts'.

    Raises: ChecksumConflict when two of them differ.
    """
    kept = upload.crc32 or crc_of_parts(upload)
    if given and kept and given != kept:
        raise ChecksumConflict(known_crc32=kept, given_crc32=given)
    upload.crc32 = given or kept
    upload.active_at = now


def crc_of_parts(upload: Upload) -> str:
    """Empty unless every part's is known."""
    if upload.lane != "multipart":
        return ""
    plan = plan_of(upload)
    known = [(upload.part_crcs.get(str(part.number), ""), part.size_bytes) for part in plan]
    return combine_parts(known) if all(crc32 for crc32, _ in known) else ""


class Copies:
    """Live photos of the sizes that are completed: a whole's checksum may be known only once its parts' are joined."""

    def __init__(self, actor: Actor, upload_ids: Sequence[uuid.UUID]) -> None:
        """One query."""
        asked = readable(actor, upload_ids).filter(state=State.SIGNED).order_by()
        rows = Photo.objects.live().filter(
            gallery_id__in=asked.values("gallery_id"), size__in=asked.values("size")
        )
        self.twins = {
            (gallery_id, size, crc32): pk
            for gallery_id, size, crc32, pk in rows.values_list("gallery_id", "size", "crc32", "pk")
        }

    def twin_of(self, upload: Upload) -> uuid.UUID | None:
        return self.twins.get((upload.gallery_id, upload.size, upload.crc32))


def cancel(actor: Actor | Staff, upload_ids: Sequence[uuid.UUID]) -> list[Outcome]:
    """Ends uploads; what they stored is thrown away. Too late for what is a photo already."""
    now = clock.now()

    def decide(upload: Upload) -> Decision:
        if upload.state == State.VERIFIED:
            raise TooLate(**({"photo_id": str(upload.photo_id)} if upload.photo_id else {}))
        if upload.state in ENDED_STATES and upload.state != State.FAILED:
            return None
        end_as_cancelled(upload, now)
        return Event.CANCEL, upload

    return decide_all(actor, upload_ids, decide)


def end_as_cancelled(upload: Upload, now: datetime) -> None:
    upload.error_code, upload.error_details, upload.ended_at = "", {}, now


def retry(actor: Actor | Staff, upload_ids: Sequence[uuid.UUID]) -> list[Outcome]:
    """Failed uploads go on: to `signed` where bytes are needed (sign next), to `uploaded` where they are good."""

    def decide(upload: Upload) -> Decision:
        if not can_go_on(upload, actor):
            return None
        if upload.gallery.deleted_at is not None:
            raise GalleryDeleted(id=str(upload.gallery_id))
        # Its room was given back when it failed; another file may have taken it.
        rooms.of(upload.gallery).take(upload.size)
        return retried(upload, dead, now)

    dead: list[Discard] = []
    now, rooms = clock.now(), Rooms(upload_ids)
    return decide_all(actor, upload_ids, decide, dead)


def can_go_on(upload: Upload, actor: Actor | Staff) -> bool:
    """Of what lies in quarantine staff alone may have the scanner look again: it may know better by now."""
    error = error_of(upload)
    if upload.state != State.FAILED or error is None:
        return False
    return bool(error["retryable"]) or (isinstance(actor, Staff) and error["code"] in QUARANTINED)


def retried(upload: Upload, dead: list[Discard], now: datetime) -> Decision:
    """Appends what the attempt before has left to `dead`."""
    code, are_bytes_let_go = upload.error_code, upload.url_expires_at is None
    upload.error_code, upload.error_details, upload.ended_at, upload.tries = "", {}, None, 0
    upload.registered_at = upload.active_at = upload.try_after = now
    if code in BYTES_ARE_BAD or are_bytes_let_go:  # else the janitor might take them from under a worker
        dead.append(discard_of(upload, now))
        renew_attempt(upload)
        return Event.REOPEN_BYTES, upload
    return (Event.REOPEN_BYTES if code == PartsMissing.code else Event.CHECK_AGAIN), upload


# What each move changes beside the state: more columns make statements longer for nothing.
TAKEN_UP = ("error_details", "ended_at", "tries", "registered_at", "active_at", "try_after")
WRITTEN: Mapping[Event, tuple[str, ...]] = {
    Event.STORED: ("crc32", "active_at"),
    Event.FAIL: ("crc32", "active_at", "error_details", "ended_at"),
    Event.CANCEL: ("error_details", "ended_at"),
    Event.CHECK_AGAIN: TAKEN_UP,
    Event.REOPEN_BYTES: (
        *TAKEN_UP, "crc32", "part_crcs", "attempt", "key", "session", "sealed_session", "photo", "url_expires_at",
    ),
}  # fmt: skip


def decide_all(
    actor: Actor | Staff,
    upload_ids: Sequence[uuid.UUID],
    decide: Callable[[Upload], Decision],
    dead: Sequence[Discard] = (),
) -> list[Outcome]:
    """Locks the rows, asks `decide` of each, moves them in bulk, announces after the commit.

    `dead` is what the decisions let go of.
    """
    refusals: dict[uuid.UUID, GalleryError] = {}
    moves: dict[Event, list[Upload]] = {}
    with transaction.atomic():
        reached = within_reach(actor, upload_ids).order_by()
        lock_galleries(Gallery.objects.filter(pk__in=reached.values("gallery_id")))
        uploads = by_id(within_reach(actor, upload_ids).select_for_update(of=("self",)))
        for upload in uploads.values():
            try:
                decision = decide(upload)
            except GalleryError as refusal:
                refusals[upload.pk] = refusal
                continue
            if decision:
                moves.setdefault(decision[0], []).append(upload)
        crash_points.reached("control.before_rows")
        carry_out(moves)
        Discard.objects.bulk_create(dead)
        crash_points.reached("control.after_rows")
        events.refused(refusals.values())
    moved = {upload.pk: event for event, of_event in moves.items() for upload in of_event}
    return [
        Outcome(str(upload_id), uploads[upload_id], refusals.get(upload_id), moved.get(upload_id))
        if upload_id in uploads
        else Outcome(str(upload_id), refusal=NotFound())
        for upload_id in upload_ids
    ]


def within_reach(actor: Actor | Staff, upload_ids: Sequence[uuid.UUID]) -> UploadQuerySet:
    """A sender's own; all of them for staff."""
    if isinstance(actor, Staff):
        return Upload.objects.select_related("gallery").filter(pk__in=upload_ids)
    return readable(actor, upload_ids)


def carry_out(moves: Mapping[Event, Sequence[Upload]]) -> None:
    """Inside the caller's transaction, on rows it holds."""
    changed = [upload for uploads in moves.values() for upload in uploads]
    if set(moves) & {Event.REOPEN_BYTES, Event.CHECK_AGAIN}:
        began = min(upload.registered_at for upload in changed)
        for gallery in {upload.gallery for upload in changed}:
            begin_round(gallery, began)
    write_moves(moves)
    for gallery_id in {upload.gallery_id for upload in changed}:
        of_gallery = [upload for upload in changed if upload.gallery_id == gallery_id]
        uploads_moved(gallery_id, of_gallery)
    if set(moves) & {Event.STORED, Event.CHECK_AGAIN}:
        announce.ring_after_commit()


def write_moves(moves: Mapping[Event, Sequence[Upload]]) -> None:
    now = clock.now()
    ended = [*moves.get(Event.CANCEL, ()), *moves.get(Event.FAIL, ())]
    insert_all([discard_of(upload, now) for upload in ended])
    for event, uploads in moves.items():
        move_many(uploads, event, fields=WRITTEN[event])


def cancel_gallery(gallery_id: uuid.UUID) -> None:
    """Inside the transaction that deletes the gallery: nothing of it goes on. Raises no version."""
    asked_of_each = (
        *("gallery", "lane", "size", "registered_at"),  # told of each
        "state",
        "version",
        "error_code",
        *WRITTEN[Event.CANCEL],
        "attempt",
        "store",
        "key",
        "session",
        "sealed_session",
    )
    open_uploads = list(
        Upload.objects.open().filter(gallery_id=gallery_id).only(*asked_of_each).select_for_update()
    )
    now = clock.now()
    for upload in open_uploads:
        end_as_cancelled(upload, now)
    if open_uploads:
        write_moves({Event.CANCEL: open_uploads})
        announce.progress_forgotten(gallery_id)
    close_done(Publication.objects.in_progress().filter(gallery_id=gallery_id))


def needs_bytes(outcome: Outcome) -> bool:
    return outcome.upload is not None and outcome.refusal is None and outcome.upload.state in TAKES_BYTES
