"""How many archives one person may have under way at once. A seat that nobody keeps is free again by itself.

Seats are in Django's cache, which all web processes share; while Redis is away each counts for itself.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.cache import cache

from galleries.errors import TooManyRequests

# A web process that was killed keeps its seats so long.
LIFE_S: Final = 20
RETRY_AFTER_S: Final = 30


@dataclass(frozen=True, slots=True)
class Seat:
    key: str
    token: str


def take(who: str) -> Seat:
    """Raises: TooManyRequests when all are taken."""
    token = secrets.token_hex(8)
    for number in range(settings.ARCHIVES_AT_ONCE):
        key = f"archive:{who}:{number}"
        if cache.add(key, token, LIFE_S):
            return Seat(key, token)
    raise TooManyRequests(calls="archive", retry_after_s=RETRY_AFTER_S)


def keep(seat: Seat) -> None:
    """For as long again. Who lost it, with all that Redis knew, takes it anew unless another has it by now."""
    if cache.get(seat.key) == seat.token:
        cache.touch(seat.key, LIFE_S)
    else:
        cache.add(seat.key, seat.token, LIFE_S)


def leave(seat: Seat) -> None:
    if cache.get(seat.key) == seat.token:
        cache.delete(seat.key)
