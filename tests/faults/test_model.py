"""Any order of calls, bytes, workers, deaths and days: after each step everything that must always hold does hold."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from galleries import curation, lifecycle
from galleries.access import Actor
from galleries.errors import GalleryError
from galleries.models import Gallery, Photo, PhotoStatus
from galleries.objects.base import store_named
from tests.builders import crc_of, jpeg, make_gallery, put_part
from tests.cast import make_user
from uploads import control, intake, presign, publish, sweep
from uploads.lanes.base import lanes_of
from uploads.models import Discard, Upload
from uploads.ops.invariants import verify_invariants
from uploads.states import ENDED_STATES, State
from uploads.verify import claim_next, verify
from uploads.wire import DeclaredFile

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CONTENTS = [jpeg(1), jpeg(2), jpeg(3) + b"and more", b"no photo at all", b"\xff\xd8\xff\xe0 broken"]
GOOD = 3
NAMES = [f"file-{number}" for number in range(5)]
names = st.sampled_from(NAMES)
A_WORKER_DIES = "dies"
# A longer walk: MODEL_EXAMPLES=500 pytest tests/faults/test_model.py
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "20"))


class Died(BaseException):
    """As by SIGKILL: nothing of ours runs any more."""


class Gallerist(RuleBasedStateMachine):
    """One owner, one gallery, five files whose bytes may be alike, one worker at a time, and a clock of its own."""

    developer = None
    offset = timedelta()

    def __init__(self) -> None:
        super().__init__()
        Gallerist.offset = timedelta()
        self.undo = transaction.atomic()
        self.undo._from_testcase = True
        self.undo.__enter__()
        for prefix in ("originals/", "renditions/"):
            store_named("local").delete([each.key for each in list(store_named("local").list(prefix))])

    def teardown(self) -> None:
        try:
            self.settle_down()
        finally:
            transaction.set_rollback(True)
            self.undo.__exit__(None, None, None)

    # --- who and what

    @initialize(auto_publish=st.booleans())
    def begin(self, auto_publish: bool) -> None:
        owner = make_user("owner")
        self.actor = Actor(owner)
        self.gallery = make_gallery(owner, auto_publish=auto_publish)
        self.bytes_of: dict[str, bytes] = {name: CONTENTS[n] for n, name in enumerate(NAMES)}
        self.keys = 0

    def find(self, name: str) -> Upload | None:
        return Upload.objects.filter(gallery=self.gallery, client_id=name).first()

    def some(self, name: str) -> list:
        upload = self.find(name)
        return [upload.pk] if upload else []

    # --- what a client does

    @rule(name=names, content=st.sampled_from(CONTENTS))
    def edit_the_file(self, name: str, content: bytes) -> None:
        if self.find(name) is None:
            self.bytes_of[name] = content

    @rule(
        chosen=st.lists(names, min_size=1, max_size=5),
        says_crc=st.booleans(),
        allow_duplicate=st.booleans(),
        lane=st.sampled_from([None, "multipart"]),
        birth=st.sampled_from([State.REGISTERED, State.SIGNED]),
    )
    def choose(self, chosen, says_crc, allow_duplicate, lane, birth) -> None:
        files = [
            DeclaredFile(
                client_id=name,
                name=f"{name}.jpg",
                size=len(self.bytes_of[name]),
                crc32=crc_of(self.bytes_of[name]) if says_crc else None,
                allow_duplicate=allow_duplicate,
                lane=lane,
            )
            for name in chosen
        ]
        with suppress(GalleryError):
            intake.register(self.actor, self.gallery.pk, files, birth=birth)

    @rule(name=names, after_failure=st.booleans(), says_crc=st.booleans(), says_parts=st.booleans())
    def sign(self, name, after_failure, says_crc, says_parts) -> None:
        crc32 = crc_of(self.bytes_of[name])
        asks = [
            presign.Ask(
                pk,
                crc32=crc32 if says_crc else "",
                after_failure=after_failure,
                part_crcs={1: crc32} if says_parts else None,
            )
            for pk in self.some(name)
        ]
        presign.sign(self.actor, asks)

    @rule(name=names, is_damaged=st.booleans())
    def send(self, name: str, is_damaged: bool) -> None:
        """Also late, after the row has ended, as long as the URL lives."""
        upload = self.find(name)
        if upload is None or upload.url_expires_at is None or upload.url_expires_at < timezone.now():
            return
        content = self.bytes_of[name]
        if is_damaged and not upload.crc32:  # a signed checksum refuses other bytes
            content = bytes(reversed(content))
        if upload.lane == "put":
            if store_named("local").find(upload.key) is None:
                store_named("local").put_bytes(upload.key, content, content_type="image/jpeg")
        elif upload.session:
            with suppress(GalleryError):
                put_part(upload, 1, content)

    @rule(name=names, says_crc=st.booleans())
    def complete(self, name: str, says_crc: bool) -> None:
        crc32 = crc_of(self.bytes_of[name]) if says_crc else ""
        control.complete(self.actor, dict.fromkeys(self.some(name), crc32))

    @rule(some=st.lists(names, max_size=5))
    def cancel(self, some: list[str]) -> None:
        control.cancel(self.actor, [pk for name in some for pk in self.some(name)])

    @rule(some=st.lists(names, max_size=5))
    def retry(self, some: list[str]) -> None:
        control.retry(self.actor, [pk for name in some for pk in self.some(name)])

    @rule(some=st.lists(names, max_size=5))
    def delete_photos(self, some: list[str]) -> None:
        ids = Upload.objects.filter(gallery=self.gallery, client_id__in=some, photo__isnull=False)
        curation.delete_photos(self.gallery.pk, list(ids.values_list("photo_id", flat=True)))

    @rule()
    def restore_photos(self) -> None:
        gone = Photo.objects.filter(gallery=self.gallery, status=PhotoStatus.DELETED)
        curation.restore_photos(self.gallery.pk, list(gone.values_list("pk", flat=True)))

    @rule()
    def publish(self) -> None:
        self.keys += 1
        with suppress(GalleryError):
            publish.publish(self.actor, self.gallery.pk, idempotency_key=str(self.keys), upload_ids=None)

    @rule(auto_publish=st.booleans())
    def change(self, auto_publish: bool) -> None:
        self.gallery.refresh_from_db()
        lifecycle.change(self.gallery, {"auto_publish": auto_publish})

    @rule(is_meant=st.sampled_from([False] * 9 + [True]))
    def delete_the_gallery(self, is_meant: bool) -> None:
        if is_meant:
            lifecycle.delete(self.gallery)

    # --- what the servers do

    @rule(fate=st.sampled_from([None, None, None, A_WORKER_DIES, "cancelled", "overtaken"]))
    def work(self, fate: str | None) -> None:
        upload = claim_next()
        if upload is None:
            return
        with suppress(Died):
            verify(upload, Fated(self, upload, fate))

    def after_decoding(self, upload: Upload, fate: str | None) -> None:
        if fate == A_WORKER_DIES:
            raise Died
        if fate == "cancelled":
            control.cancel(self.actor, [upload.pk])
        if fate == "overtaken":
            Gallerist.offset += timedelta(minutes=6)
            self.work(None)

    @rule()
    def sweep(self) -> None:
        sweep.sweep()
        sweep.abort_orphans(timezone.now())

    @rule(
        step=st.sampled_from(
            [timedelta(seconds=30), timedelta(minutes=20), timedelta(hours=3), timedelta(days=7)]
        )
    )
    def wait(self, step: timedelta) -> None:
        """Time passes, and the sweeper with it: it is never away for long."""
        Gallerist.offset += step
        self.sweep()

    # --- what must hold

    @invariant()
    def nothing_is_broken(self) -> None:
        """All but what is promised only when it is quiet: here days may pass while nobody works."""
        report = verify_invariants(stores=False)

        assert [
            each for each in report.breaches if each.rule not in {"waiting_for_nobody", "lease_lost"}
        ] == []

    @invariant()
    def only_good_bytes_are_shown(self) -> None:
        good = {crc_of(content) for content in CONTENTS[:GOOD]}

        assert set(Photo.objects.values_list("crc32", flat=True)) <= good

    def settle_down(self) -> None:
        """No more calls: whatever is on its way comes to an end by itself, and leaves nothing behind."""
        for _ in range(5):
            Gallerist.offset += timedelta(days=4)
            while (upload := claim_next()) is not None:
                verify(upload, self.developer)
            self.sweep()

        report = verify_invariants(read_bytes=True)
        assert report.is_whole, report.breaches
        assert set(Upload.objects.values_list("state", flat=True)) <= set(ENDED_STATES)
        assert list(lanes_of("local").list_sessions("originals/")) == []
        assert not Discard.objects.exists()
        for gallery in Gallery.objects.filter(deleted_at__isnull=False):
            assert not gallery.photos.exists()


class Fated:
    """The real decoder, and what befalls the worker while it works."""

    def __init__(self, world: Gallerist, upload: Upload, fate: str | None) -> None:
        self.world, self.upload, self.fate = world, upload, fate

    def develop(self, source, *, media_type):
        developed = self.world.developer.develop(source, media_type=media_type)
        self.world.after_decoding(self.upload, self.fate)
        return developed


def test_no_order_of_events_breaks_what_must_hold(db, developer, monkeypatch):
    real_now = timezone.now

    def shifted() -> datetime:
        return real_now() + Gallerist.offset

    monkeypatch.setattr(timezone, "now", shifted)
    Gallerist.developer = developer

    run_state_machine_as_test(
        Gallerist,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            # To shrink takes minutes; what failed is printed step by step anyway.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
