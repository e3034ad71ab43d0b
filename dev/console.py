"""The terminal of `make run`: many programs, one stream of whole lines, nobody waits for a slow reader."""

from __future__ import annotations

import os
import select
from collections import deque
from typing import Final

from dev.refusal import FULL_DISK

# A pipe that polls as writable takes this much without blocking: PIPE_BUF (pipe(7)), 512 at least.
SAFE_WRITE_BYTES: Final = 4096 if os.uname().sysname == "Linux" else 512
# What programs said lately and need not be read unless something fails.
MAX_HELD_LINES: Final = 500
# What is kept for a reader who does not read, such as a script that waits for the first lines only.
MAX_WAITING_BYTES: Final = 1024 * 1024


class Console:
    """Takes lines and writes them when the other end has room; drops the newest when too much waits."""

    def __init__(self, output_fd: int) -> None:
        self._fd = output_fd
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped_lines = 0
        self._held: deque[tuple[str, bytes]] = deque(maxlen=MAX_HELD_LINES)
        self._is_gone = False

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def say(self, text: str) -> None:
        """A message of ours, whatever waits before it."""
        self._append(text.encode() + b"\n")
        self.write_what_fits()

    def relay(self, program_name: str, line: bytes) -> None:
        """One line that a program wrote."""
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._dropped_lines += 1
            return
        if self._dropped_lines:
            self._append(b"(%d lines were dropped: nobody read them)\n" % self._dropped_lines)
            self._dropped_lines = 0
        self._append(b"%-8s | %s\n" % (program_name.encode(), line))

    def hold(self, program_name: str, line: bytes) -> None:
        """One line that is shown only if something fails."""
        self._held.append((program_name, line))

    def show_held(self) -> None:
        while self._held:
            self.relay(*self._held.popleft())

    def forget_held(self) -> None:
        self._held.clear()

    def _append(self, line: bytes) -> None:
        if not self._is_gone:
            self._waiting.append(line)
            self._waiting_bytes += len(line)

    def write_what_fits(self) -> None:
        """Writes as long as it can be done without waiting."""
        while self._waiting and self._has_room():
            piece = self._waiting[0][:SAFE_WRITE_BYTES]
            try:
                written = os.write(self._fd, piece)
            except OSError as error:
                if error.errno in FULL_DISK:  # our output goes to a file; there may be room for it later
                    return
                self._is_gone = True  # the reader left; the product goes on
                self._waiting.clear()
                return
            self._waiting_bytes -= written
            rest = self._waiting[0][written:]
            if rest:
                self._waiting[0] = rest
            else:
                self._waiting.popleft()

    def _has_room(self) -> bool:
        return bool(select.select([], [self._fd], [], 0)[1])
