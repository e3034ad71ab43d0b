"""A recipe changes: every photo is developed again in the background, and shows what it has until then."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from galleries import lifecycle
from galleries.models import Photo, Rendition
from galleries.objects.base import rendition_key, store_named
from galleries.renditions import GRID, VIEW
from tests.builders import jpeg, make_gallery, uploaded
from uploads import clock, crash_points, heartbeats, regenerate, sweep, tasks
from uploads.limits import DEAD_ATTEMPT_KEPT, MAX_TRIES
from uploads.models import Discard, Regeneration
from uploads.ops.breach import Breach
from uploads.ops.row_rules import broken_rows
from uploads.ops.store_rules import broken_in_store
from uploads.verify import claim_next as claim_upload
from uploads.verify import verify

pytestmark = pytest.mark.django_db
OLD = "0123456789ab"


def old_photo(gallery, developer, seed: int = 1) -> Photo:
    """Its renditions were made by recipes of yesterday."""
    uploaded(gallery, jpeg(seed, width=900, height=600))
    verify(claim_upload(), developer)
    photo = Photo.objects.get(
        gallery=gallery, upload_id__in=gallery.uploads.order_by("-ended_at").values("pk")[:1]
    )
    store = store_named("local")
    for each in photo.renditions.all():
        content, old_key = f"an old {each.name}".encode(), rendition_key(photo.pk, each.name, OLD)
        store.put_bytes(old_key, content, content_type=each.media_type)
        store.delete([each.key])
        Rendition.objects.filter(pk=each.pk).update(key=old_key, recipe=OLD, size=len(content))
    return photo


def plan() -> None:
    sweep.only("regenerations")


def work(developer) -> int:
    done = 0
    while (row := regenerate.claim_next()) is not None:
        regenerate.regenerate(row, developer)
        done += 1
    return done


def recipes_of(photo: Photo) -> dict[str, str]:
    return dict(photo.renditions.values_list("name", "recipe"))


def keys() -> set[str]:
    return {each.key for each in store_named("local").list("renditions/")}


NEW = {"view": VIEW.digest, "grid": GRID.digest}


# --- it works


def test_a_photo_of_old_recipes_is_developed_again(gallery, developer):
    photo = old_photo(gallery, developer)
    before = Photo.objects.get()

    plan()
    assert work(developer) == 1

    assert recipes_of(photo) == NEW
    for each in photo.renditions.all():
        assert store_named("local").head(each.key).size_bytes == each.size
    after = Photo.objects.get()
    assert (after.version, after.status, after.sha256) == (before.version + 1, "ready", before.sha256)
    assert not Regeneration.objects.exists()


def test_a_photo_that_lacks_a_rendition_gets_it(gallery, developer):
    photo = old_photo(gallery, developer)
    photo.renditions.filter(name="grid").delete()

    plan()
    work(developer)

    assert recipes_of(photo) == NEW


def test_what_is_up_to_date_is_left_alone(gallery, developer):
    uploaded(gallery, jpeg(1))
    verify(claim_upload(), developer)

    plan()

    assert not Regeneration.objects.exists()


def test_the_gallery_hears_of_it(api, gallery, developer):
    old_photo(gallery, developer)
    gallery.refresh_from_db()
    plan()

    work(developer)

    shown = api.get(f"/galleries/{gallery.pk}/photos").body
    assert shown["version"] == gallery.version + 1
    assert {each["url"].rsplit("/", 1)[1] for each in shown["photos"][0]["renditions"]} == {*NEW.values()}


def test_old_objects_stay_while_a_url_to_them_may_live_and_go_then(gallery, developer, later):
    photo = old_photo(gallery, developer)
    plan()
    work(developer)
    old = {rendition_key(photo.pk, name, OLD) for name in NEW}

    later(regenerate.OLD_ONES_KEPT - timedelta(minutes=1))
    sweep.sweep_everything()
    assert old <= keys()

    later(regenerate.OLD_ONES_KEPT + timedelta(minutes=1))
    sweep.sweep_everything()
    assert keys() == {*photo.renditions.values_list("key", flat=True)}
    assert list(broken_in_store("local", clock.now())) == []


def test_planning_again_and_again_plans_once(gallery, developer):
    old_photo(gallery, developer)

    for _ in range(3):
        plan()

    assert Regeneration.objects.count() == 1
    assert work(developer) == 1
    plan()
    assert work(developer) == 0


def test_a_photo_that_waits_for_a_rendition_breaks_no_rule(gallery, developer):
    photo = old_photo(gallery, developer)
    photo.renditions.filter(name="grid").delete()
    broken = Breach("shown_without_rendition", str(photo.pk))
    assert broken in list(broken_rows(clock.now()))

    plan()

    assert broken not in list(broken_rows(clock.now()))


# --- nobody waits for it


def test_uploads_go_first(gallery, developer, monkeypatch):
    photo = old_photo(gallery, developer)
    plan()
    new = uploaded(gallery, jpeg(2))
    monkeypatch.setattr(tasks, "developer_of", lambda _pid: developer)

    tasks.work_once()
    new.refresh_from_db()
    assert (new.state, recipes_of(photo)["grid"]) == ("verified", OLD)

    tasks.work_once()
    assert recipes_of(photo) == NEW
    assert not tasks.work_once()


@pytest.mark.parametrize(("slots", "at_once"), [(1, 1), (2, 1), (5, 2)])
def test_half_of_the_workers_stay_free(gallery, developer, slots, at_once):
    heartbeats.beat("a worker", slots)
    for seed in range(3):
        old_photo(gallery, developer, seed)
    plan()

    claimed = [regenerate.claim_next() for _ in range(3)]

    assert sum(row is not None for row in claimed) == at_once


def test_the_sweeper_wakes_a_worker_for_it(gallery, developer, monkeypatch):
    rung: list[int] = []
    old_photo(gallery, developer)
    plan()
    monkeypatch.setattr(sweep, "ring_for", rung.append)

    sweep.ring_if_work_waits()

    assert rung == [1]


# --- what can go wrong


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", [p for p in crash_points.POINTS if p.startswith("regenerate.")])
def test_a_worker_killed_there_is_followed_by_one_that_ends_it(gallery, developer, monkeypatch, later, point):
    photo = old_photo(gallery, developer)
    plan()

    def reached(name: str) -> None:
        if name == point:
            monkeypatch.setattr(crash_points, "reached", lambda _name: None)
            raise Killed

    monkeypatch.setattr(crash_points, "reached", reached)
    with pytest.raises(Killed):
        work(developer)
    for each in photo.renditions.all():
        assert store_named("local").find(each.key) is not None, "what is named is there at every moment"
    assert regenerate.claim_next() is None, "held, or done"
    Regeneration.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    work(developer)

    assert recipes_of(photo) == NEW
    later(regenerate.OLD_ONES_KEPT + DEAD_ATTEMPT_KEPT)
    sweep.sweep_everything()
    assert keys() == {*photo.renditions.values_list("key", flat=True)}
    assert list(broken_in_store("local", clock.now())) == []


def test_one_that_was_taken_for_dead_changes_nothing_when_it_comes_back(gallery, developer):
    photo = old_photo(gallery, developer)
    plan()
    late = regenerate.claim_next()
    Regeneration.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    work(developer)
    version = Photo.objects.get().version

    regenerate.regenerate(late, developer)

    assert (Photo.objects.get().version, recipes_of(photo)) == (version, NEW)


@pytest.mark.parametrize("end", ["photo", "gallery"])
def test_what_is_deleted_meanwhile_stays_deleted_and_has_its_turn_when_it_comes_back(
    api, gallery, developer, end
):
    photo = old_photo(gallery, developer)
    plan()

    class Meanwhile:
        def develop(self, source, *, media_type):
            developed = developer.develop(source, media_type=media_type)
            path = f"/photos/{photo.pk}" if end == "photo" else f"/galleries/{gallery.pk}"
            assert api.delete(path).status == 204
            return developed

    work(Meanwhile())
    assert recipes_of(photo) == {"view": OLD, "grid": OLD}
    plan()
    assert not Regeneration.objects.exists()

    if end == "photo":
        api.post("/photos/restore", {"ids": [str(photo.pk)]})
    else:
        lifecycle.restore(gallery)
    plan()
    work(developer)
    assert recipes_of(photo) == NEW


def test_a_photo_that_can_no_longer_be_developed_keeps_what_it_has_and_stops_no_other(gallery, developer):
    broken, whole = old_photo(gallery, developer, 1), old_photo(gallery, developer, 2)
    store_named("local").put_bytes(broken.key, b"other bytes", content_type="image/jpeg")
    plan()

    work(developer)
    plan()

    assert recipes_of(broken) == {"view": OLD, "grid": OLD}
    assert recipes_of(whole) == NEW
    assert Regeneration.objects.get().error_code == "checksum_mismatch"
    assert work(developer) == 0


def test_after_the_next_change_of_recipes_it_is_tried_again(gallery, developer):
    old_photo(gallery, developer)
    plan()
    Regeneration.objects.update(error_code="damaged_photo", recipes="before")

    plan()

    assert work(developer) == 1


class Broken:
    def develop(self, source, *, media_type):
        raise RuntimeError("unforeseen")


def test_a_photo_that_brings_its_worker_down_is_given_up(gallery, developer, caplog):
    old_photo(gallery, developer)
    plan()

    for _ in range(MAX_TRIES + 1):
        Regeneration.objects.update(try_after=clock.now())
        work(Broken())

    assert Regeneration.objects.get().error_code == "gave_up"
    assert "regenerate.crashed" in caplog.text


# --- staff


def test_staff_see_how_many_are_left_and_which_can_not_be_done(client, staff, owner, developer):
    gallery = make_gallery(owner)
    old_photo(gallery, developer, 1)
    old_photo(gallery, developer, 2)
    plan()
    Regeneration.objects.filter(pk=Regeneration.objects.first().pk).update(error_code="damaged_photo")
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")

    page = client.get(reverse("admin:index")).content.decode()

    assert "To develop again" in page
    assert "<dd>2<small>1 can't be</small>" in page


def test_the_command_says_how_many_are_stale_and_plans_them(gallery, developer):
    old_photo(gallery, developer)
    said = StringIO()

    call_command("regenerate", "--dry-run", stdout=said)
    assert "1 photo" in said.getvalue()
    assert not Regeneration.objects.exists()

    call_command("regenerate", stdout=said)
    assert Regeneration.objects.count() == 1
    assert Discard.objects.count() == 0
