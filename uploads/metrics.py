"""What a scraper reads: the counts of this machine's processes, and how the rows stand just now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from django.db import Error
from django.db.models import Count, Min, Q
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from uploads import clock, counters, heartbeats
from uploads.counters import PREFIX
from uploads.models import Discard, Publication, PublicationState, Upload
from uploads.states import State

# The form every scraper reads. https://prometheus.io/docs/instrumenting/exposition_formats/
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

GAUGES: Final = {
    "uploads": "Uploads by state",
    "oldest_waiting_seconds": "For how long the oldest upload that waits for a worker has waited",
    "leases_lost": "Uploads that a worker held and let go of without a word",
    "discards": "Entries on the janitor's list",
    "discards_due": "Those of them that may go now",
    "publications_in_progress": "Publications that wait for files",
    "workers": "Groups of workers that have said lately that they live",
    "worker_slots": "Photos they verify at once",
    "database_up": "Whether the database answered; without it only counts are told",
}


@dataclass(frozen=True)
class Source:
    """What `generate_latest` asks: a registry of its own for each scrape."""

    metrics: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics


def exposition() -> bytes:
    """Six queries, each by index, and two files for each process of this machine."""
    return bytes(generate_latest(Source([*counters.counted(), *standing()])))


def counts() -> bytes:
    """Without the database: what is this machine's alone."""
    return bytes(generate_latest(Source(counters.counted())))


def standing() -> list[Metric]:
    try:
        return list(gauges())
    except Error:
        return [gauge("database_up", 0)]


def gauges() -> Iterator[Metric]:
    """Of the database: the same whichever machine is asked."""
    now = clock.now()
    yield uploads_by_state()
    work = Upload.objects.filter(state__in=[State.UPLOADED, State.VERIFYING]).aggregate(
        oldest=Min("active_at", filter=Q(state=State.UPLOADED)),
        lost=Count("pk", filter=Q(state=State.VERIFYING, lease_until__lt=now)),
    )
    waited_s = (now - work["oldest"]).total_seconds() if work["oldest"] else 0.0
    yield gauge("oldest_waiting_seconds", max(0.0, waited_s))
    yield gauge("leases_lost", work["lost"])
    yield gauge("discards", Discard.objects.count())
    yield gauge("discards_due", Discard.objects.filter(not_before__lte=now).count())
    running = Publication.objects.filter(state=PublicationState.IN_PROGRESS)
    yield gauge("publications_in_progress", running.count())
    workers = heartbeats.live_workers(now)
    yield gauge("workers", len(workers))
    yield gauge("worker_slots", sum(worker.concurrency for worker in workers))
    yield gauge("database_up", 1)


def uploads_by_state() -> Metric:
    counted = dict(Upload.objects.values_list("state").annotate(Count("pk")).order_by())
    family = GaugeMetricFamily(f"{PREFIX}uploads", GAUGES["uploads"], labels=["state"])
    for state in State:
        family.add_metric([state.value], counted.get(state.value, 0))
    return family


def gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}{name}", GAUGES[name], value=value)
