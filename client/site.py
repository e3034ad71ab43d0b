"""The public API over HTTP, and the store that its transfers point to. Says the same thing again until it is heard."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urljoin

import httpx

from .stream import Retry, in_pieces
from .wire import Json, Trouble, Upload, trouble_from, upload_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

# The contract: a call names at most this many.
MAX_ITEMS: Final = 100
PAGE_ITEMS: Final = 1_000
TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)


class SiteError(Exception):
    """The site has refused a whole call."""

    def __init__(self, trouble: Trouble, status: int) -> None:
        super().__init__(trouble.message)
        self.trouble, self.status = trouble, status


class UnreachableError(Exception):
    """Nobody answered for as long as we are patient."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call that does not get through is repeated."""

    for_s: float = 600.0
    retry: Retry = field(default_factory=Retry)


class Site:
    """`calls` carries the token and goes to the site; `store` carries none and goes wherever a transfer says."""

    def __init__(self, calls: httpx.AsyncClient, store: httpx.AsyncClient, patience: Patience) -> None:
        self._calls, self._store, self.patience = calls, store, patience

    async def call(self, method: str, path: str, body: object = None) -> Json:
        """Raises: SiteError, UnreachableError."""
        ends_at, failures = time.monotonic() + self.patience.for_s, 0
        while True:
            answer, why = await self._asked(method, path, body)
            if answer is not None and answer.is_success:
                found: Json = answer.json() if answer.content else {}
                return found
            trouble = trouble_in(answer) if answer is not None else Trouble("unreachable", why, True)
            if answer is not None and not trouble.is_retryable:
                raise SiteError(trouble, answer.status_code)
            failures += 1
            delay_s = max(self.patience.retry.delay_s(failures), wanted_delay_s(answer))
            if time.monotonic() + delay_s > ends_at:
                raise UnreachableError(trouble.message)
            await self.patience.retry.sleep(delay_s)

    async def _asked(self, method: str, path: str, body: object) -> tuple[httpx.Response | None, str]:
        try:
            return await self._calls.request(method, f"/api{path}", json=body), ""
        except httpx.TransportError as error:
            return None, str(error) or repr(error)

    async def put(self, request: Json, body: bytes | memoryview) -> bool:
        """Whether the store has it. Anything but a 2xx says nothing: the site is asked then."""
        headers = {**request["headers"], "content-length": str(len(body))}
        try:
            answer = await self._store.request(
                request["method"], self.absolute(request["url"]), content=in_pieces(body), headers=headers
            )
        except httpx.TransportError:
            return False
        return answer.is_success

    async def put_chunk(self, session_uri: str, body: bytes | memoryview, said: str) -> httpx.Response | None:
        """`said` is the Content-Range. None where no answer came."""
        headers = {"content-range": said, "content-length": str(len(body))}
        try:
            return await self._store.put(self.absolute(session_uri), content=in_pieces(body), headers=headers)
        except httpx.TransportError:
            return None

    def absolute(self, url: str) -> str:
        return urljoin(str(self._calls.base_url), url)

    async def batch(self, gallery_id: str, files: Sequence[Json]) -> list[Upload]:
        answer = await self.call(
            "POST", f"/galleries/{gallery_id}/uploads/batch", {"files": files, "sign": False}
        )
        return uploads_in(answer)

    async def sign(self, asks: Sequence[Json]) -> list[Upload]:
        return uploads_in(await self.call("POST", "/uploads/sign", {"uploads": asks}))

    async def complete(self, asks: Sequence[Json]) -> list[Upload]:
        return uploads_in(await self.call("POST", "/uploads/complete", {"uploads": asks}))

    async def retry(self, upload_ids: Sequence[str]) -> list[Upload]:
        return uploads_in(await self.call("POST", "/uploads/retry", {"ids": upload_ids}))

    async def uploads_of(self, gallery_id: str) -> AsyncIterator[Upload]:
        async for row in self.pages(f"/galleries/{gallery_id}/uploads", "uploads"):
            yield upload_from(row)

    async def pages(self, path: str, name: str, **asked: str) -> AsyncIterator[Json]:
        cursor: str | None = ""
        while cursor is not None:
            query = {**asked, "limit": str(PAGE_ITEMS), **({"cursor": cursor} if cursor else {})}
            page = await self.call("GET", f"{path}?{urlencode(query)}")
            for row in page[name]:
                yield row
            cursor = page["next_cursor"]


def uploads_in(answer: Json) -> list[Upload]:
    return [upload_from(row) for row in answer["uploads"]]


def trouble_in(answer: httpx.Response) -> Trouble:
    """What is no answer of the site's (a proxy's page, say) may pass if it is a 5xx."""
    try:
        found = trouble_from(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        found = None
    if found is not None:
        return found
    code = "too_many_requests" if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else "bad_answer"
    is_passing = answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    return Trouble(code, f"{answer.url.host} answered {answer.status_code}", is_passing)


def wanted_delay_s(answer: httpx.Response | None) -> float:
    """What Retry-After says, in seconds."""
    said = answer.headers.get("retry-after", "") if answer is not None else ""
    return float(said) if said.isdecimal() else 0.0


@asynccontextmanager
async def reached(
    url: str, token: str, *, patience: Patience, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Site]:
    """`transport` answers for the site itself: `manage.py upload` has it in its own process."""
    mounts: Mapping[str, httpx.AsyncBaseTransport] = {url: transport} if transport else {}
    common: dict[str, Any] = {
        "timeout": TIMEOUT,
        "mounts": mounts,
        "limits": httpx.Limits(max_connections=64),
    }
    authorization = {"authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=url, headers=authorization, **common) as calls,
        httpx.AsyncClient(**common) as store,
    ):
        yield Site(calls, store, patience)
