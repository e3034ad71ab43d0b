"""While one upload is looked at, the bytes of the next come from its store: neither waits for the other.

One ahead, and only where many wait: what this worker has, no idle one can take. And only what nobody has tried yet,
beside what nobody has tried yet: a file that kills its worker takes no other down with it twice.
"""

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import BinaryIO, Final, Self

from django.db import connection

from uploads import announce, clock
from uploads.janitor.files import SPOOL_PREFIX
from uploads.leases import held
from uploads.models import Upload
from uploads.verify import Fetched, claim_untried, fetch, prolong

# Fewer are looked at sooner by workers that have nothing to do.
MANY: Final = 8


@dataclass(frozen=True)
class Ordered:
    """A claimed upload whose bytes are on their way. Its lease is held, and its file kept, until `close`."""

    upload: Upload
    coming: Future[Fetched]
    kept: ExitStack

    def close(self) -> None:
        self.coming.exception()  # nobody writes to a file that is closed
        self.kept.close()


class Ahead:
    """Of one task. One that is left over at its end is taken by whoever comes when its lease has run out."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._next: Ordered | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if (ordered := self.take()) is not None:
            ordered.close()
        self._thread.shutdown()

    @property
    def is_empty(self) -> bool:
        return self._next is None

    def take(self) -> Ordered | None:
        ordered, self._next = self._next, None
        return ordered

    def order(self) -> None:
        """What goes wrong here is no fault of the upload in hand."""
        if self.is_empty:
            announce.quietly(self._order)

    def _order(self) -> None:
        if Upload.objects.waiting(clock.now())[:MANY].count() < MANY:
            return
        upload = claim_untried()
        if upload is None:
            return
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile(prefix=SPOOL_PREFIX))
            stack.enter_context(held(partial(prolong, upload.pk, upload.lease_token)))
            coming = self._thread.submit(fetched_by_thread, upload, file)
            self._next = Ordered(upload, coming, stack.pop_all())


def fetched_by_thread(upload: Upload, file: BinaryIO) -> Fetched:
    try:
        return fetch(upload, file)
    finally:
        connection.close()
