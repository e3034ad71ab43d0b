"""Guesses at a password are counted for all processes together, and go on being counted without Redis."""

import pickle
import threading

import pytest
from django.core.cache import cache
from django.test import Client

from config.shared_cache import SharedCache
from tests.cast import PASSWORD, make_user
from tests.faults.at_once import at_once
from uploads import brief_redis


@pytest.fixture(autouse=True)
def nothing_counted_yet():
    brief_redis.Trouble.ends_at_s = 0.0
    cache.clear()
    yield
    brief_redis.Trouble.ends_at_s = 0.0
    cache.clear()


@pytest.fixture
def person(db, settings):
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher"
    ]  # the others take their time
    user = make_user("person")
    user.set_password(PASSWORD)
    user.save()
    return user


def another_process() -> SharedCache:
    """The same cache as another web process has it: nothing of it in this one's memory."""
    return SharedCache(f"of {threading.get_ident()} {object()}", {"KEY_PREFIX": "safelight:cache"})


def guess(password: str = "wrong") -> bool:  # noqa: S107  a wrong one
    """Whether somebody is signed in after it."""
    client = Client()
    client.post("/accounts/login/", {"login": "person", "password": password})
    return client.get("/api/session").json()["user"] is not None


def test_guesses_are_where_every_process_finds_them(person):
    for _ in range(5):
        guess()

    (counted,) = [key for key in brief_redis.client().keys("safelight:cache:*") if b"login_failed:5/" in key]
    name = counted.decode().removeprefix("safelight:cache:").partition(":")[2]
    assert len(another_process().get(name)) == 5
    assert not guess(PASSWORD)


def test_a_guess_more_than_may_be_is_refused_and_one_less_is_not(person):
    for _ in range(4):
        guess()

    assert guess(PASSWORD)


def test_guesses_are_counted_while_redis_is_away(person, redis_server):
    redis_server.kill()
    try:
        for _ in range(5):
            guess()
        assert not guess(PASSWORD)
    finally:
        redis_server.start_again()


# --- what Django may ask of its cache


def test_what_one_process_keeps_another_finds(db):
    cache.set("a", [1.5, "ü"], 60)

    assert another_process().get("a") == [1.5, "ü"]
    assert another_process().get("b", "nothing") == "nothing"


def test_of_several_that_add_at_once_one_succeeds():
    added = at_once([lambda: another_process().add("lock", True, 60)] * 8)

    assert sorted(added) == [False] * 7 + [True]


def test_what_is_deleted_is_gone_everywhere():
    cache.set("a", 1)

    assert (another_process().delete("a"), cache.get("a"), cache.delete("a")) == (True, None, False)


@pytest.mark.parametrize(("timeout", "life_ms"), [(60, 60_000), (0.25, 250), (None, -1)])
def test_what_is_kept_lives_as_long_as_told(timeout, life_ms):
    cache.set("a", 1, timeout)
    cache.add("b", 1, timeout)

    for name in ("a", "b"):
        left_ms = brief_redis.client().pttl(f"safelight:cache:1:{name}")
        assert left_ms == life_ms if life_ms < 0 else 0 <= life_ms - left_ms <= 200


@pytest.mark.parametrize("timeout", [0, -5])
def test_what_is_over_at_once_is_not_kept(timeout):
    cache.set("a", 1)

    cache.set("a", 2, timeout)

    while brief_redis.client().exists("safelight:cache:1:a"):  # a millisecond
        pass
    assert cache.get("a") is None


def test_a_touch_changes_how_long_it_lives():
    cache.set("a", 1, 10)

    assert (cache.touch("a", 100), cache.touch("b", 100)) == (True, False)
    assert brief_redis.client().pttl("safelight:cache:1:a") > 50_000


def test_clearing_forgets_this_cache_and_nothing_else():
    cache.set("a", 1)
    brief_redis.client().set("safelight:calls:x", 1)

    cache.clear()

    assert cache.get("a") is None
    assert brief_redis.client().exists("safelight:calls:x")


def test_nothing_from_redis_is_run():
    """A pickle there is an error of JSON, not a call of whatever it names."""
    brief_redis.client().set("safelight:cache:1:a", pickle.dumps(print))

    with pytest.raises(ValueError):  # noqa: PT011  of the decoder
        cache.get("a")


def test_every_word_works_without_redis(redis_server):
    redis_server.kill()
    try:
        told = [
            cache.add("a", 1, 60), cache.add("a", 2, 60), cache.get("a"), cache.touch("a", 30),
            cache.set("a", 3, 60), cache.get("a"), cache.delete("a"), cache.get("a"),
        ]  # fmt: skip
        cache.clear()
    finally:
        redis_server.start_again()

    assert told == [True, False, 1, True, None, 3, True, None]
