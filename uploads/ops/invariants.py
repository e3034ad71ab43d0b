"""Asks a live system whether what must always hold does hold. Changes nothing; may be run at any time."""

from collections.abc import Iterator
from datetime import datetime

from galleries.errors import StorageUnavailable
from uploads import clock
from uploads.janitor.deed import known_stores
from uploads.ops.breach import Breach, Report
from uploads.ops.history import illegal_histories
from uploads.ops.row_rules import broken_rows
from uploads.ops.store_rules import (
    altered_originals,
    broken_in_store,
    overdue_discards,
    unknown_stores,
)


def verify_invariants(*, stores: bool = True, read_bytes: bool = False) -> Report:
    """`stores`: compare with what they list. `read_bytes`: also read every original and take its checksum."""
    now = clock.now()
    breaches = [*broken_rows(now), *illegal_histories(), *unknown_stores(), *overdue_discards(now)]
    unanswered = []
    for store in known_stores() if stores else ():
        try:
            breaches += broken_around(store, now, read_bytes=read_bytes)
        except StorageUnavailable:
            unanswered.append(store)
    return Report(breaches, unanswered)


def broken_around(store: str, now: datetime, *, read_bytes: bool) -> Iterator[Breach]:
    yield from broken_in_store(store, now)
    if read_bytes:
        yield from altered_originals(store)
