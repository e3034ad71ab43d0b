"""How a file is cut into parts. Pure; its twin static/src/domain/part-plan.ts reads the same test vectors."""

from collections.abc import Iterator
from dataclasses import dataclass

from uploads.limits import MAX_PART_COUNT, MIB, PREFERRED_PART_BYTES


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PartPlan:
    """Persisted when a session is opened and never computed again: another release may cut otherwise."""

    file_bytes: int
    part_bytes: int

    @property
    def part_count(self) -> int:
        return max(1, -(-self.file_bytes // self.part_bytes))

    def part(self, number: int) -> Part:
        """Raises: IndexError for a number that is not in the plan."""
        if not 1 <= number <= self.part_count:
            raise IndexError(number)
        offset = (number - 1) * self.part_bytes
        return Part(number, offset, min(self.part_bytes, self.file_bytes - offset))

    def __iter__(self) -> Iterator[Part]:
        return (self.part(number) for number in range(1, self.part_count + 1))


def plan_parts(file_bytes: int) -> PartPlan:
    """Parts of 8 MiB, larger by whole MiB where 10,000 of those would not do; an empty file is one part."""
    if file_bytes < 0:
        raise ValueError(file_bytes)
    least_bytes = -(-file_bytes // MAX_PART_COUNT)
    return PartPlan(file_bytes, max(PREFERRED_PART_BYTES, -(-least_bytes // MIB) * MIB))
