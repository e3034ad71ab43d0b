"""How many bytes of the files now on their way have been stored, per gallery, in Redis, with their sums.

Nothing of it is truth: the rows are. It knows up to which version of its gallery it was told of moved rows; whoever
reads rows of another version knows that the two do not belong together (uploads/progress.py mends it).
Each change is one script, so that it is atomic; said twice, late or out of order, it changes nothing.
"""

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1
from typing import Any, Final, NamedTuple, cast

import redis
from django.conf import settings
from redis.exceptions import NoScriptError

log = logging.getLogger(__name__)

KEPT_FOR_S: Final = 7 * 24 * 3600
LIFE_KEY: Final = "safelight:ledger:life"
# A rate that nobody has fed for this long says nothing about now.
RATE_STALE_S: Final = 10

# `known` has of each upload the version of its row and, where it takes bytes, its size and who sends it.
COMMON: Final = """
local stored, sums, heard, known, late = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local function keep()
  for i = 1, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[1]) end
end

local function drop(id)
  local had = redis.call('HGET', stored, id)
  if not had then return end
  redis.call('HDEL', stored, id)
  redis.call('HDEL', heard, id)
  redis.call('HINCRBY', sums, 'bytes', '-' .. had)
  redis.call('HINCRBY', sums, 'files', -1)
end

local function know(id, word)
  local before = redis.call('HGET', known, id)
  local version = tonumber(string.match(word, '^%d+'))
  if before and tonumber(string.match(before, '^%d+')) >= version then return end
  redis.call('HSET', known, id, word)
  if not string.find(word, ' ', 1, true) then drop(id) end
end

local function listeners(channel)
  return redis.call('PUBSUB', 'NUMSUB', channel)[2]
end

-- Versions come from several processes, and may overtake each other.
local function reach(version)
  local at = tonumber(version)
  while redis.call('SREM', late, at + 1) == 1 do at = at + 1 end
  redis.call('HSET', sums, 'version', at)
end

local function answer(missing)
  local time = redis.call('TIME')
  local seen = redis.call('HMGET', sums, 'version', 'bytes', 'files', 'rate', 'at')
  return {seen, time[1], missing}
end
"""

# ARGV: seconds to keep, channel to tell, message, own listeners, then (upload, bytes, who sends it) each.
REPORT: Final = (
    COMMON
    + """
if redis.call('HEXISTS', sums, 'version') == 0 then return answer({}) end
local fresh, started, missing, time = 0, 0, {}, redis.call('TIME')
for i = 5, #ARGV, 3 do
  local id, word = ARGV[i], redis.call('HGET', known, ARGV[i])
  if not word then
    missing[#missing + 1] = id
  else
    local size, actor = string.match(word, '^%d+ (%d+) (.+)$')
    if actor == ARGV[i + 2] then
      local had = tonumber(redis.call('HGET', stored, id) or 0)
      local has = math.min(tonumber(ARGV[i + 1]), tonumber(size))
      if has > had then
        redis.call('HSET', stored, id, has)
        redis.call('HSET', heard, id, time[1])
        fresh = fresh + has - had
        if had == 0 then started = started + 1 end
      end
    end
  end
end
if fresh > 0 then
  redis.call('HINCRBY', sums, 'bytes', fresh)
  redis.call('HINCRBY', sums, 'files', started)
  local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
  local seen = redis.call('HMGET', sums, 'at', 'fresh', 'rate')
  local at, bytes, rate = tonumber(seen[1]), tonumber(seen[2] or 0) + fresh, tonumber(seen[3])
  if at == nil or now - at > 10 then
    redis.call('HSET', sums, 'at', now, 'fresh', 0)
    redis.call('HDEL', sums, 'rate')
  elseif now - at >= 1 then
    local current = bytes / (now - at)
    if rate then current = 0.7 * rate + 0.3 * current end
    redis.call('HSET', sums, 'at', now, 'fresh', 0, 'rate', current)
  else
    redis.call('HSET', sums, 'fresh', bytes)
  end
  keep()
  if listeners(ARGV[2]) > tonumber(ARGV[4]) then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
end
return answer(missing)
"""
)

# ARGV: seconds to keep, the gallery's channel, its version, then (upload, word) each. Answers how many listen.
SETTLE: Final = (
    COMMON
    + """
for i = 4, #ARGV, 2 do know(ARGV[i], ARGV[i + 1]) end
local at = redis.call('HGET', sums, 'version')
if at and tonumber(ARGV[3]) > tonumber(at) then
  redis.call('SADD', late, ARGV[3])
  reach(at)
  -- One before them was lost, and nobody reads: the next who does begins anew.
  if redis.call('SCARD', late) > 1000 then
    redis.call('HDEL', sums, 'version')
    redis.call('DEL', late)
  end
end
keep()
return listeners(ARGV[2])
"""
)

# ARGV: seconds to keep, the version of the rows, then (upload, word) of all that take bytes.
BEGIN: Final = (
    COMMON
    + """
local at = redis.call('HGET', sums, 'version')
if at and tonumber(at) >= tonumber(ARGV[2]) then return answer({}) end
local open, bytes, files = {}, 0, 0
for i = 3, #ARGV, 2 do
  open[ARGV[i]] = true
  know(ARGV[i], ARGV[i + 1])
end
for _, id in ipairs(redis.call('HKEYS', stored)) do
  if not open[id] then drop(id) end
end
for _, id in ipairs(redis.call('HKEYS', known)) do
  if not open[id] then redis.call('HDEL', known, id) end
end
for _, value in ipairs(redis.call('HVALS', stored)) do
  bytes, files = bytes + tonumber(value), files + 1
end
redis.call('HSET', sums, 'bytes', bytes, 'files', files)
for _, version in ipairs(redis.call('SMEMBERS', late)) do
  if tonumber(version) <= tonumber(ARGV[2]) then redis.call('SREM', late, version) end
end
reach(ARGV[2])
keep()
return answer({})
"""
)
# ARGV: seconds to keep, then (upload, word) each.
LEARN: Final = COMMON + "for i = 2, #ARGV, 2 do know(ARGV[i], ARGV[i + 1]) end"


@dataclass(frozen=True)
class Row:
    """What the ledger must know of an upload: its row's own version, and whether it takes bytes now."""

    pk: uuid.UUID
    version: int
    size: int
    actor: str
    takes_bytes: bool

    @property
    def word(self) -> str:
        return f"{self.version} {self.size} {self.actor}" if self.takes_bytes else str(self.version)


@dataclass(frozen=True)
class Sums:
    """What is on its way in a gallery, as of its version; None: nobody has told. Rate in bytes per second."""

    version: int | None = None
    bytes: int = 0
    files: int = 0
    rate: int | None = None
    missing: Sequence[uuid.UUID] = ()


@dataclass(frozen=True)
class Report:
    """Bytes stored, by upload and who sends it. `told_here`: listeners who need no message, 1 or 0."""

    gallery_id: uuid.UUID
    stored: Mapping[tuple[uuid.UUID, str], int] = field(default_factory=dict)
    told_here: int = 0


class Keys(NamedTuple):
    stored: str
    sums: str
    heard: str
    known: str
    late: str


@cache
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def keys_of(gallery_id: uuid.UUID) -> Keys:
    """In braces, so that a cluster keeps them in one place."""
    return Keys(*(f"safelight:{name}:{{{gallery_id}}}" for name in Keys._fields))


def channel_of(gallery_id: uuid.UUID) -> str:
    """Of its group, as channels_redis.pubsub names it."""
    return f"{settings.CHANNEL_PREFIX}__group__{group_of(gallery_id)}"


def group_of(gallery_id: uuid.UUID) -> str:
    return f"gallery.{gallery_id}"


def report(reports: Sequence[Report], message_of: Any) -> list[Sums]:
    """Takes what is new, ignores what is old, repeated, too much or of an upload that takes no bytes.

    One round trip, in order. `message_of` makes what listeners of other processes are told. A `version` of None:
    nothing was taken, `begin` first. `missing`: of these nobody has told, `learn` first.

    Raises: RedisError.
    """
    calls = [
        (
            keys_of(each.gallery_id),
            [KEPT_FOR_S, channel_of(each.gallery_id), message_of(each.gallery_id), each.told_here]
            + [
                word
                for (upload_id, actor), stored in each.stored.items()
                for word in (str(upload_id), stored, actor)
            ],
        )
        for each in reports
    ]
    return [sums_from(*answer) for answer in run(REPORT, calls)]


def settle(gallery_id: uuid.UUID, version: int, rows: Iterable[Row]) -> int:
    """That a transaction has moved these rows. Returns how many processes listen. Raises: RedisError."""
    args = [KEPT_FOR_S, channel_of(gallery_id), version, *words_of(rows)]
    return cast("int", run(SETTLE, [(keys_of(gallery_id), args)])[0])


def begin(galleries: Mapping[uuid.UUID, tuple[int, Sequence[Row]]]) -> dict[uuid.UUID, Sums]:
    """Of each gallery its version and all rows that take bytes then. One round trip. Raises: RedisError."""
    calls = [
        (keys_of(gallery_id), [KEPT_FOR_S, version, *words_of(rows)])
        for gallery_id, (version, rows) in galleries.items()
    ]
    answers = run(BEGIN, calls)
    return {gallery_id: sums_from(*answer) for gallery_id, answer in zip(galleries, answers, strict=True)}


def learn(gallery_id: uuid.UUID, rows: Iterable[Row]) -> None:
    """Raises: RedisError."""
    run(LEARN, [(keys_of(gallery_id), [KEPT_FOR_S, *words_of(rows)])])


def words_of(rows: Iterable[Row]) -> list[str]:
    return [word for row in rows for word in (str(row.pk), row.word)]


def run(script: str, calls: Sequence[tuple[Keys, list[Any]]]) -> list[Any]:
    """One round trip; another where this Redis has not seen the script, or has lost it."""
    digest = digest_of(script)
    with client().pipeline(transaction=False) as pipe:
        for keys, args in calls:
            pipe.evalsha(digest, len(keys), *keys, *args)
        try:
            return pipe.execute()
        except NoScriptError:
            client().script_load(script)
    return run(script, calls)


@cache
def digest_of(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


def sums_of(gallery_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Sums]:
    """One round trip, however many galleries and files. Empty when Redis is away: the rows alone are shown then."""
    wanted = list(gallery_ids)
    if not wanted:
        return {}
    try:
        with client().pipeline(transaction=False) as pipe:
            pipe.time()
            for gallery_id in wanted:
                pipe.hmget(keys_of(gallery_id).sums, "version", "bytes", "files", "rate", "at")
            (now_s, _), *answers = pipe.execute()
    except redis.RedisError as err:
        log.warning("ledger.unreachable error=%s", type(err).__name__)
        return {}
    return {gallery_id: sums_from(seen, now_s, ()) for gallery_id, seen in zip(wanted, answers, strict=True)}


def sums_from(seen: Sequence[bytes | None], now_s: bytes | int, missing: Sequence[bytes]) -> Sums:
    version, stored, files, rate, at = seen
    is_fresh = rate is not None and at is not None and int(now_s) - float(at) <= RATE_STALE_S
    return Sums(
        version=None if version is None else int(version),
        bytes=int(stored or 0),
        files=int(files or 0),
        rate=int(float(rate)) if is_fresh and rate is not None else None,
        missing=[uuid.UUID(upload_id.decode()) for upload_id in missing],
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
                pipe.hmget(keys_of(gallery_id).stored, [str(upload_id) for upload_id in upload_ids])
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
            pipe.hget(keys_of(gallery_id).heard, str(upload_id))
        answers = pipe.execute()
    return {
        upload_id: datetime.fromtimestamp(int(at_s), UTC)
        for (_, upload_id), at_s in zip(uploads, answers, strict=True)
        if at_s is not None
    }


def life() -> str:
    """Another one after Redis was started again, or has lost what it kept. One round trip. Raises: RedisError."""
    with client().pipeline(transaction=False) as pipe:
        pipe.set(LIFE_KEY, uuid.uuid4().hex, nx=True)
        pipe.get(LIFE_KEY)
        pipe.info("server")
        _, mark, server = pipe.execute()
    return f"{server['run_id']} {mark.decode()}"


def forget(gallery_id: uuid.UUID) -> None:
    """All of a gallery. Raises: RedisError."""
    client().delete(*keys_of(gallery_id))


def asked_stores(gallery_ids: Sequence[uuid.UUID]) -> list[bool]:
    """Of which galleries the stores were asked since the ledger began. Raises: RedisError."""
    with client().pipeline(transaction=False) as pipe:
        for gallery_id in gallery_ids:
            pipe.hexists(keys_of(gallery_id).sums, "asked")
        return [bool(answer) for answer in pipe.execute()]


def note_asked(gallery_id: uuid.UUID) -> None:
    """Raises: RedisError."""
    client().hset(keys_of(gallery_id).sums, "asked", 1)
