"""Who of staff sees and does what: every page and every action, for everybody."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, User, issue_token
from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from tests.admin.conftest import MODELS, Desk
from tests.admin.rows import person, photo_in, publication_of, upload_in
from uploads.models import Discard, Publication, Upload, UploadEvent, WorkerHeartbeat
from uploads.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES = ["anonymous", "a user", "staff without rights", "may view", "may change", "superuser"]
MAY_SEE = {"may view", "may change", "superuser"}
MAY_MEND = {"may change", "superuser"}


def in_role(role: str, model: str) -> User | None:
    match role:
        case "anonymous":
            return None
        case "a user":
            return person("una")
        case "staff without rights":
            return person("nora", is_staff=True)
        case "may view":
            return person("vera", MODELS[model].format("view"), is_staff=True)
        case "may change":
            rights = [MODELS[model].format(verb) for verb in ("view", "change", "delete")]
            return person("mia", *rights, is_staff=True)
        case _:
            return User.objects.create_superuser("chief", "chief@example.org", "x")


@pytest.fixture
def rows(gallery: Gallery) -> dict[str, Any]:
    """One of each."""
    photo = photo_in(gallery)
    issue_token(gallery.owner)
    return {
        "accounts_user": gallery.owner,
        "accounts_apitoken": ApiToken.objects.get(),
        "galleries_gallery": gallery,
        "galleries_photo": photo,
        "galleries_rendition": Rendition.objects.filter(photo=photo).first(),
        "uploads_upload": Upload.objects.get(pk=photo.upload_id),
        "uploads_uploadevent": UploadEvent.objects.first(),
        "uploads_publication": publication_of(Upload.objects.get(pk=photo.upload_id)),
        "uploads_discard": Discard.objects.create(store="local", key=photo.key, not_before=timezone.now()),
        "uploads_workerheartbeat": WorkerHeartbeat.objects.create(
            name="w", concurrency=2, seen_at=timezone.now()
        ),
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", MODELS)
def test_lists_and_pages_open_for_who_may_view_that_model_alone(model, role, rows, desk_of) -> None:
    desk = desk_of(in_role(role, model))

    answers = [desk.list_page(model), desk.page(model, rows[model].pk)]

    signed_in_as_staff = role not in {"anonymous", "a user"}
    expected = 200 if role in MAY_SEE else 403 if signed_in_as_staff else 302
    assert [answer.status_code for answer in answers] == [expected, expected]


@pytest.mark.parametrize("model", [model for model in MODELS if model != "accounts_user"])
def test_nothing_is_added_or_erased_by_hand_not_even_by_a_superuser(model, rows, chief) -> None:
    add = chief.client.get(reverse(f"admin:{model}_add"))
    erase = chief.client.post(reverse(f"admin:{model}_delete", args=[rows[model].pk]), {"post": "yes"})
    bulk = chief.act(model, "delete_selected", rows[model], post="yes")

    assert (add.status_code, erase.status_code) == (403, 403)
    assert type(rows[model]).objects.filter(pk=rows[model].pk).exists()
    assert "delete_selected" not in bulk.content.decode()


@pytest.mark.parametrize(
    "model", [model for model in MODELS if model not in {"accounts_user", "galleries_gallery"}]
)
def test_no_column_is_written_by_hand(model, rows, chief) -> None:
    before = type(rows[model]).objects.filter(pk=rows[model].pk).values().get()
    forged = dict.fromkeys(before, "0")

    answer = chief.client.post(reverse(f"admin:{model}_change", args=[rows[model].pk]), forged)

    assert answer.status_code == 403
    assert type(rows[model]).objects.filter(pk=rows[model].pk).values().get() == before


def failed(gallery: Gallery) -> Upload:
    return upload_in(gallery, State.FAILED, code="gave_up")


def left_behind(gallery: Gallery) -> Upload:
    return upload_in(gallery, State.UPLOADED, try_after=timezone.now() + timedelta(minutes=5))


def overdue(_gallery: Gallery) -> Discard:
    return Discard.objects.create(
        store="local", key="originals/00/00000000-0000-0000-0000-000000000000/1", not_before=timezone.now()
    )


def token(gallery: Gallery) -> ApiToken:
    issue_token(gallery.owner)
    return ApiToken.objects.get()


ACTIONS: dict[tuple[str, str], tuple[Callable[[Gallery], Any], Callable[[Any], bool]]] = {
    ("uploads_upload", "retry"): (failed, lambda row: Upload.objects.get(pk=row.pk).state == "uploaded"),
    ("uploads_upload", "requeue"): (
        left_behind,
        lambda row: Upload.objects.get(pk=row.pk).try_after <= timezone.now(),
    ),
    ("uploads_upload", "cancel"): (failed, lambda row: Upload.objects.get(pk=row.pk).state == "cancelled"),
    ("uploads_publication", "retry"): (
        lambda gallery: publication_of(failed(gallery), state="all_failed"),
        lambda row: Publication.objects.get(pk=row.pk).state == "in_progress",
    ),
    ("uploads_discard", "throw_away_now"): (
        overdue,
        lambda row: not Discard.objects.filter(pk=row.pk).exists(),
    ),
    ("galleries_photo", "delete"): (photo_in, lambda row: Photo.objects.get(pk=row.pk).status == "deleted"),
    ("galleries_photo", "restore"): (
        lambda gallery: photo_in(gallery, PhotoStatus.DELETED),
        lambda row: Photo.objects.get(pk=row.pk).status == "ready",
    ),
    ("galleries_gallery", "delete"): (
        lambda gallery: gallery,
        lambda row: Gallery.objects.get(pk=row.pk).deleted_at is not None,
    ),
    ("accounts_apitoken", "revoke"): (
        token,
        lambda row: ApiToken.objects.get(pk=row.pk).revoked_at is not None,
    ),
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("model", "action"), ACTIONS)
def test_an_action_works_for_who_may_change_that_model_alone(model, action, role, gallery, desk_of) -> None:
    make, is_done = ACTIONS[model, action]
    row = make(gallery)
    desk = desk_of(in_role(role, model))

    desk.act(model, action, row)

    assert is_done(row) is (role in MAY_MEND)


@pytest.mark.parametrize(
    ("model", "action"), [("galleries_photo", "delete"), ("galleries_gallery", "delete")]
)
def test_deleting_takes_the_right_to_delete_and_not_the_one_to_change(
    model, action, gallery, desk_of
) -> None:
    make, is_done = ACTIONS[model, action]
    row = make(gallery)
    rights = [MODELS[model].format(verb) for verb in ("view", "change")]
    desk = desk_of(person("mia", *rights, is_staff=True))

    desk.act(model, action, row)

    assert not is_done(row)


@pytest.mark.parametrize(("model", "action"), [("uploads_upload", "cancel"), ("galleries_photo", "delete")])
def test_what_cannot_be_taken_back_is_asked_first(model, action, gallery, chief) -> None:
    make, is_done = ACTIONS[model, action]
    row = make(gallery)

    page = chief.act(model, action, row, confirmed="")

    assert not is_done(row)
    assert 'name="confirmed" value="yes"' in page.content.decode()


def test_staff_without_rights_reach_no_picture(gallery, desk_of) -> None:
    photo = photo_in(gallery)
    address = reverse("admin:galleries_photo_thumbnail", args=[photo.pk])
    answers = {
        role: desk_of(in_role(role, "galleries_photo")).client.get(address).status_code for role in ROLES
    }

    assert answers == {
        "anonymous": 302, "a user": 302, "staff without rights": 403, "may view": 200, "may change": 200,
        "superuser": 200,
    }  # fmt: skip


def test_staff_who_may_see_uploads_but_not_photos_see_no_picture_among_uploads(gallery, desk_of) -> None:
    photo = photo_in(gallery)
    desk = desk_of(person("vera", "uploads.view_upload", is_staff=True))

    page = desk.page("uploads_upload", photo.upload_id).content.decode()

    assert page.count("IMG_")
    assert "thumbnail" not in page


def test_staff_give_themselves_no_rights(owner, desk_of) -> None:
    mia = person("mia", "accounts.view_user", "accounts.change_user", is_staff=True)
    desk = desk_of(mia)
    body = {
        "username": "mia", "email": "", "is_active": "on", "is_staff": "on", "is_superuser": "on",
        "first_name": "", "last_name": "",
    }  # fmt: skip

    desk.client.post(reverse("admin:accounts_user_change", args=[mia.pk]), body)

    assert not User.objects.get(pk=mia.pk).is_superuser


@pytest.mark.parametrize(
    "page", ["accounts_user_change", "auth_user_password_change", "accounts_user_delete"]
)
def test_staff_cannot_take_over_a_superuser(page, desk_of) -> None:
    chief = User.objects.create_superuser("chief", "chief@example.org", "x")
    rights = [f"accounts.{verb}_user" for verb in ("view", "change", "delete")]
    desk = desk_of(person("mia", *rights, is_staff=True))
    body = {
        "password1": "another long word",
        "password2": "another long word",
        "post": "yes",
        "username": "x",
    }

    answer = desk.client.post(reverse(f"admin:{page}", args=[chief.pk]), body)

    assert answer.status_code == 403
    chief.refresh_from_db()
    assert chief.username == "chief"
    assert chief.check_password("x")


def test_a_token_never_shows_its_digest(gallery, chief) -> None:
    row = token(gallery)

    pages = chief.list_page("accounts_apitoken").content + chief.page("accounts_apitoken", row.pk).content

    assert row.digest.encode() not in pages


def test_the_store_s_session_of_an_upload_is_not_shown(gallery, chief) -> None:
    upload = upload_in(gallery, State.SIGNED, session="a-session-of-the-store", lane="multipart")

    pages = chief.list_page("uploads_upload").content + chief.page("uploads_upload", upload.pk).content

    assert b"a-session-of-the-store" not in pages


def test_only_known_desks_are_here(chief: Desk) -> None:
    """A model that joins the product shows up here: it needs a row of this table first."""
    from django.contrib import admin

    ours = {
        f"{model._meta.app_label}_{model._meta.model_name}"
        for model in admin.site._registry
        if model._meta.app_label in {"accounts", "galleries", "uploads"}
    }

    assert ours == set(MODELS)
