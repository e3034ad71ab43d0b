"""`make test`: makes everything ready that the tests need, then runs all of them."""

from __future__ import annotations

import os
import sys

from dev import setup
from dev.places import VENV
from dev.python_packages import python_of
from dev.refusal import run_or_refuse


def main() -> int:
    setup.ready_to_test()
    python = python_of(VENV)
    os.execv(python, [str(python), "-m", "dev.suite"])  # noqa: S606 - constant words


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
