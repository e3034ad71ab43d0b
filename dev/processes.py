"""Children which do not outlive their parent, whatever ends it.

On Linux the kernel keeps the promise (a death signal, a subreaper); elsewhere process groups do what they
can.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# linux/prctl.h
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(death_signal: signal.Signals, parent_pid: int) -> None:
    """Asks the kernel to send `death_signal` to this process when its parent's thread ends.

    Call it in the child, after any change of user (which would clear it).
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent_pid:  # it died before we asked
        os.kill(os.getpid(), death_signal)


def in_child_dying_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the process started with it gets `death_signal` when this process ends."""
    parent_pid = os.getpid()
    return lambda: die_with_parent(death_signal, parent_pid)


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants_of(pid: int) -> list[int]:
    """Every living process below `pid`, nearest first. Empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text(errors="replace")
        except OSError:  # it ended while we looked
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]  # the name before may hold spaces and parentheses
        if state not in "ZX":
            yield int(entry.name), int(parent)


def kill_descendants(*, within_s: float) -> bool:
    """Kills everything below this process, again and again until nothing is left or the time is up."""
    deadline = time.monotonic() + within_s
    while True:
        reap_all()
        left = descendants_of(os.getpid())
        if not left:
            return True
        if time.monotonic() > deadline:
            return False
        for pid in left:
            send(pid, signal.SIGKILL)
        time.sleep(0.02)


def reap_all() -> dict[int, int]:
    """Exit codes, by pid, of every child which has ended (adopted ones too)."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def send(pid: int, signal_number: signal.Signals) -> None:
    """Signals one process; one which has gone already is no error."""
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return


def send_to_group(pid: int, signal_number: signal.Signals) -> None:
    """Signals a process started in a session of its own, with all that stayed in it."""
    try:
        os.killpg(pid, signal_number)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
        return


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_taken(port: int) -> bool:
    """Whether somebody listens there; a connection still closing does not count."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            if family == socket.AF_INET:
                raise
    return False


class Server:
    """A server of the tests: a process in a session of its own, its output in a file, dead when we are."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user_id: int | None = None,
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self._env = env
        self._cwd = cwd
        self._user_id = user_id
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                user=self._user_id,
                group=self._user_id,
                extra_groups=None if self._user_id is None else [],
                start_new_session=True,
                preexec_fn=in_child_dying_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it calls prctl only
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def start_again(self) -> None:
        """Starts the same command anew after `stop` or `kill`."""
        self._process = self._start()

    def stop(self, *, with_signal: signal.Signals = signal.SIGTERM, within_s: float = 10) -> None:
        """Ends it politely, then for certain. Safe to call twice."""
        if self.is_running():
            send(self.pid, with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within_s)
        self.kill()

    def kill(self) -> None:
        """Ends it at once, with whatever it started. Safe to call twice."""
        send_to_group(self.pid, signal.SIGKILL)
        self._process.wait()

    def wait_until(self, is_ready: Callable[[], bool], *, within_s: float) -> None:
        """Waits for what is observed.

        Raises:
            TimeoutError: it ended, or was not ready in time; the end of its log is in the text.
        """
        deadline = time.monotonic() + within_s
        while not is_ready():
            if not self.is_running() or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise TimeoutError(
                    f"{Path(self.command[0]).name} was not ready after {within_s:g} s:\n{tail}"
                )
            time.sleep(0.02)
