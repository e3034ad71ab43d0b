"""What is kept of a stream to go on with it in another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .sizes import Growing, sizes_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sizes import PartSizes


@dataclass(frozen=True, slots=True)
class SentPart:
    """`crc32` has eight hex digits; empty where it is known from the store's list alone."""

    number: int
    size_bytes: int
    etag: str
    crc32: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """`upload_id` is None until the first part: then nothing is open in the store."""

    upload_id: str | None = None
    parts: tuple[SentPart, ...] = ()
    sizes: PartSizes = field(default_factory=Growing)

    @property
    def sent_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)

    def to_json(self) -> dict[str, object]:
        parts = [[part.number, part.size_bytes, part.etag, part.crc32] for part in self.parts]
        return {"upload_id": self.upload_id, "parts": parts, "sizes": self.sizes.to_json()}

    @classmethod
    def from_json(cls, kept: Mapping[str, object]) -> Session:
        """Raises: ValueError when it is not what `to_json` wrote."""
        match kept:
            case {
                "upload_id": str() | None as upload_id,
                "parts": list() as parts,
                "sizes": {"kind": kind, "bytes": int() as size_bytes},
            }:
                return cls(upload_id, tuple(_part_from(part) for part in parts), sizes_from(kind, size_bytes))
        raise ValueError(kept)


def _part_from(kept: object) -> SentPart:
    match kept:
        case [int() as number, int() as size_bytes, str() as etag, str() as crc32]:
            return SentPart(number, size_bytes, etag, crc32)
    raise ValueError(kept)
