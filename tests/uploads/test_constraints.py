"""What the database itself refuses, whatever the code does: each constraint, on rows written past the product."""

import uuid

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models
from django.utils import timezone

from accounts.models import ApiToken
from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from tests.builders import make_gallery, make_photo, make_upload
from uploads.models import Publication, PublicationState, Sidecar, Upload
from uploads.states import State

pytestmark = pytest.mark.django_db
APPS = ("accounts", "galleries", "uploads")


def first_upload(gallery) -> Upload:
    return make_upload(gallery, State.SIGNED)


def publication(gallery, **columns) -> Publication:
    given = {"actor": "user:1", "idempotency_key": uuid.uuid4().hex, "created_at": timezone.now()}
    return Publication.objects.create(gallery=gallery, **{**given, **columns})


def same_client_id(gallery) -> None:
    make_upload(gallery, client_id=first_upload(gallery).client_id)


def unknown_upload_state(gallery) -> None:
    Upload.objects.filter(pk=first_upload(gallery).pk).update(state="uploading")


def failure_without_code(gallery) -> None:
    Upload.objects.filter(pk=first_upload(gallery).pk).update(state=State.FAILED, error_code="")


def verification_without_lease(gallery) -> None:
    Upload.objects.filter(pk=first_upload(gallery).pk).update(state=State.VERIFYING, lease_token=None)


def same_publication_key(gallery) -> None:
    publication(gallery, idempotency_key=publication(gallery).idempotency_key)


def unknown_publication_state(gallery) -> None:
    publication(gallery, state="half")


def same_gallery_key(gallery) -> None:
    for _ in range(2):
        make_gallery(gallery.owner, idempotency_key="k")


def unknown_sort(gallery) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(sort="size")


def pixels_out_of_order(gallery) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(min_pixels=2, max_pixels=1)


def same_live_bytes(gallery) -> None:
    photo = make_photo(gallery)
    make_photo(gallery, size=photo.size, crc32=photo.crc32)


def two_photos_of_one_upload(gallery) -> None:
    upload = make_upload(gallery, State.VERIFIED)
    for _ in range(2):
        make_photo(gallery, upload=upload, is_wanted_copy=True)


def unknown_photo_status(gallery) -> None:
    Photo.objects.filter(pk=make_photo(gallery).pk).update(status="hidden")


def deleted_at_no_time(gallery) -> None:
    Photo.objects.filter(pk=make_photo(gallery).pk).update(status=PhotoStatus.DELETED, deleted_at=None)


def same_rendition_name(gallery) -> None:
    photo = make_photo(gallery)
    rendition = photo.renditions.first()
    rendition.pk = None
    rendition.save(force_insert=True)


def same_token(gallery) -> None:
    for _ in range(2):
        ApiToken.objects.create(user=gallery.owner, digest="0" * 64)


def same_sidecar_name(gallery) -> None:
    upload = first_upload(gallery)
    for _ in range(2):
        Sidecar.objects.create(upload=upload, name="a.xmp", size=1, content=b"x")


BREACHES = {
    "upload_once_per_client_id": same_client_id,
    "upload_state_is_known": unknown_upload_state,
    "upload_failed_has_a_code": failure_without_code,
    "upload_verifying_is_leased": verification_without_lease,
    "publication_once_per_key": same_publication_key,
    "publication_state_is_known": unknown_publication_state,
    "gallery_once_per_key": same_gallery_key,
    "gallery_sort_is_known": unknown_sort,
    "gallery_pixels_in_order": pixels_out_of_order,
    "photo_bytes_once_per_gallery": same_live_bytes,
    "photo_once_per_upload": two_photos_of_one_upload,
    "photo_status_is_known": unknown_photo_status,
    "photo_deleted_has_a_time": deleted_at_no_time,
    "rendition_once_per_name": same_rendition_name,
    "sidecar_once_per_name": same_sidecar_name,
}


def constraints() -> dict[str, tuple[type[models.Model], models.BaseConstraint]]:
    ours = [model for model in apps.get_models() if model._meta.app_label in APPS]
    return {each.name: (model, each) for model in ours for each in model._meta.constraints}


def test_every_constraint_has_its_breach():
    assert set(BREACHES) == set(constraints())


@pytest.mark.parametrize("name", sorted(BREACHES))
def test_the_database_refuses_what_must_never_be(gallery, name):
    with pytest.raises(IntegrityError) as refused:
        BREACHES[name](gallery)

    model, constraint = constraints()[name]
    said = str(refused.value)
    # SQLite names the columns of an index, not the index.
    if connection.vendor == "sqlite" and isinstance(constraint, models.UniqueConstraint):
        column = model._meta.get_field(constraint.fields[-1]).column
        assert f"{model._meta.db_table}.{column}" in said or name in said
    else:
        assert name in said


def test_a_token_is_nobody_elses(gallery):
    with pytest.raises(IntegrityError):
        same_token(gallery)


@pytest.mark.parametrize("state", [*State])
def test_every_state_that_is_known_is_taken(gallery, state):
    assert make_upload(gallery, state).state == state


@pytest.mark.parametrize("state", PublicationState.values)
def test_every_state_of_a_publication_is_taken(gallery, state):
    assert publication(gallery, state=state).state == state


def test_a_deleted_photo_makes_room_for_the_same_bytes_and_for_another_of_its_upload(gallery):
    photo = make_photo(gallery)
    Photo.objects.filter(pk=photo.pk).update(status=PhotoStatus.DELETED, deleted_at=timezone.now())

    upload = Upload.objects.get(pk=photo.upload_id)
    again = make_photo(gallery, size=photo.size, crc32=photo.crc32, upload=upload)

    assert again.pk != photo.pk


def test_the_same_bytes_may_be_there_twice_where_somebody_asked_for_it(gallery):
    photo = make_photo(gallery)

    make_photo(gallery, size=photo.size, crc32=photo.crc32, is_wanted_copy=True)

    assert Photo.objects.live().filter(crc32=photo.crc32).count() == 2


def test_galleries_without_a_key_are_any_number(gallery):
    assert make_gallery(gallery.owner).idempotency_key == make_gallery(gallery.owner).idempotency_key == ""


def test_a_row_that_others_name_is_not_deleted(gallery):
    make_upload(gallery)

    with pytest.raises(models.ProtectedError):
        gallery.delete()
    with pytest.raises(models.ProtectedError):
        gallery.owner.delete()


def test_renditions_go_with_their_photo_and_history_with_its_upload(gallery):
    photo = make_photo(gallery)

    photo.delete()

    assert not Rendition.objects.exists()
