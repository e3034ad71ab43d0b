"""Who is calling: session and CSRF, bearer tokens, and what is said to those who are not signed in."""

import io
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, digest_of, issue_token
from tests.cast import PASSWORD, Api, bearer_api, make_user, session_api

pytestmark = pytest.mark.django_db
ID = uuid.UUID(int=7)
# Every call of the API but the session, which is everybody's.
CALLS = [
    ("POST", "/galleries", {"title": "x"}),
    ("GET", "/galleries", None),
    ("GET", f"/galleries/{ID}", None),
    ("PATCH", f"/galleries/{ID}", {"title": "x"}),
    ("DELETE", f"/galleries/{ID}", None),
    ("GET", f"/galleries/{ID}/photos", None),
    ("POST", "/photos/delete", {"ids": []}),
    ("POST", "/photos/restore", {"ids": []}),
    ("DELETE", f"/photos/{ID}", None),
    ("POST", f"/galleries/{ID}/uploads/batch", {"files": []}),
    ("POST", "/uploads/sign", {"uploads": []}),
    ("POST", "/uploads/complete", {"uploads": []}),
    ("POST", "/uploads/cancel", {"ids": []}),
    ("POST", "/uploads/retry", {"ids": []}),
    ("GET", f"/uploads/{ID}", None),
    ("GET", f"/galleries/{ID}/uploads", None),
    ("POST", f"/galleries/{ID}/progress", {"uploads": []}),
]
UNSAFE = [call for call in CALLS if call[0] != "GET"]


def named(call) -> str:
    return f"{call[0]} {call[1].replace(str(ID), '{id}')}"


def test_every_call_of_the_api_is_in_the_list_of_this_module(anonymous_api):
    paths = anonymous_api.get("/openapi.json").body["paths"]

    documented = {
        (method.upper(), path.removeprefix("/api").replace("{gallery_id}", str(ID)).replace("{upload_id}", str(ID))
         .replace("{photo_id}", str(ID)))
        for path, methods in paths.items() for method in methods
    }  # fmt: skip
    assert documented - {("GET", "/session")} >= {(method, path) for method, path, _ in CALLS}


def test_the_session_tells_a_visitor_nothing_but_a_token(anonymous_api):
    answer = anonymous_api.get("/session")

    assert answer.status == 200
    assert answer.body["user"] is None
    assert answer.body["csrf_token"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_session_names_who_is_signed_in(page_api, api, owner):
    for caller in (page_api, api):
        assert caller.get("/session").body["user"] == {"id": str(owner.pk), "name": "owner"}


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_who_is_not_signed_in_gets_401_and_never_a_redirect(anonymous_api, call):
    answer = anonymous_api.call(*call)

    assert (answer.status, answer.code) == (401, "sign_in_required")


@pytest.mark.parametrize("call", CALLS, ids=named)
@pytest.mark.parametrize("token", ["", "x", "é", "a b", "0" * 5_000])
def test_an_unknown_token_gets_401_also_beside_a_good_session(owner, call, token):
    page = session_api(owner)
    page.headers["Authorization"] = f"Bearer {token}"

    answer = page.call(*call)

    assert (answer.status, answer.code) == (401, "sign_in_required")


@pytest.mark.parametrize("call", UNSAFE, ids=named)
def test_a_page_without_its_token_gets_csrf_failed(owner, call):
    page = session_api(owner)
    page.headers.clear()

    answer = page.call(*call)

    assert (answer.status, answer.code) == (403, "csrf_failed")
    assert answer.body["error"]["retryable"] is False


def test_a_page_with_a_stale_token_fetches_another_and_goes_on(owner):
    page = session_api(owner)
    page.headers["X-CSRFToken"] = "a" * 64
    assert page.post("/galleries", {"title": "x"}).code == "csrf_failed"

    page.headers["X-CSRFToken"] = page.get("/session").body["csrf_token"]

    assert page.post("/galleries", {"title": "x"}).status == 201


def test_a_visitor_without_a_token_is_told_to_sign_in_not_about_csrf(anonymous_api):
    assert anonymous_api.post("/galleries", {"title": "x"}).code == "sign_in_required"


def test_a_program_needs_neither_cookie_nor_csrf(api):
    assert api.post("/galleries", {"title": "x"}).status == 201


def test_a_token_makes_the_session_count_for_nothing(owner, stranger):
    page = session_api(stranger)
    page.headers["Authorization"] = f"Bearer {issue_token(owner)}"

    assert page.get("/session").body["user"]["name"] == "owner"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_is_read_in_any_case(owner, scheme):
    caller = Api(Client(), {"Authorization": f"{scheme}  {issue_token(owner)} "})

    assert caller.get("/galleries").status == 200


def test_a_revoked_token_and_a_disabled_user_are_out_at_once(owner):
    program, page = bearer_api(owner), session_api(owner)
    other = bearer_api(owner)
    ApiToken.objects.filter(digest=digest_of(program.headers["Authorization"][7:])).update(
        revoked_at=timezone.now()
    )

    assert program.get("/galleries").status == 401
    assert other.get("/galleries").status == 200

    owner.is_active = False
    owner.save()
    assert other.get("/galleries").status == 401
    assert page.get("/galleries").status == 401
    assert page.get("/session").body["user"] is None


def test_a_token_is_kept_only_as_its_digest(owner):
    token = issue_token(owner)

    kept = ApiToken.objects.get()
    assert token not in str(vars(kept))
    assert len(token) >= 43


def test_the_command_prints_a_token_and_nothing_else(owner):
    out = io.StringIO()

    call_command("api_token", "owner", stdout=out)

    assert (
        Api(Client(), {"Authorization": f"Bearer {out.getvalue().strip()}"}).get("/galleries").status == 200
    )
    assert len(out.getvalue().split()) == 1


@pytest.mark.parametrize("name", ["nobody", "disabled"])
def test_the_command_refuses_whom_it_cannot_speak_for(db, name):
    make_user("disabled", is_active=False)

    with pytest.raises(CommandError):
        call_command("api_token", name, stdout=io.StringIO())


def test_signing_in_by_name_and_by_address_outlives_the_browser(owner):
    owner.set_password(PASSWORD)
    owner.save()

    for login in ("owner", "owner@example.com"):
        client = Client()
        answer = client.post("/accounts/login/", {"login": login, "password": PASSWORD})
        assert answer.status_code == 302
        assert client.get("/api/session").json()["user"]["name"] == "owner"
        assert int(client.cookies["sessionid"]["max-age"]) > 24 * 3600


def test_a_wrong_password_shows_the_form_again_with_422(owner):
    answer = Client().post("/accounts/login/", {"login": "owner", "password": "wrong"})

    assert answer.status_code == 422


def test_the_first_user_has_the_password_of_the_environment(db, monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", "chosen by the owner")

    for _ in range(2):
        call_command("ensure_demo_user")

    assert Client().login(username="demo", password="chosen by the owner")


def test_the_first_user_keeps_a_password_that_was_drawn_once(db, monkeypatch, settings):
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)

    for _ in range(2):
        call_command("ensure_demo_user")

    kept = settings.DATA_DIR / "demo_password"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert Client().login(username="demo", password=kept.read_text())


def test_the_api_documents_itself_without_a_sign_in(anonymous_api):
    assert anonymous_api.get("/openapi.json").body["info"]["title"] == "Safelight"
    docs = anonymous_api.client.get("/api/docs")
    assert docs.status_code == 200
    assert b"cdn" not in docs.content


@pytest.mark.parametrize("path", ["/nothing", "/galleries/x/y", "/uploads/sign/", "//"])
def test_a_path_that_is_none_answers_json(api, path):
    answer = api.get(path)

    assert answer.status == 404
    assert answer.code == "not_found"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        b"[1]",
        b'"x"',
        b"NaN",
        b"[" * 50_000,
        b'{"title":1' + b"0" * 5_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_a_body_that_is_no_json_object_is_a_bad_request(api, raw):
    answer = api.call("POST", "/galleries", raw=raw)

    assert (answer.status, answer.code) == (422, "bad_request")


def test_a_body_beyond_what_django_reads_is_refused(api, settings):
    """Half of it is what other calls than notes may have: tests/config/test_body_limit.py."""
    too_much = b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    answer = api.call("POST", "/galleries", raw=b'{"title":"' + too_much + b'"}')

    assert (answer.status, answer.code) == (413, "batch_too_large")
