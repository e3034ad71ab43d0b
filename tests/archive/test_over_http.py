"""A download over real connections: cut and gone on with, broken off when it may not go on, given up and forgotten."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as site_settings
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import ApiToken, User, issue_token
from galleries.archive import views
from galleries.models import Gallery, Photo
from galleries.objects.base import store_named
from tests.archive.conftest import add_photo
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

MIB = 1024 * 1024
# On a machine that does much else.
PATIENCE_S = 60.0
REVOKED_WITHIN_S = 5.0


@pytest.fixture
def site() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def large(gallery: Gallery) -> Gallery:
    """More than the buffers between a server and a client that stops reading."""
    dice = random.Random(4)
    for number in range(4):
        add_photo(gallery, f"{number}.jpg", dice.randbytes(5 * MIB + number))
    return gallery


def wait_until(is_so: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


class Reader:
    """A client that reads as much as it is told, with a small buffer, and can hang up."""

    def __init__(self, site: str, path: str, **headers: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=PATIENCE_S)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()

    @property
    def length(self) -> int:
        return int(self.answer.headers["Content-Length"])

    def read(self, count: int | None = None) -> bytes:
        """What came, where it ended too soon."""
        try:
            return self.answer.read() if count is None else self.answer.read(count)
        except http.client.IncompleteRead as cut:
            return cut.partial
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def token_of(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue_token(user)}"}


def path_of(gallery: Gallery) -> str:
    return f"/galleries/{gallery.pk}/download.zip"


def whole(site: str, gallery: Gallery, headers: dict[str, str]) -> tuple[str, bytes]:
    """Its ETag without quotes, and its bytes."""
    with closing(Reader(site, path_of(gallery), **headers)) as reader:
        content = reader.read()
        assert len(content) == reader.length
        return reader.answer.headers["ETag"].strip('"'), content


def curl(url: str, target: Path, headers: dict[str, str], *more: str) -> list[str]:
    named = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    return ["curl", "-sS", "--fail", "-C", "-", "-o", str(target), *named, *more, url]


# --- cut, and gone on with


def test_curl_goes_on_after_being_killed_at_random_bytes(site, large, owner, tmp_path):
    headers = token_of(owner)
    etag, content = whole(site, large, headers)
    url, target, dice = f"{site}{path_of(large)}?v={etag}", tmp_path / "photos.zip", random.Random(8)
    for cut in sorted(dice.randrange(1, len(content)) for _ in range(4)):
        with subprocess.Popen(curl(url, target, headers, "--limit-rate", "8M")) as download:
            wait_until(lambda cut=cut: target.exists() and target.stat().st_size >= cut)
            download.kill()
        assert target.stat().st_size < len(content)

    subprocess.run(curl(url, target, headers), check=True, timeout=PATIENCE_S)

    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(content).digest()


def test_curl_does_not_mix_two_archives(site, large, owner, tmp_path):
    headers = token_of(owner)
    etag, content = whole(site, large, headers)
    target = tmp_path / "photos.zip"
    target.write_bytes(content[: len(content) // 3])
    add_photo(large, "more.jpg", b"more")

    ended = subprocess.run(
        curl(f"{site}{path_of(large)}?v={etag}", target, headers), capture_output=True, text=True, check=False
    )

    assert (ended.returncode, "412" in ended.stderr) == (22, True)
    assert target.stat().st_size == len(content) // 3


# --- broken off


def delete_gallery(user: User, gallery: Gallery) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(deleted_at=gallery.created_at)


def disable_account(user: User, gallery: Gallery) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def withdraw_token(user: User, gallery: Gallery) -> None:
    ApiToken.objects.all().delete()


def end_session(user: User, gallery: Gallery) -> None:
    Session.objects.all().delete()


def cookie_of(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    name = site_settings.SESSION_COOKIE_NAME
    return {"Cookie": f"{name}={client.cookies[name].value}"}


@pytest.mark.parametrize("revoke", [delete_gallery, disable_account, withdraw_token, end_session])
def test_whoever_loses_access_is_broken_off(site, large, owner, monkeypatch, revoke):
    """Also while they read nothing. What lies in the buffers of two systems by then is theirs."""
    monkeypatch.setattr(views, "LOOKS_EVERY_S", 0.2)
    ended = ended_senders(monkeypatch)
    identity = cookie_of(owner) if revoke is end_session else token_of(owner)
    with closing(Reader(site, path_of(large), **identity)) as reader:
        got = len(reader.read(100_000))

        revoke(owner, large)
        wait_until(lambda: ended)

        got += len(reader.read())
        assert got < reader.length


def ended_senders(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Filled whenever a seat is left: the sender is at its end."""
    left: list[object] = []
    leave = views.seats.leave
    monkeypatch.setattr(views.seats, "leave", lambda seat: (leave(seat), left.append(seat)))
    return left


def test_it_is_looked_often_enough():
    assert views.LOOKS_EVERY_S <= REVOKED_WITHIN_S - 1


def test_a_photo_that_can_not_be_read_breaks_the_download_off_and_is_never_left_out(site, large, owner):
    headers = token_of(owner)
    _, content = whole(site, large, headers)
    third = Photo.objects.order_by("sort_at")[2]
    store = store_named("local")
    kept = b"".join(store.read(third.key))
    store.delete([third.key])

    with closing(Reader(site, path_of(large), **headers)) as reader:
        length, got = reader.length, reader.read()
    assert len(got) < length == len(content)
    assert content.startswith(got)

    store.put_bytes(third.key, kept, content_type="image/jpeg")
    with closing(Reader(site, path_of(large), **headers, Range=f"bytes={len(got)}-")) as reader:
        assert got + reader.read() == content


# --- given up


def test_who_hangs_up_has_their_place_again(site, large, owner, settings, monkeypatch):
    settings.ARCHIVES_AT_ONCE = 1
    monkeypatch.setattr(views.seats, "LIFE_S", 1_000)
    headers = token_of(owner)
    with closing(Reader(site, path_of(large), **headers)) as reader:
        reader.read(100_000)
        with closing(Reader(site, path_of(large), **headers)) as second:
            assert second.answer.status == 429
            assert second.answer.headers["Retry-After"]

    def is_free() -> bool:
        with closing(Reader(site, path_of(large), **headers)) as again:
            return again.answer.status == 200

    wait_until(is_free)
