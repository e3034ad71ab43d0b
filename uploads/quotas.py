"""How much one gallery and one person may hold: counted from rows, while their locks are held.

Whatever is on its way has reserved its room, and every end but `verified` gives it back by being an end: there is no
counter that could differ. A photo goes on using its owner's room until its bytes are gone.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from django.conf import settings
from django.db import connection

from accounts.models import User
from galleries.errors import GalleryFull
from galleries.models import LIVE_STATUSES, Gallery, PhotoStatus
from uploads.errors import QuotaExceeded, TooManyOpenUploads
from uploads.models import Upload
from uploads.profile import profile_of
from uploads.states import OPEN_STATES

# A gallery's own columns count what is ready.
UNSEEN: Final = tuple(status for status in PhotoStatus if status != PhotoStatus.READY)
STAGED: Final = tuple(status for status in LIVE_STATUSES if status != PhotoStatus.READY)


def words(*states: str) -> str:
    return ", ".join(f"'{state}'" for state in states)


STAGED_HERE: Final = f"photo.gallery_id = %(gallery)s AND photo.status IN ({words(*STAGED)})"
# One statement, so that it sees one moment: what becomes a photo, or is shown or hidden just then, is counted once.
# Galleries know what they show; only what they do not show is counted by rows, so that it takes no longer for a person
# with 100,000 photos (26 ms by rows). Past the ORM, which takes 2 ms to put it together; the database takes a tenth.
HELD: Final = f"""
SELECT shown.photos_here + unseen.staged_here + waiting.files_here,
  shown.bytes_here + unseen.staged_bytes_here + waiting.bytes_here,
  waiting.files_here,
  shown.photos + unseen.photos + waiting.files,
  shown.bytes + unseen.bytes + waiting.bytes,
  waiting.files
FROM (
  SELECT COUNT(*) AS files,
    COALESCE(SUM(size), 0) AS bytes,
    COUNT(*) FILTER (WHERE gallery_id = %(gallery)s) AS files_here,
    COALESCE(SUM(size) FILTER (WHERE gallery_id = %(gallery)s), 0) AS bytes_here
  FROM uploads_upload WHERE owner_id = %(owner)s AND state IN ({words(*OPEN_STATES)})
) AS waiting, (
  SELECT COALESCE(SUM(photo_count), 0) AS photos,
    COALESCE(SUM(byte_count), 0) AS bytes,
    COALESCE(SUM(photo_count) FILTER (WHERE id = %(gallery)s), 0) AS photos_here,
    COALESCE(SUM(byte_count) FILTER (WHERE id = %(gallery)s), 0) AS bytes_here
  FROM galleries_gallery WHERE owner_id = %(owner)s
) AS shown, (
  SELECT COUNT(*) AS photos,
    COALESCE(SUM(photo.size), 0) AS bytes,
    COUNT(*) FILTER (WHERE {STAGED_HERE}) AS staged_here,
    COALESCE(SUM(photo.size) FILTER (WHERE {STAGED_HERE}), 0) AS staged_bytes_here
  FROM galleries_photo AS photo JOIN galleries_gallery AS gallery ON gallery.id = photo.gallery_id
  WHERE gallery.owner_id = %(owner)s
    AND photo.status IN ({words(*UNSEEN)})
) AS unseen
"""  # noqa: S608  of our own words alone


@dataclass(frozen=True)
class Quota:
    photos: int
    bytes: int
    open_uploads: int

    @classmethod
    def of_gallery(cls, gallery: Gallery) -> Self:
        max_photos = profile_of(gallery).max_photos
        return cls(max_photos, settings.MAX_GALLERY_BYTES, settings.MAX_GALLERY_OPEN_UPLOADS)

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
    quota: Quota
    """The gallery's."""

    def take(self, size: int) -> None:
        """For a file that sets out. Raises: GalleryFull, QuotaExceeded, TooManyOpenUploads: nothing is taken then."""
        refuse_full_gallery(self.gallery, size, self.quota)
        refuse_full_account(self.owner, size)
        refuse_crowd("gallery_open_uploads", self.gallery, self.quota)
        refuse_crowd("user_open_uploads", self.owner, Quota.of_user())
        for held in (self.gallery, self.owner):
            held.add(size)
            held.open_uploads += 1

    def take_back(self, size: int) -> None:
        """For a deleted photo: its owner's room it never left. Raises: GalleryFull."""
        refuse_full_gallery(self.gallery, size, self.quota)
        self.gallery.add(size)


def refuse_full_gallery(held: Held, size: int, quota: Quota) -> None:
    """Raises: GalleryFull."""
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
    """One query. Who takes from it for a new file holds the locks of the gallery and of its owner."""
    key = Gallery._meta.pk  # noqa: SLF001  Django's documented API, whatever its name says
    ids = {"owner": gallery.owner_id, "gallery": gallery.pk}
    with connection.cursor() as cursor:
        cursor.execute(HELD, {name: key.get_db_prep_value(each, connection) for name, each in ids.items()})
        photos_here, bytes_here, open_here, photos, size, open_uploads = map(int, cursor.fetchone())
    return Room(
        gallery=Held(photos_here, bytes_here, open_here),
        owner=Held(photos, size, open_uploads),
        quota=Quota.of_gallery(gallery),
    )


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
