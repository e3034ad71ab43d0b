"""Pure: how long each part of a stream is. The number of a part alone decides, so that every process agrees."""

from dataclasses import dataclass
from typing import Final, Protocol

MIB: Final = 1024 * 1024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_BYTES: Final = 5 * MIB
MAX_PART_BYTES: Final = 5 * 1024 * MIB
MAX_PART_COUNT: Final = 10_000
# What every S3 store takes as one object.
MAX_OBJECT_BYTES: Final = 5 * 1024 * 1024 * MIB
PREFERRED_PART_BYTES: Final = 8 * MIB
# Doubled so often, parts of 5 MiB at first come to 5 TiB before there are 10,000, and none exceeds 5 GiB.
DOUBLED_AFTER_PARTS: Final = 900


class PartSizes(Protocol):
    def of(self, number: int) -> int:
        """Bytes of the part of that number, from 1; the last one of a stream may be shorter."""

    def to_json(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """As a server has planned it for a file whose size is known."""

    part_bytes: int

    def of(self, number: int) -> int:
        del number
        return self.part_bytes

    def to_json(self) -> dict[str, object]:
        return {"kind": "fixed", "bytes": self.part_bytes}


@dataclass(frozen=True, slots=True)
class Growing:
    """For streams of unknown length: twice as long after every 900 parts."""

    first_bytes: int = PREFERRED_PART_BYTES

    def __post_init__(self) -> None:
        if not MIN_PART_BYTES <= self.first_bytes <= MAX_PART_BYTES:
            raise ValueError(f"a part has {MIN_PART_BYTES} to {MAX_PART_BYTES} bytes, not {self.first_bytes}")

    def of(self, number: int) -> int:
        return min(self.first_bytes << ((number - 1) // DOUBLED_AFTER_PARTS), MAX_PART_BYTES)

    def to_json(self) -> dict[str, object]:
        return {"kind": "growing", "bytes": self.first_bytes}


def sizes_from(kind: object, size_bytes: int) -> PartSizes:
    """Raises: ValueError."""
    match kind:
        case "fixed":
            return Fixed(size_bytes)
        case "growing":
            return Growing(size_bytes)
    raise ValueError(kind)
