"""What the command is made of, each by itself."""

import argparse
import asyncio
import hashlib
import io
import json
import re

import httpx
import pytest
from rich.console import Console

from client import cli
from client.choosing import Chosen
from client.display import Bars, Tally, summary
from client.gathering import Gathered
from client.journal import BusyError, Journal, held, write_whole
from client.notes import text_in
from client.outcome import Exit, FileError, Item, Report, Status
from client.road import Road, RoadClosedError
from client.sending import Sender
from client.site import Patience, Site, SiteError, UnreachableError
from client.stream import Retry, SentPart
from client.wire import Trouble, Upload

# The journal


def test_a_journal_comes_back_as_it_was_written(tmp_path):
    journal = Journal(tmp_path / "deep" / "state.json")
    journal.note_gallery(key="a key")
    journal.note_part("file", SentPart(3, 10, "", "cbf43926"))
    journal.note_note("photo/notes.xmp", "digest")
    journal.write()

    again = Journal(journal.file)

    assert (again.gallery_key, again.gallery_id) == ("a key", "")
    assert (again.crcs_of("file"), again.crcs_of("other")) == ({3: "cbf43926"}, {})
    assert again.has_note("photo/notes.xmp", "digest")
    again.forget_parts("file")
    again.write()
    assert Journal(journal.file).crcs_of("file") == {}
    assert [each.name for each in journal.file.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 99, "gallery_id": "x"}', b"\xff"])
def test_a_journal_that_is_none_is_begun_anew(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)

    assert Journal(tmp_path / "state.json").gallery_id == ""


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "state.json"
    write_whole(file, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("no room")))

    with pytest.raises(OSError, match="no room"):
        write_whole(file, b"new")

    assert file.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


def test_two_runs_of_one_command_are_not_possible(tmp_path):
    with held(tmp_path / "state.json"), pytest.raises(BusyError), held(tmp_path / "state.json"):
        pass
    with held(tmp_path / "state.json"):
        pass


# Calls


async def test_asks_that_come_together_go_together():
    calls = []

    async def send(items):
        calls.append(len(items))
        await asyncio.sleep(0)
        return [item * 2 for item in items]

    gathered = Gathered(send)

    assert await asyncio.gather(*(gathered.ask(number) for number in range(250))) == [
        number * 2 for number in range(250)
    ]
    assert calls == [100, 100, 50]


async def test_a_call_that_fails_is_told_to_those_it_was_made_for():
    async def send(items):
        if 1 in items:
            raise ValueError(items)
        return items

    gathered = Gathered(send)

    with pytest.raises(ValueError, match="1"):
        await gathered.ask(1)
    assert await gathered.ask(2) == 2


def site(*answers: httpx.Response | Exception, for_s: float = 100.0) -> tuple[Site, list[float]]:
    waiting, slept = list(answers), []

    def answer(_request: httpx.Request) -> httpx.Response:
        given = waiting.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    client = httpx.AsyncClient(base_url="http://site", transport=httpx.MockTransport(answer))
    return Site(client, client, Patience(for_s, Retry(sleep=sleep, draw=lambda: 1.0))), slept


def refusal(status: int, code: str, *, is_retryable: bool, **more) -> httpx.Response:
    error = {"code": code, "message": code, "retryable": is_retryable}
    return httpx.Response(status, json={"error": error}, **more)


async def test_a_call_is_repeated_until_it_is_heard():
    reached, slept = site(
        httpx.ConnectError("refused"),
        httpx.Response(502, text="<html>"),
        refusal(503, "database_busy", is_retryable=True),
        refusal(429, "too_many_requests", is_retryable=True, headers={"retry-after": "7"}),
        httpx.Response(200, json={"a": 1}),
    )

    assert await reached.call("GET", "/x") == {"a": 1}
    assert slept == [0.5, 1.0, 2.0, 7.0]


@pytest.mark.parametrize("status", [401, 404, 409, 410, 422])
async def test_a_refusal_is_not_repeated(status):
    reached, slept = site(refusal(status, "no", is_retryable=False))

    with pytest.raises(SiteError) as refused:
        await reached.call("POST", "/x", {})

    assert (refused.value.status, refused.value.trouble.code, slept) == (status, "no", [])


async def test_patience_has_an_end():
    reached, _ = site(httpx.ConnectError("refused"), for_s=0.0)

    with pytest.raises(UnreachableError, match="refused"):
        await reached.call("GET", "/x")


async def test_a_closed_road_lets_arrive_what_is_on_its_way():
    road, may_arrive = Road(1), asyncio.Event()

    async def travel():
        async with road.place():
            await may_arrive.wait()

    first, second = asyncio.create_task(travel()), asyncio.create_task(travel())
    await asyncio.sleep(0)
    road.close()
    may_arrive.set()
    await road.empty()

    await first
    with pytest.raises(RoadClosedError):
        await second


# The lane of stores that take no parts

KIB = 1024
CHUNK = 256 * KIB


class Sessions:
    """A site and a store that speak Google's protocol: of each chunk the store keeps what `keeps` says next."""

    def __init__(self, size: int, keeps: list[int | str]) -> None:
        self.size, self.keeps, self.content, self.sessions = size, keeps, b"", 1
        self.sent_bytes = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/uploads/sign":
            return httpx.Response(200, json={"uploads": [self.row()]})
        if request.url.path != f"/session-{self.sessions}":
            return httpx.Response(404)
        first, last, total = map(int, re.findall(r"\d+", request.headers["content-range"]))
        body = request.content
        assert (first, last - first + 1, total) == (len(self.content), len(body), self.size)
        self.sent_bytes += len(body)
        kept = self.keeps.pop(0) if self.keeps else len(body)
        if kept == "gone":
            self.sessions, self.content = self.sessions + 1, b""
            return httpx.Response(404)
        self.content += body[: int(kept) if kept != "lost" else len(body)]
        if kept == "lost":
            raise httpx.ReadError("reset")
        if len(self.content) == self.size:
            return httpx.Response(200)
        told = {"range": f"bytes=0-{len(self.content) - 1}"} if self.content else {}
        return httpx.Response(308, headers=told)

    def row(self) -> dict:
        row = {"id": "1", "client_id": "c", "state": "signed", "error": None, "photo_id": None}
        if len(self.content) == self.size:
            return {**row, "state": "uploaded"}
        offset = len(self.content)
        transfer = {
            "lane": "resumable",
            "session_uri": f"/session-{self.sessions}",
            "chunk_size": CHUNK,
            "offset": offset,
        }
        return {**row, "transfer": transfer}


@pytest.mark.parametrize(
    ("keeps", "sent_again"),
    [
        ([], 0),
        ([CHUNK, 100], CHUNK - 100),
        ([0], CHUNK),
        (["lost"], 0),
        ([CHUNK, "gone"], 2 * CHUNK),
        ([1, "lost", 0, "gone"], None),
    ],
)
async def test_a_session_is_gone_on_with_where_it_is(tmp_path, keeps, sent_again):
    size = 3 * CHUNK + 5
    content = bytes(index % 251 for index in range(size))
    file = tmp_path / "a.jpg"
    file.write_bytes(content)
    store, moved = Sessions(size, keeps), []

    async def no_wait(_seconds: float) -> None: ...

    async with httpx.AsyncClient(base_url="http://site", transport=httpx.MockTransport(store.answer)) as http:
        reached = Site(http, http, Patience(100, Retry(sleep=no_wait)))
        sender = Sender(reached, Road(1), Journal(tmp_path / "s"), lambda _, count: moved.append(count))
        sent = Item(Chosen(file, "a.jpg", size, 0, "c"))
        await sender._send_by(await sender.signed({"id": "1"}, None), sent)

    assert store.content == content
    assert sent.sha256 == hashlib.sha256(content).hexdigest()
    assert sum(moved) == size
    if sent_again is not None:
        assert store.sent_bytes == size + sent_again


async def test_a_lane_of_a_newer_site_is_said_so(tmp_path):
    reached, _ = site()
    sender = Sender(reached, Road(1), Journal(tmp_path / "s"), lambda *_: None)

    with pytest.raises(FileError) as refused:
        await sender._send_by(
            Upload("1", "c", "signed", None, None, {"lane": "pigeon"}), item(Status.WAITING)
        )

    assert refused.value.trouble.code == "lane_unknown"


# Words


def test_bars_are_drawn_and_errors_stand_above_them():
    drawn = io.StringIO()
    bars = Bars(Console(file=drawn, force_terminal=True, width=100))
    large, bad = item(Status.WAITING, 40_000_000), item(Status.FAILED)
    bad.trouble = Trouble("damaged_photo", "The file is [damaged].", is_retryable=False)
    for each in (large, bad):
        bars.added(each)
        bars.began(each)
    bars.moved(large, 20_000_000)
    bars.settled(bad)
    bars.stored(large)
    large.status = Status.SENT
    bars.settled(large)
    bars.end(Report(items=[large, bad]))

    assert "a/b.jpg: The file is [damaged]." in drawn.getvalue()
    assert "2 of 2" in drawn.getvalue()
    assert "1 sent, 0 there already, 1 failed." in drawn.getvalue()


def test_notes_that_are_no_utf8_are_not_made_some():
    assert text_in("größer".encode()) == "größer"
    with pytest.raises(FileError):
        text_in("größer".encode("latin-1"))


def item(status: Status, size_bytes: int = 10) -> Item:
    return Item(Chosen(None, "a/b.jpg", size_bytes, 0, "id"), status=status)


@pytest.mark.parametrize(
    ("statuses", "is_paused", "how"),
    [
        ([], False, Exit.ALL_THERE),
        ([Status.SENT, Status.THERE, Status.DUPLICATE], False, Exit.ALL_THERE),
        ([Status.SENT, Status.FAILED], False, Exit.SOME_FAILED),
        ([Status.SENT, Status.WAITING], True, Exit.PAUSED),
        ([Status.SENT], True, Exit.ALL_THERE),
        ([Status.FAILED], True, Exit.SOME_FAILED),
    ],
)
def test_how_it_ends(statuses, is_paused, how):
    report = Report(items=[item(status) for status in statuses], is_paused=is_paused)

    assert report.exit == how
    assert summary(report)


def test_bytes_that_are_sent_twice_are_counted_once():
    tally, first = Tally(), item(Status.WAITING)
    tally.add(first)

    assert [tally.move(first, count) for count in (4, 4, 4)] == [4, 8, 10]
    tally.settle(first)
    assert (tally.done_bytes, tally.settled_files) == (10, 1)


@pytest.mark.parametrize(
    "words",
    [
        ["a"],
        ["a", "--to", "http://x"],
        ["a", "--to", "ftp://x", "--gallery", "g"],
        ["-", "--to", "http://x", "--gallery", "g"],
        ["-", "a", "--to", "http://x", "--gallery", "g", "--name", "n"],
        ["a", "--to", "http://x", "--gallery", "g", "--concurrency", "0"],
        ["a", "--to", "http://x", "--gallery", "g", "--token-file", "/nowhere"],
    ],
)
def test_words_that_make_no_sense_are_refused(words, monkeypatch, capsys):
    monkeypatch.setenv(cli.TOKEN_VARIABLE, "token")

    with pytest.raises(SystemExit) as ended:
        cli.main(words)

    assert ended.value.code == Exit.USAGE
    assert capsys.readouterr().err


def test_without_a_token_nothing_is_asked(monkeypatch, capsys):
    monkeypatch.delenv(cli.TOKEN_VARIABLE, raising=False)

    with pytest.raises(SystemExit):
        cli.main(["a", "--to", "http://x", "--gallery", "g"])

    assert cli.TOKEN_VARIABLE in capsys.readouterr().err


def test_words_become_options(tmp_path):
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    words = ["a", "b", "--gallery", "g", "--exclude", "*.png", "--exclude", "x", "--json", "--patience", "60"]

    options = cli.options_from(parser.parse_args(words), "http://x")

    assert (options.sources, options.filters.exclude, options.as_json) == (("a", "b"), ("*.png", "x"), True)
    assert (options.patience.for_s, options.patience.retry.tries) == (60.0, 10)


def test_a_receipt_is_json(tmp_path):
    from client.receipt import write_receipt

    sent = item(Status.SENT)
    sent.sha256 = sent.photo_sha256 = "ab"
    write_receipt(tmp_path / "receipt.json", "http://x", Report(items=[sent, item(Status.THERE)]))

    told = json.loads((tmp_path / "receipt.json").read_text())
    assert [(line["status"], line["is_compared"]) for line in told["files"]] == [
        ("sent", True),
        ("there", False),
    ]
