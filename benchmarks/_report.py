"""The table that every benchmark prints: what was measured, beside the peer and the limit of the same run."""

from __future__ import annotations

import math
import os
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
HEADINGS: Final = ("what", "ours", "peer", "limit", "ratio", "verdict")
# Above this, on two cores, what is measured is mostly the neighbours.
QUIET_LOAD_PER_CPU: Final = 0.75


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `is_within` is None where nothing is promised: a figure for those who read."""

    what: str
    ours: str
    peer: str = ""
    limit: str = ""
    ratio: float | None = None
    is_within: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "ok", False: "MISSED", None: ""}[self.is_within]

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (self.what, self.ours, self.peer, self.limit, ratio, self.verdict)


def at_most(what: str, value: float, limit: float, *, unit: str, peer: str = "") -> Line:
    """A row whose value must not exceed the limit; the ratio is value / limit."""
    return Line(
        what,
        f"{value:,.4g} {unit}",
        peer,
        f"<= {limit:,.4g} {unit}",
        value / limit if limit else None,
        value <= limit,
    )


def task_line(what: str, tasks_ms: Sequence[float], *, limit_ms: float | None) -> Line:
    """Of the longest tasks of some runs; 0 is one that the browser did not report."""
    median_ms = statistics.median(tasks_ms)
    shown = "none of 50 ms" if median_ms == 0 else f"{median_ms:,.0f} ms"
    limit = "" if limit_ms is None else f"<= {limit_ms:g} ms"
    is_within = None if limit_ms is None else median_ms <= limit_ms
    return Line(f"{what} (worst {max(tasks_ms):,.0f} ms)", shown, "", limit, None, is_within)


def show(title: str, lines: Sequence[Line]) -> int:
    """Prints the table. 1 when a budget was missed, else 0."""
    rows = [HEADINGS, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    print(f"\n{title}")
    print(f"{machine()}\n")
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(flush=True)
    return int(any(line.is_within is False for line in lines))


def machine() -> str:
    cpu_count = os.cpu_count() or 1
    load = os.getloadavg()[0]
    noise = "" if load <= QUIET_LOAD_PER_CPU * cpu_count else " (busy, partly by this benchmark: read ratios)"
    return f"{cpu_count} CPUs, load {load:.1f}{noise}"


def interleaved(cases: Mapping[str, Callable[[], T]], *, repetitions: int) -> dict[str, list[T]]:
    """Each repetition runs every case once, from another one on: drift and neighbours hit all alike."""
    names = list(cases)
    measured: dict[str, list[T]] = {name: [] for name in names}
    for repetition in range(repetitions):
        shift = repetition % len(names)
        for name in names[shift:] + names[:shift]:
            value = cases[name]()
            measured[name].append(value)
            shown = f"{value:.3f} s" if isinstance(value, float) else ""
            print(f"  {repetition + 1}/{repetitions} {name} {shown}", file=sys.stderr, flush=True)
    return measured


def median_ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """The median of the ratios of each repetition: what slows a whole repetition cancels out."""
    return statistics.median(a / b for a, b in zip(ours, peer, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value which that share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
