"""How much one gallery and one person may hold: counted from rows, while their locks are held.

Whatever is on its way has reserved its room, and every end but `verified` gives it back by being an end: there is no
counter that could differ. A photo goes on using its owner's room until its bytes are gone.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

from django.conf import settings
from django.db import connection
from django.db.models import Aggregate, Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from galleries.errors import GalleryFull
from galleries.models import LIVE_STATUSES, Gallery, Photo, PhotoStatus
from uploads.errors import QuotaExceeded, TooManyOpenUploads
from uploads.models import Upload

# A gallery's own columns count what is ready.
UNSEEN: Final = tuple(status for status in PhotoStatus if status != PhotoStatus.READY)
STAGED: Final = tuple(status for status in LIVE_STATUSES if status != PhotoStatus.READY)


@dataclass(frozen=True)
class Quota:
    photos: int
    bytes: int
    open_uploads: int

    @classmethod
    def of_gallery(cls) -> Self:
        return cls(settings.MAX_GALLERY_PHOTOS, settings.MAX_GALLERY_BYTES, settings.MAX_GALLERY_OPEN_UPLOADS)

    @classmethod
    def of_user(cls) -> Self:
        return cls(settings.MAX_USER_PHOTOS, settings.MAX_USER_BYTES, settings.MAX_USER_OPEN_UPLOADS)


@dataclass
class Held:
    """Photos and bytes, there or on their way; and how many are on their way."""

    photos: int
    bytes: int
    open_uploads: int

    def add(self, size: int) -> None:
        self.photos += 1
        self.bytes += size


@dataclass
class Room:
    """What a gallery and its owner hold, and with each file taken more of it."""

    gallery: Held
    owner: Held

    def take(self, size: int) -> None:
        """For a file that sets out. Raises: GalleryFull, QuotaExceeded, TooManyOpenUploads: nothing is taken then."""
        refuse_full_gallery(self.gallery, size)
        refuse_full_account(self.owner, size)
        refuse_crowd("gallery_open_uploads", self.gallery, Quota.of_gallery())
        refuse_crowd("user_open_uploads", self.owner, Quota.of_user())
        for held in (self.gallery, self.owner):
            held.add(size)
            held.open_uploads += 1

    def take_back(self, size: int) -> None:
        """For a deleted photo: its owner's room it never left. Raises: GalleryFull."""
        refuse_full_gallery(self.gallery, size)
        self.gallery.add(size)


def refuse_full_gallery(held: Held, size: int) -> None:
    """Raises: GalleryFull."""
    quota = Quota.of_gallery()
    if held.photos >= quota.photos or held.bytes + size > quota.bytes:
        raise GalleryFull(
            limit_photos=quota.photos,
            limit_bytes=quota.bytes,
            used_photos=held.photos,
            used_bytes=held.bytes,
        )


def refuse_full_account(held: Held, size: int) -> None:
    """Raises: QuotaExceeded."""
    quota = Quota.of_user()
    if held.photos >= quota.photos:
        raise QuotaExceeded(quota="user_photos", limit=quota.photos, used=held.photos)
    if held.bytes + size > quota.bytes:
        raise QuotaExceeded(quota="user_bytes", limit=quota.bytes, used=held.bytes)


def refuse_crowd(name: str, held: Held, quota: Quota) -> None:
    """Raises: TooManyOpenUploads."""
    if held.open_uploads >= quota.open_uploads:
        raise TooManyOpenUploads(quota=name, limit=quota.open_uploads, used=held.open_uploads)


def room_in(gallery: Gallery) -> Room:
    """Two queries. Who takes from it for a new file holds the locks of the gallery and of its owner."""
    # In this order: what becomes a photo of another gallery meanwhile is counted twice, never not at all.
    on_their_way = open_uploads_of(gallery)
    kept = photos_of(gallery)
    total = {name: (on_their_way[name] or 0) + (kept[name] or 0) for name in kept}
    return Room(
        gallery=Held(total["photos_here"], total["bytes_here"], on_their_way["photos_here"]),
        owner=Held(total["photos"], total["bytes"], on_their_way["photos"]),
    )


def open_uploads_of(gallery: Gallery) -> dict[str, Any]:
    """Of the gallery's owner, and of them those of this gallery."""
    here = Q(gallery=gallery)
    waiting = Upload.objects.open().filter(owner=gallery.owner_id)
    return waiting.aggregate(
        photos=Count("pk"),
        bytes=Sum("size"),
        photos_here=Count("pk", filter=here),
        bytes_here=Sum("size", filter=here),
    )


def photos_of(gallery: Gallery) -> dict[str, Any]:
    """All that the owner's galleries keep, and what counts for this one.

    Galleries know what they show; only what they do not show is counted by rows, and in the same statement: what is
    shown or hidden just then is in one of the two. 1.4 ms however many (SQLite); to count every row took 26 ms for a
    person with 100,000 photos.
    """
    here = Q(pk=gallery.pk)
    return (
        weighed_galleries()
        .filter(owner=gallery.owner_id)
        .aggregate(
            photos=Sum(F("photo_count") + F("unseen")),
            bytes=Sum(F("byte_count") + F("unseen_bytes")),
            photos_here=Sum(F("photo_count") + F("staged"), filter=here),
            bytes_here=Sum(F("byte_count") + F("staged_bytes"), filter=here),
        )
    )


@cache
def weighed_galleries() -> QuerySet[Gallery]:
    """Put together once: that takes twice the time of asking."""
    return Gallery.objects.annotate(
        unseen=rows_of(UNSEEN, Count("pk")),
        unseen_bytes=rows_of(UNSEEN, Sum("size")),
        staged=rows_of(STAGED, Count("pk")),
        staged_bytes=rows_of(STAGED, Sum("size")),
    )


def rows_of(statuses: Sequence[str], amount: Aggregate) -> Coalesce:
    """Of photos of the gallery in hand."""
    photos = Photo.objects.filter(gallery=OuterRef("pk"), status__in=statuses).order_by().values("gallery")
    return Coalesce(Subquery(photos.annotate(amount=amount).values("amount")), 0)


def lock_gallery_and_owner(gallery_id: uuid.UUID) -> Gallery:
    """One query. The gallery first, as everywhere; files for two galleries of one person wait for each other here."""
    both = Gallery.objects.select_related("owner").select_for_update(of=("self", "owner"), no_key=True)
    return both.get(pk=gallery_id)


class Rooms:
    """The room in each gallery of a call on these uploads, which holds their galleries' locks.

    Nothing is locked or counted before it is asked for; then two queries for each gallery.
    """

    def __init__(self, upload_ids: Sequence[uuid.UUID]) -> None:
        self.upload_ids = upload_ids
        self.known: dict[uuid.UUID, Room] = {}
        self.owners: dict[uuid.UUID, Held] = {}

    def of(self, gallery: Gallery) -> Room:
        if not self.known:
            lock_owners(self.upload_ids)
        if gallery.pk not in self.known:
            room = room_in(gallery)
            # Two galleries of one person take from the same room.
            room.owner = self.owners.setdefault(gallery.owner_id, room.owner)
            self.known[gallery.pk] = room
        return self.known[gallery.pk]


def lock_owners(upload_ids: Sequence[uuid.UUID]) -> None:
    """In the order of their ids. One query, none on SQLite, where a transaction has all of the database."""
    if connection.features.has_select_for_update:
        owners = User.objects.filter(pk__in=Upload.objects.filter(pk__in=upload_ids).values("owner_id"))
        list(owners.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
