"""The whole product with its photos in Google Cloud Storage, by a client that speaks HTTP as a page does.

The store is the emulator with the front of dev/services/gcs_emulator.py: signatures, conditions and origins hold there
as documented. The emulator alone would take any URL, signed or not.
"""

import http.client
import json
import threading
import time
import zlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from dev.services.site import Site
from tests.builders import MIB, jpeg

pytestmark = [pytest.mark.services, pytest.mark.slow]
CHUNK_STEP = 256 * 1024


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Page:
    """Calls the API as a program, and the store as a page of the site: with its Origin and without a token."""

    site: Site
    token: str
    gallery: str = field(default="")

    def ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url if "://" in url else self.site.base_url + url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body, headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, body: object = None) -> dict:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        answer = self.ask(method, f"/api{path}", json.dumps(body).encode() if body else None, headers)
        assert answer.status < 300, (answer.status, answer.body)
        return json.loads(answer.body)

    def store(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        return self.ask(method, url, body, {**headers, "Origin": self.site.base_url})

    def chunk(self, transfer: dict, content: bytes, first: int, end: int) -> Answer:
        headers = {"Content-Range": f"bytes {first}-{end - 1}/{len(content)}"}
        return self.store("PUT", transfer["session_uri"], content[first:end], headers)

    def uploads(self) -> list[dict]:
        return self.api("GET", f"/galleries/{self.gallery}/uploads")["uploads"]

    def wait_for_photos(self, count: int) -> list[dict]:
        ends_at = time.monotonic() + 60
        while len(photos := self.api("GET", f"/galleries/{self.gallery}/photos")["photos"]) < count:
            assert time.monotonic() < ends_at, self.uploads()
            threading.Event().wait(0.1)
        return photos

    def original(self, photo: dict) -> bytes:
        sent_on = self.ask("GET", photo["original_url"], None, {"Authorization": f"Bearer {self.token}"})
        assert sent_on.status == 302
        return self.ask("GET", sent_on.headers["location"], None, {}).body


@pytest.fixture
def page(site_gcs) -> Page:
    page = Page(site_gcs, site_gcs.api_token())
    page.gallery = page.api("POST", "/galleries", {"title": "On Google's disks"})["id"]
    return page


def large_photo(size: int, seed: int) -> bytes:
    """A small picture with comments in front, as long as wanted."""
    picture, comments = jpeg(seed), b""
    while (left := size - len(picture) - len(comments)) >= 4:
        length = min(left - 2, 65_535)
        length -= 4 if 0 < left - 2 - length < 4 else 0
        comments += b"\xff\xfe" + length.to_bytes(2, "big") + bytes([seed]) * (length - 2)
    return picture[:2] + comments + picture[2:]


def declared(number: int, content: bytes) -> dict:
    return {
        "client_id": f"file-{number}",
        "name": f"IMG_{number}.JPG",
        "size": len(content),
        "type": "image/jpeg",
        "last_modified": 1_760_000_000_000,
        "crc32": f"{zlib.crc32(content):08x}",
    }


def test_photos_are_put_a_large_one_goes_on_where_it_stopped_and_all_are_published(page):
    contents = [
        large_photo(size, seed) for seed, size in enumerate([5_000, 8 * MIB - 1, 8 * MIB, 9 * MIB + 7], 1)
    ]
    rows = page.api(
        "POST",
        f"/galleries/{page.gallery}/uploads/batch",
        {"files": [declared(number, content) for number, content in enumerate(contents)]},
    )["uploads"]
    assert [row["transfer"]["lane"] for row in rows] == ["put", "put", "put", "resumable"]

    for row, content in zip(rows[:3], contents[:3], strict=True):
        request = row["transfer"]["request"]
        preflight = page.store("OPTIONS", request["url"], b"", {"Access-Control-Request-Method": "PUT"})
        assert preflight.headers["access-control-allow-origin"] == page.site.base_url
        allowed = {
            name.strip() for name in preflight.headers["access-control-allow-headers"].lower().split(",")
        }
        assert allowed >= request["headers"].keys()
        assert page.store("PUT", request["url"], content, request["headers"]).status == 200
    first = page.chunk(rows[3]["transfer"], contents[3], 0, 3 * CHUNK_STEP)
    assert (first.status, first.headers["range"]) == (308, f"bytes=0-{3 * CHUNK_STEP - 1}")

    [again] = page.api("POST", "/uploads/sign", {"uploads": [{"id": rows[3]["id"], "after_failure": True}]})[
        "uploads"
    ]
    transfer = again["transfer"]
    assert (transfer["session_uri"], transfer["offset"]) == (
        rows[3]["transfer"]["session_uri"],
        3 * CHUNK_STEP,
    )
    assert page.chunk(transfer, contents[3], transfer["offset"], len(contents[3])).status == 200
    page.api("POST", "/uploads/complete", {"uploads": [{"id": row["id"]} for row in rows]})
    photos = {photo["upload_id"]: photo for photo in page.wait_for_photos(4)}

    for row, content in zip(rows, contents, strict=True):
        assert page.original(photos[row["id"]]) == content
    assert {row["state"] for row in page.uploads()} == {"verified"}
    page.site.manage("verify_invariants", "--json")
    assert rows[3]["transfer"]["session_uri"].partition("upload_id=")[2] not in page.site.log()


def test_other_bytes_than_were_declared_are_found_by_the_worker_and_sent_again(page):
    """No CRC32 can be signed for Google: the store takes any bytes of the right length."""
    right, wrong = large_photo(5_000, 5), large_photo(5_000, 6)
    [row] = page.api("POST", f"/galleries/{page.gallery}/uploads/batch", {"files": [declared(1, right)]})[
        "uploads"
    ]
    request = row["transfer"]["request"]
    assert page.store("PUT", request["url"], wrong, request["headers"]).status == 200
    page.api("POST", "/uploads/complete", {"uploads": [{"id": row["id"]}]})
    ends_at = time.monotonic() + 60
    while (told := page.uploads()[0])["state"] != "failed":
        assert time.monotonic() < ends_at, told
        threading.Event().wait(0.1)

    [again] = page.api("POST", "/uploads/retry", {"ids": [row["id"]]})["uploads"]
    request = again["transfer"]["request"]
    assert page.store("PUT", request["url"], right, request["headers"]).status == 200
    page.api("POST", "/uploads/complete", {"uploads": [{"id": row["id"]}]})

    assert told["error"]["code"] == "checksum_mismatch"
    assert page.original(page.wait_for_photos(1)[0]) == right


def test_a_page_may_talk_to_the_store(page, gcs):
    answer = page.ask("GET", "/accounts/login/", None, {})

    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert gcs.endpoint in policy["connect-src"].split()
    assert gcs.endpoint in policy["img-src"].split()


def test_a_url_of_the_site_that_is_not_signed_opens_nothing(page):
    content = large_photo(5_000, 9)
    [row] = page.api("POST", f"/galleries/{page.gallery}/uploads/batch", {"files": [declared(1, content)]})[
        "uploads"
    ]
    request = row["transfer"]["request"]

    bare = page.store("PUT", request["url"].partition("?")[0], content, {"Content-Type": "image/jpeg"})

    assert bare.status == 403
