"""Every order of pause, resume, close and error: the table, each line of it, and what holds for all orders."""

import itertools

import pytest

from client.stream.machine import MOVES, OVER, Input, Phase, State, Tell, step

PAUSE, RESUME, CLOSE, BEGIN, END = Input.PAUSE, Input.RESUME, Input.CLOSE, Input.BEGIN, Input.END
ALL_STORED, COMPLETED, FAIL, CANCEL = Input.ALL_STORED, Input.COMPLETED, Input.FAIL, Input.CANCEL


def told(*inputs: Input) -> tuple[list[bool], list[Tell], Phase]:
    state, answers, tells = State(), [], []
    for each in inputs:
        taken = step(state, each)
        state = taken.state
        answers.append(taken.answer)
        tells += taken.tells
    return answers, tells, state.phase


# What was done, what each of it answered, what was said, and where it ended.
ORDERS = [
    ((PAUSE,), "1", "pausing paused", "paused"),
    ((PAUSE, PAUSE), "10", "pausing paused", "paused"),
    ((RESUME,), "0", "", "flowing"),
    ((PAUSE, RESUME), "11", "pausing paused resumed", "flowing"),
    ((PAUSE, RESUME, RESUME), "110", "pausing paused resumed", "flowing"),
    ((BEGIN, PAUSE), "11", "pausing", "pausing"),
    ((BEGIN, PAUSE, PAUSE), "110", "pausing", "pausing"),
    ((BEGIN, PAUSE, END), "111", "pausing paused", "paused"),
    ((BEGIN, PAUSE, RESUME), "111", "pausing resumed", "flowing"),
    ((BEGIN, PAUSE, RESUME, END), "1111", "pausing resumed", "flowing"),
    ((BEGIN, PAUSE, RESUME, PAUSE, END), "11111", "pausing resumed pausing paused", "paused"),
    ((BEGIN, BEGIN, PAUSE, END), "1111", "pausing", "pausing"),
    ((BEGIN, BEGIN, PAUSE, END, END), "11111", "pausing paused", "paused"),
    ((BEGIN, PAUSE, BEGIN), "110", "pausing", "pausing"),
    ((PAUSE, BEGIN), "10", "pausing paused", "paused"),
    ((BEGIN, PAUSE, FAIL), "111", "pausing error", "failed"),
    ((BEGIN, PAUSE, FAIL, END), "1110", "pausing error", "failed"),
    ((BEGIN, PAUSE, FAIL, RESUME), "1110", "pausing error", "failed"),
    ((PAUSE, CANCEL), "11", "pausing paused cancelled", "cancelled"),
    ((CLOSE,), "1", "", "ending"),
    ((CLOSE, CLOSE), "10", "", "ending"),
    ((CLOSE, ALL_STORED, COMPLETED), "111", "uploaded", "uploaded"),
    ((CLOSE, PAUSE), "11", "pausing paused", "ending_paused"),
    ((CLOSE, PAUSE, ALL_STORED), "110", "pausing paused", "ending_paused"),
    ((CLOSE, PAUSE, RESUME, ALL_STORED), "1111", "pausing paused resumed", "completing"),
    ((BEGIN, CLOSE, PAUSE, END), "1111", "pausing paused", "ending_paused"),
    ((BEGIN, CLOSE, PAUSE, RESUME, END), "11111", "pausing resumed", "ending"),
    ((BEGIN, PAUSE, CLOSE, END), "1111", "pausing paused", "ending_paused"),
    ((BEGIN, PAUSE, CLOSE, RESUME), "1111", "pausing resumed", "ending"),
    ((PAUSE, CLOSE, RESUME), "111", "pausing paused resumed", "ending"),
    ((PAUSE, CLOSE, CLOSE), "110", "pausing paused", "ending_paused"),
    ((PAUSE, CLOSE, PAUSE), "110", "pausing paused", "ending_paused"),
    ((PAUSE, CLOSE, FAIL), "111", "pausing paused error", "failed"),
    ((CLOSE, ALL_STORED, PAUSE), "110", "", "completing"),
    ((CLOSE, ALL_STORED, RESUME), "110", "", "completing"),
    ((CLOSE, ALL_STORED, CANCEL), "110", "", "completing"),
    ((CLOSE, ALL_STORED, FAIL), "111", "error", "failed"),
    ((CLOSE, ALL_STORED, COMPLETED, PAUSE), "1110", "uploaded", "uploaded"),
    ((CLOSE, ALL_STORED, COMPLETED, CLOSE), "1110", "uploaded", "uploaded"),
    ((FAIL, PAUSE), "10", "error", "failed"),
    ((FAIL, RESUME), "10", "error", "failed"),
    ((FAIL, CLOSE), "10", "error", "failed"),
    ((FAIL, FAIL), "10", "error", "failed"),
    ((FAIL, CANCEL), "10", "error", "failed"),
    ((CANCEL, RESUME), "10", "cancelled", "cancelled"),
    ((CANCEL, CLOSE), "10", "cancelled", "cancelled"),
    ((CANCEL, CANCEL), "10", "cancelled", "cancelled"),
]


@pytest.mark.parametrize(("inputs", "answers", "tells", "phase"), ORDERS, ids=lambda each: str(each)[:80])
def test_each_order(inputs, answers, tells, phase):
    answered, said, ended = told(*inputs)

    assert "".join(str(int(each)) for each in answered) == answers
    assert (" ".join(said), ended) == (tells, phase)


def possible(length: int):
    """Every order of that length in which no more parts come to an end than were begun."""
    for inputs in itertools.product(Input, repeat=length):
        state = State()
        for each in inputs:
            if each == END and state.in_flight == 0:
                break
            state = step(state, each).state
        else:
            yield inputs


def test_what_holds_for_every_order_of_five():
    for inputs in possible(5):
        state, paused_count, pausing_count = State(), 0, 0
        for each in inputs:
            before, taken = state, step(state, each)
            state = taken.state
            paused_count += taken.tells.count(Tell.PAUSED)
            pausing_count += taken.tells.count(Tell.PAUSING)
            # Whoever is refused changes nothing and says nothing.
            assert taken.answer or (taken.state == before and not taken.tells)
            # Nothing is on its way in what calls itself paused, something is in what is pausing.
            assert (state.in_flight == 0) or state.phase not in {Phase.PAUSED, Phase.ENDING_PAUSED}
            assert (state.in_flight > 0) or state.phase not in {Phase.PAUSING, Phase.ENDING_PAUSING}
            # Nothing leads out of an end.
            assert before.phase not in OVER or state == before
            # `resume` is answered exactly where `pause` is not, while a stream may be paused at all.
            if state.phase in MOVES and Input.CANCEL in MOVES[state.phase]:
                assert step(state, PAUSE).answer != step(state, RESUME).answer
        assert paused_count <= pausing_count, inputs


def test_every_phase_is_reached_and_all_but_the_ends_are_left():
    reached = {phase for moves in MOVES.values() for phase in moves.values()}
    reached |= {step(State(phase, 0), PAUSE).state.phase for phase in Phase}

    assert reached == set(Phase)
    assert {phase for phase in Phase if not MOVES[phase]} == OVER
    assert all(FAIL in MOVES[phase] for phase in Phase if phase not in OVER)
