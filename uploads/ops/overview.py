"""What staff see first: who works, what waits, what failed, what is stuck and where it is mended."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Min, Q
from django.urls import reverse

from accounts.staff import age_words
from galleries.objects.base import default_store
from uploads import clock, ledger
from uploads.heartbeats import live_workers
from uploads.models import Discard, Regeneration, Upload
from uploads.ops.stuck import STUCK, STUCK_WORDS, Stuck, overdue_discards
from uploads.states import State
from uploads.wire import known_errors

log = logging.getLogger(__name__)

# Nobody waits longer for the page: what has not answered by then counts as silent.
ANSWERS_WITHIN_S: Final = 2.0


@dataclass(frozen=True)
class Trouble:
    """Something a person can mend: where the rows are, and the action that mends them."""

    words: str
    count: int
    url: str
    action: str


@dataclass(frozen=True)
class Failed:
    code: str
    message: str
    count: int
    is_retryable: bool
    url: str


@dataclass(frozen=True)
class Overview:
    worker_count: int
    slot_count: int
    waiting_count: int
    in_work_count: int
    oldest_waiting: str
    failed: Sequence[Failed]
    due_discard_count: int
    again_count: int
    again_failed_count: int
    troubles: Sequence[Trouble]
    answers: Mapping[str, bool]

    @property
    def failed_count(self) -> int:
        return sum(each.count for each in self.failed)


def overview() -> Overview:
    """A constant number of queries, one look at the store and one at Redis, side by side."""
    now = clock.now()
    workers = live_workers(now)
    queue = queue_at(now)
    failed = failed_by_code()
    answers = who_answers()
    again = Regeneration.objects.all()
    return Overview(
        worker_count=len(workers),
        slot_count=sum(worker.concurrency for worker in workers),
        waiting_count=queue.waiting_count,
        in_work_count=queue.in_work_count,
        oldest_waiting=age_words(now - queue.oldest) if queue.oldest else "",
        failed=failed,
        due_discard_count=Discard.objects.filter(not_before__lte=now).count(),
        again_count=again.count(),
        again_failed_count=again.exclude(error_code="").count(),
        troubles=troubles(now, has_workers=bool(workers), failed=failed),
        answers=answers,
    )


@dataclass(frozen=True)
class Queue:
    waiting_count: int
    in_work_count: int
    oldest: datetime | None


def queue_at(now: datetime) -> Queue:
    waiting = Q(state=State.UPLOADED)
    in_work = Q(state=State.VERIFYING, lease_until__gte=now)
    counts = Upload.objects.filter(waiting | in_work).aggregate(
        waiting=Count("pk", filter=waiting),
        in_work=Count("pk", filter=in_work),
        oldest=Min("active_at", filter=waiting),
    )
    return Queue(counts["waiting"], counts["in_work"], counts["oldest"])


def failed_by_code() -> list[Failed]:
    """In galleries that live: what failed in a deleted one bothers nobody."""
    rows = (
        Upload.objects.filter(state=State.FAILED, gallery__deleted_at=None)
        .values_list("error_code")
        .annotate(count=Count("pk"))
        .order_by("-count", "error_code")
    )
    known = known_errors()
    return [
        Failed(
            code=code,
            message=known[code].message if code in known else "",
            count=count,
            is_retryable=code in known and known[code].retryable,
            url=uploads_url(state__exact=State.FAILED.value, error=code),
        )
        for code, count in rows
    ]


def troubles(now: datetime, *, has_workers: bool, failed: Sequence[Failed]) -> list[Trouble]:
    found = []
    if not has_workers:
        url = reverse("admin:uploads_workerheartbeat_changelist")
        found.append(
            Trouble("no worker is running; files are kept, but nothing is checked", 1, url, "Start one")
        )
    for why, choose in STUCK.items():
        if count := choose(now).filter(gallery__deleted_at=None).count():
            url = uploads_url(stuck=why.value)
            found.append(Trouble(STUCK_WORDS[why], count, url, ACTIONS[why]))
    retryable = [each for each in failed if each.is_retryable]
    found += [Trouble(f"failed: {each.message}", each.count, each.url, "Retry") for each in retryable]
    if count := overdue_discards(now).count():
        url = reverse("admin:uploads_discard_changelist") + "?due=overdue"
        found.append(Trouble("bytes that should be gone and are not", count, url, "Throw away now"))
    return found


ACTIONS: Final = {Stuck.WAITING: "Requeue", Stuck.LEASE_LOST: "Requeue", Stuck.SILENT: "Cancel"}


def uploads_url(**filters: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return f"{reverse('admin:uploads_upload_changelist')}?{query}"


def who_answers() -> dict[str, bool]:
    """Asked side by side, so that a page waits for the slowest alone, and not for long."""
    pool = ThreadPoolExecutor(max_workers=len(PROBES))
    asked = {name: pool.submit(probe) for name, probe in PROBES.items()}
    answers = {}
    for name, answer in asked.items():
        try:
            answer.result(timeout=ANSWERS_WITHIN_S)
            answers[name] = True
        except TooSlow:
            log.warning("overview.silent part=%s waited_s=%s", name, ANSWERS_WITHIN_S)
            answers[name] = False
        except Exception as err:  # noqa: BLE001  whatever a client library raises: it does not answer
            log.warning("overview.failing part=%s error=%s", name, type(err).__name__)
            answers[name] = False
    pool.shutdown(wait=False, cancel_futures=True)
    return answers


def ask_storage() -> None:
    """The first of two hundred and fifty-six prefixes: as cheap as a listing gets."""
    next(iter(default_store().list("originals/00/")), None)


def ask_redis() -> None:
    ledger.client().ping()


PROBES: Final[dict[str, Callable[[], None]]] = {"storage": ask_storage, "redis": ask_redis}
