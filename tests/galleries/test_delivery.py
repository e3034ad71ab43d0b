"""Originals and renditions on their way to who may see them."""

import asyncio
import hashlib
import zlib

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncRequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.models import issue_token
from galleries import access, delivery
from galleries.access import Action, Role
from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from tests import pictures, places
from tests.builders import make_photo, uploaded
from tests.cast import bearer_api, make_user
from tests.services.exif_reader import exif_reader
from uploads.verify import claim_next, verify

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


def test_the_web_size_is_a_download_of_its_own(get, photo):
    answer = get(f"/photos/{photo.pk}/web")

    assert (answer.status_code, body_of(answer)) == (200, f"view of {photo.pk}".encode())
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"].endswith("y%3Dz.jpg")
    assert answer.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    Rendition.objects.filter(photo=photo, name="view").delete()
    assert get(f"/photos/{photo.pk}/web").status_code == 404


def test_the_web_size_is_for_whoever_may_look(get_as_guest, client, photo):
    assert get_as_guest(photo, "web").status_code == 200
    assert client.get(f"/photos/{photo.pk}/web").status_code == 401


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


# --- others than the owner: nobody is let in yet but by this table, which every edge asks


@pytest.fixture
def get_as_guest(client, monkeypatch):
    """Somebody who may look and download, and is not the owner."""
    monkeypatch.setitem(access.MAY, Role.STRANGER, frozenset({Action.VIEW, Action.FETCH_ORIGINAL}))
    token = issue_token(make_user("guest"))

    def ask(photo: Photo, path: str = "original", **headers: str):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.get(f"/photos/{photo.pk}/{path}", headers={"Authorization": f"Bearer {token}", **named})

    return ask


BLANKS = [[2, 3, "00"], [8, 1, "20"]]
FORM = b"01\0\0\x00567 9"


@pytest.fixture
def telling(gallery) -> Photo:
    """A photo that says its place, which others get without."""
    return make_photo(gallery, content=CONTENT, blanks=BLANKS, blanked_crc32="0" * 8, blanked_sha256="f" * 64)


def test_others_get_the_original_with_its_places_blanked(get_as_guest, telling):
    answer = get_as_guest(telling)

    assert (answer.status_code, body_of(answer)) == (200, FORM)
    assert answer.headers["ETag"] == f'"{telling.blanked_sha256}"'
    assert answer.headers["Content-Length"] == "10"


def test_the_owner_gets_the_very_bytes(get, telling):
    answer = get(f"/photos/{telling.pk}/original")

    assert body_of(answer) == CONTENT
    assert answer.headers["ETag"] == f'"{telling.sha256}"'


@pytest.mark.parametrize("first", range(10))
@pytest.mark.parametrize("length", [1, 4])
def test_a_range_of_the_form_is_a_part_of_the_form(get_as_guest, telling, first, length):
    last = min(first + length, 10) - 1

    answer = get_as_guest(telling, Range=f"bytes={first}-{last}")

    assert (answer.status_code, body_of(answer)) == (206, FORM[first : last + 1])


def test_a_range_goes_on_only_in_the_form_it_began_in(get_as_guest, telling):
    same = get_as_guest(telling, Range="bytes=0-1", If_Range=f'"{telling.blanked_sha256}"')
    other = get_as_guest(telling, Range="bytes=0-1", If_Range=f'"{telling.sha256}"')

    assert (same.status_code, other.status_code) == (206, 200)


def test_where_the_gallery_keeps_places_others_get_the_very_bytes(get_as_guest, telling, gallery):
    Gallery.objects.filter(pk=gallery.pk).update(keep_location=True)

    assert body_of(get_as_guest(telling)) == CONTENT


def test_where_nobody_can_be_certain_others_get_the_web_size(get_as_guest, gallery):
    photo = make_photo(
        gallery, content=CONTENT, name="IMG_1.CR2", media_type="image/x-canon-cr2", blanks=None
    )

    answer = get_as_guest(photo)

    assert body_of(answer) == f"view of {photo.pk}".encode()
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''IMG_1.CR2.jpg"


def test_where_there_is_no_web_size_either_others_get_nothing(get_as_guest, gallery):
    photo = make_photo(gallery, blanks=None)
    Rendition.objects.filter(photo=photo).delete()

    assert get_as_guest(photo).status_code == 404


SENT = {
    "says its place": (lambda: pictures.with_every_place("jpeg"), "sea.jpg"),
    "says nothing": (lambda: pictures.jpeg(pictures.compass(300, 200)), "hills.jpg"),
    "hides what nobody knows": (lambda: pictures.dng(1200, 900), "DSC_1.dng"),
}


@pytest.fixture
def sent(gallery, developer) -> dict[str, bytes]:
    """The very bytes, by the name of the photo."""
    contents = {name: make() for make, name in SENT.values()}
    for name, content in contents.items():
        uploaded(gallery, content, name=name)
        verify(claim_next(), developer)
    return contents


def told_of(body: bytes) -> tuple[int, str, str]:
    return len(body), f"{zlib.crc32(body):08x}", hashlib.sha256(body).hexdigest()


def photos_told(api, gallery):
    return api.get(f"/galleries/{gallery.pk}/photos").photos


@pytest.mark.parametrize("keeps", [False, True])
def test_everybody_is_told_the_checksums_of_what_they_get(sent, gallery, get, get_as_guest, keeps):
    Gallery.objects.filter(pk=gallery.pk).update(keep_location=keeps)
    of_guest, of_owner = (
        photos_told(bearer_api(user), gallery) for user in (make_user("looker"), gallery.owner)
    )

    for photo, to_owner in zip(of_guest, of_owner, strict=True):
        form = get_as_guest(Photo(pk=photo["id"]))
        body = body_of(form)
        assert (photo["size"], photo["crc32"], photo["sha256"]) == told_of(body)
        assert photo["media_type"] == form.headers["Content-Type"]
        assert body_of(get(to_owner["original_url"])) == sent[to_owner["name"]]
        told = (to_owner["size"], to_owner["crc32"], to_owner["sha256"])
        assert told == told_of(sent[to_owner["name"]])
    differing = [a["name"] for a, b in zip(of_guest, of_owner, strict=True) if a["sha256"] != b["sha256"]]
    assert set(differing) == (set() if keeps else {"sea.jpg", "DSC_1.dng"})


def test_where_there_is_nothing_yet_others_are_told_of_nothing(get_as_guest, gallery):
    photo = make_photo(gallery, blanks=None)
    Rendition.objects.filter(photo=photo).delete()

    [told] = photos_told(bearer_api(make_user("looker")), gallery)

    assert (told["size"], told["crc32"], told["sha256"], told["original_url"]) == (0, None, None, None)


def test_a_list_costs_others_no_more_queries_for_more_photos(get_as_guest, gallery):
    looker = bearer_api(make_user("looker"))
    counts = []
    for _ in range(2):
        make_photo(gallery, blanks=None)
        with CaptureQueriesContext(connection) as queries:
            photos_told(looker, gallery)
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(("blanks", "status"), [([], 302), (BLANKS, 200)])
def test_a_store_never_hands_out_what_has_to_be_blanked(get_as_guest, gallery, monkeypatch, blanks, status):
    monkeypatch.setattr(
        "galleries.objects.local.LocalStore.signed_get", lambda *_, **__: "https://store.test/signed"
    )

    assert get_as_guest(make_photo(gallery, content=CONTENT, blanks=blanks)).status_code == status


def test_a_photo_is_developed_with_the_form_that_others_get(gallery, developer, get_as_guest):
    """The whole way: from the bytes that arrived to the bytes that a guest gets."""
    content = pictures.with_every_place("jpeg")
    uploaded(gallery, content, name="sea.jpg")

    verify(claim_next(), developer)

    photo = Photo.objects.get()
    form = body_of(get_as_guest(photo))
    assert len(form) == len(content)
    assert b"GPSLatitude" in content
    assert b"GPSLatitude" not in form
    assert hashlib.sha256(form).hexdigest() == photo.blanked_sha256
    assert f"{zlib.crc32(form):08x}" == photo.blanked_crc32


def test_the_form_of_a_photo_that_says_nothing_is_the_photo(gallery, developer):
    uploaded(gallery, pictures.jpeg())

    verify(claim_next(), developer)

    photo = Photo.objects.get()
    assert (photo.blanks, photo.blanked_crc32, photo.blanked_sha256) == ([], photo.crc32, photo.sha256)


def test_a_raw_is_kept_and_others_get_its_web_size(gallery, developer, get_as_guest):
    uploaded(gallery, pictures.dng(1200, 900), name="DSC_1.dng", media_type="image/x-adobe-dng")

    verify(claim_next(), developer)

    photo = Photo.objects.get()
    assert photo.blanks is None
    assert body_of(get_as_guest(photo))[:3] == b"\xff\xd8\xff"


TELLING = {
    "jpeg": "jpg",
    "png": "png",
    "webp": "webp",
    "gif": "gif",
    "tiff": "tif",
    "avif": "avif",
    "heic": "heic",
}


def test_in_no_byte_that_others_can_fetch_exiftool_finds_a_place(gallery, developer, get_as_guest, tmp_path):
    """Originals and renditions, as they come out of the product; a RAW among them."""
    reader, sent = exif_reader(), {}
    for kind, ending in TELLING.items():
        sent[kind] = tmp_path / f"sent-{kind}.{ending}"
        sent[kind].write_bytes(places.TO_PLANT[kind][1])
    sent["raw"] = tmp_path / "sent-raw.dng"
    sent["raw"].write_bytes(pictures.dng(1200, 900))
    reader.plant(sent.values(), *places.PLANTED)
    fetched = []
    for kind, path in sent.items():
        uploaded(gallery, path.read_bytes(), name=path.name)
        verify(claim_next(), developer)
        photo = Photo.objects.get(name=path.name)
        paths = ["original", *(f"{each.name}/{each.recipe}" for each in photo.renditions.all())]
        bodies = [body_of(get_as_guest(photo, each)) for each in paths]
        for number, body in enumerate(bodies):
            fetched.append(tmp_path / f"fetched-{kind}-{number}")
            fetched[-1].write_bytes(body)

    told = reader.places(sent.values())
    assert [kind for kind, path in sent.items() if not told[path]] == []
    assert len(fetched) == 3 * len(sent)
    assert {path.name: found for path, found in reader.places(fetched).items() if found} == {}
