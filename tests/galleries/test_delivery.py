"""Originals and renditions on their way to who may see them."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncRequestFactory

from accounts.models import issue_token
from galleries import delivery
from galleries.models import Photo, PhotoStatus, Rendition
from tests.builders import make_photo

pytestmark = pytest.mark.django_db
CONTENT = b"0123456789"


@pytest.fixture
def photo(gallery) -> Photo:
    return make_photo(gallery, content=CONTENT, name='Ünï "x"; y=z.jpg', media_type="image/jpeg")


@pytest.fixture
def get(client, owner):
    token = issue_token(owner)

    def ask(url: str, method: str = "GET", **headers: str):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.generic(method, url, headers={"Authorization": f"Bearer {token}", **named})

    return ask


def body_of(answer) -> bytes:
    return asyncio.run(collected(answer)) if answer.streaming else answer.content


async def collected(answer) -> bytes:
    return b"".join([chunk async for chunk in answer])


def test_an_original_is_the_very_bytes_as_a_download(get, photo):
    answer = get(f"/photos/{photo.pk}/original")

    assert (answer.status_code, body_of(answer)) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["ETag"] == f'"{photo.sha256}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''%C3%9Cn%C3%AF%20%22x%22%3B%20y%3Dz.jpg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-3", 206, b"0123"), ("bytes=4-", 206, b"456789"), ("bytes=-3", 206, b"789"), ("bytes=9-9", 206, b"9"),
        ("bytes=5-99", 206, b"56789"), ("bytes=0-9", 200, CONTENT), ("bytes=-10", 200, CONTENT),
        ("bytes=-99", 200, CONTENT), ("bytes=x-y", 200, CONTENT),
        ("bytes=0-0,5-6", 200, CONTENT), ("lines=1-2", 200, CONTENT), ("bytes=-", 200, CONTENT),
        ("bytes=10-", 416, b""), ("bytes=10-20", 416, b""), ("bytes=5-4", 416, b""), ("bytes=-0", 416, b""),
        ("bytes=" + "9" * 18 + "-", 416, b""), ("bytes=0-" + "9" * 19, 200, CONTENT),
        ("bytes=" + "9" * 5_000 + "-", 200, CONTENT), ("bytes=-" + "9" * 5_000, 200, CONTENT),
    ],
)  # fmt: skip
def test_ranges(get, photo, wanted, status, part):
    answer = get(f"/photos/{photo.pk}/original", Range=wanted)

    assert (answer.status_code, body_of(answer)) == (status, part)
    if status == 206:
        first = CONTENT.index(part)
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/10"
        assert answer.headers["Content-Length"] == str(len(part))
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */10"


def test_a_range_of_what_has_changed_gives_the_whole(get, photo):
    same = get(f"/photos/{photo.pk}/original", Range="bytes=0-1", If_Range=f'"{photo.sha256}"')
    other = get(f"/photos/{photo.pk}/original", Range="bytes=0-1", If_Range='"other"')

    assert (same.status_code, other.status_code) == (206, 200)


def test_what_the_client_has_is_not_sent_again(get, photo):
    answer = get(f"/photos/{photo.pk}/original", If_None_Match=f'"x", "{photo.sha256}"')

    assert (answer.status_code, body_of(answer)) == (304, b"")


@pytest.mark.django_db(transaction=True)
async def test_head_says_all_and_sends_nothing(photo, owner):
    scope_headers = {"Authorization": f"Bearer {await sync_to_async(issue_token)(owner)}"}
    request = AsyncRequestFactory().head(f"/photos/{photo.pk}/original", headers=scope_headers)

    answer = await delivery.original(request, photo.pk)

    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "10")
    assert await collected(answer) == b""
    await sync_to_async(connections.close_all)()  # those of the thread that looked the photo up


@pytest.mark.parametrize("name", ["grid", "view"])
def test_a_rendition_may_be_kept_for_ever_under_its_own_address(get, photo, name):
    rendition = Rendition.objects.get(photo=photo, name=name)

    answer = get(f"/photos/{photo.pk}/{name}/{rendition.recipe}")

    assert answer.status_code == 200
    assert body_of(answer) == f"{name} of {photo.pk}".encode()
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "Content-Disposition" not in answer.headers


def test_another_digest_answers_what_there_is_and_is_not_kept(get, photo):
    answer = get(f"/photos/{photo.pk}/grid/older")

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize("path", ["poster/x", "grid/", "grid", "../original"])
def test_what_is_no_rendition_is_not_found(get, photo, path):
    assert get(f"/photos/{photo.pk}/{path}").status_code == 404


@pytest.mark.parametrize(
    ("status", "code"),
    [(PhotoStatus.READY, 200), (PhotoStatus.STAGED, 200), (PhotoStatus.QUARANTINED, 404)],
)
def test_an_owner_sees_ready_and_staged_photos(get, gallery, status, code):
    photo = make_photo(gallery, status=status)

    assert get(f"/photos/{photo.pk}/original").status_code == code
    assert get(f"/photos/{photo.pk}/grid/x").status_code == code


def test_photos_of_a_deleted_gallery_are_gone(get, api, photo, gallery):
    api.delete(f"/galleries/{gallery.pk}")

    assert get(f"/photos/{photo.pk}/original").status_code == 410


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["original", "grid/x"])
def test_photos_are_only_read_here(get, photo, method, path):
    answer = get(f"/photos/{photo.pk}/{path}", method)

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert Photo.objects.get(pk=photo.pk).status == PhotoStatus.READY


def test_a_photo_that_calls_itself_a_page_is_downloaded_as_a_photo(get, gallery):
    photo = make_photo(gallery, name="page.html", media_type="image/jpeg")

    answer = get(f"/photos/{photo.pk}/original")

    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.html.jpg"
