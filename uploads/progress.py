"""Step 3: reports become ledger entries, ledger and rows become totals."""

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import redis
from django.db.models import Count, F, FilteredRelation, Max, Q, Sum

from galleries.access import Actor
from galleries.models import Gallery
from galleries.ports import Totals
from galleries.queries import count_staged
from uploads import announce, ledger
from uploads.ledger import Report, Row, Sums
from uploads.limits import IDS_OF_A_QUERY
from uploads.models import Upload
from uploads.states import OPEN_STATES, State

log = logging.getLogger(__name__)

SENT_STATES = (State.UPLOADED, State.VERIFYING, State.VERIFIED)
# What has ended without a photo no longer counts as work to do.
COUNTED_STATES = (State.REGISTERED, State.SIGNED, *SENT_STATES)
OF_THIS_ROUND = Q(uploads__registered_at__gte=F("round_started_at")) | Q(round_started_at=None)


@dataclass(frozen=True)
class Rows:
    """What a gallery's rows of this round come to, as of one version of it: files and bytes by state.

    `staged` counts photos, as of this version or a later one, of which will be told.
    """

    version: int
    states: Mapping[str, tuple[int, int]]
    began_at: datetime | None = None
    ended_at: datetime | None = None
    staged: int = 0
    photo_count: int = 0
    byte_count: int = 0

    @property
    def is_receiving(self) -> bool:
        return State.SIGNED in self.states

    @property
    def is_processing(self) -> bool:
        return State.UPLOADED in self.states or State.VERIFYING in self.states


def parse_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None


def take_report(actor: Actor, gallery_id: uuid.UUID, reports: Iterable[tuple[str, int, int]]) -> None:
    """(upload id, bytes stored, parts stored) each. No database write; no query where the ledger knows the files.

    Foreign and unknown ids are dropped, bytes clamped to the size. Raises: RedisError.
    """
    stored = stored_in(actor, reports)
    if stored:
        take_reports([Report(gallery_id, stored)])


def stored_in(actor: Actor, reports: Iterable[tuple[str, int, int]]) -> dict[tuple[uuid.UUID, str], int]:
    """Of each upload the most that was said."""
    stored: dict[tuple[uuid.UUID, str], int] = {}
    for text, stored_bytes, _ in reports:
        if stored_bytes > 0 and (upload_id := parse_id(text)):
            key = (upload_id, actor.name)
            stored[key] = max(stored_bytes, stored.get(key, 0))
    return stored


def take_reports(reports: Sequence[Report]) -> list[Sums]:
    """One round trip; for all galleries of which the ledger knows nothing a query and two round trips more.

    The same for each gallery in which it does not know a file. Raises: RedisError.
    """
    taken = ledger.report(reports, announce.moved_message)
    if unknown := [number for number, sums in enumerate(taken) if sums.version is None]:
        anew = [reports[number] for number in unknown]
        begin([each.gallery_id for each in anew])
        for number, sums in zip(unknown, ledger.report(anew, announce.moved_message), strict=True):
            taken[number] = sums
    return [
        taken_after_learning(each, sums) if sums.missing else sums
        for each, sums in zip(reports, taken, strict=True)
    ]


def taken_after_learning(report: Report, sums: Sums) -> Sums:
    ledger.learn(report.gallery_id, rows_of_uploads(report.gallery_id, sums.missing))
    return ledger.report([report], announce.moved_message)[0]


def rows_of_uploads(gallery_id: uuid.UUID, upload_ids: Iterable[uuid.UUID]) -> list[Row]:
    wanted, rows = list(upload_ids), Upload.objects.filter(gallery_id=gallery_id)
    found = (
        rows.filter(pk__in=wanted[first : first + IDS_OF_A_QUERY])
        for first in range(0, len(wanted), IDS_OF_A_QUERY)
    )
    return [
        Row(pk, version, size, actor, takes_bytes=state == State.SIGNED)
        for some in found
        for pk, version, size, actor, state in some.values_list("pk", "version", "size", "actor", "state")
    ]


def begin(gallery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Sums]:
    """Tells the ledger anew which files are on their way. One query: rows and versions of one moment; one round trip.

    Raises: RedisError.
    """
    if not gallery_ids:
        return {}
    signed = FilteredRelation("uploads", condition=Q(uploads__state=State.SIGNED))
    found = (
        Gallery.objects.filter(pk__in=gallery_ids)
        .annotate(signed=signed)
        .values_list("pk", "version", "signed__pk", "signed__version", "signed__size", "signed__actor")
    )
    galleries: dict[uuid.UUID, tuple[int, list[Row]]] = {}
    for gallery_id, gallery_version, pk, version, size, actor in found:
        _, rows = galleries.setdefault(gallery_id, (gallery_version, []))
        if pk is not None:
            rows.append(Row(pk, version, size, actor, takes_bytes=True))
    return ledger.begin(galleries)


def totals_of(gallery_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Totals]:
    """Two queries and one round trip to Redis, however many galleries; more only for what moved just now."""
    wanted = list(gallery_ids)
    rows = rows_in(wanted)
    sums = ledger.sums_of(wanted)
    if moved := apart(rows, sums):
        rows |= rows_in(moved)
        sums |= ledger.sums_of(moved)
        sums |= mended(apart(rows, sums))
    return {gallery_id: totals_from(rows[gallery_id], sums.get(gallery_id, STILL)) for gallery_id in rows}


STILL = Sums()


def apart(rows: Mapping[uuid.UUID, Rows], sums: Mapping[uuid.UUID, Sums]) -> list[uuid.UUID]:
    """Where a file would be counted twice or not at all: its row has moved, and the ledger not yet, or the reverse."""
    return [
        gallery_id
        for gallery_id, seen in sums.items()
        if rows[gallery_id].is_receiving and rows[gallery_id].version != seen.version
    ]


def mended(gallery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Sums]:
    """What the ledger was to be told was lost, as Redis was away or has lost all."""
    try:
        return begin(gallery_ids)
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
        return {}


class Head(NamedTuple):
    """What the row of the gallery itself says, of the same moment."""

    version: int
    began_at: datetime | None
    photo_count: int
    byte_count: int


def rows_in(gallery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Rows]:
    """Two queries; the first, so that version and rows are of one moment. A gallery that is gone has none."""
    found: dict[uuid.UUID, list[tuple[str | None, int, int, datetime | None]]] = {}
    heads: dict[uuid.UUID, Head] = {}
    asked = (
        Gallery.objects.filter(pk__in=gallery_ids)
        .annotate(of_round=FilteredRelation("uploads", condition=OF_THIS_ROUND))
        .values_list("pk", "version", "round_started_at", "photo_count", "byte_count", "of_round__state")
        .annotate(Count("of_round"), Sum("of_round__size"), Max("of_round__ended_at"))
    )
    for gallery_id, version, began_at, photo_count, byte_count, *counted in asked if gallery_ids else ():
        heads[gallery_id] = Head(version, began_at, photo_count, byte_count)
        found.setdefault(gallery_id, []).append(tuple(counted))
    staged = count_staged(list(found)) if found else {}
    rows = {gallery_id: rows_from(heads[gallery_id], counted) for gallery_id, counted in found.items()}
    return {
        gallery_id: replace(rows[gallery_id], staged=staged.get(gallery_id, 0))
        if gallery_id in rows
        else NO_ROWS
        for gallery_id in gallery_ids
    }


NO_ROWS = Rows(0, {})


def rows_from(
    head: Head,
    counted: Iterable[tuple[str | None, int, int, datetime | None]],
) -> Rows:
    states = {state: (count, size) for state, count, size, _ in counted if state is not None}
    ends = [ended_at for *_, ended_at in counted if ended_at is not None]
    return Rows(
        *(head.version, states, head.began_at, max(ends, default=None)),
        photo_count=head.photo_count,
        byte_count=head.byte_count,
    )


def totals_from(rows: Rows, moving: Sums) -> Totals:
    states = rows.states
    files = {state: count for state, (count, _) in sorted(states.items())}
    total = sum(states.get(state, (0, 0))[1] for state in COUNTED_STATES)
    # Never more than there is, whatever the ledger says.
    signed_files, signed_bytes = states.get(State.SIGNED, (0, 0))
    moving_bytes = min(moving.bytes, signed_bytes)
    stored = sum(states.get(state, (0, 0))[1] for state in SENT_STATES) + moving_bytes
    rate = moving.rate if rows.is_receiving else None
    is_open = any(state in states for state in OPEN_STATES)
    return Totals(
        bytes=stored,
        bytes_total=total,
        files=split_uploading(files, min(moving.files, signed_files)),
        rate=rate,
        seconds_left=seconds_left(total - stored, rate),
        staged=rows.staged,
        photo_count=rows.photo_count,
        byte_count=rows.byte_count,
        began_at=rows.began_at,
        ended_at=None if is_open else rows.ended_at,
    )


def split_uploading(files: dict[str, int], uploading: int) -> dict[str, int]:
    """Signed rows whose bytes are arriving show as `uploading`."""
    if not uploading:
        return files
    shown = {**files, "signed": files["signed"] - uploading, "uploading": uploading}
    return {state: count for state, count in shown.items() if count}


def seconds_left(bytes_left: int, rate: int | None) -> int | None:
    return None if not rate else -(-bytes_left // rate)
