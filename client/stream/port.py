"""The port to whatever takes the parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .session import SentPart


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part that the store has. `md5` where its ETag may be one: equal bytes have it, others may not tell."""

    number: int
    size_bytes: int
    etag: str
    md5: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    size_bytes: int
    etag: str = ""


class PartStore(Protocol):
    """One object to be. Every call may raise Transient or Refused.

    `checks_whole`: the whole object is compared with the source's checksum afterwards, so that a listed part of the
    right length may be taken for the same without its own.
    """

    checks_whole: bool

    async def open(self) -> str: ...

    async def put_part(self, upload_id: str, number: int, body: bytes | memoryview, crc32: str) -> str:
        """Returns the ETag. Sent again it replaces the part of that number."""

    async def list_parts(self, upload_id: str) -> Sequence[ListedPart]:
        """All pages. Raises: Refused with the code `session_gone`."""

    async def complete(self, upload_id: str, parts: Sequence[SentPart]) -> Stored: ...

    async def put_empty(self) -> Stored:
        """A source without a byte: one object without parts. Raises: Refused where that is none."""

    async def abort(self, upload_id: str) -> None: ...
