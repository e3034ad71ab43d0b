"""Store calls that a web request waits for: so many at a time in a process, and none for longer than is promised."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import Final, TypeVar

from galleries.errors import StorageUnavailable
from uploads.limits import MAX_BATCH_ITEMS

Answer = TypeVar("Answer")

# A whole batch: it then waits for the store once.
AT_ONCE: Final = MAX_BATCH_ITEMS
# While a store answers, a place comes free in the time of one call.
PLACE_WITHIN_S: Final = 1.0
# Ten are promised. A store that has stalled is known after eight (galleries/objects/s3_bucket.py); one that is slow may
# be asked twice.
ANSWER_WITHIN_S: Final = 9.5


def ask_all(asks: Sequence[Callable[[], Answer]]) -> list[Answer | StorageUnavailable]:
    """What each returns, in order; StorageUnavailable in place of an answer that does not come in time.

    An ask that got no place is never made; one that nobody waits for any more keeps its place until it ends. None may
    ask others in its turn. What else an ask raises is raised.
    """
    if not asks:
        return []
    answers: list[Future[Answer | StorageUnavailable]] = [threads_of(os.getpid()).submit(ask) for ask in asks]
    wait(answers, PLACE_WITHIN_S)
    begun = [answer for answer in answers if not answer.cancel()]
    wait(begun, ANSWER_WITHIN_S - PLACE_WITHIN_S)
    return [told_by(answer) for answer in answers]


def told_by(answer: Future[Answer]) -> Answer | StorageUnavailable:
    if answer.cancelled() or not answer.done():
        return StorageUnavailable()
    try:
        return answer.result()
    except StorageUnavailable as error:
        return error


@cache
def threads_of(_process_id: int) -> ThreadPoolExecutor:
    """No thread outlives a fork."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="store-calls")
