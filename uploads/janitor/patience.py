"""Asks one store about many rows, a few at a time, and no longer than it answers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, TypeVar

Row = TypeVar("Row")
Answer = TypeVar("Answer")
AT_ONCE: Final = 8
# A store that has stalled is known after seven seconds; one that refuses at once may do so some hundred times.
PATIENCE_S: Final = 4.0


def ask_all(
    ask: Callable[[Row], Answer],
    rows: Sequence[Row],
    *,
    unavailable: Answer,
    is_unavailable: Callable[[Answer], bool],
) -> list[Answer]:
    """The answers, in order. When patience is gone, waiting for what was unavailable, those left are so, unasked.

    A store that has stalled costs a sweep one wait then, not one for each row.
    """
    waited_s: list[float] = []

    def ask_while_patient(row: Row) -> Answer:
        if sum(waited_s) >= PATIENCE_S:
            return unavailable
        began_at = monotonic()
        answer = ask(row)
        if is_unavailable(answer):
            waited_s.append(monotonic() - began_at)
        return answer

    if not rows:
        return []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(rows))) as pool:
        return list(pool.map(ask_while_patient, rows))
