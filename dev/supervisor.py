"""Keeps programs running together: starts, relays what they say, restarts what dies, stops all in order.

Written against poll, waitpid and the process tree because that is what honcho and its kind leave out: there a
child which dies takes all others with it, what a killed child had started lives on, and a reader who stops
reading stops the programs too.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final, NoReturn, cast

from dev import processes
from dev.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dev.console import Console

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FIRST_DELAY_S: Final = 0.25
LONGEST_DELAY_S: Final = 10.0
# A program that has run this long is healthy again: its next restart begins with the shortest delay.
HEALTHY_AFTER_S: Final = 30.0
# Before all of them have been up once, a program that keeps dying is a mistake, not an accident.
DEATHS_BEFORE_READY: Final = 3
# One wish may arrive twice: a SIGTERM to a whole group reaches us, and make, which passes its own on.
HASTE_AFTER_S: Final = 1.0
# How long a process may run unnoted once a full disk has space again.
UNNOTED_PATIENCE_S: Final = 2.0
_READ_BYTES: Final = 65_536
_LONGEST_LINE_BYTES: Final = 65_536


class StopRequested(Exception):
    """Somebody asked for the end: Ctrl-C, SIGTERM, a terminal that closed."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is run, and how long it may take to end when asked."""

    name: str
    command: Sequence[str]
    stops_within_s: float = 5.0


@dataclass(slots=True, eq=False)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None
    started_at: float = 0.0
    start_again_at: float | None = None
    delay_s: float = FIRST_DELAY_S
    death_count: int = 0
    is_noted: bool = True
    unfinished_line: bytes = field(default=b"")


class Supervisor:
    """One thread, one loop. Every method that waits ends with `StopRequested` once a stop signal has come."""

    def __init__(self, console: Console, env: Mapping[str, str], pid_folder: Path) -> None:
        """`pid_folder` says, in one file a program, which process it is just now."""
        self._console = console
        self._env = env
        self._pid_folder = pid_folder
        pid_folder.mkdir(exist_ok=True)
        self._kept: list[_Child] = []
        self._children: dict[int, _Child] = {}
        self._stop_asked_at: float | None = None
        self._is_hasty = False
        self._is_stopping = False
        self._is_ready = False
        self._selector = selectors.PollSelector()
        self._wakeup_fd = self._listen_to_signals()
        processes.adopt_orphans()

    def keep(self, program: Program) -> None:
        """Starts a program, and starts it again whenever it ends."""
        child = _Child(program)
        self._kept.append(child)
        self._start(child)

    def complete(self, program: Program) -> None:
        """Runs a program to its end.

        Raises:
            Refusal: it ended with an error.
        """
        child = _Child(program)
        self._start(child)
        self.wait_until(lambda: child.exit_code is not None)
        if child.exit_code:
            self._console.show_held()
            raise Refusal(f"{program.name} failed; the reason is above.")

    def wait_until(self, is_true: Callable[[], bool], *, within_s: float = float("inf")) -> bool:
        """Runs the loop until something is so; False when the time was up first."""
        deadline = time.monotonic() + within_s
        while not is_true():
            if time.monotonic() > deadline:
                return False
            self._turn(longest_s=0.05 if within_s != float("inf") else 1.0)
        return True

    def run_for_ever(self) -> NoReturn:
        """All are up: from now on whatever dies is started again without end, and all they say is relayed."""
        self._is_ready = True
        self._console.forget_held()
        while True:
            self._turn(longest_s=60.0)

    def stop(self, *stages: Sequence[str]) -> None:
        """Ends what is kept, stage by stage, each program within its time, then whatever is left below us.

        A second stop signal, a second later or more, hastens: all but the last stage is killed at once.
        """
        self._is_stopping = True
        if self._stop_asked_at is None:  # something failed
            self._console.show_held()
        steps = [child for child in self._children.values() if child not in self._kept]
        self._stop_stage(steps, is_patient=False)
        for names in stages:
            members = [child for child in self._kept if child.program.name in names]
            self._stop_stage(members, is_patient=names == stages[-1])
        processes.kill_descendants(within_s=2.0)
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it is done; one more would only spoil the exit code
        self._console.write_what_fits()

    def _stop_stage(self, members: Sequence[_Child], *, is_patient: bool) -> None:
        pids = [child.process.pid for child in members if child.process is not None]
        for pid in pids:
            processes.send(pid, signal.SIGTERM)
        deadline = time.monotonic() + max((child.program.stops_within_s for child in members), default=0.0)
        while _any_runs(members) and time.monotonic() < deadline:
            if self._is_hasty and not is_patient:
                break
            self._turn(longest_s=0.05)
        for pid in pids:
            processes.send_to_group(pid, signal.SIGKILL)
        self.wait_until(lambda: not _any_runs(members), within_s=2.0)

    def _start(self, child: _Child) -> None:
        child.start_again_at = None
        child.started_at = time.monotonic()
        try:
            process = subprocess.Popen(
                child.program.command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
                preexec_fn=processes.in_child_dying_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it calls prctl only
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._not_started(child, error)
            return
        child.process = process
        self._children[process.pid] = child
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, child)
        self._note_pid(child)

    def _not_started(self, child: _Child, error: Exception) -> None:
        if child not in self._kept:
            raise Refusal(f"{child.program.name} cannot be started: {error}.") from error
        self._plan_restart(child, f"cannot be started ({error})")

    def _note_pid(self, child: _Child) -> None:
        """For people and tests; a full disk must not end what runs. Said once, and tried again each round."""
        if child.process is None:
            return
        name, was_noted = child.program.name, child.is_noted
        try:
            (self._pid_folder / name).write_text(str(child.process.pid))
            child.is_noted = True
        except OSError as error:
            child.is_noted = False
            self._forget_pid(name)
            if was_noted:
                self._console.say(f"{name} runs, but its process id could not be noted: {error.strerror}")

    def _forget_pid(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._pid_folder / name).unlink(missing_ok=True)

    def _turn(self, *, longest_s: float) -> None:
        """One round of the loop: wait for anything, relay, reap, start again what is due."""
        self._console.write_what_fits()
        for key, _events in self._selector.select(self._patience_s(longest_s)):
            if key.fd == self._wakeup_fd:
                os.read(self._wakeup_fd, _READ_BYTES)
            else:
                self._relay(key.data, cast("IO[bytes]", key.fileobj))
        for pid, exit_code in processes.reap_all().items():
            if (child := self._children.pop(pid, None)) is not None:
                self._ended(child, exit_code)
        if self._stop_asked_at is not None and not self._is_stopping:
            raise StopRequested
        self._start_what_is_due()
        for child in self._unnoted():
            self._note_pid(child)

    def _patience_s(self, longest_s: float) -> float:
        if self._console.has_waiting:
            longest_s = min(longest_s, 0.05)
        if self._unnoted():
            longest_s = min(longest_s, UNNOTED_PATIENCE_S)
        due = [child.start_again_at for child in self._kept if child.start_again_at is not None]
        return max(0.0, min([longest_s, *(at - time.monotonic() for at in due)]))

    def _relay(self, child: _Child, output: IO[bytes]) -> bool:
        """Passes on what has come; False when there is no more for now, or at all."""
        try:
            read = os.read(output.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        *lines, child.unfinished_line = (child.unfinished_line + read).split(b"\n")
        if not read or len(child.unfinished_line) > _LONGEST_LINE_BYTES:
            lines, child.unfinished_line = [*lines, child.unfinished_line], b""
        take = self._console.relay if self._is_ready else self._console.hold
        for line in filter(None, lines):
            take(child.program.name, line)
        if not read:
            with contextlib.suppress(KeyError):
                self._selector.unregister(output)
            output.close()
        return bool(read)

    def _ended(self, child: _Child, exit_code: int) -> None:
        process, child.process, child.exit_code = child.process, None, exit_code
        if process is None:
            return
        process.returncode = exit_code  # it was reaped here, with all others
        self._forget_pid(child.program.name)
        processes.send_to_group(
            process.pid, signal.SIGKILL
        )  # what it leaves behind must not meet its successor
        output = process.stdout
        while output is not None and not output.closed and self._relay(child, output):
            pass
        if child in self._kept and not self._is_stopping:
            self._plan_restart(child, f"ended {_how(exit_code)}")

    def _plan_restart(self, child: _Child, what_happened: str) -> None:
        child.death_count += 1
        self._console.show_held()
        if not self._is_ready and child.death_count >= DEATHS_BEFORE_READY:
            raise Refusal(f"{child.program.name} does not start; the reason is above.")
        now = time.monotonic()
        if now - child.started_at > HEALTHY_AFTER_S:
            child.delay_s = FIRST_DELAY_S
        child.start_again_at = now + child.delay_s
        self._console.say(f"{child.program.name} {what_happened}; starting it again in {child.delay_s:g} s")
        child.delay_s = min(child.delay_s * 2, LONGEST_DELAY_S)

    def _unnoted(self) -> list[_Child]:
        return [child for child in self._kept if child.process is not None and not child.is_noted]

    def _start_what_is_due(self) -> None:
        for child in self._kept:
            if (
                child.start_again_at is not None
                and time.monotonic() >= child.start_again_at
                and not self._is_stopping
            ):
                self._start(child)

    def _listen_to_signals(self) -> int:
        """Signals arrive as bytes in a pipe which the loop polls: none is lost between a look and a wait."""
        read_fd, write_fd = os.pipe()
        for fd in (read_fd, write_fd):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in STOP_SIGNALS:
            signal.signal(number, self._note_stop_request)
        self._selector.register(read_fd, selectors.EVENT_READ)
        return read_fd

    def _note_stop_request(self, _number: int, _frame: object) -> None:
        now = time.monotonic()
        if self._stop_asked_at is None:
            self._stop_asked_at = now
        self._is_hasty = self._is_hasty or now - self._stop_asked_at >= HASTE_AFTER_S


def _any_runs(children: Sequence[_Child]) -> bool:
    return any(child.process is not None for child in children)


def _how(exit_code: int) -> str:
    if exit_code < 0:
        return f"by {signal.Signals(-exit_code).name}"
    return f"with exit code {exit_code}"
