"""A large file as a stream of parts that the site signs: the store of `MultipartStream` behind the public API."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

from .outcome import FileError
from .reading import CHANGED, opened, read_and_digest
from .road import RoadClosedError
from .stream import (
    Event,
    Fixed,
    ListedPart,
    MultipartStream,
    PartSent,
    Refused,
    SentPart,
    Session,
    Settings,
    Stored,
    StreamError,
    Transient,
)
from .wire import TAKES_BYTES, Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .outcome import Item
    from .sending import Sender
    from .wire import Json, Upload

# Of one file; how many bodies are on their way at once is the road's to say.
PARTS_AT_ONCE: Final = 4


class ApiParts:
    """`checks_whole`: the site compares the whole file with the checksums that its parts were signed with."""

    checks_whole = True

    def __init__(self, sender: Sender, item: Item, row: Upload) -> None:
        self.sender, self.item, self.upload_id = sender, item, row.id
        self._failed: set[int] = set()

    async def open(self) -> str:
        return self.upload_id  # a row takes parts from its registration on

    async def put_part(self, upload_id: str, number: int, body: bytes | memoryview, crc32: str) -> str:
        ask = {
            "id": upload_id,
            "parts": [{"number": number, "crc32": crc32}],
            "after_failure": number in self._failed,
        }
        row = await self.sender.signing.ask(ask)
        request = request_for(row, number)
        if request is None:
            return ""
        try:
            async with self.sender.road.place():
                is_stored = await self.sender.site.put(request, body)
        except RoadClosedError as error:
            raise Transient("paused") from error
        if not is_stored:
            self._failed.add(number)
            raise Transient("the store has not taken the part")
        return ""

    async def list_parts(self, upload_id: str) -> Sequence[ListedPart]:
        told = await self.sender.site.call("GET", f"/uploads/{upload_id}")
        parts = (told.get("stored") or {}).get("parts") or ()
        return [ListedPart(part["number"], part["size"], "") for part in parts]

    async def complete(self, upload_id: str, parts: Sequence[SentPart]) -> Stored:
        del upload_id  # joined by the site's workers, from the store's own list
        return Stored(sum(part.size_bytes for part in parts))

    async def put_empty(self) -> Stored:
        raise Refused("The file is empty.", code="empty_file")

    async def abort(self, upload_id: str) -> None:
        """The session is the site's: it goes with the row."""

    def told(self, event: Event) -> None:
        if isinstance(event, PartSent):
            self.sender.journal.note_part(self.item.chosen.client_id, event.part)
            self.sender.tell_bytes(self.item, event.part.size_bytes)


def request_for(row: Upload, number: int) -> Json | None:
    """None where the part is stored.

    Raises: Transient, Refused.
    """
    if row.trouble is not None and (row.trouble.is_retryable and row.state in TAKES_BYTES | {""}):
        raise Transient(row.trouble.message)
    if row.trouble is not None:
        raise Refused(row.trouble.message, code=row.trouble.code)
    if row.transfer is None:
        if row.state in {"cancelled", "expired", "failed"}:
            raise Refused(f"The upload is {row.state}.", code=row.state)
        return None
    for part in row.transfer["parts"]:
        if part["number"] == number:
            request: Json = part["request"]
            return request
    if number in row.transfer["stored"]:
        return None
    raise Transient("the part was not signed")  # an answer has no room for more: ask again


async def in_parts(store: ApiParts, transfer: Json) -> None:
    """Feeds the whole file, from its first byte: what is stored is compared and left out.

    Raises: FileError.
    """
    item, sender = store.item, store.sender
    stream = await stream_for(store, transfer)
    sender.streams.add(stream)
    try:
        await feed(stream, store, transfer["part_size"])
    except StreamError as error:
        code = error.code if isinstance(error, Refused) else type(error).__name__.lower()
        is_retryable = not isinstance(error, Refused)
        raise FileError(Trouble(code, str(error), is_retryable)) from error
    finally:
        sender.streams.discard(stream)
    sender.journal.forget_parts(item.chosen.client_id)


async def stream_for(store: ApiParts, transfer: Json) -> MultipartStream:
    patience = store.sender.site.patience
    settings = Settings(Fixed(transfer["part_size"]), concurrency=PARTS_AT_ONCE, retry=patience.retry)
    if not transfer["stored"]:
        return MultipartStream(store, tell=store.told, settings=settings)
    size_bytes, part_bytes = store.item.chosen.size_bytes, transfer["part_size"]
    crcs = store.sender.journal.crcs_of(store.item.chosen.client_id)
    known = [
        SentPart(number, min(part_bytes, size_bytes - (number - 1) * part_bytes), "", crc32)
        for number, crc32 in crcs.items()
    ]
    session = Session(store.upload_id, tuple(known), Fixed(part_bytes))
    return await MultipartStream.continued(store, session, tell=store.told, settings=settings)


async def feed(stream: MultipartStream, store: ApiParts, part_bytes: int) -> None:
    """Raises: StreamError. FileError when the file is not what was declared."""
    chosen, digest, read_bytes = store.item.chosen, hashlib.sha256(), 0
    try:
        with opened(chosen.file) as source:
            while content := await asyncio.to_thread(read_and_digest, source, part_bytes, digest):
                read_bytes += len(content)
                if read_bytes > chosen.size_bytes:
                    break
                await stream.write(content)
        refuse_unless(is_same=read_bytes == chosen.size_bytes)
    except FileError:
        await stream.cancel()
        raise
    await stream.close()
    store.item.sha256 = digest.hexdigest()


def refuse_unless(*, is_same: bool) -> None:
    """Raises: FileError."""
    if not is_same:
        raise FileError(CHANGED)
