"""Each fault, seen by a client with a bare socket and by a store that writes down what reached it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from tests.fault_gate.faults import (
    Answer,
    Break,
    Flip,
    Held,
    Late,
    Lie,
    LoseAnswer,
    Rule,
    Silence,
    Slow,
)
from tests.fault_gate.gate import FaultGate

BODY = bytes(range(256)) * 1000
KEPT = b"kept " * 50_000
# Longer than any answer takes on a busy machine, where a test expects none.
QUIET_S = 0.5


@dataclass
class Kept:
    """What reached the store: (method, path, Host, body). A body that broke off is as long as it came."""

    requests: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    has_broken_off: threading.Event = field(default_factory=threading.Event)


class Store(BaseHTTPRequestHandler):
    kept: ClassVar[Kept]
    protocol_version = "HTTP/1.1"

    def take(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = b""
        try:
            while len(body) < length and (more := self.rfile.read1(length - len(body))):
                body += more
        except ConnectionResetError:
            self.kept.has_broken_off.set()
        self.kept.requests.append((self.command, self.path, self.headers["Host"], body))
        self.close_connection = len(body) < length
        if self.close_connection:
            self.kept.has_broken_off.set()
            return
        self.send_response(200)
        self.send_header("ETag", '"abc"')
        self.tell_body()

    def tell_body(self) -> None:
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(b"5\r\nfirst\r\n6;why=not\r\nsecond\r\n0\r\nTrailer: 1\r\n\r\n")
            return
        body = KEPT if self.command in {"GET", "HEAD"} else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_OPTIONS = take  # noqa: N815

    def log_message(self, *_) -> None:
        pass


class Stores(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_) -> None:
        """Connections that are reset are what it is for."""


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def gate(kept) -> Iterator[FaultGate]:
    store = Stores(("127.0.0.1", 0), type("Keeping", (Store,), {"kept": kept}))
    thread = threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with FaultGate.start(f"http://127.0.0.1:{store.server_address[1]}") as gate:
        yield gate
    store.shutdown()
    thread.join()
    store.server_close()


@dataclass
class Client:
    """A bare socket, so that nothing repairs or hides what comes over it."""

    socket: socket.socket

    def send(self, method, path, body=b"", **headers) -> None:
        told = {"Host": "photos.example.com", "Content_Length": str(len(body)), **headers}
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in told.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Raises: ConnectionError, TimeoutError. A body that ends too soon is as long as it came."""
        head = self.until(b"\r\n\r\n")
        first, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = b""
        while len(body) < int(headers.get("content-length", 0)) and (more := self.socket.recv(65536)):
            body += more
        return int(first.split()[1]), headers, body

    def until(self, end: bytes) -> bytes:
        found = b""
        while not found.endswith(end):
            more = self.socket.recv(1)
            if not more:
                raise ConnectionAbortedError(found)
            found += more
        return found

    def is_quiet(self) -> bool:
        self.socket.settimeout(QUIET_S)
        try:
            return self.socket.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)


@pytest.fixture
def connect(gate):
    with contextlib.ExitStack() as opened:

        def make() -> Client:
            parts = urlsplit(gate.url)
            return Client(
                opened.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=10))
            )

        yield make


@pytest.fixture
def client(connect) -> Client:
    return connect()


def put(client, path="/photo", body=BODY):
    client.send("PUT", path, body)
    return client.answer()


# Nothing goes wrong


def test_without_rules_everything_passes_unchanged_the_host_too(gate, client, kept):
    status, headers, _ = put(client, "/photo?partNumber=1")

    assert (status, headers["etag"]) == (200, '"abc"')
    assert kept.requests == [("PUT", "/photo?partNumber=1", "photos.example.com", BODY)]


def test_a_connection_serves_many_requests(client, kept):
    answers = []
    for number in range(3):
        client.send("GET", f"/{number}")
        answers.append(client.answer())

    assert [(status, body) for status, _, body in answers] == [(200, KEPT)] * 3
    assert [path for _, path, _, _ in kept.requests] == ["/0", "/1", "/2"]


def test_head_has_no_body(client):
    client.send("HEAD", "/photo")
    client.send("PUT", "/photo", BODY)

    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert client.answer()[0] == 200


def test_chunks_pass_with_their_framing(gate, client):
    client.send("GET", "/chunked")

    assert client.until(b"Trailer: 1\r\n\r\n").endswith(
        b"5\r\nfirst\r\n6;why=not\r\nsecond\r\n0\r\nTrailer: 1\r\n\r\n"
    )
    assert gate.counts.sent_bytes == len(b"firstsecond")


def test_who_waits_to_be_asked_for_the_body_is_asked(client, kept):
    client.send("PUT", "/photo", Expect="100-continue", Content_Length=str(len(BODY)))

    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.socket.sendall(BODY)
    assert client.answer()[0] == 200
    assert kept.requests[0][3] == BODY


def test_requests_and_bytes_are_counted(gate, client):
    put(client, "/a", BODY)
    put(client, "/b", BODY[:10])
    client.send("GET", "/a")
    client.answer()

    counts = gate.wait_until(lambda counts: all(call.is_over for call in counts.calls))

    assert (counts.requests, counts.received_bytes, counts.sent_bytes) == (3, len(BODY) + 10, len(KEPT))
    assert counts.where(path="^/a$").requests == 2
    assert counts.where(method="PUT", path="b").received_bytes == 10
    assert [(call.status, call.store_status) for call in counts.calls] == [(200, 200)] * 3


# Each fault


def test_an_answer_of_the_gate_never_reaches_the_store(gate, client, kept):
    gate.add(Rule(Answer(503, b"<Error/>", {"Retry-After": "1"}), method="PUT"))

    status, headers, body = put(client)

    assert (status, headers["retry-after"], body) == (503, "1", b"<Error/>")
    assert "access-control-allow-origin" not in headers
    assert kept.requests == []
    assert gate.counts.received_bytes == len(BODY)


def test_an_answer_may_be_one_that_a_page_can_read(gate, client):
    gate.add(Rule(Answer(403, allowed_origin="*"), method="PUT"))

    assert put(client)[1]["access-control-allow-origin"] == "*"


def test_a_200_may_hold_an_error(gate, client):
    gate.add(Rule(Answer(200, b"<Error><Code>InternalError</Code></Error>"), method="POST"))

    client.send("POST", "/photo?uploadId=1")

    assert client.answer()[::2] == (200, b"<Error><Code>InternalError</Code></Error>")


def test_silence_takes_all_and_says_nothing(gate, client, kept):
    gate.add(Rule(Silence(), method="PUT"))

    client.send("PUT", "/photo", BODY)

    gate.wait_until(lambda counts: counts.received_bytes == len(BODY))
    assert client.is_quiet()
    assert kept.requests == []


def test_silence_ends_in_a_reset_when_its_rule_goes(gate, client):
    rule = gate.add(Rule(Silence(), method="PUT"))
    client.send("PUT", "/photo", BODY)
    gate.wait_until(lambda counts: counts.received_bytes == len(BODY))

    gate.remove(rule)

    with pytest.raises(ConnectionResetError):
        client.answer()


def test_what_is_held_goes_on_when_it_is_let_go(gate, client, kept):
    rule = gate.add(Rule(Held(), method="PUT"))
    client.send("PUT", "/photo", BODY)
    assert client.is_quiet()
    assert kept.requests == []

    gate.release(rule)

    assert client.answer()[0] == 200
    assert kept.requests[0][3] == BODY


def test_late_is_late(gate, client):
    gate.add(Rule(Late(0.3)))
    began_at = time.monotonic()

    status, _, _ = put(client)

    assert status == 200
    assert 0.3 <= time.monotonic() - began_at < 5


def test_a_lost_answer_has_been_done(gate, client, kept):
    gate.add(Rule(LoseAnswer(), method="PUT"))
    client.send("PUT", "/photo", BODY)

    with pytest.raises(ConnectionResetError):
        client.answer()

    assert kept.requests[0][3] == BODY
    [call] = gate.wait_until(lambda counts: counts.calls[0].is_over).calls
    assert (call.store_status, call.status) == (200, None)


def test_a_lie_has_been_done_too(gate, client, kept):
    gate.add(Rule(Lie(Answer(500)), method="PUT"))

    status, _, _ = put(client)

    assert status == 500
    assert kept.requests[0][3] == BODY
    assert [(call.store_status, call.status) for call in gate.counts.calls] == [(200, 500)]


@pytest.mark.parametrize("after_bytes", [0, 1, len(BODY) // 2, len(BODY) - 1])
def test_a_request_is_reset_at_any_byte(gate, client, kept, after_bytes):
    gate.add(Rule(Break("request", after_bytes), method="PUT"))

    with pytest.raises(OSError):  # noqa: PT011  sending or receiving, whichever comes first
        put(client)

    assert kept.has_broken_off.wait(10)
    reached = kept.requests[0][3]
    assert len(reached) <= after_bytes  # a reset may overtake what was sent before it
    assert BODY.startswith(reached)


def test_a_request_reset_after_its_last_byte_has_been_done(gate, client, kept):
    gate.add(Rule(Break("request", len(BODY)), method="PUT"))

    with pytest.raises(OSError):  # noqa: PT011
        put(client)

    assert gate.counts.calls[0].status is None
    assert gate.counts.received_bytes == len(BODY)


@pytest.mark.parametrize("after_bytes", [0, 1, len(KEPT) // 2, len(KEPT) - 1])
def test_an_answer_ends_after_any_byte(gate, client, after_bytes):
    gate.add(Rule(Break("answer", after_bytes, "end"), method="GET"))

    client.send("GET", "/photo")
    status, headers, body = client.answer()

    assert (status, headers["content-length"]) == (200, str(len(KEPT)))
    assert body == KEPT[:after_bytes]


def test_an_answer_is_reset_in_its_middle(gate, client):
    gate.add(Rule(Break("answer", 1000), method="GET"))
    client.send("GET", "/photo")

    with pytest.raises(ConnectionResetError):
        client.answer()


def test_an_answer_stalls_in_its_middle(gate, client):
    gate.add(Rule(Break("answer", 1000, "stall"), method="GET"))

    client.send("GET", "/photo")
    client.until(b"\r\n\r\n")

    assert len(client.socket.recv(1000, socket.MSG_WAITALL)) == 1000
    assert client.is_quiet()


def test_a_request_stalls_in_its_middle(gate, client, kept):
    gate.add(Rule(Break("request", 1000, "stall"), method="PUT"))

    client.send("PUT", "/photo", BODY[:2000])

    assert client.is_quiet()
    assert kept.requests == []


def test_one_bit_of_a_request_is_flipped(gate, client, kept):
    gate.add(Rule(Flip("request", 100_000), method="PUT"))

    status, _, _ = put(client)

    assert status == 200
    [(_, _, _, reached)] = kept.requests
    assert [at for at in range(len(BODY)) if reached[at] != BODY[at]] == [100_000]


def test_one_bit_of_an_answer_is_flipped(gate, client):
    gate.add(Rule(Flip("answer", 7), method="GET"))

    client.send("GET", "/photo")
    _, _, body = client.answer()

    assert (body[:7], body[7], body[8:]) == (KEPT[:7], KEPT[7] ^ 1, KEPT[8:])


@pytest.mark.parametrize(("way", "method"), [("request", "PUT"), ("answer", "GET")])
def test_a_slow_line_takes_its_time_and_loses_nothing(gate, client, kept, way, method):
    size = len(BODY if way == "request" else KEPT)
    gate.add(Rule(Slow(way, size * 4), method=method))
    began_at = time.monotonic()

    client.send(method, "/photo", BODY if way == "request" else b"")
    status, _, body = client.answer()

    assert 0.25 <= time.monotonic() - began_at < 5
    assert status == 200
    assert (kept.requests[0][3] == BODY) if way == "request" else (body == KEPT)


def test_after_an_upgrade_bytes_pass_both_ways():
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as other:

        def speak() -> bytes:
            line, _ = listener.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nwelcome")
                return line.recv(4096)

        heard = other.submit(speak)
        with (
            FaultGate.start(f"http://127.0.0.1:{listener.getsockname()[1]}") as gate,
            socket.create_connection(("127.0.0.1", urlsplit(gate.url).port), timeout=10) as line,
        ):
            client = Client(line)
            client.send("GET", "/ws/", Upgrade="websocket")
            client.until(b"welcome")
            line.sendall(b"hello")

            assert heard.result(timeout=10) == b"hello"


def test_a_store_that_is_not_there_is_a_reset():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        FaultGate.start(f"http://127.0.0.1:{port}") as gate,
        socket.create_connection(("127.0.0.1", urlsplit(gate.url).port), timeout=10) as line,
    ):
        client = Client(line)
        client.send("GET", "/")

        with pytest.raises(ConnectionResetError):
            client.answer()


# When a rule's turn comes


def statuses(client, *asked):
    found = []
    for method, path in asked:
        client.send(method, path)
        found.append(client.answer()[0])
    return found


def test_a_rule_is_for_the_requests_that_fit_and_no_others(gate, client):
    gate.add(Rule(Answer(503), method="PUT", path="^/photos/", query="partNumber=2$"))

    found = statuses(
        client,
        ("PUT", "/photos/a?partNumber=2"),
        ("POST", "/photos/a?partNumber=2"),
        ("PUT", "/others/photos/a?partNumber=2"),
        ("PUT", "/photos/a?partNumber=21"),
    )

    assert found == [503, 200, 200, 200]


def test_a_rule_is_for_the_calls_that_it_names(gate, client):
    rule = gate.add(Rule(Answer(503), calls={1, 3}))

    assert statuses(client, *[("PUT", f"/{number}") for number in range(4)]) == [503, 200, 503, 200]
    assert gate.counts.where(rule=rule).requests == 2


def test_calls_are_counted_for_each_file_and_each_part_where_a_rule_says_so(gate, client):
    gate.add(Rule(Answer(503), calls={1}, counted_by="target"))
    paths = ["/a?X=1", "/a?X=2", "/b", "/a?partNumber=1&X=3", "/a?partNumber=1&X=4", "/a?partNumber=2"]

    assert statuses(client, *[("PUT", path) for path in paths]) == [503, 200, 503, 503, 200, 503]


def test_of_two_rules_the_first_whose_turn_it_is_happens(gate, client):
    gate.add(Rule(Answer(503), calls={1}))
    gate.add(Rule(Answer(500), calls={1, 2}))

    assert statuses(client, *[("PUT", "/a")] * 3) == [503, 500, 200]


def test_rules_come_and_go_while_a_connection_lives(gate, client):
    assert put(client)[0] == 200
    rule = gate.add(Rule(Answer(503)))
    assert put(client)[0] == 503
    gate.remove(rule)
    assert put(client)[0] == 200
    gate.add(Rule(Answer(500)))
    gate.heal()
    assert put(client)[0] == 200
    gate.forget()
    assert gate.counts.requests == 0


def test_a_wait_for_what_does_not_happen_ends(gate):
    with pytest.raises(TimeoutError, match="the requests were"):
        gate.wait_until(lambda counts: counts.requests, within_s=0.05)


def test_many_clients_pass_at_once(gate, connect):
    gate.add(Rule(Late(0.3)))
    clients = [connect() for _ in range(20)]
    began_at = time.monotonic()

    for number, each in enumerate(clients):
        each.send("PUT", f"/{number}", BODY)
    found = [each.answer()[0] for each in clients]

    assert found == [200] * 20
    assert time.monotonic() - began_at < 20 * 0.3
