"""The port to stored objects: what the product may ask of a store, whichever it is.

A store is an alias of `settings.STORAGES`; rows record the alias. Keys are made here alone, from UUIDs,
and hold nothing a client has said.
"""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from galleries.errors import ObjectMissing

CHUNK_BYTES: Final = 1024 * 1024
# What is stored under a key never changes, so whoever may see it may keep it.
CACHE_CONTROL: Final = "private, max-age=31536000, immutable"

HEX_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
ORIGINAL_KEY: Final = re.compile(rf"originals/[0-9a-f]{{2}}/{HEX_UUID}/[1-9][0-9]{{0,8}}(/bound)?", re.ASCII)
RENDITION_KEY: Final = re.compile(
    rf"renditions/[0-9a-f]{{2}}/{HEX_UUID}/[a-z]{{1,20}}-[0-9a-f]{{4,64}}", re.ASCII
)

# The class that speaks for each class of STORAGES; named, so that a local site imports no cloud's library.
STORE_CLASSES: Final[Mapping[str, str]] = {
    "django.core.files.storage.FileSystemStorage": "galleries.objects.local.LocalStore",
    "storages.backends.gcloud.GoogleCloudStorage": "galleries.objects.gcs.GcsStore",
    "storages.backends.s3.S3Storage": "galleries.objects.s3.S3Store",
}

# Called with (store, verb) before every request to a store. The test suite refuses here what is asked
# inside an open transaction.
on_store_call: Final[list[Callable[[str, str], None]]] = []


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store has it. `etag` is unquoted; it names these bytes, it is no MD5."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime
    content_type: str


class ObjectStore(ABC):
    """One store. Every call may raise StorageUnavailable, within ten seconds."""

    name: str

    @abstractmethod
    def head(self, key: str) -> StoredObject:
        """Raises: ObjectMissing."""

    def find(self, key: str) -> StoredObject | None:
        try:
            return self.head(key)
        except ObjectMissing:
            return None

    @abstractmethod
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[bytes]:
        """The whole object, for workers, in chunks of at most 1 MiB; never a short one without an error.

        Raises: ObjectMissing. ObjectChanged when `if_match` is another object's ETag.
        """

    @abstractmethod
    def stream(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """`length` bytes from `offset` (to the end when None), read off the event loop.

        The first chunk is only asked for when iterated: so is ObjectMissing. Closing it frees the connection.
        """

    @abstractmethod
    def put_bytes(self, key: str, content: BinaryIO | bytes, *, content_type: str) -> StoredObject:
        """Stores, whole or not at all, over what was there. Safe to repeat."""

    @abstractmethod
    def copy(self, source_key: str, target_key: str, *, if_match: str) -> StoredObject:
        """A server-side copy, over what was there.

        Raises: ObjectMissing. ObjectChanged when `if_match` is not the source's ETag.
        """

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """One request a key: several stores refuse bulk deletion. What is missing is gone already."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All pages, in the order of keys. `content_type` is unknown here: an empty string."""

    @abstractmethod
    def signed_get(self, key: str, *, download_name: str | None, content_type: str) -> str | None:
        """A URL to read from, the same one for up to six hours; None where the app streams itself."""


def original_key(upload_id: UUID, attempt: int) -> str:
    """Two hex digits in front spread the load over the partitions of a store."""
    return f"originals/{spread(upload_id)}/{upload_id}/{attempt}"


def bound_key(upload_id: UUID, attempt: int) -> str:
    """Where a store that cannot refuse late writes copies an original to, out of reach of its signed URLs."""
    return f"{original_key(upload_id, attempt)}/bound"


def rendition_key(photo_id: UUID, name: str, recipe_digest: str) -> str:
    return f"renditions/{spread(photo_id)}/{photo_id}/{name}-{recipe_digest}"


def spread(identifier: UUID) -> str:
    """The last two digits: those of a UUIDv7 are random, its first are the clock."""
    return identifier.hex[-2:]


def is_key(text: str) -> bool:
    return bool(ORIGINAL_KEY.fullmatch(text) or RENDITION_KEY.fullmatch(text))


def default_store() -> ObjectStore:
    return store_named(settings.PHOTO_STORE)


def store_named(name: str) -> ObjectStore:
    """The store of that alias, made once a process and never shared across a fork.

    Raises: ImproperlyConfigured for an alias that no setting describes: a row names a store that is gone.
    """
    remembered = _stores.get((os.getpid(), name))
    if remembered is None:
        remembered = _stores[os.getpid(), name] = open_store(name)
    return remembered


def open_store(name: str) -> ObjectStore:
    described: Mapping[str, Any] | None = settings.STORAGES.get(name)
    if described is None or described["BACKEND"] not in STORE_CLASSES:
        raise ImproperlyConfigured(f"STORAGES describes no photo store named {name!r}.")
    store_class = import_string(STORE_CLASSES[described["BACKEND"]])
    store: ObjectStore = store_class(name, described.get("OPTIONS", {}))
    return store


def forget_stores() -> None:
    """After settings have changed: tests, and nothing else."""
    _stores.clear()


def tell_store_call(store: str, verb: str) -> None:
    for hook in on_store_call:
        hook(store, verb)


_stores: Final[dict[tuple[int, str], ObjectStore]] = {}
