"""Pure: the phases of a stream, and what pause, resume, close and errors do in each of them.

Whatever is not in the table changes nothing and answers False.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Phase(StrEnum):
    FLOWING = "flowing"
    PAUSING = "pausing"
    PAUSED = "paused"
    # The end of the source is known; what is left of it is on its way.
    ENDING = "ending"
    ENDING_PAUSING = "ending_pausing"
    ENDING_PAUSED = "ending_paused"
    COMPLETING = "completing"
    UPLOADED = "uploaded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Input(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    CLOSE = "close"
    BEGIN = "begin"  # a part goes out
    END = "end"  # a part has come to its end, or waits for its next try
    ALL_STORED = "all_stored"
    COMPLETED = "completed"
    FAIL = "fail"
    CANCEL = "cancel"


class Tell(StrEnum):
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMED = "resumed"
    UPLOADED = "uploaded"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class State:
    """`in_flight`: parts that the store has not answered for yet."""

    phase: Phase = Phase.FLOWING
    in_flight: int = 0

    @property
    def may_send(self) -> bool:
        return self.phase in SENDING

    @property
    def is_over(self) -> bool:
        return self.phase in OVER


@dataclass(frozen=True, slots=True)
class Step:
    """`answer`: whether the input did anything. `tells` are said in this order."""

    state: State
    answer: bool
    tells: tuple[Tell, ...] = ()


SENDING: Final = frozenset({Phase.FLOWING, Phase.ENDING})
OVER: Final = frozenset({Phase.UPLOADED, Phase.FAILED, Phase.CANCELLED})
_ENDS: Final = {Input.FAIL: Phase.FAILED, Input.CANCEL: Phase.CANCELLED}

MOVES: Final[Mapping[Phase, Mapping[Input, Phase]]] = MappingProxyType(
    {
        Phase.FLOWING: {
            Input.PAUSE: Phase.PAUSING,
            Input.CLOSE: Phase.ENDING,
            Input.BEGIN: Phase.FLOWING,
            Input.END: Phase.FLOWING,
            **_ENDS,
        },
        Phase.PAUSING: {
            Input.RESUME: Phase.FLOWING,
            Input.CLOSE: Phase.ENDING_PAUSING,
            Input.END: Phase.PAUSING,
            **_ENDS,
        },
        Phase.PAUSED: {Input.RESUME: Phase.FLOWING, Input.CLOSE: Phase.ENDING_PAUSED, **_ENDS},
        Phase.ENDING: {
            Input.PAUSE: Phase.ENDING_PAUSING,
            Input.BEGIN: Phase.ENDING,
            Input.END: Phase.ENDING,
            Input.ALL_STORED: Phase.COMPLETING,
            **_ENDS,
        },
        Phase.ENDING_PAUSING: {Input.RESUME: Phase.ENDING, Input.END: Phase.ENDING_PAUSING, **_ENDS},
        Phase.ENDING_PAUSED: {Input.RESUME: Phase.ENDING, **_ENDS},
        # Too late to pause or to cancel: the store may have made the object already.
        Phase.COMPLETING: {Input.COMPLETED: Phase.UPLOADED, Input.FAIL: Phase.FAILED},
        Phase.UPLOADED: {},
        Phase.FAILED: {},
        Phase.CANCELLED: {},
    }
)

_SETTLED: Final = {Phase.PAUSING: Phase.PAUSED, Phase.ENDING_PAUSING: Phase.ENDING_PAUSED}
_SAID: Final = {
    Input.PAUSE: Tell.PAUSING,
    Input.RESUME: Tell.RESUMED,
    Input.COMPLETED: Tell.UPLOADED,
    Input.FAIL: Tell.ERROR,
    Input.CANCEL: Tell.CANCELLED,
}
_COUNTED: Final = {Input.BEGIN: 1, Input.END: -1}


def step(state: State, given: Input) -> Step:
    phase = MOVES[state.phase].get(given)
    if phase is None:
        return Step(state, answer=False)
    in_flight = state.in_flight + _COUNTED.get(given, 0)
    said = (_SAID[given],) if given in _SAID else ()
    if phase in _SETTLED and in_flight == 0:
        return Step(State(_SETTLED[phase], 0), True, (*said, Tell.PAUSED))
    return Step(State(phase, in_flight), True, said)
