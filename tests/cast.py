"""The cast, with a fixed meaning: the owner may, the stranger may not, staff is nobody's owner. And their clients."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.test import Client

from accounts.models import User, issue_token
from galleries.objects import base as objects_base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

    from galleries.decode.developer import Developer
    from galleries.models import Gallery

PASSWORD = "a long enough password"


@dataclass(frozen=True)
class Answer:
    """What came back: `body` is the parsed JSON, or None."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def uploads(self) -> list[dict[str, Any]]:
        assert self.status in {200, 202}, (self.status, self.body)
        rows: list[dict[str, Any]] = self.body["uploads"]
        return rows

    @property
    def photos(self) -> list[dict[str, Any]]:
        assert self.status == 200, (self.status, self.body)
        rows: list[dict[str, Any]] = self.body["photos"]
        return rows

    @property
    def code(self) -> str:
        """The wire code of a refusal of the whole call."""
        code: str = self.body["error"]["code"]
        return code


@dataclass
class Api:
    """A program or a page that speaks JSON. `headers` go along with every call."""

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None) -> Answer:
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        response = self.client.generic(
            method, f"/api{path}", content, content_type="application/json", headers=self.headers
        )
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return Answer(
            response.status_code,
            response.json() if is_json and response.content else None,
            dict(response.headers),
        )

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        return self.call("POST", path, body)

    def patch(self, path: str, body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def batch(self, gallery: Gallery, *files: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        return self.post(f"/galleries/{gallery.pk}/uploads/batch", {"files": list(files), **more}).uploads

    def sign(self, *asks: dict[str, Any]) -> list[dict[str, Any]]:
        return self.post("/uploads/sign", {"uploads": list(asks)}).uploads

    def complete(self, *asks: dict[str, Any]) -> list[dict[str, Any]]:
        return self.post("/uploads/complete", {"uploads": list(asks)}).uploads

    def cancel(self, *ids: object) -> list[dict[str, Any]]:
        return self.post("/uploads/cancel", {"ids": [str(each) for each in ids]}).uploads

    def retry(self, *ids: object) -> list[dict[str, Any]]:
        return self.post("/uploads/retry", {"ids": [str(each) for each in ids]}).uploads


def session_api(user: User) -> Api:
    """A page: session cookie and CSRF token, checked as for a browser."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    token = client.get("/api/session").json()["csrf_token"]
    return Api(client, {"X-CSRFToken": token})


def bearer_api(user: User) -> Api:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return Api(client, {"Authorization": f"Bearer {issue_token(user)}"})


def make_user(name: str, **columns: Any) -> User:
    """Without a password: to make one takes longer than most tests. `set_password` where one is asked for."""
    return User.objects.create_user(name, f"{name}@example.com", None, **columns)


@pytest.fixture
def owner(db: None) -> User:
    return make_user("owner")


@pytest.fixture
def stranger(db: None) -> User:
    return make_user("stranger")


@pytest.fixture
def staff(db: None) -> User:
    return make_user("staff", is_staff=True, is_superuser=True)


@pytest.fixture
def api(owner: User) -> Api:
    """The owner's program. What holds for every caller is tested with it."""
    return bearer_api(owner)


@pytest.fixture
def page_api(owner: User) -> Api:
    """The owner's page: cookie and CSRF token."""
    return session_api(owner)


@pytest.fixture
def stranger_api(stranger: User) -> Api:
    return bearer_api(stranger)


@pytest.fixture
def anonymous_api(db: None) -> Api:
    return Api(Client(enforce_csrf_checks=True, raise_request_exception=False))


@pytest.fixture
def gallery(owner: User) -> Gallery:
    from tests.builders import make_gallery

    return make_gallery(owner)


@pytest.fixture(scope="session")
def developer() -> Iterator[Developer]:
    """The real locked room, warm for the whole run."""
    from galleries.decode.developer import Developer

    with Developer() as room:
        yield room


@pytest.fixture(autouse=True)
def no_store_call_in_a_transaction() -> Iterator[None]:
    """A store that hangs must never hold a lock of the database. The transaction of the test itself is no matter."""
    own = connections["default"]
    found: list[str] = []

    def check(store: str, verb: str) -> None:
        thread = threading.current_thread().name
        is_waited_for = not thread.startswith("ahead")  # by a transaction of the test's own thread
        if (is_waited_for and is_in_transaction(own)) or is_in_transaction(connections["default"]):
            found.append(f"{store}.{verb} in {thread}")

    objects_base.on_store_call.append(check)
    yield
    objects_base.on_store_call.remove(check)
    assert found == [], "the store was asked inside an open transaction"


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
