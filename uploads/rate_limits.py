"""How often one person may call, by kind of call: a brake for loops that went wild, far above what any client needs.

One key for each person and kind, one script for each call (GCRA, a leaky bucket kept as one moment:
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). Without Redis every call goes on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, cast

from django.conf import settings

from galleries.errors import TooManyRequests
from uploads import brief_redis

US_PER_S: Final = 1_000_000

# KEYS: when the bucket will be empty, in microseconds. ARGV: microseconds a call, calls at once, and now (else by the
# clock of Redis, which all web processes share). Answers 0, or the microseconds to wait.
# No bucket is fuller than full: who finds it so has a clock that jumped back, which must lock nobody out.
SPEND: Final = """
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local each = tonumber(ARGV[1])
local full = each * tonumber(ARGV[2])
local empty_at = tonumber(redis.call('GET', KEYS[1]) or now)
if empty_at > now + full then empty_at = now end
empty_at = math.max(empty_at, now) + each
if empty_at - now > full then return empty_at - now - full end
redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', math.ceil(full / 1000))
return 0
"""


class Calls(StrEnum):
    BATCH = "batch"
    SIGN = "sign"
    COMPLETE = "complete"
    CONTROL = "control"
    PROGRESS = "progress"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Rate:
    """So many calls a second for as long as one likes, and so many more at once after a rest."""

    per_s: int
    at_once: int


def spend(who: str, calls: Calls, *, now_us: int | None = None) -> None:
    """One round trip, 0.1 ms. Raises: TooManyRequests: that call is not counted."""
    limit = settings.CALL_RATES.get(calls)
    if limit is None:
        return
    rate = Rate(*limit)
    wait_us = brief_redis.ask(lambda _: spent(who, calls, rate, now_us), otherwise=lambda: 0)
    if wait_us > 0:
        raise TooManyRequests(calls=calls.value, retry_after_s=math.ceil(wait_us / US_PER_S))


def spent(who: str, calls: Calls, rate: Rate, now_us: int | None) -> int:
    """Microseconds to wait, 0 where the call may go on. Raises: redis.RedisError."""
    each_us = US_PER_S // rate.per_s
    now = "" if now_us is None else now_us
    return script()(keys=[f"safelight:calls:{calls}:{who}"], args=[each_us, rate.at_once, now])


@cache
def script() -> Callable[..., int]:
    """Known to Redis by its digest; sent again by itself where Redis has forgotten it."""
    return cast("Callable[..., int]", brief_redis.client().register_script(SPEND))
