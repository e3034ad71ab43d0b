"""How many bytes of the files now on their way have been stored, per gallery, in Redis.

Nothing of it is truth: lost with Redis, it is filled again by the next reports.
One script does each report, so that it is atomic, idempotent and monotone per file.
"""

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import cast

import redis
from django.conf import settings

log = logging.getLogger(__name__)

KEPT_FOR_S = 7 * 24 * 3600
# A rate that nobody has fed for this long says nothing about now.
RATE_STALE_S = 10

# KEYS: bytes by upload, rate, when more was last heard of. ARGV: seconds to keep, then (upload, bytes) pairs.
REPORT = """
local fresh = 0
local time = redis.call('TIME')
for i = 2, #ARGV, 2 do
  local had = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0)
  local has = tonumber(ARGV[i + 1])
  if has > had then
    redis.call('HSET', KEYS[1], ARGV[i], has)
    redis.call('HSET', KEYS[3], ARGV[i], time[1])
    fresh = fresh + has - had
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[1])
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local seen = redis.call('HMGET', KEYS[2], 'at', 'bytes', 'rate')
local at, bytes, rate = tonumber(seen[1]), tonumber(seen[2] or 0) + fresh, tonumber(seen[3])
if at == nil or now - at > 10 then
  redis.call('HSET', KEYS[2], 'at', now, 'bytes', 0)
  redis.call('HDEL', KEYS[2], 'rate')
elseif now - at >= 1 then
  local current = bytes / (now - at)
  if rate then current = 0.7 * rate + 0.3 * current end
  redis.call('HSET', KEYS[2], 'at', now, 'bytes', 0, 'rate', current)
else
  redis.call('HSET', KEYS[2], 'bytes', bytes)
end
redis.call('EXPIRE', KEYS[2], ARGV[1])
return fresh
"""


@dataclass(frozen=True)
class Progress:
    """Bytes by upload id, and bytes per second over the last seconds (None: nobody knows)."""

    bytes_by_upload: Mapping[str, int]
    rate: int | None


NOTHING = Progress({}, None)


@cache
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def keys_of(gallery_id: uuid.UUID) -> tuple[str, str, str]:
    """Bytes, rate, times: in braces, so that a cluster keeps them in one place."""
    return (
        f"safelight:ledger:{{{gallery_id}}}",
        f"safelight:rate:{{{gallery_id}}}",
        f"safelight:heard:{{{gallery_id}}}",
    )


def report(gallery_id: uuid.UUID, stored: Sequence[tuple[uuid.UUID, int]]) -> int:
    """Takes what is new, ignores what is old, repeated or out of order. Returns the bytes that were new."""
    pairs = [word for upload_id, stored_bytes in stored for word in (str(upload_id), stored_bytes)]
    return cast("int", client().eval(REPORT, 3, *keys_of(gallery_id), KEPT_FOR_S, *pairs))


def progress_in(gallery_id: uuid.UUID) -> Progress:
    """Empty when Redis is away: the rows alone are shown then."""
    return progress_of([gallery_id])[gallery_id]


def progress_of(gallery_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Progress]:
    """The same of many galleries, in one round trip."""
    wanted = list(gallery_ids)
    if not wanted:
        return {}
    try:
        with client().pipeline(transaction=False) as pipe:
            pipe.time()
            for gallery_id in wanted:
                ledger, rate, _ = keys_of(gallery_id)
                pipe.hgetall(ledger)
                pipe.hmget(rate, "rate", "at")
            (now_s, _), *answers = pipe.execute()
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
        return dict.fromkeys(wanted, NOTHING)
    pairs = zip(answers[::2], answers[1::2], strict=True)
    return {
        gallery_id: progress_from(stored, rate, now_s)
        for gallery_id, (stored, rate) in zip(wanted, pairs, strict=True)
    }


def progress_from(stored: Mapping[bytes, bytes], rate: Sequence[bytes | None], now_s: int) -> Progress:
    known_rate, at = rate
    is_fresh = known_rate is not None and at is not None and now_s - float(at) <= RATE_STALE_S
    return Progress(
        {key.decode(): int(value) for key, value in stored.items()},
        int(float(known_rate)) if is_fresh and known_rate is not None else None,
    )


def stored_of(uploads: Iterable[tuple[uuid.UUID, uuid.UUID]]) -> dict[uuid.UUID, int]:
    """Bytes stored of some (gallery, upload) pairs, in one round trip. Empty when Redis is away."""
    by_gallery: dict[uuid.UUID, list[uuid.UUID]] = {}
    for gallery_id, upload_id in uploads:
        by_gallery.setdefault(gallery_id, []).append(upload_id)
    if not by_gallery:
        return {}
    try:
        with client().pipeline(transaction=False) as pipe:
            for gallery_id, upload_ids in by_gallery.items():
                pipe.hmget(keys_of(gallery_id)[0], [str(upload_id) for upload_id in upload_ids])
            answers = pipe.execute()
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
        return {}
    return {
        upload_id: int(stored or 0)
        for upload_ids, counts in zip(by_gallery.values(), answers, strict=True)
        for upload_id, stored in zip(upload_ids, counts, strict=True)
    }


def heard_of(uploads: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> dict[uuid.UUID, datetime]:
    """When new bytes of some (gallery, upload) pairs were last reported, of those that ever were. One round trip.

    Raises: RedisError: nobody knows.
    """
    if not uploads:
        return {}
    with client().pipeline(transaction=False) as pipe:
        for gallery_id, upload_id in uploads:
            pipe.hget(keys_of(gallery_id)[2], str(upload_id))
        answers = pipe.execute()
    return {
        upload_id: datetime.fromtimestamp(int(at_s), UTC)
        for (_, upload_id), at_s in zip(uploads, answers, strict=True)
        if at_s is not None
    }


def forget(gallery_id: uuid.UUID, upload_ids: Sequence[uuid.UUID]) -> None:
    """The bytes of ended attempts are no news any more."""
    if not upload_ids:
        return
    stored, _, heard = keys_of(gallery_id)
    names = [str(upload_id) for upload_id in upload_ids]
    with client().pipeline(transaction=False) as pipe:
        pipe.hdel(stored, *names)
        pipe.hdel(heard, *names)
        pipe.execute()
