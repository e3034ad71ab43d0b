"""The stream on real stores: Swift behind a gate, which counts, and the local door. Parts of 5 MiB, the least."""

import hashlib

import httpx
import pytest

from client.stream import (
    Failed,
    GaveUp,
    Growing,
    MultipartStream,
    PartSent,
    Paused,
    Ready,
    Refused,
    Retry,
    Session,
    Settings,
)
from tests.builders import MIB
from tests.fault_gate.faults import Answer, LoseAnswer, Rule
from uploads.lanes.stream import LaneParts

pytestmark = pytest.mark.services
PART_BYTES = 5 * MIB
PART_COUNT = 4
SETTINGS = Settings(sizes=Growing(PART_BYTES), concurrency=2, retry=Retry(tries=4, base_s=0.01))


@pytest.fixture(params=["swift", "local"])
def place(request):
    if request.param == "local":
        return request.getfixturevalue("local_stage"), None
    return request.getfixturevalue("stage"), request.getfixturevalue("gate")


@pytest.fixture(scope="module")
def source() -> bytes:
    """Parts that differ, and a short one behind them."""
    return b"".join(bytes([number]) * PART_BYTES for number in range(PART_COUNT)) + b"the end"


def sha256_of(stage, key) -> str:
    digest = hashlib.sha256()
    for chunk in stage.store.read(key):
        digest.update(chunk)
    return digest.hexdigest()


class Case:
    def __init__(self, stage, http) -> None:
        self.stage, self.key, self.events = stage, stage.key(), []
        self.parts = LaneParts(stage.lanes, self.key, http, content_type="application/octet-stream")

    def stream(self) -> MultipartStream:
        return MultipartStream(self.parts, tell=self.events.append, settings=SETTINGS)

    async def continued(self, session) -> MultipartStream:
        return await MultipartStream.continued(
            self.parts, session, tell=self.events.append, settings=SETTINGS
        )

    def open_sessions(self) -> list[str]:
        return [each.session for each in self.stage.lanes.list_sessions("originals/")]

    def put_count(self) -> int:
        return sum(isinstance(event, PartSent) and not event.is_found for event in self.events)


@pytest.fixture
async def case(place):
    async with httpx.AsyncClient(base_url=place[0].site, timeout=30) as http:
        yield Case(place[0], http)


async def feed(stream, source) -> None:
    for at in range(0, len(source), MIB):
        await stream.write(source[at : at + MIB])
    await stream.close()


async def test_a_stream_becomes_an_object_and_leaves_no_session(case, source):
    await feed(case.stream(), source)

    assert sha256_of(case.stage, case.key) == hashlib.sha256(source).hexdigest()
    assert case.open_sessions() == []


async def test_a_source_without_a_byte_is_an_object(case):
    await case.stream().close()

    assert case.stage.store.head(case.key).size_bytes == 0
    assert case.open_sessions() == []


@pytest.mark.parametrize("knows", ["its session", "the list alone"])
async def test_a_later_process_sends_only_what_is_missing(case, place, source, knows):
    stream = case.stream()
    await stream.write(source[: 2 * PART_BYTES + 1])
    stream.pause()
    await stream.quiet()
    paused = next(event for event in case.events if isinstance(event, Paused)).session
    known = paused if knows == "its session" else Session(paused.upload_id, (), paused.sizes)
    sent_before = case.put_count()

    await feed(await case.continued(known), source)

    assert sha256_of(case.stage, case.key) == hashlib.sha256(source).hexdigest()
    # The local store's ETags say nothing of the bytes: without a session all is sent again.
    can_tell = knows == "its session" or place[1] is not None
    assert case.put_count() - sent_before == PART_COUNT + 1 - (sent_before if can_tell else 0)
    assert {event.upload_id for event in case.events if isinstance(event, Ready)} == {paused.upload_id}


async def test_cancelling_leaves_nothing(case, source):
    stream = case.stream()
    await stream.write(source[: 2 * PART_BYTES])

    assert await stream.cancel()

    assert case.open_sessions() == []
    assert case.stage.store.find(case.key) is None


@pytest.mark.parametrize("fault", [Answer(503), Answer(403), LoseAnswer()], ids=["503", "403", "lost"])
async def test_errors_of_the_store_cost_a_try(stage, gate, source, fault):
    gate.add(Rule(fault, method="PUT", query="partNumber=", calls={1}, counted_by="target"))
    async with httpx.AsyncClient(timeout=30) as http:
        case = Case(stage, http)
        await feed(case.stream(), source)

    assert sha256_of(stage, case.key) == hashlib.sha256(source).hexdigest()
    assert case.open_sessions() == []


async def test_a_store_that_stays_away_keeps_the_session(stage, gate, source):
    away = gate.add(Rule(Answer(503), method="PUT", query="partNumber=3"))
    async with httpx.AsyncClient(timeout=30) as http:
        case = Case(stage, http)
        with pytest.raises(GaveUp):
            await feed(case.stream(), source)
        failed = next(event for event in case.events if isinstance(event, Failed))
        gate.remove(away)
        await feed(await case.continued(failed.session), source)

    assert sha256_of(stage, case.key) == hashlib.sha256(source).hexdigest()


async def test_a_session_that_somebody_ended_is_told_from_one_that_can_not_be_asked(stage, gate):
    async with httpx.AsyncClient(timeout=30) as http:
        case = Case(stage, http)
        with pytest.raises(Refused) as refused:
            await case.continued(Session("bm8tc3VjaC1zZXNzaW9u"))
        gate.add(Rule(Answer(503)))
        with pytest.raises(GaveUp):
            await case.continued(Session("bm8tc3VjaC1zZXNzaW9u"))

    assert refused.value.code == "session_gone"
