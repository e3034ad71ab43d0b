"""Bytes are pulled as they are taken; what a store fails to give for a moment is waited for, and never left out."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from galleries.archive import stream
from galleries.archive.layout import Entry, Layout
from galleries.archive.manifest import Archive, Stored
from galleries.archive.stream import archive_bytes
from galleries.blanking import Blank
from galleries.errors import ObjectChanged, ObjectMissing, StorageUnavailable

WHEN = datetime(2026, 6, 1, tzinfo=UTC)
CHUNK = 256 * 1024


@dataclass
class ScriptedStore:
    """Objects by key. `failures[key]` are raised one a read, each after so many bytes of that read."""

    objects: dict[str, bytes]
    failures: dict[str, list[tuple[int, Exception]]] = field(default_factory=dict)
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    given_bytes: int = 0
    open_count: int = 0

    async def stream(self, key: str, *, offset: int = 0, length: int) -> AsyncIterator[bytes]:
        self.asked.append((key, offset, length))
        self.open_count += 1
        after, failure = self.failures[key].pop(0) if self.failures.get(key) else (length, None)
        try:
            for at in range(offset, offset + min(after, length), CHUNK):
                await asyncio.sleep(0)
                chunk = self.objects[key][at : min(at + CHUNK, offset + min(after, length))]
                self.given_bytes += len(chunk)
                yield chunk
            if failure:
                raise failure
        finally:
            self.open_count -= 1


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> ScriptedStore:
    scripted = ScriptedStore(
        {f"k{number}": bytes([number + 1]) * (3 * CHUNK + number) for number in range(4)}
    )
    monkeypatch.setattr(stream, "store_named", lambda _name: scripted)
    monkeypatch.setattr(stream, "PAUSES_S", (0.0, 0.0, 0.0))
    return scripted


def archive_of(store: ScriptedStore, **blanks: tuple[Blank, ...]) -> Archive:
    entries = [Entry(key, len(content), zlib.crc32(content), WHEN) for key, content in store.objects.items()]
    contents = [Stored("s", key, blanks.get(key, ())) for key in store.objects]
    return Archive("x.zip", Layout(entries), contents, "etag", b"")


async def collected(archive: Archive, first: int = 0, stop: int | None = None) -> bytes:
    chunks = archive_bytes(archive, first, archive.size if stop is None else stop)
    return b"".join([chunk async for chunk in chunks])


async def settled() -> None:
    """Whatever can go on by itself has."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_it_is_as_long_as_foretold_and_leaves_nothing_open(store):
    archive = archive_of(store)

    whole = await collected(archive)

    assert len(whole) == archive.size
    assert all(content in whole for content in store.objects.values())
    assert store.open_count == 0


async def test_nothing_is_asked_for_before_somebody_takes_it(store):
    archive_bytes(archive_of(store), 0, 1)
    await settled()

    assert store.asked == []


async def test_who_takes_nothing_has_a_chunk_read_ahead_and_no_more(store):
    chunks = archive_bytes(archive_of(store), 0, archive_of(store).size)
    await anext(chunks)
    await settled()

    assert [key for key, _, _ in store.asked] == ["k0", "k1"]
    assert store.given_bytes <= 2 * CHUNK
    await chunks.aclose()


async def test_the_next_file_is_asked_for_while_one_is_sent(store):
    archive = archive_of(store)
    taken = 0

    async for chunk in archive_bytes(archive, 0, archive.size):
        taken += len(chunk)
        await settled()
        ahead = store.given_bytes - taken
        assert ahead <= 2 * CHUNK
        if taken < archive.size - 5 * CHUNK:
            assert store.open_count == 2


async def test_of_small_files_several_are_asked_for(store):
    store.objects = {f"s{number}": b"x" * 1000 for number in range(2_000)}
    archive = archive_of(store)

    chunks = archive_bytes(archive, 0, archive.size)
    await anext(chunks)

    taken = 64  # a thousand bytes each: enough to be sent
    assert 4 <= len(store.asked) - taken <= 10
    await chunks.aclose()
    assert store.open_count == 0


async def test_a_range_asks_for_nothing_that_is_skipped(store):
    archive, whole = archive_of(store), await collected(archive_of(store))
    store.asked.clear()
    first, stop = archive.size // 2, archive.size // 2 + 1000

    assert await collected(archive, first, stop) == whole[first:stop]
    assert [key for key, _, _ in store.asked] == ["k2"]
    assert sum(length for _, _, length in store.asked) == 1000


@pytest.mark.parametrize("after", [0, 1, CHUNK, 2 * CHUNK + 17])
async def test_a_store_that_breaks_off_is_gone_on_with_where_it_broke(store, after):
    whole = await collected(archive_of(store))
    store.asked.clear()
    store.failures["k1"] = [(after, StorageUnavailable())]

    assert await collected(archive_of(store)) == whole
    assert [(offset, length) for key, offset, length in store.asked if key == "k1"] == [
        (0, len(store.objects["k1"])),
        (after, len(store.objects["k1"]) - after),
    ]


async def test_a_store_that_ends_too_soon_is_asked_for_the_rest(store):
    class Short(ScriptedStore):
        async def stream(self, key: str, *, offset: int = 0, length: int) -> AsyncIterator[bytes]:
            shorter = length - 100 if key == "k2" and offset == 0 else length
            async for chunk in super().stream(key, offset=offset, length=shorter):
                yield chunk

    whole = await collected(archive_of(store))
    short = Short(store.objects)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "store_named", lambda _name: short)
        assert await collected(archive_of(store)) == whole


async def test_every_chunk_that_comes_gives_new_patience(store):
    whole = await collected(archive_of(store))
    store.failures["k0"] = [(10, StorageUnavailable()) for _ in range(20)]

    assert await collected(archive_of(store)) == whole


@pytest.mark.parametrize(
    ("failures", "error"),
    [
        ([(0, StorageUnavailable())] * 9, StorageUnavailable),
        ([(10, ObjectMissing())], ObjectMissing),
        ([(0, ObjectMissing())], ObjectMissing),
        ([(CHUNK, ObjectChanged())], ObjectChanged),
    ],
)
async def test_a_file_that_can_not_be_read_ends_it_and_is_never_left_out(store, failures, error):
    store.failures["k2"] = list(failures)
    with pytest.raises(error):
        await collected(archive_of(store))

    assert [key for key, offset, _ in store.asked if key == "k3" and offset] == []
    await settled()
    assert store.open_count == 0


async def test_an_object_that_has_grown_ends_it(store):
    class Grown(ScriptedStore):
        async def stream(self, key: str, *, offset: int = 0, length: int) -> AsyncIterator[bytes]:
            yield b"x" * (length + 1)

    grown = Grown(store.objects)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "store_named", lambda _name: grown)
        with pytest.raises(ObjectChanged):
            await collected(archive_of(store))


async def test_who_leaves_early_leaves_nothing_open(store):
    chunks = archive_bytes(archive_of(store), 0, archive_of(store).size)
    await anext(chunks)
    await chunks.aclose()
    await settled()

    assert store.open_count == 0


async def test_places_are_blanked_in_whatever_range(store):
    hidden: dict[str, Any] = {"k1": (Blank(CHUNK - 2, 5, b"\0"),)}
    whole = await collected(archive_of(store, **hidden))
    at = whole.index(b"\2" * 1000)
    expected = bytearray(store.objects["k1"])
    expected[CHUNK - 2 : CHUNK + 3] = b"\0" * 5

    assert bytes(expected) in whole
    part = await collected(archive_of(store, **hidden), at + CHUNK, at + CHUNK + 10)
    assert part == b"\0\0\0" + b"\2" * 7


async def test_headers_of_small_files_travel_together(store):
    store.objects = {f"s{number}": b"x" * 100 for number in range(1_000)}
    archive = archive_of(store)

    lengths = [len(chunk) async for chunk in archive_bytes(archive, 0, archive.size)]

    assert sum(lengths) == archive.size
    assert min(lengths[:-1]) >= 64 * 1024
