"""Whatever lets its holder send, read or sign in is on no page of the admin, and no search finds it."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, issue_token
from tests.builders import make_upload
from uploads.models import Discard
from uploads.sealing import seal
from uploads.states import State

pytestmark = pytest.mark.django_db
APPS = {"accounts", "galleries", "uploads"}
SESSION = "s3-session-0123456789abcdef"
SESSION_URI = "https://storage.example/upload?upload_id=0123456789abcdef"
PASSWORD = "a password of somebody"


@pytest.fixture
def secrets(gallery, owner) -> set[str]:
    """Rows with one of each; what of them must not be shown."""
    sealed = seal(SESSION_URI)
    make_upload(gallery, State.SIGNED, session=SESSION, sealed_session=sealed, lane="resumable")
    Discard.objects.create(
        store="local", key="originals/x", session=SESSION, sealed_session=sealed, not_before=timezone.now()
    )
    token = issue_token(owner)
    owner.set_password(PASSWORD)
    owner.save()
    digest = ApiToken.objects.get().digest
    return {SESSION, SESSION_URI, sealed, token, digest, PASSWORD, owner.password.rpartition("$")[2]}


@pytest.fixture
def pages(staff) -> Client:
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


def addresses() -> list[str]:
    """The front page, each list, and the page of each row."""
    found = [reverse("admin:index")]
    for model in admin.site._registry:
        if model._meta.app_label in APPS:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            found.append(reverse(f"{name}_changelist"))
            found += [
                reverse(f"{name}_change", args=[pk]) for pk in model.objects.values_list("pk", flat=True)
            ]
    return found


def test_no_page_of_the_admin_shows_a_secret(pages, secrets):
    for address in addresses():
        answer = pages.get(address)
        assert answer.status_code == 200, address
        text = answer.content.decode()
        assert not [secret for secret in secrets if secret in text], address


@pytest.mark.parametrize("model", ["upload", "discard"])
def test_nobody_finds_a_row_by_its_session(pages, secrets, model):
    answer = pages.get(reverse(f"admin:uploads_{model}_changelist"), {"q": SESSION})

    assert not answer.context["cl"].result_list
