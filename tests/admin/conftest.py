"""Staff of every kind, and the admin as each of them sees it."""

from __future__ import annotations

from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse
from django_vite.core.asset_loader import DjangoViteAssetLoader, ManifestEntry

from accounts.models import User
from tests.admin.rows import gallery_of, person

if TYPE_CHECKING:
    from collections.abc import Callable

    from galleries.models import Gallery

MODELS = {
    "accounts_user": "accounts.{}_user",
    "accounts_apitoken": "accounts.{}_apitoken",
    "galleries_gallery": "galleries.{}_gallery",
    "galleries_photo": "galleries.{}_photo",
    "galleries_rendition": "galleries.{}_rendition",
    "uploads_upload": "uploads.{}_upload",
    "uploads_uploadevent": "uploads.{}_uploadevent",
    "uploads_publication": "uploads.{}_publication",
    "uploads_discard": "uploads.{}_discard",
    "uploads_workerheartbeat": "uploads.{}_workerheartbeat",
}


@dataclass(frozen=True)
class Desk:
    """The admin in the hands of one person."""

    client: Client
    user: User | None

    def list_page(self, model: str, **filters: object) -> Any:
        return self.client.get(reverse(f"admin:{model}_changelist"), filters)

    def page(self, model: str, pk: object) -> Any:
        return self.client.get(reverse(f"admin:{model}_change", args=[pk]))

    def act(self, model: str, action: str, *rows: Any, **more: str) -> Any:
        """Chooses rows, runs the action, says yes where it asks."""
        body = {
            "action": action,
            "_selected_action": [str(row.pk) for row in rows],
            "confirmed": "yes",
            **more,
        }
        return self.client.post(reverse(f"admin:{model}_changelist"), body, follow=True)

    def said(self, response: Any) -> list[str]:
        return [unescape(str(message)) for message in response.context["messages"]]


@pytest.fixture(autouse=True)
def built_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at pages, not at the stylesheet: they run where nothing has been built yet, too."""
    known = DjangoViteAssetLoader.instance()._apps["default"].manifest._entries
    for asset in ("static/css/admin.css", "static/src/pages/theme-early.ts", "static/src/pages/app.ts"):
        if asset not in known:
            monkeypatch.setitem(known, asset, ManifestEntry(file=asset))


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Nobody here guesses one; the slow hash would be most of the time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def desk_of(db: None) -> Callable[[User | None], Desk]:
    def sit(user: User | None) -> Desk:
        client = Client()
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return Desk(client, user)

    return sit


@pytest.fixture
def owner(db: None) -> User:
    return person("olga")


@pytest.fixture
def gallery(owner: User) -> Gallery:
    return gallery_of(owner)


@pytest.fixture
def chief(desk_of: Callable[[User | None], Desk]) -> Desk:
    """A superuser."""
    return desk_of(User.objects.create_superuser("chief", "chief@example.org", "x"))
