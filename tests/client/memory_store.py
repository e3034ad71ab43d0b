"""A store of parts in this process: what S3 promises, with faults on demand. The real ones: test_stream_on_lanes.py."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from client.stream import ListedPart, Refused, Stored, Transient

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class MemoryStore:
    """`faults` maps what is about to be done (`put 3`, `open`, `complete`) to the errors of its next tries."""

    checks_whole: bool = False
    tells_md5: bool = True
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    sessions: dict[str, dict[int, bytes]] = field(default_factory=dict)
    objects: list[bytes] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    put_bytes: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    held: asyncio.Event | None = None
    names = itertools.count(1)

    async def open(self) -> str:
        self.meet("open")
        name = f"session-{next(self.names)}"
        self.sessions[name] = {}
        return name

    async def put_part(self, upload_id: str, number: int, body: bytes | memoryview, crc32: str) -> str:
        del crc32
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.held is not None:
                await self.held.wait()
            await asyncio.sleep(0)
            self.meet(f"put {number}")
            self.put_bytes += len(body)
            self.session(upload_id)[number] = bytes(body)
        finally:
            self.in_flight -= 1
        return etag_of(bytes(body))

    async def list_parts(self, upload_id: str) -> list[ListedPart]:
        self.meet("list")
        return [
            ListedPart(number, len(body), etag_of(body), etag_of(body) if self.tells_md5 else "")
            for number, body in sorted(self.session(upload_id).items())
        ]

    async def complete(self, upload_id: str, parts) -> Stored:
        self.meet("complete")
        kept = self.sessions.pop(upload_id)
        whole = b"".join(kept[part.number] for part in parts)
        self.objects.append(whole)
        return Stored(len(whole))

    async def put_empty(self) -> Stored:
        self.meet("put_empty")
        self.objects.append(b"")
        return Stored(0)

    async def abort(self, upload_id: str) -> None:
        self.meet("abort")
        self.sessions.pop(upload_id, None)

    def session(self, upload_id: str) -> dict[int, bytes]:
        if upload_id not in self.sessions:
            raise Refused("gone", code="session_gone")
        return self.sessions[upload_id]

    def meet(self, what: str) -> None:
        self.calls[what] += 1
        if self.faults.get(what):
            raise self.faults[what].pop(0)

    def fail(self, what: str, *, times: int = 1, make: Callable[[], Exception] | None = None) -> None:
        self.faults[what] = [(make or passing)() for _ in range(times)]


def passing() -> Exception:
    return Transient("slow down")


def etag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
