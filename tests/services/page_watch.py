"""What went wrong in a page while a test looked elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page, Request, Response


class PageWatch:
    """Collects console errors, uncaught exceptions, answers from 500 up; a test says what it expects."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """Troubles in which `pattern` is found belong to what the test does."""
        self._expected.append(re.compile(pattern))

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {error}"))
        page.on("response", self._response)
        page.on("requestfailed", self._request_failed)

    def unexpected(self) -> list[str]:
        return [
            trouble for trouble in self.troubles if not any(each.search(trouble) for each in self._expected)
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            where = message.location.get("url", "")
            self.troubles.append(f"console: {message.text} ({where})")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.troubles.append(f"answer: {response.status} to {response.request.method} {response.url}")

    def _request_failed(self, request: Request) -> None:
        """An aborted request is how a page leaves; everything else is a trouble."""
        reason = request.failure or ""
        if "ERR_ABORTED" not in reason:
            self.troubles.append(f"request: {reason} at {request.method} {request.url}")
