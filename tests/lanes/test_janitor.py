"""The janitor at real stores: what is nobody's goes, from each store that is described; what is a row's stays."""

from __future__ import annotations

import pytest
from django.utils import timezone

from galleries.models import Photo
from galleries.objects.base import store_named
from tests.builders import crc_of, jpeg, make_upload, put_original
from uploads import clock, sweep
from uploads.errors import SessionGone
from uploads.lanes.base import Wanted, lanes_of
from uploads.limits import DEAD_ATTEMPT_KEPT
from uploads.models import Discard, Upload
from uploads.ops.invariants import verify_invariants
from uploads.sealing import seal
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.django_db
PART = bytes(1_000)


@pytest.fixture
def much_later(monkeypatch):
    def move() -> None:
        then = timezone.now() + 2 * DEAD_ATTEMPT_KEPT
        monkeypatch.setattr(clock, "now", lambda: then)

    return move


def objects_in(name: str) -> set[str]:
    return {each.key for prefix in ("originals/", "renditions/") for each in store_named(name).list(prefix)}


def sessions_in(name: str) -> set[str]:
    return {each.session for each in lanes_of(name).list_sessions("originals/")}


def begun(stage, upload: Upload) -> str:
    """A session with one part, which no row names; none where the store has no parts."""
    if not stage.lanes.can("multipart"):
        return ""
    session = stage.lanes.create_multipart(upload.key, content_type="image/jpeg")
    request = stage.lanes.sign_part(upload.key, session, number=1, size_bytes=len(PART), crc32=None)
    assert stage.send(request, PART).is_ok
    return session


def published(gallery, developer, store: str) -> Photo:
    content = jpeg(7)
    upload = make_upload(
        gallery, State.UPLOADED, store=store, size=len(content), crc32=crc_of(content)
    )  # fmt: skip
    put_original(upload, content)
    verify(claim_next(), developer)
    return Photo.objects.get(upload_id=upload.pk)


def test_what_is_nobodys_goes_and_what_is_a_rows_stays(stage, gallery, developer, much_later) -> None:
    """Also where the default is another store: `local` is, here."""
    name = stage.store.name
    photo = published(gallery, developer, name)
    dead = make_upload(gallery, State.CANCELLED, store=name)
    put_original(dead, b"a request that took hours")
    begun(stage, dead)
    cancelled = make_upload(gallery, State.CANCELLED, store=name)
    put_original(cancelled, b"thrown away")
    named = begun(stage, cancelled)
    Discard.objects.create(store=name, key=cancelled.key, session=named, not_before=timezone.now())
    waiting = make_upload(gallery, State.SIGNED, store=name, lane="multipart")
    kept = begun(stage, waiting)
    Upload.objects.filter(pk=waiting.pk).update(session=kept)

    much_later()
    sweep.sweep_everything()
    sweep.sweep_everything()

    assert sessions_in(name) == {kept} - {""}
    assert objects_in(name) == {photo.key, *photo.renditions.values_list("key", flat=True)}
    assert not Discard.objects.exists()
    broken = {each.rule for each in verify_invariants(read_bytes=True).breaches}
    assert broken <= {"illegal_history", "counters_differ"}, "rows of the builders have no history"


def test_a_part_that_arrives_after_its_session_was_thrown_away_leaves_nothing(
    strict_parts_stage, gallery, much_later
) -> None:
    stage = strict_parts_stage
    name = stage.store.name
    upload = make_upload(gallery, State.CANCELLED, store=name)
    session = stage.lanes.create_multipart(upload.key, content_type="image/jpeg")
    request = stage.lanes.sign_part(upload.key, session, number=1, size_bytes=len(PART), crc32=None)
    Discard.objects.create(store=name, key=upload.key, session=session, not_before=timezone.now())
    sweep.only("discards")

    stage.send(request, PART)
    much_later()
    sweep.sweep_everything()

    assert sessions_in(name) == set()
    assert objects_in(name) == set()


def test_a_late_put_on_a_url_that_still_lives_is_found(strict_stage, gallery, much_later) -> None:
    content = jpeg(1)
    name = strict_stage.store.name
    upload = make_upload(gallery, State.CANCELLED, store=name)
    request = strict_stage.lanes.sign_put(
        upload.key, size_bytes=len(content), content_type="image/jpeg", crc32=crc_of(content)
    )
    assert strict_stage.send(request, content).is_ok

    sweep.only("objects")
    is_kept_at_first = upload.key in objects_in(name)
    much_later()
    sweep.only("objects")

    assert is_kept_at_first
    assert objects_in(name) == set()


def test_a_resumable_session_that_was_let_go_takes_no_more_bytes(resumable_stage, gallery) -> None:
    stage = resumable_stage
    name, content = stage.store.name, jpeg(1)
    upload = make_upload(gallery, State.CANCELLED, store=name, lane="resumable", size=len(content))
    wanted = Wanted(upload.key, len(content), "image/jpeg", "http://localhost")
    session_uri = stage.lanes.begin_resumable(wanted)
    Discard.objects.create(
        store=name, key=upload.key, sealed_session=seal(session_uri), not_before=timezone.now()
    )

    sweep.only("discards")

    with pytest.raises(SessionGone):
        stage.lanes.probe_resumable(session_uri, size_bytes=len(content))
    assert not Discard.objects.exists()
