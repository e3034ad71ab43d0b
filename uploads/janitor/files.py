"""What killed processes leave on the disk of this machine.

Originals are spooled, and pictures decoded, in files without a name, which go with their process; where the system
has no such files, they have one for a moment.
"""

import stat
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from os import geteuid
from pathlib import Path
from typing import Final

from uploads.janitor.deed import Deed, known_stores
from uploads.lanes.base import UploadLanes, lanes_of

SPOOL_PREFIX: Final = "safelight-spool-"
# A body without a byte for a minute is ended; a worker gives a file up after minutes. Nobody writes for so long.
ABANDONED_AFTER: Final = timedelta(hours=1)


def half_written(_now: datetime) -> Iterator[Deed]:
    """The store alone knows what of its disk nobody writes any more: it looks and drops in one."""
    for store in known_stores():
        lanes = lanes_of(store)
        if type(lanes).drop_abandoned is not UploadLanes.drop_abandoned:
            drop = partial(lanes.drop_abandoned, older_than=ABANDONED_AFTER)
            yield Deed("drop what was half written an hour ago, if anything, in", [store], drop)


def spools(now: datetime) -> Iterator[Deed]:
    """Plain files of our own user alone; a link is not followed."""
    before_s = (now - ABANDONED_AFTER).timestamp()
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{SPOOL_PREFIX}*")):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_uid == geteuid() and status.st_mtime < before_s:
            yield Deed("drop the spool file", [str(path)], partial(unlink, path))


def unlink(path: Path) -> int:
    path.unlink(missing_ok=True)
    return 1
