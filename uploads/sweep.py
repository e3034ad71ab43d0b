"""Step 7: what was dropped anywhere is picked up here.

Everything may be repeated, may run twice at once, and may be killed anywhere.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final

from django.db import transaction

from galleries.errors import StorageUnavailable
from galleries.models import Gallery, lock_galleries, raise_version
from uploads import announce, clock, heartbeats, regenerate
from uploads.janitor import files, leftovers, orphans, recall, silence
from uploads.janitor.deed import AT_A_TIME, Deed, Step
from uploads.models import Publication, Regeneration, Upload
from uploads.publications import announce_all, close_done, due_to_close

log = logging.getLogger(__name__)

# The next sweep begins after ten: a long list is worked off in pieces, and each step gets its turn.
STEP_LASTS_S: Final = 4.0
LISTED_EVERY: Final = timedelta(minutes=20)
ROWS: Final[dict[str, Step]] = {
    "adoptions": silence.adoptions,
    "expiries": silence.expiries,
    "recollections": recall.recollections,
    "failures": leftovers.failures,
    "discards": leftovers.discards,
    "photos": leftovers.photos,
}
# What only a listing of whole stores, folders and tables finds.
LISTINGS: Final[dict[str, Step]] = {
    "objects": orphans.objects,
    "sessions": orphans.sessions,
    "half_written": files.half_written,
    "spools": files.spools,
    "sidecars": leftovers.sidecars,
    "regenerations": regenerate.plans,
}
STEPS: Final = {**ROWS, **LISTINGS}


class Listed:
    """When this process has last looked for what only a listing finds."""

    objects_at: datetime | None = None
    all_at: datetime | None = None


def sweep() -> None:
    """Raises: ExceptionGroup once all steps are done, with what stopped some of them."""
    now = clock.now()
    finish([*ROWS.items(), *listings_due(now)], now)


def sweep_everything() -> None:
    """By hand: with all listings. Raises: as `sweep`."""
    finish(STEPS.items(), clock.now())


def only(name: str) -> None:
    """One step of STEPS."""
    work_off(STEPS[name], clock.now())


def rehearse(*names: str) -> Iterator[Deed]:
    """What those steps, or all, would do first: some hundreds of each kind. Changes nothing."""
    now = clock.now()
    for name in names or STEPS:
        yield from STEPS[name](now)


def listings_due(now: datetime) -> Iterator[tuple[str, Step]]:
    """A few prefixes of the stores each time, the rest three times an hour."""
    yield "objects", partial(orphans.objects, prefixes=orphans.prefixes_between(Listed.objects_at, now))
    Listed.objects_at = now
    if Listed.all_at is None or not Listed.all_at <= now < Listed.all_at + LISTED_EVERY:
        Listed.all_at = now
        yield from ((name, step) for name, step in LISTINGS.items() if name != "objects")


def finish(steps: Iterable[tuple[str, Step]], now: datetime) -> None:
    """What stops one step stops no other."""
    acts: list[tuple[str, Callable[[], object]]] = [
        ("bells", ring_if_work_waits),  # first: nobody's photo waits until a large store has been listed
        *((name, partial(work_off, step, now)) for name, step in steps),
        ("publications", close_publications),
        ("heartbeats", partial(heartbeats.forget_dead, now)),
    ]
    failed: list[Exception] = []
    for name, act in acts:
        try:
            act()
        except Exception as error:
            log.exception("sweep.step_failed step=%s", name)
            failed.append(error)
    if failed:
        raise ExceptionGroup("some steps of the sweep failed", failed)


def work_off(step: Step, now: datetime) -> None:
    """Again and again, until little is left or its time is over."""
    until = monotonic() + STEP_LASTS_S
    while sum(done(deed) for deed in step(now)) >= AT_A_TIME and monotonic() < until:
        pass


def done(deed: Deed) -> int:
    try:
        count = deed.act()
    except StorageUnavailable:
        log.warning("sweep.storage_unavailable deed=%r count=%d", deed.verb, len(deed.subjects))
        return 0
    if count:
        log.info("sweep.done deed=%r count=%d", deed.verb, count)
    return count


def close_publications() -> None:
    """What waits for files that nobody sends again. One query where there is none."""
    running = Publication.objects.in_progress()
    for gallery_id in list(due_to_close(running).values_list("gallery_id", flat=True).distinct()):
        with transaction.atomic():
            lock_galleries(Gallery.objects.filter(pk=gallery_id))
            if closed := close_done(running.filter(gallery_id=gallery_id)):
                announce_all(closed, version=raise_version(gallery_id))


def ring_if_work_waits() -> None:
    """Bells that were lost, leases that ran out: one for each worker that may hear, none for nothing."""
    now = clock.now()
    slots = sum(worker.concurrency for worker in heartbeats.live_workers(now)) or 1
    waiting, abandoned = (
        rows.order_by()[:slots].count()
        for rows in (Upload.objects.waiting(now), Upload.objects.abandoned(now))
    )
    others = (Publication.objects.mail_due(now), Regeneration.objects.due(now))
    is_more = any(rows.exists() for rows in others)
    announce.quietly(partial(ring_for, min(slots, waiting + abandoned + is_more)))


def ring_for(count: int) -> None:
    for _ in range(count):
        announce.ring()
