"""Whoever cancels or deletes has the last word: at every point of the pipeline, whether its worker lives or dies."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.utils import timezone

from galleries import lifecycle
from galleries.models import DELETED_KEPT_FOR, Gallery, Photo
from galleries.objects.base import store_named
from tests.builders import crc_of, file_out, jpeg, put_original, put_part
from uploads import crash_points, sweep
from uploads.attempts import photo_id_of
from uploads.limits import DEAD_ATTEMPT_KEPT
from uploads.models import Upload
from uploads.ops.invariants import verify_invariants
from uploads.states import State
from uploads.verify import claim_next, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from galleries.decode.developer import Developer
    from tests.cast import Api

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
POINTS = [point for point in crash_points.POINTS if point.startswith("verify.")]
IN_A_TRANSACTION = "verify.after_rows"
BEYOND_UNDO = DELETED_KEPT_FOR + DEAD_ATTEMPT_KEPT + timedelta(hours=1)


class Killed(BaseException):
    """Nothing of ours runs any more, and what was not committed never was."""


@dataclass
class Scene:
    """One file on its way, and a person with a wish about it."""

    api: Api
    gallery: Gallery
    upload: Upload
    answers: list[Any] = field(default_factory=list)

    def cancel(self) -> None:
        self.answers += self.api.cancel(self.upload.pk)

    def delete_photo(self) -> None:
        answer = self.api.post("/photos/delete", {"ids": [str(self.photo_id)]})
        self.answers += answer.body["photos"]

    def delete_gallery(self) -> None:
        assert self.api.delete(f"/galleries/{self.gallery.pk}").status == 204

    @property
    def photo_id(self) -> object:
        return photo_id_of(self.upload.pk, 1)

    @property
    def state(self) -> str:
        return Upload.objects.values_list("state", flat=True).get()

    def seen(self) -> list[str]:
        """Ids of the photos of the list, each of them whole; the gallery counts as many."""
        answer = self.api.get(f"/galleries/{self.gallery.pk}/photos")
        if answer.status == 410:
            return []
        for photo in answer.photos:
            assert {each["name"] for each in photo["renditions"]} == {"grid", "view"}
        counted = Gallery.objects.values_list("photo_count", flat=True).get()
        assert counted == len(answer.photos)
        return [photo["id"] for photo in answer.photos]


@pytest.fixture
def scene(api, gallery, request) -> Scene:
    """Sent, and waiting for a worker; in parts where the point lies behind the joining of parts."""
    point, _ = request.node.callspec.params["moment"]
    is_in_parts = "multipart" in point
    content = jpeg(1)
    declared = file_out(size=len(content), crc32=crc_of(content), lane="multipart" if is_in_parts else "put")
    row = api.batch(gallery, declared)[0]
    upload = Upload.objects.get(pk=row["id"])
    if is_in_parts:
        api.sign({"id": row["id"], "parts": [{"number": 1, "crc32": crc_of(content)}]})
        upload.refresh_from_db()
        put_part(upload, 1, content)
    else:
        put_original(upload, content)
    api.complete({"id": row["id"]})
    return Scene(api, gallery, upload)


@dataclass
class Meeting:
    """Once, when a worker comes by the point, a person acts; then the worker goes on, or is no more."""

    point: str
    worker_dies: bool
    act: Callable[[], None] | None = None
    person: threading.Thread | None = None

    def reached(self, name: str) -> None:
        if name != self.point or self.act is None or self.person is not None:
            return
        self.person = threading.Thread(target=self.run)
        self.person.start()
        if name != IN_A_TRANSACTION:  # there the person waits for the worker's locks
            self.person.join()
        if self.worker_dies:
            raise Killed

    def run(self) -> None:
        try:
            self.act()
        finally:
            connections.close_all()

    def end(self) -> None:
        """The person may wait still for what the worker has given back by now."""
        assert self.person is not None, "no worker came by"
        self.person.join()


@pytest.fixture
def meeting(monkeypatch, request) -> Meeting:
    meeting = Meeting(*request.node.callspec.params["moment"])
    monkeypatch.setattr(crash_points, "reached", meeting.reached)
    return meeting


def work(developer: Developer) -> None:
    """Workers and more bells than there is work; who holds a lease and is dead loses it."""
    for _ in range(3):
        while (claimed := claim_next()) is not None:
            with suppress(Killed):
                verify(claimed, developer)
        Upload.objects.filter(state=State.VERIFYING).update(lease_until=timezone.now() - timedelta(seconds=1))


def keys() -> set[str]:
    return {
        each.key for prefix in ("originals/", "renditions/") for each in store_named("local").list(prefix)
    }


AT_EVERY_MOMENT = pytest.mark.parametrize(
    "moment",
    [
        pytest.param((point, worker_dies), id=f"{point}, the worker {'dies' if worker_dies else 'lives'}")
        for point in POINTS
        for worker_dies in (False, True)
    ],
)


@AT_EVERY_MOMENT
def test_cancelled_or_told_that_it_is_too_late(scene, meeting, developer, later, moment) -> None:
    meeting.act = scene.cancel

    work(developer)
    meeting.end()

    [answer] = scene.answers
    if scene.state == State.CANCELLED:
        assert answer["error"] is None
        assert scene.seen() == []
    else:
        assert (scene.state, answer["error"]["code"]) == (State.VERIFIED, "too_late")
        assert scene.seen() == [str(scene.photo_id)]
    assert_all_is_cleared_away(later, is_kept=scene.state == State.VERIFIED)


@AT_EVERY_MOMENT
def test_a_deleted_photo_stays_away_and_comes_back_whole_within_a_day(
    scene, meeting, developer, later, moment
) -> None:
    meeting.act = scene.delete_photo

    work(developer)
    meeting.end()

    [answer] = scene.answers
    was_there = "error" not in answer
    assert scene.state == State.VERIFIED
    assert scene.seen() == ([] if was_there else [str(scene.photo_id)])
    if was_there:
        scene.api.post("/photos/restore", {"ids": [str(scene.photo_id)]})
        assert scene.seen() == [str(scene.photo_id)]
        scene.delete_photo()
    assert_all_is_cleared_away(later, is_kept=not was_there)


@AT_EVERY_MOMENT
def test_a_deleted_gallery_stays_away_and_comes_back_as_it_was(
    scene, meeting, developer, later, moment
) -> None:
    meeting.act = scene.delete_gallery

    work(developer)
    meeting.end()

    assert_gone(scene)
    lifecycle.restore(scene.gallery)
    is_photo = scene.state == State.VERIFIED
    assert scene.state in {State.VERIFIED, State.CANCELLED}
    work(developer)
    assert scene.seen() == ([str(scene.photo_id)] if is_photo else [])
    scene.delete_gallery()
    assert_all_is_cleared_away(later, is_kept=False)


def assert_gone(scene: Scene) -> None:
    assert scene.api.get(f"/galleries/{scene.gallery.pk}").status == 410
    assert scene.seen() == []


def assert_all_is_cleared_away(later: Callable[[timedelta], None], *, is_kept: bool) -> None:
    """After a day and more: what lives has its objects, what does not has none, and nothing is broken."""
    later(BEYOND_UNDO)
    sweep.sweep_everything()

    photos = list(Photo.objects.all())
    assert len(photos) == is_kept
    assert keys() == {
        key for photo in photos for key in [photo.key, *photo.renditions.values_list("key", flat=True)]
    }
    assert list(verify_invariants(read_bytes=True).breaches) == []
