"""How often one person may call: far above what our own clients do, and no call waits for Redis."""

import os
import re
import signal
import time
from collections import Counter
from heapq import merge
from itertools import count, takewhile
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

from config import env
from config.api import api as ninja_api
from config.api import calls_of
from galleries.errors import TooManyRequests
from tests.builders import file_out
from tests.cast import bearer_api, session_api
from tests.faults.at_once import at_once
from uploads import brief_redis, limits
from uploads.limits import CALL_RATES, MAX_BATCH_ITEMS, MAX_GALLERY_PHOTOS
from uploads.rate_limits import Calls, spend

SECOND = 1_000_000
NOON = 1_790_000_000 * SECOND


@pytest.fixture(autouse=True)
def redis_is_asked():
    """Whatever another test did to Redis: this process asks it again."""
    brief_redis.Trouble.ends_at_s = 0.0
    yield
    brief_redis.Trouble.ends_at_s = 0.0


def granted(who: str, calls: Calls, *moments_us: int) -> list[bool]:
    def is_granted(now_us: int) -> bool:
        try:
            spend(who, calls, now_us=now_us)
        except TooManyRequests:
            return False
        return True

    return [is_granted(now_us) for now_us in moments_us]


# --- the bucket


@pytest.mark.parametrize(("extra", "refused"), [(-1, 0), (0, 0), (1, 1)])
def test_so_many_calls_go_on_at_once_and_no_more(settings, extra, refused):
    settings.CALL_RATES = {"sign": (10, 5)}

    assert granted("one", Calls.SIGN, *[NOON] * (5 + extra)).count(False) == refused


@pytest.mark.parametrize(("late_us", "is_granted"), [(-1, False), (0, True), (1, True)])
def test_who_was_refused_goes_on_when_the_time_told_is_over(settings, late_us, is_granted):
    settings.CALL_RATES = {"sign": (10, 5)}
    granted("one", Calls.SIGN, *[NOON] * 5)

    assert granted("one", Calls.SIGN, NOON, NOON + SECOND // 10 + late_us) == [False, is_granted]


def test_a_refused_call_costs_nothing(settings):
    settings.CALL_RATES = {"sign": (1, 2)}
    granted("one", Calls.SIGN, *[NOON] * 50)

    assert granted("one", Calls.SIGN, NOON + SECOND) == [True]


def test_the_seconds_to_wait_are_told_in_full(settings):
    settings.CALL_RATES = {"sign": (2, 4)}
    granted("one", Calls.SIGN, *[NOON] * 4)

    with pytest.raises(TooManyRequests) as refused:
        spend("one", Calls.SIGN, now_us=NOON)

    assert refused.value.details == {"calls": "sign", "retry_after_s": 1}
    assert refused.value.retryable


def test_calls_at_the_rate_go_on_for_ever(settings):
    settings.CALL_RATES = {"sign": (50, 1)}

    assert all(granted("one", Calls.SIGN, *range(NOON, NOON + 20 * SECOND, SECOND // 50)))


def test_persons_and_kinds_of_calls_are_counted_apart(settings):
    settings.CALL_RATES = {"sign": (1, 1), "batch": (1, 1)}

    told = [granted(who, calls, NOON)[0] for who in ("one", "two") for calls in (Calls.SIGN, Calls.BATCH)]

    assert told == [True] * 4
    assert granted("one", Calls.SIGN, NOON) == [False]


def test_a_kind_without_a_limit_is_not_counted(settings):
    settings.CALL_RATES = {}

    assert all(granted("one", Calls.SIGN, *[NOON] * 1_000))


def test_a_clock_that_jumped_back_locks_nobody_out(settings):
    settings.CALL_RATES = {"sign": (10, 20)}
    granted("one", Calls.SIGN, *[NOON] * 20)

    an_hour_earlier = NOON - 3600 * SECOND
    assert granted("one", Calls.SIGN, *[an_hour_earlier] * 21) == [True] * 20 + [False]


def test_nothing_is_kept_of_who_has_gone(settings, redis_server):
    settings.CALL_RATES = {"sign": (10, 20)}

    spend("one", Calls.SIGN)

    (key,) = brief_redis.client().keys("safelight:calls:*")
    assert 0 < brief_redis.client().pttl(key) <= 2_000


def test_of_many_at_once_as_many_go_on_as_may(settings):
    settings.CALL_RATES = {"sign": (1, 30)}

    told = at_once([lambda: granted("one", Calls.SIGN, *[NOON] * 10)] * 8)

    assert sum(each.count(True) for each in told) == 30


# --- over HTTP


@pytest.mark.django_db
def test_too_many_calls_are_answered_429_with_the_time_to_wait(api, gallery, settings):
    settings.CALL_RATES = {"batch": (1, 2)}
    path, body = f"/galleries/{gallery.pk}/uploads/batch", {"files": [file_out()]}

    answers = [api.post(path, body) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    refused = answers[2]
    assert refused.headers["Retry-After"] == "1"
    error = refused.body["error"]
    assert (error["code"], error["retryable"]) == ("too_many_requests", True)
    assert error["details"] == {"calls": "batch", "retry_after_s": 1}


@pytest.mark.django_db
def test_a_person_has_one_limit_with_all_programs_and_pages(owner, stranger, settings):
    settings.CALL_RATES = {"read": (1, 2)}
    callers = [bearer_api(owner), bearer_api(owner), session_api(owner), bearer_api(stranger)]

    assert [api.get("/galleries").status for api in callers] == [200, 200, 429, 200]


@pytest.mark.django_db
def test_who_is_nobody_is_told_to_sign_in_however_often(anonymous_api, settings):
    settings.CALL_RATES = {"read": (1, 1)}

    assert {anonymous_api.get("/galleries").status for _ in range(5)} == {401}


@pytest.mark.django_db
def test_who_waits_as_told_is_served(api, settings):
    settings.CALL_RATES = {"read": (20, 1)}
    refused = next(answer for answer in iter(lambda: api.get("/galleries"), None) if answer.status == 429)

    began = time.monotonic()
    served = next(
        time.monotonic() - began
        for answer in iter(lambda: api.get("/galleries"), None)
        if answer.status == 200
    )

    assert served <= int(refused.headers["Retry-After"])


EXPECTED = {
    ("POST", "/api/galleries/{gallery_id}/uploads/batch"): Calls.BATCH,
    ("POST", "/api/uploads/sign"): Calls.SIGN,
    ("POST", "/api/uploads/complete"): Calls.COMPLETE,
    ("POST", "/api/uploads/cancel"): Calls.CONTROL,
    ("POST", "/api/uploads/retry"): Calls.CONTROL,
    ("POST", "/api/galleries/{gallery_id}/progress"): Calls.PROGRESS,
}


def test_every_call_of_the_api_is_of_a_kind_that_has_a_limit():
    kinds = {
        (method.upper(), path): calls_of(RequestFactory().generic(method.upper(), path))
        for path, methods in ninja_api.get_openapi_schema()["paths"].items()
        for method in methods
    }

    assert {call: kind for call, kind in kinds.items() if kind not in {Calls.READ, Calls.WRITE}} == EXPECTED
    assert {kind for (method, _), kind in kinds.items() if method == "GET"} == {Calls.READ}
    assert set(kinds.values()) == set(CALL_RATES) == set(Calls)


# --- our own engine


def every(seconds: float, until_s: float):
    return takewhile(lambda at_s: at_s < until_s, (each * seconds for each in count()))


def engine_calls(files_per_s: int):
    """What one tab asks for 5,000 files without a socket, (second, kind), as the engine's own constants have it.

    Batches of a hundred one right after another; signatures and handovers of what came together; reports of each
    hundred rows four times a second at most; the gallery and its list (five pages) every three seconds.
    """
    lasts_s = MAX_GALLERY_PHOTOS / files_per_s
    in_a_call = (
        8  # pieces that wait for a signature together when all slots are busy: 24 at most, often fewer
    )
    return merge(
        ((0.02 * turn, Calls.BATCH) for turn in range(MAX_GALLERY_PHOTOS // MAX_BATCH_ITEMS)),
        ((at_s, Calls.SIGN) for at_s in every(in_a_call / files_per_s, lasts_s)),
        ((at_s, Calls.COMPLETE) for at_s in every(in_a_call / files_per_s, lasts_s)),
        ((at_s, Calls.PROGRESS) for at_s in every(0.25, lasts_s)),
        ((at_s, Calls.READ) for at_s in every(3, lasts_s) for _ in range(6)),
    )


@pytest.mark.parametrize("files_per_s", [4, 40, 300])
def test_three_devices_that_send_five_thousand_photos_each_are_never_refused(files_per_s):
    calls = merge(*[engine_calls(files_per_s) for _ in range(3)])
    # Reading a slow evening call by call would take long and say no more than its first minutes.
    first_minutes = takewhile(lambda call: call[0] < 120, calls)

    refused = Counter(
        kind for at_s, kind in first_minutes if granted("one", kind, NOON + int(at_s * SECOND)) == [False]
    )

    assert refused == {}


def test_a_program_that_registers_every_file_by_a_call_of_its_own_is_never_refused():
    """A hundred files a second, until a gallery is full."""
    moments = range(NOON, NOON + 50 * SECOND, SECOND // 100)

    for calls in (Calls.BATCH, Calls.COMPLETE, Calls.READ):
        assert all(granted("one", calls, *moments[:MAX_GALLERY_PHOTOS]))


def test_a_loop_that_went_wild_is_refused_soon():
    told = granted("one", Calls.SIGN, *range(NOON, NOON + 20 * SECOND, SECOND // 500))

    per_s, at_once_ = CALL_RATES["sign"]
    assert told.count(True) <= at_once_ + 20 * per_s + 1 < len(told) // 2


# --- without Redis


@pytest.mark.django_db
def test_calls_go_on_without_redis_and_are_counted_again_after_it_came_back(api, settings, redis_server):
    settings.CALL_RATES = {"read": (1, 1)}
    redis_server.kill()
    try:
        assert {api.get("/galleries").status for _ in range(5)} == {200}
    finally:
        redis_server.start_again()
    brief_redis.Trouble.ends_at_s = 0.0

    assert [api.get("/galleries").status for _ in range(2)] == [200, 429]


def test_one_call_waits_a_moment_for_a_redis_that_hangs_and_the_next_ones_do_not(settings):
    settings.CALL_RATES = {"read": (100, 100)}
    spend("one", Calls.READ)
    pid = brief_redis.client().info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        first_s, *others_s = [took_s(lambda: spend("one", Calls.READ)) for _ in range(20)]
    finally:
        os.kill(pid, signal.SIGCONT)

    assert first_s < 10 * brief_redis.ANSWERS_WITHIN_S
    assert sum(others_s) < brief_redis.ANSWERS_WITHIN_S


def took_s(act) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def test_a_redis_that_was_started_again_is_used_without_a_word(settings, redis_server, caplog):
    """Kept connections are dead and the script is forgotten."""
    settings.CALL_RATES = {"read": (1, 1)}
    spend("one", Calls.READ)
    redis_server.kill()
    redis_server.start_again()
    redis_server.forget_everything()

    assert granted("one", Calls.READ, NOON, NOON) == [True, False]
    assert "redis.let_be" not in caplog.text


# --- how it is set


@pytest.mark.parametrize(
    ("word", "changed"),
    [
        ("", {}),
        ("sign=80/1000", {"sign": (80, 1000)}),
        ("sign = 80 / 1000, batch=1/1", {"sign": (80, 1000), "batch": (1, 1)}),
    ],
)
def test_limits_are_read_from_the_environment_those_not_named_stay(monkeypatch, word, changed):
    monkeypatch.setenv("RATE_LIMITS", word)

    assert env.rates("RATE_LIMITS", limits.CALL_RATES) == {**limits.CALL_RATES, **changed}


def test_limits_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("RATE_LIMITS", "off")

    assert env.rates("RATE_LIMITS", limits.CALL_RATES) == {}


@pytest.mark.parametrize(
    "word", ["on", "sign", "sign=0/1", "sign=1/0", "sign=-1/5", "sing=1/1", "sign=1", "off,sign=1/1"]
)
def test_a_limit_that_is_none_is_refused_by_its_name(monkeypatch, word):
    monkeypatch.setenv("RATE_LIMITS", word)

    with pytest.raises(ImproperlyConfigured, match="RATE_LIMITS"):
        env.rates("RATE_LIMITS", limits.CALL_RATES)


def test_the_readme_tells_the_limits_in_words_that_can_be_set(monkeypatch):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    monkeypatch.setenv("RATE_LIMITS", re.search(r"\| `RATE_LIMITS` \| `([^`]+)`", readme)[1])

    assert env.rates("RATE_LIMITS", dict.fromkeys(CALL_RATES, (1, 1))) == CALL_RATES


def test_the_protocol_tells_the_limits():
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = page.partition("## How much, and how often")[2].partition("\n## ")[0]
    told = {
        word: (int(per_s), int(at_once_))
        for words, per_s, at_once_ in re.findall(r"^\| (.+) \| (\d+) \| (\d+) \|$", section, re.MULTILINE)
        for word in re.findall(r"\w+", words)
    }

    named = {"cancel": "control", "retry": "control", "GET": "read", "other": "write"}
    assert {named.get(word, word): rate for word, rate in told.items() if word in {*CALL_RATES, *named}} == {
        **CALL_RATES
    }
