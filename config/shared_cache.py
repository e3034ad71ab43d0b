"""Django's cache in Redis, for all processes; in this process alone while Redis is away.

It keeps JSON: whoever can write to Redis must not run code here, as pickles would let them.
"""

import json
from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache

from uploads import brief_redis

FORGOTTEN_AT_A_TIME: Final = 500


class SharedCache(BaseCache):
    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.own = LocMemCache(location or "while Redis is away", params)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Only where there is nothing yet; of several at once one has a true answer."""
        place, text, life_ms = self.place_of(key, version), json.dumps(value), self.life_ms(timeout)
        return brief_redis.ask(
            lambda redis: bool(redis.set(place, text, nx=True, px=life_ms)),
            otherwise=lambda: self.own.add(key, value, timeout, version),
        )

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        place = self.place_of(key, version)
        return brief_redis.ask(
            lambda redis: default if (text := redis.get(place)) is None else json.loads(text),
            otherwise=lambda: self.own.get(key, default, version),
        )

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        place, text, life_ms = self.place_of(key, version), json.dumps(value), self.life_ms(timeout)
        if brief_redis.ask(lambda redis: bool(redis.set(place, text, px=life_ms)), otherwise=lambda: False):
            return
        self.own.set(key, value, timeout, version)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        place, life_ms = self.place_of(key, version), self.life_ms(timeout)
        return brief_redis.ask(
            lambda redis: bool(redis.persist(place) if life_ms is None else redis.pexpire(place, life_ms)),
            otherwise=lambda: self.own.touch(key, timeout, version),
        )

    def delete(self, key: str, version: int | None = None) -> bool:
        place = self.place_of(key, version)
        return brief_redis.ask(
            lambda redis: bool(redis.delete(place)), otherwise=lambda: self.own.delete(key, version)
        )

    def clear(self) -> None:
        self.own.clear()
        brief_redis.ask(self.forget_all, otherwise=lambda: 0)

    def forget_all(self, redis: Any) -> int:
        found = list(redis.scan_iter(match=f"{self.key_prefix}:*", count=FORGOTTEN_AT_A_TIME))
        return int(redis.delete(*found)) if found else 0

    def place_of(self, key: str, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def life_ms(self, timeout: Any) -> int | None:
        """None: for ever. What would be over at once lives for a millisecond, the shortest that Redis knows."""
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return None if seconds is None else max(1, int(seconds * 1000))
