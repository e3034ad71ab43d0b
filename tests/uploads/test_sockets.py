"""The two sockets: who may open one, what it says first, and what it does with what it is told."""

import asyncio
import json
import uuid
from datetime import timedelta
from typing import Any, Self

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, User, issue_token
from config.asgi import application
from galleries import access
from galleries.decode.developer import Developer
from galleries.models import Photo
from tests.builders import file_out, jpeg, make_gallery, make_photo, make_upload, uploaded
from tests.cast import bearer_api
from uploads import board, consumers, feed, progress
from uploads.consumers import MAX_MESSAGE_CHARS
from uploads.feed import MAX_ROWS_KEPT, Feed
from uploads.limits import SOCKET_MESSAGES_AT_ONCE, SOCKET_MESSAGES_PER_S
from uploads.models import Upload
from uploads.standing import Credential, Standing, grounds_of
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.django_db(transaction=True)
SITE = "http://localhost:8000"
SOON_S = 20.0  # for how long a busy machine may keep us waiting; nothing is waited for in vain
in_thread = database_sync_to_async  # which leaves no connection open in its thread


def bearer(user) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {issue_token(user)}".encode())]


def cookie(user, origin: str | None = SITE) -> list[tuple[bytes, bytes]]:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    headers = [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]
    return headers if origin is None else [*headers, (b"origin", origin.encode())]


class Socket:
    """A client that has opened a socket; `await say(...)`, `await hear("progress")`."""

    def __init__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
        }
        self.communicator = ApplicationCommunicator(application, scope)
        self.is_open = False

    async def __aenter__(self) -> Self:
        await self.communicator.send_input({"type": "websocket.connect"})
        answer = await self.communicator.receive_output(timeout=SOON_S)
        self.is_open = answer["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.is_open:
            await self.communicator.send_input({"type": "websocket.disconnect", "code": 1000})
            await self.communicator.wait(timeout=SOON_S)

    async def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.communicator.send_input({"type": "websocket.receive", "text": text})

    async def say_bytes(self, content: bytes) -> None:
        await self.communicator.send_input({"type": "websocket.receive", "bytes": content})

    async def next(self) -> dict[str, Any]:
        output = await self.communicator.receive_output(timeout=SOON_S)
        assert output["type"] == "websocket.send", output
        answer: dict[str, Any] = json.loads(output["text"])
        return answer

    async def hear(self, kind: str, where=lambda _message: True) -> dict[str, Any]:
        """The next message of that kind for which `where` holds; others are passed over."""
        async with asyncio.timeout(2 * SOON_S):
            while True:
                message = await self.next()
                if message["type"] == kind and where(message):
                    return message

    async def closing_code(self) -> int:
        async with asyncio.timeout(SOON_S):
            while True:
                output = await self.communicator.receive_output(timeout=SOON_S)
                if output["type"] == "websocket.close":
                    code: int = output["code"]
                    return code


def to_gallery(gallery, headers) -> Socket:
    return Socket(f"/ws/galleries/{gallery.pk}/", headers)


def to_all(headers) -> Socket:
    return Socket("/ws/progress/", headers)


@pytest.fixture
def mine(owner):
    return bearer(owner)


# --- what is said first


async def test_a_socket_begins_with_a_snapshot(gallery, mine):
    await in_thread(make_upload)(gallery, State.SIGNED, size=100)

    async with to_gallery(gallery, mine) as socket:
        first = await socket.next()

    assert first["type"] == "snapshot"
    assert first["version"] == 1
    assert first["gallery"]["id"] == str(gallery.pk)
    assert first["totals"] == first["gallery"]["progress"]
    assert first["totals"]["bytes_total"] == 100
    assert "uploads" not in first


async def test_the_listening_socket_begins_with_ones_own_galleries(gallery, mine, owner, stranger):
    other = await in_thread(make_gallery)(owner)
    await in_thread(make_gallery)(stranger)

    async with to_all(mine) as socket:
        first = await socket.next()

    assert first["type"] == "snapshot"
    assert {each["id"] for each in first["galleries"]} == {str(gallery.pk), str(other.pk)}


# --- reports


async def test_a_report_becomes_progress_for_everybody_who_watches(gallery, mine, owner):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)
    watcher_headers = await in_thread(cookie)(owner)

    async with (
        to_gallery(gallery, mine) as sender,
        to_gallery(gallery, watcher_headers) as watcher,
        to_all(mine) as all_of_mine,
    ):
        await sender.say({"type": "progress", "uploads": [[str(upload.pk), 60, 0]]})
        heard = [await each.hear("progress") for each in (sender, watcher, all_of_mine)]

    for message in heard:
        assert message["totals"]["bytes"] == 60
        assert message["totals"]["files"] == {"uploading": 1}
    assert heard[2]["gallery_id"] == str(gallery.pk)


async def test_foreign_and_unknown_ids_in_a_report_are_dropped(gallery, mine, stranger):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)
    theirs = await in_thread(make_gallery)(stranger)
    foreign = await in_thread(make_upload)(theirs, State.SIGNED, size=100)

    async with to_gallery(gallery, mine) as socket:
        await socket.say(
            {
                "type": "progress",
                "uploads": [[str(foreign.pk), 99, 0], [str(uuid.uuid4()), 5, 0], [str(upload.pk), 7, 0]],
            }
        )
        heard = await socket.hear("progress")

    assert heard["totals"]["bytes"] == 7
    their_api = await in_thread(bearer_api)(stranger)
    assert (await in_thread(their_api.get)(f"/galleries/{theirs.pk}")).body["progress"]["bytes"] == 0


@pytest.mark.parametrize(
    "message",
    [
        "no json", "{", "null", "[]", "7", '"x"', {}, {"type": "shout"}, {"type": "progress"},
        {"type": "progress", "uploads": {}},
        {"type": "progress", "uploads": [[]]}, {"type": "progress", "uploads": [["x", "y", "z"]]},
        {"type": "progress", "uploads": [[None, 1, 2]]}, {"type": "progress", "uploads": [["x", 1.5, 0]]},
        {"type": "progress", "uploads": [["x", True, 0]]}, {"type": "progress", "uploads": [["\x00", 1, 0]]},
        {"type": "progress", "uploads": [["x", 10**400, 0]]}, "[" * 5_000, {"type": "gallery.event"},
        {"type": ["progress"], "uploads": []}, {"type": "progress", "uploads": [["x", 1, 0]] * 101},
    ],
    ids=lambda message: str(message)[:40],
)  # fmt: skip
async def test_a_bad_message_is_dropped_and_the_socket_goes_on(gallery, mine, message):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)

    async with to_gallery(gallery, mine) as socket:
        await socket.say(message)
        await socket.say({"type": "progress", "uploads": [[str(upload.pk), 5, 0]]})
        heard = await socket.hear("progress")

    assert heard["totals"]["bytes"] == 5


@pytest.mark.parametrize(("length", "is_closed"), [(0, False), (1, True)])
async def test_a_message_too_long_ends_that_socket_alone(gallery, mine, length, is_closed):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)

    async with to_gallery(gallery, mine) as other, to_gallery(gallery, mine) as socket:
        await socket.say("x" * (MAX_MESSAGE_CHARS + length))
        if is_closed:
            assert await socket.closing_code() == 1009
            socket.is_open = False
        await other.say({"type": "progress", "uploads": [[str(upload.pk), 5, 0]]})
        assert (await other.hear("progress"))["totals"]["bytes"] == 5


async def test_bytes_end_that_socket(gallery, mine):
    async with to_gallery(gallery, mine) as socket:
        await socket.say_bytes(b"\x00\x01")

        assert await socket.closing_code() == 1003
        socket.is_open = False


async def test_what_is_said_to_the_listening_socket_is_dropped(gallery, mine):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)

    async with to_all(mine) as socket, to_gallery(gallery, mine) as reporter:
        await socket.say({"type": "progress", "uploads": [[str(upload.pk), 99, 0]]})
        await socket.say("no json")
        await reporter.say({"type": "progress", "uploads": [[str(upload.pk), 5, 0]]})
        heard = await socket.hear("progress")

    assert heard["totals"]["bytes"] == 5


# --- what changes


async def test_changed_uploads_are_told_with_the_version_before_and_after(gallery, mine, owner):
    api = await in_thread(bearer_api)(owner)

    async with to_gallery(gallery, mine) as socket:
        rows = await in_thread(api.batch)(gallery, file_out(), file_out())
        heard = await socket.hear("uploads")

    assert (heard["previous"], heard["version"]) == (1, 2)
    assert {row["id"] for row in heard["uploads"]} == {row["id"] for row in rows}


async def test_no_message_carries_a_signed_url(gallery, mine, owner):
    api = await in_thread(bearer_api)(owner)
    photo = await in_thread(make_photo)(gallery)

    async with to_gallery(gallery, mine) as socket:
        rows = await in_thread(api.batch)(gallery, file_out(), file_out(size=9 * 1024 * 1024))
        await in_thread(api.sign)(*[{"id": row["id"]} for row in rows])
        await in_thread(api.cancel)(rows[0]["id"])
        await in_thread(api.delete)(f"/photos/{photo.pk}")
        heard = [await socket.next()]
        while heard[-1]["type"] != "photos":
            heard.append(await socket.next())

    text = json.dumps(heard)
    assert "transfer" not in text
    assert "signature" not in text.lower()
    assert "/-/objects/" not in text


async def test_several_changes_become_one_message_without_a_gap(gallery, mine, owner):
    api = await in_thread(bearer_api)(owner)

    async with to_gallery(gallery, mine) as socket:
        for _ in range(5):
            await in_thread(api.batch)(gallery, file_out())
        version, seen = 1, set()
        while version < 6:
            heard = await socket.hear("uploads")
            assert heard["previous"] == version
            version = heard["version"]
            seen |= {row["id"] for row in heard["uploads"]}

    assert len(seen) == 5


async def test_rows_are_merged_by_their_last_state(gallery, mine, owner):
    api = await in_thread(bearer_api)(owner)

    async with to_gallery(gallery, mine) as socket:
        row = (await in_thread(api.batch)(gallery, file_out()))[0]
        await in_thread(api.cancel)(row["id"])
        heard = await socket.hear("uploads", lambda message: message["version"] == 3)

    assert [each["state"] for each in heard["uploads"]] == ["cancelled"]


async def test_a_deleted_photo_is_told(gallery, mine, owner):
    photo = await in_thread(make_photo)(gallery)
    api = await in_thread(bearer_api)(owner)

    async with to_gallery(gallery, mine) as socket:
        await in_thread(api.delete)(f"/photos/{photo.pk}")
        heard = await socket.hear("photos")

    assert [(each["id"], each["status"]) for each in heard["photos"]] == [(str(photo.pk), "deleted")]


async def test_everybody_is_told_the_checksums_of_what_they_get(gallery, mine, owner, stranger, monkeypatch):
    monkeypatch.setitem(access.MAY, access.Role.STRANGER, frozenset({access.Action.VIEW}))
    hidden = {"blanks": [[2, 3, "00"]], "blanked_crc32": "0" * 8, "blanked_sha256": "f" * 64}
    telling = await in_thread(make_photo)(gallery, **hidden)
    raw = await in_thread(make_photo)(gallery, blanks=None, media_type="image/x-canon-cr2")
    view = await in_thread(lambda: raw.renditions.get(name="view"))()
    theirs, api = await in_thread(bearer)(stranger), await in_thread(bearer_api)(owner)

    async with to_gallery(gallery, mine) as socket, to_gallery(gallery, theirs) as other:
        await in_thread(api.post)("/photos/delete", {"ids": [str(telling.pk), str(raw.pk)]})
        heard = [(await each.hear("photos"))["photos"] for each in (socket, other)]
    to_owner, to_other = ({row["id"]: row for row in rows} for rows in heard)

    def sums(row):
        return row["size"], row["crc32"], row["sha256"], row["media_type"]

    for photo in (telling, raw):
        told = sums(to_owner[str(photo.pk)])
        assert told == (photo.size, photo.crc32, photo.sha256, photo.media_type)
    assert sums(to_other[str(telling.pk)]) == (telling.size, "0" * 8, "f" * 64, "image/jpeg")
    assert sums(to_other[str(raw.pk)]) == (view.size, view.crc32, view.sha256, "image/jpeg")
    assert to_owner[str(raw.pk)].keys() == to_other[str(raw.pk)].keys()
    assert "to_others" not in to_owner[str(raw.pk)]


async def test_what_happens_in_another_gallery_is_not_told(gallery, mine, owner, stranger):
    other, theirs = await in_thread(make_gallery)(owner), await in_thread(make_gallery)(stranger)
    api, their_api = await in_thread(bearer_api)(owner), await in_thread(bearer_api)(stranger)

    async with to_gallery(gallery, mine) as socket, to_all(mine) as all_of_mine:
        await in_thread(api.batch)(other, file_out())
        await in_thread(their_api.batch)(theirs, file_out())
        await in_thread(api.batch)(gallery, file_out(client_id="this one"))
        heard = await socket.hear("uploads")
        told = {(await all_of_mine.hear("progress"))["gallery_id"] for _ in range(2)}

    assert [row["client_id"] for row in heard["uploads"]] == ["this one"]
    assert told == {str(gallery.pk), str(other.pk)}


async def test_a_socket_writes_nothing_to_the_database(gallery, mine):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)
    before = await in_thread(lambda: list(Upload.objects.values()))()

    async with to_gallery(gallery, mine) as socket:
        await socket.say({"type": "progress", "uploads": [[str(upload.pk), 50, 0]]})
        await socket.hear("progress")

    assert await in_thread(lambda: list(Upload.objects.values()))() == before


# --- who may


@pytest.mark.parametrize("kind", ["bearer", "cookie"])
async def test_a_stranger_is_refused_before_any_message(gallery, stranger, kind):
    headers = await in_thread(bearer if kind == "bearer" else cookie)(stranger)

    async with to_gallery(gallery, headers) as socket:
        assert not socket.is_open


async def test_an_unknown_gallery_is_refused(owner, mine):
    async with Socket(f"/ws/galleries/{uuid.uuid4()}/", mine) as socket:
        assert not socket.is_open


async def test_a_deleted_gallery_is_refused(gallery, mine, owner):
    api = await in_thread(bearer_api)(owner)
    await in_thread(api.delete)(f"/galleries/{gallery.pk}")

    async with to_gallery(gallery, mine) as socket:
        assert not socket.is_open


@pytest.mark.parametrize(
    "headers",
    [
        [], [(b"origin", SITE.encode())], [(b"authorization", b"Bearer ")], [(b"authorization", b"Bearer wrong")],
        [(b"authorization", b"Basic eDp5")], [(b"cookie", b"sessionid=made-up"), (b"origin", SITE.encode())],
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("open_socket", [to_all, None], ids=["progress", "gallery"])
async def test_who_is_not_signed_in_is_refused(gallery, headers, open_socket):
    async with to_all(headers) if open_socket else to_gallery(gallery, headers) as socket:
        assert not socket.is_open


async def test_a_revoked_token_opens_nothing(gallery, mine):
    from django.utils import timezone

    await in_thread(ApiToken.objects.update)(revoked_at=timezone.now())

    async with to_gallery(gallery, mine) as socket:
        assert not socket.is_open


@pytest.mark.parametrize(
    ("origin", "is_open"),
    [
        (SITE, True), ("http://127.0.0.1:8000", True), ("http://[::1]:8000", True),
        (None, False), ("null", False), ("", False), ("http://localhost", False), ("http://localhost:8001", False),
        ("https://localhost:8000", False), ("http://evil.example", False),
        ("http://localhost:8000.evil.example", False),
        ("http://localhost:8000/", False), ("http://evil.example:8000", False), ("HTTP://LOCALHOST:8000", False),
    ],
)  # fmt: skip
async def test_a_cookie_counts_only_with_the_full_origin_of_the_site(gallery, owner, origin, is_open):
    headers = await in_thread(cookie)(owner, origin)

    async with to_gallery(gallery, headers) as socket:
        assert socket.is_open == is_open


@pytest.mark.parametrize("path", ["/ws/nothing/", "/ws/galleries/1/", "/", "/ws/progress"])
async def test_an_unknown_path_is_refused_like_any_other(mine, path):
    async with Socket(path, mine) as socket:
        assert not socket.is_open


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
async def test_a_bearer_needs_no_origin(gallery, mine, origin):
    headers = mine if origin is None else [*mine, (b"origin", origin.encode())]

    async with to_gallery(gallery, headers) as socket:
        assert socket.is_open


async def test_a_bad_bearer_is_refused_also_beside_a_good_cookie(gallery, owner):
    headers = [*await in_thread(cookie)(owner), (b"authorization", b"Bearer wrong")]

    async with to_gallery(gallery, headers) as socket:
        assert not socket.is_open


async def test_a_strangers_bearer_beside_the_owners_cookie_is_the_stranger(gallery, owner, stranger):
    headers = [*await in_thread(cookie)(owner), *await in_thread(bearer)(stranger)]

    async with to_gallery(gallery, headers) as socket:
        assert not socket.is_open


def work_once() -> None:
    with Developer() as developer:  # its child lives as long as the thread that uses it
        verify(claim_next(), developer)


async def test_the_page_of_a_photo_in_work_sees_it_arrive(gallery, mine):
    await in_thread(uploaded)(gallery, jpeg(1))

    async with to_gallery(gallery, mine) as socket:
        await in_thread(work_once)()
        photos = await socket.hear("photos")

    assert photos["photos"][0]["status"] == "ready"
    assert {each["name"] for each in photos["photos"][0]["renditions"]} == {"grid", "view"}
    assert await in_thread(Photo.objects.count)() == 1


async def test_a_change_of_too_many_rows_for_a_message_is_a_gap(gallery, mine, owner, monkeypatch):
    """Who has a gap reads the list: better than to be left without rows and not to know it."""
    from uploads import announce

    monkeypatch.setattr(announce, "MAX_ROWS_PER_MESSAGE", 2)
    api = await in_thread(bearer_api)(owner)

    async with to_gallery(gallery, mine) as socket:
        await in_thread(api.batch)(gallery, *[file_out() for _ in range(3)])
        heard = await socket.hear("uploads")

    assert heard["version"] == 2
    assert heard["previous"] != 1


# --- the right to listen ends while the socket is open


@pytest.fixture
def checked_often(monkeypatch):
    monkeypatch.setattr(board, "CHECKED_EVERY_S", 0.05)


@pytest.mark.usefixtures("checked_often")
async def test_a_socket_closes_after_sign_out(gallery, owner):
    headers = await in_thread(cookie)(owner)

    async with to_gallery(gallery, headers) as socket:
        await in_thread(Session.objects.all().delete)()

        assert await socket.closing_code() == consumers.CLOSE_SIGN_IN


@pytest.mark.usefixtures("checked_often")
async def test_a_socket_closes_after_its_token_was_revoked(mine):
    async with to_all(mine) as socket:
        await in_thread(ApiToken.objects.update)(revoked_at=timezone.now())

        assert await socket.closing_code() == consumers.CLOSE_SIGN_IN


@pytest.mark.usefixtures("checked_often")
async def test_a_socket_closes_when_its_gallery_is_deleted(gallery, mine, owner):
    api = await in_thread(bearer_api)(owner)

    async with to_gallery(gallery, mine) as socket:
        await in_thread(api.delete)(f"/galleries/{gallery.pk}")

        assert await socket.closing_code() == consumers.CLOSE_NOT_FOUND


@pytest.mark.usefixtures("checked_often")
async def test_a_socket_of_somebody_who_may_stays_open(gallery, mine, owner, monkeypatch):
    api = await in_thread(bearer_api)(owner)
    checked, check = asyncio.Semaphore(0), board.Board.check_once

    async def check_and_tell(all_of_them) -> None:
        await check(all_of_them)
        checked.release()

    monkeypatch.setattr(board.Board, "check_once", check_and_tell)
    async with to_gallery(gallery, mine) as socket:
        async with asyncio.timeout(SOON_S):
            for _ in range(3):
                await checked.acquire()
        await in_thread(api.batch)(gallery, file_out())

        assert (await socket.hear("uploads"))["version"] == 2


@pytest.mark.usefixtures("checked_often")
@pytest.mark.parametrize("kind", ["bearer", "cookie"])
async def test_a_socket_closes_when_its_user_may_sign_in_no_more(gallery, owner, kind):
    headers = await in_thread(bearer if kind == "bearer" else cookie)(owner)

    async with to_gallery(gallery, headers) as socket:
        await in_thread(User.objects.filter(pk=owner.pk).update)(is_active=False)

        assert await socket.closing_code() == consumers.CLOSE_SIGN_IN


@pytest.mark.usefixtures("checked_often")
async def test_a_socket_closes_after_the_password_was_changed(gallery, owner):
    headers = await in_thread(cookie)(owner)

    async with to_gallery(gallery, headers) as socket:
        owner.set_password("another long enough password")
        await in_thread(owner.save)()

        assert await socket.closing_code() == consumers.CLOSE_SIGN_IN


def test_however_many_sockets_are_checked_by_four_queries(owner, django_assert_num_queries):
    standings = [
        Standing(Credential(token_digest=str(number)), owner.pk, uuid.uuid4()) for number in range(500)
    ]

    with django_assert_num_queries(4):
        grounds = grounds_of(standings)

    assert grounds.keys() == set(standings)


def test_a_right_is_asked_for_again_within_five_seconds():
    assert board.CHECKED_EVERY_S <= 4


# --- limits


async def test_who_says_too_much_is_closed_alone(gallery, mine):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)

    async with to_gallery(gallery, mine) as other, to_gallery(gallery, mine) as socket:
        for _ in range(SOCKET_MESSAGES_AT_ONCE + 2 * SOCKET_MESSAGES_PER_S):
            await socket.say("{}")
        assert await socket.closing_code() == consumers.CLOSE_TOO_MANY
        socket.is_open = False
        await other.say({"type": "progress", "uploads": [[str(upload.pk), 5, 0]]})
        assert (await other.hear("progress"))["totals"]["bytes"] == 5


def test_so_many_at_once_and_so_many_a_second(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(consumers, "monotonic", lambda: now[0])
    allowance = consumers.Allowance(8, 80)

    assert [allowance.spend() for _ in range(81)] == [True] * 80 + [False]
    now[0] += 1
    assert [allowance.spend() for _ in range(9)] == [True] * 8 + [False]
    now[0] += 3600
    assert [allowance.spend() for _ in range(81)] == [True] * 80 + [False]


@pytest.mark.parametrize(("room", "is_closed"), [(2, False), (1, True)])
async def test_one_person_has_so_many_sockets(  # noqa: PLR0917
    gallery, mine, stranger, monkeypatch, room, is_closed
):
    monkeypatch.setattr(consumers, "MAX_SOCKETS_OF_ONE", room)
    theirs = await in_thread(bearer)(stranger)

    async with to_gallery(gallery, mine), to_all(theirs) as another_persons, to_all(mine) as socket:
        assert (await another_persons.next())["type"] == "snapshot"
        if is_closed:
            assert await socket.closing_code() == consumers.CLOSE_TOO_MANY
            socket.is_open = False
        else:
            assert (await socket.next())["type"] == "snapshot"


# --- all of one's galleries


async def test_a_new_gallery_appears_without_opening_the_socket_again(gallery, mine, owner):
    api = await in_thread(bearer_api)(owner)

    async with to_all(mine) as socket:
        await socket.hear("snapshot")
        made = (await in_thread(api.post)("/galleries", {"title": "New"})).body
        heard = await socket.hear("snapshot")
        await in_thread(api.post)(f"/galleries/{made['id']}/uploads/batch", {"files": [file_out()]})
        moved = await socket.hear("progress")
        await in_thread(api.delete)(f"/galleries/{made['id']}")
        left = await socket.hear("snapshot")

    assert {each["id"] for each in heard["galleries"]} == {str(gallery.pk), made["id"]}
    assert moved["gallery_id"] == made["id"]
    assert [each["id"] for each in left["galleries"]] == [str(gallery.pk)]


async def test_the_whole_is_the_sum_of_what_is_filled_at_the_same_time(mine, owner):
    now = timezone.now()
    galleries = [await in_thread(make_gallery)(owner, round_started_at=now) for _ in range(2)]
    uploads = [await in_thread(make_upload)(each, State.SIGNED, size=100) for each in galleries]
    long_ago = await in_thread(make_gallery)(owner, round_started_at=now - timedelta(days=9))
    ended = {"registered_at": now - timedelta(days=8), "ended_at": now - timedelta(days=8)}
    await in_thread(make_upload)(long_ago, State.VERIFIED, size=10_000, **ended)
    api = await in_thread(bearer_api)(owner)

    async with to_all(mine) as socket:
        for upload, stored in zip(uploads, (30, 50), strict=True):
            body = {"uploads": [[str(upload.pk), stored, 0]]}
            await in_thread(api.post)(f"/galleries/{upload.gallery_id}/progress", body)
        heard = await socket.hear("progress", lambda message: message["overall"]["bytes"] == 80)

    assert heard["overall"]["bytes_total"] == 200
    assert heard["overall"]["files"] == {"uploading": 2}
    assert (await in_thread(api.get)("/galleries")).body["overall"]["bytes"] == 80


# --- what is not done


async def test_reports_of_a_moment_are_one_message(gallery, mine):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)

    async with to_gallery(gallery, mine) as socket:
        for stored in range(1, 61):
            await socket.say({"type": "progress", "uploads": [[str(upload.pk), stored, 0]]})
        heard = [await socket.hear("progress")]
        while heard[-1]["totals"]["bytes"] < 60:
            heard.append(await socket.hear("progress"))

    assert len(heard) <= 3


async def test_nothing_is_worked_out_where_nobody_listens(gallery, owner, monkeypatch):
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)
    api = await in_thread(bearer_api)(owner)
    other = await in_thread(make_gallery)(owner)
    told = []

    async with to_gallery(other, await in_thread(bearer)(owner)):
        monkeypatch.setattr(progress, "rows_in", lambda ids: told.append(ids) or {})
        await in_thread(api.post)(f"/galleries/{gallery.pk}/progress", {"uploads": [[str(upload.pk), 5, 0]]})
        await board.board().speak_once()

    assert told == []


async def test_progress_is_right_again_after_redis_lost_all_in_the_middle(gallery, mine, redis_server):
    """Of the file that stands still, too: this process remembers what its sockets said."""
    rests, moves = [await in_thread(make_upload)(gallery, State.SIGNED, size=100) for _ in range(2)]

    async with to_gallery(gallery, mine) as socket:
        await socket.say({"type": "progress", "uploads": [[str(rests.pk), 40, 0], [str(moves.pk), 10, 0]]})
        await socket.hear("progress", lambda message: message["totals"]["bytes"] == 50)
        redis_server.forget_everything()
        began = asyncio.get_running_loop().time()
        await socket.say({"type": "progress", "uploads": [[str(moves.pk), 20, 0]]})
        await socket.hear("progress", lambda message: message["totals"]["bytes"] == 60)

    assert asyncio.get_running_loop().time() - began < 5


class StuckSocket:
    """What is said to it is not taken, from the second message on, until it reads again."""

    def __init__(self, gallery, headers) -> None:
        self.scope = {**to_gallery(gallery, headers).communicator.scope}
        self.reads, self.has_news = asyncio.Event(), asyncio.Event()
        self.said: list[dict[str, Any]] = []
        self.asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self.asked.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(application(self.scope, self.asked.get, self.send))
        await self.until(lambda message: message["type"] == "snapshot")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.reads.set()
        self.asked.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task

    async def send(self, message: dict[str, Any]) -> None:
        if self.said:
            await self.reads.wait()
        if message["type"] == "websocket.send":
            self.said.append(json.loads(message["text"]))
            self.has_news.set()

    async def until(self, where) -> None:
        """Its last message is such a one."""
        async with asyncio.timeout(SOON_S):
            while not self.said or not where(self.said[-1]):
                self.has_news.clear()
                await self.has_news.wait()


async def test_who_does_not_read_hears_the_last_word_later_and_holds_up_nobody(
    gallery, mine, owner, monkeypatch
):
    monkeypatch.setattr(feed, "MAX_ROWS_KEPT", 5)
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)
    api = await in_thread(bearer_api)(owner)

    async with StuckSocket(gallery, mine) as stuck, to_gallery(gallery, mine) as socket:
        for stored in (10, 20, 30):
            await socket.say({"type": "progress", "uploads": [[str(upload.pk), stored, 0]]})
            await in_thread(api.batch)(gallery, file_out(), file_out(), file_out())
            await socket.hear("progress", lambda message, stored=stored: message["totals"]["bytes"] == stored)
        heard_meanwhile = [*stuck.said]
        stuck.reads.set()
        await stuck.until(lambda message: message.get("totals", {}).get("bytes") == 30)

    assert [message["type"] for message in heard_meanwhile] == ["snapshot"]
    progress_heard = [message for message in stuck.said if message["type"] == "progress"]
    assert len(progress_heard) <= 2, "the one that was on its way, and the last"
    gaps = [message for message in stuck.said if message.get("previous") == message.get("version", 0)]
    assert [len(message["uploads"]) <= 5 for message in gaps] == [True], "the others are read from the list"


def test_what_is_kept_for_who_does_not_read_is_bounded():
    feed = Feed(1)
    for version in range(2, 500):
        rows = [{"id": f"{version}-{number}"} for number in range(10)]
        feed.hear({"version": version, "kind": "photos", "rows": rows, "is_cut": False})

    assert sum(map(len, feed.rows.values())) <= MAX_ROWS_KEPT
    [message] = feed.messages()
    assert message["previous"] != 1, "a gap: the list is read"
