"""Counts of one process, kept in files of its own that whoever is asked adds up.

Workers fork, and any process may be killed at any instant: a count is a number in a mapped file, so that it is in the
kernel's hands the moment it is written, and no network is in the way of a request. Each process holds a numbered
place for as long as it lives; who comes after it counts on from there, so that nothing grows and no count falls.
"""

import fcntl
import itertools
import logging
import os
import re
import struct
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Final

from django.conf import settings
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

log = logging.getLogger(__name__)

PREFIX: Final = "safelight_"
# A photo takes seconds from the choosing to the wall; a folder over a slow line takes hours.
BUCKETS_S: Final = (0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200)
# Room for all series that labels can make, taken at once: to write into a hole of a mapped file on a full disk ends the
# process.
COUNTER_FILE_BYTES: Final = 512 * 1024
HISTOGRAM_FILE_BYTES: Final = 256 * 1024
# A disk that is full stays so for a while.
TRIED_AGAIN_AFTER_S: Final = 60.0

Labels = tuple[tuple[str, str], ...]


class Tally:
    """The counts of this process. Not for several threads at once."""

    def __init__(self, folder: Path) -> None:
        """Raises: OSError when the disk is full or refuses."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.pid = folder, os.getpid()
        self.place, self.place_fd = taken_place(folder)
        self.counts = opened(folder / f"counter_{self.place}.db", COUNTER_FILE_BYTES)
        self.spreads = opened(folder / f"histogram_{self.place}.db", HISTOGRAM_FILE_BYTES)

    def add(self, name: str, labels: Labels, amount: float) -> None:
        add_to(self.counts, key_of(name, "_total", labels), amount)

    def observe(self, name: str, labels: Labels, seconds: float) -> None:
        """Counted in the one bucket it falls into; the collector adds up."""
        bucket = bisect_left(BUCKETS_S, seconds)
        limit = str(float(BUCKETS_S[bucket])) if bucket < len(BUCKETS_S) else "+Inf"
        add_to(self.spreads, key_of(name, "_bucket", (*labels, ("le", limit))), 1)
        add_to(self.spreads, key_of(name, "_sum", labels), seconds)

    def close(self) -> None:
        self.counts.close()
        self.spreads.close()
        os.close(self.place_fd)


def taken_place(folder: Path) -> tuple[int, int]:
    """The lowest number that no living process holds, and the file that holds it: the kernel lets go at any end.

    A lock of this kind is the process's own: a fork has none of its parent's.
    """
    for place in itertools.count():
        place_fd = os.open(folder / f"{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(place_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(place_fd)
        else:
            return place, place_fd
    raise AssertionError


def opened(file: Path, room_bytes: int) -> MmapedDict:
    file_fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file_fd, 0, room_bytes)
    finally:
        os.close(file_fd)
    if not is_whole(file):
        file.unlink()
        return opened(file, room_bytes)
    return MmapedDict(str(file))


def is_whole(file: Path) -> bool:
    """False for what a power cut has left half written, for what has gone, and for what is only being made."""
    try:
        head = file.read_bytes()[:4]
        if len(head) < 4:  # noqa: PLR2004 - the word that tells how much is used
            return False
        used = int.from_bytes(head, sys.byteorder)
        if used:  # none in a file that nobody has written to yet
            list(MmapedDict.read_all_values_from_file(str(file)))
    except (OSError, RuntimeError, ValueError, struct.error):
        return False
    return True


def add_to(kept: MmapedDict, key: str, amount: float) -> None:
    value, _ = kept.read_value(key)
    kept.write_value(key, value + amount, 0.0)


@cache
def key_of(name: str, suffix: str, labels: Labels) -> str:
    names, values = [name for name, _ in labels], [value for _, value in labels]
    return str(mmap_key(PREFIX + name, PREFIX + name + suffix, names, values, HELP.get(name, name)))


# Filled by whoever counts: what a metric means, by its name without the prefix.
HELP: Final[dict[str, str]] = {}


class Current:
    """The tally of this process, and when one could last not be had."""

    guard: Final = threading.RLock()
    tally: Tally | None = None
    failed_at_s: float | None = None


# A fork in the middle of an addition would leave the child a lock that nobody opens.
os.register_at_fork(
    before=Current.guard.acquire,
    after_in_parent=Current.guard.release,
    after_in_child=Current.guard.release,
)


def folder_of_counts() -> Path:
    return below(settings.DATA_DIR)


@cache
def below(data_dir: Path) -> Path:
    return Path(data_dir) / "metrics"


def tally() -> Tally | None:
    """Under the guard. None for a while after the disk has refused.

    Raises: OSError, once in that while. Nothing is logged here: a log line takes locks whose holders may want to count.
    """
    folder, known = folder_of_counts(), Current.tally
    if known is not None and known.pid == os.getpid() and known.folder == folder:
        return known
    if Current.failed_at_s is not None and monotonic() - Current.failed_at_s < TRIED_AGAIN_AFTER_S:
        return None
    if known is not None and known.pid == os.getpid():
        known.close()
    Current.tally = None
    try:
        Current.tally = Tally(folder)
    except OSError:
        Current.failed_at_s = monotonic()
        raise
    return Current.tally


def add(name: str, labels: Mapping[str, str], amount: float = 1) -> None:
    """Never fails: what cannot be counted is a log line."""
    pairs = tuple(labels.items())
    quietly(lambda kept: kept.add(name, pairs, amount))


def observe(name: str, labels: Mapping[str, str], seconds: Sequence[float]) -> None:
    """Never fails, as above."""
    pairs = tuple(labels.items())

    def observe_all(kept: Tally) -> None:
        for each in seconds:
            kept.observe(name, pairs, each)

    quietly(observe_all)


def quietly(act: Callable[[Tally], None]) -> None:
    try:
        with Current.guard:
            if (kept := tally()) is not None:
                act(kept)
    except OSError as err:
        log.warning("metrics.lost error=%s", type(err).__name__)
    except Exception as err:  # noqa: BLE001  whatever is told of has been done, or is about to be
        log.warning("metrics.failed error=%s", type(err).__name__)


def counted() -> list[Metric]:
    """The sums over all processes of this machine, those that have ended too."""
    files = [str(file) for file in sorted(folder_of_counts().glob("*.db")) if is_whole(file)]
    return list(MultiProcessCollector.merge(files))


OURS: Final = ("accounts", "config", "galleries", "uploads")
EVENT_NAME: Final = re.compile(r"[a-z_]+\.[a-z_]+(?= |$)")
# Of counting itself: to count these would fail as well.
UNCOUNTED: Final = frozenset({"metrics.lost", "metrics.failed"})


class WarningCounter(logging.Handler):
    """Counts what is logged as a warning or worse, by the name of its event: no field of it becomes a label."""

    def emit(self, record: logging.LogRecord) -> None:
        event = event_of(record)
        if event not in UNCOUNTED:
            add("warnings", {"event": event, "level": record.levelname.lower()})


def event_of(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] not in OURS or not isinstance(record.msg, str):
        return "other"
    found = EVENT_NAME.match(record.msg)
    return found[0] if found else "other"


HELP["warnings"] = "Log lines of level WARNING and worse, by their event"
