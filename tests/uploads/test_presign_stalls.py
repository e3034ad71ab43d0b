"""Signing while a store has stalled: every caller hears of it in time, and what needs no store goes on."""

import socket
import time
from collections.abc import Iterator

import pytest

from galleries.objects.base import forget_stores
from tests.builders import make_upload
from tests.cast import bearer_api
from tests.faults.at_once import at_once
from tests.lanes.s3_endpoint import use_endpoint
from uploads.lanes.base import lanes_of
from uploads.models import Upload
from uploads.states import State
from uploads.store_calls import threads_of

# The promise of docs/storage.md.
KNOWN_WITHIN_S = 10.0


@pytest.fixture
def stalled_store(settings) -> Iterator[str]:
    """The name of a store that takes every connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        use_endpoint(settings, f"http://127.0.0.1:{listener.getsockname()[1]}")
        lanes_of("s3")  # made once a process
        yield "s3"
    forget_stores()
    threads_of.cache_clear()  # some may wait still


def waiting_files(gallery, store) -> list[Upload]:
    new = [make_upload(gallery, State.REGISTERED, store=store, lane="multipart") for _ in range(80)]
    looked_at = [make_upload(gallery, State.SIGNED, store=store) for _ in range(10)]
    return new + looked_at


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_stalled_store_is_known_within_ten_seconds_to_each_of_many_callers(owner, gallery, stalled_store):
    calls = [waiting_files(gallery, stalled_store) for _ in range(6)]
    healthy = [make_upload(gallery, State.REGISTERED) for _ in calls]

    def sign(files: list[Upload], other: Upload) -> tuple[float, list[dict]]:
        began_at = time.monotonic()
        asks = [{"id": str(each.pk), "after_failure": each.state == State.SIGNED} for each in files]
        rows = bearer_api(owner).sign(*asks, {"id": str(other.pk)})
        return time.monotonic() - began_at, rows

    answers = at_once([lambda of=of: sign(*of) for of in zip(calls, healthy, strict=True)])

    assert max(took_s for took_s, _ in answers) < KNOWN_WITHIN_S
    for _, rows in answers:
        *stalled, other = rows
        assert {(row["error"]["code"], row["error"]["retryable"]) for row in stalled} == {
            ("storage_unavailable", True)
        }
        assert other["transfer"]["lane"] == "put"
