"""Resumable sessions of the local store, on disk: bytes that may stop and go on anywhere, through any process.

A session is a folder named by the hash of its token, so that whoever reads the disk cannot send. In it lie the plan,
the body, and a record of how many bytes of the body count and who writes them. The record is the lock.
"""

import fcntl
import filecmp
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from galleries.errors import ObjectMissing, StorageUnavailable
from galleries.objects.base import StoredObject
from galleries.objects.local import (
    LocalStore,
    etag_of,
    place_below,
    sorted_entries,
    storage_errors,
    sync_folder,
    write_whole,
)
from uploads.errors import AlreadyStored, ChecksumConflict, RangeGap, SessionGone, SessionTaken
from uploads.lanes.base import Received, Wanted
from uploads.limits import PREFERRED_PART_BYTES, RESUMABLE_SESSION_LIFE

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
SESSION: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
LIFE_S: Final = int(RESUMABLE_SESSION_LIFE.total_seconds())
PLAN_NAME: Final = "plan.json"
BODY_NAME: Final = "body"
RECORD_NAME: Final = "record"
OPENING_SUFFIX: Final = ".opening"
ENDED_SUFFIX: Final = ".ended"
# Twenty digits, a space and the writer: always of one length, so that one write replaces all of it.
RECORD: Final = re.compile(rb"([0-9]{20}) ([0-9a-f]{16})", re.ASCII)
NOBODY: Final = "0" * 16
# What a killed process loses at most of a body that it was taking.
# A process that is stopped inside a session must not stop those who serve other people.
LOCK_WAIT_S: Final = 5.0
LOCK_POLL_S: Final = 0.01
SYNCED_EVERY_BYTES: Final = PREFERRED_PART_BYTES


@dataclass(frozen=True, slots=True)
class Plan:
    key: str
    size_bytes: int
    origin: str
    begun_at_s: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a session is: every byte before `offset_bytes` is synced. `etag` is the object's, once there is one."""

    offset_bytes: int
    etag: str = ""

    @property
    def is_whole(self) -> bool:
        return bool(self.etag)


def lock(record_fd: int) -> None:
    """Raises: StorageUnavailable."""
    gives_up_at = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(record_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= gives_up_at:
                raise StorageUnavailable from error
            time.sleep(LOCK_POLL_S)
        else:
            return


class Record:
    """Read and written only by who holds the lock."""

    def __init__(self, record_fd: int) -> None:
        self._fd = record_fd
        found = RECORD.fullmatch(os.pread(record_fd, 64, 0))
        self.offset_bytes = int(found[1]) if found else 0
        self.writer = found[2].decode() if found else NOBODY

    def write(self, offset_bytes: int, writer: str) -> None:
        os.pwrite(self._fd, f"{offset_bytes:020d} {writer}".encode(), 0)
        self.offset_bytes, self.writer = offset_bytes, writer

    def sync(self) -> None:
        """Before anybody is told: what was told must outlive a power cut."""
        os.fsync(self._fd)


class LocalSessions:
    """All sessions of one local store."""

    def __init__(self, store: LocalStore) -> None:
        self.store = store
        self.prefix = f"{store.base_url}sessions/"
        self._folder = store.root / ".resumable"

    def begin(self, wanted: Wanted, *, now_s: float) -> str:
        """The URI of a new session; nobody can tell it from what lies on the disk. Its name outlives a power cut."""
        token = secrets.token_urlsafe(32)
        plan = Plan(wanted.key, wanted.size_bytes, wanted.origin, int(now_s))
        folder = self._folder / hash_of(token)
        opening = folder.with_suffix(OPENING_SUFFIX)
        with storage_errors(), self.store.incoming() as incoming:
            opening.mkdir(parents=True, mode=0o700)
            for name in (BODY_NAME, RECORD_NAME):
                (opening / name).touch(mode=0o600)
            incoming.write([json.dumps(asdict(plan)).encode()])
            incoming.settle_into(opening, PLAN_NAME)
            opening.rename(folder)
            for named_in in (self._folder, self.store.root):
                sync_folder(named_in)
        return self.prefix + token

    def find(self, session_uri: str, *, now_s: float) -> "LocalSession":
        """Raises: SessionGone for one that never was, was cancelled, or has outlived its week."""
        token = session_uri.removeprefix(self.prefix)
        if not TOKEN.fullmatch(token):
            raise SessionGone
        folder = self._folder / hash_of(token)
        plan = plan_in(folder)
        if now_s >= plan.begun_at_s + LIFE_S:
            raise SessionGone
        return LocalSession(self.store, folder, plan)

    def drop_ended(self, *, now_s: float, half_made_before_s: float) -> int:
        """Sessions past their week, and what killed processes left half made or half ended; how many."""
        dropped = 0
        for entry in sorted_entries(self._folder):
            folder = Path(entry.path)
            with suppress(SessionGone, FileNotFoundError):
                if SESSION.fullmatch(entry.name):
                    is_over = now_s >= plan_in(folder).begun_at_s + LIFE_S
                else:
                    is_over = entry.stat().st_mtime < half_made_before_s
                if is_over:
                    shutil.rmtree(folder, ignore_errors=True)
                    dropped += 1
        return dropped


class LocalSession:
    """One session. Each call holds its lock for a moment, against all threads and processes."""

    def __init__(self, store: LocalStore, folder: Path, plan: Plan) -> None:
        self.store, self.plan = store, plan
        self._folder = folder
        self._body = folder / BODY_NAME

    def standing(self) -> Standing:
        """Also ends what a killed process has left all but ended: a body that is whole becomes the object.

        Raises: SessionGone when its object was deleted. AlreadyStored when other bytes lie under its key.
        """
        with self.held() as record:
            if not self._body.exists():
                return Standing(self.plan.size_bytes, self.finished().etag)
            if record.offset_bytes == self.plan.size_bytes:
                return Standing(self.plan.size_bytes, self._become_object(record))
            record.sync()
            return Standing(record.offset_bytes)

    def received(self) -> Received:
        """Raises: SessionGone."""
        try:
            standing = self.standing()
        except AlreadyStored:  # something is there, which is for the worker to judge
            return Received(self.plan.size_bytes, is_whole=True)
        return Received(standing.offset_bytes, is_whole=standing.is_whole)

    def cancel(self) -> None:
        """Whoever still writes is refused its next bytes. An object stays."""
        with self.held():
            ended = self._folder.with_suffix(ENDED_SUFFIX)
            with storage_errors():
                self._folder.rename(ended)
            shutil.rmtree(ended, ignore_errors=True)

    def finished(self) -> StoredObject:
        """Raises: SessionGone when there is no object any more."""
        stored = self.store.find(self.plan.key)
        if stored is None or stored.size_bytes != self.plan.size_bytes:
            raise SessionGone
        return stored

    @contextmanager
    def held(self) -> Generator[Record]:
        """Raises: SessionGone. StorageUnavailable while somebody else keeps it for long."""
        with gone_sessions():
            record_fd = os.open(self._folder / RECORD_NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            lock(record_fd)
            if os.fstat(record_fd).st_nlink == 0:  # cancelled while we waited
                raise SessionGone
            with storage_errors():
                record = Record(record_fd)
                yield record
        finally:
            os.close(record_fd)

    def _become_object(self, record: Record) -> str:
        """Its ETag. The body gets the object's name and loses its own; killed in between, it is done again."""
        target = self.store.path_of(self.plan.key)
        body_fd = os.open(self._body, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            record.write(record.offset_bytes, NOBODY)
            if os.fstat(body_fd).st_nlink == 1:
                # As for every object: the time of writing, to the nanosecond, is what its ETag is made of.
                now_ns = time.time_ns()
                os.utime(body_fd, ns=(now_ns, now_ns))
                os.fsync(body_fd)
                self._link(target)
        finally:
            os.close(body_fd)
        self._body.unlink()
        return etag_of(target.stat())

    def _link(self, target: Path) -> None:
        """Raises: AlreadyStored when other bytes lie there: an original is written once."""
        try:
            place_below(self._body, target, self.store.root, os.link)
        except FileExistsError as error:
            if not filecmp.cmp(self._body, target, shallow=False):
                raise AlreadyStored from error

    def writer(self, first_byte: int) -> "SessionWriter":
        """Takes the session over from whoever writes to it: a connection that died unseen holds nobody up.

        Raises: RangeGap. SessionGone.
        """
        with self.held() as record:
            if not self._body.exists():
                return self._comparer(first_byte)
            if first_byte > record.offset_bytes:
                raise RangeGap(stored_bytes=record.offset_bytes)
            body_fd = os.open(self._body, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                # What an earlier writer did not come to sync was never answered: it is written over.
                os.lseek(body_fd, record.offset_bytes, os.SEEK_SET)
                writer = SessionWriter(self, body_fd, first_byte=first_byte, stored_bytes=record.offset_bytes)
                record.write(record.offset_bytes, writer.name)
            except BaseException:
                os.close(body_fd)
                raise
            return writer

    def _comparer(self, first_byte: int) -> "SessionWriter":
        """For a session that is whole: every byte is compared, none can be added."""
        self.finished()
        with gone_sessions():
            object_fd = os.open(self.store.path_of(self.plan.key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return SessionWriter(self, object_fd, first_byte=first_byte, stored_bytes=self.plan.size_bytes)


class SessionWriter:
    """The bytes of one request, from `first_byte` on: compared where some are stored, added beyond.

    The newest writer of a session is its only one; an older one is refused its next bytes, so two never mix.
    A lock lets one thread close what another is still writing.
    """

    def __init__(self, session: LocalSession, body_fd: int, *, first_byte: int, stored_bytes: int) -> None:
        self.name = secrets.token_hex(8)
        self._session = session
        self._fd = body_fd
        self._lock = threading.Lock()
        self._at = first_byte
        self._stored_bytes = stored_bytes  # of the session when this request came; these never change
        self._synced_bytes = stored_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, chunks: Sequence[bytes]) -> None:
        """Raises: ChecksumConflict for other bytes than those stored. SessionTaken, SessionGone."""
        with self._lock:
            fresh = [rest for chunk in chunks if (rest := self._beyond_stored(chunk))]
            if fresh:
                self._append(fresh)
            if self._at - self._synced_bytes >= SYNCED_EVERY_BYTES:
                self._keep()

    def keep(self) -> None:
        """What has come so far counts from now on, also when its client has hung up."""
        with self._lock:
            if self._at > self._synced_bytes:
                self._keep()

    def end(self) -> Standing:
        """After the last byte: how far the session is now, synced."""
        self.keep()
        return self._session.standing()

    def close(self) -> None:
        """Safe to call twice."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _beyond_stored(self, chunk: bytes) -> bytes:
        """Compares what overlaps; what is left of the chunk is new."""
        overlap = max(0, min(len(chunk), self._stored_bytes - self._at))
        if overlap:
            with storage_errors():
                stored = os.pread(self._fd, overlap, self._at)
            if stored != chunk[:overlap]:
                raise ChecksumConflict(stored_bytes=self._stored_bytes)
            self._at += overlap
        return chunk[overlap:]

    def _append(self, fresh: Sequence[bytes]) -> None:
        with self._held():
            write_whole(self._fd, fresh)
        self._at += sum(map(len, fresh))

    def _keep(self) -> None:
        with storage_errors():
            os.fsync(self._fd)
        with self._held() as record:
            record.write(self._at, self.name)
        self._synced_bytes = self._at

    @contextmanager
    def _held(self) -> Iterator[Record]:
        with self._session.held() as record:
            if record.writer != self.name:
                raise SessionTaken
            yield record


@contextmanager
def gone_sessions() -> Iterator[None]:
    try:
        with storage_errors():
            yield
    except ObjectMissing as error:
        raise SessionGone from error


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def plan_in(folder: Path) -> Plan:
    """Raises: SessionGone."""
    with gone_sessions():
        return Plan(**json.loads((folder / PLAN_NAME).read_text()))
