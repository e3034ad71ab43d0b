"""Shells: each task looks into the database for what there is to do. None carries an id."""

import logging
import os
from functools import cache
from time import monotonic

from celery import shared_task
from celery.signals import worker_process_shutdown

from galleries.decode.developer import Developer
from uploads import announce, events, mail, regenerate, worker_life  # noqa: F401  connects the pulse to the worker
from uploads import sweep as sweeping
from uploads.verify import claim_next, verify

log = logging.getLogger(__name__)
# After this long a task ends and rings for the next one, so that warm shutdown and fairness get their turn.
TASK_LIFE_S = 10


@cache
def developer_of(_pid: int) -> Developer:
    """One warm child for each worker process; the pid keeps a fork from taking its parent's."""
    return Developer()


@worker_process_shutdown.connect
def close_developer(**_: object) -> None:
    developer_of(os.getpid()).close()


@shared_task
def work() -> None:
    """Verifies what waits, one after another; where nothing does, what can wait has its turn."""
    until = monotonic() + TASK_LIFE_S
    while work_once():
        if monotonic() > until:
            announce.quietly(announce.ring)
            return


def work_once() -> bool:
    """False where nothing waits."""
    developer = developer_of(os.getpid())
    if (publication := mail.claim_next()) is not None:  # few, and short
        mail.send(publication)
    elif (upload := claim_next()) is not None:
        with events.verification_of(upload):
            verify(upload, developer)
    elif (stale := regenerate.claim_next()) is not None:
        regenerate.regenerate(stale, developer)
    else:
        return False
    return True


@shared_task
def sweep() -> None:
    """Runs every few seconds: whatever was dropped anywhere is picked up here."""
    with events.sweep_round():
        sweeping.sweep()
