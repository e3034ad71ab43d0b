"""What only a listing finds: sessions no row names, originals stored after their attempt had ended.

A signed URL is looked at when a request begins: a slow one may end hours after it expired, and long after the
attempt it was made for was cancelled and cleared away.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

from galleries.errors import StorageUnavailable
from galleries.objects.base import StoredObject, store_named
from uploads import events
from uploads.attempts import attempt_of
from uploads.janitor.deed import AT_A_TIME, Deed, known_stores
from uploads.janitor.liveness import Life, kept_of, lives_of, may_live
from uploads.lanes.base import OpenSession, UploadLanes, lanes_of
from uploads.limits import DEAD_ATTEMPT_KEPT
from uploads.models import Discard, Upload

log = logging.getLogger(__name__)

# Found within this long after the grace: gone by URL life + 2 h.
ROUND: Final = timedelta(minutes=40)
ALL: Final = "originals/"
PREFIXES: Final = tuple(f"{ALL}{number:02x}/" for number in range(256))
SLOT: Final = ROUND / len(PREFIXES)
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


def prefixes_between(since: datetime | None, now: datetime) -> list[str]:
    """Those whose turn has come: the clock leads through all of them once a round, so that a restart skips none.

    A listing of a large store is spread over many short sweeps.
    """
    last = slot_at(now)
    first = last if since is None or since > now else max(slot_at(since) + 1, last - len(PREFIXES) + 1)
    return [PREFIXES[slot % len(PREFIXES)] for slot in range(first, last + 1)]


def slot_at(moment: datetime) -> int:
    return (moment - EPOCH) // SLOT


def sessions(now: datetime) -> Iterator[Deed]:
    """Whoever opened them died before writing it down, or a part arrived while they were aborted."""
    for store in known_stores():
        lanes = lanes_of(store)
        try:
            open_sessions = lanes.list_sessions(ALL)
            old = (each for each in open_sessions if each.started_at < now - DEAD_ATTEMPT_KEPT)
            while some := list(islice(old, AT_A_TIME)):
                for each in unnamed(some):
                    yield Deed("abort the parts of", [each.key], partial(abort, lanes, each))
        except StorageUnavailable:
            log.warning("sweep.sessions_unknown store=%s", store)


def unnamed(found: Sequence[OpenSession]) -> list[OpenSession]:
    """A row that has ended may go on naming a session that stayed open; what lives keeps it, and what lists it.

    Uploads are asked before discards: that is the way a session goes. Both by key, which has an index.
    """
    upload_ids = {attempt.upload_id for each in found if (attempt := attempt_of(each.key))}
    living = Upload.objects.filter(may_live(), pk__in=upload_ids)
    named = {*living.values_list("session", flat=True)}
    listed = Discard.objects.filter(key__in={each.key for each in found})
    named |= {*listed.values_list("session", flat=True)}
    return [each for each in found if each.session not in named]


def abort(lanes: UploadLanes, found: OpenSession) -> int:
    log.info("sweep.orphan_session store=%s key=%s", lanes.store.name, found.key)
    lanes.abort_multipart(found.key, found.session)
    events.session_ended(events.MULTIPART_ABORTED, lanes.store.name)
    return 1


def objects(now: datetime, prefixes: Iterable[str] = (ALL,)) -> Iterator[Deed]:
    """Originals of attempts that rows say are over, stored or left there longer ago than any URL lives.

    What no row has ever heard of stays: after a database was restored from yesterday, today's photos are that.
    """
    for store in known_stores():
        for prefix in prefixes:
            try:
                found = iter(store_named(store).list(prefix))
                old = (each.key for each in found if is_old(each, now))
                while some := list(islice(old, AT_A_TIME)):
                    if dead := dead_of(some):
                        yield Deed("delete the orphans", dead, partial(delete, store, dead))
            except StorageUnavailable:
                log.warning("sweep.objects_unknown store=%s prefix=%s", store, prefix)
                break


def is_old(found: StoredObject, now: datetime) -> bool:
    return found.modified_at < now - DEAD_ATTEMPT_KEPT


def dead_of(keys: Iterable[str]) -> list[str]:
    """Whatever the store of the rows: two aliases may name one bucket."""
    attempts = {key: attempt for key in keys if (attempt := attempt_of(key))}
    lives = lives_of({*attempts.values()})
    dead = [key for key, attempt in attempts.items() if lives[attempt] == Life.DEAD]
    kept = kept_of(dead) | {*Discard.objects.filter(key__in=dead).values_list("key", flat=True)}
    return [key for key in dead if key not in kept]


def delete(store: str, keys: list[str]) -> int:
    log.info("sweep.orphans store=%s count=%d", store, len(keys))
    store_named(store).delete(keys)
    return len(keys)
