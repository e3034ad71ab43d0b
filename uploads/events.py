"""What is told to whoever runs the product: a short list of events, each a log line and a count, after the commit.

A transaction that is rolled back tells nothing; a call that is repeated and moves nothing tells nothing.
Labels are words of small sets (states, lanes, stores, codes); ids stand in the log line alone, names of files nowhere.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Final, Protocol

from django.db import transaction

from galleries.errors import GalleryError
from uploads import clock, counters
from uploads.states import ENDED_STATES, Event, State

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """An event of the list. What may be measured: count and bytes add up, duration_s is spread over buckets."""

    name: str
    means: str
    labels: tuple[str, ...] = ()
    measures: tuple[str, ...] = ("count",)
    level: int = logging.INFO

    @property
    def metric(self) -> str:
        return self.name.replace(".", "_")


ROWS: Final = ("count", "bytes")
REGISTERED = Kind("upload.registered", "files got a row", ("store", "lane"), ROWS)
STARTED = Kind("upload.started", "an attempt got its first signed request", ("store", "lane"), ROWS)
STORED = Kind("upload.stored", "every byte is in the store, or the sender said so", ("store", "lane"), ROWS)
REOPENED = Kind("upload.reopened", "an ended upload goes on", ("store", "lane", "why"), ROWS)
STOPPED = Kind(
    "upload.stopped",
    "an attempt ended, so long after it was chosen",
    ("store", "lane", "outcome", "code"),
    (*ROWS, "duration_s"),
)
REFUSED = Kind("upload.refused", "a file or an upload of a call was refused", ("code",))
CALL_REFUSED = Kind("call.refused", "a whole call was refused", ("code",), level=logging.DEBUG)
DOOR_REFUSED = Kind("door.refused", "the local store refused what was sent to it", ("door", "code"))
MULTIPART_OPENED = Kind("multipart.opened", "a row names a new session", ("store",))
MULTIPART_ABORTED = Kind("multipart.aborted", "the janitor ended a session that nothing needs", ("store",))
RESUMABLE_OPENED = Kind("resumable.opened", "a row has a new session", ("store",))
RESUMABLE_STATUS = Kind("resumable.status", "the store said what it has", ("store", "status"))
RESUMABLE_CANCELLED = Kind("resumable.cancelled", "a session takes no more bytes", ("store",))
TAKEN_OVER = Kind("verify.taken_over", "a worker lost its lease; another goes on", ("store",))
PUT_BACK = Kind("verify.put_back", "a passing fault; it is tried again later", ("store", "code"))
VERIFIED = Kind(
    "verify.ended",
    "a worker is done with an upload, after so long",
    ("outcome", "code"),
    ("duration_s",),
    level=logging.DEBUG,  # `upload.stopped` says the rest
)
PUBLICATION_STARTED = Kind("publication.started", "somebody asked to show photos")
PUBLICATION_ENDED = Kind("publication.ended", "nothing of it is still to come", ("state",), ("duration_s",))
PUBLICATION_REOPENED = Kind("publication.reopened", "what failed of it was taken up again")
SWEEP_RUN = Kind("sweep.run", "the sweeper went round", ("outcome",), ("duration_s",), level=logging.DEBUG)

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind for kind in list(globals().values()) if isinstance(kind, Kind)
}
# What may stand in a log line beside labels and measures.
LINE_ONLY: Final = ("gallery_id", "upload_id", "publication_id", "offset_bytes")
METRIC_OF: Final = {"count": "", "bytes": "_bytes", "duration_s": "_seconds"}
# Each word of a label costs a histogram a dozen series; how long something took does not depend on why it failed.
NOT_SPREAD: Final = frozenset({"code"})
SAYS: Final = {"count": "how many", "bytes": "their bytes", "duration_s": "seconds"}
counters.HELP.update(
    {
        kind.metric + METRIC_OF[measure]: f"{kind.name}: {kind.means} ({SAYS[measure]})"
        for kind in KINDS.values()
        for measure in kind.measures
    }
)


@dataclass(frozen=True)
class Happened:
    """An event with its fields, worked out inside the transaction, while the rows are as it leaves them."""

    kind: Kind
    labels: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, object] = field(default_factory=dict)
    count: int = 1
    size: int = 0
    durations_s: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Raises: TypeError for a field that is not on the list: labels make series, and series cost for ever."""
        if tuple(self.labels) != self.kind.labels or not self.ids.keys() <= {*LINE_ONLY}:
            raise TypeError(f"{self.kind.name} {[*self.labels]} {[*self.ids]}")


def tell(*happened: Happened) -> None:
    """After the commit of the transaction at hand, at once where there is none."""
    if happened:
        transaction.on_commit(lambda: emit(happened))


def emit(happened: Iterable[Happened]) -> None:
    for each in happened:
        measured = measures_of(each)
        count(each, measured)
        write_line(each, measured)


def count(happened: Happened, measured: Mapping[str, float]) -> None:
    for name, value in measured.items():
        metric = happened.kind.metric + METRIC_OF[name]
        if name == "duration_s":
            labels = {label: word for label, word in happened.labels.items() if label not in NOT_SPREAD}
            counters.observe(metric, labels, happened.durations_s)
        else:
            counters.add(metric, happened.labels, value)


def measures_of(happened: Happened) -> dict[str, float]:
    """Of several durations the line says the longest."""
    values = {
        "count": happened.count,
        "bytes": happened.size,
        "duration_s": round(max(happened.durations_s, default=0.0), 3),
    }
    return {name: values[name] for name in happened.kind.measures}


def write_line(happened: Happened, measured: Mapping[str, float]) -> None:
    if not log.isEnabledFor(happened.kind.level):
        return
    fields = {**happened.labels, **happened.ids, **measured}
    line = " ".join([happened.kind.name, *[f"{name}=%s" for name in fields]])
    log.log(happened.kind.level, line, *fields.values())


class Row(Protocol):
    """What of an upload is told."""

    pk: uuid.UUID
    gallery_id: uuid.UUID
    store: str
    lane: str
    size: int
    state: str
    error_code: str
    registered_at: datetime


def registered(uploads: Sequence[Row]) -> None:
    """New rows; those of a batch that asks for its signatures at once are born signed."""
    new = grouped(REGISTERED, uploads)
    signed = [upload for upload in uploads if upload.state == State.SIGNED]
    is_all = len(signed) == len(uploads)
    tell(*new, *([replace(each, kind=STARTED) for each in new] if is_all else grouped(STARTED, signed)))


TOLD_MOVES: Final[Mapping[Event, Kind]] = {
    Event.SIGN: STARTED,
    Event.STORED: STORED,
    Event.CHOOSE_AGAIN: REOPENED,
    Event.REOPEN_BYTES: REOPENED,
    Event.CHECK_AGAIN: REOPENED,
    Event.TAKE_OVER: TAKEN_OVER,
}


def moved(event: Event, uploads: Sequence[Row]) -> None:
    """Called by whatever moves rows, in the transaction that moves them, with the rows as they are after it.

    One event for all rows that agree in its labels: a call of a hundred files costs little more than one of one.
    """
    if not uploads:
        return
    if uploads[0].state in ENDED_STATES:
        tell(*grouped(STOPPED, uploads))
    elif kind := TOLD_MOVES.get(event):
        tell(*grouped(kind, uploads, why=event.value))


# The column of an upload that a label says; `why` is the event's own.
COLUMNS: Final = {"store": "store", "lane": "lane", "outcome": "state", "code": "error_code"}


def grouped(kind: Kind, uploads: Sequence[Row], *, why: str = "") -> list[Happened]:
    """In one pass over the rows: a batch has a hundred of them and takes ten milliseconds."""
    wanted = attrgetter("gallery_id", *[COLUMNS[label] for label in kind.labels if label in COLUMNS])
    groups: dict[tuple[object, ...], list[Row]] = {}
    for upload in uploads:
        groups.setdefault(wanted(upload), []).append(upload)
    return [group_told(kind, rows, why) for rows in groups.values()]


def group_told(kind: Kind, rows: Sequence[Row], why: str) -> Happened:
    first = rows[0]
    ids: dict[str, object] = {"gallery_id": first.gallery_id}
    if len(rows) == 1:
        ids["upload_id"] = first.pk
    durations_s: list[float] = []
    if "duration_s" in kind.measures:
        now = clock.now()
        durations_s = [max(0.0, (now - upload.registered_at).total_seconds()) for upload in rows]
    return Happened(
        kind,
        {label: str(getattr(first, COLUMNS[label])) if label in COLUMNS else why for label in kind.labels},
        ids,
        count=len(rows),
        size=sum(map(attrgetter("size"), rows)),
        durations_s=durations_s,
    )


def put_back(upload: Row, code: str) -> None:
    tell(
        Happened(
            PUT_BACK,
            {"store": upload.store, "code": code},
            {"gallery_id": upload.gallery_id, "upload_id": upload.pk},
        )
    )


def refused(refusals: Iterable[GalleryError]) -> None:
    """Of items of a call. A call that is repeated is refused again, and told again: these count answers."""
    answers = Counter(refusal.code for refusal in refusals)
    tell(*[Happened(REFUSED, {"code": code}, count=number) for code, number in answers.items()])


def call_refused(refusal: GalleryError) -> None:
    emit([Happened(CALL_REFUSED, {"code": refusal.code})])


def door_refused(door: str, refusal: GalleryError) -> None:
    emit([Happened(DOOR_REFUSED, {"door": door, "code": refusal.code})])


def sessions_opened(kind: Kind, stores: Iterable[str]) -> None:
    """One store for each session that a row has come to name."""
    tell(*[Happened(kind, {"store": store}, count=number) for store, number in Counter(stores).items()])


def session_ended(kind: Kind, store: str) -> None:
    """At the store, whatever becomes of the row.

    Told at once: to ask for a commit would open a connection to the database, in a thread that may have none.
    """
    emit([Happened(kind, {"store": store})])


def resumable_seen(upload: Row, *, status: str, offset_bytes: int) -> None:
    """After a look at the store, which is in no transaction: at once, as above."""
    labels = {"store": upload.store, "status": status}
    ids = {"gallery_id": upload.gallery_id, "upload_id": upload.pk, "offset_bytes": offset_bytes}
    emit([Happened(RESUMABLE_STATUS, labels, ids)])


def publication_told(kind: Kind, publication_id: uuid.UUID, gallery_id: uuid.UUID, **labels: str) -> None:
    tell(Happened(kind, labels, {"publication_id": publication_id, "gallery_id": gallery_id}))


def publication_ended(
    publication_id: uuid.UUID, gallery_id: uuid.UUID, *, state: str, duration_s: float
) -> None:
    ids = {"publication_id": publication_id, "gallery_id": gallery_id}
    tell(Happened(PUBLICATION_ENDED, {"state": state}, ids, durations_s=[duration_s]))


@contextmanager
def verification_of(upload: Row) -> Generator[None]:
    """Around the work on a claimed upload. `outcome` is the state it has then: `verifying` when it was overtaken."""
    began_s = time.monotonic()
    yield
    labels = {"outcome": str(upload.state), "code": upload.error_code}
    ids = {"gallery_id": upload.gallery_id, "upload_id": upload.pk}
    emit([Happened(VERIFIED, labels, ids, durations_s=[time.monotonic() - began_s])])


@contextmanager
def sweep_round() -> Generator[None]:
    """Around one round of the sweeper."""
    began_s, outcome = time.monotonic(), "crashed"
    try:
        yield
        outcome = "done"
    finally:
        emit([Happened(SWEEP_RUN, {"outcome": outcome}, durations_s=[time.monotonic() - began_s])])


def count_store_call(store: str, verb: str) -> None:
    """A hook of `galleries.objects.base.on_store_call`: every request of the server to a store, before it is made."""
    counters.add("store_calls", {"store": store, "call": verb})


counters.HELP["store_calls"] = "Requests of the server to a store, by their verb"
