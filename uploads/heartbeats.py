"""Workers say that they live; the rows are counted for health and for how many bells to ring."""

from datetime import datetime, timedelta

from uploads import clock
from uploads.models import WorkerHeartbeat

BEAT_EVERY_S = 5
LIVES_FOR = timedelta(seconds=3 * BEAT_EVERY_S)


def beat(name: str, concurrency: int) -> None:
    WorkerHeartbeat.objects.update_or_create(
        name=name, defaults={"concurrency": concurrency, "seen_at": clock.now()}
    )


def fall_silent(name: str) -> None:
    WorkerHeartbeat.objects.filter(name=name).delete()


def live_workers(now: datetime) -> list[WorkerHeartbeat]:
    return list(WorkerHeartbeat.objects.filter(seen_at__gte=now - LIVES_FOR))


def forget_dead(now: datetime) -> None:
    WorkerHeartbeat.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()
