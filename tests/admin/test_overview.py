"""The first page tells what goes on, what is stuck, and leads to where it is mended."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from galleries import lifecycle
from tests.admin.rows import person, upload_in
from uploads import ledger
from uploads.models import Discard, WorkerHeartbeat
from uploads.ops.overview import overview
from uploads.states import State

if TYPE_CHECKING:
    from tests.admin.conftest import Desk


def first_page(desk: Desk) -> Any:
    return desk.client.get(reverse("admin:index"))


@pytest.fixture
def worker(db: None) -> WorkerHeartbeat:
    return WorkerHeartbeat.objects.create(name="work@here", concurrency=2, seen_at=timezone.now())


def test_a_quiet_product_has_nothing_to_mend(worker) -> None:
    seen = overview()

    assert (seen.worker_count, seen.slot_count, seen.waiting_count, seen.in_work_count) == (1, 2, 0, 0)
    assert seen.troubles == []
    assert seen.answers == {"storage": True, "redis": True}


def test_what_waits_works_and_failed_is_counted(worker, gallery) -> None:
    upload_in(gallery, State.UPLOADED, active_at=timezone.now() - timedelta(minutes=3))
    upload_in(gallery, State.VERIFYING)
    for code in ("gave_up", "gave_up", "not_an_image"):
        upload_in(gallery, State.FAILED, code=code)
    Discard.objects.create(store="local", key="k", not_before=timezone.now())

    seen = overview()

    assert (seen.waiting_count, seen.in_work_count, seen.oldest_waiting) == (1, 1, "3 min")
    assert [(each.code, each.count) for each in seen.failed] == [("gave_up", 2), ("not_an_image", 1)]
    assert seen.due_discard_count == 1


def test_everything_stuck_leads_to_the_rows_and_their_action(gallery, chief) -> None:
    now = timezone.now()
    upload_in(gallery, State.UPLOADED, name="waits", try_after=now - timedelta(hours=1))
    upload_in(gallery, State.VERIFYING, name="lost", lease_until=now - timedelta(minutes=1))
    upload_in(gallery, State.SIGNED, name="silent", active_at=now - timedelta(days=2))
    upload_in(gallery, State.FAILED, name="failed")
    Discard.objects.create(store="local", key="late", not_before=now - timedelta(days=1))

    troubles = {trouble.action: trouble for trouble in overview().troubles}
    found = {
        action: [str(row) for row in chief.client.get(trouble.url).context["cl"].result_list]
        for action, trouble in troubles.items()
        if action in {"Cancel", "Retry", "Throw away now"}
    }

    assert {trouble.action for trouble in overview().troubles} == {
        "Start one",
        "Requeue",
        "Cancel",
        "Retry",
        "Throw away now",
    }
    assert found == {"Cancel": ["silent (signed)"], "Retry": ["failed (failed)"], "Throw away now": ["late"]}


def test_every_link_of_the_first_page_opens(gallery, chief) -> None:
    upload_in(gallery, State.FAILED)
    upload_in(gallery, State.UPLOADED, try_after=timezone.now() - timedelta(hours=1))
    page = first_page(chief).content.decode()
    block = page[page.index('class="operations"') : page.index("</section>")]

    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', block)]

    assert len(links) >= 4
    assert {chief.client.get(link).status_code for link in links} == {200}


def test_what_cannot_be_retried_is_told_but_is_nothing_to_mend(worker, gallery) -> None:
    upload_in(gallery, State.FAILED, code="not_an_image")

    seen = overview()

    assert seen.failed_count == 1
    assert seen.troubles == []


def test_what_failed_in_a_deleted_gallery_bothers_nobody(worker, gallery) -> None:
    upload_in(gallery, State.FAILED)
    lifecycle.delete(gallery)

    assert overview().failed == []


@pytest.mark.parametrize(("silent_s", "count"), [(14, 1), (16, 0)])
def test_a_worker_that_has_been_silent_for_three_beats_is_gone(silent_s, count, worker) -> None:
    WorkerHeartbeat.objects.update(seen_at=timezone.now() - timedelta(seconds=silent_s))

    assert overview().worker_count == count


def test_the_page_opens_and_says_so_while_redis_is_away(worker, chief, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    ledger.client.cache_clear()
    try:
        page = first_page(chief)
    finally:
        ledger.client.cache_clear()

    assert page.status_code == 200
    assert page.content.decode().count("does not answer") == 1


def test_the_page_does_not_wait_for_a_storage_that_hangs(worker, monkeypatch) -> None:
    from threading import Event

    from uploads.ops import overview as module

    let_go = Event()
    monkeypatch.setattr(module, "ANSWERS_WITHIN_S", 0.05)
    monkeypatch.setitem(module.PROBES, "storage", let_go.wait)
    try:
        assert overview().answers == {"storage": False, "redis": True}
    finally:
        let_go.set()


def test_the_first_page_asks_as_often_with_many_rows(worker, gallery, chief) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            first_page(chief)
        return len(asked)

    upload_in(gallery, State.FAILED)
    few = questions()
    for state in State:
        for _ in range(10):
            upload_in(gallery, state)

    assert questions() == few


def test_staff_who_may_not_see_uploads_see_no_figures(desk_of, gallery) -> None:
    desk = desk_of(person("vera", "galleries.view_gallery", is_staff=True))

    page = first_page(desk)

    assert page.status_code == 200
    assert "operations" not in page.content.decode()


def test_the_first_page_has_neither_script_nor_style_in_it(chief, gallery) -> None:
    """The site's policy would not let them run."""
    upload_in(gallery, State.FAILED)
    for page in (first_page(chief), chief.list_page("uploads_upload")):
        html = page.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", html)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)
