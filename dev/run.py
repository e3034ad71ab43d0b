"""`make run`: makes everything ready and keeps the product running until Ctrl-C or SIGTERM.

Two processes watch over it. The outer one, started here, only forwards signals and buries what is left; the
inner one sets up and supervises. Each is told by the kernel when the other ends, so that nothing stays behind
even when one of them is killed outright.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Final, NoReturn

from dev import processes, setup
from dev.places import VENV
from dev.product import Surroundings
from dev.python_packages import python_of
from dev.refusal import run_or_refuse

# After the inner process was killed, its programs have had their SIGTERM from the kernel; then patience ends.
_GRACE_AFTER_KILL_S: Final = 10.0


def main() -> int:
    if (
        "MAKELEVEL" in os.environ
    ):  # make sets it for what it starts; without make nobody would forward a signal
        processes.die_with_parent(signal.SIGTERM, os.getppid())
    processes.adopt_orphans()
    outer_pid = os.getpid()
    inner_pid = os.fork()
    if inner_pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()  # a Ctrl-C in the terminal reaches the outer process only, which passes it on once
        processes.die_with_parent(signal.SIGTERM, outer_pid)
        sys.exit(run_or_refuse(_set_up_and_supervise))
    return _watch(inner_pid)


def _watch(inner_pid: int) -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: processes.send(inner_pid, signal.Signals(received)))
    _pid, status = os.waitpid(inner_pid, 0)
    exit_code = os.waitstatus_to_exitcode(status)
    if exit_code < 0:
        _let_programs_end()
    processes.kill_descendants(within_s=5.0)
    return exit_code if exit_code >= 0 else 128 - exit_code


def _let_programs_end() -> None:
    deadline = time.monotonic() + _GRACE_AFTER_KILL_S
    while processes.descendants_of(os.getpid()) and time.monotonic() < deadline:
        processes.reap_all()
        time.sleep(0.05)


def _set_up_and_supervise() -> NoReturn:
    Surroundings.read().refuse_if_impossible()
    setup.ready_to_run()
    python = python_of(VENV)
    os.execv(python, [str(python), "-m", "dev.product"])  # noqa: S606 - constant words


if __name__ == "__main__":
    sys.exit(main())
