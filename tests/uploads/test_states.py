"""The table of moves, the diagram that shows it, and the compare-and-swap that enforces it."""

import itertools
import re
from pathlib import Path

import pytest

from tests.builders import make_upload
from uploads.errors import WrongState
from uploads.models import LEASED_EVENTS, Upload, UploadEvent, move_many, move_to
from uploads.states import ENDED_STATES, MOVES, OPEN_STATES, Event, State, is_legal, sources_of, target_of

EVERY = [(event, state) for event in Event for state in State]
DIAGRAMS = Path(__file__).parents[2] / "docs" / "states.md"
ARROW = re.compile(r"^\s*(\w+) --> (\w+): (\w+)$", re.MULTILINE)


def lease_of(upload: Upload, event: Event) -> dict[str, object]:
    """A row in `verifying` must name who holds it."""
    import uuid

    return {"lease_token": uuid.uuid4()} if event in {Event.CLAIM, Event.TAKE_OVER} else {}


def code_of(event: Event) -> str:
    return "gave_up" if event == Event.FAIL else ""


def test_every_state_but_the_first_can_be_reached():
    reached = {target_of(event) for event in Event}

    assert reached == set(State)


def test_every_open_state_ends_by_failure_or_by_time():
    ends = {State.FAILED, State.CANCELLED, State.EXPIRED}

    for state in OPEN_STATES:
        exits = {target_of(event) for event in Event if is_legal(event, state)}
        assert State.FAILED in exits, state
        assert exits & (ends | {State.VERIFIED}), state


def test_open_and_ended_states_are_all_states():
    assert {*OPEN_STATES, *ENDED_STATES} == set(State)
    assert not {*OPEN_STATES} & {*ENDED_STATES}


def test_the_diagram_shows_the_table_and_nothing_else():
    section = DIAGRAMS.read_text(encoding="utf-8").partition("## Upload")[2].partition("\n## ")[0]
    drawn = {(source, target, event) for source, target, event in ARROW.findall(section)}

    table = {
        (source.value, move.target.value, event.value)
        for event, move in MOVES.items()
        for source in move.sources
    }
    assert drawn == table


def test_the_diagram_says_what_each_event_means():
    section = DIAGRAMS.read_text(encoding="utf-8").partition("## Upload")[2].partition("\n## ")[0]

    for event, move in MOVES.items():
        assert f"| `{event}` | {move.why} |" in section


@pytest.mark.django_db
@pytest.mark.parametrize(("event", "state"), EVERY)
def test_one_row_moves_exactly_where_the_table_says(gallery, event, state):
    upload = make_upload(gallery, state)
    before = Upload.objects.get(pk=upload.pk)

    if is_legal(event, state):
        move_to(upload, event, code=code_of(event), **lease_of(upload, event))
    else:
        with pytest.raises(WrongState):
            move_to(upload, event, code=code_of(event), **lease_of(upload, event))

    stored = Upload.objects.get(pk=upload.pk)
    if is_legal(event, state):
        assert (stored.state, stored.version) == (target_of(event), before.version + 1)
        assert [(each.event, each.source, each.target) for each in stored.events.all()] == [
            (event, state, target_of(event))
        ]
    else:
        assert (stored.state, stored.version) == (before.state, before.version)
        assert not stored.events.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("event", "state"), EVERY)
def test_many_rows_move_exactly_where_the_table_says(gallery, event, state):
    uploads = [make_upload(gallery, state) for _ in range(3)]
    for upload in uploads:
        upload.error_code = code_of(event)
        for name, value in lease_of(upload, event).items():
            setattr(upload, name, value)

    if is_legal(event, state):
        move_many(uploads, event, fields=["lease_token"])
    else:
        with pytest.raises(WrongState):
            move_many(uploads, event, fields=["lease_token"])

    found = set(Upload.objects.values_list("state", "version"))
    assert found == ({(target_of(event), 2)} if is_legal(event, state) else {(state, 1)})
    assert UploadEvent.objects.count() == (3 if is_legal(event, state) else 0)


@pytest.mark.django_db
@pytest.mark.parametrize(("event", "state"), [each for each in EVERY if not is_legal(*each)])
@pytest.mark.parametrize("move", [move_to, lambda upload, event: move_many([upload], event)])
def test_a_move_that_is_refused_changes_nothing_and_says_from_where_to_where_and_why(
    gallery, caplog, event, state, move
):
    upload = make_upload(gallery, state)
    before = Upload.objects.filter(pk=upload.pk).values().get()

    with pytest.raises(WrongState) as refused:
        move(upload, event)

    assert Upload.objects.filter(pk=upload.pk).values().get() == before
    assert not UploadEvent.objects.exists()
    assert refused.value.details == {"id": str(upload.pk), "state": state, "event": event}
    assert [record.getMessage() for record in caplog.records] == [
        f"upload.move_refused upload_id={upload.pk} from={state} to={target_of(event)} event={event} reason=state"
    ]


@pytest.mark.django_db
def test_one_row_in_the_wrong_state_stops_all_of_a_bulk_move(gallery):
    uploads = [make_upload(gallery, State.SIGNED), make_upload(gallery, State.VERIFIED)]

    with pytest.raises(WrongState):
        move_many(uploads, Event.STORED)

    assert set(Upload.objects.values_list("state", flat=True)) == {State.SIGNED, State.VERIFIED}


@pytest.mark.django_db
def test_moving_no_rows_asks_the_database_nothing(gallery, django_assert_num_queries):
    with django_assert_num_queries(0):
        move_many([], Event.STORED)


@pytest.mark.django_db
def test_who_holds_an_older_copy_loses(gallery, caplog):
    upload = make_upload(gallery, State.UPLOADED)
    older = Upload.objects.get(pk=upload.pk)
    Upload.objects.filter(pk=upload.pk).update(version=2)

    with pytest.raises(WrongState):
        move_to(older, Event.CANCEL)

    assert Upload.objects.get(pk=upload.pk).state == State.UPLOADED
    assert "from=uploaded to=cancelled event=cancel reason=changed" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("event", sorted(LEASED_EVENTS))
def test_a_worker_without_the_lease_has_no_say(gallery, event):
    import uuid

    upload = make_upload(gallery, State.VERIFYING)
    upload.lease_token = uuid.uuid4()

    with pytest.raises(WrongState):
        move_to(upload, event)

    assert Upload.objects.get(pk=upload.pk).state == State.VERIFYING


@pytest.mark.django_db
def test_the_row_in_hand_is_as_the_row_in_the_database(gallery):
    upload = make_upload(gallery, State.VERIFYING)

    move_to(upload, Event.FAIL, code="gave_up", error_details={"tries": 5})

    stored = Upload.objects.get(pk=upload.pk)
    for name in ("state", "version", "error_code", "error_details"):
        assert getattr(upload, name) == getattr(stored, name)


@pytest.mark.django_db
def test_replaying_the_history_gives_the_state(api, gallery):
    from tests.builders import file_out

    row = api.batch(gallery, file_out(), sign=False)[0]
    api.sign({"id": row["id"]})
    api.cancel(row["id"])

    events = list(UploadEvent.objects.filter(upload_id=row["id"]))
    assert [each.event for each in events] == ["register", "sign", "cancel"]
    for earlier, later in itertools.pairwise(events):
        assert later.source == earlier.target
        assert later.source in sources_of(Event(later.event))
    assert events[-1].target == Upload.objects.get(pk=row["id"]).state
