"""What the command is made of, each by itself."""

import argparse
import asyncio
import json

import httpx
import pytest

from client import cli
from client.choosing import Chosen
from client.display import Tally, summary
from client.gathering import Gathered
from client.journal import BusyError, Journal, held, write_whole
from client.outcome import Exit, Item, Report, Status
from client.road import Road, RoadClosedError
from client.site import Patience, Site, SiteError, UnreachableError
from client.stream import Retry, SentPart

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


# Words


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
