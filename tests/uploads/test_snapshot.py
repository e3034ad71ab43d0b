"""GET /api/galleries/{id}/uploads, GET /api/uploads/{id} and reports of progress over HTTP."""

import uuid
from collections.abc import Callable

import pytest
from django.utils import timezone

from galleries.objects.base import store_named
from tests.builders import MIB, UNKNOWN_ID, file_out, make_gallery, make_upload, put_original, put_part
from uploads.limits import DEFAULT_PAGE_ITEMS
from uploads.models import Upload
from uploads.states import State

pytestmark = pytest.mark.django_db


def listed(api, gallery, query: str = ""):
    answer = api.get(f"/galleries/{gallery.pk}/uploads{query}")
    assert answer.status == 200, answer.body
    return answer.body


def report(api, gallery, *rows):
    answer = api.post(f"/galleries/{gallery.pk}/progress", {"uploads": [*rows]})
    assert answer.status == 204
    return answer


# --- the snapshot


def test_the_snapshot_names_every_upload_with_the_version_of_the_gallery(api, gallery):
    uploads = {str(make_upload(gallery, state).pk) for state in State}

    page = listed(api, gallery)

    assert {row["id"] for row in page["uploads"]} == uploads
    assert page["next_cursor"] is None
    assert page["version"] == 1
    assert all("transfer" not in row for row in page["uploads"])


def test_errors_are_always_there_and_say_what_helps(api, gallery):
    make_upload(gallery, State.FAILED, error_code="duplicate", error_details={"photo_id": "x"})
    make_upload(gallery, State.SIGNED)

    errors = [row["error"] for row in listed(api, gallery)["uploads"]]

    assert None in errors
    assert {
        "code": "duplicate",
        "message": "This photo is already in the gallery.",
        "retryable": False,
        "details": {"photo_id": "x"},
    } in errors


def test_pages_follow_each_other_without_gap_or_repetition(api, gallery):
    every = {str(make_upload(gallery).pk) for _ in range(7)}

    seen, cursor = [], ""
    while cursor is not None:
        page = listed(api, gallery, f"?limit=3{cursor and '&cursor=' + cursor}")
        seen += [row["id"] for row in page["uploads"]]
        cursor = page["next_cursor"]

    assert len(seen) == len(every)
    assert {*seen} == every


@pytest.mark.parametrize(("count", "is_more"), [(2, False), (3, False), (4, True)])
def test_a_page_that_is_just_full_has_no_next(api, gallery, count, is_more):
    for _ in range(count):
        make_upload(gallery)

    assert (listed(api, gallery, "?limit=3")["next_cursor"] is not None) == is_more


@pytest.mark.parametrize(
    ("limit", "status"), [(0, 422), (1, 200), (999, 200), (1000, 200), (1001, 422), ("x", 422)]
)
def test_a_page_has_one_to_a_thousand_items(api, gallery, limit, status):
    assert api.get(f"/galleries/{gallery.pk}/uploads?limit={limit}").status == status


def test_a_page_has_a_hundred_items_unless_told(api, gallery):
    Upload.objects.bulk_create(
        [copy_of(make_upload(gallery), number) for number in range(DEFAULT_PAGE_ITEMS)]
    )

    assert len(listed(api, gallery)["uploads"]) == DEFAULT_PAGE_ITEMS


def copy_of(upload: Upload, number: int) -> Upload:
    upload.pk, upload.client_id = uuid.uuid4(), f"copy-{number}-{upload.client_id}"
    return upload


def test_several_states_can_be_asked_for(api, gallery):
    wanted = {str(make_upload(gallery, state).pk) for state in (State.FAILED, State.CANCELLED)}
    make_upload(gallery, State.SIGNED)

    page = listed(api, gallery, "?state=failed&state=cancelled")

    assert {row["id"] for row in page["uploads"]} == wanted


@pytest.mark.parametrize("state", ["signed", "uploading"])
def test_signed_and_uploading_each_mean_all_signed_rows(api, gallery, state):
    quiet, moving = make_upload(gallery, State.SIGNED), make_upload(gallery, State.SIGNED)
    make_upload(gallery, State.REGISTERED)
    report(api, gallery, [str(moving.pk), 5, 0])

    shown = {row["id"]: row["state"] for row in listed(api, gallery, f"?state={state}")["uploads"]}

    assert shown == {str(quiet.pk): "signed", str(moving.pk): "uploading"}


@pytest.mark.parametrize("query", ["state=flying", "state=", "cursor=x", "cursor=%00", "state=%00"])
def test_unknown_states_and_cursors_are_refused(api, gallery, query):
    answer = api.get(f"/galleries/{gallery.pk}/uploads?{query}")

    assert answer.status == 422 or query == "state="
    assert answer.status in {200, 422}


def test_uploads_of_another_gallery_are_not_in_it(api, gallery, owner):
    make_upload(make_gallery(owner))

    assert listed(api, gallery)["uploads"] == []


# --- one upload, as the store has it


@pytest.fixture
def break_store() -> Callable[[], None]:
    """From then on the disk answers each call with an error: a link to a name that no disk takes."""

    def break_now() -> None:
        root = store_named("local").root
        if root.exists():
            root.rename(root.with_name("objects-before"))
        root.symlink_to("x" * 300)

    return break_now


def stored_of(api, upload: Upload) -> dict | None:
    return api.get(f"/uploads/{upload.pk}").body["stored"]


def set_state(upload: Upload, state: State) -> None:
    lease = {"lease_token": uuid.uuid4(), "lease_until": timezone.now()} if state == State.VERIFYING else {}
    Upload.objects.filter(pk=upload.pk).update(state=state, **lease)


def test_an_upload_on_its_way_has_nothing_in_the_store(api, gallery):
    upload = make_upload(gallery, State.SIGNED)

    body = api.get(f"/uploads/{upload.pk}").body

    assert body["id"] == str(upload.pk)
    assert body["stored"] == {"status": "in_progress", "bytes": 0, "parts": []}


def test_an_upload_whose_bytes_are_all_there_is_complete_and_unchanged(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=5)
    put_original(upload, b"bytes")

    body = api.get(f"/uploads/{upload.pk}").body

    assert body["stored"] == {"status": "complete", "bytes": 5, "parts": []}
    assert (body["state"], body["version"]) == ("signed", 1)


def test_stored_parts_are_named_with_their_sizes(api, gallery):
    row = api.batch(gallery, file_out(size=20 * MIB))[0]
    upload = Upload.objects.get(pk=row["id"])
    put_part(upload, 3, bytes(4 * MIB))
    put_part(upload, 1, bytes(8 * MIB))

    stored = api.get(f"/uploads/{upload.pk}").body["stored"]

    assert stored == {
        "status": "in_progress",
        "bytes": 12 * MIB,
        "parts": [{"number": 1, "size": 8 * MIB}, {"number": 3, "size": 4 * MIB}],
    }
    put_part(upload, 2, bytes(8 * MIB))
    assert api.get(f"/uploads/{upload.pk}").body["stored"]["status"] == "complete"


@pytest.mark.parametrize(
    ("state", "stored"),
    [
        (State.VERIFIED, {"status": "complete", "bytes": 5, "parts": []}),
        (State.EXPIRED, {"status": "expired", "bytes": 0, "parts": []}),
        (State.CANCELLED, None),
        (State.FAILED, None),
    ],
)
def test_what_has_ended_is_known_without_asking_the_store(api, gallery, break_store, state, stored):
    upload = make_upload(gallery, state, size=5)
    break_store()

    assert stored_of(api, upload) == stored


WAITING = [State.UPLOADED, State.VERIFYING]


@pytest.mark.parametrize("state", WAITING)
def test_what_waits_for_its_check_is_complete_when_the_store_has_it(api, gallery, state):
    upload = make_upload(gallery, state, size=5)
    put_original(upload, b"bytes")

    body = api.get(f"/uploads/{upload.pk}").body

    assert body["stored"] == {"status": "complete", "bytes": 5, "parts": []}
    assert (body["state"], body["version"]) == (str(state), 1)


@pytest.mark.parametrize("state", WAITING)
def test_what_a_client_only_says_it_has_sent_is_not_complete(api, gallery, state):
    upload = make_upload(gallery, state)

    assert stored_of(api, upload) == {"status": "in_progress", "bytes": 0, "parts": []}


@pytest.mark.parametrize("state", WAITING)
def test_parts_that_wait_to_be_joined_are_named(api, gallery, state):
    row = api.batch(gallery, file_out(size=20 * MIB))[0]
    upload = Upload.objects.get(pk=row["id"])
    put_part(upload, 3, bytes(4 * MIB))
    set_state(upload, state)

    stored = stored_of(api, upload)

    assert stored == {"status": "in_progress", "bytes": 4 * MIB, "parts": [{"number": 3, "size": 4 * MIB}]}


@pytest.mark.parametrize("state", [State.SIGNED, *WAITING])
@pytest.mark.parametrize("lane", ["put", "multipart", "resumable"])
def test_a_store_that_cannot_be_asked_is_no_answer(api, gallery, break_store, state, lane):
    [row] = api.batch(gallery, file_out(lane=lane))
    set_state(Upload.objects.get(), state)
    break_store()

    answer = api.get(f"/uploads/{row['id']}")

    assert (answer.status, answer.code) == (503, "storage_unavailable")
    assert Upload.objects.get().version == row["version"]


@pytest.mark.parametrize("path", [UNKNOWN_ID, "not-an-id", "1", "%00"])
def test_an_unknown_upload_is_not_found(api, path):
    answer = api.get(f"/uploads/{path}")

    assert (answer.status, answer.code) == (404, "not_found")


# --- reports


def test_reported_bytes_show_in_the_totals(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=1_000)
    make_upload(gallery, State.REGISTERED, size=500)

    report(api, gallery, [str(upload.pk), 400, 0])

    progress = api.get(f"/galleries/{gallery.pk}").body["progress"]
    assert (progress["bytes"], progress["bytes_total"]) == (400, 1_500)
    assert progress["files"] == {"registered": 1, "uploading": 1}


@pytest.mark.parametrize(
    ("said", "counted"), [(-5, 0), (0, 0), (999, 999), (1_000, 1_000), (1_001, 1_000), (10**30, 1_000)]
)
def test_a_report_is_clamped_to_the_declared_size(api, gallery, said, counted):
    upload = make_upload(gallery, State.SIGNED, size=1_000)

    report(api, gallery, [str(upload.pk), said, 0])

    assert api.get(f"/galleries/{gallery.pk}").body["progress"]["bytes"] == counted


def test_progress_never_goes_back(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=1_000)

    for stored in (300, 700, 200, 700):
        report(api, gallery, [str(upload.pk), stored, 0])

    assert api.get(f"/galleries/{gallery.pk}").body["progress"]["bytes"] == 700


def test_foreign_and_unknown_ids_are_dropped_and_the_others_count(api, gallery, stranger):
    mine = make_upload(gallery, State.SIGNED, size=100)
    foreign = make_upload(make_gallery(stranger), State.SIGNED)
    elsewhere = make_upload(make_gallery(gallery.owner), State.SIGNED)

    report(
        api, gallery, [str(foreign.pk), 50, 0], [str(uuid.uuid4()), 5, 0], ["?", 5, 0], [str(elsewhere.pk), 9, 0],
        [str(mine.pk), 60, 0],
    )  # fmt: skip

    assert api.get(f"/galleries/{gallery.pk}").body["progress"]["bytes"] == 60
    assert api.get(f"/galleries/{elsewhere.gallery_id}").body["progress"]["bytes"] == 0


@pytest.mark.parametrize(("count", "status"), [(100, 204), (101, 413)])
def test_a_report_names_at_most_a_hundred(api, gallery, count, status):
    rows = [[str(uuid.uuid4()), 1, 0]] * count

    assert api.post(f"/galleries/{gallery.pk}/progress", {"uploads": rows}).status == status


@pytest.mark.parametrize("rows", [[["x"]], [["x", "1", 0]], [[1, 2, 3]], [{"id": 1}], "x", [["x", 1.5, 0]]])
def test_a_malformed_report_is_refused(api, gallery, rows):
    answer = api.post(f"/galleries/{gallery.pk}/progress", {"uploads": rows})

    assert (answer.status, answer.code) == (422, "bad_request")


def test_what_is_sent_counts_whole_without_any_report(api, gallery):
    for state in (State.UPLOADED, State.VERIFYING):
        make_upload(gallery, state, size=100)
    for state in (State.FAILED, State.CANCELLED, State.EXPIRED):
        make_upload(gallery, state, size=100)

    progress = api.get(f"/galleries/{gallery.pk}").body["progress"]

    assert (progress["bytes"], progress["bytes_total"]) == (200, 200)


def test_a_report_writes_nothing_to_the_database(api, gallery, django_assert_max_num_queries):
    upload = make_upload(gallery, State.SIGNED)

    with django_assert_max_num_queries(6) as queries:
        report(api, gallery, [str(upload.pk), 5, 0])

    assert not [each["sql"] for each in queries if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
