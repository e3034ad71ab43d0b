"""The whole way with every secret that is on it, at the running product; then each place it could have leaked to.

The site logs all it can (LOG_LEVEL=DEBUG), as somebody would have it who looks for a fault.
"""

from __future__ import annotations

import base64
import http.cookiejar
import json
import re
import sqlite3
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import pytest
import redis
from websockets.sync.client import connect

from dev.services import site as site_service
from tests.builders import MIB, crc_of, jpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from dev.services.site import Site

pytestmark = [pytest.mark.services, pytest.mark.slow]

METRICS_TOKEN = "metrics-token-nobody-can-guess"
WRONG_PASSWORD = "wrong-password-of-somebody"
WRONG_TOKEN = "wrong-token-of-somebody-0123456789"
SECRET_QUERY = {"signature", "x-amz-signature", "x-amz-security-token", "x-goog-signature", "upload_id"}
OPEN = {"signed", "uploaded", "verifying", "uploading", "registered"}


class Person:
    """Somebody with a browser's cookies and a program's token, who remembers every secret that passes."""

    def __init__(self, site: Site) -> None:
        self.site, self.token = site, site.api_token()
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.jar), NoRedirect(), urllib.request.HTTPErrorProcessor()
        )
        self.secrets = {
            self.token, site.password, WRONG_PASSWORD, WRONG_TOKEN, METRICS_TOKEN,
            *(site.environment[name] for name in ("SECRET_KEY", "S3_SECRET_ACCESS_KEY") if name in site.environment),
        }  # fmt: skip

    def ask(self, method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address = url if "://" in url else self.site.base_url + url
        request = urllib.request.Request(address, body, named, method=method)  # noqa: S310  our own site and stores
        try:
            with self.opener.open(request, timeout=30) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read(), answer.headers

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        _, answer, _ = self.ask(
            method, f"/api{path}", content,
            Authorization=f"Bearer {token or self.token}", Content_Type="application/json",
        )  # fmt: skip
        found = json.loads(answer) if answer else None
        self.remember(found)
        return found

    def remember(self, found: Any) -> None:
        """Whatever in an answer lets its holder write or read."""
        if isinstance(found, dict):
            for name, value in found.items():
                if name in {"url", "session_uri"} and isinstance(value, str):
                    self.remember_url(value)
                if name == "csrf_token":
                    self.secrets.add(value)
                self.remember(value)
        elif isinstance(found, list):
            for each in found:
                self.remember(each)

    def remember_url(self, url: str) -> None:
        parts = urlsplit(url)
        self.secrets |= {value for name, value in parse_qsl(parts.query) if name.lower() in SECRET_QUERY}
        if "/sessions/" in parts.path:
            self.secrets.add(parts.path.rpartition("/")[2])

    def remember_cookies(self) -> None:
        self.secrets |= {cookie.value for cookie in self.jar if cookie.value}

    def sign_in(self, password: str) -> None:
        _, page, _ = self.ask("GET", "/accounts/login/")
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1].decode()
        self.secrets.add(token)
        form = {"csrfmiddlewaretoken": token, "login": self.site.username, "password": password}
        self.ask("POST", "/accounts/login/", urlencode(form).encode(), Referer=self.site.base_url)
        self.remember_cookies()

    def send(self, request: dict[str, Any], body: bytes, **changed: str) -> int:
        status, _, _ = self.ask(request["method"], request["url"], body, **{**request["headers"], **changed})
        return status


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Listener(threading.Thread):
    """Everything a socket says, until it is closed."""

    def __init__(self, person: Person, gallery_id: str) -> None:
        super().__init__(daemon=True)
        self.address = f"{person.site.base_url.replace('http', 'ws', 1)}/ws/galleries/{gallery_id}/"
        self.headers = {"Authorization": f"Bearer {person.token}"}
        self.heard: list[str] = []
        self.is_open = threading.Event()
        self.has_heard = threading.Condition()
        self.start()
        assert self.is_open.wait(20)

    def run(self) -> None:
        with connect(self.address, additional_headers=self.headers) as self.socket:
            self.is_open.set()
            for message in self.socket:
                with self.has_heard:
                    self.heard.append(str(message))
                    self.has_heard.notify_all()

    def wait_for(self, words: str) -> None:
        with self.has_heard:
            assert self.has_heard.wait_for(lambda: any(words in message for message in self.heard), 20)

    def close(self) -> None:
        self.socket.close()
        self.join(20)


def declared(content: bytes, name: str, **more: Any) -> dict[str, Any]:
    return {
        "client_id": uuid4().hex,
        "name": name,
        "size": len(content),
        "type": "image/jpeg",
        "crc32": crc_of(content),
        **more,
    }


def go_the_whole_way(person: Person, gallery_id: str) -> None:
    photo, another = jpeg(1, width=640, height=480), jpeg(2)
    large = jpeg(3) + bytes(9 * MIB)
    files = [
        declared(photo, "a.jpg"),
        declared(another, "b.jpg"),
        declared(b"", "empty.jpg"),
        declared(b"no picture", "c.jpg"),
        declared(jpeg(4), "cancelled.jpg"),
        declared(large, "large.jpg"),
        declared(jpeg(5), "resumable.jpg", lane="resumable"),
    ]
    rows = person.call("POST", f"/galleries/{gallery_id}/uploads/batch", {"files": files})["uploads"]
    signed = {row["name"]: row for row in rows if row.get("transfer")}
    bodies = {"a.jpg": photo, "b.jpg": another, "c.jpg": b"no picture"}
    first = signed["a.jpg"]["transfer"]["request"]

    # Refusals at the store's door: other bytes, another signature, no address at all.
    person.send(first, photo[::-1])
    person.send({**first, "url": re.sub(r"(?i)(signature=)....", r"\1beef", first["url"])}, photo)
    person.ask("PUT", first["url"].partition("?")[0] + "?" + first["url"].partition("?")[2], b"")
    for name, content in bodies.items():
        person.send(signed[name]["transfer"]["request"], content)
    if "large.jpg" in signed:
        send_large(person, signed["large.jpg"], large)
    if "resumable.jpg" in signed:
        uri = signed["resumable.jpg"]["transfer"]["session_uri"]
        person.ask("PUT", uri, None, Content_Range=f"bytes */{len(jpeg(5))}", Content_Length="0")
        person.call("POST", "/uploads/sign", ask_of(signed["resumable.jpg"]["id"], after_failure=True))
        person.call("GET", f"/uploads/{signed['resumable.jpg']['id']}")
        person.ask("PUT", uri + "x", b"abc", Content_Range="bytes 0-2/3")

    # Again, asked of the store, cancelled, refused.
    person.call("POST", "/uploads/sign", ask_of(signed["b.jpg"]["id"], after_failure=True))
    person.call("POST", "/uploads/sign", ask_of(signed["cancelled.jpg"]["id"], crc32="00000000"))
    person.call("GET", f"/uploads/{signed['a.jpg']['id']}")
    person.call("POST", "/uploads/cancel", {"ids": [signed["cancelled.jpg"]["id"]]})
    person.call(
        "POST", "/uploads/cancel", {"ids": [signed[n]["id"] for n in ("resumable.jpg",) if n in signed]}
    )
    person.call("GET", "/galleries", token=WRONG_TOKEN)
    person.ask("POST", "/api/uploads/sign", b"{", Authorization=f"Bearer {person.token}")
    person.ask("GET", f"/no/such/page?signature={WRONG_TOKEN}&token={WRONG_TOKEN}")
    sent = [signed[name]["id"] for name in (*bodies, "large.jpg") if name in signed]
    complete(person, sent)
    look_at_photos(person, gallery_id)
    person.call("GET", "/session")


def ask_of(upload_id: str, **more: Any) -> dict[str, Any]:
    return {"uploads": [{"id": upload_id, **more}]}


def send_large(person: Person, row: dict[str, Any], large: bytes) -> None:
    if row["transfer"]["lane"] == "resumable":
        whole = f"bytes 0-{len(large) - 1}/{len(large)}"
        person.ask("PUT", row["transfer"]["session_uri"], large, Content_Range=whole)
        return
    part = row["transfer"]["parts"][0]
    slices = [
        (each, large[each["offset"] : each["offset"] + each["size"]]) for each in row["transfer"]["parts"]
    ]
    person.send(part["request"], slices[0][1])
    asks = [{"number": each["number"], "crc32": f"{zlib.crc32(body):08x}"} for each, body in slices]
    again = person.call("POST", "/uploads/sign", ask_of(row["id"], parts=asks, after_failure=True))
    for each in again["uploads"][0]["transfer"]["parts"]:
        person.send(each["request"], large[each["offset"] : each["offset"] + each["size"]])


def complete(person: Person, ids: list[str]) -> None:
    ends_at = time.monotonic() + 60
    asks = {"uploads": [{"id": each} for each in ids]}
    while any(row["state"] in OPEN for row in person.call("POST", "/uploads/complete", asks)["uploads"]):
        assert time.monotonic() < ends_at
        time.sleep(0.1)


def look_at_photos(person: Person, gallery_id: str) -> None:
    photos = person.call("GET", f"/galleries/{gallery_id}/photos")["photos"]
    assert len(photos) >= 2
    for photo in photos:
        for url in (photo["original_url"], *[each["url"] for each in photo["renditions"]]):
            _, _, headers = person.ask("GET", url, Authorization=f"Bearer {person.token}")
            person.remember_url(headers.get("Location") or "")


def rows_of(site: Site) -> Iterator[tuple[str, str]]:
    """Every value of every column, as text, with where it stands."""
    database = sqlite3.connect(f"file:{site.data_dir / 'db.sqlite3'}?mode=ro", uri=True)
    database.text_factory = lambda value: value.decode(errors="replace")
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        found = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608  its own name for it
        columns = [column[0] for column in found.description]
        for row in found:
            for column, value in zip(columns, row, strict=True):
                text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                yield f"{table}.{column}", text
    database.close()


def redis_of(site: Site) -> str:
    """What lies in it, whatever its kind. A dump would not do: Redis compresses what is long."""
    with redis.Redis.from_url(f"unix://{site.data_dir / 'redis' / 'redis.sock'}") as client:
        return "\n".join(f"{key} {redis_value(client, key)!r}" for key in client.scan_iter())


def redis_value(client: redis.Redis, key: bytes) -> Any:
    kind = client.type(key).decode()
    read = {
        "string": client.get,
        "list": lambda name: client.lrange(name, 0, -1),
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda name: client.zrange(name, 0, -1),
        "stream": client.xrange,
    }
    return "gone" if kind == "none" else read[kind](key)


def events_of(program: str, log: str) -> set[str]:
    """The names of events that a program told, in words or as JSON."""
    lines = re.findall(rf"^{program} +\| (.*)$", log, re.MULTILINE)
    told = [json.loads(line).get("event", "") for line in lines if line.startswith("{")]
    words = [re.search(r" (?:INFO|DEBUG) [\w.]+ ([a-z_]+\.[a-z_]+)(?: |$)", line) for line in lines]
    return {*told, *(found[1] for found in words if found)}


# How Django keeps sessions: the key of the row is the cookie. Whoever reads the database can sign in as anybody
# anyway who is signed in; what can be used by others than its owner is short of that.
KEPT_BY_DJANGO = {"django_session.session_key"}
# Shorter ones would be found by chance.
MIN_SECRET_CHARS = 8


def all_that_is_told(person: Person, gallery_id: str, act: Callable[[Listener], None]) -> dict[str, str]:
    """What the site says and keeps while that is done, by place; columns are places. The site is stopped then."""
    site, listener = person.site, Listener(person, gallery_id)
    act(listener)
    _, metrics, _ = person.ask("GET", "/metrics", Authorization=f"Bearer {METRICS_TOKEN}")
    in_redis = redis_of(site)
    listener.close()
    site.stop()
    columns: dict[str, list[str]] = defaultdict(list)
    for column, text in rows_of(site):
        if column not in KEPT_BY_DJANGO:
            columns[column].append(text)
    return {
        # What `make run` prints for the person at the terminal is meant for that person.
        "log": site.log().replace(f"with the password {site.password}", ""),
        "metrics": metrics.decode(),
        "sockets": "\n".join(listener.heard),
        "redis": in_redis,
        **{column: "\n".join(texts) for column, texts in columns.items()},
    }


def leaks_in(places: Mapping[str, str], secrets: Iterable[str]) -> set[tuple[str, str]]:
    return {
        (place, secret)
        for secret in secrets
        for form in forms_of(secret)
        for place, text in places.items()
        if form in text
    }


def forms_of(secret: str) -> set[str]:
    """As it is, and as addresses, JSON and the messages of Celery would write it."""
    return {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], *base64_forms(secret)}


def base64_forms(secret: str) -> Iterator[str]:
    """Its inner letters, wherever it stands among other bytes."""
    for before in range(3):
        written = base64.b64encode(bytes(before) + secret.encode()).decode()
        inner = written[(0, 2, 3)[before] :].rstrip("=")
        yield inner if (before + len(secret.encode())) % 3 == 0 else inner[:-1]


LOG_FORMATS = {"local": "words", "swift": "json", "gcs": "words"}


def start_loud_site(folder: Path, log_format: str, store: Mapping[str, str]) -> Site:
    more = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": log_format, "METRICS_TOKEN": METRICS_TOKEN}
    return site_service.start(folder, store={**store, **more})


@pytest.fixture(params=[*LOG_FORMATS])
def loud_site(request, short_folder) -> Iterator[Site]:
    store = {}
    if request.param != "local":
        server = request.getfixturevalue(request.param)
        store = server.environment(server.make_bucket(f"secrets-{uuid4().hex[:8]}"))
    site = start_loud_site(short_folder / f"secrets-{request.param}", LOG_FORMATS[request.param], store)
    yield site
    site.stop()


def test_no_secret_of_the_whole_way_is_logged_told_counted_or_kept(loud_site):
    person = Person(loud_site)
    person.sign_in(WRONG_PASSWORD)
    person.sign_in(loud_site.password)
    gallery_id = person.call("POST", "/galleries", {"title": "Secrets"})["id"]

    places = all_that_is_told(person, gallery_id, lambda _: go_the_whole_way(person, gallery_id))

    secrets = {secret for secret in person.secrets if len(secret) >= MIN_SECRET_CHARS}
    assert leaks_in(places, secrets) == set()
    # It was all there to be leaked, and all places were looked into.
    assert len(secrets) >= 15
    assert '"type": "uploads"' in places["sockets"]
    assert {"upload.registered", "upload.refused"} <= events_of("web", places["log"])
    assert {"upload.stopped", "verify.ended"} <= events_of("worker", places["log"])
    assert 'outcome="verified"' in places["metrics"]


# --- that a leak would be found


def planted(place: str) -> str:
    return f"planted/in+{place}=0123456789"


def plant_everywhere(person: Person, gallery_id: str, listener: Listener) -> None:
    """By the ways of the product where it has one for words of anybody's choice."""
    person.ask("GET", "/api/session", Host=f"{planted('log')}.example")
    name = f"{planted('name').replace('/', '-')}.jpg"
    person.call("POST", f"/galleries/{gallery_id}/uploads/batch", {"files": [declared(jpeg(1), name)]})
    listener.wait_for(planted("name").replace("/", "-"))
    person.site.manage(
        "shell",
        "-c",
        f"from uploads import counters; counters.add('planted', {{'word': {planted('metrics')!r}}})",
    )
    with redis.Redis.from_url(f"unix://{person.site.data_dir / 'redis' / 'redis.sock'}") as client:
        for kind, write in REDIS_KINDS.items():
            write(client, f"planted-{kind}", "long " * 1_000 + planted(kind))


REDIS_KINDS: dict[str, Callable[[redis.Redis, str, str], object]] = {
    "string": lambda client, key, text: client.set(key, text),
    "list": lambda client, key, text: client.rpush(key, text),
    "hash": lambda client, key, text: client.hset(key, "field", text),
    "set": lambda client, key, text: client.sadd(key, text),
    "zset": lambda client, key, text: client.zadd(key, {text: 1}),
    "stream": lambda client, key, text: client.xadd(key, {"field": text}),
    # As a bell lies in the queue.
    "base64": lambda client, key, text: client.rpush(key, base64.b64encode(text.encode())),
}


@pytest.fixture(scope="module")
def told_with_plants(short_folder) -> Iterator[dict[str, str]]:
    site = start_loud_site(short_folder / "secrets-planted", "words", {})
    person = Person(site)
    gallery_id = person.call("POST", "/galleries", {"title": "Plants"})["id"]
    yield all_that_is_told(person, gallery_id, lambda heard: plant_everywhere(person, gallery_id, heard))
    site.stop()


@pytest.mark.parametrize(
    ("place", "secret"),
    [
        ("log", planted("log")),
        ("metrics", planted("metrics")),
        ("sockets", planted("name").replace("/", "-")),
        ("uploads_upload.name", planted("name").replace("/", "-")),
        *[("redis", planted(kind)) for kind in REDIS_KINDS],
    ],
)
def test_a_secret_that_is_planted_is_found_where_it_was_planted(told_with_plants, place, secret):
    assert (place, secret) in leaks_in(told_with_plants, [secret])


def test_what_was_not_planted_is_not_found(told_with_plants):
    assert leaks_in(told_with_plants, [planted("nowhere")]) == set()


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "z", "yz"])
def test_a_secret_is_found_however_it_is_written(before, after):
    secret = planted("text")
    whole = f"{before}{secret}{after}"
    written = {
        "plain": whole,
        "address": quote(whole),
        "query": quote(whole, safe=""),
        "json": json.dumps({"key": f'"{whole}"'}),
        "base64": base64.b64encode(whole.encode()).decode(),
    }

    assert leaks_in(written, [secret]) == {(place, secret) for place in written}
    assert leaks_in(written, [f"{secret}?"]) == set()
