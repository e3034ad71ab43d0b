"""What becomes of each file of an editor's notes, and who is told."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from client.choosing import Filters, choose
from client.display import JsonLines, Lines
from client.journal import Journal
from client.notes import MOST_BYTES, Notes
from client.outcome import Exit, Item, NoteStatus, Report, Status
from client.receipt import write_receipt
from client.site import SiteError
from client.wire import Trouble, Upload

NAMES = ("IMG_1.JPG", "IMG_1.CR3", "IMG_2.JPG")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


@dataclass
class FakeSite:
    """Keeps notes beside uploads, which are called as their photos; `refusals` are codes by upload."""

    refusals: dict[str, str] = field(default_factory=dict)
    kept: list[tuple[str, str]] = field(default_factory=list)
    calls: int = 0

    async def call(self, _method: str, path: str, body: dict) -> dict:
        upload_id = path.split("/")[2]
        self.calls += 1
        if code := self.refusals.get(upload_id):
            raise SiteError(Trouble(code, f"It is {code}.", is_retryable=False), 409)
        self.kept.append((upload_id, body["name"]))
        return {}


@dataclass
class Stage:
    """Photos and notes in a folder; each photo's end by its name."""

    folder: object
    site: FakeSite = field(default_factory=FakeSite)
    ends: dict[str, Status] = field(default_factory=dict)
    display: object = field(default_factory=Lines)

    def sent(self, **notes: bytes) -> Report:
        """Notes by their name, with __ for a dot."""
        for name, content in notes.items():
            (self.folder / name.replace("__", ".")).write_bytes(content)
        choice = choose([str(self.folder)], Filters())
        report = Report(items=[self._item(file) for file in choice.files])
        sending = Notes(self.site, report, Journal(self.folder.parent / "state.json"), self.display)
        sending.choice = choice
        asyncio.run(sending.send())
        sending.tell_strays()
        asyncio.run(sending.send())
        return report

    def _item(self, file) -> Item:
        upload = Upload(file.name, file.client_id, "verified", None, None, None)
        return Item(file, upload, self.ends.get(file.name, Status.SENT))


@pytest.fixture
def stage(tmp_path) -> Stage:
    folder = tmp_path / "shoot"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(name)
    return Stage(folder)


def told(report: Report) -> dict[str, tuple[str, str]]:
    return {path.partition("/")[2]: (str(note.status), note.code) for path, note in report.notes.items()}


def test_notes_go_to_raw_and_jpeg_of_their_shot_once(stage):
    report = stage.sent(IMG_1__xmp=XMP, IMG_1__CR3__xmp=XMP)

    assert sorted(stage.site.kept) == [
        ("IMG_1.CR3", "IMG_1.CR3.xmp"), ("IMG_1.CR3", "IMG_1.xmp"), ("IMG_1.JPG", "IMG_1.xmp"),
    ]  # fmt: skip
    assert told(report) == {"IMG_1.CR3.xmp": ("sent", ""), "IMG_1.xmp": ("sent", "")}
    assert report.exit == Exit.ALL_THERE


def test_beside_a_refused_raw_the_notes_go_with_the_jpeg(stage):
    stage.ends["IMG_1.CR3"] = Status.FAILED

    report = stage.sent(IMG_1__xmp=XMP)

    assert stage.site.kept == [("IMG_1.JPG", "IMG_1.xmp")]
    assert told(report) == {"IMG_1.xmp": ("sent", "")}


@pytest.mark.parametrize("code", ["wrong_state", "not_found"])
def test_a_photo_that_is_gone_does_not_speak_for_the_other(stage, code):
    stage.site.refusals["IMG_1.CR3"] = code

    assert told(stage.sent(IMG_1__xmp=XMP)) == {"IMG_1.xmp": ("sent", "")}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfe<\x00", "not_utf8"),
        (XMP.ljust(MOST_BYTES + 1), "sidecar_too_large"),
        (XMP.ljust(5 * MOST_BYTES), "sidecar_too_large"),
    ],
)
def test_what_the_site_would_not_take_is_not_sent_and_named(stage, capsys, content, code):
    report = stage.sent(IMG_2__xmp=content)

    assert stage.site.calls == 0
    assert told(report) == {"IMG_2.xmp": ("failed", code)}
    assert report.exit == Exit.SOME_FAILED
    assert capsys.readouterr().err.count("shoot/IMG_2.xmp: ") == 1


def test_of_the_largest_that_may_be_nothing_is_cut(stage):
    assert told(stage.sent(IMG_2__xmp=XMP.ljust(MOST_BYTES))) == {"IMG_2.xmp": ("sent", "")}


def test_a_refusal_is_named_and_not_asked_for_again(stage, capsys):
    stage.site.refusals["IMG_2.JPG"] = "wrong_state"

    report = stage.sent(IMG_2__xmp=XMP)

    assert told(report) == {"IMG_2.xmp": ("failed", "wrong_state")}
    assert stage.site.calls == 1
    assert "shoot/IMG_2.xmp: It is wrong_state." in capsys.readouterr().err


def test_notes_of_a_refused_photo_and_stray_ones_are_named(stage, capsys):
    stage.ends["IMG_2.JPG"] = Status.FAILED

    report = stage.sent(IMG_2__xmp=XMP, lonely__xmp=XMP)

    assert told(report) == {
        "IMG_2.xmp": ("failed", "photo_not_added"),
        "lonely.xmp": ("stray", "no_photo"),
    }
    assert capsys.readouterr().err.splitlines() == [
        "shoot/IMG_2.xmp: Its photo was not added.",
        "shoot/lonely.xmp: No photo of that name is here.",
    ]


def test_notes_wait_for_photos_that_wait(stage):
    stage.ends |= dict.fromkeys(NAMES, Status.WAITING)

    report = stage.sent(IMG_2__xmp=XMP)

    assert [note.status for note in report.notes.values()] == [NoteStatus.WAITING]


def test_programs_and_receipts_read_the_reasons(stage, capsys, tmp_path):
    stage.display = JsonLines()

    report = stage.sent(IMG_1__xmp=XMP, IMG_2__xmp=b"\xff", lonely__xmp=XMP)
    write_receipt(tmp_path / "receipt.json", "https://site", report)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert [(line.pop("event"), line["status"], line.get("code")) for line in lines] == [
        ("sidecar", "sent", None),
        ("sidecar", "failed", "not_utf8"),
        ("sidecar", "stray", "no_photo"),
    ]
    assert (receipt["notes"], receipt["notes_sent"]) == (lines, 1)
