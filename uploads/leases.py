"""A lease is held while its worker lives and works: a killed or stopped one loses it, a stuck one in the end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from django.conf import settings
from django.db import connection

from uploads import announce
from uploads.limits import LEASE_HELD_AT_MOST_S, LEASE_RENEWED_EVERY_S


def lease() -> timedelta:
    return timedelta(seconds=settings.UPLOAD_LEASE_S)


@contextmanager
def held(prolong: Callable[[], object]) -> Iterator[None]:
    """Calls `prolong` every few seconds from a thread of its own, until the work is done or has lasted too long."""
    is_over, until_s = threading.Event(), monotonic() + LEASE_HELD_AT_MOST_S

    def renew() -> None:
        while not is_over.wait(min(LEASE_RENEWED_EVERY_S, settings.UPLOAD_LEASE_S / 4)):
            if monotonic() > until_s:
                return
            announce.quietly(prolong)
            connection.close()

    keeper = threading.Thread(target=renew, name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        is_over.set()
