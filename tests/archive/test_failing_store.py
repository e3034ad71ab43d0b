"""A real store that fails in the middle of a photo: for a moment, unnoticed; for good, for everybody to see."""

from __future__ import annotations

import random
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from galleries.archive import stream
from galleries.archive.layout import Entry, Layout
from galleries.archive.manifest import Archive, Stored
from galleries.archive.stream import archive_bytes
from galleries.errors import ObjectMissing, StorageUnavailable
from galleries.objects.base import original_key
from tests.fault_gate.faults import Answer, Break, Rule
from tests.faults.conftest import gate, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from tests.lanes.conftest import Stage

pytestmark = pytest.mark.services

PHOTO_BYTES = 1_000_000
COUNT = 4


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PAUSES_S", (0.0, 0.0))


@pytest.fixture
def contents() -> list[bytes]:
    return [random.Random(number).randbytes(PHOTO_BYTES) for number in range(COUNT)]


@pytest.fixture
def archive(stage: Stage, contents: list[bytes]) -> Archive:  # noqa: F811
    entries, stored = [], []
    for number, content in enumerate(contents):
        key = original_key(uuid4(), 1)
        stage.store.put_bytes(key, content, content_type="image/jpeg")
        entries.append(
            Entry(f"{number}.jpg", len(content), zlib.crc32(content), datetime(2026, 6, 1, tzinfo=UTC))
        )
        stored.append(Stored("s3", key))
    return Archive("x.zip", Layout(entries), stored, "etag", b"")


async def collected(archive: Archive) -> bytes:
    return b"".join([chunk async for chunk in archive_bytes(archive, 0, archive.size)])


@pytest.mark.parametrize("ending", ["reset", "end"])
async def test_a_store_that_breaks_off_is_not_noticed(archive, gate, contents, ending):  # noqa: F811
    broken = gate.add(Rule(Break("answer", 300_001, ending), method="GET", calls={2}))

    whole = await collected(archive)

    assert len(whole) == archive.size
    assert all(content in whole for content in contents)
    assert gate.counts.where(rule=broken).requests == 1


async def test_a_store_that_is_busy_for_a_moment_is_not_noticed(archive, gate, contents):  # noqa: F811
    gate.add(Rule(Answer(503), method="GET", calls={3, 4}))

    whole = await collected(archive)
    assert all(content in whole for content in contents)


async def test_a_store_that_stays_away_ends_the_download(archive, gate):  # noqa: F811
    gate.add(Rule(Break("answer", 10, "reset"), method="GET", calls={3}))
    gate.add(Rule(Answer(503), method="GET", calls=range(4, 100)))

    with pytest.raises(StorageUnavailable):
        await collected(archive)


async def test_a_photo_that_is_gone_ends_the_download(archive, stage):  # noqa: F811
    stage.store.delete([archive.contents[2].key])

    with pytest.raises(ObjectMissing):
        await collected(archive)
