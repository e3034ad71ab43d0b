"""The ledger: sums that are right whatever comes twice, late, out of order, from two tabs, or not at all."""

import random
import threading
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from galleries.errors import StorageUnavailable
from tests.builders import MIB, file_out, make_gallery, make_upload, put_part, report_bytes
from uploads import announce, ledger, progress, sweep
from uploads.janitor import recall
from uploads.ledger import Report, Row
from uploads.models import Upload
from uploads.presign import Look
from uploads.states import State

ONE = "user:one"
SIZE = 100
NAMES = [uuid.UUID(int=number) for number in range(1, 6)]
real_redis = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
reports = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 2 * SIZE), st.sampled_from([ONE, ONE, "user:two"])),
    max_size=30,
)


def row(name, version=1, *, takes_bytes=True):
    return Row(name, version, SIZE, ONE, takes_bytes=takes_bytes)


def say(gallery_id, *stored):
    one_by_one = [Report(gallery_id, {(name, actor): count}) for name, count, actor in stored]
    return ledger.report(one_by_one or [Report(gallery_id)], announce.moved_message)[-1]


def stored_in(gallery_id):
    kept = ledger.client().hgetall(ledger.keys_of(gallery_id).stored)
    return {uuid.UUID(name.decode()): int(count) for name, count in kept.items()}


def assert_sums_are_right(gallery_id):
    kept = stored_in(gallery_id)
    [sums] = ledger.sums_of([gallery_id]).values()
    assert (sums.bytes, sums.files) == (sum(kept.values()), len(kept))
    return sums


# --- reports


@real_redis
@given(reports, st.randoms())
def test_sums_are_those_of_the_most_that_was_said_of_each_file(said, shuffle):
    gallery_id = uuid.uuid4()
    ledger.begin({gallery_id: (1, [row(name) for name in NAMES])})

    before = 0
    for each in said:
        assert say(gallery_id, each).bytes >= before, "never less"
        before = assert_sums_are_right(gallery_id).bytes
    shuffle.shuffle(said)
    say(gallery_id, *said, *said)

    most = {}
    for name, count, actor in said:
        if actor == ONE and count:
            most[name] = max(most.get(name, 0), min(count, SIZE))
    assert stored_in(gallery_id) == most
    assert_sums_are_right(gallery_id)


def test_two_tabs_that_say_the_same_at_once_count_once():
    gallery_id = uuid.uuid4()
    ledger.begin({gallery_id: (1, [row(name) for name in NAMES])})
    steps = [(name, count, ONE) for name in NAMES for count in range(1, SIZE + 1, 7)]

    def tab():
        mine = [*steps]
        random.Random(threading.get_ident()).shuffle(mine)
        say(gallery_id, *mine)

    tabs = [threading.Thread(target=tab) for _ in range(4)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join()

    assert assert_sums_are_right(gallery_id).bytes == len(NAMES) * 99


def test_a_ledger_that_knows_nothing_takes_nothing():
    gallery_id = uuid.uuid4()

    sums = say(gallery_id, (NAMES[0], 5, ONE))

    assert sums.version is None
    assert stored_in(gallery_id) == {}


def test_of_whom_nobody_has_told_is_named():
    gallery_id = uuid.uuid4()
    ledger.begin({gallery_id: (1, [row(NAMES[0])])})

    sums = say(gallery_id, (NAMES[1], 5, ONE))

    assert sums.missing == [NAMES[1]]


# --- rows that move


@real_redis
@given(st.permutations(range(2, 9)), st.sets(st.integers(2, 8), max_size=2), reports)
def test_moves_may_overtake_each_other_and_a_lost_one_is_noticed(order, lost, said):
    """Version v of the gallery moved file v mod 5; its row's version rises with it."""
    gallery_id = uuid.uuid4()
    ledger.begin({gallery_id: (1, [row(name) for name in NAMES])})
    words = {v: row(NAMES[v % 5], v, takes_bytes=v % 3 == 0) for v in range(2, 9)}
    told = [version for version in order if version not in lost]

    for number, version in enumerate([*told, *told]):
        if said:
            say(gallery_id, said[number % len(said)])
        ledger.settle(gallery_id, version, [words[version]])
        assert_sums_are_right(gallery_id)

    sums = assert_sums_are_right(gallery_id)
    assert sums.version == min(lost, default=9) - 1
    ended = {each.pk for each in newest(words[version] for version in told) if not each.takes_bytes}
    assert ended.isdisjoint(stored_in(gallery_id))


def newest(rows):
    found = {}
    for each in rows:
        if each.pk not in found or each.version > found[each.pk].version:
            found[each.pk] = each
    return found.values()


def test_what_is_said_of_an_ended_file_counts_no_more():
    gallery_id, name = uuid.uuid4(), NAMES[0]
    ledger.begin({gallery_id: (1, [row(name)])})
    say(gallery_id, (name, 60, ONE))

    ledger.settle(gallery_id, 2, [row(name, 2, takes_bytes=False)])
    late = say(gallery_id, (name, 80, ONE))

    assert (late.bytes, late.files, late.version) == (0, 0, 2)


def test_a_file_that_is_tried_again_begins_at_nothing():
    gallery_id, name = uuid.uuid4(), NAMES[0]
    ledger.begin({gallery_id: (1, [row(name)])})
    say(gallery_id, (name, 60, ONE))

    ledger.settle(gallery_id, 2, [row(name, 2, takes_bytes=False)])
    ledger.settle(gallery_id, 3, [row(name, 3)])

    assert say(gallery_id, (name, 10, ONE)).bytes == 10


@pytest.mark.parametrize("count", [1_000, 1_001])
def test_what_waits_for_a_lost_version_is_bounded(count):
    gallery_id = uuid.uuid4()
    ledger.begin({gallery_id: (1, [])})

    for version in range(3, 3 + count):
        ledger.settle(gallery_id, version, [])

    [sums] = ledger.sums_of([gallery_id]).values()
    assert sums.version == (1 if count == 1_000 else None)


# --- with rows


with_rows = pytest.mark.django_db(transaction=True)


@with_rows
def test_totals_cost_two_queries_and_one_trip_however_many_files_there_are(
    gallery, owner, django_assert_num_queries
):
    uploads = [make_upload(gallery, State.SIGNED, size=SIZE) for _ in range(30)]
    for each in uploads:
        report_bytes(each, 10)

    with django_assert_num_queries(2):
        totals = progress.totals_of([gallery.pk])[gallery.pk]

    assert (totals.bytes, totals.files) == (300, {"uploading": 30})


@with_rows
def test_a_report_of_known_files_asks_the_database_nothing(gallery, django_assert_num_queries):
    upload = make_upload(gallery, State.SIGNED, size=SIZE)
    report_bytes(upload, 10)

    with django_assert_num_queries(0):
        report_bytes(upload, 20)

    assert progress.totals_of([gallery.pk])[gallery.pk].bytes == 20


@with_rows
@pytest.mark.parametrize("seed", range(8))
def test_totals_are_right_after_whatever_happens(  # noqa: C901  a walk of many ways
    api, gallery, redis_server, seed
):
    """Compared with the long way: every signed row, and what is stored of it."""
    chance = random.Random(seed)
    known = []
    for _ in range(25):
        match chance.choice(["batch", "report", "report", "complete", "cancel", "retry", "lose", "look"]):
            case "batch":
                known += [each["id"] for each in api.batch(gallery, file_out(size=SIZE))]
            case "report":
                for each in chance.sample(known, min(3, len(known))):
                    body = {"uploads": [[each, chance.randint(0, SIZE + 9), 0]]}
                    api.post(f"/galleries/{gallery.pk}/progress", body)
            case "complete" if known:
                api.post("/uploads/complete", {"uploads": [{"id": chance.choice(known)}]})
            case "cancel" if known:
                api.post("/uploads/cancel", {"ids": [chance.choice(known)]})
            case "retry" if known:
                api.post("/uploads/retry", {"ids": [chance.choice(known)]})
            case "lose":
                redis_server.forget_everything()
        assert api.get(f"/galleries/{gallery.pk}").body["progress"]["bytes"] == the_long_way(gallery)


def the_long_way(gallery):
    kept = stored_in(gallery.pk)
    return sum(
        upload.size if upload.state in progress.SENT_STATES else kept.get(upload.pk, 0)
        for upload in gallery.uploads.filter(state__in=[State.SIGNED, *progress.SENT_STATES])
    )


@with_rows
def test_a_move_of_which_the_ledger_was_not_told_is_noticed_by_who_reads(api, gallery, monkeypatch):
    stays, goes = (api.batch(gallery, file_out(size=SIZE))[0]["id"] for _ in range(2))
    for each in (stays, goes):
        api.post(f"/galleries/{gallery.pk}/progress", {"uploads": [[each, 40, 0]]})

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "settle", lambda *_: 0)
        api.post("/uploads/complete", {"uploads": [{"id": goes}]})

    assert api.get(f"/galleries/{gallery.pk}").body["progress"]["bytes"] == SIZE + 40


@with_rows
def test_after_the_loss_of_redis_the_next_report_is_right_again(api, gallery, redis_server):
    one, other = (api.batch(gallery, file_out(size=SIZE))[0]["id"] for _ in range(2))
    for each in (one, other):
        api.post(f"/galleries/{gallery.pk}/progress", {"uploads": [[each, 40, 0]]})
    redis_server.forget_everything()

    api.post(f"/galleries/{gallery.pk}/progress", {"uploads": [[one, 50, 0], [other, 60, 0]]})

    totals = api.get(f"/galleries/{gallery.pk}").body["progress"]
    assert (totals["bytes"], totals["files"]) == (110, {"uploading": 2})


@with_rows
def test_reading_all_of_a_persons_galleries_takes_one_trip(owner, django_assert_num_queries, monkeypatch):
    galleries = [make_gallery(owner) for _ in range(5)]
    for each in galleries:
        report_bytes(make_upload(each, State.SIGNED, size=SIZE), 7)
    trips = []
    execute = ledger.redis.client.Pipeline.execute
    monkeypatch.setattr(
        ledger.redis.client.Pipeline, "execute", lambda pipe, **how: trips.append(1) or execute(pipe, **how)
    )

    with django_assert_num_queries(2):
        totals = progress.totals_of([each.pk for each in galleries])

    assert {each.bytes for each in totals.values()} == {7}
    assert len(trips) == 1


@with_rows
def test_what_has_ended_is_not_heard_of(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=1_000)
    report_bytes(upload, 500)

    api.cancel(str(upload.pk))

    assert ledger.heard_of([(gallery.pk, upload.pk)]) == {}
    assert ledger.stored_of([(gallery.pk, upload.pk)]) == {upload.pk: 0}


@with_rows
def test_progress_of_a_page_that_is_gone_comes_back_from_the_store(api, gallery, redis_server):
    row = api.batch(gallery, file_out(size=20 * MIB, lane="multipart"))[0]
    upload = Upload.objects.get(pk=row["id"])
    put_part(upload, 1, bytes(upload.part_bytes))
    report_bytes(upload, upload.part_bytes)
    redis_server.forget_everything()

    sweep.only("recollections")

    totals = api.get(f"/galleries/{gallery.pk}").body["progress"]
    assert (totals["bytes"], totals["files"]) == (upload.part_bytes, {"uploading": 1})


@with_rows
def test_every_gallery_and_every_file_comes_back_however_many_there_are(owner, redis_server, monkeypatch):
    monkeypatch.setattr(recall, "GALLERIES_AT_ONCE", 2)
    monkeypatch.setattr(recall, "FILES_AT_ONCE", 2)
    monkeypatch.setattr(
        recall, "looked_at", lambda uploads: [(each, Look(is_whole=True)) for each in uploads]
    )
    galleries = [make_gallery(owner) for _ in range(3)]
    for each in galleries:
        for _ in range(3):
            make_upload(each, State.SIGNED, size=SIZE, lane="multipart")
    redis_server.forget_everything()

    for _ in range(2):
        sweep.only("recollections")

    totals = progress.totals_of([each.pk for each in galleries])
    assert [totals[each.pk].bytes for each in galleries] == [3 * SIZE] * 3


@with_rows
def test_a_store_that_does_not_answer_is_asked_again(api, gallery, redis_server, monkeypatch):
    upload = make_upload(gallery, State.SIGNED, size=SIZE, lane="multipart")
    silent, whole = Look(refusal=StorageUnavailable()), Look(is_whole=True)
    for look in (silent, whole):
        monkeypatch.setattr(
            recall, "looked_at", lambda uploads, look=look: [(each, look) for each in uploads]
        )
        sweep.only("recollections")

    assert ledger.stored_of([(gallery.pk, upload.pk)]) == {upload.pk: SIZE}


@with_rows
def test_stores_are_asked_once(api, gallery, redis_server, monkeypatch):
    api.batch(gallery, file_out(size=20 * MIB, lane="multipart"))
    sweep.only("recollections")
    asked = []
    monkeypatch.setattr(recall, "looked_at", lambda uploads: asked.append(uploads) or [])

    sweep.only("recollections")
    assert asked == []

    redis_server.forget_everything()
    sweep.only("recollections")
    assert len(asked) == 1


@with_rows
def test_nothing_is_sent_where_nobody_listens(api, gallery):
    """Who listens by a pattern hears everything, and is not counted."""
    with ledger.client().pubsub(ignore_subscribe_messages=True) as everything:
        everything.psubscribe("*")
        row = api.batch(gallery, file_out(size=SIZE))[0]
        api.post(f"/galleries/{gallery.pk}/progress", {"uploads": [[row["id"], 5, 0]]})
        api.cancel(row["id"])
        ledger.client().publish("the end", "")
        heard = []
        while "the end" not in heard:
            if (message := everything.get_message(timeout=1)) is not None:
                heard.append(message["channel"].decode())

    assert heard == ["the end"]
