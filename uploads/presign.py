"""Step 2: up to 100 uploads get signed URLs. Rows first, then sessions at the store, then signatures (pure CPU).

A multipart session is known by the store's id, a resumable one by its URI, which is a secret: sealed here at once, and
unsealed only into the answer to who may upload.

Store calls happen before the transaction, never inside it; the `put` lane makes none at all unless a failure is
to be looked into.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction
from django.db.models import Q

from galleries.access import Actor
from galleries.errors import GalleryDeleted, GalleryError, NotFound
from galleries.models import Gallery, Photo, lock_galleries, raise_version
from galleries.objects.base import store_named
from uploads import announce, clock, crash_points, events, wire
from uploads.errors import BadPartNumber, ChecksumConflict, SessionGone
from uploads.intake import discard_of, end_as_copy
from uploads.lanes.base import SignedRequest, UploadLanes, lanes_of
from uploads.limits import MAX_SIGNATURES_PER_ANSWER, RESUMABLE_CHUNK_BYTES, SIGNED_URL_LIFE
from uploads.models import Discard, Upload, UploadQuerySet, by_id, move_many, write_columns
from uploads.origins import page_origin
from uploads.part_plan import Part, PartPlan
from uploads.resumable import initiate_resumable, resumable_status
from uploads.sealing import unseal
from uploads.states import TAKES_BYTES, Event, State
from uploads.store_calls import ask_all

Numbers = Mapping[int, int]


@dataclass(frozen=True)
class Ask:
    """One upload to sign. `part_crcs` names the parts wanted (number -> crc32 or empty); None: the next window."""

    upload_id: uuid.UUID
    crc32: str = ""
    after_failure: bool = False
    part_crcs: Mapping[int, str] | None = None


@dataclass(frozen=True)
class Signed:
    """What became of an ask: the row, and a transfer, or why not."""

    upload_id: str
    upload: Upload | None = None
    transfer: dict[str, object] | None = None
    refusal: GalleryError | None = None


@dataclass(frozen=True)
class Look:
    """What the store has of one upload. `parts` maps number -> bytes; `seen_session` is what the row named then.

    `stored_at`: when the youngest of the parts was stored, where the store tells.
    `offset_bytes`: how much a resumable session has. `session` names what is open, as the row does. `is_opened`: it was
    opened by this call, and is let go unless the row comes to name it. `key`: where the row's attempt lay then.
    """

    is_whole: bool = False
    parts: Numbers = field(default_factory=dict)
    stored_at: datetime | None = None
    offset_bytes: int = 0
    session: str = ""
    seen_session: str = ""
    is_opened: bool = False
    refusal: GalleryError | None = None
    key: str = ""


def sign(
    actor: Actor,
    asks: Sequence[Ask],
    *,
    origin: str | None = None,
    room: int = MAX_SIGNATURES_PER_ANSWER,
) -> list[Signed]:
    """Constant queries. Safe to repeat: a lost answer is simply asked for again. Rows are loaded once, but for looks.

    `origin` is that of the page which will send: sessions opened here take bytes of no other page. `room`: so many
    signatures at most.
    """
    asked = readable(actor, [ask.upload_id for ask in asks])
    found = by_id(
        asked.filter(~Q(lane="put") | Q(pk__in=[ask.upload_id for ask in asks if ask.after_failure]))
    )
    looks = look_up(
        [(ask, found[ask.upload_id]) for ask in asks if ask.upload_id in found], page_origin(origin)
    )
    crash_points.reached("sign.after_sessions")
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk__in=asked.order_by().values("gallery_id")))
        locked = by_id(asked.select_for_update(of=("self",)))
        signing = Signing(asks, locked, looks)
        signing.write()
        crash_points.reached("sign.after_rows")
    crash_points.reached("sign.after_commit")
    return list(signing.answers(room))


def first_transfer(upload: Upload) -> dict[str, object]:
    """For a row that was born signed: no query, no store call."""
    return transfer_of(upload, Ask(upload.pk), Look(), 1)


def readable(actor: Actor, upload_ids: Sequence[uuid.UUID]) -> UploadQuerySet:
    return Upload.objects.of(actor.name).select_related("gallery").filter(pk__in=upload_ids)


def look_up(pairs: Sequence[tuple[Ask, Upload]], origin: str) -> dict[uuid.UUID, Look]:
    """A look for each upload that needs one, a session for each that has none; of all of them at once."""
    takers = [(ask, upload) for ask, upload in pairs if upload.state in TAKES_BYTES]
    # Named twice in a call, an upload is asked about once.
    looked = {upload.pk: upload for ask, upload in takers if needs_look(ask, upload)}
    fresh = {upload.pk: upload for _, upload in takers if lacks_session(upload) and upload.pk not in looked}
    asks = [partial(look_and_open, upload, origin) for upload in looked.values()]
    asks += [partial(open_session, upload, origin) for upload in fresh.values()]
    uploads = [*looked.values(), *fresh.values()]
    return {
        upload.pk: replace(seen if isinstance(seen, Look) else Look(refusal=seen), key=upload.key)
        for upload, seen in zip(uploads, ask_all(asks), strict=True)
    }


def lacks_session(upload: Upload) -> bool:
    return upload.lane != "put" and not session_of(upload)


def needs_look(ask: Ask, upload: Upload) -> bool:
    """After a failure; when the caller resumes also: parts of which none is named, a session that is there.

    A single PUT that was never signed can have left nothing.
    """
    if ask.after_failure:
        return upload.lane != "put" or upload.state == State.SIGNED
    if upload.lane == "resumable":
        return bool(upload.sealed_session)
    return upload.lane == "multipart" and bool(upload.session) and ask.part_crcs is None


def look_and_open(upload: Upload, origin: str) -> Look:
    """A session that the store has forgotten is made anew on the same attempt."""
    seen = look(upload)
    is_settled = seen.session or seen.is_whole or seen.refusal
    return seen if upload.lane == "put" or is_settled else open_session(upload, origin)


def look(upload: Upload) -> Look:
    """One HEAD, one ListParts (all pages) or one probe; a HEAD more where the session is gone."""
    try:
        if not session_of(upload):
            return look_at_object(upload)
        try:
            return look_at_parts(upload) if upload.lane == "multipart" else look_at_session(upload)
        except SessionGone:
            # Completed (the object is there), or forgotten by the store (begin again on the same attempt).
            return replace(look_at_object(upload), session="")
    except GalleryError as refusal:
        return Look(refusal=refusal)


def look_at_object(upload: Upload) -> Look:
    stored = store_named(upload.store).find(upload.key)
    is_whole = stored is not None and stored.size_bytes == upload.size
    return Look(is_whole=is_whole, session=session_of(upload))


def look_at_session(upload: Upload) -> Look:
    """Raises: SessionGone."""
    received = resumable_status(upload)
    return Look(is_whole=received.is_whole, offset_bytes=received.offset_bytes, session=upload.sealed_session)


SESSION_COLUMNS: Final = {"put": "session", "multipart": "session", "resumable": "sealed_session"}


def session_of(upload: Upload) -> str:
    """What names the session open in the store, as the row has it; empty where none is."""
    return str(getattr(upload, SESSION_COLUMNS[upload.lane]))


def tell_of_look(upload: Upload, seen: Look) -> None:
    if upload.lane != "resumable":
        return
    status = "complete" if seen.is_whole else "in_progress" if seen.session else "expired"
    events.resumable_seen(upload, status=status, offset_bytes=seen.offset_bytes)


def look_at_parts(upload: Upload) -> Look:
    """Raises: SessionGone."""
    listed = lanes_of(upload.store).list_parts(upload.key, upload.session)
    parts = {part.number: part.size_bytes for part in listed}
    stored_at = max((part.stored_at for part in listed if part.stored_at), default=None)
    return Look(is_complete(upload, parts), parts, stored_at, session=upload.session)


def plan_of(upload: Upload) -> PartPlan:
    return PartPlan(upload.size, upload.part_bytes)


def is_complete(upload: Upload, parts: Numbers) -> bool:
    return all(parts.get(part.number) == part.size_bytes for part in plan_of(upload))


def open_session(upload: Upload, origin: str) -> Look:
    """A multipart or a resumable one. What no row comes to name is the sweeper's to abort."""
    try:
        session = (
            lanes_of(upload.store).create_multipart(upload.key, content_type=upload.media_type)
            if upload.lane == "multipart"
            else initiate_resumable(upload, page_origin=origin)
        )
    except GalleryError as refusal:
        return Look(refusal=refusal)
    return Look(session=session, seen_session=session_of(upload), is_opened=True)


class Signing:
    """One call's worth of asks on locked rows."""

    def __init__(
        self, asks: Sequence[Ask], uploads: Mapping[uuid.UUID, Upload], looks: Mapping[uuid.UUID, Look]
    ) -> None:
        self.asks, self.uploads, self.looks = asks, uploads, looks
        self.now = clock.now()
        self.refusals: dict[int, GalleryError] = {}  # by the place of the ask: an upload may be named twice
        self.to_sign: set[uuid.UUID] = set()
        self.ended: set[uuid.UUID] = set()
        self.moved: dict[Event, list[Upload]] = {}
        self.renewed: list[Upload] = []
        self.discards: list[Discard] = []
        self.copies = self.copies_of_asked()
        for place, ask in enumerate(asks):
            self.consider(place, ask)

    def consider(self, place: int, ask: Ask) -> None:
        upload = self.uploads.get(ask.upload_id)
        if upload is None:
            return
        try:
            self.decide(ask, upload)
        except GalleryError as refusal:
            self.refusals[place] = refusal

    def decide(self, ask: Ask, upload: Upload) -> None:
        if upload.gallery.deleted_at is not None:
            raise GalleryDeleted(id=str(upload.gallery_id))
        if upload.state not in TAKES_BYTES or upload.pk in self.ended:
            return
        seen = self.looks.get(upload.pk, Look(session=session_of(upload)))
        if seen.refusal:
            raise seen.refusal
        if self.is_of_another_attempt(upload):
            raise SessionGone
        remember_crcs(upload, ask)
        if upload.pk in self.to_sign:
            remember_unsigned(upload, ask, seen.parts)
        elif self.is_copy(upload):
            self.fail_as_copy(upload)
        elif seen.is_whole and upload.state == State.SIGNED:
            self.end(Event.STORED, upload)
        else:
            self.renew(upload, ask, seen)

    def is_of_another_attempt(self, upload: Upload) -> bool:
        """Begun anew while the store was asked: what was seen or opened is not this row's. A call looks again."""
        seen = self.looks.get(upload.pk)
        if seen is None:
            return upload.lane != "put" and not session_of(upload)
        return seen.key != upload.key

    def renew(self, upload: Upload, ask: Ask, seen: Look) -> None:
        # Two calls may have opened a session each: the first to write its own stays, the other's is let go.
        if seen.is_opened and session_of(upload) == seen.seen_session:
            setattr(upload, SESSION_COLUMNS[upload.lane], seen.session)
        remember_unsigned(upload, ask, seen.parts)
        upload.url_expires_at, upload.active_at = self.now + SIGNED_URL_LIFE, self.now
        upload.looked_at = None
        self.to_sign.add(upload.pk)
        if upload.state == State.REGISTERED:
            self.moved.setdefault(Event.SIGN, []).append(upload)
        else:
            self.renewed.append(upload)

    def end(self, event: Event, upload: Upload) -> None:
        self.ended.add(upload.pk)
        self.moved.setdefault(event, []).append(upload)

    def unused_sessions(self) -> Iterator[Discard]:
        for pk, seen in self.looks.items():
            upload = self.uploads.get(pk)
            if seen.is_opened and upload is not None and session_of(upload) != seen.session:
                unused = {SESSION_COLUMNS[upload.lane]: seen.session}
                yield Discard(store=upload.store, key=seen.key, not_before=self.now, **unused)

    def copies_of_asked(self) -> dict[tuple[uuid.UUID, int, str], uuid.UUID]:
        """Live photos with the bytes that are about to be sent. One query, none when no checksum is new."""
        fresh = {ask.crc32 for ask in self.asks if ask.crc32}
        if not fresh:
            return {}
        galleries = {upload.gallery_id for upload in self.uploads.values()}
        rows = Photo.objects.live().filter(gallery_id__in=galleries, crc32__in=fresh)
        return {
            (g, size, crc): pk for g, size, crc, pk in rows.values_list("gallery_id", "size", "crc32", "pk")
        }

    def is_copy(self, upload: Upload) -> bool:
        return not upload.is_wanted_copy and (upload.gallery_id, upload.size, upload.crc32) in self.copies

    def fail_as_copy(self, upload: Upload) -> None:
        end_as_copy(upload, self.copies[upload.gallery_id, upload.size, upload.crc32], self.now)
        self.discards.append(discard_of(upload, self.now))
        self.end(Event.FAIL, upload)

    def write(self) -> None:
        fields = (
            "crc32",
            "part_crcs",
            "session",
            "sealed_session",
            "url_expires_at",
            "active_at",
            "looked_at",
            "error_details",
            "ended_at",
        )
        for event, uploads in self.moved.items():
            move_many(uploads, event, fields=fields)
        if self.renewed:
            write_columns(self.renewed, fields)
        Discard.objects.bulk_create([*self.discards, *self.unused_sessions()])
        self.announce()
        self.tell()
        if self.moved.get(Event.STORED):
            announce.ring_after_commit()

    def tell(self) -> None:
        """What no move says."""
        events.refused(self.refusals.values())
        for pk, seen in self.looks.items():
            if not seen.is_opened and seen.refusal is None and (upload := self.uploads.get(pk)):
                tell_of_look(upload, seen)
        opened = [(self.uploads.get(pk), seen) for pk, seen in self.looks.items() if seen.is_opened]
        kept = [upload for upload, seen in opened if upload and session_of(upload) == seen.session]
        for event, lane in ((events.MULTIPART_OPENED, "multipart"), (events.RESUMABLE_OPENED, "resumable")):
            events.sessions_opened(event, [upload.store for upload in kept if upload.lane == lane])

    def announce(self) -> None:
        changed = [upload for uploads in self.moved.values() for upload in uploads]
        for gallery_id in {upload.gallery_id for upload in changed}:
            version = raise_version(gallery_id)
            of_gallery = [upload for upload in changed if upload.gallery_id == gallery_id]
            announce.uploads_changed(gallery_id, version=version, uploads=of_gallery)

    def answers(self, room: int) -> Iterator[Signed]:
        """Every file that takes but one signature has it; those that go by parts share the rest, in their order."""
        left_for_parts = room - sum(self.takes_one(place, ask) for place, ask in enumerate(self.asks))
        for place, ask in enumerate(self.asks):
            upload = self.uploads.get(ask.upload_id)
            if upload is None:
                yield Signed(str(ask.upload_id), refusal=NotFound())
                continue
            transfer = None
            if self.is_to_sign(place, ask):
                transfer = transfer_of(upload, ask, self.looks.get(upload.pk, Look()), left_for_parts)
                left_for_parts -= len(parts_in(transfer))
            yield Signed(str(upload.pk), upload, transfer, self.refusals.get(place))

    def is_to_sign(self, place: int, ask: Ask) -> bool:
        return ask.upload_id in self.to_sign and place not in self.refusals

    def takes_one(self, place: int, ask: Ask) -> bool:
        return self.is_to_sign(place, ask) and self.uploads[ask.upload_id].lane != "multipart"


def remember_crcs(upload: Upload, ask: Ask) -> None:
    """Raises: ChecksumConflict for another checksum of the same attempt. BadPartNumber outside the persisted plan."""
    part_count = plan_of(upload).part_count
    part_crcs = (ask.part_crcs or {}) if upload.lane == "multipart" else {}
    for number in part_crcs:
        if not 1 <= number <= part_count:
            raise BadPartNumber(number=number, part_count=part_count)
    if ask.crc32 and upload.crc32 and ask.crc32 != upload.crc32:
        raise ChecksumConflict(known_crc32=upload.crc32, given_crc32=ask.crc32)
    upload.crc32 = ask.crc32 or upload.crc32
    if any(
        crc32 and upload.part_crcs.get(str(number), crc32) != crc32 for number, crc32 in part_crcs.items()
    ):
        # The URL made for the bytes before still fits them, also after completion.
        upload.part_crcs[UNSIGNED_PART] = ""
    upload.part_crcs |= {str(number): crc32 for number, crc32 in part_crcs.items() if crc32}


# In `part_crcs`, where no part has this number: a URL was given out that no checksum binds.
UNSIGNED_PART: Final = "0"


def remember_unsigned(upload: Upload, ask: Ask, stored: Numbers) -> None:
    """Any bytes fit a URL without a checksum, also after completion: such an upload is bound by a copy."""
    if upload.lane != "multipart":
        return
    if any(str(part.number) not in upload.part_crcs for part in wanted_parts(upload, ask, stored)):
        upload.part_crcs[UNSIGNED_PART] = ""


def is_every_part_signed(upload: Upload) -> bool:
    """Whether each URL given out for a part bound that part's checksum."""
    return UNSIGNED_PART not in upload.part_crcs and len(upload.part_crcs) == plan_of(upload).part_count


def transfer_of(upload: Upload, ask: Ask, seen: Look, room: int) -> dict[str, object]:
    """Pure CPU: no query, no store call."""
    if upload.lane == "resumable":
        return resumable_transfer(upload, seen)
    lanes = lanes_of(upload.store)
    expires_in_s = int(SIGNED_URL_LIFE.total_seconds())
    if upload.lane == "put":
        signed = lanes.sign_put(
            upload.key, size_bytes=upload.size, content_type=upload.media_type, crc32=upload.crc32 or None
        )
        return {"lane": "put", "request": request_out(signed), "expires_in_s": expires_in_s}
    return {
        "lane": "multipart",
        "part_size": upload.part_bytes,
        "size": upload.size,
        "parts": [
            {"number": part.number, "offset": part.offset, "size": part.size_bytes,
             "request": request_out(sign_part(lanes, upload, part))}
            for part in wanted_parts(upload, ask, seen.parts)[:max(room, 0)]
        ],
        "stored": sorted(seen.parts),
        "expires_in_s": expires_in_s,
    }  # fmt: skip


def resumable_transfer(upload: Upload, seen: Look) -> dict[str, object]:
    """The one place where a session's URI is plain again.

    Raises: SessionGone when it can't be unsealed.
    """
    return {
        "lane": "resumable",
        "session_uri": unseal(upload.sealed_session),
        "chunk_size": RESUMABLE_CHUNK_BYTES,
        # Of the session that was looked at; another call may have opened the one that the row names by now.
        "offset": seen.offset_bytes if seen.session == upload.sealed_session else 0,
    }


def wanted_parts(upload: Upload, ask: Ask, stored: Numbers) -> list[Part]:
    """Those asked for, less what is stored; else the next ones that are missing."""
    plan = plan_of(upload)
    if ask.part_crcs is None:
        return [part for part in plan if stored.get(part.number) != part.size_bytes]
    asked = [plan.part(number) for number in ask.part_crcs]
    return [part for part in asked if stored.get(part.number) != part.size_bytes]


def sign_part(lanes: UploadLanes, upload: Upload, part: Part) -> SignedRequest:
    return lanes.sign_part(
        upload.key,
        upload.session,
        number=part.number,
        size_bytes=part.size_bytes,
        crc32=upload.part_crcs.get(str(part.number)),
    )


def request_out(signed: SignedRequest) -> dict[str, object]:
    return {"method": signed.method, "url": signed.url, "headers": signed.headers}


def parts_in(transfer: Mapping[str, object]) -> Sequence[object]:
    parts = transfer.get("parts")
    return parts if isinstance(parts, list) else ()


def signed_out(signed: Signed) -> dict[str, object]:
    if signed.upload is None:
        return wire.unknown_out(signed.upload_id, signed.refusal or NotFound())
    return wire.upload_out(signed.upload, error=signed.refusal, transfer=signed.transfer)
