"""One file's way to the store: read once, checksummed, signed, sent; by the lane that the site has chosen."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from .gathering import Gathered
from .outcome import FileError
from .parts import ApiParts, in_parts
from .reading import CHANGED, read_at, read_whole, sha256_of
from .wire import IN_HAND, TAKES_BYTES, Json, Trouble, Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from .journal import Journal
    from .outcome import Item
    from .road import Road
    from .site import Site
    from .stream import MultipartStream

# Up to here the site takes a file by one PUT; the contract.
PUT_BYTES: Final = 8 * 1024 * 1024
# Each of them holds a few parts in memory.
LARGE_AT_ONCE: Final = 2
OK: Final = (200, 201)
MORE_WANTED: Final = 308


class Endurance:
    """How often and how long one file is tried again without getting anywhere."""

    def __init__(self, site: Site) -> None:
        self._patience = site.patience
        self._ends_at = time.monotonic() + self._patience.for_s
        self._failures = 0

    async def again(self, trouble: Trouble) -> None:
        """Waits, longer each time. Raises: FileError when it has been long enough."""
        if time.monotonic() > self._ends_at:
            raise FileError(trouble)
        self._failures += 1
        await self._patience.retry.sleep(self._patience.retry.delay_s(self._failures))


STORE_AWAY: Final = Trouble("storage_unavailable", "The storage does not answer.", is_retryable=True)


class Sender:
    """`tell_bytes(item, count)` hears of bytes that are stored; `found` of those that were stored before."""

    def __init__(
        self, site: Site, road: Road, journal: Journal, tell_bytes: Callable[[Item, int], None]
    ) -> None:
        self.site, self.road, self.journal, self.tell_bytes = site, road, journal, tell_bytes
        self.signing: Gathered[Json, Upload] = Gathered(site.sign)
        self.streams: set[MultipartStream] = set()
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def send(self, item: Item, upload: Upload) -> None:
        """All of it is in the store when this returns. Notes the item's SHA-256.

        Raises: FileError, RoadClosedError, SiteError, UnreachableError.
        """
        if item.chosen.size_bytes <= PUT_BYTES:
            await self._send_whole(item, upload)
            return
        async with self._large:
            await self._send_large(item, upload)

    async def signed(self, ask: Json, endurance: Endurance) -> Upload:
        """A row with a transfer, or without one because every byte is there.

        Raises: FileError.
        """
        while True:
            row = await self.signing.ask(ask)
            if row.trouble is None or row.state in IN_HAND or row.state == "verified":
                return usable(row)
            if not row.trouble.is_retryable or row.state not in TAKES_BYTES:
                raise FileError(row.trouble)
            await endurance.again(row.trouble)

    async def _send_whole(self, item: Item, upload: Upload) -> None:
        chosen, endurance = item.chosen, Endurance(self.site)
        whole = await asyncio.to_thread(read_whole, chosen)
        item.sha256 = whole.sha256
        ask = {"id": upload.id, "crc32": whole.crc32}
        has_failed = upload.state != "registered"
        while True:
            row = await self.signed({**ask, "after_failure": has_failed}, endurance)
            if row.transfer is None:
                self.tell_bytes(item, chosen.size_bytes)
                return
            if row.transfer["lane"] != "put":
                await self._send_by(row, item)
                return
            async with self.road.place():
                is_stored = await self.site.put(row.transfer["request"], whole.content)
            if is_stored:
                self.tell_bytes(item, chosen.size_bytes)
                return
            has_failed = True
            await endurance.again(STORE_AWAY)

    async def _send_large(self, item: Item, upload: Upload) -> None:
        # Without parts that are named nothing is signed: each is signed with its checksum, when it is read.
        ask = {"id": upload.id, "parts": [], "after_failure": upload.state != "registered"}
        row = await self.signed(ask, Endurance(self.site))
        if row.transfer is None:
            self.tell_bytes(item, item.chosen.size_bytes)
            return
        await self._send_by(row, item)

    async def _send_by(self, row: Upload, item: Item) -> None:
        assert_transfer(row)
        if row.transfer is not None and row.transfer["lane"] == "multipart":
            await in_parts(ApiParts(self, item, row), row.transfer)
        else:
            await self._resume(row, item)

    async def _resume(self, row: Upload, item: Item) -> None:
        """Google's protocol: chunks one after the other, from where the session is."""
        endurance, size_bytes = Endurance(self.site), item.chosen.size_bytes
        item.sha256 = await asyncio.to_thread(sha256_of, item.chosen.file)
        told_bytes = 0
        while row.transfer is not None:
            offset: int | None = row.transfer["offset"]
            while offset is not None and offset < size_bytes:
                self.tell_bytes(item, max(0, offset - told_bytes))
                told_bytes = max(told_bytes, offset)
                offset = await self._sent_chunk(item, row.transfer, offset)
            if offset is None:
                await endurance.again(STORE_AWAY)
            row = await self.signed({"id": row.id, "after_failure": True}, endurance)
        self.tell_bytes(item, size_bytes - told_bytes)

    async def _sent_chunk(self, item: Item, transfer: Json, offset: int) -> int | None:
        """Where to go on; None where the site must be asked."""
        size_bytes = item.chosen.size_bytes
        wanted = min(transfer["chunk_size"], size_bytes - offset)
        body = await asyncio.to_thread(read_at, item.chosen.file, offset, wanted)
        if len(body) != wanted:
            raise FileError(CHANGED)
        said = f"bytes {offset}-{offset + wanted - 1}/{size_bytes}"
        async with self.road.place():
            answer = await self.site.put_chunk(transfer["session_uri"], body, said)
        if answer is None or answer.status_code not in (*OK, MORE_WANTED):
            return None
        if answer.status_code in OK:
            return size_bytes
        kept = answer.headers.get("range", "").rpartition("-")[2]
        return int(kept) + 1 if kept.isdecimal() else 0


def usable(row: Upload) -> Upload:
    """Raises: FileError for one that somebody has ended meanwhile."""
    if row.transfer is None and row.state in {"cancelled", "expired", "failed", "refused"}:
        raise FileError(row.trouble or Trouble(row.state, f"The upload is {row.state}.", is_retryable=False))
    return row


def assert_transfer(row: Upload) -> None:
    """Raises: FileError for a lane of a newer site."""
    lane = row.transfer["lane"] if row.transfer else ""
    if lane not in {"multipart", "resumable"}:
        raise FileError(Trouble("lane_unknown", f"This client is too old for {lane!r}.", is_retryable=False))
