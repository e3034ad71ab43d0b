"""The pulse of a worker beside the processes that its pool forks."""

from __future__ import annotations

import os
import sqlite3
import threading

import pytest

from uploads import heartbeats
from uploads.worker_life import Pulse

WROTE, WAS_LOCKED = 0, 1


def write_to(database) -> None:
    connection = sqlite3.connect(database, timeout=1, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO beats VALUES (1)")
    connection.execute("COMMIT")
    connection.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_process_forked_during_a_beat_can_write_to_the_database(tmp_path, monkeypatch) -> None:
    """SQLite keeps who locks what in the memory of its process: a fork in the middle of it is locked out for ever."""
    database = tmp_path / "db.sqlite3"
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE beats (number)")
    connection.close()
    is_beating, may_end = threading.Event(), threading.Event()

    def beat(_name: str, _concurrency: int) -> None:
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        is_beating.set()
        may_end.wait(0.5)
        connection.execute("COMMIT")
        connection.close()

    monkeypatch.setattr(heartbeats, "beat", beat)
    monkeypatch.setattr(heartbeats, "fall_silent", lambda _name: None)
    pulse = Pulse("a worker", 1)
    pulse.start()
    is_beating.wait()

    child = os.fork()
    if child == 0:
        may_end.wait(0.6)  # the parent's transaction is over by then, whatever the fork has copied
        try:
            write_to(database)
        except sqlite3.OperationalError:
            os._exit(WAS_LOCKED)
        os._exit(WROTE)

    _, status = os.waitpid(child, 0)
    may_end.set()
    pulse.stopped.set()
    pulse.join()
    assert os.waitstatus_to_exitcode(status) == WROTE
