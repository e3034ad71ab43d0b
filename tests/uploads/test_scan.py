"""The scanner: off by default, really asked where it is set, and nothing gets past it while it is away."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from config import env
from galleries.models import Photo
from galleries.objects import base
from galleries.objects.base import store_named
from tests.builders import jpeg, uploaded
from tests.uploads.clamd import NAME, SIGNATURE, Daemon, running_clamd
from uploads import clock, sweep
from uploads.errors import Infected, ScannerUnavailable
from uploads.limits import DEAD_ATTEMPT_KEPT, MAX_TRIES, STORE_FORGIVEN, UPLOAD_LIFE
from uploads.models import Discard, Upload
from uploads.scan import scan
from uploads.scan_clamav import ClamAv
from uploads.verify import claim_next, verify

CLEAN, HARMFUL = jpeg(1), jpeg(2) + SIGNATURE
NOWHERE = "clamd://127.0.0.1:1"


@pytest.fixture
def clamd(settings):
    daemon = Daemon()
    with running_clamd(daemon) as url:
        settings.SCANNER_URL = url
        yield daemon


def end_of(upload: Upload, developer) -> Upload:
    Upload.objects.filter(pk=upload.pk).update(try_after=clock.now() - timedelta(seconds=1))
    verify(claim_next(), developer)
    return Upload.objects.get(pk=upload.pk)


# --- the daemon


def test_a_clean_file_is_shown_to_it_whole_and_passes(clamd):
    content = b"x" * 3_000_000

    scan(io.BytesIO(content))

    assert clamd.seen == [content]


def test_a_harmful_file_is_refused_by_the_name_of_what_was_found(clamd):
    with pytest.raises(Infected) as refused:
        scan(io.BytesIO(b"before " + SIGNATURE))

    assert refused.value.details == {"found": NAME}


def test_it_is_reached_by_a_socket_of_the_machine_too(short_folder):
    daemon = Daemon()

    with running_clamd(daemon, short_folder / f"clamd-{uuid4().hex[:8]}.sock") as url:
        ClamAv.at(url).scan(io.BytesIO(CLEAN))

    assert daemon.seen == [CLEAN]


def test_a_file_read_to_its_end_is_scanned_from_its_beginning(clamd):
    file = io.BytesIO(HARMFUL)
    file.read()

    with pytest.raises(Infected):
        scan(file)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0", b"stream: Can't allocate memory ERROR\0", b"stream: OK and more\0", b"\xff\xfe\0"],
)
def test_what_is_no_verdict_lets_nothing_in(clamd, answer):
    clamd.answer = answer

    with pytest.raises(ScannerUnavailable):
        scan(io.BytesIO(CLEAN))


def test_a_file_longer_than_the_daemon_takes_is_not_let_in(settings):
    daemon = Daemon(stream_max_bytes=100)
    with running_clamd(daemon) as url:
        settings.SCANNER_URL = url
        with pytest.raises(ScannerUnavailable) as refused:
            scan(io.BytesIO(b"x" * 101))

    assert "size limit" in refused.value.details["reason"] or "Error" in refused.value.details["reason"]


def test_a_daemon_that_never_answers_is_not_waited_for_for_ever(clamd, monkeypatch):
    clamd.is_silent = True
    monkeypatch.setattr("uploads.scan_clamav.SCAN_WITHIN_S", 0.3)

    with pytest.raises(ScannerUnavailable):
        scan(io.BytesIO(CLEAN))


def test_a_name_from_outside_is_one_short_line(clamd):
    clamd.signatures[b"evil"] = "Line\x07" + "x" * 300

    with pytest.raises(Infected) as refused:
        scan(io.BytesIO(b"evil"))

    assert refused.value.details["found"] == "Line" + "x" * 96


@pytest.mark.parametrize("word", ["clamd://scanner:3310", "clamd://scanner", "clamd:///run/clamd.sock"])
def test_an_address_is_taken_from_the_environment(monkeypatch, word):
    monkeypatch.setenv("SCANNER_URL", word)

    assert env.scanner("SCANNER_URL") == word


@pytest.mark.parametrize(
    "word",
    ["scanner:3310", "http://scanner", "clamd:", "clamd://", "clamd://h:99999", "clamd://h/p", "clamd://h:0"],
)
def test_an_address_that_is_none_is_refused(monkeypatch, word):
    monkeypatch.setenv("SCANNER_URL", word)

    with pytest.raises(ImproperlyConfigured, match="SCANNER_URL"):
        env.scanner("SCANNER_URL")


# --- the pipeline


@pytest.mark.django_db
def test_it_is_asked_about_every_original_within_the_one_read(gallery, developer, clamd):
    calls: list[str] = []
    base.on_store_call.append(lambda _store, verb: calls.append(verb))

    upload = end_of(uploaded(gallery, CLEAN), developer)

    base.on_store_call.pop()
    assert (upload.state, clamd.seen, calls.count("read")) == ("verified", [CLEAN], 1)


@pytest.mark.django_db
def test_without_a_scanner_nobody_is_asked(gallery, developer, settings):
    assert settings.SCANNER_URL == ""

    assert end_of(uploaded(gallery, HARMFUL), developer).state == "verified"


class Untouched:
    def develop(self, source, *, media_type):
        raise AssertionError("a harmful file was opened")


@pytest.mark.django_db
def test_a_harmful_file_is_never_opened_never_shown_and_says_why(api, gallery, clamd):
    upload = end_of(uploaded(gallery, HARMFUL), Untouched())

    [row] = api.get(f"/galleries/{gallery.pk}/uploads").body["uploads"]
    assert (row["state"], row["error"]["code"], row["error"]["retryable"]) == ("failed", "infected", False)
    assert row["error"]["details"] == {"found": NAME}
    assert not Photo.objects.exists()
    assert api.retry(upload.pk)[0]["state"] == "failed"


@pytest.mark.django_db
def test_in_quarantine_its_bytes_stay_for_staff_until_the_life_of_uploads_is_over(gallery, clamd):
    upload = end_of(uploaded(gallery, HARMFUL), Untouched())
    Upload.objects.update(ended_at=clock.now() - UPLOAD_LIFE + timedelta(minutes=1))

    sweep.sweep_everything()
    kept = store_named("local").find(upload.key)
    Upload.objects.update(ended_at=clock.now() - UPLOAD_LIFE - timedelta(minutes=1))
    sweep.sweep_everything()
    Discard.objects.update(not_before=clock.now() - DEAD_ATTEMPT_KEPT)
    sweep.sweep_everything()

    assert kept is not None
    assert store_named("local").find(upload.key) is None
    assert Upload.objects.get().error_code == "infected"


@pytest.mark.django_db
def test_staff_see_what_was_found_and_can_have_it_scanned_again(gallery, developer, clamd, staff, client):
    upload = end_of(uploaded(gallery, HARMFUL), Untouched())
    clamd.signatures.clear()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")

    page = client.get(reverse("admin:uploads_upload_change", args=[upload.pk])).content.decode()
    client.post(
        reverse("admin:uploads_upload_changelist"),
        {"action": "retry", "_selected_action": [str(upload.pk)], "confirmed": "yes"},
    )

    assert NAME in page
    assert end_of(upload, developer).state == "verified"


@pytest.mark.django_db
def test_while_it_is_away_files_wait_and_nothing_is_shown(gallery, developer, settings, clamd):
    url, settings.SCANNER_URL = settings.SCANNER_URL, NOWHERE
    waiting = end_of(uploaded(gallery, CLEAN), developer)
    assert (waiting.state, waiting.tries, Photo.objects.exists()) == ("uploaded", 0, False)
    assert waiting.try_after > clock.now()

    settings.SCANNER_URL = url

    assert end_of(waiting, developer).state == "verified"


@pytest.mark.django_db
def test_one_that_stays_away_for_a_day_ends_the_upload_with_a_code_and_a_retry_mends_it(
    api, gallery, developer, settings
):
    settings.SCANNER_URL = NOWHERE
    upload = uploaded(gallery, CLEAN, active_at=clock.now() - STORE_FORGIVEN, tries=MAX_TRIES - 1)

    failed = end_of(upload, developer)
    settings.SCANNER_URL = ""
    api.retry(upload.pk)

    assert (failed.state, failed.error_code) == ("failed", "scanner_unavailable")
    assert end_of(upload, developer).state == "verified"
