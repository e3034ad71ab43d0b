"""One archive of a folder's files into /dev/null, in a process of its own; prints JSON of what it cost.

`python -m benchmarks._zip_once WRITER FOLDER`. Sizes and CRC-32 are known to whoever can use them, as the product's
rows know them; finding them out is not measured.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import zlib
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import django

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
WHEN: Final = datetime(2026, 6, 1, tzinfo=UTC)
READ_BYTES: Final = 64 * 1024  # what the others read at a time, by their own choice or their examples


class Sink:
    """Counts, and knows when the first byte came."""

    def __init__(self) -> None:
        self.null = os.open("/dev/null", os.O_WRONLY)
        self.byte_count, self.first_at = 0, 0.0

    def write(self, chunk: bytes) -> None:
        if not self.byte_count:
            self.first_at = time.perf_counter()
        self.byte_count += os.write(self.null, chunk)


def ours(folder: Path) -> Callable[[Sink], None]:
    django.setup()

    import uvloop
    from django.conf import settings

    from galleries.archive.layout import Entry, Layout
    from galleries.archive.manifest import Archive, Stored
    from galleries.archive.stream import archive_bytes

    local = settings.STORAGES["local"]
    settings.STORAGES = {**settings.STORAGES, "local": {**local, "OPTIONS": {"location": folder}}}
    entries, contents = [], []
    for path in files_in(folder):
        size, crc32 = path.stat().st_size, crc_of(path)
        entries.append(Entry(path.parent.name + ".jpg", size, crc32, WHEN))
        contents.append(Stored("local", str(path.relative_to(folder))))

    async def send(sink: Sink) -> None:
        archive = Archive("x.zip", Layout(entries), contents, "etag", b"")
        async for chunk in archive_bytes(archive, 0, archive.size):
            sink.write(chunk)

    return lambda sink: uvloop.run(send(sink))


def by_zipstream_ng(folder: Path) -> Callable[[Sink], None]:
    zipstream: Any = import_module("zipstream")

    def send(sink: Sink) -> None:
        archive = zipstream.ZipStream(sized=True, compress_type=zipstream.ZIP_STORED)
        for path in files_in(folder):
            archive.add_path(path, path.parent.name + ".jpg")
        for chunk in archive:
            sink.write(chunk)

    return send


def by_stream_zip(folder: Path) -> Callable[[Sink], None]:
    stream_zip: Any = import_module("stream_zip")
    known = [(path, path.stat().st_size, crc_of(path)) for path in files_in(folder)]

    def members() -> Iterator[Any]:
        for path, size, crc32 in known:
            with path.open("rb") as file:
                chunks = iter(partial(file.read, READ_BYTES), b"")
                yield (
                    path.parent.name + ".jpg",
                    WHEN,
                    0o100644,
                    stream_zip.NO_COMPRESSION_64(size, crc32),
                    chunks,
                )

    def send(sink: Sink) -> None:
        for chunk in stream_zip.stream_zip(members()):
            sink.write(chunk)

    return send


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "originals").rglob("1") if path.is_file())


def crc_of(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            total = zlib.crc32(chunk, total)
    return total


def make_files(folder: Path, count: int, file_bytes: int) -> None:
    """Where the local store would have them. Noise; sparse where nobody could keep so much."""
    from galleries.objects.base import original_key

    noise = os.urandom(file_bytes)
    for number in range(count):
        path = folder / original_key(UUID(int=number), 1)
        path.parent.mkdir(parents=True)
        path.write_bytes(noise[:-8] + number.to_bytes(8, "big"))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    writers = {"ours": ours, "zipstream-ng": by_zipstream_ng, "stream-zip": by_stream_zip}
    send, sink = writers[sys.argv[1]](Path(sys.argv[2])), Sink()
    before_mib, began, used = peak_mib(), time.perf_counter(), time.process_time()
    send(sink)
    print(
        json.dumps(
            {
                "cpu_s": time.process_time() - used,
                "wall_s": time.perf_counter() - began,
                "first_byte_ms": 1000 * (sink.first_at - began),
                "byte_count": sink.byte_count,
                "grown_mib": peak_mib() - before_mib,
            }
        )
    )


if __name__ == "__main__":
    main()
