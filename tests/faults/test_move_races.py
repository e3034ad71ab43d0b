"""Several move one row at the same time: one of them does, once, and the others are told that it is too late."""

import uuid
from collections import Counter

import pytest
from django.db import transaction

from tests.builders import make_upload
from tests.faults.at_once import at_once
from uploads.errors import WrongState
from uploads.models import Upload, move_many, move_to
from uploads.states import MOVES, Event, State, is_legal, target_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
RACERS = 4
LEGAL = [(event, state) for event in Event for state in State if is_legal(event, state)]


def copy_of(upload: Upload) -> Upload:
    """As each racer has read it before the start."""
    return Upload.objects.select_related("gallery").get(pk=upload.pk)


def racer(upload: Upload, event: Event):
    """Moves its own copy. Answers the event when it won, None when it was too late."""
    lease = {"lease_token": uuid.uuid4()} if event in {Event.CLAIM, Event.TAKE_OVER} else {}

    def run() -> Event | None:
        try:
            with transaction.atomic():
                move_to(upload, event, code="gave_up" if event == Event.FAIL else "", **lease)
        except WrongState:
            return None
        return event

    return run


def assert_one_won(upload: Upload, answers: list[Event | None], source: State) -> Event:
    won = [event for event in answers if event is not None]
    after = Upload.objects.get(pk=upload.pk)
    assert len(won) == 1, (source, answers)
    assert (after.state, after.version) == (target_of(won[0]), upload.version + 1)
    assert [(each.event, each.source, each.target) for each in after.events.all()] == [
        (won[0], source, target_of(won[0]))
    ]
    return won[0]


def test_of_several_that_make_the_same_move_one_does(gallery):
    for event, state in LEGAL:
        upload = make_upload(gallery, state)
        racers = [racer(copy_of(upload), event) for _ in range(RACERS)]

        assert_one_won(upload, at_once(racers), state)


def test_of_different_moves_from_one_state_one_is_made(gallery):
    for state in State:
        events = [event for event in Event if is_legal(event, state)]
        for _ in range(2):
            upload = make_upload(gallery, state)
            racers = [racer(copy_of(upload), event) for event in events]

            assert_one_won(upload, at_once(racers), state)


def test_one_after_the_other_every_move_of_a_race_is_legal(gallery):
    """Each reads afresh, as a call that is repeated does: the history stays a way through the table."""
    upload = make_upload(gallery, State.REGISTERED)

    def act(event: Event) -> int:
        done = 0
        for _ in range(6):
            fresh = Upload.objects.get(pk=upload.pk)
            lease = {"lease_token": uuid.uuid4()} if event in {Event.CLAIM, Event.TAKE_OVER} else {}
            try:
                with transaction.atomic():
                    move_to(fresh, event, code="gave_up" if event == Event.FAIL else "", **lease)
            except WrongState:
                continue
            done += 1
        return done

    counts = at_once([lambda event=event: act(event) for event in Event])

    history = list(Upload.objects.get(pk=upload.pk).events.all())
    assert Counter(each.event for each in history) == Counter(
        {event.value: count for event, count in zip(Event, counts, strict=True) if count}
    )
    state = State.REGISTERED
    for each in history:
        assert each.source == state
        assert State(each.source) in MOVES[Event(each.event)].sources
        state = State(each.target)
    after = Upload.objects.get(pk=upload.pk)
    assert (after.state, after.version) == (state, 1 + len(history))


def test_of_two_bulk_moves_of_the_same_rows_one_does_all_of_them(gallery):
    pks = [make_upload(gallery, State.SIGNED).pk for _ in range(20)]

    def move_all(event: Event):
        def run() -> int:
            with transaction.atomic():
                held = list(Upload.objects.filter(pk__in=pks).order_by("pk").select_for_update())
                movable = [upload for upload in held if is_legal(event, State(upload.state))]
                move_many(movable, event)
            return len(movable)

        return run

    counts = at_once([move_all(Event.STORED), move_all(Event.STORED), move_all(Event.SIGN)])

    assert sorted(counts) == [0, 0, 20]
    assert set(Upload.objects.values_list("state", "version")) == {(State.UPLOADED, 2)}
