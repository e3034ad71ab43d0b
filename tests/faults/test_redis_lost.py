"""Redis emptied, or stopped, under the running product: the database is the queue, and nothing waits for ever."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dev.processes import send_to_group
from dev.services.redis import answers
from tests.builders import jpeg
from tests.faults.small_product import SOUND, File
from uploads.limits import MAX_BATCH_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.services.redis import RedisServer
    from tests.faults.small_product import SmallProduct

pytestmark = [pytest.mark.services, pytest.mark.slow]
WAITING = 1_000
# The others are no photos, which is seen at the first bytes: a thousand decodings would be most of the test.
PHOTOS = 100
# On a machine that does much else.
ALL_WITHIN_S = 180
# A page waits this long without a complaint; the calls take a tenth of it.
CALL_PATIENCE_S = 6.0


@pytest.fixture
def stopped_worker(small_product: SmallProduct) -> Iterator[int]:
    """A worker that hears nothing, and goes on when the test does."""
    pid = small_product.servers["worker"].pid
    send_to_group(pid, signal.SIGSTOP)
    yield pid
    send_to_group(pid, signal.SIGCONT)


@pytest.fixture
def redis_away(small_product: SmallProduct) -> Iterator[RedisServer]:
    server = small_product.redis
    server.kill()
    yield server
    if not answers(server.socket_path):
        server.start_again()


def states_in(product: SmallProduct, gallery_id: str) -> dict[str, int]:
    """Read from the file: to ask the site again and again for a thousand rows would be most of the test."""
    with closing(sqlite3.connect(f"file:{product.folder}/db.sqlite3?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT state, count(*) FROM uploads_upload WHERE gallery_id = ? GROUP BY state",
            [gallery_id.replace("-", "")],
        )
        return dict(rows)


def test_redis_emptied_with_a_thousand_waiting_loses_none(small_product, inspector, stopped_worker) -> None:
    gallery = small_product.make_gallery()
    photos = [File(f"photo-{number}", jpeg(number)) for number in range(PHOTOS)]
    files = [
        *photos,
        *[File(f"other-{number}", f"no photo {number}".encode()) for number in range(WAITING - PHOTOS)],
    ]
    for start in range(0, WAITING, MAX_BATCH_ITEMS):
        gallery.send(files[start : start + MAX_BATCH_ITEMS])
    assert states_in(small_product, gallery.id) == {"uploaded": WAITING}

    small_product.redis.forget_everything()
    send_to_group(stopped_worker, signal.SIGCONT)

    ended = {"verified": PHOTOS, "failed": WAITING - PHOTOS}
    small_product.wait_until(lambda: states_in(small_product, gallery.id) == ended, ALL_WITHIN_S)
    gallery.files = photos
    gallery.assert_nothing_lost_or_doubled()
    assert inspector.look() == SOUND


def test_with_redis_stopped_files_are_still_taken_and_afterwards_all_are_verified(
    small_product, inspector, redis_away
) -> None:
    gallery = small_product.make_gallery()
    files = [
        File(f"away-{number}", jpeg(5_000 + number), lane) for number, lane in enumerate(["put", "multipart"])
    ]
    began_s = time.monotonic()

    gallery.send(files)
    seen = gallery.uploads()
    took_s = time.monotonic() - began_s

    assert {row["state"] for row in seen} == {"uploaded"}
    assert took_s < 4 * CALL_PATIENCE_S, "batch, sign, complete, snapshot"
    redis_away.start_again()
    gallery.wait_until_done()
    gallery.assert_nothing_lost_or_doubled()
    assert inspector.look() == SOUND
