"""Shells: each task looks into the database for what there is to do. None carries an id."""

import logging
import os
from collections.abc import Callable
from contextlib import closing
from functools import cache
from time import monotonic

from celery import shared_task
from celery.signals import worker_process_shutdown

from galleries.decode.developer import Developer
from uploads import announce, events, mail, regenerate, worker_life  # noqa: F401  connects the pulse to the worker
from uploads import sweep as sweeping
from uploads.ahead import Ahead, Ordered
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
    with Ahead() as ahead:
        while work_once(ahead.order if monotonic() < until else None, ahead.take()):
            if monotonic() > until and ahead.is_empty:
                announce.quietly(announce.ring)
                return


def work_once(meanwhile: Callable[[], None] | None = None, ordered: Ordered | None = None) -> bool:
    """False where nothing waits. `ordered` comes before all else, and is let go of."""
    developer = developer_of(os.getpid())
    if ordered is not None:
        with closing(ordered), events.verification_of(ordered.upload):
            verify(ordered.upload, developer, coming=ordered.coming, meanwhile=meanwhile)
    elif (publication := mail.claim_next()) is not None:  # few, and short
        mail.send(publication)
    elif (upload := claim_next()) is not None:
        with events.verification_of(upload):
            verify(upload, developer, meanwhile=meanwhile if upload.tries == 1 else None)
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
