"""Files as bytes with their checksums; what can't be read is a trouble of that file alone."""

from __future__ import annotations

import hashlib
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from .outcome import FileError
from .wire import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .choosing import Chosen

READ_BYTES: Final = 4 * 1024 * 1024
CHANGED: Final = Trouble("file_changed", "The file changed while it was sent.", is_retryable=False)


@dataclass(frozen=True, slots=True)
class Whole:
    content: bytes
    crc32: str
    sha256: str


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """Raises: FileError, also for what fails while it is read."""
    try:
        with file.open("rb", buffering=0) as source:
            yield source
    except OSError as error:
        raise FileError(Trouble("file_unreadable", str(error), is_retryable=False)) from error


def read_whole(chosen: Chosen) -> Whole:
    """Raises: FileError."""
    content = read_at(chosen.file, 0, chosen.size_bytes + 1)
    if len(content) != chosen.size_bytes:
        raise FileError(CHANGED)
    return Whole(content, f"{zlib.crc32(content):08x}", hashlib.sha256(content).hexdigest())


def read_at(file: Path, offset: int, count: int) -> bytes:
    """Raises: FileError."""
    with opened(file) as source:
        source.seek(offset)
        return read_up_to(source, count)


def read_up_to(source: BinaryIO, count: int) -> bytes:
    """Fewer bytes only at the end of the source: a pipe hands out less than is asked for."""
    first = source.read(count) or b""
    if len(first) == count or not first:
        return first
    pieces, left = [first], count - len(first)
    while left and (piece := source.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def read_and_digest(source: BinaryIO, count: int, digest: hashlib._Hash) -> bytes:
    content = read_up_to(source, count)
    digest.update(content)
    return content


def sha256_of(file: Path) -> str:
    """Raises: FileError."""
    digest = hashlib.sha256()
    with opened(file) as source:
        while read_and_digest(source, READ_BYTES, digest):
            pass
    return digest.hexdigest()
