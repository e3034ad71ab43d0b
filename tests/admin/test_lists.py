"""What the lists show, and that they ask the same number of questions at ten rows and at ten thousand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, User
from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from tests.admin.conftest import MODELS, Desk
from tests.admin.rows import bare_upload, gallery_of, photo_in, publication_of, upload_in
from tests.builders import report_bytes
from uploads import ledger
from uploads.models import Discard, Publication, Upload, UploadEvent, WorkerHeartbeat
from uploads.states import State

MANY = 10_000


def fill(count: int) -> None:
    """So many rows of every model, no two of which share what their lists show of others."""
    now = timezone.now()
    people = User.objects.bulk_create([User(username=uuid4().hex) for _ in range(count)])
    ApiToken.objects.bulk_create([ApiToken(user=each, digest=uuid4().hex) for each in people])
    galleries = Gallery.objects.bulk_create([Gallery(owner=each, title=each.username) for each in people])
    photos = Photo.objects.bulk_create([bare_photo(each) for each in galleries])
    Rendition.objects.bulk_create(
        [Rendition(photo=each, name="grid", recipe="0", width=1, height=1, size=1) for each in photos]
    )
    uploads = Upload.objects.bulk_create([bare_upload(each, state=State.SIGNED) for each in galleries])
    UploadEvent.objects.bulk_create(
        [UploadEvent(upload=each, at=now, event="register", target="signed", attempt=1) for each in uploads]
    )
    Publication.objects.bulk_create(
        [
            Publication(gallery=each, actor="user", idempotency_key="once", created_at=now)
            for each in galleries
        ]
    )
    Discard.objects.bulk_create([Discard(store="local", key=each.key, not_before=now) for each in uploads])
    WorkerHeartbeat.objects.bulk_create(
        [WorkerHeartbeat(name=each.username, concurrency=1, seen_at=now) for each in people]
    )


def bare_photo(gallery: Gallery) -> Photo:
    return Photo(
        gallery=gallery, upload_id=uuid4(), name="a.jpg", status="ready", size=1, crc32="0", sha256="0",
        media_type="image/jpeg", width=1, height=1, store="local", key=f"k/{uuid4()}", sort_at=timezone.now(),
        added_at=timezone.now(),
    )  # fmt: skip


def questions(chief: Desk) -> dict[str, int]:
    """Statements for a page of each list."""
    counts = {}
    for model in MODELS:
        with CaptureQueriesContext(connection) as asked:
            assert chief.list_page(model).status_code == 200
        counts[model] = len(asked)
    return counts


@pytest.mark.slow
def test_lists_of_ten_thousand_ask_as_often_as_lists_of_ten(chief) -> None:
    fill(10)
    few = questions(chief)
    fill(MANY - 10)

    many = questions(chief)

    assert many == few
    assert max(many.values()) <= 12


@pytest.mark.parametrize("model", MODELS)
def test_a_list_can_be_searched(model, chief, gallery) -> None:
    photo_in(gallery)

    assert chief.list_page(model, q="IMG olga").status_code == 200


def test_progress_of_a_whole_page_takes_one_trip_to_redis(chief, owner, monkeypatch) -> None:
    galleries = [gallery_of(owner, str(number)) for number in range(5)]
    uploads = [upload_in(gallery, State.SIGNED, size=1_000_000) for gallery in galleries for _ in range(4)]
    for upload in uploads:
        report_bytes(upload, 250_000)
    trips = count_trips(monkeypatch)

    page = chief.list_page("uploads_upload").content.decode()

    assert len(trips) == 1
    assert (
        page.count("250\N{NO-BREAK SPACE}KB of 1.0\N{NO-BREAK SPACE}MB") == 2 * 20
    )  # in words, and as the name of the bar
    assert page.count('value="250000"') == 20


def test_the_list_of_galleries_says_how_many_photos_wait_to_be_published(chief, owner) -> None:
    gallery = gallery_of(owner)
    photo_in(gallery, status=PhotoStatus.STAGED)

    page = chief.list_page("galleries_gallery").content.decode()
    later = chief.client.get(reverse("admin:galleries_gallery_progress"), {"id": gallery.pk}).json()

    assert page.count("1 waits to be published") == 1
    assert "1 waits to be published" in later[str(gallery.pk)]["html"]


def test_the_columns_beside_the_progress_are_told_as_the_list_says_them(chief, owner) -> None:
    gallery = gallery_of(owner)
    photo_in(gallery)
    Gallery.objects.filter(pk=gallery.pk).update(photo_count=1_234, byte_count=36_400_000)

    page = chief.list_page("galleries_gallery").content.decode()
    later = chief.client.get(reverse("admin:galleries_gallery_progress"), {"id": gallery.pk}).json()
    columns = later[str(gallery.pk)]["columns"]

    assert columns["bytes_kept"] == "36\N{NO-BREAK SPACE}MB"
    for name, words in columns.items():
        assert f'class="field-{name}">{words}</td>' in page


def test_the_list_of_galleries_takes_one_trip_to_redis(chief, owner, monkeypatch) -> None:
    for number in range(5):
        upload = upload_in(gallery_of(owner, str(number)), State.SIGNED, size=1_000_000)
        report_bytes(upload, 500_000)
    trips = count_trips(monkeypatch)

    page = chief.list_page("galleries_gallery").content.decode()

    assert len(trips) == 1
    assert page.count("receiving") == 5
    assert page.count('value="500000"') == 5


def count_trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts what leaves the socket: a pipeline is one packet, a command another."""
    from redis.connection import AbstractConnection

    trips: list[str] = []
    send = AbstractConnection.send_packed_command

    def counted(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        trips.append("sent")
        return send(self, command, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    return trips


def test_lists_open_while_redis_is_away(chief, gallery, settings) -> None:
    upload_in(gallery, State.SIGNED)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    ledger.client.cache_clear()
    try:
        answers = [chief.list_page("uploads_upload"), chief.list_page("galleries_gallery")]
    finally:
        ledger.client.cache_clear()

    assert [answer.status_code for answer in answers] == [200, 200]


def test_what_has_arrived_is_shown_whole_without_the_ledger(chief, gallery) -> None:
    upload_in(gallery, State.UPLOADED, size=5_000_000)

    assert (
        "5.0\N{NO-BREAK SPACE}MB of 5.0\N{NO-BREAK SPACE}MB"
        in chief.list_page("uploads_upload").content.decode()
    )


def test_an_error_is_told_by_its_code_and_its_sentence(chief, gallery) -> None:
    upload_in(gallery, State.FAILED, code="not_an_image")

    page = chief.list_page("uploads_upload").content.decode()

    assert "<code>not_an_image</code> The file is not a photo." in page


def test_a_name_is_text_wherever_it_is_shown(chief, gallery) -> None:
    upload = upload_in(gallery, State.SIGNED, name="<script>alert(1)</script>.jpg")
    Gallery.objects.update(title="<b>bold</b>")

    pages = [
        chief.list_page("uploads_upload"), chief.page("uploads_upload", upload.pk),
        chief.list_page("galleries_gallery"), chief.list_page("uploads_uploadevent"),
    ]  # fmt: skip

    assert all(b"<script>alert" not in page.content and b"<b>bold" not in page.content for page in pages)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state__exact": "failed"}, {"bad"}),
        ({"error": "gave_up"}, {"bad"}),
        ({"stuck": "waiting"}, {"old"}),
        ({"stuck": "lease_lost"}, {"lost"}),
        ({"stuck": "silent"}, {"silent"}),
        ({"lane": "multipart"}, {"silent"}),
        ({"stuck": "nonsense"}, {"bad", "old", "lost", "silent"}),
    ],
)
def test_uploads_are_found_by_what_is_wrong_with_them(filters, expected, chief, gallery) -> None:
    now = timezone.now()
    upload_in(gallery, State.FAILED, name="bad")
    upload_in(gallery, State.UPLOADED, name="old", try_after=now - timedelta(hours=1))
    upload_in(gallery, State.VERIFYING, name="lost", lease_until=now - timedelta(minutes=1))
    upload_in(gallery, State.SIGNED, name="silent", active_at=now - timedelta(days=2), lane="multipart")

    page = chief.list_page("uploads_upload", **filters)

    assert {upload.name for upload in page.context["cl"].result_list} == expected


def test_the_page_of_a_publication_tells_how_far_it_is_and_leads_to_its_uploads(chief, gallery) -> None:
    photo, bad = photo_in(gallery), upload_in(gallery, State.FAILED)
    upload_in(gallery, State.SIGNED)
    publication = publication_of(Upload.objects.get(pk=photo.upload_id), bad, state="some_failed")

    page = chief.page("uploads_publication", publication.pk).content.decode()
    followed = chief.list_page("uploads_upload", publications__id__exact=publication.pk)

    assert "1 of 2 published, 1 failed" in page
    assert {upload.pk for upload in followed.context["cl"].result_list} == {photo.upload_id, bad.pk}


def test_photos_are_found_by_what_is_wrong_with_their_smaller_pictures(chief, gallery) -> None:
    photos = {name: photo_in(gallery) for name in ("whole", "degraded", "stale")}
    Rendition.objects.filter(photo=photos["degraded"], name="grid").delete()
    Rendition.objects.filter(photo=photos["stale"], name="grid").update(recipe="0123456789ab")

    found = {
        word: [
            photo.pk
            for photo in chief.list_page("galleries_photo", renditions=word).context["cl"].result_list
        ]
        for word in ("degraded", "stale")
    }

    assert found == {word: [photos[word].pk] for word in found}


def test_the_page_of_an_upload_tells_its_history(chief, gallery) -> None:
    upload = upload_in(gallery, State.FAILED)

    page = chief.page("uploads_upload", upload.pk).content.decode()

    assert [
        page.count(f"<p>{event}</p>") > 0 for event in ("register", "sign", "stored", "claim", "fail")
    ] == [True] * 5


def test_pages_lead_to_each_other(chief, gallery) -> None:
    photo = photo_in(gallery)
    links = {
        "uploads_upload": (photo.upload_id, [photo.pk, gallery.pk, gallery.owner_id]),
        "galleries_photo": (photo.pk, [photo.upload_id, gallery.pk]),
        "galleries_gallery": (gallery.pk, [gallery.owner_id]),
    }

    for model, (pk, targets) in links.items():
        page = chief.page(model, pk).content.decode()
        assert all(f"/{target}/change/" in page for target in targets), model
