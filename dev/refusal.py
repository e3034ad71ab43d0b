"""What a command says when it cannot go on: one plain sentence, no traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Refusal(Exception):
    """A reason to stop which a person can act on; its text is the whole message."""


def run_or_refuse(command: Callable[[], int]) -> int:
    """Runs a command; a refusal becomes its sentence on stderr and exit code 1."""
    try:
        return command()
    except Refusal as refusal:
        sys.stdout.flush()
        print(f"safelight: {refusal}", file=sys.stderr, flush=True)
        return 1
