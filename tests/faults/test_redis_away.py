"""Redis stopped: what writes to the database goes on, what tells of it is a log line, and nothing is lost."""

import os
import signal
import time

import pytest
import redis

from galleries.models import Photo
from tests.builders import file_out, jpeg, put_original
from tests.cast import bearer_api
from uploads import sweep
from uploads.models import Upload
from uploads.verify import claim_next, verify

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
# A page waits this long without a complaint; the calls take a tenth of it.
PATIENCE_S = 3.0


@pytest.fixture
def redis_away(redis_server):
    redis_server.kill()
    yield redis_server
    if not is_there(redis_server):
        redis_server.start_again()


def is_there(redis_server) -> bool:
    try:
        with redis.Redis.from_url(redis_server.url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def test_every_call_answers_and_files_are_kept(owner, gallery, redis_away):
    api = bearer_api(owner)
    content = jpeg(1)
    began = time.monotonic()

    row = api.batch(gallery, file_out(size=len(content)))[0]
    signed = api.sign({"id": row["id"]})[0]
    put_original(Upload.objects.get(pk=row["id"]), content)
    reported = api.post(f"/galleries/{gallery.pk}/progress", {"uploads": [[row["id"], 5, 0]]})
    snapshot = api.get(f"/galleries/{gallery.pk}/uploads")
    seen = api.get(f"/galleries/{gallery.pk}")
    completed = api.complete({"id": row["id"]})[0]
    status = api.get(f"/uploads/{row['id']}")

    assert (signed["state"], completed["state"]) == ("signed", "uploaded")
    assert (reported.status, snapshot.status, seen.status, status.status) == (204, 200, 200, 200)
    assert seen.body["state"] == "receiving"
    assert snapshot.body["uploads"][0]["state"] == "signed"
    assert time.monotonic() - began < 7 * PATIENCE_S


def test_a_bell_is_not_waited_for_where_redis_hangs(owner, gallery, redis_server):
    api = bearer_api(owner)
    row = api.batch(gallery, file_out())[0]
    with redis.Redis.from_url(redis_server.url) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        completed = api.complete({"id": row["id"]})[0]
    finally:
        os.kill(pid, signal.SIGCONT)

    assert completed["state"] == "uploaded"
    assert time.monotonic() - began < PATIENCE_S


def test_what_waited_becomes_a_photo_without_anybody_ringing_twice(owner, gallery, developer, redis_away):
    api = bearer_api(owner)
    content = jpeg(1)
    row = api.batch(gallery, file_out(size=len(content)))[0]
    put_original(Upload.objects.get(pk=row["id"]), content)
    api.complete({"id": row["id"]})

    verify(claim_next(), developer)  # workers need the database alone

    assert Photo.objects.ready().count() == 1
    sweep.sweep()


def test_a_bell_that_was_lost_is_rung_again_by_the_sweeper(owner, gallery, redis_away):
    api = bearer_api(owner)
    row = api.batch(gallery, file_out())[0]
    api.complete({"id": row["id"]})
    redis_away.start_again()
    redis_away.forget_everything()

    sweep.ring_if_work_waits()

    with redis.Redis.from_url(redis_away.url) as client:
        assert client.llen("work") == 1


def test_health_names_what_is_away(client, redis_away):
    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert "redis" in answer.json()["failing"]
    assert "database" not in answer.json()["failing"]
    assert client.get("/livez").status_code == 200
