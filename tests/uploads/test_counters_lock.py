"""Counting and logging reach for each other's locks: nobody may hold one while asking for the other."""

import logging
import threading
from collections.abc import Iterator

import pytest

from uploads import counters
from uploads.counters import WarningCounter

TIMEOUT_S = 5


@pytest.fixture
def handler() -> Iterator[WarningCounter]:
    """Counts the warnings of counting itself, as that of the settings does."""
    handler = WarningCounter()
    handler.lock = threading.Lock()  # one that this test can open for others
    logger = logging.getLogger(counters.__name__)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_who_counts_and_wants_to_log_and_who_logs_and_wants_to_count_both_go_on(
    data_dir, monkeypatch, handler
):
    """The disk refuses the one, in the middle of counting, while the other logs a warning of its own."""
    is_counting, is_logging = threading.Event(), threading.Event()

    def refuse(*_: object) -> None:
        is_counting.set()
        is_logging.wait(TIMEOUT_S)
        raise OSError(28, "No space left on device")

    def count() -> None:
        counters.add("probe", {"what": "x"})

    def log_a_warning() -> None:
        with handler.lock:  # as `Handler.handle` does around `emit`
            is_logging.set()
            is_counting.wait(TIMEOUT_S)
            handler.emit(logging.makeLogRecord({"name": "uploads", "msg": "probe.warned", "levelno": 30}))

    monkeypatch.setattr(counters.os, "posix_fallocate", refuse)
    monkeypatch.setattr(counters.Current, "failed_at_s", None)
    threads = [threading.Thread(target=act, daemon=True) for act in (count, log_a_warning)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)

    is_stuck = [thread.is_alive() for thread in threads]
    if any(is_stuck):  # so that nothing else of the run waits for these two
        handler.lock.release()
    assert is_stuck == [False, False]
