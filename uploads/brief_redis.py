"""Redis for what can be left out: asked briefly, and let be for a while when it does not answer.

Nobody waits for it: with Redis stopped or hanging one call in seconds loses a tenth of one, the others nothing.
"""

import logging
from collections.abc import Callable
from functools import cache
from time import monotonic
from typing import Final, TypeVar

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)
T = TypeVar("T")

# A hundred times what an answer takes on a busy machine.
ANSWERS_WITHIN_S: Final = 0.1
LET_BE_FOR_S: Final = 5.0


class Trouble:
    """Until when this process asks nothing, by its monotonic clock."""

    ends_at_s: float = 0.0


@cache
def client() -> redis.Redis:
    """One try more where a kept connection turns out to be dead, as all are once Redis was started again."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=ANSWERS_WITHIN_S,
        socket_connect_timeout=ANSWERS_WITHIN_S,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


def ask(act: Callable[[redis.Redis], T], *, otherwise: Callable[[], T]) -> T:
    """What Redis says, else what is said without it."""
    if monotonic() < Trouble.ends_at_s:
        return otherwise()
    try:
        return act(client())
    except redis.RedisError as err:
        Trouble.ends_at_s = monotonic() + LET_BE_FOR_S
        log.warning("redis.let_be error=%s for_s=%s", type(err).__name__, LET_BE_FOR_S)
        return otherwise()
