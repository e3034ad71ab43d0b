"""In the child: the walls, put up before the first stranger's byte is read.

Each is independent of the others, since every one of them is refused somewhere: containers often forbid namespaces,
old kernels have no Landlock. Limits of memory, time and files hold everywhere; which of the others stand is told to
the worker, who logs it.
"""

import ctypes
import os
import resource
import signal
import sys
from typing import Final

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38

# linux/sched.h
_CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000

MAX_STDERR_BYTES: Final = 64 * 1024
MAX_OPEN_FILES: Final = 64
# A job's own budget is the soft limit; this is what no child can raise it past, whatever it has become.
MAX_ADDRESS_SPACE_BYTES: Final = 8 * 1024**3
MAX_CHILD_CPU_S: Final = 3600

_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent_pid: int) -> None:
    """No child outlives its worker, not even one that was killed."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(0)


def leave_the_network() -> bool:
    """Before any thread exists: a process with threads may not enter a user namespace."""
    if sys.platform != "linux":
        return False
    return any(
        _libc.unshare(flags) == 0
        for flags in (_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC, _CLONE_NEWNET | _CLONE_NEWIPC)
    )


def bound_the_process() -> None:
    """Nothing is written but a few lines of complaint, nothing is dumped, and few files are open at once."""
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_FSIZE, MAX_STDERR_BYTES, MAX_STDERR_BYTES)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES, MAX_OPEN_FILES)
    # Not RLIMIT_NPROC: it counts the whole account, and threads are needed. `seccomp` refuses new processes.
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def bound_the_job(*, address_space_bytes: int, cpu_s: int) -> None:
    """The soft limits of one file: past them an allocation fails, and the process ends with SIGXCPU."""
    _limit(resource.RLIMIT_AS, address_space_bytes, MAX_ADDRESS_SPACE_BYTES)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + cpu_s, MAX_CHILD_CPU_S)


def _limit(kind: int, soft: int, hard: int) -> None:
    _, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))
