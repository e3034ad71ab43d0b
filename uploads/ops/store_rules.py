"""What rows and stores must say of each other, both ways.

Rows are read first and every suspect is asked again, so that what a live system does meanwhile is no breach.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from galleries.errors import ObjectMissing
from galleries.models import Photo, PhotoStatus, Rendition
from galleries.objects.base import ObjectStore, store_named
from uploads import clock
from uploads.janitor.deed import known_stores
from uploads.lanes.base import lanes_of
from uploads.limits import SIGNED_URL_LIFE
from uploads.models import Discard, Upload
from uploads.ops.breach import Breach
from uploads.states import OPEN_STATES, State

# What no row names is the janitor's and gone by then: see the life of signed URLs in limits.py.
OBJECT_GRACE: Final = SIGNED_URL_LIFE + timedelta(hours=2)
DISCARD_GRACE: Final = timedelta(hours=1)
PREFIXES: Final = ("originals/", "renditions/")
# What was sent of these may still become a photo, at once or after a retry.
HOLDS_BYTES: Final = (*OPEN_STATES, State.FAILED)


@dataclass
class Named:
    """What rows say that a store holds. `required` maps key -> (bytes, rule broken where it is missing)."""

    required: dict[str, tuple[int, str]] = field(default_factory=dict)
    tolerated: set[str] = field(default_factory=set)
    sessions: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, store: str) -> "Named":
        named = cls()
        originals = Photo.objects.filter(store=store).values_list("key", "size")
        renditions = Rendition.objects.filter(photo__store=store).values_list("key", "size")
        named.required |= {key: (size, "original_missing") for key, size in originals.iterator()}
        named.required |= {key: (size, "rendition_missing") for key, size in renditions.iterator()}
        holders = Upload.objects.filter(store=store, state__in=HOLDS_BYTES).values_list("key", "session")
        for key, session in holders.iterator():
            named.tolerated |= {key, f"{key}/bound"}
            named.sessions.add((key, session))
        for key, session in Discard.objects.filter(store=store).values_list("key", "session").iterator():
            named.tolerated.add(key)
            named.sessions.add((key, session))
        return named


def unknown_stores() -> Iterator[Breach]:
    named = {
        store
        for rows in (Photo, Upload, Discard)
        for store in rows.objects.order_by().values_list("store", flat=True).distinct()
    }
    yield from (Breach("store_unknown", store) for store in sorted(named - {*known_stores()}))


def overdue_discards(now: datetime) -> Iterator[Breach]:
    late = Discard.objects.filter(not_before__lt=now - DISCARD_GRACE).order_by("not_before")
    yield from (Breach("discard_overdue", key) for key in late.values_list("key", flat=True))


def broken_in_store(name: str, now: datetime) -> Iterator[Breach]:
    """One listing of all objects, one of all open sessions; memory grows with the rows, not with the store.

    Raises: StorageUnavailable.
    """
    named, store = Named.of(name), store_named(name)
    for prefix in PREFIXES:
        for stored in store.list(prefix):
            expected = named.required.get(stored.key)
            if expected is not None and expected[0] == stored.size_bytes:
                del named.required[stored.key]
            elif (
                expected is None
                and stored.key not in named.tolerated
                and stored.modified_at < now - OBJECT_GRACE
            ):
                yield from orphan(stored.key)
    for key, (size_bytes, rule) in named.required.items():
        yield from missing(store, key, size_bytes, rule)
    for opened in lanes_of(name).list_sessions("originals/"):
        is_young = opened.started_at >= now - OBJECT_GRACE
        if not is_young and (opened.key, opened.session) not in named.sessions:
            yield Breach("session_without_row", opened.key)


def orphan(key: str) -> Iterator[Breach]:
    """Asked again: the row may have come after the rows were read."""
    if not (is_named(key) or Discard.objects.filter(key=key).exists()):
        yield Breach("object_without_row", key)


def missing(store: ObjectStore, key: str, size_bytes: int, rule: str) -> Iterator[Breach]:
    """Asked again, the store before the row: a photo that is forgotten loses its objects first."""
    stored = store.find(key)
    if (stored is None or stored.size_bytes != size_bytes) and is_named(key) and not is_being_forgotten(key):
        yield Breach(rule, key)


def is_named(key: str) -> bool:
    return (
        Photo.objects.filter(key=key).exists()
        or Rendition.objects.filter(key=key).exists()
        or Upload.objects.filter(key=key.removesuffix("/bound"), state__in=HOLDS_BYTES).exists()
    )


def is_being_forgotten(key: str) -> bool:
    """Deleted photos lose their objects before their rows; a row that stays is the breach `deleted_and_kept`."""
    now, of_key = clock.now(), Q(key=key) | Q(renditions__key=key)
    gone = (Photo.objects.beyond_restore(now), Photo.objects.of_forgotten_galleries(now))
    return any(photos.filter(of_key).exists() for photos in gone)


def altered_originals(name: str) -> Iterator[Breach]:
    """Reads every byte of every photo that is not deleted: hours for a large store."""
    store = store_named(name)
    photos = Photo.objects.filter(store=name).exclude(status=PhotoStatus.DELETED)
    for key, known in photos.values_list("key", "sha256").iterator():
        found = hashlib.sha256()
        try:
            for chunk in store.read(key):
                found.update(chunk)
        except ObjectMissing:
            continue  # said by another rule
        if found.hexdigest() != known:
            yield Breach("original_altered", key)
