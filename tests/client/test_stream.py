"""The stream on a store in this process: parts of ten bytes, a letter each."""

import asyncio
import json

import pytest

from client.stream import (
    Cancelled,
    Failed,
    Fixed,
    GaveUp,
    MultipartStream,
    PartSent,
    Paused,
    Pausing,
    Ready,
    Refused,
    Resumed,
    Retry,
    Session,
    Settings,
    SourceChanged,
    StreamEnded,
    Uploaded,
)
from tests.client.memory_store import MemoryStore

PART = 10


async def at_once(_delay_s: float) -> None:
    await asyncio.sleep(0)


def settings(**changed) -> Settings:
    given = {"sizes": Fixed(PART), "concurrency": 3, "retry": Retry(tries=3, sleep=at_once), **changed}
    return Settings(**given)


class Stage:
    def __init__(self, **store) -> None:
        self.store, self.events = MemoryStore(**store), []

    def stream(self, **changed) -> MultipartStream:
        return MultipartStream(self.store, tell=self.events.append, settings=settings(**changed))

    async def continued(self, session, **changed) -> MultipartStream:
        kept = Session.from_json(json.loads(json.dumps(session.to_json())))
        return await MultipartStream.continued(
            self.store, kept, tell=self.events.append, settings=settings(**changed)
        )

    def told(self) -> list[str]:
        return [type(event).__name__ for event in self.events if not isinstance(event, PartSent)]

    def last(self, kind):
        return [event for event in self.events if isinstance(event, kind)][-1]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def letters(part_count: int, last: int = PART) -> bytes:
    parts = [bytes([ord("a") + number]) * PART for number in range(part_count)]
    return b"".join(parts)[: (part_count - 1) * PART + last]


async def quiet() -> None:
    """Everything that can happen now has happened."""
    for _ in range(20):
        await asyncio.sleep(0.001)


# Writing


@pytest.mark.parametrize("length", [1, 9, 10, 11, 19, 20, 21, 35, 100])
@pytest.mark.parametrize("chunk", [1, 3, 10, 25, 1000])
async def test_whatever_is_written_is_the_object_in_parts_of_exact_size(stage, length, chunk):
    stream, source = stage.stream(), letters(10)[:length]

    for at in range(0, length, chunk):
        await stream.write(source[at : at + chunk])
    stored = await stream.close()

    assert stage.store.objects == [source]
    assert stored.size_bytes == length
    sizes = [event.part.size_bytes for event in sorted_parts(stage)]
    assert sizes == [PART] * (length // PART) + ([length % PART] if length % PART else [])
    assert stage.told() == ["Ready", "Uploaded"]


def sorted_parts(stage):
    sent = [event for event in stage.events if isinstance(event, PartSent)]
    return sorted(sent, key=lambda event: event.part.number)


async def test_what_is_written_may_be_changed_afterwards(stage):
    stream, buffer = stage.stream(), bytearray(b"a" * PART)

    for letter in b"abc":
        buffer[:] = bytes([letter]) * PART
        await stream.write(buffer)
    await stream.close()

    assert stage.store.objects == [b"a" * PART + b"b" * PART + b"c" * PART]


async def test_no_more_parts_are_held_than_may_be(stage):
    stream = stage.stream()
    stage.store.held = asyncio.Event()

    writing = asyncio.create_task(stream.write(letters(20)))
    await quiet()
    held = stage.store.in_flight
    stage.store.held.set()
    await writing
    await stream.close()

    assert (held, stage.store.most_in_flight) == (3, 3)
    assert stage.store.objects == [letters(20)]


@pytest.mark.parametrize(("memory", "at_once"), [(1, 1), (20, 1), (30, 2), (40, 3), (1000, 3)])
async def test_memory_bounds_the_parts_on_their_way(stage, memory, at_once):
    stream = stage.stream(memory_bytes=memory)

    await stream.write(letters(12))
    await stream.close()

    assert stage.store.most_in_flight == at_once


async def test_nothing_is_open_before_a_part_is_full(stage):
    stream = stage.stream()

    await stream.write(b"123456789")

    assert stage.store.sessions == {}
    assert stream.session == Session(None, (), Fixed(PART))


async def test_a_source_without_a_byte_is_one_empty_object(stage):
    stored = await stage.stream().close()

    assert (stage.store.objects, stored.size_bytes) == ([b""], 0)
    assert stage.store.calls["open"] == 0
    assert stage.told() == ["Uploaded"]


async def test_a_store_may_refuse_a_source_without_a_byte(stage):
    stage.store.fail("put_empty", make=lambda: Refused("empty", code="empty_file"))

    with pytest.raises(Refused) as refused:
        await stage.stream().close()

    assert refused.value.code == "empty_file"
    assert stage.told() == ["Failed"]


async def test_closing_again_is_the_same_answer(stage):
    stream = stage.stream()
    await stream.write(letters(2))

    first, second = await asyncio.gather(stream.close(), stream.close())

    assert first is second is await stream.close()
    assert stage.store.calls["complete"] == 1
    with pytest.raises(StreamEnded):
        await stream.write(b"more")


# Errors


async def test_a_passing_error_costs_a_try_and_no_session(stage):
    stream = stage.stream()
    for what in ("open", "put 1", "put 2", "complete"):
        stage.store.fail(what, times=2)

    await stream.write(letters(3))
    await stream.close()

    assert stage.store.objects == [letters(3)]
    assert (stage.store.calls["put 1"], stage.store.calls["put 3"], stage.store.calls["abort"]) == (3, 1, 0)


async def test_an_error_that_does_not_pass_leaves_the_session_to_a_later_process(stage):
    stream = stage.stream()
    stage.store.fail("put 2", times=3)

    with pytest.raises(GaveUp):
        await feed(stream, letters(5))
    failed = stage.last(Failed)
    later = await stage.continued(failed.session)
    await feed(later, letters(5))

    assert stage.store.calls["abort"] == 0
    assert stage.store.objects == [letters(5)]
    assert stage.store.calls["open"] == 1


async def test_a_refusal_aborts(stage):
    stream = stage.stream()
    stage.store.fail("put 2", make=lambda: Refused("access denied"))

    with pytest.raises(Refused):
        await feed(stream, letters(9))

    assert (stage.store.sessions, stage.store.calls["abort"]) == ({}, 1)
    assert stage.told() == ["Ready", "Failed"]
    with pytest.raises(Refused):
        await stream.close()
    with pytest.raises((Refused, StreamEnded)):
        await stream.write(b"more")


async def feed(stream, source: bytes) -> None:
    for at in range(0, len(source), 7):
        await stream.write(source[at : at + 7])
    await stream.close()


async def test_cancelling_aborts_once(stage):
    stream = stage.stream()
    await stream.write(letters(2))

    assert [await stream.cancel(), await stream.cancel()] == [True, False]

    assert (stage.store.sessions, stage.store.calls["abort"]) == ({}, 1)
    assert stage.told() == ["Ready", "Cancelled"]
    with pytest.raises(StreamEnded):
        await stream.close()


async def test_cancelling_while_paused_ends_whoever_writes(stage):
    stream = stage.stream()
    stream.pause()
    writing = asyncio.create_task(stream.write(letters(2)))
    await quiet()

    await stream.cancel()

    with pytest.raises(StreamEnded):
        await writing


async def test_too_late_to_cancel_what_is_an_object(stage):
    stream = stage.stream()
    await feed(stream, letters(2))

    assert [await stream.cancel(), stream.pause(), stream.resume()] == [False, False, False]
    assert stage.store.objects == [letters(2)]


# Pause and resume


async def test_pause_before_the_first_part_blocks(stage):
    stream = stage.stream()

    assert stream.pause() is True
    writing = asyncio.create_task(stream.write(letters(2)))
    await quiet()
    assert (stage.store.calls["open"], writing.done()) == (0, False)
    assert stage.last(Paused).session == Session(None, (), Fixed(PART))
    assert stream.resume() is True
    await writing
    await stream.close()

    assert stage.store.objects == [letters(2)]
    assert stage.told() == ["Pausing", "Paused", "Resumed", "Ready", "Uploaded"]


async def test_a_pause_waits_for_what_is_on_its_way_and_keeps_back_what_is_not(stage):
    stream = stage.stream()
    stage.store.held = asyncio.Event()
    writing = asyncio.create_task(stream.write(letters(9)))
    await quiet()

    assert stream.pause() is True
    assert stage.told() == ["Ready", "Pausing"]
    assert stage.last(Pausing).pending == 3
    stage.store.held.set()
    await quiet()
    paused = stage.last(Paused).session
    assert [part.number for part in paused.parts] == [1, 2, 3]
    assert paused.sent_bytes == 3 * PART
    assert not writing.done()
    assert [stream.pause(), stream.resume(), stream.resume()] == [False, True, False]
    await writing
    await stream.close()

    assert stage.store.objects == [letters(9)]
    assert stage.told() == ["Ready", "Pausing", "Paused", "Resumed", "Ready", "Uploaded"]
    assert len({event.upload_id for event in stage.events if isinstance(event, Ready)}) == 1


async def test_resumed_between_pausing_and_paused_it_is_never_paused(stage):
    stream = stage.stream()
    stage.store.held = asyncio.Event()
    writing = asyncio.create_task(stream.write(letters(6)))
    await quiet()

    answers = [stream.pause(), stream.resume()]
    stage.store.held.set()
    await writing
    await stream.close()

    assert answers == [True, True]
    assert "Paused" not in stage.told()
    assert stage.store.objects == [letters(6)]


async def test_a_part_that_waits_for_its_next_try_does_not_hold_up_a_pause(stage):
    waiting = asyncio.Event()

    async def until_told(_delay_s: float) -> None:
        await waiting.wait()

    stream = stage.stream(retry=Retry(tries=3, sleep=until_told))
    stage.store.fail("put 2")
    await stream.write(letters(2))
    await quiet()

    stream.pause()
    assert stage.told() == ["Ready", "Pausing", "Paused"]
    waiting.set()
    await quiet()
    assert stage.store.calls["put 2"] == 1
    stream.resume()
    await stream.close()

    assert stage.store.objects == [letters(2)]


async def test_an_error_while_pausing_is_told_instead_of_the_pause(stage):
    stream = stage.stream()
    stage.store.held = asyncio.Event()
    stage.store.fail("put 1", make=lambda: Refused("access denied"))
    await stream.write(letters(1))
    await quiet()

    stream.pause()
    stage.store.held.set()
    with pytest.raises(Refused):
        await stream.close()

    assert stage.told() == ["Ready", "Pausing", "Failed"]


async def test_closed_while_paused_it_ends_after_the_resume(stage):
    stream = stage.stream()
    await stream.write(letters(2, last=5))
    stream.pause()
    await quiet()

    closing = asyncio.create_task(stream.close())
    await quiet()
    assert (stage.store.objects, closing.done()) == ([], False)
    assert stream.pause() is False
    assert stream.resume() is True
    await closing

    assert stage.store.objects == [letters(2, last=5)]


async def test_paused_while_it_ends(stage):
    stream = stage.stream()
    stage.store.held = asyncio.Event()
    await stream.write(letters(2))
    closing = asyncio.create_task(stream.close())
    await quiet()

    assert stream.pause() is True
    stage.store.held.set()
    await quiet()
    assert (stage.store.objects, stage.told()[-1]) == ([], "Paused")
    stream.resume()
    await closing

    assert stage.store.objects == [letters(2)]


# A later process


async def paused_after(stage, part_count: int) -> Session:
    stream = stage.stream()
    await stream.write(letters(part_count))
    await quiet()
    stream.pause()
    return stage.last(Paused).session


async def test_a_later_process_goes_on_from_what_was_kept(stage):
    session = await paused_after(stage, 3)
    stage.events.clear()
    before = stage.store.put_bytes

    later = await stage.continued(session)
    await feed(later, letters(5, last=4))

    assert stage.events[0] == Ready(session.upload_id)
    assert stage.store.objects == [letters(5, last=4)]
    assert stage.store.put_bytes - before == PART + 4
    assert [event.is_found for event in sorted_parts(stage)] == [True, True, True, False, False]


async def test_the_list_of_parts_alone_will_do(stage):
    session = await paused_after(stage, 3)
    before = stage.store.put_bytes

    later = await stage.continued(Session(session.upload_id, (), Fixed(PART)))
    await feed(later, letters(5))

    assert stage.store.objects == [letters(5)]
    assert stage.store.put_bytes - before == 2 * PART


async def test_parts_of_which_nothing_can_be_known_are_sent_again(stage):
    stage.store.tells_md5 = False
    session = await paused_after(stage, 3)
    before = stage.store.put_bytes

    later = await stage.continued(Session(session.upload_id, (), Fixed(PART)))
    await feed(later, letters(5))

    assert stage.store.objects == [letters(5)]
    assert stage.store.put_bytes - before == 5 * PART


async def test_a_gap_is_filled(stage):
    session = await paused_after(stage, 4)
    del stage.store.sessions[session.upload_id][2]
    before = stage.store.put_bytes

    later = await stage.continued(session)
    await feed(later, letters(4))

    assert stage.store.objects == [letters(4)]
    assert stage.store.put_bytes - before == PART


async def test_other_bytes_are_never_put_behind_those_that_were_sent(stage):
    session = await paused_after(stage, 3)
    other = b"!" + letters(5)[1:]

    later = await stage.continued(session)
    with pytest.raises(SourceChanged):
        await feed(later, other)

    assert (stage.store.objects, stage.store.calls["abort"]) == ([], 0)
    again = await stage.continued(session)
    await feed(again, letters(5))
    assert stage.store.objects == [letters(5)]


async def test_other_bytes_than_listed_replace_what_is_known_by_the_list_alone(stage):
    session = await paused_after(stage, 3)
    other = b"!" + letters(5)[1:]

    later = await stage.continued(Session(session.upload_id, (), Fixed(PART)))
    await feed(later, other)

    assert stage.store.objects == [other]


@pytest.mark.parametrize("part_count", [0, 1, 2])
async def test_a_source_that_ends_too_soon_is_no_object(stage, part_count):
    session = await paused_after(stage, 3)

    later = await stage.continued(session)
    with pytest.raises(SourceChanged):
        await feed(later, letters(part_count) if part_count else b"")

    assert (stage.store.objects, len(stage.store.sessions)) == ([], 1)


async def test_a_part_that_was_replaced_meanwhile_is_not_believed(stage):
    session = await paused_after(stage, 3)
    stage.store.sessions[session.upload_id][2] = b"?" * PART

    later = await stage.continued(session)
    await feed(later, letters(3))

    assert stage.store.objects == [letters(3)]


async def test_a_session_that_was_forgotten_is_said_so(stage):
    session = await paused_after(stage, 3)
    stage.store.sessions.clear()

    with pytest.raises(Refused) as refused:
        await stage.continued(session)

    assert refused.value.code == "session_gone"


async def test_stored_parts_may_be_left_out_and_nothing_else(stage):
    session = await paused_after(stage, 3)
    later = await stage.continued(session)

    assert later.stored_ahead_bytes == 3 * PART
    for wrong in (1, PART + 1, 4 * PART, -PART):
        with pytest.raises(ValueError, match="no stored parts"):
            later.skip(wrong)
    later.skip(later.stored_ahead_bytes)
    await later.write(letters(5)[3 * PART :])
    await later.close()

    assert stage.store.objects == [letters(5)]


async def test_a_session_without_a_part_and_a_source_without_a_byte(stage):
    stage.store.sessions["left"] = {}

    later = await stage.continued(Session("left", (), Fixed(PART)))
    await later.close()

    assert (stage.store.objects, stage.store.sessions) == ([b""], {})


@pytest.mark.parametrize(
    "kept",
    [{}, {"upload_id": 1, "parts": [], "sizes": {"kind": "fixed", "bytes": 1}},
     {"upload_id": None, "parts": [[1]], "sizes": {"kind": "fixed", "bytes": 1}},
     {"upload_id": None, "parts": [], "sizes": {"kind": "other", "bytes": 1}}],
)  # fmt: skip
def test_what_is_no_session_is_refused(kept):
    with pytest.raises(ValueError):  # noqa: PT011 - which part of it is wrong helps nobody
        Session.from_json(kept)


async def test_every_event_comes_in_its_order(stage):
    stream = stage.stream(concurrency=1)
    await stream.write(letters(1))
    await quiet()
    stream.pause()
    stream.resume()
    await feed(stream, letters(1))

    assert [type(event) for event in stage.events] == [
        Ready, PartSent, Pausing, Paused, Resumed, Ready, PartSent, Uploaded,
    ]  # fmt: skip
    assert Cancelled not in map(type, stage.events)


def test_waits_grow_to_a_bound_and_are_drawn():
    lowest, highest = Retry(draw=lambda: 0.0), Retry(draw=lambda: 1.0)

    assert [highest.delay_s(failures) for failures in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 20.0]
    assert [lowest.delay_s(failures) for failures in (1, 2, 3, 9)] == [0.25, 0.5, 1.0, 10.0]
