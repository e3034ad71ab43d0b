"""What is told of what happens: once, after the commit, with the fields of the list and no others."""

import logging
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import transaction

from config.local_door import LocalDoor
from config.log_lines import said_by
from galleries.errors import StorageUnavailable
from tests.builders import MIB, file_out, jpeg, make_upload, put_original, uploaded
from tests.cast import bearer_api
from uploads import clock, counters, events, tasks
from uploads.control import cancel_gallery
from uploads.errors import WrongState
from uploads.janitor.leftovers import throw_away
from uploads.models import Discard, Publication, Upload, move_to
from uploads.states import Event, State
from uploads.verify import claim_next, fail, put_back, verify

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EVENT_ROW = re.compile(r"^\| `(\w+\.\w+)` \| ([^|]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)

# The captured callbacks of commits run when a block ends well; where a test needs a real commit it says so.
pytestmark = pytest.mark.django_db


class Told(logging.Handler):
    """The events of the block, as (name, fields)."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, dict[str, object]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = said_by(record)
        self.heard.append((fields.pop("event"), fields))

    def of(self, name: str) -> list[dict[str, object]]:
        return [fields for event, fields in self.heard if event == name]

    @property
    def names(self) -> list[str]:
        return [event for event, _ in self.heard]


@pytest.fixture
def told():
    handler, log = Told(), logging.getLogger("uploads.events")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """Does something and commits it."""

    def run(act):
        with django_capture_on_commit_callbacks(execute=True):
            return act()

    return run


@pytest.fixture
def tell_of(told, commit):
    """What is told of an act, once it is committed."""

    def run(act) -> Told:
        told.heard.clear()
        commit(act)
        return told

    return run


def but_ids(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in events.LINE_ONLY}


# What is told


def test_a_batch_tells_of_all_its_files_at_once(api, gallery, told, commit):
    files = [file_out(size=1000), file_out(size=2000), file_out(size=9 * MIB)]

    commit(lambda: api.batch(gallery, *files))

    put, multipart = {"store": "local", "lane": "put"}, {"store": "local", "lane": "multipart"}
    assert [but_ids(each) for each in told.of("upload.registered")] == [
        {**put, "count": 2, "bytes": 3000},
        {**multipart, "count": 1, "bytes": 9 * MIB},
    ]
    assert [but_ids(each) for each in told.of("upload.started")] == [
        {**put, "count": 2, "bytes": 3000},
        {**multipart, "count": 1, "bytes": 9 * MIB},
    ]
    assert told.of("multipart.opened") == [{"store": "local", "count": 1}]
    assert all(each["gallery_id"] == str(gallery.pk) for each in told.of("upload.registered"))


def test_a_hundred_files_make_as_many_lines_as_two(api, gallery, told, commit):
    commit(lambda: api.batch(gallery, *[file_out() for _ in range(100)]))

    assert told.names == ["upload.registered", "upload.started"]


def test_what_is_refused_is_told_by_its_code(api, gallery, told, commit):
    commit(
        lambda: api.batch(
            gallery, file_out(size=0), file_out(size=0), file_out(name="x.exe", type="application/x-dosexec")
        )
    )

    assert told.heard == [
        ("upload.refused", {"code": "empty_file", "count": 2}),
        ("upload.refused", {"code": "unsupported_type", "count": 1}),
    ]


def test_refusals_of_sign_and_of_control_are_told(api, gallery, told, commit):
    registered = make_upload(gallery, State.REGISTERED)
    verified = make_upload(gallery, State.VERIFIED)
    known = make_upload(gallery, State.SIGNED, crc32="00000000")

    commit(lambda: api.complete({"id": str(registered.pk)}))
    commit(lambda: api.cancel(verified.pk))
    commit(lambda: api.sign({"id": str(known.pk), "crc32": "ffffffff"}))

    assert [fields["code"] for fields in told.of("upload.refused")] == [
        "wrong_state",
        "too_late",
        "checksum_conflict",
    ]


def test_a_call_that_is_refused_whole_is_told(anonymous_api, told, commit):
    commit(lambda: anonymous_api.get("/galleries"))

    assert told.heard == [("call.refused", {"code": "sign_in_required", "count": 1})]


@pytest.mark.parametrize(
    ("path", "door", "code"),
    [
        ("/-/objects/originals/x", "object", "url_refused"),
        ("/-/objects/sessions/" + "x" * 43, "session", "session_gone"),
    ],
)
async def test_what_the_local_store_refuses_is_told(told, path, door, code):
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": b"", "headers": []}
    visit = ApplicationCommunicator(LocalDoor(None), scope)

    await visit.send_input({"type": "http.request", "body": b""})
    await visit.receive_output(5)

    assert told.heard == [("door.refused", {"door": door, "code": code, "count": 1})]


def test_the_whole_way_of_a_photo_is_told_step_by_step(api, gallery, developer, told, commit):
    content = jpeg(1)
    row = commit(lambda: api.batch(gallery, file_out(size=len(content)), sign=False))[0]
    commit(lambda: api.sign({"id": row["id"]}))
    put_original(Upload.objects.get(), content)
    commit(lambda: api.complete({"id": row["id"]}))
    Upload.objects.update(registered_at=clock.now() - timedelta(seconds=30))
    claimed = commit(claim_next)
    with events.verification_of(claimed):
        commit(lambda: verify(claimed, developer))

    assert told.names == [
        "upload.registered",
        "upload.started",
        "upload.stored",
        "upload.stopped",
        "verify.ended",
    ]
    stopped = told.of("upload.stopped")[0]
    assert 30 <= stopped.pop("duration_s") < 60
    assert but_ids(stopped) == {
        "store": "local", "lane": "put", "outcome": "verified", "code": "", "count": 1, "bytes": len(content),
    }  # fmt: skip
    assert stopped["upload_id"] == row["id"]
    assert told.of("verify.ended")[0]["outcome"] == "verified"


def test_a_worker_tells_of_each_upload_it_is_done_with(gallery, developer, told, monkeypatch, commit):
    uploaded(gallery, jpeg(1))
    uploaded(gallery, b"no picture at all")
    monkeypatch.setattr(tasks, "developer_of", lambda _pid: developer)

    commit(tasks.work)

    ended = {(each["outcome"], each["code"]) for each in told.of("verify.ended")}
    assert ended == {("verified", ""), ("failed", "not_an_image")}
    assert {(each["outcome"], each["code"]) for each in told.of("upload.stopped")} == ended


def test_a_passing_fault_is_told_as_put_back_and_ends_nothing(gallery, told, commit):
    upload = make_upload(gallery, State.VERIFYING)

    commit(lambda: put_back(upload, StorageUnavailable()))

    assert [(name, fields.get("code")) for name, fields in told.heard] == [
        ("verify.put_back", "storage_unavailable")
    ]


def test_a_lease_that_was_lost_is_told_by_whoever_takes_over(gallery, told, commit):
    make_upload(gallery, State.VERIFYING, lease_until=clock.now() - timedelta(seconds=1))

    commit(claim_next)

    assert told.names == ["verify.taken_over"]


def test_ends_of_many_at_once_are_one_event_with_all_their_durations(gallery, told, commit, staff):
    for _ in range(30):
        make_upload(gallery, State.SIGNED, size=1000)

    def delete() -> None:
        with transaction.atomic():
            cancel_gallery(gallery.pk)

    commit(delete)

    assert [(each["outcome"], each["count"], each["bytes"]) for each in told.of("upload.stopped")] == [
        ("cancelled", 30, 30_000)
    ]
    spread = next(each for each in counters.counted() if each.name == "safelight_upload_stopped_seconds")
    assert [each.value for each in spread.samples if each.name.endswith("_count")] == [30]


@pytest.mark.parametrize(
    ("code", "why"),
    [("checksum_mismatch", "reopen_bytes"), ("gave_up", "check_again")],
)
def test_a_retry_tells_why_it_goes_on(api, gallery, tell_of, code, why):
    upload = make_upload(gallery, State.FAILED, error_code=code)

    told = tell_of(lambda: api.retry(upload.pk))

    assert [each["why"] for each in told.of("upload.reopened")] == [why]


def test_choosing_a_cancelled_file_again_is_told(api, gallery, told, commit):
    file = file_out()
    row = commit(lambda: api.batch(gallery, file))[0]
    commit(lambda: api.cancel(row["id"]))
    told.heard.clear()

    commit(lambda: api.batch(gallery, file))

    assert [but_ids(each)["why"] for each in told.of("upload.reopened")] == ["choose_again"]
    assert told.names == ["upload.reopened", "upload.started"]


def test_a_publication_is_told_from_its_beginning_to_its_end(api, gallery, told, commit):
    failed = make_upload(gallery, State.FAILED, error_code="gave_up")
    waiting = make_upload(gallery, State.SIGNED)
    path = f"/galleries/{gallery.pk}/publications"

    body = {"idempotency_key": "k", "upload_ids": [str(failed.pk), str(waiting.pk)]}
    commit(lambda: api.post(path, body))
    commit(lambda: api.cancel(waiting.pk))
    commit(lambda: api.post(f"/publications/{Publication.objects.get().pk}/retry", {}))

    of_publication = [(name, fields) for name, fields in told.heard if name.startswith("publication.")]
    assert [name for name, _ in of_publication] == [
        "publication.started",
        "publication.ended",
        "publication.reopened",
    ]
    assert of_publication[1][1]["state"] == "all_failed"
    assert {fields["publication_id"] for _, fields in of_publication} == {str(Publication.objects.get().pk)}


def test_a_round_of_the_sweeper_is_told_also_when_it_crashes(told, monkeypatch, commit):
    commit(tasks.sweep)

    def crash() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError), events.sweep_round():
        crash()

    assert [each["outcome"] for each in told.of("sweep.run")] == ["done", "crashed"]


def test_sessions_are_told_from_their_opening_to_their_end(api, gallery, told, commit):
    files = [file_out(lane="resumable"), file_out(size=9 * MIB)]
    ids = [row["id"] for row in commit(lambda: api.batch(gallery, *files))]

    commit(lambda: api.sign({"id": ids[0], "after_failure": True}))
    commit(lambda: api.get(f"/uploads/{ids[0]}"))
    commit(lambda: api.cancel(*ids))
    Discard.objects.update(not_before=clock.now())
    commit(lambda: throw_away(list(Discard.objects.all())))

    of_sessions = [
        (name, fields["store"])
        for name, fields in told.heard
        if name.startswith(("resumable.", "multipart."))
    ]
    assert sorted(of_sessions) == [
        ("multipart.aborted", "local"),
        ("multipart.opened", "local"),
        ("resumable.cancelled", "local"),
        ("resumable.opened", "local"),
        ("resumable.status", "local"),
        ("resumable.status", "local"),
    ]
    looked = told.of("resumable.status")[0]
    assert (looked["status"], looked["offset_bytes"], looked["upload_id"]) == ("in_progress", 0, ids[0])


# Once, and after the commit


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_told(gallery, told, owner):
    api = bearer_api(owner)
    uploads = [make_upload(gallery, State.VERIFYING) for _ in range(3)]
    make_upload(gallery, State.FAILED, error_code="gave_up")

    class Changed(Exception):
        """Something later in the transaction."""

    def act_and_fail() -> None:
        with transaction.atomic():
            api.batch(gallery, file_out(), file_out(size=0), file_out(size=9 * MIB))
            api.post(f"/galleries/{gallery.pk}/publications", {"idempotency_key": "k"})
            api.retry(*Upload.objects.values_list("pk", flat=True))
            put_back(uploads[0], StorageUnavailable())
            fail(uploads[1], StorageUnavailable())
            api.cancel(*Upload.objects.values_list("pk", flat=True))
            raise Changed

    # A store call is in it, which no transaction of the product has around it.
    from galleries.objects import base

    hooks, base.on_store_call[:] = list(base.on_store_call), []
    try:
        with pytest.raises(Changed):
            act_and_fail()
    finally:
        base.on_store_call[:] = hooks

    assert told.heard == []
    assert counters.counted() == []


@pytest.mark.django_db(transaction=True)
def test_a_part_that_is_rolled_back_is_not_told_while_the_rest_is(gallery, told):
    first, second = make_upload(gallery, State.SIGNED), make_upload(gallery, State.SIGNED)

    def store_twice() -> None:
        with transaction.atomic():
            move_to(second, Event.STORED)
            move_to(second, Event.STORED)

    with transaction.atomic():
        move_to(first, Event.STORED)
        with pytest.raises(WrongState):
            store_twice()
        assert told.heard == []

    assert [each["upload_id"] for each in told.of("upload.stored")] == [str(first.pk)]


def test_calls_that_are_repeated_tell_nothing_again(api, gallery, told, commit):
    files = [file_out(), file_out(size=9 * MIB)]
    rows = commit(lambda: api.batch(gallery, *files))
    ids = [row["id"] for row in rows]
    body = {"idempotency_key": "k"}
    calls = [
        lambda: api.batch(gallery, *files),
        lambda: api.sign(*[{"id": each} for each in ids]),
        lambda: api.post(f"/galleries/{gallery.pk}/publications", body),
        lambda: api.complete(*[{"id": each} for each in ids]),
        lambda: api.retry(*ids),
        lambda: api.cancel(*ids),
    ]

    for call in calls:
        commit(call)
        told.heard.clear()
        commit(call)
        assert told.heard == []


def test_a_worker_that_was_overtaken_tells_of_no_end(gallery, developer, told, commit):
    uploaded(gallery, jpeg(1))
    claimed = commit(claim_next)
    Upload.objects.update(version=99)

    with events.verification_of(claimed):
        commit(lambda: verify(claimed, developer))

    assert told.names == ["verify.ended"]
    assert told.of("verify.ended")[0]["outcome"] == "verifying"


# The list


def test_a_field_that_is_not_on_the_list_is_a_fault_of_ours():
    with pytest.raises(TypeError):
        events.Happened(events.STORED, {"store": "local", "lane": "put", "name": "IMG_1.JPG"})
    with pytest.raises(TypeError):
        events.Happened(events.STORED, {"store": "local"})
    with pytest.raises(TypeError):
        events.Happened(events.REFUSED, {"code": "x"}, {"key": "originals/…"})


def test_every_event_of_the_list_is_told_somewhere():
    sources = [file for app in ("uploads", "config") for file in (ROOT / app).rglob("*.py")]
    words = Counter(
        re.findall(r"\b[A-Z_]+\b", "\n".join(file.read_text(encoding="utf-8") for file in sources))
    )

    names = {name: kind for name, kind in vars(events).items() if isinstance(kind, events.Kind)}
    assert len(names) == len(events.KINDS)
    assert [name for name in names if words[name] < 2] == []


def test_labels_are_words_of_small_sets():
    small = {"store", "lane", "why", "outcome", "code", "status", "state", "door"}

    assert {label for kind in events.KINDS.values() for label in kind.labels} == small


def test_the_page_on_operations_lists_them_all():
    shown = {
        name: (means, labels, measures) for name, means, labels, measures in EVENT_ROW.findall(OPERATIONS)
    }

    assert shown == {
        kind.name: (kind.means, ", ".join(kind.labels), ", ".join(kind.measures))
        for kind in events.KINDS.values()
    }


def test_counting_that_fails_is_a_log_line_and_nothing_more(api, gallery, monkeypatch, caplog, tell_of):
    def broken(*_: object) -> None:
        raise RuntimeError("Read beyond file size detected")

    monkeypatch.setattr(counters.Tally, "add", broken)

    told = tell_of(lambda: api.batch(gallery, file_out()))

    assert Upload.objects.get().state == State.SIGNED
    assert "metrics.failed error=RuntimeError" in caplog.text
    assert [name for name in told.names if name != "metrics.failed"] == [
        "upload.registered",
        "upload.started",
    ]
