"""Shells: each task looks into the database for what there is to do. None carries an id."""

import logging
import os
from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from time import monotonic

from celery import shared_task
from celery.signals import worker_process_shutdown

from galleries.decode.developer import Developer
from uploads import announce, events, mail, regenerate, worker_life  # noqa: F401  connects the pulse to the worker
from uploads import sweep as sweeping
from uploads.ahead import Ahead, Ordered
from uploads.models import Upload
from uploads.verify import claim_next, verify

log = logging.getLogger(__name__)
# After this long a task ends, so that warm shutdown and fairness get their turn.
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
    """Verifies what waits, one after another; where nothing does, what can wait has its turn.

    Whoever finds something rings once, for the next process: one bell wakes as many as there are, and is there still
    when this task ends before the work does.
    """
    until = monotonic() + TASK_LIFE_S
    has_rung = False
    with Ahead() as ahead:
        while (job := next_job(ahead.order if monotonic() < until else None, ahead.take())) is not None:
            if not has_rung:
                announce.quietly(announce.ring)
                has_rung = True
            job()
            if monotonic() > until and ahead.is_empty:
                return


def work_once() -> bool:
    """False where nothing waits."""
    job = next_job()
    if job is None:
        return False
    job()
    return True


def next_job(
    meanwhile: Callable[[], None] | None = None, ordered: Ordered | None = None
) -> Callable[[], None] | None:
    """What was claimed, to be done by a call; None where nothing waits. `ordered` comes before all else."""
    developer = developer_of(os.getpid())
    if ordered is not None:
        return partial(verify_ordered, ordered, developer, meanwhile)
    if (publication := mail.claim_next()) is not None:  # few, and short
        return partial(mail.send, publication)
    if (upload := claim_next()) is not None:
        return partial(verify_claimed, upload, developer, meanwhile if upload.tries == 1 else None)
    if (stale := regenerate.claim_next()) is not None:
        return partial(regenerate.regenerate, stale, developer)
    return None


def verify_ordered(ordered: Ordered, developer: Developer, meanwhile: Callable[[], None] | None) -> None:
    """`ordered` is let go of, however it ends."""
    with closing(ordered), events.verification_of(ordered.upload):
        verify(ordered.upload, developer, coming=ordered.coming, meanwhile=meanwhile)


def verify_claimed(upload: Upload, developer: Developer, meanwhile: Callable[[], None] | None) -> None:
    with events.verification_of(upload):
        verify(upload, developer, meanwhile=meanwhile)


@shared_task
def sweep() -> None:
    """Runs every few seconds: whatever was dropped anywhere is picked up here."""
    with events.sweep_round():
        sweeping.sweep()
