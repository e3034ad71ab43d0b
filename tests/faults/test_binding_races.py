"""A photo that is a copy out of reach of its used URLs: no worker that comes late changes a byte of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from galleries.models import Photo
from galleries.objects import base
from galleries.objects.base import bound_key, store_named
from tests.builders import MIB, jpeg, make_upload, put_part
from uploads.lanes.base import lanes_of
from uploads.models import Upload
from uploads.states import State
from uploads.verify import claim_next, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db

# Bytes after the end of a JPEG are no part of the picture.
CONTENT = jpeg(5) + bytes(MIB)
OTHERS = jpeg(6) + bytes(len(CONTENT) - len(jpeg(6)))


@pytest.fixture
def upload(gallery) -> Upload:
    """Sent by a URL into which no checksum was signed: whoever kept it may write other bytes."""
    upload = make_upload(gallery, State.UPLOADED, size=len(CONTENT), lane="multipart")
    upload.session = lanes_of("local").create_multipart(upload.key, content_type="image/jpeg")
    upload.save()
    put_part(upload, 1, CONTENT)
    return upload


@pytest.fixture
def before_call() -> Iterator[Callable[[int, Callable[[], None]], None]]:
    """Runs an act before so many calls of the store were made, the first is 1."""
    hooks: list[Callable[[str, str], None]] = []

    def arm(number: int, act: Callable[[], None]) -> None:
        left = [number]

        def hook(_store: str, _verb: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                act()

        hooks.append(hook)
        base.on_store_call.append(hook)

    yield arm
    for hook in hooks:
        base.on_store_call.remove(hook)


def claimed() -> Upload:
    upload = claim_next()
    assert upload is not None
    return upload


def lose_leases() -> None:
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def write_again(upload: Upload) -> None:
    """What a used URL can do on a store that can't refuse it."""
    store_named(upload.store).put_bytes(upload.key, OTHERS, content_type="image/jpeg")


def content_of(key: str) -> bytes:
    return b"".join(store_named("local").read(key))


def test_a_worker_that_comes_late_copies_nothing_over_a_photo(upload, developer):
    late = claimed()
    lose_leases()
    verify(claimed(), developer)
    write_again(upload)

    verify(late, developer)

    photo = Photo.objects.get()
    assert photo.key == bound_key(upload.pk, 1)
    assert content_of(photo.key) == CONTENT


@pytest.mark.parametrize("call", range(1, 9))
def test_a_worker_overtaken_at_any_call_copies_nothing_over_a_photo(upload, developer, before_call, call):
    """Calls after the copy change nothing any more: the other worker reads and shows what is there."""

    def be_overtaken() -> None:
        lose_leases()
        verify(claimed(), developer)
        write_again(upload)

    before_call(call, be_overtaken)
    verify(claimed(), developer)

    photo = Photo.objects.get()
    assert content_of(photo.key) == CONTENT
    assert Upload.objects.get().state == State.VERIFIED


def test_a_worker_whose_lease_is_lost_makes_no_copy(upload, developer):
    late = claimed()
    lose_leases()
    claimed()

    verify(late, developer)

    assert store_named("local").find(bound_key(upload.pk, 1)) is None
    assert Upload.objects.get().state == State.VERIFYING


def test_the_copy_of_a_worker_that_died_is_read_by_the_next(upload, developer):
    """It is what it was, however often the file was written again since."""
    claimed()
    source = lanes_of("local").complete_multipart(
        upload.key, upload.session, lanes_of("local").list_parts(upload.key, upload.session)
    )
    before = store_named("local").copy(upload.key, bound_key(upload.pk, 1), if_match=source.etag)
    write_again(upload)
    lose_leases()

    verify(claimed(), developer)

    assert content_of(Photo.objects.get().key) == CONTENT
    assert store_named("local").head(before.key) == before
