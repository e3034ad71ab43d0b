"""The chain of middleware runs in the request's own thread, entered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import SyncToAsync
from asgiref.testing import ApplicationCommunicator

from config.asgi import django_application

if TYPE_CHECKING:
    from collections.abc import Callable

# Signals before and after, the chain itself, the end of the answer, and the way of a view of its own kind.
MOST_CROSSINGS = 6

pytestmark = pytest.mark.django_db(transaction=True)


async def answer_to(path: str) -> dict[str, Any]:
    call = ApplicationCommunicator(
        django_application,
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        },
    )
    await call.send_input({"type": "http.request", "body": b""})
    start: dict[str, Any] = await call.receive_output(5)
    await call.receive_output(5)
    await call.wait()
    return start


async def test_a_call_crosses_from_the_loop_to_its_thread_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crossings = 0
    cross: Callable[..., Any] = SyncToAsync.__call__

    async def counted(self: SyncToAsync[..., Any], *args: object, **named: object) -> object:
        nonlocal crossings
        crossings += 1
        return await cross(self, *args, **named)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    start = await answer_to("/api/session")

    assert start["status"] == 200
    assert crossings <= MOST_CROSSINGS


async def test_a_middleware_still_sees_every_answer() -> None:
    start = await answer_to("/api/no-such-thing")

    assert start["status"] == 404
    assert (b"X-Content-Type-Options", b"nosniff") in start["headers"]
