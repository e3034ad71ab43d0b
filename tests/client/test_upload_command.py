"""The command as people call it, against the running product: on the disk and on Swift, behind a gate that counts."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs
from uuid import uuid4

import boto3
import pytest

from client.outcome import Exit
from dev.places import ROOT
from dev.services import site as site_service
from dev.services.site import Site
from tests.builders import MIB, jpeg
from tests.fault_gate.faults import Held, Rule
from tests.fault_gate.gate import FaultGate

pytestmark = [pytest.mark.services, pytest.mark.slow]
AT_ONCE = 4
PART_BYTES = 8 * MIB
WITHIN_S = 240.0


@dataclass
class Place:
    """A site whose bodies go through the gate. `address` is where the command is sent to."""

    site: Site
    gate: FaultGate
    address: str
    open_sessions: object
    token: str = field(default="")

    def __post_init__(self) -> None:
        self.token = self.site.api_token()


@pytest.fixture(scope="module")
def on_swift(short_folder, swift):
    bucket = swift.make_bucket(f"client-{uuid4().hex[:12]}")
    with FaultGate.start(swift.endpoint) as gate:
        store = {**swift.environment(bucket), "S3_PUBLIC_ENDPOINT_URL": gate.url}
        site = site_service.start(short_folder / "site-client", store=store)
        client = boto3.client(
            "s3", endpoint_url=swift.endpoint, region_name=swift.region,
            aws_access_key_id=swift.access_key, aws_secret_access_key=swift.secret_key,
        )  # fmt: skip

        def open_sessions() -> list[str]:
            listed = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
            return [each["UploadId"] for each in listed]

        yield Place(site, gate, site.base_url, open_sessions)
        site.stop()


@pytest.fixture(scope="module")
def on_disk(site_local):
    sessions = site_local.data_dir / "objects" / ".multipart"
    with FaultGate.start(f"http://127.0.0.1:{site_local.port}") as gate:
        address = gate.url.replace("127.0.0.1", "localhost")
        yield Place(site_local, gate, address, lambda: [each.name for each in sessions.glob("*")])


@pytest.fixture(params=["on_disk", "on_swift"])
def place(request) -> Place:
    found = request.getfixturevalue(request.param)
    found.gate.heal()
    found.gate.forget()
    return found


@pytest.fixture
def disk(on_disk) -> Place:
    on_disk.gate.heal()
    on_disk.gate.forget()
    return on_disk


class Command:
    """The same words every time; `run` waits for the end, `start` does not."""

    def __init__(self, place: Place, folder: Path, *words: str) -> None:
        self.place, self.title = place, f"From a terminal {uuid4().hex[:8]}"
        self.words = [
            sys.executable, "-m", "client", str(folder), "--to", place.address, "--gallery", self.title,
            "--concurrency", str(AT_ONCE), "--json", *words,
        ]  # fmt: skip
        self.environment = {
            **os.environ,
            "GALLERY_UPLOAD_TOKEN": place.token,
            "XDG_STATE_HOME": str(folder.parent / f"state-{uuid4().hex[:8]}"),
        }

    def start(self, *words: str, **pipes) -> subprocess.Popen:
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
        return subprocess.Popen([*self.words, *words], cwd=ROOT, env=self.environment, text=True, **given)

    def run(self, *words: str, stdin: bytes | None = None) -> tuple[int, list[dict]]:
        ended = subprocess.run(
            [*self.words, *words], cwd=ROOT, env=self.environment, input=stdin, capture_output=True,
            timeout=WITHIN_S, check=False,
        )  # fmt: skip
        assert b"Traceback" not in ended.stderr, ended.stderr.decode()
        return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


def padded(file: Path, size_bytes: int, seed: int) -> Path:
    """A small picture, and nothing behind it: of a large file there are a few kB on the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as target:
        target.write(jpeg(seed) + seed.to_bytes(4, "big"))
        target.truncate(max(size_bytes, target.tell()))
    return file


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def statuses(lines: list[dict]) -> Counter[str]:
    return Counter(line["status"] for line in lines if line["event"] == "file")


def bodies(gate: FaultGate):
    return gate.counts.where(method="PUT", path="/originals/")


def target_of(call) -> tuple[str, str]:
    query = parse_qs(call.query)
    return call.path, (query.get("partNumber") or query.get("part") or [""])[0]


def resent(gate: FaultGate) -> int:
    """How many times something was stored that was stored already."""
    stored = Counter(target_of(call) for call in bodies(gate).calls if call.store_status == 200)
    return sum(count - 1 for count in stored.values())


# What people do


def test_a_folder_goes_up_and_the_same_command_sends_nothing(disk, tmp_path):
    folder = tmp_path / "shoot"
    files = [padded(folder / f"IMG_{number}.JPG", 3_000, number) for number in range(3)]
    files.append(padded(folder / "day 2" / "large.jpg", 20 * MIB, 77))
    (folder / "IMG_1.xmp").write_text('<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>')
    (folder / "notes.txt").write_text("no photo")
    command = Command(disk, folder, "--receipt", str(tmp_path / "receipt.json"))

    first, lines = command.run()
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    disk.gate.forget()
    second, again = command.run()

    assert (first, statuses(lines)) == (0, {"sent": 4})
    assert lines[-1]["notes"] == {"sent": 1, "failed": {}, "stray": []}
    assert lines[-1]["left_out"] == ["shoot/notes.txt"]
    assert all(line["is_compared"] for line in receipt["files"])
    assert {line["sha256"] for line in receipt["files"]} == {sha256_of(file) for file in files}
    assert (second, statuses(again), bodies(disk.gate).requests) == (0, {"there": 4}, 0)


def test_a_rehearsal_for_programs_is_an_object_a_line(disk, tmp_path):
    folder = tmp_path / "shoot"
    padded(folder / "a.jpg", 3_000, 1)
    for name in ("a.xmp", "lonely.xmp", "notes.txt"):
        (folder / name).write_text("notes")

    code, lines = Command(disk, folder, "--dry-run").run()

    assert (code, {line["event"] for line in lines}) == (0, {"plan"})
    assert [(line["action"], line["path"], line["code"]) for line in lines] == [
        ("send", "shoot/a.jpg", None),
        ("notes", "shoot/a.xmp", None),
        ("leave", "shoot/lonely.xmp", "no_photo"),
        ("leave", "shoot/notes.txt", None),
    ]


def test_a_rehearsal_changes_nothing(disk, tmp_path):
    padded(tmp_path / "shoot" / "a.jpg", 3_000, 1)
    command = Command(disk, tmp_path / "shoot")
    command.words.remove("--json")

    ended = subprocess.run(
        [*command.words, "--dry-run"], cwd=ROOT, env=command.environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip

    assert ended.stdout.split() == ["send", "3,000", "shoot/a.jpg"]
    assert {call.method for call in disk.gate.counts.calls} == {"GET"}


def test_ctrl_c_lets_arrive_what_is_on_its_way_and_the_same_command_goes_on(disk, tmp_path):
    file = padded(tmp_path / "shoot" / "large.jpg", 100 * MIB, 5)
    command = Command(disk, tmp_path / "shoot")
    held = disk.gate.add(Rule(Held(), method="PUT", query="part=", calls=set(range(3, 1000))))
    running = command.start()
    disk.gate.wait_until(lambda counts: counts.where(method="PUT").requests >= 2 + AT_ONCE, WITHIN_S)

    running.send_signal(signal.SIGINT)
    said = running.stdout.readline()
    while "Pausing" not in said:
        assert running.poll() is None, running.stderr.read()
        said = running.stdout.readline()
    disk.gate.remove(held)
    assert running.communicate(timeout=WITHIN_S)[1] == ""
    sent = bodies(disk.gate).requests
    [journal] = Path(command.environment["XDG_STATE_HOME"]).rglob("*.json")
    kept = json.loads(journal.read_text())["parts"]
    code, lines = command.run()

    assert running.returncode == Exit.PAUSED
    assert 2 + AT_ONCE <= sent < 13
    assert sum(len(parts) for parts in kept.values()) == sent
    assert (code, statuses(lines)) == (0, {"sent": 1})
    assert (bodies(disk.gate).requests, resent(disk.gate)) == (13, 0)
    assert lines[-2]["sha256"] == sha256_of(file)


def test_a_pipe_is_a_file(disk, tmp_path):
    content = jpeg(31) + bytes(9 * MIB)
    command = Command(disk, tmp_path / "shoot", "--name", "scan.jpg")
    command.words[command.words.index(str(tmp_path / "shoot"))] = "-"

    code, lines = command.run(stdin=content)
    again, there = command.run(stdin=content)
    empty, refused = command.run(stdin=b"")

    assert (code, lines[-2]["sha256"]) == (0, hashlib.sha256(content).hexdigest())
    assert (again, statuses(there)) == (0, {"there": 1})
    assert (empty, refused[0]["code"]) == (Exit.SOME_FAILED, "empty_file")


def test_what_a_camera_adds_is_sent_as_it_comes(disk, tmp_path):
    padded(tmp_path / "shoot" / "first.jpg", 3_000, 41)
    running = Command(disk, tmp_path / "shoot", "--watch").start()

    def until_sent(name: str) -> None:
        while line := json.loads(running.stdout.readline()):
            if line["event"] == "file":
                assert (line["path"], line["status"]) == (f"shoot/{name}", "sent")
                return

    until_sent("first.jpg")
    padded(tmp_path / "shoot" / "second.jpg", 3_000, 42)
    until_sent("second.jpg")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=WITHIN_S)

    assert (running.returncode, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["counts"]["sent"] == 2


def test_how_it_ends_where_it_can_not_begin(disk, tmp_path):
    folder = tmp_path / "shoot"
    padded(folder / "a.jpg", 3_000, 1)
    command, stranger, nowhere = (Command(disk, folder) for _ in range(3))
    stranger.environment["GALLERY_UPLOAD_TOKEN"] = "nobody's"
    nowhere.words[nowhere.words.index(disk.address)] = "http://127.0.0.1:9"
    missing = Command(disk, tmp_path / "missing")

    assert stranger.run()[0] == Exit.REFUSED
    assert nowhere.run("--patience", "0")[0] == Exit.UNREACHABLE
    assert missing.run()[0] == Exit.USAGE
    held = disk.gate.add(Rule(Held(), method="GET"))
    first = command.start()
    disk.gate.wait_until(lambda counts: counts.where(rule=held).requests, WITHIN_S)
    assert command.run()[0] == Exit.BUSY
    first.kill()
    first.communicate()
    disk.gate.remove(held)


def test_the_server_uploads_without_its_web_process_and_keeps_no_token(disk, tmp_path):
    folder = tmp_path / "shoot"
    padded(folder / "small.jpg", 3_000, 51)
    padded(folder / "large.jpg", 9 * MIB, 52)
    state = ("--state", str(tmp_path / "state.json"), "--json")
    count = "from accounts.models import ApiToken; print('tokens', ApiToken.objects.count())"
    before = disk.site.manage("shell", "-c", count).splitlines()[-1]

    told = disk.site.manage("upload", str(folder), "--gallery", "On the server", "--user", "demo", *state)

    assert statuses([json.loads(line) for line in told.splitlines() if line.startswith("{")]) == {"sent": 2}
    assert bodies(disk.gate).requests == 0
    assert disk.site.manage("shell", "-c", count).splitlines()[-1] == before


def test_a_store_that_takes_no_parts_takes_large_files_too(site_gcs, tmp_path):
    files = [padded(tmp_path / "shoot" / f"{size}.jpg", size, 61) for size in (3_000, 20 * MIB)]
    place = Place(site_gcs, None, site_gcs.base_url, None)

    code, lines = Command(place, tmp_path / "shoot").run()

    assert (code, statuses(lines)) == (0, {"sent": 2})
    assert {line["sha256"] for line in lines if line["event"] == "file"} == {
        sha256_of(file) for file in files
    }


# kill -9


def test_killed_again_and_again_it_finishes_and_sends_nothing_twice_but_what_was_on_its_way(place, tmp_path):
    draw = random.Random(7)
    folder = tmp_path / "shoot"
    sizes = [3_000] * 194 + [20 * MIB] * 4 + [101 * MIB, 102 * MIB]
    files = {
        f"shoot/IMG_{n:03}.jpg": padded(folder / f"IMG_{n:03}.jpg", size, n + 1)
        for n, size in enumerate(sizes)
    }
    command = Command(place, folder, "--receipt", str(tmp_path / "receipt.json"))
    kills, seen = 0, 0

    for _ in range(4):
        seen += draw.randrange(20, 60)
        running = command.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        place.gate.wait_until(
            lambda counts, seen=seen: len(counts.where(method="PUT").calls) >= seen, WITHIN_S
        )
        running.kill()
        assert running.wait() == -signal.SIGKILL
        kills += 1
    code, lines = command.run()

    on_their_way = kills * AT_ONCE
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    received = bodies(place.gate).received_bytes
    assert (code, statuses(lines)["failed"]) == (0, 0), lines[-1]
    assert received - sum(file.stat().st_size for file in files.values()) <= on_their_way * PART_BYTES
    assert resent(place.gate) <= on_their_way
    assert {line["path"]: line["sha256"] for line in receipt["files"]} == {
        path: sha256_of(file) for path, file in files.items()
    }
    eventually(lambda: place.open_sessions() == [])


def eventually(is_so, within_s: float = 60.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at
        threading.Event().wait(0.1)
