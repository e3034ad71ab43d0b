"""A Chromium that a test may kill as the system would, with a profile that outlives it."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Error

from dev.processes import descendants_of, send
from dev.services import chromium as chromium_service

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, BrowserType, Page

ENDS_WITHIN_S = 10.0


class OwnBrowser:
    """`open` it, `kill` it, `open` it again: what it had on its disk is there, what it had in memory is not."""

    def __init__(self, kind: BrowserType, executable: Path, profile: Path, base_url: str) -> None:
        self._kind, self._executable, self._profile, self._base_url = kind, executable, profile, base_url
        self._context: BrowserContext | None = None

    @property
    def context(self) -> BrowserContext:
        assert self._context is not None, "it is not open"
        return self._context

    def open(self) -> Page:
        """Returns an empty page of it."""
        self._context = self._kind.launch_persistent_context(
            str(self._profile),
            executable_path=str(self._executable),
            args=list(chromium_service.FLAGS),
            base_url=self._base_url,
        )
        self._context.set_default_timeout(20_000)
        return self._context.pages[0]

    def sign_in(self, cookies: list[Any]) -> None:
        """Opens and ends once: cookies are on the disk then, as those of a person who signed in yesterday."""
        self.open()
        self.context.add_cookies(cookies)
        self.close()

    def kill(self) -> None:
        """SIGKILL to all of its processes at once. Nobody may wait for its pages any more."""
        self._context = None
        pids = self._pids()
        for pid in pids:
            send(pid, signal.SIGKILL)
        deadline = time.monotonic() + ENDS_WITHIN_S
        while self._pids():
            assert time.monotonic() < deadline, "a killed browser still runs"
            time.sleep(0.01)

    def close(self) -> None:
        """As a person quits it."""
        if self._context is not None:
            with suppress(Error):
                self._context.close()
        self._context = None

    def _pids(self) -> list[int]:
        flag = f"--user-data-dir={self._profile}".encode()
        named = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if flag in words_of(entry)]
        return list(dict.fromkeys([*named, *(below for pid in named for below in descendants_of(pid))]))


def words_of(entry: Path) -> list[bytes]:
    """What a process was started with; nothing once it has ended."""
    try:
        return (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
