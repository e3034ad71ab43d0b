"""Every request to a store is announced before it is made: so the suite can refuse one inside a transaction."""

import threading
from functools import partial

import pytest
from django.db import transaction

from galleries.objects import base
from galleries.objects.base import ObjectStore, bound_key
from tests.builders import make_upload
from uploads.errors import LaneUnsupported
from uploads.lanes.base import UploadLanes, Wanted
from uploads.presign import look
from uploads.states import State
from uploads.store_calls import ask_all

PHOTO = b"photo" * 100
TYPE = "image/jpeg"


class Announced(Exception):
    """Raised by the hook: the request behind it must not be made."""


async def first_chunk(stage):
    chunks = stage.store.stream(stage.key())
    return await anext(chunks)


def wanted(stage) -> Wanted:
    return Wanted(stage.key(), len(PHOTO), TYPE, "http://localhost:8000")


OBJECT_CALLS = {
    "head": lambda stage: stage.store.head(stage.key()),
    "find": lambda stage: stage.store.find(stage.key()),
    "read": lambda stage: list(stage.store.read(stage.key())),
    "stream": first_chunk,
    "put_bytes": lambda stage: stage.store.put_bytes(stage.key(), PHOTO, content_type=TYPE),
    "copy": lambda stage: stage.store.copy(stage.key(), bound_key(stage.upload_id, 1), if_match="x"),
    "delete": lambda stage: stage.store.delete([stage.key()]),
    "list": lambda stage: list(stage.store.list("originals/")),
}
LANE_CALLS = {
    "create_multipart": lambda stage: stage.lanes.create_multipart(stage.key(), content_type=TYPE),
    "list_parts": lambda stage: stage.lanes.list_parts(stage.key(), "0" * 32),
    "complete_multipart": lambda stage: stage.lanes.complete_multipart(stage.key(), "0" * 32, []),
    "abort_multipart": lambda stage: stage.lanes.abort_multipart(stage.key(), "0" * 32),
    "list_sessions": lambda stage: list(stage.lanes.list_sessions("originals/")),
    "begin_resumable": lambda stage: stage.lanes.begin_resumable(wanted(stage)),
    "probe_resumable": lambda stage: stage.lanes.probe_resumable(session_of(stage), size_bytes=len(PHOTO)),
    "cancel_resumable": lambda stage: stage.lanes.cancel_resumable(session_of(stage)),
}
# They ask no store: signatures and what a store is said to be able to; and, on our own disk, what was left half done.
ASK_NOTHING = {"signed_get", "sign_put", "sign_part", "needs_bound_copy", "can", "drop_abandoned"}
CALLS = OBJECT_CALLS | LANE_CALLS
# Google tells nobody which sessions are open: the answer is known without asking.
ANSWERED_BY_HEART = {("gcs", "list_sessions")}


def session_of(stage) -> str:
    """A session that was begun while nobody minded."""
    if not hasattr(stage, "session_uri"):
        hooks, base.on_store_call[:] = list(base.on_store_call), []
        try:
            stage.session_uri = stage.lanes.begin_resumable(wanted(stage))
        finally:
            base.on_store_call[:] = hooks
    return stage.session_uri


def calls_of(port: type) -> set[str]:
    return {name for name, member in vars(port).items() if callable(member) and not name.startswith("_")}


def test_no_call_of_the_ports_is_forgotten_here():
    named = calls_of(ObjectStore) | calls_of(UploadLanes)

    assert named - {"clock"} == {*CALLS, *ASK_NOTHING}


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_a_call_that_is_announced_can_still_be_refused(stage, name):
    heard: list[tuple[str, str]] = []

    def refuse(store: str, verb: str) -> None:
        heard.append((store, verb))
        raise Announced

    base.on_store_call.append(refuse)
    try:
        ended = await end_of(CALLS[name], stage)
    finally:
        base.on_store_call.remove(refuse)

    if ended is Announced:
        assert {store for store, _ in heard} == {stage.store.name}
    else:  # what a store lacks is refused before anybody is asked
        assert heard == []
        assert ended is LaneUnsupported or (stage.name, name) in ANSWERED_BY_HEART


async def end_of(call, stage) -> type[Exception] | None:
    try:
        answer = call(stage)
        if hasattr(answer, "__await__"):
            await answer
    except (Announced, LaneUnsupported) as ended:
        return type(ended)
    return None


@pytest.mark.django_db(transaction=True)
def test_the_suite_hears_of_a_call_inside_a_transaction(local_stage):
    """The hook of tests/cast.py, seen at work: it is the last one that was added before this test began."""
    check = base.on_store_call[-1]
    found = check.__closure__[check.__code__.co_freevars.index("found")].cell_contents

    local_stage.store.find(local_stage.key())
    assert found == []
    with transaction.atomic():
        local_stage.store.find(local_stage.key())
    assert found == [f"local.head in {threading.current_thread().name}"]

    found.clear()


@pytest.mark.django_db(transaction=True)
def test_the_suite_hears_of_calls_that_other_threads_make_for_a_transaction(local_stage, gallery):
    check = base.on_store_call[-1]
    found = check.__closure__[check.__code__.co_freevars.index("found")].cell_contents
    upload = make_upload(gallery, State.SIGNED)

    with transaction.atomic():
        ask_all([partial(look, upload)])

    assert len(found) == 1
    assert threading.current_thread().name not in found[0]
    found.clear()
