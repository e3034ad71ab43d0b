"""A real browser, a real store and the site, and lines between them on which requests fail as in the world."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from dev.processes import free_port
from dev.services import site as site_service
from tests.browser.conftest import digests_of, write_large_photo, write_photos
from tests.fault_gate.faults import Answer, Break, Late, Lie, LoseAnswer, Rule, Silence
from tests.fault_gate.gate import Counts, FaultGate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.services.site import Site
    from dev.services.swift import SwiftServer

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.slow]

MIB = 1024 * 1024
PART_BYTES = 8 * MIB
# What a page and its console say when a request to the store fails; a store's refusals carry no CORS headers.
STORE_TROUBLE = r"ERR_|CORS|Failed to load|answer: 50[0-9] to PUT"


@pytest.fixture(scope="module")
def line(swift: SwiftServer) -> Iterator[FaultGate]:
    with FaultGate.start(swift.endpoint) as gate:
        yield gate


@pytest.fixture(scope="module")
def gated_site(
    swift: SwiftServer, line: FaultGate, site_line: FaultGate, site_port: int, short_folder: Path
) -> Iterator[Site]:
    """Browsers reach the site and the store through a gate each; the server asks the store itself."""
    bucket = swift.make_bucket(f"site-{uuid4().hex[:12]}")
    addresses = {"S3_PUBLIC_ENDPOINT_URL": line.url, "SITE_URL": site_line.url}
    site = site_service.start(
        short_folder / "site-gated", store={**swift.environment(bucket), **addresses}, port=site_port
    )
    yield replace(site, base_url=site_line.url)
    site.stop()


@pytest.fixture(scope="module")
def site_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def site_line(site_port: int) -> Iterator[FaultGate]:
    with FaultGate.start(f"http://127.0.0.1:{site_port}") as gate:
        yield gate


@pytest.fixture
def site(gated_site: Site) -> Site:
    return gated_site


@pytest.fixture
def gate(line: FaultGate) -> Iterator[FaultGate]:
    """To the store; without rules, with nothing counted."""
    line.heal()
    line.forget()
    yield line
    line.heal()


@pytest.fixture
def site_gate(site_line: FaultGate, gallery_page, page_watch) -> Iterator[FaultGate]:
    """To the site, once a gallery is open: what fails is of its uploads."""
    page_watch.expect(r"ERR_|Failed to load|answer: 50[0-9] to POST|WebSocket")
    yield site_line
    site_line.heal()


@pytest.fixture
def puts(page) -> list[str]:
    """What the page has asked to be sent. A browser repeats by itself what it loses on a connection used before."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    return sent


def sent_to(gate: FaultGate) -> Counts:
    return gate.counts.where(method="PUT", path="/originals/")


def is_all_there(gallery_page, files) -> bool:
    """Every file once, whole, and confirmed."""
    uploads = gallery_page.uploads()
    return (
        [upload["state"] for upload in uploads] == ["verified"] * len(files)
        and len(gallery_page.photos()) == len(files)
        and gallery_page.original_digests() == digests_of(files)
    )


def bytes_of(files) -> int:
    return sum(file.stat().st_size for file in files)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Six that go by one PUT, and one of two parts: eight requests."""
    return [*write_photos(tmp_path / "small", 6, width_px=900), large_photo(tmp_path)]


def large_photo(folder: Path) -> Path:
    return write_large_photo(folder / "large.png", width_px=1900)


REQUESTS = 8


def test_without_a_fault_each_byte_is_sent_once(gallery_page, gate, puts, files) -> None:
    gallery_page.choose(*files)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    assert sent_to(gate).received_bytes == bytes_of(files)
    assert len(puts) == sent_to(gate).requests == REQUESTS


def test_what_was_stored_and_denied_is_not_sent_again(gallery_page, gate, page_watch, puts, files) -> None:
    page_watch.expect(STORE_TROUBLE)
    gate.add(Rule(Lie(Answer(500)), method="PUT"))

    gallery_page.choose(*files)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    assert len(puts) == sent_to(gate).requests == REQUESTS
    assert sent_to(gate).received_bytes == bytes_of(files)


def test_what_was_stored_though_its_answer_was_lost_is_not_sent_again_by_us(
    gallery_page, gate, page_watch, puts, files
) -> None:
    """Chromium itself repeats what it loses on a connection used before: the store then has it, and answers 412
    without CORS headers, which a page can't tell from a dead network. Parts are stored a second time, alike.
    """
    page_watch.expect(STORE_TROUBLE)
    lost = gate.add(Rule(LoseAnswer(), method="PUT", calls={1}, counted_by="target"))

    gallery_page.choose(*files)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    assert len(puts) == sent_to(gate).where(rule=lost).requests == REQUESTS
    assert {call.store_status for call in sent_to(gate).where(rule=lost).calls} == {200}
    again = [call for call in sent_to(gate).calls if call.rule is None]
    assert {call.store_status for call in again if "partNumber" not in call.query} == {412}
    assert sent_to(gate).received_bytes <= bytes_of(files) * 2


def test_an_expired_url_is_signed_anew(gallery_page, gate, page_watch, puts, files) -> None:
    page_watch.expect(STORE_TROUBLE)
    expired = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    gate.add(Rule(Answer(403, expired), method="PUT", calls={1}, counted_by="target"))

    gallery_page.choose(*files)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    assert len(puts) == 2 * REQUESTS
    assert sent_to(gate).received_bytes == 2 * bytes_of(files)  # a refusal is heard when all has been sent


def test_a_busy_store_is_asked_again_later(gallery_page, gate, page_watch, puts, files) -> None:
    page_watch.expect(STORE_TROUBLE)
    slow_down = Answer(503, b"<Error><Code>SlowDown</Code></Error>", {"Retry-After": "1"})
    gate.add(Rule(slow_down, method="PUT", calls={1, 2}, counted_by="target"))

    gallery_page.choose(*files)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    assert sent_to(gate).received_bytes <= bytes_of(files) * 3


def test_a_line_cut_in_the_middle_of_a_part_costs_that_part_alone(
    gallery_page, gate, page_watch, tmp_path: Path
) -> None:
    page_watch.expect(STORE_TROUBLE)
    large = large_photo(tmp_path)
    cut = gate.add(Rule(Break("request", 4 * MIB), method="PUT", query="partNumber=1&", calls={1}))

    gallery_page.choose(large)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, [large])
    assert sent_to(gate).where(rule=cut).requests == 1
    assert sent_to(gate).where(query="partNumber=2&").requests == 1
    assert sent_to(gate).received_bytes <= large.stat().st_size + PART_BYTES


def test_a_request_of_which_nothing_is_heard_does_not_hold_the_others(
    gallery_page, gate, page_watch, files
) -> None:
    """All of it is out, and no answer comes until the connection is cut."""
    page_watch.expect(STORE_TROUBLE)
    silent = gate.add(Rule(Silence(), method="PUT", query="partNumber=1&", calls={1}))

    gallery_page.choose(*reversed(files))
    gallery_page.wait_for_tiles(len(files) - 1)
    gate.remove(silent)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    assert sent_to(gate).received_bytes <= bytes_of(files) + PART_BYTES


# The line to the site


@pytest.mark.parametrize(
    "fault",
    [LoseAnswer(), Lie(Answer(502)), Answer(503, headers={"Retry-After": "1"})],
    ids=["lost", "denied", "busy"],
)
def test_calls_that_fail_are_made_again_and_count_once(gallery_page, gate, site_gate, files, fault) -> None:
    """The first call of each kind, also where it was done: registering, signing, completing."""
    failed = site_gate.add(
        Rule(fault, method="POST", path="/uploads/(batch|sign|complete)$", calls={1}, counted_by="target")
    )

    gallery_page.choose(*files)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    ends = {call.path.rpartition("/")[2] for call in site_gate.counts.where(rule=failed).calls}
    assert ends == {"batch", "sign", "complete"}
    assert sent_to(gate).received_bytes == bytes_of(files)


def test_without_sockets_and_with_a_slow_site_everything_ends(gallery_page, gate, site_gate, files) -> None:
    """A proxy that knows no websockets, and answers that take their time."""
    site_gate.add(Rule(Answer(400), method="GET", path="^/ws/"))
    site_gate.add(Rule(Late(0.3), path="^/api/"))
    gallery_page.open()

    gallery_page.choose(*files)
    gallery_page.wait_for_end()

    assert is_all_there(gallery_page, files)
    assert sent_to(gate).received_bytes == bytes_of(files)
