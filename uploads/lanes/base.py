"""The port for bytes on their way in: how a browser may send an original straight to a store.

A lane signs, the browser sends, the store alone says what has arrived.
"""

import base64
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from galleries.objects.base import ObjectStore, StoredObject, store_named
from uploads.errors import LaneUnsupported
from uploads.limits import PREFERRED_PART_BYTES

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
CHECKSUM_HEADER: Final = "x-amz-checksum-crc32"

Lane = Literal["put", "multipart", "resumable"]
Proof = Literal["proven", "declared"] | None


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """`headers` are exactly those the client sets. Content-Length is signed too: the body sets it."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class StoredPart:
    number: int
    size_bytes: int
    etag: str
    stored_at: datetime | None = field(default=None, compare=False)  # where the store tells


@dataclass(frozen=True, slots=True)
class OpenSession:
    key: str
    session: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resumable session that is to be begun. `origin`: where the browser's page lies; only it may send."""

    key: str
    size_bytes: int
    content_type: str
    origin: str


@dataclass(frozen=True, slots=True)
class Received:
    """What a resumable session holds: every byte before `offset_bytes`. `is_whole`: the object is there."""

    offset_bytes: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do: proven by the contract suite on a real server, declared, or None: it can't."""

    put: Proof
    multipart: Proof
    resumable: Proof
    conditional_put: Proof  # a signed If-None-Match keeps a used URL from writing again
    signed_checksum: Proof  # a PUT of other bytes than the signed CRC32 is refused
    signed_part_checksum: Proof  # the same for a part


class UploadLanes(ABC):
    """The ways into one store. Every call that is not `sign_…` may raise StorageUnavailable."""

    store: ObjectStore
    capabilities: Capabilities
    clock: Callable[[], float] = staticmethod(time.time)

    @abstractmethod
    def sign_put(self, key: str, *, size_bytes: int, content_type: str, crc32: str | None) -> SignedRequest:
        """`crc32` is that of the wire: eight hex digits. No store call."""

    @abstractmethod
    def create_multipart(self, key: str, *, content_type: str) -> str: ...

    @abstractmethod
    def sign_part(
        self, key: str, session: str, *, number: int, size_bytes: int, crc32: str | None
    ) -> SignedRequest:
        """No store call."""

    @abstractmethod
    def list_parts(self, key: str, session: str) -> list[StoredPart]:
        """All pages, by number.

        Raises: SessionGone.
        """

    @abstractmethod
    def complete_multipart(self, key: str, session: str, parts: Iterable[StoredPart]) -> StoredObject:
        """Safe to call again after an answer that was lost: an object of the right size is the answer.

        Raises: SessionGone when there is neither session nor object. PartsMissing when it has other parts.
        """

    @abstractmethod
    def abort_multipart(self, key: str, session: str) -> None:
        """Until the store says the session is gone: parts on their way may outlive a first abort."""

    @abstractmethod
    def list_sessions(self, prefix: str) -> Iterator[OpenSession]:
        """Every multipart session still open below that prefix of keys, also those no row knows."""

    def begin_resumable(self, wanted: Wanted) -> str:
        """A session URI. Whoever has it may send: it is a secret.

        Raises: LaneUnsupported where the store has no such lane.
        """
        raise LaneUnsupported(lane="resumable", store=self.store.name, size_bytes=wanted.size_bytes)

    def probe_resumable(self, session_uri: str, *, size_bytes: int) -> Received:
        """What the store has of it (`Content-Range: bytes */size`). Changes nothing.

        Raises: SessionGone when the store knows no such session, or no longer.
        """
        del session_uri
        raise LaneUnsupported(lane="resumable", store=self.store.name, size_bytes=size_bytes)

    def cancel_resumable(self, session_uri: str) -> None:
        """Safe to repeat: a session that is gone is cancelled. A finished one keeps its object."""
        del session_uri
        raise LaneUnsupported(lane="resumable", store=self.store.name)

    def drop_abandoned(self, *, older_than: timedelta) -> int:
        """Removes what killed processes left half written, where no rule of the store does; how much."""
        del older_than
        return 0

    def needs_bound_copy(self, lane: Lane, *, is_all_signed: bool) -> bool:
        """Whether a used URL could still change what it wrote, unless a copy is taken out of its reach.

        `is_all_signed`: each URL given out for this file had the checksum of its bytes signed into it.
        """
        if lane == "put":
            return self.capabilities.conditional_put is None
        if lane == "resumable":
            return False  # a finished session takes no bytes
        return self.capabilities.signed_part_checksum is None or not is_all_signed

    def can(self, lane: Lane) -> bool:
        return getattr(self.capabilities, lane) is not None


# The lanes that go with each class of store.
LANE_CLASSES: Final[Mapping[str, str]] = {
    "GcsStore": "uploads.lanes.gcs.GcsLanes",
    "LocalStore": "uploads.lanes.local.LocalLanes",
    "S3Store": "uploads.lanes.s3.S3Lanes",
}


def checksum_header(crc32: str) -> str:
    """The eight hex digits of our wire as the base64 which S3 wants."""
    return base64.b64encode(bytes.fromhex(crc32)).decode()


def lanes_of(store_name: str) -> UploadLanes:
    """The lanes into the store of that alias; made once a process."""
    store = store_named(store_name)
    remembered = _lanes.get((os.getpid(), store_name))
    if remembered is None or remembered.store is not store:
        remembered = _lanes[os.getpid(), store_name] = open_lanes(store)
    return remembered


def open_lanes(store: ObjectStore) -> UploadLanes:
    path = LANE_CLASSES.get(type(store).__name__)
    if path is None:
        raise ImproperlyConfigured(f"No lane leads into a {type(store).__name__}.")
    lanes: UploadLanes = import_string(path)(store)
    return lanes


def choose_lane(lanes: UploadLanes, *, size_bytes: int, preferred: str | None = None) -> Lane:
    """The one rule: at most one part goes by `put`, more by `multipart`, or by `resumable` where no parts are taken.

    A lane that is preferred is taken instead, or refused: never replaced by another.

    Raises: LaneUnsupported when the preferred lane is unknown, is not there, or is too small for the file.
    """
    fitting = fitting_lane(lanes, size_bytes)
    lane = fitting if preferred is None else lane_named(preferred)
    if not lanes.can(lane) or (lane == "put" and fitting != "put"):
        raise LaneUnsupported(lane=lane, store=lanes.store.name, declared_bytes=size_bytes)
    return lane


def fitting_lane(lanes: UploadLanes, size_bytes: int) -> Lane:
    if size_bytes <= PREFERRED_PART_BYTES:
        return "put"
    return "resumable" if lanes.can("resumable") and not lanes.can("multipart") else "multipart"


def lane_named(word: str) -> Lane:
    match word:
        case "put" | "multipart" | "resumable":
            return word
        case _:
            raise LaneUnsupported(lane=word)


_lanes: Final[dict[tuple[int, str], UploadLanes]] = {}
