"""The door in processes of its own: several at once, and one that is killed."""

import os
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from uploads.lanes.base import Wanted
from uploads.lanes.local_sessions import SYNCED_EVERY_BYTES
from uploads.limits import MIB

CHUNK = 256 * 1024
ROOT = Path(__file__).parents[2]
PHOTO = bytes(range(256)) * 8192
TYPE = "image/jpeg"
SERVE = """
import socket, sys, uvicorn
from config.local_door import LocalDoor
config = uvicorn.Config(LocalDoor(None), lifespan="off", ws="none", log_level="warning")
listener = socket.socket(fileno=int(sys.argv[1]))
print("ready", flush=True)
uvicorn.Server(config).run([listener])
"""


@pytest.fixture
def processes(local_stage, settings) -> Iterator[list[tuple[subprocess.Popen, str]]]:
    """Two server processes on one store, with the address of each."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(local_stage.store.root.parent),
        "SECRET_KEY": settings.SECRET_KEY,
    }
    started = [start(environment) for _ in range(2)]
    yield started
    for process, _ in started:
        process.kill()
        process.wait()
        process.stdout.close()


def start(environment) -> tuple[subprocess.Popen, str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"ready\n"
        return process, f"http://127.0.0.1:{listener.getsockname()[1]}"


def sign(stage, content):
    return stage.lanes.sign_put(
        stage.key(), size_bytes=len(content), content_type=TYPE, crc32=f"{zlib.crc32(content):08x}"
    )


@pytest.mark.services
def test_of_two_processes_one_stores_the_file(local_stage, processes):
    contents = [bytes([number]) * 1_000_000 for number in range(6)]
    requests = [sign(local_stage, content) for content in contents]
    doors = [replace(local_stage, site=processes[number % 2][1]) for number in range(6)]

    with ThreadPoolExecutor(6) as senders:
        answers = list(senders.map(lambda door, *sent: door.send(*sent), doors, requests, contents))

    assert sorted(answer.status for answer in answers) == [200] + [412] * 5
    won = [content for answer, content in zip(answers, contents, strict=True) if answer.is_ok]
    assert b"".join(local_stage.store.read(local_stage.key())) == won[0]


@pytest.mark.services
def test_a_url_signed_in_one_process_is_good_in_another(local_stage, processes):
    _, site = processes[1]

    assert replace(local_stage, site=site).send(sign(local_stage, PHOTO), PHOTO).is_ok


@pytest.mark.services
def test_a_process_killed_half_way_through_a_body_leaves_no_object(local_stage, processes):
    (killed, site), (_, other_site) = processes
    host, port = site.removeprefix("http://").split(":")
    request = sign(local_stage, PHOTO)
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    head = f"PUT {request.url} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {len(PHOTO)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + PHOTO[:-1])
        local_stage.eventually(lambda: is_half_written(local_stage))
        killed.send_signal(signal.SIGKILL)
        killed.wait()

    found_after_the_kill = local_stage.store.find(local_stage.key())
    again = replace(local_stage, site=other_site).send(sign(local_stage, PHOTO), PHOTO)
    local_stage.lanes.drop_abandoned(older_than=timedelta(0))

    assert found_after_the_kill is None
    assert again.is_ok
    assert b"".join(local_stage.store.read(local_stage.key())) == PHOTO
    assert list(local_stage.store.incoming_folder.iterdir()) == []


def is_half_written(stage):
    return any(path.stat().st_size for path in stage.store.incoming_folder.glob("*"))


@pytest.mark.services
def test_two_processes_that_send_one_file_at_once_end_with_it_whole(local_stage, processes):
    content = os.urandom(2 * MIB)
    uri = begin(local_stage, content)
    doors = [replace(local_stage, site=processes[number % 2][1]) for number in range(6)]

    def send_all(door) -> list[int]:
        return [send_chunk(door, uri, content, first).status for first in range(0, len(content), CHUNK)]

    with ThreadPoolExecutor(6) as senders:
        statuses = {status for each in senders.map(send_all, doors) for status in each}
    offset = local_stage.lanes.probe_resumable(uri, size_bytes=len(content)).offset_bytes
    last = [send_chunk(doors[0], uri, content, first) for first in range(offset, len(content), CHUNK)]

    assert statuses <= {200, 308, 409}
    assert all(answer.status in {200, 308} for answer in last)
    assert b"".join(local_stage.store.read(local_stage.key())) == content


@pytest.mark.services
def test_a_session_goes_on_in_another_process_when_its_own_was_killed(local_stage, processes):
    """What was answered is kept, and of a long body what was synced as it came."""
    (killed, site), (_, other_site) = processes
    host, port = site.removeprefix("http://").split(":")
    content = os.urandom(SYNCED_EVERY_BYTES + 4 * MIB)
    uri = begin(local_stage, content)
    send_chunk(replace(local_stage, site=site), uri, content, 0)
    head = (
        f"PUT {uri} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content) - CHUNK}\r\n"
        f"Content-Range: bytes {CHUNK}-{len(content) - 1}/{len(content)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + content[CHUNK:-1])
        local_stage.eventually(lambda: how_far(local_stage, uri, content) > CHUNK)
        killed.send_signal(signal.SIGKILL)
        killed.wait()

    other = replace(local_stage, site=other_site)
    offset = how_far(other, uri, content)
    answers = [send_chunk(other, uri, content, first) for first in range(offset, len(content), CHUNK)]

    assert SYNCED_EVERY_BYTES <= offset < len(content)
    assert [answer.status for answer in answers] == [308] * (len(answers) - 1) + [200]
    assert b"".join(local_stage.store.read(local_stage.key())) == content


def begin(stage, content) -> str:
    return stage.lanes.begin_resumable(Wanted(stage.key(), len(content), TYPE, "http://localhost:8000"))


def send_chunk(stage, uri, content, first):
    chunk = content[first : first + CHUNK]
    content_range = f"bytes {first}-{first + len(chunk) - 1}/{len(content)}"
    return stage.ask("PUT", uri, chunk, {"content-range": content_range})


def how_far(stage, uri, content) -> int:
    return stage.lanes.probe_resumable(uri, size_bytes=len(content)).offset_bytes
