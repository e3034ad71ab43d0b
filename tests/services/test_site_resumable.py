"""The whole product on the local disk; its web process is killed while a file is sent: what was answered is kept."""

import hashlib
import http.client
import socket
import threading
import time

import pytest

from dev.services.site import Site
from tests.builders import MIB
from tests.services.test_site_on_gcs import Page, declared, large_photo

pytestmark = [pytest.mark.services, pytest.mark.slow]
CHUNK = 8 * MIB


@pytest.fixture
def page(site_local) -> Page:
    page = Page(site_local, site_local.api_token())
    page.gallery = page.api("POST", "/galleries", {"title": "Through three lives"})["id"]
    return page


def begin(page: Page, content: bytes) -> dict:
    file = {**declared(1, content), "lane": "resumable"}
    [upload] = page.api("POST", f"/galleries/{page.gallery}/uploads/batch", {"files": [file]})["uploads"]
    return upload


def sign(page: Page, upload: dict) -> dict:
    asked = {"uploads": [{"id": upload["id"], "after_failure": True}]}
    [signed] = page.api("POST", "/uploads/sign", asked)["uploads"]
    return signed


def kill_in_the_middle_of_a_chunk(site: Site, uri: str, content: bytes, first: int) -> None:
    chunk = content[first : first + CHUNK]
    head = (
        f"PUT {uri} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(chunk)}\r\n"
        f"Content-Range: bytes {first}-{first + len(chunk) - 1}/{len(content)}\r\n\r\n"
    )
    with socket.create_connection(("localhost", site.port)) as connection:
        connection.sendall(head.encode() + chunk[: len(chunk) // 2])
        site.kill("web")


def wait_for_web(page: Page) -> None:
    ends_at = time.monotonic() + 60
    while not answers(page):
        assert time.monotonic() < ends_at
        threading.Event().wait(0.1)


def answers(page: Page) -> bool:
    try:
        return page.ask("GET", "/livez", None, {}).status == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_file_goes_on_through_web_processes_that_are_killed(page, site_local):
    content = large_photo(20 * MIB, 3)
    upload = begin(page, content)
    transfer = upload["transfer"]
    uri, offsets = transfer["session_uri"], []

    for first in (0, CHUNK):
        assert page.chunk(transfer, content, first, first + CHUNK).status == 308
        kill_in_the_middle_of_a_chunk(site_local, uri, content, first + CHUNK)
        wait_for_web(page)
        transfer = sign(page, upload)["transfer"]
        offsets.append(transfer["offset"])
    last = page.chunk(transfer, content, transfer["offset"], len(content))
    signed = sign(page, upload)

    assert transfer["session_uri"] == uri
    assert offsets == [CHUNK, 2 * CHUNK]
    assert (last.status, "transfer" in signed) == (200, False)
    [photo] = page.wait_for_photos(1)
    assert photo["sha256"] == hashlib.sha256(content).hexdigest()
    assert uri.rpartition("/")[2] not in site_local.log()


def test_what_was_cancelled_half_sent_leaves_no_session_that_takes_bytes(page):
    content = large_photo(9 * MIB, 4)
    upload = begin(page, content)
    page.chunk(upload["transfer"], content, 0, CHUNK)

    gone = page.ask("DELETE", upload["transfer"]["session_uri"], None, {})
    [cancelled] = page.api("POST", "/uploads/cancel", {"ids": [upload["id"]]})["uploads"]
    late = page.chunk(upload["transfer"], content, CHUNK, len(content))

    assert (gone.status, cancelled["state"], late.status) == (499, "cancelled", 404)
