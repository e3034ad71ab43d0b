"""`GET /metrics`: who may, what it says, and that counts outlive the processes that made them."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import issue_token
from dev.places import ROOT
from tests.builders import file_out, make_upload
from tests.cast import bearer_api
from uploads import counters, events, heartbeats, metrics
from uploads.counters import BUCKETS_S
from uploads.models import Discard, Publication, PublicationState, Upload
from uploads.states import ENDED_STATES, Event, State
from uploads.wire import known_errors

pytestmark = pytest.mark.django_db
TOKEN = "a token that nobody can guess"
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def scrape(user) -> dict[tuple[str, frozenset], float]:
    """Samples by name and labels."""
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {issue_token(user)}"})
    assert answer.status_code == 200
    return samples_of(answer.content.decode())


def samples_of(text: str) -> dict[tuple[str, frozenset], float]:
    return {
        (name, frozenset(LABEL.findall(labels))): float(value) for name, labels, value in SAMPLE.findall(text)
    }


def value_of(samples, name: str, **labels: str) -> float | None:
    return samples.get((f"safelight_{name}", frozenset(labels.items())))


# Who may


def test_staff_read_it_by_token_and_by_session(staff):
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")

    by_session, by_token = client.get("/metrics"), scrape(staff)

    assert by_session.status_code == 200
    assert by_session.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "no-store" in by_session.headers["Cache-Control"]
    assert value_of(by_token, "database_up") == 1


def test_a_scraper_reads_it_with_the_token_of_the_settings(settings, db):
    settings.METRICS_TOKEN = TOKEN

    assert Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("token", ["", "another token of that length", TOKEN[:-1], TOKEN + "x"])
@pytest.mark.parametrize("known", ["", TOKEN])
def test_nobody_known_is_asked_to_sign_in(settings, token, known, db):
    settings.METRICS_TOKEN = known

    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "sign_in_required")


def test_the_token_of_the_settings_opens_nothing_else(settings, db):
    settings.METRICS_TOKEN = TOKEN

    answer = Client().get("/api/galleries", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 401


def test_for_everybody_else_there_is_nothing(owner):
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {issue_token(owner)}"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_it_is_only_read(staff):
    answer = Client().post("/metrics", headers={"Authorization": f"Bearer {issue_token(staff)}"})

    assert answer.status_code == 405


# What it says


def test_it_says_how_the_rows_stand(staff, gallery):
    from uploads import clock

    now = clock.now()
    make_upload(gallery, State.UPLOADED, active_at=now - timedelta(minutes=5))
    make_upload(gallery, State.UPLOADED, active_at=now - timedelta(minutes=1))
    make_upload(gallery, State.VERIFYING, lease_until=now - timedelta(minutes=1))
    make_upload(gallery, State.VERIFYING)
    make_upload(gallery, State.SIGNED)
    for hours in (-1, 1):
        Discard.objects.create(store="local", key="originals/x", not_before=now + timedelta(hours=hours))
    heartbeats.beat("work@here", 4)
    for state in (PublicationState.IN_PROGRESS, PublicationState.ALL_FAILED):
        Publication.objects.create(
            gallery=gallery, actor="x", idempotency_key=state, state=state, created_at=now
        )

    found = scrape(staff)

    counts = {state: value_of(found, "uploads", state=state) for state in State}
    assert counts == dict.fromkeys(State, 0) | {State.UPLOADED: 2, State.VERIFYING: 2, State.SIGNED: 1}
    assert 300 <= value_of(found, "oldest_waiting_seconds") < 360
    assert value_of(found, "leases_lost") == 1
    assert (value_of(found, "discards"), value_of(found, "discards_due")) == (2, 1)
    assert (value_of(found, "workers"), value_of(found, "worker_slots")) == (1, 4)
    assert value_of(found, "publications_in_progress") == 1


def test_nothing_waits_for_no_time(staff):
    assert value_of(scrape(staff), "oldest_waiting_seconds") == 0


def test_it_takes_few_queries_however_much_there_is(gallery, django_assert_max_num_queries):
    for state in State:
        make_upload(gallery, state)

    with django_assert_max_num_queries(6):
        metrics.exposition()


def test_without_a_database_counts_are_still_told(monkeypatch):
    def refuse() -> None:
        raise OperationalError

    counters.add("warnings", {"event": "x.y", "level": "error"}, 3)
    monkeypatch.setattr(metrics, "gauges", refuse)

    found = samples_of(metrics.exposition().decode())

    assert value_of(found, "database_up") == 0
    assert value_of(found, "warnings_total", event="x.y", level="error") == 3


@pytest.mark.django_db(transaction=True)
def test_names_and_labels_are_those_of_the_tables_and_no_others(staff, gallery):
    """The contract with whoever has drawn a dashboard: a name or a label that goes or comes is a decision."""
    api = bearer_api(gallery.owner)
    api.batch(gallery, file_out(), file_out(size=0))
    for kind in events.KINDS.values():
        happened = events.Happened(
            kind, dict.fromkeys(kind.labels, "x"), size=1, durations_s=[0.2, 10_000_000]
        )
        events.emit([happened])

    shown = {
        (name, tuple(sorted(label for label, _ in labels)))
        for name, labels in scrape(staff)
        if not name.endswith(("_sum", "_count"))
    }

    expected = {(f"safelight_{name}", ()) for name in metrics.GAUGES if name != "uploads"}
    expected |= {("safelight_uploads", ("state",)), ("safelight_store_calls_total", ("call", "store"))}
    ends = {"count": "_total", "bytes": "_bytes_total", "duration_s": "_seconds_bucket"}
    for kind in events.KINDS.values():
        for measure in kind.measures:
            labels = {*kind.labels} - {"code"} | {"le"} if measure == "duration_s" else kind.labels
            expected.add((f"safelight_{kind.metric}{ends[measure]}", tuple(sorted(labels))))
    # No store was called, nothing was warned of.
    assert shown | {("safelight_store_calls_total", ("call", "store"))} == expected


def test_a_machine_without_a_web_server_prints_its_own_counts(capsys, gallery, django_assert_num_queries):
    counters.add("warnings", {"event": "x.y", "level": "error"}, 3)

    with django_assert_num_queries(0):
        call_command("print_metrics")

    printed = samples_of(capsys.readouterr().out)
    assert printed == {
        ("safelight_warnings_total", frozenset({("event", "x.y"), ("level", "error")})): 3,
    }


def test_what_is_said_can_be_read_with_its_kinds_and_meanings(gallery):
    counters.add("store_calls", {"store": "local", "call": "head"})
    counters.observe("sweep_run_seconds", {"outcome": "done"}, [0.1])

    families = {each.name: each for each in text_string_to_metric_families(metrics.exposition().decode())}

    kinds = {name.removeprefix("safelight_"): each.type for name, each in families.items()}
    assert kinds == {"store_calls": "counter", "sweep_run_seconds": "histogram"} | dict.fromkeys(
        metrics.GAUGES, "gauge"
    )
    assert all(each.documentation for each in families.values())
    assert families["safelight_sweep_run_seconds"].documentation == (
        "sweep.run: the sweeper went round (seconds)"
    )


def test_durations_fall_into_the_bucket_that_ends_after_them(staff):
    counters.observe("upload_stopped_seconds", {"outcome": "x"}, [0.5, 0.51, 1e9])

    found = scrape(staff)

    def up_to(limit: str) -> float | None:
        return value_of(found, "upload_stopped_seconds_bucket", outcome="x", le=limit)

    assert (up_to("0.5"), up_to("1.0"), up_to("+Inf")) == (1, 2, 3)
    assert value_of(found, "upload_stopped_seconds_count", outcome="x") == 3


def test_warnings_are_counted_by_their_event_alone(staff, caplog):
    import logging

    handler = counters.WarningCounter()
    ours, theirs = logging.getLogger("uploads.verify"), logging.getLogger("somebody.else")
    for log in (ours, theirs):
        log.addHandler(handler)
    try:
        ours.warning("announce.failed error=%s", "ConnectionError")
        ours.error("announce.failed error=%s", "TimeoutError")
        ours.warning("Nobody named this %s", "x")
        theirs.warning("announce.failed secret=%s", "x")
    finally:
        for log in (ours, theirs):
            log.removeHandler(handler)

    found = scrape(staff)
    assert value_of(found, "warnings_total", event="announce.failed", level="warning") >= 1
    assert value_of(found, "warnings_total", event="announce.failed", level="error") >= 1
    assert value_of(found, "warnings_total", event="other", level="warning") >= 2
    assert "secret" not in metrics.exposition().decode()


# Many processes, and their ends


COUNT = """
import os, sys, time
import django
django.setup()
from django.conf import settings
from uploads import counters
settings.DATA_DIR = sys.argv[1]
counters.add("probe", {"what": "x"}, 1)
child = os.fork()
counters.add("probe", {"what": "x"}, 10 if child else 100)
if child:
    print(counters.Current.tally.place, child, flush=True)
else:
    counters.add("probe", {"what": "child"}, counters.Current.tally.place)
time.sleep(60)
"""


class Counting:
    """A process that counts, forks, and whose child counts too; then both wait to be killed."""

    def __init__(self, folder) -> None:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNT, str(folder)], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
        )
        self.place = self.child = 0

    def wait(self) -> None:
        self.place, self.child = map(int, self.process.stdout.readline().split())

    def kill(self) -> None:
        for pid in (self.child, self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def probed() -> float:
    samples = samples_of(metrics.exposition().decode())
    return value_of(samples, "probe_total", what="x") or 0


def until(is_true) -> None:
    ends_at = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def test_what_forked_and_killed_processes_counted_is_kept_and_none_writes_over_another(data_dir):
    first, second = Counting(data_dir), Counting(data_dir)
    first.wait()
    second.wait()
    until(lambda: probed() == 222)

    first.kill()
    second.kill()
    third = Counting(data_dir)
    third.wait()

    until(lambda: probed() == 333)
    third.kill()
    # Those that came later went on in the files of those that had ended.
    assert first.place != second.place
    assert third.place in {0, 1, 2, 3}
    assert len(list((data_dir / "metrics").glob("counter_*.db"))) == 4


def test_a_file_that_is_no_longer_whole_costs_only_its_own_counts(data_dir, db):
    counters.add("probe", {"what": "x"}, 7)
    broken = data_dir / "metrics" / "counter_9.db"
    broken.write_bytes((4096).to_bytes(4, sys.byteorder) + b"\xff" * 100)

    assert probed() == 7


@pytest.mark.parametrize("size", [0, 3])
def test_a_file_that_is_just_being_made_stands_in_nobodys_way(data_dir, db, size):
    counters.add("probe", {"what": "x"}, 7)
    (data_dir / "metrics" / "counter_9.db").write_bytes(bytes(size))

    assert probed() == 7


def test_a_disk_that_is_full_ends_nothing(data_dir, monkeypatch, caplog, gallery):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(counters.os, "posix_fallocate", full)
    monkeypatch.setattr(counters.Current, "failed_at_s", None)

    counters.add("probe", {"what": "x"})
    counters.add("probe", {"what": "x"})

    assert caplog.text.count("metrics.lost error=OSError") == 1
    monkeypatch.setattr(counters.Current, "failed_at_s", None)
    assert Upload.objects.count() == 0


def test_all_series_that_labels_can_make_fit_into_that_room(data_dir):
    codes, stores, lanes = ["", *known_errors()], ["local", "s3", "gcs"], ["put", "multipart", "resumable"]
    words = {"store": stores, "lane": lanes, "code": codes, "outcome": [*ENDED_STATES], "why": [*Event]}

    for kind in events.KINDS.values():
        for values in itertools.product(*[words.get(label, [*State]) for label in kind.labels]):
            if "outcome" in kind.labels and "code" in kind.labels and ("failed" in values) == ("" in values):
                continue  # only what failed has a code
            happened = events.Happened(
                kind, dict(zip(kind.labels, values, strict=True)), durations_s=[0, *BUCKETS_S, 1e9]
            )
            events.count(happened, events.measures_of(happened))

    kept = counters.Current.tally
    assert kept.counts._used < counters.COUNTER_FILE_BYTES
    assert kept.spreads._used < counters.HISTOGRAM_FILE_BYTES


def test_all_room_is_taken_before_a_file_is_mapped(data_dir):
    """To write into a hole of a mapped file on a full disk would end the process."""
    counters.add("probe", {"what": "x"})

    room = {"counter_0.db": counters.COUNTER_FILE_BYTES, "histogram_0.db": counters.HISTOGRAM_FILE_BYTES}
    files = list((data_dir / "metrics").glob("*.db"))
    assert {file.name for file in files} == {*room}
    for file in files:
        assert file.stat().st_blocks * 512 >= room[file.name]
        assert json.dumps(file.stat().st_mode & 0o077) == "0"
