"""Each worker process group says every few seconds that it lives, from a thread of its main process."""

import logging
import os
import socket
import threading
from typing import Any, Final

from celery.signals import worker_init, worker_ready, worker_shutdown
from django.db import connection

from galleries.decode.floors import check_decoders
from uploads import announce, heartbeats

log = logging.getLogger(__name__)


# SQLite remembers in the memory of its process who locks what: a pool's process forked in the middle of a beat would
# find the database locked for as long as it lives. So a fork waits for the end of the beat.
BEATING: Final = threading.RLock()
os.register_at_fork(before=BEATING.acquire, after_in_parent=BEATING.release, after_in_child=BEATING.release)


class Pulse(threading.Thread):
    def __init__(self, name: str, concurrency: int) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.worker_name, self.concurrency = name, concurrency
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            with BEATING:
                self.beat()
            self.stopped.wait(heartbeats.BEAT_EVERY_S)
        with BEATING:
            announce.quietly(lambda: heartbeats.fall_silent(self.worker_name))
            connection.close()

    def beat(self) -> None:
        try:
            heartbeats.beat(self.worker_name, self.concurrency)
        except Exception as err:  # noqa: BLE001  a database that is away for a moment must not end the pulse
            log.warning("heartbeat.failed error=%s", type(err).__name__)
        finally:
            connection.close()


class Running:
    pulse: Pulse | None = None


@worker_init.connect
def refuse_old_decoders(**_: object) -> None:
    """A decoder with known holes must not meet strangers' files: better no worker than that one."""
    if problems := check_decoders():
        for problem in problems:
            log.critical("worker.refused reason=%s", problem)
        raise SystemExit(1)


@worker_ready.connect
def begin(sender: Any, **_: object) -> None:
    """Only who verifies counts: the sweeper's worker answers for no photo."""
    queues = {queue.name for queue in sender.task_consumer.queues}
    if "work" not in queues:
        return
    Running.pulse = Pulse(f"{sender.hostname or socket.gethostname()}", sender.pool.num_processes)
    Running.pulse.start()
    announce.quietly(announce.ring)  # whatever waits from before


@worker_shutdown.connect
def end(**_: object) -> None:
    if Running.pulse is not None:
        Running.pulse.stopped.set()
        Running.pulse.join(timeout=2)
