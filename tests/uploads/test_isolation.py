"""Nobody reads, changes or learns of what is another's: each call with an owner's ids by a stranger."""

import json
import logging

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import issue_token
from galleries.access import MAY, Action, Actor, Role, actor_of
from galleries.errors import SignInRequired
from galleries.models import Gallery, Photo, Rendition
from tests.builders import MIB, file_out, make_gallery, make_photo, make_upload, put_original
from tests.cast import bearer_api, session_api
from uploads.models import Discard, Upload, UploadEvent
from uploads.states import State

pytestmark = pytest.mark.django_db


def everything() -> str:
    """All that the database holds of uploads and photos."""
    models = (Gallery, Photo, Rendition, Upload, UploadEvent, Discard)
    return repr([list(model.objects.order_by("pk").values()) for model in models])


@pytest.fixture
def owned(gallery):
    photo = make_photo(gallery)
    upload = make_upload(gallery, State.SIGNED, size=5)
    put_original(upload, b"bytes")
    return {"gallery": gallery.pk, "upload": upload.pk, "photo": photo.pk}


PATHS = [
    ("GET", "/galleries/{gallery}", None),
    ("PATCH", "/galleries/{gallery}", {"title": "mine now"}),
    ("DELETE", "/galleries/{gallery}", None),
    ("GET", "/galleries/{gallery}/photos", None),
    ("GET", "/galleries/{gallery}/photos?status=staged", None),
    ("GET", "/galleries/{gallery}/uploads", None),
    ("POST", "/galleries/{gallery}/uploads/batch", {"files": [file_out()]}),
    ("POST", "/galleries/{gallery}/progress", {"uploads": []}),
    ("GET", "/uploads/{upload}", None),
    ("GET", "/galleries/{gallery}/sidecars", None),
    ("GET", "/uploads/{upload}/sidecars", None),
    ("GET", "/uploads/{upload}/sidecars/{upload}", None),
    ("POST", "/uploads/{upload}/sidecars", {"name": "a.xmp", "text": "<x:xmpmeta ></x:xmpmeta>"}),
    ("DELETE", "/photos/{photo}", None),
]
BULK = [
    (
        "/uploads/sign",
        lambda ids: {"uploads": [{"id": ids["upload"], "after_failure": True, "crc32": "00000000"}]},
    ),
    ("/uploads/complete", lambda ids: {"uploads": [{"id": ids["upload"], "crc32": "00000000"}]}),
    ("/uploads/cancel", lambda ids: {"ids": [ids["upload"]]}),
    ("/uploads/retry", lambda ids: {"ids": [ids["upload"]]}),
    ("/photos/delete", lambda ids: {"ids": [ids["photo"]]}),
    ("/photos/restore", lambda ids: {"ids": [ids["photo"]]}),
]


@pytest.fixture(params=["stranger by token", "stranger by session", "staff by token"])
def outsider(request, stranger, staff):
    who = staff if request.param.startswith("staff") else stranger
    return session_api(who) if "session" in request.param else bearer_api(who)


@pytest.mark.parametrize(
    ("method", "path", "body"), PATHS, ids=lambda each: each if isinstance(each, str) else ""
)
def test_another_persons_id_in_a_path_is_not_found_and_changes_nothing(outsider, owned, method, path, body):
    before = everything()

    answer = outsider.call(method, path.format(**owned), body)

    assert (answer.status, answer.body) == (
        404,
        {"error": {"code": "not_found", "message": "There is nothing here.", "retryable": False}},
    )
    assert everything() == before


@pytest.mark.parametrize(("path", "body"), BULK, ids=lambda each: each if isinstance(each, str) else "")
def test_another_persons_id_in_a_list_is_an_unknown_item_and_changes_nothing(outsider, owned, path, body):
    before = everything()
    ids = {name: str(value) for name, value in owned.items()}

    answer = outsider.post(path, body(ids))

    (item,) = answer.body["uploads" if "uploads" in path else "photos"]
    assert set(item) == {"id", "error"}
    assert item["error"]["code"] == "not_found"
    assert everything() == before


def test_an_unknown_id_and_a_foreign_one_are_answered_alike(stranger_api, owned):
    unknown = dict.fromkeys(owned, "00000000-0000-4000-8000-000000000000")

    for method, path, body in PATHS:
        foreign = stranger_api.call(method, path.format(**owned), body)
        nothing = stranger_api.call(method, path.format(**unknown), body)
        assert (foreign.status, foreign.body) == (nothing.status, nothing.body)


@pytest.mark.parametrize(
    "path",
    [
        "/photos/{photo}/original",
        "/photos/{photo}/grid/{digest}",
        "/photos/{photo}/view/x",
        "/photos/{photo}/web",
    ],
)
def test_pictures_are_for_who_may_see_them(owner, stranger, owned, path):
    from django.test import Client

    digest = Rendition.objects.get(name="grid").recipe
    url = path.format(**owned, digest=digest)

    def status(token: str) -> int:
        return Client().get(url, headers={"Authorization": f"Bearer {token}"} if token else {}).status_code

    assert status(issue_token(owner)) == 200
    assert status(issue_token(stranger)) == 404
    assert status("") == 401
    assert status("wrong") == 401


def test_a_deleted_photo_shows_nothing_more(api, owner, owned):
    from django.test import Client

    api.delete(f"/photos/{owned['photo']}")

    headers = {"Authorization": f"Bearer {issue_token(owner)}"}
    assert Client().get(f"/photos/{owned['photo']}/original", headers=headers).status_code == 404


# --- the table


@pytest.mark.parametrize("action", list(Action))
def test_the_owner_may_everything_and_a_stranger_nothing(gallery, owner, stranger, staff, action):
    assert Actor(owner).may(action, gallery)
    assert not Actor(stranger).may(action, gallery)
    assert not Actor(staff).may(action, gallery)


def test_every_role_has_a_line_in_the_table():
    assert set(MAY) == set(Role)


@pytest.mark.parametrize("nobody", [None, "owner", 7])
def test_who_is_nobody_must_sign_in(nobody):
    with pytest.raises(SignInRequired):
        actor_of(nobody)


def test_a_disabled_user_must_sign_in(owner):
    owner.is_active = False

    with pytest.raises(SignInRequired):
        actor_of(owner)


# --- what is never written down


def test_no_signed_url_and_no_token_is_logged_or_kept(gallery, owner, caplog):
    caplog.set_level(logging.DEBUG)
    api = bearer_api(owner)

    rows = api.batch(gallery, file_out(), file_out(size=9 * MIB))
    rows += api.sign(*[{"id": row["id"], "after_failure": True} for row in rows])

    secrets = [api.headers["Authorization"].split()[1]]
    for row in rows:
        for request in [
            row["transfer"].get("request"),
            *[p["request"] for p in row["transfer"].get("parts", [])],
        ]:
            secrets += [request["url"].rpartition("signature=")[2]] if request else []
    kept = everything() + caplog.text
    assert len(secrets) > 4
    assert not [secret for secret in secrets if secret in kept]


# --- what a call costs


def cost(act) -> int:
    with CaptureQueriesContext(connection) as queries:
        act()
    return len(queries)


def batch_of(api, gallery, count, **more):
    files = [file_out(crc32=f"{number:08x}", **more) for number in range(count)]
    return lambda: api.batch(gallery, *files)


@pytest.mark.parametrize("more", [{}, {"size": 9 * MIB}], ids=["put", "multipart"])
def test_a_batch_costs_the_same_for_two_files_and_for_a_hundred(api, owner, more):
    few, many = make_gallery(owner), make_gallery(owner)

    assert cost(batch_of(api, few, 2, **more)) == cost(batch_of(api, many, 100, **more))


@pytest.mark.parametrize("state", [State.SIGNED, State.CANCELLED, State.FAILED])
def test_a_batch_of_known_files_costs_the_same_for_one_and_for_a_hundred(api, owner, state):
    costs = []
    for count in (2, 100):
        gallery = make_gallery(owner)
        uploads = [make_upload(gallery, state) for _ in range(count)]
        files = [file_out(client_id=upload.client_id, size=upload.size) for upload in uploads]
        costs.append(cost(lambda gallery=gallery, files=files: api.batch(gallery, *files)))

    assert costs[0] == costs[1]


def test_a_batch_that_brings_photos_back_costs_the_same_for_two_and_for_thirty(api, owner):
    costs = []
    for count in (2, 30):
        gallery = make_gallery(owner)
        photos = [make_photo(gallery) for _ in range(count)]
        api.post("/photos/delete", {"ids": [str(photo.pk) for photo in photos]})
        uploads = Upload.objects.filter(gallery=gallery)
        files = [file_out(client_id=upload.client_id, size=upload.size) for upload in uploads]
        costs.append(cost(lambda gallery=gallery, files=files: api.batch(gallery, *files)))
        assert Photo.objects.ready().filter(gallery=gallery).count() == count

    assert costs[0] == costs[1]


@pytest.mark.parametrize(
    ("verb", "state", "columns"),
    [
        ("sign", State.REGISTERED, {}), ("sign", State.SIGNED, {}), ("sign", State.REGISTERED, {"size": 9 * MIB}),
        ("complete", State.SIGNED, {}), ("cancel", State.SIGNED, {}), ("cancel", State.VERIFYING, {}),
        ("retry", State.FAILED, {"error_code": "gave_up"}), ("retry", State.FAILED, {"error_code": "size_mismatch"}),
    ],
)  # fmt: skip
def test_a_call_costs_the_same_for_two_uploads_and_for_a_hundred(api, owner, verb, state, columns):
    costs = []
    for count in (2, 100):
        gallery = make_gallery(owner)
        ids = [str(make_upload(gallery, state, **columns).pk) for _ in range(count)]
        asks = [{"id": each, "crc32": f"{number:08x}"} for number, each in enumerate(ids)]
        act = (lambda asks=asks, verb=verb: getattr(api, verb)(*asks)) if verb in {"sign", "complete"} else (
            lambda ids=ids, verb=verb: getattr(api, verb)(*ids)
        )  # fmt: skip
        costs.append(cost(act))

    assert costs[0] == costs[1]


def test_the_put_lane_asks_no_store_at_all(api, gallery):
    from galleries.objects import base

    calls: list[str] = []
    base.on_store_call.append(lambda _store, verb: calls.append(verb))

    rows = api.batch(gallery, *[file_out() for _ in range(10)])
    api.sign(*[{"id": row["id"]} for row in rows])
    api.complete(*[{"id": row["id"]} for row in rows])

    base.on_store_call.pop()
    assert calls == []


def test_answers_are_json_that_any_parser_reads(api, gallery):
    make_upload(
        gallery,
        State.FAILED,
        error_code="gave_up",
        error_details={"tries": 5},
        name="Ä\u2028\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    )

    answer = api.get(f"/galleries/{gallery.pk}/uploads")

    assert json.loads(json.dumps(answer.body)) == answer.body
