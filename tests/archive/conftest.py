"""Photos of known bytes with true checksums, and whoever asks for them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import issue_token
from galleries import access
from galleries.access import Action, Role
from galleries.archive.asked import Remembered
from galleries.models import Gallery, Photo, Rendition, raise_version
from tests.builders import make_photo
from tests.cast import make_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accounts.models import User


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def add_photo(gallery: Gallery, name: str, content: bytes, **columns: Any) -> Photo:
    """As the worker leaves it: every checksum is that of the bytes; nothing of its place is in it unless told."""
    sums = {"sha256": sha256_of(content)}
    form = {"blanks": [], "blanked_crc32": f"{zlib.crc32(content):08x}", "blanked_sha256": sums["sha256"]}
    photo = make_photo(gallery, name=name, content=content, **{**sums, **form, **columns})
    for rendition in Rendition.objects.filter(photo=photo):
        made = f"{rendition.name} of {photo.pk}".encode()
        Rendition.objects.filter(pk=rendition.pk).update(sha256=sha256_of(made))
    raise_version(gallery.pk)
    return photo


def body_of(answer: Any) -> bytes:
    if not answer.streaming:
        return bytes(answer.content)

    async def collected() -> bytes:
        return b"".join([chunk async for chunk in answer])

    return asyncio.run(collected())


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No photo of a test has to survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    yield
    Remembered._archives.clear()


def asker(client: Any, user: User) -> Callable[..., Any]:
    token = issue_token(user)

    def ask(path: str = "download.zip", *, method: str = "GET", of: Gallery, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("/") else f"/galleries/{of.pk}/{path}"
        return client.generic(method, url, headers={"Authorization": f"Bearer {token}", **named})

    return ask


@pytest.fixture
def get(client: Any, owner: User) -> Callable[..., Any]:
    return asker(client, owner)


@pytest.fixture
def get_as_guest(client: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Somebody who may look and download, and is not the owner."""
    monkeypatch.setitem(access.MAY, Role.STRANGER, frozenset({Action.VIEW, Action.FETCH_ORIGINAL}))
    return asker(client, make_user("guest"))
