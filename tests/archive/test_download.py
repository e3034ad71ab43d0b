"""An archive over HTTP: what is in it, whom it is given to, and any part of it."""

import io
import random
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from django.core.cache import cache
from django.utils import timezone

from galleries.archive import seats, selections
from galleries.blanking import blanked, from_rows
from galleries.models import Gallery, Photo, PhotoStatus, Rendition, Selection, raise_version
from tests.archive.conftest import add_photo, asker, body_of, sha256_of
from tests.builders import crc_of, make_gallery
from tests.cast import make_user

pytestmark = pytest.mark.django_db
BLANKS = [[2, 3, "00"], [700_000, 4, "20"]]
PHOTOS = {
    "IMG_1.JPG": b"one" * 100_000,
    'Ünï "x".jpg': bytes(range(256)) * 3_000,
    "img_1.jpg": b"three",
}  # fmt: skip
INSIDE = ["IMG_1.JPG", "Ünï _x_.jpg", "img_1 (2).jpg"]


@pytest.fixture
def full(gallery) -> Gallery:
    """A gallery of three photos, two of which have the same name for Windows."""
    Gallery.objects.filter(pk=gallery.pk).update(title="Sommer „26“: a/b", sort="added")
    start = datetime(2026, 6, 1, 12, 0, 1, tzinfo=UTC)
    for number, (name, content) in enumerate(PHOTOS.items()):
        columns = {"captured_at": start} if number == 0 else {}
        add_photo(gallery, name, content, added_at=start + timedelta(days=number), **columns)
    gallery.refresh_from_db()
    return gallery


def unpacked(answer) -> dict[str, bytes]:
    assert answer.status_code == 200, body_of(answer)
    whole = body_of(answer)
    assert len(whole) == int(answer.headers["Content-Length"])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


# --- what is in it


def test_every_photo_is_inside_byte_for_byte(get, full):
    files = unpacked(get(of=full))

    assert [files[name] for name in INSIDE] == list(PHOTOS.values())
    assert list(files) == [
        "SHA256SUMS", "Cover sheet.html", *INSIDE,
        *(f"contact-sheet/{number:04}.webp" for number in (1, 2, 3)),
    ]  # fmt: skip


def test_the_web_size_is_that_of_the_renditions(get, full):
    files = unpacked(get("download.zip?variant=web", of=full))

    views = [f"view of {photo.pk}".encode() for photo in Photo.objects.order_by("added_at")]
    assert [files[name] for name in INSIDE] == views


def test_a_raw_is_called_like_the_jpeg_that_it_is_in_web_size(get, gallery):
    add_photo(gallery, "DSC_1.CR2", b"raw", media_type="image/x-canon-cr2")

    assert "DSC_1.jpg" in unpacked(get("download.zip?variant=web", of=gallery))


def test_a_file_has_the_time_at_which_it_was_taken_else_added(get, full):
    with zipfile.ZipFile(io.BytesIO(body_of(get(of=full)))) as archive:
        assert archive.getinfo("IMG_1.JPG").date_time == (2026, 6, 1, 12, 0, 0)
        assert archive.getinfo("img_1 (2).jpg").date_time == (2026, 6, 3, 12, 0, 0)


@pytest.mark.parametrize("sort", ["captured", "name", "added"])
def test_photos_come_in_the_order_of_the_gallery(get, full, sort):
    Gallery.objects.filter(pk=full.pk).update(sort=sort, version=full.version + 1)
    column = {"captured": "sort_at", "name": "name", "added": "added_at"}[sort]
    expected = [
        bytes(PHOTOS[name]) for name in Photo.objects.order_by(column, "id").values_list("name", flat=True)
    ]

    assert list(unpacked(get(of=full)).values())[2:5] == expected


@pytest.mark.parametrize("status", [PhotoStatus.STAGED, PhotoStatus.QUARANTINED])
def test_what_is_not_published_is_not_inside(get, full, status):
    add_photo(full, "hidden.jpg", b"hidden", status=status)

    assert "hidden.jpg" not in unpacked(get(of=full))


def test_an_empty_gallery_is_a_cover_sheet(get, gallery):
    assert list(unpacked(get(of=gallery))) == ["SHA256SUMS", "Cover sheet.html"]


def test_a_photo_can_not_take_the_place_of_the_cover_sheet(get, gallery):
    for name in ("cover sheet.HTML", "sha256sums", "contact-sheet", "/../up.jpg"):
        add_photo(gallery, name, name.encode(), media_type="application/x-unknown")

    names = list(unpacked(get(of=gallery)))
    assert len({name.casefold() for name in names}) == len(names)
    assert {"cover sheet (2).HTML", "sha256sums (2)", "contact-sheet (2)", "_.._up.jpg"} <= set(names)


# --- the cover sheet and the list


def test_the_cover_sheet_says_what_is_inside_and_shows_it(get, full):
    files = unpacked(get(of=full))
    sheet = files["Cover sheet.html"].decode()

    assert "<h1" in sheet
    assert "Sommer „26“: a/b" in sheet
    assert "3 photos" in sheet
    assert "2026-06-01" in sheet
    for name, photo in zip(INSIDE, Photo.objects.order_by("added_at"), strict=True):
        assert f"CRC-32 {photo.crc32}" in sheet
        assert f"{photo.size:,} bytes" in sheet
        assert name.replace('"', "&quot;") in sheet
    assert "3000 &times; 2000" in sheet
    linked = {
        unquote(part.partition('"')[0]) for kind in ("src", "href") for part in sheet.split(f'{kind}="')[1:]
    }
    assert linked == set(files) - {"SHA256SUMS", "Cover sheet.html"}


def test_nothing_that_a_person_wrote_is_a_tag(get, gallery):
    Gallery.objects.filter(pk=gallery.pk).update(title="<script>alert(1)</script>", version=9)
    add_photo(gallery, "'\"&<img src=x>#?%41.jpg", b"x")

    sheet = unpacked(get(of=gallery))["Cover sheet.html"].decode()
    assert "<script" not in sheet
    assert "<img src=x" not in sheet


@pytest.mark.parametrize("variant", ["original", "web"])
def test_sha256sum_accepts_the_list_on_what_was_unpacked(get, full, tmp_path, variant):
    with zipfile.ZipFile(io.BytesIO(body_of(get(f"download.zip?variant={variant}", of=full)))) as archive:
        archive.extractall(tmp_path)
        file_count = len(archive.namelist())

    ended = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count(": OK") == file_count - 1
    alone = get(f"sha256sums.txt?variant={variant}", of=full)
    assert alone.content == (tmp_path / "SHA256SUMS").read_bytes()
    assert alone.headers["Content-Disposition"] == 'attachment; filename="SHA256SUMS"'


# --- the same bytes, whole or in parts


def test_the_same_gallery_makes_the_same_bytes_in_every_process(get, full):
    from galleries.archive.asked import Remembered

    first = get(of=full)
    Remembered._archives.clear()
    second = get(of=full)

    assert first.headers["ETag"] == second.headers["ETag"]
    assert body_of(first) == body_of(second)


def test_head_says_all_and_sends_nothing(get, full):
    whole, head = get(of=full), get(method="HEAD", of=full, Range="bytes=0-1")

    assert (head.status_code, head.content) == (200, b"")
    said = ("Content-Length", "ETag", "Content-Type", "Accept-Ranges", "Content-Disposition")
    assert [head.headers[name] for name in said] == [whole.headers[name] for name in said]
    body_of(whole)


def test_the_headers_are_those_of_a_download(get, full):
    answer = get(of=full)
    body_of(answer)

    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"].startswith("private, no-transform")
    assert answer.headers["ETag"].startswith('"')
    named = "Sommer%20%E2%80%9E26%E2%80%9C_%20a_b.zip"
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"Sommer _26__ a_b.zip\"; filename*=UTF-8''{named}"
    )


def test_ranges_are_parts_of_the_whole(get, full):
    whole, dice = body_of(get(of=full)), random.Random(3)
    for _ in range(40):
        first = dice.randrange(len(whole))
        last = dice.randint(first, len(whole) - 1)
        answer = get(of=full, Range=f"bytes={first}-{last}")

        assert (answer.status_code, body_of(answer)) == (206, whole[first : last + 1])
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
        assert answer.headers["Content-Length"] == str(last - first + 1)


def test_ranges_at_the_edges(get, full):
    whole = body_of(get(of=full))
    size = len(whole)

    for wanted, status, part in (
        ("bytes=-100", 206, whole[-100:]), (f"bytes={size - 1}-", 206, whole[-1:]), ("bytes=0-", 200, whole),
        ("bytes=0-1,5-9", 200, whole), (f"bytes={size}-", 416, b""), ("bytes=-0", 416, b""), ("lines=1-2", 200, whole),
    ):  # fmt: skip
        answer = get(of=full, Range=wanted)
        assert (answer.status_code, body_of(answer)) == (status, part), wanted
    assert get(of=full, Range=f"bytes={size}-").headers["Content-Range"] == f"bytes */{size}"


def test_who_has_it_gets_nothing_again(get, full):
    etag = get(method="HEAD", of=full).headers["ETag"]

    answer = get(of=full, If_None_Match=etag)
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_resumption_after_a_change_begins_anew(get, full):
    etag = get(method="HEAD", of=full).headers["ETag"]
    same = get(of=full, Range="bytes=5-9", If_Range=etag)
    body_of(same)
    add_photo(full, "more.jpg", b"more")

    changed = get(of=full, Range="bytes=5-9", If_Range=etag)

    assert (same.status_code, changed.status_code) == (206, 200)
    assert changed.headers["ETag"] != etag
    assert "more.jpg" in unpacked(changed)


def test_a_part_of_a_named_archive_that_has_changed_is_refused(get, full):
    etag = get(method="HEAD", of=full).headers["ETag"].strip('"')
    address = f"download.zip?v={etag}"
    before = get(address, of=full, Range="bytes=5-9")
    body_of(before)
    Photo.objects.filter(name="img_1.jpg").update(status=PhotoStatus.DELETED, deleted_at=timezone.now())
    raise_version(full.pk)

    refused, whole = get(address, of=full, Range="bytes=5-9"), get(address, of=full)

    assert before.status_code == 206
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "archive_changed")
    assert (whole.status_code, whole.headers["ETag"] == f'"{etag}"') == (200, False)
    body_of(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Another"}, {"sort": "name"},
    ],
)  # fmt: skip
def test_whatever_changes_its_bytes_changes_its_etag(get, full, change):
    before = get(method="HEAD", of=full).headers["ETag"]
    Gallery.objects.filter(pk=full.pk).update(**change, version=full.version + 1)
    Photo.objects.filter(name="IMG_1.JPG").update(name="ZZZ.JPG")

    assert get(method="HEAD", of=full).headers["ETag"] != before


def test_another_time_alone_changes_its_etag(get, full):
    before = get(method="HEAD", of=full).headers["ETag"]
    Photo.objects.filter(name='Ünï "x".jpg').update(added_at=datetime(2026, 6, 2, 13, tzinfo=UTC))  # fmt: skip
    raise_version(full.pk)

    assert get(method="HEAD", of=full).headers["ETag"] != before


# --- a choice of photos


def chosen(api, gallery, photos, variant="original"):
    ids = [str(photo.pk) for photo in photos]
    return api.post(f"/galleries/{gallery.pk}/archives", {"photo_ids": ids, "variant": variant})


def test_chosen_photos_alone_are_inside(api, get, full):
    photos = list(Photo.objects.exclude(name="img_1.jpg"))

    answer = chosen(api, full, photos)

    assert answer.status == 201
    files = unpacked(get(answer.body["url"], of=full))
    assert sorted(name for name in files if name.lower().endswith(".jpg")) == sorted(INSIDE[:2])


def test_the_same_choice_is_the_same_address(api, full):
    photos = list(Photo.objects.all())

    first, second = chosen(api, full, photos), chosen(api, full, [*reversed(photos), photos[0]])

    assert first.body == second.body
    assert Selection.objects.count() == 1


def test_a_choice_in_web_size(api, get, full):
    photo = Photo.objects.get(name="img_1.jpg")

    files = unpacked(get(chosen(api, full, [photo], "web").body["url"], of=full))

    assert files["img_1.jpg"] == f"view of {photo.pk}".encode()


def test_without_photos_it_is_the_address_of_all(api, full):
    answer = api.post(f"/galleries/{full.pk}/archives", {"variant": "web"})

    assert answer.body == {"url": f"/galleries/{full.pk}/download.zip?variant=web"}


def test_what_was_chosen_and_is_gone_is_said_on_the_cover_sheet(api, get, full):
    url = chosen(api, full, Photo.objects.all()).body["url"]
    Photo.objects.filter(name="img_1.jpg").update(status=PhotoStatus.DELETED, deleted_at=timezone.now())
    raise_version(full.pk)

    assert (
        "1 of the chosen photos, no longer in the gallery"
        in unpacked(get(url, of=full))["Cover sheet.html"].decode()
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [({"photo_ids": []}, 422), ({"photo_ids": ["x"]}, 422), ({"photo_ids": ["0" * 32]}, 404),
     ({"variant": "raw"}, 422), ({"photo_ids": "all"}, 422), ({"photo_ids": [1]}, 422)],
)  # fmt: skip
def test_what_is_no_choice_is_refused(api, full, body, status):
    assert api.post(f"/galleries/{full.pk}/archives", body).status == status


def test_five_thousand_may_be_chosen_at_once(api, full):
    ids = [str(Photo.objects.first().pk), *(f"{number:032x}" for number in range(4_999))]

    assert api.post(f"/galleries/{full.pk}/archives", {"photo_ids": ids}).status == 201


def test_a_choice_of_another_gallery_is_not_found(api, get, full, owner):
    other = make_gallery(owner)
    url = chosen(api, full, Photo.objects.all()).body["url"].replace(str(full.pk), str(other.pk))

    assert get(url, of=other).status_code == 404
    assert get("download.zip?selection=x", of=full).status_code == 404


def test_choices_are_forgotten_in_time(api, full):
    chosen(api, full, Photo.objects.filter(name="img_1.jpg"))
    Selection.objects.update(chosen_at=timezone.now() - selections.KEPT_FOR - timedelta(seconds=1))
    chosen(api, full, Photo.objects.filter(name="IMG_1.JPG"))

    assert Selection.objects.count() == 1


# --- who may


PATHS = ["download.zip", "download.zip?variant=web", "sha256sums.txt"]


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_finds_nothing(client, stranger, full, path):
    assert asker(client, stranger)(path, of=full).status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_who_is_not_signed_in_is_told_so(client, full, path):
    program = client.get(f"/galleries/{full.pk}/{path}")
    person = client.get(f"/galleries/{full.pk}/{path}", headers={"Accept": "text/html,*/*"})

    assert (program.status_code, program.json()["error"]["code"]) == (401, "sign_in_required")
    assert (person.status_code, person.headers["Location"].partition("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize("path", PATHS)
def test_a_deleted_gallery_is_gone(get, api, full, path):
    api.delete(f"/galleries/{full.pk}")

    assert get(path, of=full).status_code == 410


def test_strangers_choose_nothing(stranger_api, anonymous_api, full):
    assert chosen(stranger_api, full, Photo.objects.all()).status == 404
    assert chosen(anonymous_api, full, Photo.objects.all()).status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_archives_are_only_read(get, full, method):
    assert get(method=method, of=full).status_code == 405


def test_an_unknown_variant_is_refused(get, full):
    assert get("download.zip?variant=raw", of=full).status_code == 422


def test_others_get_every_photo_without_its_place(get, get_as_guest, full):
    content = PHOTOS['Ünï "x".jpg']  # fmt: skip
    form = blanked(content, 0, from_rows(BLANKS))
    Photo.objects.filter(size=len(content)).update(
        blanks=BLANKS, blanked_crc32=crc_of(form), blanked_sha256=sha256_of(form)
    )
    raise_version(full.pk)

    guests, owners = get_as_guest(of=full), get(of=full)
    files = unpacked(guests)

    assert files[INSIDE[1]] == form != content
    assert f"{sha256_of(form)}  {INSIDE[1]}" in files["SHA256SUMS"].decode()
    assert f"CRC-32 {crc_of(form)}" in files["Cover sheet.html"].decode()
    assert unpacked(owners)[INSIDE[1]] == content
    assert guests.headers["ETag"] != owners.headers["ETag"]
    whole = body_of(get_as_guest(of=full))
    at = whole.index(form[600_000:700_004]) + 100_000
    assert body_of(get_as_guest(of=full, Range=f"bytes={at}-{at + 3}")) == b"    "


def test_where_the_gallery_keeps_places_others_get_the_very_bytes(get_as_guest, full):
    Photo.objects.update(blanks=BLANKS[:1], blanked_crc32="0" * 8)
    Gallery.objects.filter(pk=full.pk).update(keep_location=True, version=99)

    assert unpacked(get_as_guest(of=full))[INSIDE[0]] == PHOTOS["IMG_1.JPG"]


def test_where_nobody_can_be_certain_others_get_the_web_size(get_as_guest, gallery):
    photo = add_photo(gallery, "DSC_1.CR2", b"raw", media_type="image/x-canon-cr2", blanks=None)

    files = unpacked(get_as_guest(of=gallery))

    assert files["DSC_1.CR2.jpg"] == f"view of {photo.pk}".encode()
    assert b"raw" not in files.values()


def test_what_can_not_be_given_is_named_and_never_silently_left_out(get_as_guest, full):
    Photo.objects.filter(name="img_1.jpg").update(blanks=None)
    Rendition.objects.filter(photo__name="img_1.jpg", name="view").delete()
    raise_version(full.pk)

    files = unpacked(get_as_guest(of=full))

    assert len([name for name in files if name.lower().endswith(".jpg")]) == 2
    assert "img_1.jpg: its web size is not made yet" in files["Cover sheet.html"].decode()


# --- how many at once


def test_one_person_has_so_many_at_once(get, full, settings):
    settings.ARCHIVES_AT_ONCE = 2
    under_way = [get(of=full) for _ in range(2)]

    refused = get(of=full)

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) > 0
    assert get(method="HEAD", of=full).status_code == 200
    body_of(under_way[0])
    assert body_of(get(of=full))
    assert len(under_way) == 2


def test_others_have_places_of_their_own(get, full, settings, client):
    settings.ARCHIVES_AT_ONCE = 1
    other = make_user("other")
    theirs = make_gallery(other)
    get(of=full)

    assert get(of=full).status_code == 429
    assert asker(client, other)(of=theirs).status_code == 200


def test_a_place_that_nobody_keeps_is_free_again(monkeypatch, full, settings, get):
    settings.ARCHIVES_AT_ONCE = 1
    monkeypatch.setattr(seats, "LIFE_S", 0.05)
    get(of=full)

    for _ in range(200):
        if (answer := get(of=full)).status_code == 200:
            break
    assert answer.status_code == 200


def test_a_place_is_kept_and_left_by_who_has_it(settings):
    settings.ARCHIVES_AT_ONCE = 1
    seat = seats.take("user:1")
    seats.keep(seat)
    cache.delete(seat.key)  # all that Redis knew is lost
    seats.keep(seat)
    assert cache.get(seat.key) == seat.token

    cache.set(seat.key, "somebody else", 20)
    seats.leave(seat)
    assert cache.get(seat.key) == "somebody else"
