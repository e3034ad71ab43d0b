"""Where tests end a process as a power cut would, to see that whoever comes next picks everything up.

Armed by CRASH_AT alone: a name of POINTS, at which every process ends that comes by; or a folder (it has a slash),
where a file named as a point ends the first process that comes by, and is gone then. Not armed, a point costs one
look at a variable.
"""

import os
import signal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

POINTS: Final = (
    # the web server
    "batch.before_rows",
    "batch.after_rows",
    "batch.after_commit",
    "sign.after_sessions",
    "sign.after_rows",
    "sign.after_commit",
    "control.before_rows",
    "control.after_rows",
    "bell.after_commit",
    # the worker
    "verify.after_claim",
    "verify.after_complete_multipart",
    "verify.mid_read",
    "verify.after_decode",
    "verify.after_view",
    "verify.after_grid",
    "verify.before_rows",
    "verify.after_rows",
    "verify.after_commit",
    "regenerate.after_claim",
    "regenerate.after_objects",
    "regenerate.after_rows",
    "regenerate.after_commit",
    "mail.after_claim",
    "mail.after_send",
    # the sweeper
    "sweep.after_discards",
    "sweep.after_photo_objects",
)
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def armed_with(word: str) -> str:
    """Raises: ImproperlyConfigured for an unknown point, and on a site that others may reach."""
    if not word:
        return ""
    if urlsplit(settings.SITE_URL).hostname not in LOOPBACK:
        raise ImproperlyConfigured("CRASH_AT is for tests: it must not be set on a site that others reach.")
    if "/" not in word and word not in POINTS:
        raise ImproperlyConfigured(f"CRASH_AT {word!r} is no crash point and no folder.")
    return word


ARMED = armed_with(os.environ.get("CRASH_AT", "").strip())


def reached(name: str) -> None:
    if ARMED and is_meant(name):
        die()


def is_meant(name: str) -> bool:
    """Of several processes at the same point, one takes the file."""
    if "/" not in ARMED:
        return name == ARMED
    try:
        Path(ARMED, name).unlink()
    except FileNotFoundError:
        return False
    return True


def die() -> None:
    """Nothing is flushed, closed or rolled back by us, and no handler of anybody runs."""
    os.kill(os.getpid(), signal.SIGKILL)
