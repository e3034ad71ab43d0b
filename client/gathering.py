"""Many small asks become few calls: what comes up while a call is under way goes with the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from .site import MAX_ITEMS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Gathered(Generic[Ask, Answer]):
    """`send` takes up to a hundred asks and answers in their order."""

    def __init__(self, send: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]]) -> None:
        self._send = send
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def ask(self, item: Ask) -> Answer:
        """Raises: whatever the call raised that it went with."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        return await answer

    async def _send_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # whoever is ready now comes along
            taken, self._waiting = self._waiting[:MAX_ITEMS], self._waiting[MAX_ITEMS:]
            try:
                answers = await self._send([item for item, _ in taken])
            except Exception as error:  # noqa: BLE001 - handed on to everybody who asked
                for _, waiting in taken:
                    settle(waiting, error)
                continue
            for (_, waiting), answer in zip(taken, answers, strict=True):
                settle(waiting, answer)


def settle(waiting: asyncio.Future[Answer], outcome: Answer | Exception) -> None:
    if waiting.done():  # whoever asked has gone
        return
    if isinstance(outcome, Exception):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)
