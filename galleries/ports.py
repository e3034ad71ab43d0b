"""What a gallery asks of, and tells, whoever fills it. No-ops until somebody plugs in."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Protocol

from galleries.models import Gallery
from galleries.renditions import RECIPES

OPEN_STATES = ("registered", "signed", "uploading", "uploaded", "verifying")


@dataclass(frozen=True)
class Totals:
    """How far the present round of a gallery is. Bytes and counts of files; seconds_left is an estimate."""

    bytes: int = 0
    bytes_total: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    rate: int | None = None
    seconds_left: int | None = None
    # Photos of the gallery, of whatever round, that are safe and not published.
    staged: int = 0
    # What is published of the gallery, of whatever round.
    photo_count: int = 0
    byte_count: int = 0
    # Of the round; no end while a file is on its way.
    began_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def open_count(self) -> int:
        """Files that are still on their way. Twin of static/src/domain/totals.ts."""
        return sum(self.files.get(state, 0) for state in OPEN_STATES)

    @property
    def percent(self) -> int:
        """A hundred only when every file is verified, not when the last byte has arrived."""
        if not self.open_count:
            return 100 if self.files.get("verified") else 0
        return min(99, 100 * self.bytes // self.bytes_total) if self.bytes_total else 0

    def as_wire(self) -> dict[str, object]:
        return {
            "bytes": self.bytes,
            "bytes_total": self.bytes_total,
            "files": dict(self.files),
            "rate": self.rate,
            "seconds_left": self.seconds_left,
            "staged": self.staged,
            "photo_count": self.photo_count,
            "byte_count": self.byte_count,
        }


@dataclass(frozen=True)
class Profile:
    """What a file must be to be taken into a gallery. A value that equals a bound is within it."""

    media_types: tuple[str, ...] = ()
    max_file_bytes: int = 0
    min_pixels: int = 0
    max_pixels: int = 0
    max_side_px: int = 0
    max_photos: int = 0

    def as_wire(self) -> dict[str, object]:
        """With what is made of each photo: the sizes a client may count on, and the recipe each is made by."""
        renditions = [
            {
                "name": recipe.name,
                "media_type": recipe.media_type,
                "longest_side_px": recipe.longest_side_px,
                "recipe": recipe.digest,
            }
            for recipe in RECIPES
        ]
        return {**asdict(self), "media_types": list(self.media_types), "renditions": renditions}


class Room(Protocol):
    """What a gallery still takes; counted once, less with each photo."""

    def take_back(self, size: int) -> None:
        """For a deleted photo of that many bytes. Raises: GalleryFull."""


class Boundless:
    def take_back(self, size: int) -> None:
        pass


class Filler(Protocol):
    def profile_of(self, gallery: Gallery) -> Profile:
        """What the gallery takes: its own bounds within those of the product. No query."""

    def room_in(self, gallery_id: uuid.UUID) -> Room:
        """Called while the gallery's lock is held. A constant number of queries."""

    def progress_of(self, gallery_ids: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, Totals]:
        """A constant number of queries."""

    def photos_changed(self, gallery_id: uuid.UUID, *, version: int, photo_ids: Iterable[uuid.UUID]) -> None:
        """Called inside the transaction that changed them; announces after its commit."""

    def gallery_deleted(self, gallery_id: uuid.UUID) -> None:
        """Called inside the transaction that deletes it; the caller raises its version and announces."""

    def galleries_changed(self, owner_id: uuid.UUID) -> None:
        """Somebody has one more, or one less; announced after the commit."""


class NoFiller:
    def profile_of(self, _gallery: Gallery) -> Profile:
        return Profile()

    def room_in(self, _gallery_id: uuid.UUID) -> Room:
        return Boundless()

    def progress_of(self, gallery_ids: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, Totals]:
        return {gallery_id: Totals() for gallery_id in gallery_ids}

    def photos_changed(self, gallery_id: uuid.UUID, *, version: int, photo_ids: Iterable[uuid.UUID]) -> None:
        pass

    def gallery_deleted(self, gallery_id: uuid.UUID) -> None:
        pass

    def galleries_changed(self, owner_id: uuid.UUID) -> None:
        pass


class Socket:
    """Holds the one plugged-in filler."""

    filler: Filler = NoFiller()


def plug_in(filler: Filler) -> None:
    Socket.filler = filler


def filler() -> Filler:
    return Socket.filler
