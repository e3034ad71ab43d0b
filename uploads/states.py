"""Pure: the states of an upload and the table of its moves. The diagram in docs/states.md is compared with it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    REGISTERED = "registered"
    SIGNED = "signed"
    UPLOADED = "uploaded"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Event(StrEnum):
    SIGN = "sign"
    STORED = "stored"
    CLAIM = "claim"
    TAKE_OVER = "take_over"
    PUT_BACK = "put_back"
    VERIFY = "verify"
    FAIL = "fail"
    REOPEN_BYTES = "reopen_bytes"
    CHECK_AGAIN = "check_again"
    CANCEL = "cancel"
    EXPIRE = "expire"
    CHOOSE_AGAIN = "choose_again"


@dataclass(frozen=True)
class Move:
    sources: frozenset[State]
    target: State
    why: str


def move(*sources: State, to: State, why: str) -> Move:
    return Move(frozenset(sources), to, why)


MOVES: dict[Event, Move] = {
    Event.SIGN: move(State.REGISTERED, to=State.SIGNED, why="signed URLs were given out"),
    Event.STORED: move(
        State.SIGNED, to=State.UPLOADED, why="every byte is in the store, or the client said so"
    ),
    Event.CLAIM: move(State.UPLOADED, to=State.VERIFYING, why="a worker holds the lease"),
    Event.TAKE_OVER: move(
        State.VERIFYING, to=State.VERIFYING, why="the lease ran out; another worker holds it"
    ),
    Event.PUT_BACK: move(State.VERIFYING, to=State.UPLOADED, why="a passing fault; tried again later"),
    Event.VERIFY: move(State.VERIFYING, to=State.VERIFIED, why="size, checksum and picture are right"),
    Event.FAIL: move(
        State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING, to=State.FAILED, why="a coded end"
    ),
    Event.REOPEN_BYTES: move(State.FAILED, to=State.SIGNED, why="retry; bytes are needed"),
    Event.CHECK_AGAIN: move(State.FAILED, to=State.UPLOADED, why="retry; the bytes are good"),
    Event.CANCEL: move(
        State.REGISTERED,
        State.SIGNED,
        State.UPLOADED,
        State.VERIFYING,
        State.FAILED,
        to=State.CANCELLED,
        why="the person said so",
    ),
    Event.EXPIRE: move(
        State.REGISTERED, State.SIGNED, to=State.EXPIRED, why="six days without a sign of life"
    ),
    Event.CHOOSE_AGAIN: move(
        State.FAILED,
        State.CANCELLED,
        State.EXPIRED,
        State.VERIFIED,
        to=State.REGISTERED,
        why="chosen again after its end; a new attempt",
    ),
}

# The worker and the client still have something to do.
OPEN_STATES = (State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING)
TAKES_BYTES = (State.REGISTERED, State.SIGNED)
ENDED_STATES = (State.VERIFIED, State.FAILED, State.CANCELLED, State.EXPIRED)


def sources_of(event: Event) -> frozenset[State]:
    return MOVES[event].sources


def target_of(event: Event) -> State:
    return MOVES[event].target


def is_legal(event: Event, state: State) -> bool:
    return state in MOVES[event].sources
