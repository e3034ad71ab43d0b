"""Where CPU seconds went while something was measured: threads of a page, its browser, and servers. Linux alone."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from dev.processes import descendants_of
from tests.browser.browsers import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = "page"
# As Chromium's own command lines call them.
ROLES: Final = {
    b"--type=renderer": PAGE,
    b"--type=gpu-process": "browser, drawing",
    b"--utility-sub-type=network.mojom.NetworkService": "browser, network",
    b"--utility-sub-type=storage.mojom.StorageService": "browser, storage",
}
# The page's Workers in the order they are begun. A thread's name ends after 15 letters.
WORKER_THREAD: Final = "DedicatedWorker"
WORKERS: Final = (f"{PAGE}, first Worker", f"{PAGE}, second Worker")


class Used(NamedTuple):
    """CPU seconds of one thread until now, or of what is no thread of a page any more: then `number` is 0."""

    pid: int
    number: int
    place: str
    cpu_s: float


class CpuMeter:
    """Counts from its making on. `programs`: the processes of each, which count with all that they started."""

    def __init__(self, profile: Path, programs: Mapping[str, Sequence[int]]) -> None:
        self.profile, self.programs = profile, programs
        self.before = {(each.pid, each.number): each.cpu_s for each in self.used()}

    def spent_s(self) -> dict[str, float]:
        """By place, without what ended meanwhile as a whole process."""
        spent: defaultdict[str, float] = defaultdict(float)
        for each in self.used():
            spent[each.place] += each.cpu_s - self.before.get((each.pid, each.number), 0.0)
        return spent

    def used(self) -> Iterator[Used]:
        for pid in browser_pids(self.profile):
            role = role_of(pid)
            yield from used_by_page(pid) if role == PAGE else used_by_process(pid, role)
        for name, roots in self.programs.items():
            for root in roots:
                for pid in (root, *descendants_of(root)):
                    yield from used_by_process(pid, name)


def browser_pids(profile: Path) -> set[int]:
    flag = f"--user-data-dir={profile}".encode()
    named = {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if flag in words_of(entry)}
    return named.union(*(descendants_of(pid) for pid in named))


def role_of(pid: int) -> str:
    # Chromium's children write their words as one.
    command = b" ".join(words_of(Path(f"/proc/{pid}")))
    return next((role for word, role in ROLES.items() if word in command), "browser, all else")


def used_by_process(pid: int, place: str) -> Iterator[Used]:
    for _, cpu_s in named_cpu_s(Path(f"/proc/{pid}")):
        yield Used(pid, 0, place, cpu_s)


def used_by_page(pid: int) -> Iterator[Used]:
    places = iter(WORKERS)
    in_threads_s = 0.0
    for number in sorted(int(task.name) for task in Path(f"/proc/{pid}/task").glob("[0-9]*")):
        for name, cpu_s in named_cpu_s(Path(f"/proc/{pid}/task/{number}")):
            place = f"{PAGE}, main thread" if number == pid else None
            if name == WORKER_THREAD:
                place = next(places, None)
            if place is not None:
                in_threads_s += cpu_s
                yield Used(pid, number, place, cpu_s)
    for _, whole_s in named_cpu_s(Path(f"/proc/{pid}")):
        yield Used(pid, 0, f"{PAGE}, other threads", whole_s - in_threads_s)


def named_cpu_s(entry: Path) -> list[tuple[str, float]]:
    """Name and CPU seconds of a process or thread; empty once it has ended. See proc(5)."""
    try:
        stat = (entry / "stat").read_text(errors="replace")
    except OSError:
        return []
    name, _, rest = stat.partition("(")[2].rpartition(")")
    user, system = rest.split()[11:13]
    return [(name, (int(user) + int(system)) / TICKS_A_SECOND)]
