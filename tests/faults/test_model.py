"""Any order of calls, bytes, workers, deaths and days: after each step everything that must always hold does hold.

What was acknowledged is noted outside the product, with the bytes that were sent: the product is not asked to judge
itself alone.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
from uploads import control, crash_points, intake, presign, progress, publish, sweep
from uploads.lanes.base import lanes_of
from uploads.models import Discard, Upload, UploadEvent
from uploads.ops.invariants import verify_invariants
from uploads.sealing import unseal
from uploads.states import ENDED_STATES, State
from uploads.verify import claim_next, verify
from uploads.wire import DeclaredFile

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CONTENTS = [jpeg(1), jpeg(2), jpeg(3) + b"and more", b"no photo at all", b"\xff\xd8\xff\xe0 broken"]
GOOD = 3
NAMES = [f"file-{number}" for number in range(5)]
names = st.sampled_from(NAMES)
ENDED_FOR_GOOD = frozenset({State.VERIFIED, State.CANCELLED, State.EXPIRED})


def points_of(*parts: str) -> st.SearchStrategy[str]:
    """Mostly nowhere."""
    points = [point for point in crash_points.POINTS if point.startswith(parts)]
    return st.one_of(st.just(""), st.just(""), st.just(""), st.sampled_from(points))


# A longer walk: MODEL_EXAMPLES=500 pytest tests/faults/test_model.py
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "15"))


class Died(BaseException):
    """As by SIGKILL: nothing of ours runs any more."""


def die() -> None:
    crash_points.ARMED = ""
    raise Died


@contextmanager
def dying_at(point: str):
    """A process that ends there, if it comes by."""
    crash_points.ARMED = point
    try:
        yield
    except Died:
        pass
    finally:
        crash_points.ARMED = ""


@dataclass(frozen=True)
class Stand:
    """What was last seen of an upload."""

    state: str
    attempt: int
    version: int


class Gallerist(RuleBasedStateMachine):
    """One owner, one gallery, five files whose bytes may be alike, one worker at a time, and a clock of its own."""

    developer = None
    redis_server = None
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
        self.acknowledged: dict[object, tuple[str, str]] = {}  # photo -> key and SHA-256 of what was sent
        self.thrown_away: set[object] = set()  # photos that somebody deleted
        self.stands: dict[str, Stand] = {}
        self.chosen: set[str] = set()  # since the last look
        self.retried: set[str] = set()

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
        lane=st.sampled_from([None, "multipart", "resumable"]),
        birth=st.sampled_from([State.REGISTERED, State.SIGNED]),
        death=points_of("batch"),
    )
    def choose(self, *, chosen, says_crc, allow_duplicate, lane, birth, death) -> None:
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
        self.chosen |= {*chosen}
        with suppress(GalleryError), dying_at(death):
            intake.register(self.actor, self.gallery.pk, files, birth=birth)

    @rule(
        name=names,
        after_failure=st.booleans(),
        says_crc=st.booleans(),
        says_parts=st.booleans(),
        death=points_of("sign"),
    )
    def sign(self, name, after_failure, says_crc, says_parts, death) -> None:
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
        with dying_at(death):
            presign.sign(self.actor, asks)

    @rule(name=names, is_damaged=st.booleans(), how_much=st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0]))
    def send(self, name: str, is_damaged: bool, how_much: float) -> None:
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
        elif upload.sealed_session:
            with suppress(GalleryError):
                send_more(upload, content, how_much)

    @rule(name=names, stored_bytes=st.integers(0, 2_000))
    def report(self, name: str, stored_bytes: int) -> None:
        progress.take_report(
            self.actor, self.gallery.pk, [(str(pk), stored_bytes, 0) for pk in self.some(name)]
        )

    @rule()
    def redis_loses_everything(self) -> None:
        self.redis_server.forget_everything()

    @rule(name=names, says_crc=st.booleans(), death=points_of("control"))
    def complete(self, name: str, says_crc: bool, death: str) -> None:
        crc32 = crc_of(self.bytes_of[name]) if says_crc else ""
        with dying_at(death):
            control.complete(self.actor, dict.fromkeys(self.some(name), crc32))

    @rule(some=st.lists(names, max_size=5), death=points_of("control"))
    def cancel(self, some: list[str], death: str) -> None:
        with dying_at(death):
            control.cancel(self.actor, [pk for name in some for pk in self.some(name)])

    @rule(some=st.lists(names, max_size=5), death=points_of("control"))
    def retry(self, some: list[str], death: str) -> None:
        self.retried |= {*some}
        with dying_at(death):
            control.retry(self.actor, [pk for name in some for pk in self.some(name)])

    @rule(some=st.lists(names, max_size=5))
    def delete_photos(self, some: list[str]) -> None:
        ids = Upload.objects.filter(gallery=self.gallery, client_id__in=some, photo__isnull=False)
        self.thrown_away |= {*ids.values_list("photo_id", flat=True)}
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
            self.thrown_away |= {*Photo.objects.values_list("pk", flat=True)}
            lifecycle.delete(self.gallery)

    # --- what the servers do

    @rule(fate=st.sampled_from(["", "", "cancelled", "overtaken"]), death=points_of("verify"))
    def work(self, fate: str, death: str) -> None:
        upload = claim_next()
        if upload is None:
            return
        with dying_at(death):
            verify(upload, Fated(self, upload, fate))

    def after_decoding(self, upload: Upload, fate: str) -> None:
        if fate == "cancelled":
            control.cancel(self.actor, [upload.pk])
        if fate == "overtaken":
            Gallerist.offset += timedelta(minutes=6)
            self.work("", "")

    @rule(death=points_of("sweep"))
    def sweep(self, death: str) -> None:
        with dying_at(death):
            sweep.sweep_everything()

    @rule(
        step=st.sampled_from(
            [timedelta(seconds=30), timedelta(minutes=20), timedelta(hours=3), timedelta(days=7)]
        )
    )
    def wait(self, step: timedelta) -> None:
        """Time passes, and the sweeper with it: it is never away for long."""
        Gallerist.offset += step
        self.sweep("")

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

    @invariant()
    def what_was_acknowledged_is_kept(self) -> None:
        """Until somebody deletes it; noted when it was first seen, with the bytes that this sender has sent."""
        for upload in Upload.objects.filter(state=State.VERIFIED, photo__isnull=False).select_related(
            "photo"
        ):
            sent = hashlib.sha256(self.bytes_of[upload.client_id]).hexdigest()
            self.acknowledged.setdefault(upload.photo_id, (upload.photo.key, sent))
        for photo_id, (key, sent) in self.acknowledged.items():
            if photo_id not in self.thrown_away:
                kept = hashlib.sha256(b"".join(store_named("local").read(key))).hexdigest()
                assert (kept, Photo.objects.get(pk=photo_id).sha256) == (sent, sent)

    @invariant()
    def each_attempt_is_verified_once_at_most(self) -> None:
        verified = Counter(UploadEvent.objects.filter(event="verify").values_list("upload_id", "attempt"))

        assert [attempt for attempt, times in verified.items() if times > 1] == []

    @invariant()
    def what_has_ended_begins_again_only_when_somebody_says_so(self) -> None:
        now = {
            client_id: Stand(*stand)
            for client_id, *stand in Upload.objects.values_list("client_id", "state", "attempt", "version")
        }
        for name, before in self.stands.items():
            after = now[name]
            assert after.version >= before.version
            assert (after == before) or after.version > before.version
            if after.attempt != before.attempt:
                assert after.attempt > before.attempt
                assert name in self.chosen | self.retried
            if before.state in ENDED_FOR_GOOD and after.state != before.state:
                assert name in self.chosen
        self.stands, self.chosen, self.retried = now, set(), set()

    def settle_down(self) -> None:
        """No more calls: whatever is on its way comes to an end by itself, and leaves nothing behind."""
        for _ in range(5):
            Gallerist.offset += timedelta(days=4)
            while (upload := claim_next()) is not None:
                verify(upload, self.developer)
            self.sweep("")

        report = verify_invariants(read_bytes=True)
        assert report.is_whole, report.breaches
        assert set(Upload.objects.values_list("state", flat=True)) <= set(ENDED_STATES)
        assert list(lanes_of("local").list_sessions("originals/")) == []
        assert not Discard.objects.exists()
        for gallery in Gallery.objects.filter(deleted_at__isnull=False):
            assert not gallery.photos.exists()


def send_more(upload: Upload, content: bytes, how_much: float) -> None:
    """From where the session stands, as the door does it."""
    session = lanes_of("local").sessions.find(unseal(upload.sealed_session), now_s=time.time())
    offset = session.standing().offset_bytes
    with session.writer(offset) as writer:
        writer.write([content[offset : offset + max(1, int(how_much * len(content)))]])
        writer.end()


class Fated:
    """The real decoder, and what befalls the worker while it works."""

    def __init__(self, world: Gallerist, upload: Upload, fate: str) -> None:
        self.world, self.upload, self.fate = world, upload, fate

    def develop(self, source, *, media_type):
        developed = self.world.developer.develop(source, media_type=media_type)
        self.world.after_decoding(self.upload, self.fate)
        return developed


def test_no_order_of_events_breaks_what_must_hold(db, developer, redis_server, monkeypatch):
    real_now = timezone.now

    def shifted() -> datetime:
        return real_now() + Gallerist.offset

    monkeypatch.setattr(timezone, "now", shifted)
    monkeypatch.setattr(crash_points, "ARMED", "")
    monkeypatch.setattr(crash_points, "die", die)
    Gallerist.developer, Gallerist.redis_server = developer, redis_server

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
