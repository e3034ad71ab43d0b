"""Objects on a local disk: a key is a path, and a file is there whole, synced and for good, or not at all."""

import errno
import os
import secrets
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from galleries.errors import ObjectChanged, ObjectMissing, StorageFull, StorageUnavailable
from galleries.objects.base import CHUNK_BYTES, ObjectStore, StoredObject, is_key, tell_store_call

STREAM_CHUNK_BYTES: Final = 256 * 1024
READING_THREADS: Final = 16
MAX_BUFFERS_A_WRITE: Final = 512  # Linux refuses more than 1,024 in one writev
MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR})
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# A folder can be pruned between being made and being used, but hardly this often.
FOLDER_TRIES: Final = 5


class IncomingFile:
    """Bytes that nobody sees until they are settled; leaving the block drops what is not.

    A lock lets one thread discard what another is still writing.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self.path = folder / secrets.token_hex(12)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with storage_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, flags, 0o600)
        self.size_bytes = 0
        self.crc32 = 0
        self.etag = ""  # known once settled

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, chunks: Sequence[bytes]) -> None:
        with self._lock, storage_errors():
            for first in range(0, len(chunks), MAX_BUFFERS_A_WRITE):
                write_whole(self._fd, chunks[first : first + MAX_BUFFERS_A_WRITE])
        for chunk in chunks:
            self.crc32 = zlib.crc32(chunk, self.crc32)
            self.size_bytes += len(chunk)

    def append(self, source_fd: int, size_bytes: int) -> None:
        """Copies inside the kernel; the CRC is not taken.

        Raises: StorageUnavailable when the source is shorter than it was said to be.
        """
        copied = 0
        with storage_errors():
            while copied < size_bytes:
                count = copy_some(source_fd, self._fd, size_bytes - copied)
                if count == 0:
                    raise StorageUnavailable
                copied += count
        self.size_bytes += size_bytes

    def settle_over(self, target: Path, *, root: Path) -> None:
        """Becomes `target`, in place of what was there."""
        self._settle(lambda: place_below(self.path, target, root, os.replace))

    def settle_new(self, target: Path, *, root: Path) -> None:
        """Becomes `target`.

        Raises: FileExistsError when there is one already; of two at once, one wins.
        """
        self._settle(lambda: place_below(self.path, target, root, os.link))

    def settle_into(self, folder: Path, name: str) -> None:
        """Becomes that name in a folder which is never made for it, in place of what was there.

        Raises: ObjectMissing when the folder is gone.
        """
        self._settle(lambda: self.path.replace(folder / name))
        with storage_errors():
            sync_folder(folder)

    def discard(self) -> None:
        """Safe to call twice, and after settling."""
        with self._lock:
            if self._fd < 0:
                return
            os.close(self._fd)
            self._fd = -1
            self.path.unlink(missing_ok=True)

    def _settle(self, place: Callable[[], object]) -> None:
        with self._lock, storage_errors():
            # The ETag is made of this time: two files of one key never share it, though the disk's own
            # clock ticks only every few milliseconds.
            now_ns = time.time_ns()
            os.utime(self._fd, ns=(now_ns, now_ns))
            os.fsync(self._fd)
            self.etag = etag_of(os.fstat(self._fd))
            place()


class LocalStore(ObjectStore):
    """Needs a file system with hard links, nanosecond times and fsync: ext4, xfs, btrfs, zfs, apfs."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.root = Path(options["location"])
        self.base_url = str(options.get("base_url") or "/-/objects/")
        self.incoming_folder = self.root / ".incoming"
        self._threads = ThreadPoolExecutor(READING_THREADS, thread_name_prefix="object-reader")

    def path_of(self, key: str) -> Path:
        """Raises: ObjectMissing for what no key function made, so that no path leads out of the root."""
        if not is_key(key):
            raise ObjectMissing
        # A key may continue another one ("…/1" and "…/1/bound"); a path can't be both file and folder.
        return self.root / (key.removesuffix("/bound") + ".bound" if key.endswith("/bound") else key)

    def incoming(self) -> IncomingFile:
        return IncomingFile(self.incoming_folder)

    def head(self, key: str) -> StoredObject:
        tell_store_call(self.name, "head")
        with storage_errors():
            return described(key, os.lstat(self.path_of(key)))

    def read(self, key: str, *, if_match: str | None = None) -> Iterator[bytes]:
        tell_store_call(self.name, "read")
        with self._opened(key) as (source_fd, stored):
            if if_match is not None and stored.etag != if_match:
                raise ObjectChanged
            yield from read_range(source_fd, 0, stored.size_bytes, CHUNK_BYTES)

    async def stream(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        tell_store_call(self.name, "stream")
        import asyncio  # only streams need a loop

        loop = asyncio.get_running_loop()
        with self._opened(key) as (source_fd, stored):
            end = stored.size_bytes if length is None else min(stored.size_bytes, offset + length)
            while offset < end:
                chunk = read_cached(source_fd, offset, end)
                if chunk:
                    await asyncio.sleep(0)  # a fast reader of cached files must not keep the others waiting
                else:
                    rest = read_range(source_fd, offset, end, STREAM_CHUNK_BYTES)
                    chunk = await loop.run_in_executor(self._threads, next, rest)
                offset += len(chunk)
                yield chunk

    def put_bytes(self, key: str, content: BinaryIO | bytes, *, content_type: str) -> StoredObject:
        del content_type  # a file keeps none; whoever serves it knows it from its row
        tell_store_call(self.name, "put_bytes")
        source = BytesIO(content) if isinstance(content, bytes) else content
        with self.incoming() as incoming:
            while chunk := source.read(CHUNK_BYTES):
                incoming.write([chunk])
            incoming.settle_over(self.path_of(key), root=self.root)
        return self.head(key)

    def copy(self, source_key: str, target_key: str, *, if_match: str) -> StoredObject:
        tell_store_call(self.name, "copy")
        with self._opened(source_key) as (source_fd, stored), self.incoming() as incoming:
            if stored.etag != if_match:
                raise ObjectChanged
            incoming.append(source_fd, stored.size_bytes)
            incoming.settle_over(self.path_of(target_key), root=self.root)
        return self.head(target_key)

    def delete(self, keys: Iterable[str]) -> None:
        tell_store_call(self.name, "delete")
        for key in keys:
            path = self.path_of(key)
            with storage_errors(), suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            with suppress(OSError):  # the folder of one upload, unless another attempt is in it
                path.parent.rmdir()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        tell_store_call(self.name, "list")
        for folder in ("originals", "renditions"):
            start = f"{folder}/"
            if start.startswith(prefix) or prefix.startswith(start):
                yield from listed(self.root / folder, start, prefix)

    def signed_get(self, key: str, *, download_name: str | None, content_type: str) -> str | None:
        """None: behind the same origin a redirect saves nothing, the app streams."""
        del key, download_name, content_type
        return None

    @contextmanager
    def _opened(self, key: str) -> Generator[tuple[int, StoredObject]]:
        with storage_errors():
            source_fd = os.open(self.path_of(key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            yield source_fd, described(key, os.fstat(source_fd))
        finally:
            os.close(source_fd)


@contextmanager
def storage_errors() -> Generator[None]:
    """The words of the operating system as ours; "already there" is for the caller."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in MISSING:
            raise ObjectMissing from error
        raise (StorageFull if error.errno in FULL else StorageUnavailable) from error


def described(key: str, status: os.stat_result) -> StoredObject:
    return StoredObject(
        key=key,
        size_bytes=status.st_size,
        etag=etag_of(status),
        modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
        content_type="application/octet-stream",
    )


def etag_of(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


class Scratch(threading.local):
    """What a read without waiting is read into: one buffer a thread, never given out."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(STREAM_CHUNK_BYTES))


scratch: Final = Scratch()


def read_cached(source_fd: int, offset: int, end: int) -> bytes:
    """What the system has in memory of it, at most a chunk; nothing where a disk would have to be waited for.

    To go to a thread and back costs more than the reading itself.
    """
    if not hasattr(os, "RWF_NOWAIT"):  # Linux alone, and not on every file system
        return b""
    room = scratch.buffer[: min(STREAM_CHUNK_BYTES, end - offset)]
    try:
        count = os.preadv(source_fd, [room], offset, os.RWF_NOWAIT)
    except OSError:  # whatever it is, a thread meets it again
        return b""
    return bytes(room[:count])


def read_range(source_fd: int, offset: int, end: int, chunk_bytes: int) -> Iterator[bytes]:
    while offset < end:
        with storage_errors():
            chunk = os.pread(source_fd, min(chunk_bytes, end - offset), offset)
        if not chunk:
            raise StorageUnavailable
        offset += len(chunk)
        yield chunk


def write_whole(target_fd: int, chunks: Sequence[bytes]) -> None:
    """A disk that fills up writes less than it was given before it says so."""
    rest = [memoryview(chunk) for chunk in chunks if chunk]
    while rest:
        written = os.writev(target_fd, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if written:
            rest[0] = rest[0][written:]


def copy_some(source_fd: int, target_fd: int, size_bytes: int) -> int:
    """From where both files stand; inside the kernel where it can, shared on disk where it may (xfs)."""
    if hasattr(os, "copy_file_range"):
        with suppress(OSError):
            return os.copy_file_range(source_fd, target_fd, size_bytes)
    chunk = os.read(source_fd, min(size_bytes, CHUNK_BYTES))
    write_whole(target_fd, [chunk])
    return len(chunk)


def place_below(source: Path, target: Path, root: Path, place: Callable[[Path, Path], None]) -> None:
    for tries_left in reversed(range(FOLDER_TRIES)):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            place(source, target)
        except FileNotFoundError:
            if not tries_left:
                raise
        else:
            break
    # A file survives a power cut only with every name on the way to it. To sync a clean folder is cheap.
    for folder in (target.parent, *target.parent.parents):
        sync_folder(folder)
        if folder == root:
            return


def sync_folder(folder: Path) -> None:
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def listed(folder: Path, start: str, prefix: str) -> Iterator[StoredObject]:
    """In the order of keys, looking only into folders which can hold the prefix."""
    for entry in sorted_entries(folder):
        name = entry.name.removesuffix(".bound") + "/bound" if entry.name.endswith(".bound") else entry.name
        key = start + name
        if entry.is_dir(follow_symlinks=False):
            inner = f"{key}/"
            if inner.startswith(prefix) or prefix.startswith(inner):
                yield from listed(folder / entry.name, inner, prefix)
        elif key.startswith(prefix) and is_key(key):
            with suppress(FileNotFoundError):  # deleted while we walk
                yield described(key, entry.stat(follow_symlinks=False))


def sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with storage_errors(), os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except ObjectMissing:
        return []
