"""How long to wait before the same thing is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Retry:
    """Waits double up to `cap_s`, each drawn anew from its upper half: many clients must not come back together."""

    tries: int = 8
    base_s: float = 0.5
    cap_s: float = 20.0
    sleep: Sleep = asyncio.sleep
    draw: Callable[[], float] = random.random

    def delay_s(self, failures: int) -> float:
        """After so many failures, from 1."""
        longest_s = min(self.cap_s, self.base_s * 2.0 ** (failures - 1))
        return longest_s * (0.5 + 0.5 * self.draw())
