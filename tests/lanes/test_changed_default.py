"""The default store has changed: what was sent before stays where it is, readable, deletable and swept there."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from galleries.models import Photo
from galleries.objects.base import store_named
from tests.builders import MIB, crc_of, file_out, jpeg
from uploads.janitor import orphans
from uploads.lanes.base import lanes_of
from uploads.limits import UPLOAD_LIFE
from uploads.models import Discard, Upload
from uploads.sealing import unseal
from uploads.states import State
from uploads.sweep import sweep
from uploads.verify import claim_next, verify

pytestmark = [pytest.mark.django_db, pytest.mark.services]

CONTENT = jpeg(3, width=320, height=240)


@pytest.fixture(params=["gcs", "moto"])
def before(request, settings):
    """The store that was the default when the photos came."""
    stage = request.getfixturevalue(f"{request.param}_stage")
    settings.PHOTO_STORE = stage.store.name
    return stage


@pytest.fixture
def change_default(settings):
    def change():
        settings.PHOTO_STORE = "local"

    return change


def sent(before, api, gallery, content=CONTENT):
    """Declared and sent, not yet told."""
    [row] = api.batch(gallery, file_out(size=len(content), crc32=crc_of(content)))
    request = row["transfer"]["request"]
    answer = before.ask(request["method"], request["url"], content, request["headers"])
    assert answer.is_ok, answer
    return row


def work(developer):
    while upload := claim_next():
        verify(upload, developer)


def published(before, api, gallery, developer):
    row = sent(before, api, gallery)
    api.complete({"id": row["id"]})
    work(developer)
    return Photo.objects.get(upload_id=row["id"])


def long_ago():
    return timezone.now() - UPLOAD_LIFE - timedelta(minutes=1)


def keys_in(store):
    return [each.key for prefix in ("originals/", "renditions/") for each in store.list(prefix)]


def test_photos_and_uploads_name_the_store_they_were_sent_to(before, api, gallery, developer, change_default):
    photo = published(before, api, gallery, developer)
    change_default()
    [later] = api.batch(gallery, file_out())

    assert photo.store == Upload.objects.get(pk=photo.upload_id).store == before.store.name
    assert Upload.objects.get(pk=later["id"]).store == "local"
    assert later["transfer"]["request"]["url"].startswith("/-/objects/")


def test_an_older_photo_is_read_where_it_is(before, api, gallery, developer, change_default):
    photo = published(before, api, gallery, developer)
    change_default()
    [shown] = api.get(f"/galleries/{gallery.pk}/photos").photos

    for url in (shown["original_url"], *(each["url"] for each in shown["renditions"])):
        answer = api.client.get(url, headers=api.headers)
        assert answer.status_code == 302
        assert answer["Location"].startswith(before.site)
        assert before.ask("GET", answer["Location"], None, {}).status == 200
    original = api.client.get(shown["original_url"], headers=api.headers)
    assert before.ask("GET", original["Location"], None, {}).body == CONTENT
    assert photo.renditions.count() == len(shown["renditions"])


def test_a_file_on_its_way_goes_on_to_the_store_it_was_declared_for(
    before, api, gallery, developer, change_default
):
    [row] = api.batch(gallery, file_out(size=len(CONTENT), crc32=crc_of(CONTENT)))
    change_default()

    [again] = api.sign({"id": row["id"], "after_failure": True})
    request = again["transfer"]["request"]
    assert before.ask(request["method"], request["url"], CONTENT, request["headers"]).is_ok
    api.complete({"id": row["id"]})
    work(developer)

    photo = Photo.objects.get(upload_id=row["id"])
    assert b"".join(before.store.read(photo.key)) == CONTENT
    assert keys_in(store_named("local")) == []


def test_a_file_that_was_sent_and_never_told_is_adopted_where_it_lies(before, api, gallery, change_default):
    row = sent(before, api, gallery)
    Upload.objects.filter(pk=row["id"]).update(url_expires_at=timezone.now() - timedelta(hours=2))
    change_default()

    sweep()

    assert Upload.objects.get(pk=row["id"]).state == State.UPLOADED


def test_a_deleted_photo_loses_its_objects_where_they_lie(before, api, gallery, developer, change_default):
    photo = published(before, api, gallery, developer)
    assert len(keys_in(before.store)) == 3
    change_default()

    api.post("/photos/delete", {"ids": [str(photo.pk)]})
    Photo.objects.filter(pk=photo.pk).update(deleted_at=timezone.now() - timedelta(hours=25))
    sweep()

    assert not Photo.objects.filter(pk=photo.pk).exists()
    assert keys_in(before.store) == []


def test_a_cancelled_upload_is_cleared_away_where_it_lies(before, api, gallery, change_default):
    row = sent(before, api, gallery)
    change_default()

    api.cancel(row["id"])
    Discard.objects.update(not_before=long_ago())
    sweep()

    assert keys_in(before.store) == []
    assert not Discard.objects.exists()


def test_an_open_session_of_a_file_nobody_sends_any_more_ends_where_it_is(
    before, api, gallery, change_default
):
    size = 9 * MIB
    [row] = api.batch(gallery, file_out(size=size))
    upload = Upload.objects.get(pk=row["id"])
    lanes = lanes_of(before.store.name)
    assert upload.session or upload.sealed_session
    change_default()
    Upload.objects.update(active_at=long_ago(), url_expires_at=long_ago())

    sweep()
    Discard.objects.update(not_before=long_ago())
    sweep()

    assert Upload.objects.get(pk=row["id"]).state == State.EXPIRED
    assert list(lanes.list_sessions("originals/")) == []
    if upload.sealed_session:
        answer = before.ask("PUT", unseal(upload.sealed_session), b"", {"content-range": f"bytes */{size}"})
        assert answer.status == 499
    assert not Discard.objects.exists()


def test_an_orphan_that_no_row_names_is_found_in_a_store_that_is_no_longer_the_default(
    before, api, gallery, change_default
):
    row = sent(before, api, gallery)
    Upload.objects.filter(pk=row["id"]).update(
        state=State.CANCELLED, ended_at=long_ago(), url_expires_at=long_ago(), session="", sealed_session=""
    )
    change_default()
    folder = Upload.objects.get(pk=row["id"]).key[: len("originals/00/")]
    for deed in orphans.objects(timezone.now() + timedelta(days=1), [folder]):
        deed.act()

    assert keys_in(before.store) == []


def test_the_invariants_are_looked_at_in_every_store(before, api, gallery, developer, change_default):
    photo = published(before, api, gallery, developer)
    change_default()
    call_command("verify_invariants", "--json", stdout=StringIO())
    before.store.delete([photo.key])
    said = StringIO()

    with pytest.raises(SystemExit):
        call_command("verify_invariants", "--json", stdout=said)

    assert photo.key in said.getvalue()
