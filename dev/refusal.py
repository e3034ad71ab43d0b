"""What a command says when it cannot go on: one plain sentence, no traceback."""

from __future__ import annotations

import contextlib
import errno
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


FULL_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Refusal(Exception):
    """A reason to stop which a person can act on; its text is the whole message."""


def run_or_refuse(command: Callable[[], int]) -> int:
    """Runs a command; a refusal, or a full disk, becomes a sentence on stderr and exit code 1."""
    try:
        return command()
    except Refusal as refusal:
        sentence = str(refusal)
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        sentence = f"the disk is full: {error.filename or 'a file'} could not be written."
    with contextlib.suppress(OSError):  # the same full disk may lie behind them
        sys.stdout.flush()
        print(f"safelight: {sentence}", file=sys.stderr, flush=True)
    return 1
