"""What one listener, one person or one gallery does to the others that share a process: nothing."""

import asyncio
import threading
import uuid
from types import SimpleNamespace

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.models import ApiToken, digest_of, issue_token
from galleries.models import Gallery
from tests.builders import jpeg, make_gallery, make_upload, uploaded
from tests.cast import bearer_api
from tests.uploads.test_sockets import bearer, to_all, to_gallery, work_once
from uploads import board, consumers, ledger, listing, progress
from uploads.consumers import GalleryConsumer, ProgressConsumer
from uploads.standing import Credential, Standing, galleries_of
from uploads.states import State

pytestmark = pytest.mark.django_db(transaction=True)
in_thread = database_sync_to_async
SOON_S = 20.0


@pytest.fixture
async def own_board():
    """Runs no job of its own: the test says when."""
    found = board.board()
    found.open_threads()
    yield found
    found.close_threads()
    board.BOARDS.clear()


class Ears:
    """Hears what it is told; `totals` by gallery."""

    def __init__(self) -> None:
        self.standing = Standing(Credential(), uuid.uuid4(), None)
        self.totals = {}

    def tell(self, gallery_id, totals) -> None:
        self.totals[gallery_id] = totals


async def consumer_of(user, gallery) -> GalleryConsumer:
    """As if it had been opened; `closed` are the messages it was closed with."""
    token = await in_thread(issue_token)(user)
    found = GalleryConsumer()
    found.closed = []
    found.scope = {
        "headers": [(b"authorization", f"Bearer {token}".encode())],
        "url_route": {"kwargs": {"gallery_id": gallery.pk}},
    }

    async def send(message) -> None:
        found.closed.append(message.get("code"))

    found.base_send = send
    found.actor, found.standing, found.grounds = await in_thread(found.identify)()
    assert found.standing.credential.token_digest == digest_of(token)
    return found


# --- the right to listen


async def test_who_could_not_be_asked_about_is_asked_about_again(own_board, gallery, owner, monkeypatch):
    consumer = await consumer_of(owner, gallery)
    own_board.listeners.add(consumer)
    await in_thread(ApiToken.objects.update)(revoked_at=timezone.now())

    with monkeypatch.context() as away:
        away.setattr(consumer, "identify", lambda: 1 / 0)
        await own_board.check_once()
    assert consumer in own_board.listeners
    await own_board.check_once()

    assert consumer not in own_board.listeners
    await consumer.closing
    assert consumer.closed == [consumers.CLOSE_SIGN_IN]


async def test_a_deleted_gallery_that_could_not_be_read_is_read_again(own_board, gallery, owner, monkeypatch):
    consumer = await consumer_of(owner, gallery)
    own_board.listeners.add(consumer)
    await in_thread(Gallery.objects.update)(deleted_at=timezone.now())

    with monkeypatch.context() as away:
        away.setattr(consumers, "get_gallery", lambda *_: 1 / 0)
        await own_board.check_once()
    await own_board.check_once()

    assert consumer not in own_board.listeners
    await consumer.closing
    assert consumer.closed == [consumers.CLOSE_NOT_FOUND]


async def test_one_that_cannot_be_asked_about_leaves_the_others_their_turn(
    own_board, gallery, owner, monkeypatch
):
    both = [await consumer_of(owner, gallery) for _ in range(2)]
    own_board.listeners.update(both)
    await in_thread(ApiToken.objects.update)(revoked_at=timezone.now())
    first, second = list(own_board.listeners)
    monkeypatch.setattr(first, "identify", lambda: 1 / 0)

    await own_board.check_once()

    assert own_board.listeners == {first}
    await second.closing


async def test_a_message_after_the_end_is_passed_over(own_board, gallery, owner):
    consumer = await consumer_of(owner, gallery)
    for _ in range(3):
        await consumer.receive(text_data=None, bytes_data=b"x")

    assert consumer.closed == [consumers.CLOSE_BAD_MESSAGE]


async def test_what_is_said_to_a_socket_too_many_is_passed_over(gallery, owner, monkeypatch):
    monkeypatch.setattr(consumers, "MAX_SOCKETS_OF_ONE", 0)
    async with to_gallery(gallery, await in_thread(bearer)(owner)) as socket:
        await socket.say({"type": "progress", "uploads": [[str(uuid.uuid4()), 1, 0]]})
        await socket.say_bytes(b"x")
        assert await socket.closing_code() == consumers.CLOSE_TOO_MANY
        await socket.communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.communicator.wait(timeout=SOON_S)
        assert socket.communicator.output_queue.empty()
        socket.is_open = False


async def test_a_socket_closes_whole_while_redis_is_away(own_board, gallery, owner, monkeypatch):
    """The channel layer says so at the first group that is left."""

    class Away:
        async def group_discard(self, *_) -> None:
            raise ConnectionError("away")

    monkeypatch.setattr(board.announce, "get_channel_layer", Away)
    consumer = await consumer_of(owner, gallery)
    own_board.listeners.add(consumer)
    own_board.followers = {uuid.uuid4(): {consumer} for _ in range(2)}
    own_board.ear.joined = {ledger.group_of(each) for each in own_board.followers}

    await own_board.leave(consumer)

    assert (own_board.followers, own_board.listeners, own_board.ear.joined) == ({}, set(), set())


# --- reports


async def test_no_more_is_kept_of_a_gallery_than_it_may_have_files(own_board, monkeypatch):
    monkeypatch.setattr(board, "MAX_REMEMBERED", 5)
    gallery_id, known = uuid.uuid4(), (uuid.uuid4(), "user:1")
    own_board.followers[gallery_id] = {Ears()}
    own_board.report(gallery_id, {known: 1})
    own_board.report(gallery_id, {(uuid.uuid4(), "user:1"): 1 for _ in range(9)})
    own_board.report(gallery_id, {known: 7})

    assert len(own_board.said[gallery_id]) == 5
    assert own_board.said[gallery_id][known] == 7


async def test_a_gallery_is_told_of_four_times_a_second_however_often_it_is_reported(
    own_board, gallery, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(board, "monotonic", lambda: now[0])
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=1_000)
    ears = Ears()
    own_board.followers = {gallery.pk: {ears}}
    heard = []
    for stored in range(1, 101):  # each hundredth of a second
        now[0] = 100 + stored / 100
        own_board.report(gallery.pk, {(upload.pk, upload.actor): stored})
        await own_board.speak_once()
        heard.append(ears.totals[gallery.pk].bytes)

    assert len(set(heard)) == 4
    assert heard[-1] >= 75


async def test_a_gallery_that_cannot_be_reported_takes_no_other_along(own_board, owner, monkeypatch):
    good, bad = [await in_thread(make_gallery)(owner) for _ in range(2)]
    uploads = [await in_thread(make_upload)(each, State.SIGNED, size=100) for each in (good, bad)]
    ears = Ears()
    own_board.followers = {good.pk: {ears}, bad.pk: {ears}}
    taken_after = own_board.totals_after

    def fails_with_bad(reports):
        if bad.pk in {each.gallery_id for each in reports}:
            raise ValueError("too many SQL variables")
        return taken_after(reports)

    monkeypatch.setattr(own_board, "totals_after", fails_with_bad)
    for upload in uploads:
        own_board.report(upload.gallery_id, {(upload.pk, upload.actor): 30})
    await own_board.speak_once()

    assert ears.totals[good.pk].bytes == 30
    assert own_board.said == {bad.pk: {(uploads[1].pk, uploads[1].actor): 30}}


def test_any_number_of_uploads_is_read(gallery):
    row = make_upload(gallery, State.SIGNED, size=100)
    asked = [*(uuid.uuid4() for _ in range(250_001)), row.pk]

    assert [each.pk for each in progress.rows_of_uploads(gallery.pk, asked)] == [row.pk]


# --- all of one's galleries


async def never(*_: object) -> None:
    await asyncio.Event().wait()


async def test_nobody_waits_for_the_lists_of_others(gallery, owner, stranger, monkeypatch):
    """A person's lists take as long as they like: events of others and the asking for rights go on."""
    monkeypatch.setattr(board, "CHECKED_EVERY_S", 0.05)
    monkeypatch.setattr(board.Board, "look", never)
    is_listing, go_on = threading.Event(), threading.Event()
    list_of = listing.list_of

    async with to_all(await in_thread(bearer)(stranger)) as theirs:
        await theirs.hear("snapshot")

        def slow_list_of(user_id):
            is_listing.set()
            go_on.wait(5 * SOON_S)
            return list_of(user_id)

        monkeypatch.setattr(listing, "list_of", slow_list_of)
        async with to_gallery(gallery, await in_thread(bearer)(owner)) as mine:
            await mine.hear("snapshot")
            await in_thread(make_gallery)(stranger)
            await in_thread(board.announce.galleries_changed)(stranger.pk)
            assert await asyncio.to_thread(is_listing.wait, SOON_S)
            await in_thread(board.announce.photos_changed)(gallery.pk, version=2, photo_ids=[])
            assert (await mine.hear("photos"))["version"] == 2
            await in_thread(ApiToken.objects.filter(user=owner).update)(revoked_at=timezone.now())
            assert await mine.closing_code() == consumers.CLOSE_SIGN_IN
            mine.is_open = False
            assert not go_on.is_set()
            go_on.set()
        assert len((await theirs.hear("snapshot"))["galleries"]) == 1


async def test_a_list_is_made_once_for_all_sockets_of_a_person_and_once_a_moment(gallery, owner, monkeypatch):
    monkeypatch.setattr(board, "LISTED_EVERY_S", 3_600)
    made, list_of = [], listing.list_of
    headers = await in_thread(bearer)(owner)
    async with to_all(headers) as first, to_all(headers) as second, to_gallery(gallery, headers) as third:
        for socket in (first, second, third):
            await socket.hear("snapshot")
        monkeypatch.setattr(listing, "list_of", lambda user_id: made.append(user_id) or list_of(user_id))
        for version in range(2, 5):
            await in_thread(make_gallery)(owner)
            await in_thread(board.announce.galleries_changed)(owner.pk)
            await in_thread(board.announce.photos_changed)(gallery.pk, version=version, photo_ids=[])
            await third.hear("photos", lambda message, version=version: message["version"] == version)
        for socket in (first, second):
            assert len((await socket.hear("snapshot"))["galleries"]) >= 2

    assert made == [owner.pk]


def test_beyond_what_is_followed_the_newest_count(owner, monkeypatch):
    monkeypatch.setattr(listing, "MAX_GALLERIES_FOLLOWED", 2)
    monkeypatch.setattr("uploads.standing.MAX_GALLERIES_FOLLOWED", 2)
    first, second, third = [make_gallery(owner) for _ in range(3)]
    consumer = ProgressConsumer()
    consumer.speaker = SimpleNamespace()
    consumer.followed = {first.pk, second.pk}

    assert not consumer.is_following(galleries_of([owner.pk])[owner.pk])
    consumer.followed = {second.pk, third.pk}
    assert consumer.is_following(galleries_of([owner.pk])[owner.pk])
    assert listing.list_of(owner.pk).totals.keys() == consumer.followed


async def test_all_who_watch_are_told_how_many_photos_wait_to_be_published(owner):
    gallery = await in_thread(make_gallery)(owner, auto_publish=False)
    headers, api = await in_thread(bearer)(owner), await in_thread(bearer_api)(owner)
    async with to_gallery(gallery, headers) as page, to_all(headers) as card:
        for seed in (1, 2):
            await in_thread(uploaded)(gallery, jpeg(seed))
            await in_thread(work_once)()
        for socket in (page, card):
            await socket.hear("progress", lambda message: message["totals"]["staged"] == 2)
        order = {"idempotency_key": "one"}
        await in_thread(api.post)(f"/galleries/{gallery.pk}/publications", order)
        for socket in (page, card):
            await socket.hear("progress", lambda message: message["totals"]["staged"] == 0)

    assert (await in_thread(api.get)(f"/galleries/{gallery.pk}")).body["photo_count"] == 2


async def test_all_who_watch_are_told_how_many_photos_are_published_and_deleted(owner):
    gallery = await in_thread(make_gallery)(owner)
    headers, api = await in_thread(bearer)(owner), await in_thread(bearer_api)(owner)
    async with to_gallery(gallery, headers) as page, to_all(headers) as card:
        for seed in (1, 2):
            await in_thread(uploaded)(gallery, jpeg(seed))
            await in_thread(work_once)()
        for socket in (page, card):
            await socket.hear("progress", lambda message: message["totals"]["photo_count"] == 2)
        photos = (await in_thread(api.get)(f"/galleries/{gallery.pk}/photos")).body["photos"]
        await in_thread(api.post)("/photos/delete", {"ids": [photos[0]["id"]]})
        for socket in (page, card):
            heard = await socket.hear("progress", lambda message: message["totals"]["photo_count"] == 1)
            assert heard["totals"]["byte_count"] == photos[1]["size"]


# --- what was told while Redis was away


async def test_a_change_that_nobody_told_is_a_gap(gallery, owner, monkeypatch):
    monkeypatch.setattr(board, "CHECKED_EVERY_S", 0.05)
    async with to_gallery(gallery, await in_thread(bearer)(owner)) as socket:
        await socket.hear("snapshot")
        await in_thread(Gallery.objects.filter(pk=gallery.pk).update)(version=7)
        heard = await socket.hear("photos")

    assert (heard["previous"], heard["version"], heard["photos"]) == (7, 7, [])


@pytest.mark.parametrize("is_of_all", [False, True])
async def test_rows_that_nobody_told_of_count_in_the_totals(gallery, owner, monkeypatch, is_of_all):
    monkeypatch.setattr(board, "CHECKED_EVERY_S", 0.05)
    monkeypatch.setattr(GalleryConsumer, "see", lambda *_: None)
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)
    headers = await in_thread(bearer)(owner)
    api = await in_thread(bearer_api)(owner)
    async with to_gallery(gallery, headers) as sender, to_all(headers) as all_of_mine:
        await sender.say({"type": "progress", "uploads": [[str(upload.pk), 60, 0]]})
        socket = all_of_mine if is_of_all else sender
        await socket.hear("progress", lambda message: message["totals"]["bytes"] == 60)
        with monkeypatch.context() as away:
            away.setattr(ledger, "settle", lambda *_: 1 / 0)
            await in_thread(api.cancel)(str(upload.pk))
        heard = await socket.hear("progress", lambda message: message["totals"]["bytes"] == 0)

    assert heard["totals"]["files"] == {"cancelled": 1}


async def test_what_stands_still_is_said_again_to_a_redis_that_has_lost_it(
    gallery, owner, redis_server, monkeypatch
):
    monkeypatch.setattr(board, "LEDGER_WATCHED_EVERY_S", 0.05)
    upload = await in_thread(make_upload)(gallery, State.SIGNED, size=100)
    async with to_gallery(gallery, await in_thread(bearer)(owner)) as socket:
        await socket.say({"type": "progress", "uploads": [[str(upload.pk), 60, 0]]})
        await socket.hear("progress", lambda message: message["totals"]["bytes"] == 60)
        redis_server.forget_everything()
        await socket.hear("progress")
        told = await in_thread(progress.totals_of)([gallery.pk])

    assert told[gallery.pk].bytes == 60


async def test_redis_started_again_is_another_life(redis_server):
    lives = [ledger.life(), ledger.life()]
    redis_server.forget_everything()
    lives.append(ledger.life())
    redis_server.kill()
    redis_server.start_again()
    lives.append(ledger.life())

    assert lives[0] == lives[1]
    assert len(set(lives)) == 3
