"""Resuming on a real store: what `sign` says after a failure, and what the sweeper makes of whoever never came back."""

import http.client
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from galleries.models import Photo
from tests.builders import file_out, jpeg, make_upload
from tests.fault_gate.faults import Answer, Held, Lie, LoseAnswer, Rule, Silence
from tests.faults.at_once import at_once
from tests.faults.conftest import crc_of, photo_of, request_in
from uploads import sweep
from uploads.limits import ADOPT_AFTER, DEAD_ATTEMPT_KEPT, SIGNED_URL_LIFE, UPLOAD_LIFE
from uploads.models import Discard, Upload, UploadEvent
from uploads.part_plan import plan_parts
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = [pytest.mark.services, pytest.mark.django_db]

SMALL = jpeg(1)
# The promise of docs/storage.md, for one question to a store.
KNOWN_WITHIN_S = 10.0
LARGE_BYTES = 9_000_000  # two parts


class Sender:
    """A client that keeps to the protocol: it sends what it is told to send, and asks after every failure."""

    def __init__(self, api, stage, gallery, content) -> None:
        self.api, self.stage, self.content = api, stage, content
        [row] = api.batch(gallery, file_out(size=len(content), crc32=crc_of(content)), sign=False)
        self.id = row["id"]
        plan = plan_parts(len(content))
        self.parts = {part.number: content[part.offset : part.offset + part.size_bytes] for part in plan}

    def row(self) -> Upload:
        return Upload.objects.get(pk=self.id)

    def sign(self, *numbers, **more):
        """With the checksum of each part that is named."""
        if numbers:
            more["parts"] = [{"number": each, "crc32": crc_of(self.parts[each])} for each in numbers]
        [answer] = self.api.sign({"id": self.id, **more})
        return answer

    def send(self, transfer) -> list[int]:
        """The numbers of what was stored; 0 for a file sent whole. No answer at all is none."""
        if transfer["lane"] == "put":
            return [0] if self.is_stored(transfer, self.content) else []
        return [
            part["number"] for part in transfer["parts"] if self.is_stored(part, self.parts[part["number"]])
        ]

    def is_stored(self, piece, content) -> bool:
        try:
            return self.stage.send(request_in(piece), content).is_ok
        except (OSError, http.client.HTTPException):
            return False


@pytest.fixture
def small(api, stage, gallery) -> Sender:
    return Sender(api, stage, gallery, SMALL)


@pytest.fixture
def large(api, stage, gallery) -> Sender:
    return Sender(api, stage, gallery, photo_of(LARGE_BYTES))


def asked(gate) -> list[str]:
    """What was asked of the store since it was last forgotten, but for bytes."""
    return [call.method for call in gate.counts.calls if call.method != "PUT"]


def work(developer) -> Upload:
    upload = claim_next()
    assert upload is not None
    verify(upload, developer)
    return Upload.objects.get(pk=upload.pk)


def grow_old(sender, **columns) -> None:
    Upload.objects.filter(pk=sender.id).update(**columns)


# After a failure


def test_a_put_whose_answer_was_lost_is_uploaded_after_one_look(small, gate, developer):
    transfer = small.sign()["transfer"]
    gate.add(Rule(LoseAnswer(), method="PUT", calls={1}))
    first, repeated = small.send(transfer), small.send(transfer)
    gate.forget()

    answer = small.sign(after_failure=True)

    assert (first, repeated) == ([], [])
    assert (answer["state"], "transfer" in answer) == ("uploaded", False)
    assert asked(gate) == ["HEAD"]
    assert work(developer).state == State.VERIFIED
    assert Photo.objects.get().size == len(SMALL)


@pytest.mark.parametrize("status", [403, 409, 500, 503, 504])
def test_a_put_that_was_refused_gets_a_fresh_url_after_one_look(small, gate, developer, status):
    gate.add(Rule(Answer(status), method="PUT", path="/originals/", calls={1}))
    assert small.send(small.sign()["transfer"]) == []
    gate.forget()

    answer = small.sign(after_failure=True)

    assert answer["state"] == "signed"
    assert asked(gate) == ["HEAD"]
    assert small.send(answer["transfer"]) == [0]
    small.api.complete({"id": small.id})
    assert (work(developer).state, small.row().attempt) == (State.VERIFIED, 1)


def test_parts_whose_answers_were_lost_are_not_signed_again(large, gate):
    transfer = large.sign(1, 2)["transfer"]
    gate.add(Rule(LoseAnswer(), method="PUT", query="partNumber=2", calls={1}))
    assert large.send(transfer) == [1]
    gate.forget()

    answer = large.sign(2, after_failure=True)

    # Part 1 was not asked for, and is known nevertheless: the list of one look has both.
    assert (answer["state"], "transfer" in answer) == ("uploaded", False)
    assert asked(gate) == ["GET"]


def test_of_the_parts_that_were_asked_for_those_that_are_missing_are_signed(large, gate):
    transfer = large.sign(1, 2)["transfer"]
    gate.add(Rule(Answer(503), method="PUT", query="partNumber=2", calls={1}))
    assert large.send(transfer) == [1]
    gate.forget()

    answer = large.sign(1, 2, after_failure=True)

    assert [part["number"] for part in answer["transfer"]["parts"]] == [2]
    assert answer["transfer"]["stored"] == [1]
    assert asked(gate) == ["GET"]


def test_without_parts_the_answer_is_the_next_window(large):
    large.send(large.sign(1)["transfer"])

    answer = large.sign(after_failure=True)

    assert [part["number"] for part in answer["transfer"]["parts"]] == [2]
    assert answer["transfer"]["stored"] == [1]


def test_a_list_of_parts_that_needs_pages_is_read_to_its_end(large, gate):
    large.stage.lanes.page_items = 1
    large.send(large.sign(1, 2)["transfer"])
    gate.forget()

    assert large.sign(after_failure=True)["state"] == "uploaded"
    assert asked(gate) in (["GET", "GET"], ["GET", "GET", "GET"])


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_store_that_can_not_be_asked_is_said_so_and_nothing_is_lost(large, gate, developer, status):
    large.send(large.sign(1, 2)["transfer"])
    before = large.row()
    rule = gate.add(Rule(Answer(status), method="GET"))

    refused = large.sign(after_failure=True)
    gate.remove(rule)

    assert refused["error"]["code"] == "storage_unavailable"
    assert refused["error"]["retryable"]
    assert (large.row().state, large.row().session) == (State.SIGNED, before.session)
    assert large.sign(after_failure=True)["state"] == "uploaded"
    assert work(developer).state == State.VERIFIED


def test_a_session_that_vanished_costs_its_parts_and_no_file(large, gate, developer):
    """The store's own rule, or a person, may end a session; the client still counts the parts it has sent."""
    large.send(large.sign(1)["transfer"])
    before = large.row()
    large.stage.lanes.abort_multipart(before.key, before.session)

    signed = large.sign(2, after_failure=True)
    assert signed["transfer"]["stored"] == []
    assert large.send(signed["transfer"]) == [2]
    large.api.complete({"id": large.id})
    failed = work(developer)
    [retried] = large.api.retry(large.id)

    assert (failed.state, failed.error_code) == (State.FAILED, "parts_missing")
    assert [part["number"] for part in retried["transfer"]["parts"]] == [1]
    assert large.send(large.sign(1)["transfer"]) == [1]
    large.api.complete({"id": large.id})
    ended = work(developer)
    assert (ended.state, ended.attempt, ended.key) == (State.VERIFIED, 1, before.key)
    assert Photo.objects.get().size == LARGE_BYTES


def test_a_session_whose_opening_nobody_heard_of_is_ended_by_the_sweeper(large, gate, monkeypatch):
    gate.add(Rule(LoseAnswer(), method="POST", calls={1}))
    large.send(large.sign(1)["transfer"])
    lanes, row = large.stage.lanes, large.row()
    assert len(list(lanes.list_sessions("originals/"))) == 2
    later = timezone.now() + DEAD_ATTEMPT_KEPT + timedelta(minutes=1)
    monkeypatch.setattr("uploads.clock.now", lambda: later)

    sweep.only("sessions")

    assert [opened.session for opened in lanes.list_sessions("originals/")] == [row.session]
    assert large.send(large.sign(2)["transfer"]) == [2]


def test_an_answer_of_sign_that_was_lost_is_asked_for_again(large, gate):
    first = large.sign(1, 2)

    again = large.sign(1, 2)

    assert large.row().version == first["version"] == again["version"]
    assert len(list(large.stage.lanes.list_sessions("originals/"))) == 1
    assert large.send(first["transfer"]) == large.send(again["transfer"]) == [1, 2]


def test_each_way_to_the_same_end_is_one_move(small, gate, developer):
    """The client was told nothing, asks, completes and completes again: one photo, and one line of history each."""
    transfer = small.sign()["transfer"]
    gate.add(Rule(Lie(Answer(500)), method="PUT", calls={1}))
    small.send(transfer)

    small.sign(after_failure=True)
    small.sign(after_failure=True)
    for _ in range(3):
        small.api.complete({"id": small.id, "crc32": crc_of(SMALL)})
    work(developer)
    small.api.complete({"id": small.id})
    small.sign(after_failure=True)

    history = UploadEvent.objects.filter(upload=small.id).values_list("event", flat=True)
    assert [*history] == ["register", "sign", "stored", "claim", "verify"]
    assert Photo.objects.count() == 1


# Whoever never came back


def expired_since(age: timedelta) -> dict[str, object]:
    return {"url_expires_at": timezone.now() - age}


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("age", "state"),
    [(ADOPT_AFTER - 5 * SECOND, State.SIGNED), (ADOPT_AFTER + SECOND, State.UPLOADED)],
    ids=["before", "after"],
)
@pytest.mark.parametrize("kind", ["small", "large"])
def test_bytes_whose_complete_never_came_become_a_photo_an_hour_after_the_last_url(
    request, kind, developer, age, state
):
    sender = request.getfixturevalue(kind)
    sender.send((sender.sign() if kind == "small" else sender.sign(1, 2))["transfer"])
    grow_old(sender, **expired_since(age))

    sweep.only("adoptions")

    assert sender.row().state == state
    if state == State.UPLOADED:
        assert work(developer).state == State.VERIFIED
        assert Photo.objects.count() == 1


def test_a_file_of_which_a_part_is_missing_is_not_taken_for_whole(large):
    large.send(large.sign(1)["transfer"])
    grow_old(large, **expired_since(ADOPT_AFTER + SECOND))

    sweep.only("adoptions")
    looked_at = large.row().looked_at
    answer = large.sign(after_failure=True)

    assert looked_at is not None
    assert [part["number"] for part in answer["transfer"]["parts"]] == [2]
    assert large.row().looked_at is None  # it came back: another hour, another look


@pytest.mark.parametrize("kind", ["small", "large"])
def test_a_store_that_is_away_delays_adoption_and_prevents_it_not(request, kind, gate):
    sender = request.getfixturevalue(kind)
    sender.send((sender.sign() if kind == "small" else sender.sign(1, 2))["transfer"])
    grow_old(sender, **expired_since(ADOPT_AFTER + SECOND))
    away = gate.add(Rule(Answer(503)))

    sweep.only("adoptions")
    then = sender.row()
    gate.remove(away)
    sweep.only("adoptions")

    assert (then.state, then.looked_at) == (State.SIGNED, None)
    assert sender.row().state == State.UPLOADED


LONG_AGO = UPLOAD_LIFE + timedelta(minutes=1)


def six_days_silent(sender) -> None:
    long_ago = timezone.now() - LONG_AGO
    grow_old(sender, active_at=long_ago, url_expires_at=long_ago + SIGNED_URL_LIFE, looked_at=long_ago)


@pytest.mark.parametrize("kind", ["small", "large"])
def test_before_anything_expires_the_store_is_asked(request, kind, developer):
    sender = request.getfixturevalue(kind)
    sender.send((sender.sign() if kind == "small" else sender.sign(1, 2))["transfer"])
    six_days_silent(sender)

    sweep.only("expiries")

    assert sender.row().state == State.UPLOADED
    assert work(developer).state == State.VERIFIED


def test_nothing_expires_while_the_store_can_not_be_asked(small, gate):
    small.sign()
    six_days_silent(small)
    away = gate.add(Rule(Answer(503)))

    sweep.only("expiries")
    then = small.row().state
    gate.remove(away)
    sweep.only("expiries")

    assert (then, small.row().state) == (State.SIGNED, State.EXPIRED)


def test_bytes_that_were_reported_since_keep_an_upload(large, gallery):
    large.sign(1)
    six_days_silent(large)
    large.api.post(f"/galleries/{gallery.pk}/progress", {"uploads": [[large.id, 5, 0]]})

    sweep.only("expiries")

    assert large.row().state == State.SIGNED
    assert large.row().active_at > timezone.now() - timedelta(minutes=1)


def test_a_part_that_was_stored_since_keeps_an_upload(large, gate):
    """Nothing was signed or reported for six days, but the store has a part of today."""
    large.send(large.sign(1)["transfer"])
    six_days_silent(large)
    gate.forget()

    sweep.only("expiries")

    assert large.row().state == State.SIGNED
    assert large.row().active_at > timezone.now() - timedelta(minutes=1)
    assert asked(gate) == ["GET"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["expiries", "adoptions"])
def test_an_upload_that_is_signed_while_the_sweeper_asks_the_store_is_left_alone(small, gate, step):
    small.sign()
    six_days_silent(small)
    grow_old(small, looked_at=None)
    held = gate.add(Rule(Held(), method="HEAD"))

    def ask_meanwhile():
        gate.wait_until(lambda counts: counts.where(rule=held).requests)
        answer = small.sign()
        gate.release(held)
        return answer

    _, answer = at_once([lambda: sweep.only(step), ask_meanwhile])

    assert answer["transfer"]
    assert (small.row().state, small.row().looked_at) == (State.SIGNED, None)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_sweep_waits_for_a_stalled_store_once_not_for_each_row(stage, gate, gallery):
    long_ago = timezone.now() - LONG_AGO
    for _ in range(40):
        row = make_upload(gallery, State.SIGNED, store="s3", active_at=long_ago, url_expires_at=long_ago)
        Discard.objects.create(store="s3", key=row.key + "9", not_before=long_ago)
    gate.add(Rule(Silence()))
    began_at = time.monotonic()

    at_once([lambda: sweep.only("adoptions"), lambda: sweep.only("discards")])

    assert time.monotonic() - began_at < KNOWN_WITHIN_S
    assert (Upload.objects.filter(state=State.SIGNED).count(), Discard.objects.count()) == (40, 40)


def test_an_upload_that_expires_leaves_nothing_in_the_store(large, monkeypatch):
    large.send(large.sign(1)["transfer"])
    later = timezone.now() + UPLOAD_LIFE + timedelta(minutes=1)
    monkeypatch.setattr("uploads.clock.now", lambda: later)

    sweep.only("expiries")
    state = large.row().state
    much_later = later + DEAD_ATTEMPT_KEPT + timedelta(minutes=1)
    monkeypatch.setattr("uploads.clock.now", lambda: much_later)
    sweep.only("discards")

    assert state == State.EXPIRED
    assert list(large.stage.lanes.list_sessions("originals/")) == []
