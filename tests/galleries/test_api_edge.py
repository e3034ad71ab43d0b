"""What every answer has, and what is said before a call reaches its view."""

import json

import pytest
from django.db import connection, connections

from galleries.models import Gallery
from tests.builders import make_photo
from tests.cast import bearer_api, session_api

BODY = json.dumps({"title": "x"}).encode()


@pytest.fixture(params=[session_api, bearer_api], ids=["page", "program"])
def caller(request, owner):
    return request.param(owner)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/octet-stream",
        "application/jsonx",
    ],
)
@pytest.mark.parametrize("with_token", [True, False])
def test_only_json_is_taken(caller, content_type, with_token):
    headers = caller.headers if with_token or "Authorization" in caller.headers else {}

    response = caller.client.post("/api/galleries", BODY, content_type=content_type, headers=headers)

    assert (response.status_code, response.json()["error"]["code"]) == (422, "bad_request")
    assert not Gallery.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_json_is_taken(caller, content_type):
    response = caller.client.post("/api/galleries", BODY, content_type=content_type, headers=caller.headers)

    assert response.status_code == 201


@pytest.mark.django_db
def test_a_call_without_a_body_needs_no_type(caller, gallery):
    response = caller.client.generic(
        "DELETE", f"/api/galleries/{gallery.pk}", content_type="", headers=caller.headers
    )

    assert response.status_code == 204


@pytest.fixture
def writer_elsewhere():
    """Holds the lock that every change of a gallery needs; the test's own connection waits only shortly for it."""
    other = connections["default"].copy("default")
    is_sqlite = connection.vendor == "sqlite"
    with other.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
        if not is_sqlite:
            cursor.execute("LOCK TABLE galleries_gallery IN EXCLUSIVE MODE")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 1" if is_sqlite else "SET lock_timeout = '1ms'")
    yield
    with other.cursor() as cursor:
        cursor.execute("ROLLBACK")
    other.close()
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_locked_is_a_passing_fault(api, request):
    request.getfixturevalue("writer_elsewhere")

    answer = api.post("/galleries", {"title": "x"})

    assert (answer.status, answer.code) == (503, "database_busy")
    assert answer.body["error"]["retryable"] is True
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["PUT", "POST", "OPTIONS"])
def test_a_method_that_an_address_does_not_take_is_refused_in_the_shape_of_errors(api, gallery, method):
    answer = api.call(method, f"/galleries/{gallery.pk}")

    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "PATCH", "DELETE"}


@pytest.mark.django_db
def test_a_query_of_too_many_fields_is_refused_in_the_shape_of_errors(api, gallery, settings):
    fields = "&".join(["state=signed"] * (settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))

    answer = api.get(f"/galleries/{gallery.pk}/uploads?{fields}")

    assert (answer.status, answer.code) == (422, "bad_request")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/galleries", "/api/nothing", "/galleries/", "/nothing"])
def test_nobody_keeps_what_was_said_to_who_is_signed_in(caller, path):
    answer = caller.client.get(path, headers=caller.headers)

    assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/livez"])
def test_what_everybody_may_read_is_left_as_it_is(client, path):
    assert "no-store" not in client.get(path).headers.get("Cache-Control", "")


@pytest.mark.django_db
def test_what_a_view_has_said_of_keeping_stays(caller, gallery):
    photo = make_photo(gallery)
    rendition = photo.renditions.get(name="grid")

    kept = caller.client.get(f"/photos/{photo.pk}/grid/{rendition.recipe}", headers=caller.headers)
    session = caller.client.get("/api/session", headers=caller.headers)

    assert kept.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert session.headers["Cache-Control"] == "no-store"
