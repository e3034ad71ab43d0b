"""Makes a checkout ready: `dev/python -m dev.setup run`, or `check`, or `test`, as the commands of make do.

Standard library only. A second call finds its stamps and is done in a tenth of a second, without the network.
"""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dev import front_end, node_packages, python_packages
from dev.places import BUILD
from dev.refusal import run_or_refuse
from dev.services import exiftool

if TYPE_CHECKING:
    from collections.abc import Iterator


FIRST_START: Final = "The first start takes about two minutes and needs a network; later ones take seconds."


def ready_to_run() -> None:
    with _one_at_a_time():
        if python_packages.is_first_time():
            print(FIRST_START, flush=True)
        python_packages.ensure_runtime()
        if not os.environ.get("REDIS_URL"):
            python_packages.ensure_redis()
        front_end.ensure_built()


def ready_to_check() -> None:
    with _one_at_a_time():
        python_packages.ensure_development()
        front_end.ensure_packages(front_end.ensure_node())


def ready_to_test() -> None:
    ready_to_check()
    with _one_at_a_time():
        python_packages.ensure_redis()
        python_packages.ensure_swift()
        front_end.ensure_built()
        node_packages.ensure_resumable_client()
        exiftool.ensure()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two commands must not install into one folder together; the second waits, then finds all done."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    ready = {"run": ready_to_run, "check": ready_to_check, "test": ready_to_test}[sys.argv[1]]
    ready()
    return 0


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
