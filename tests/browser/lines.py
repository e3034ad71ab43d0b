"""The product behind fault gates: one on the way to the site, one on the way of the bytes of its photos."""

from __future__ import annotations

import math
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dev.processes import free_port
from dev.services import site as site_service
from tests.fault_gate.gate import Call, Counts, FaultGate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dev.services.site import Site

MIB = 1024 * 1024
# static/src/engine/slots.ts: what the engine keeps on its way to the page's own origin, and to another one.
OWN_ORIGIN_SLOTS, OTHER_ORIGIN_SLOTS = 4, 6
# Requests with the bytes of photos, and those of them with a part: what a rule or a count is about.
BODIES: Final[dict[str, Any]] = {"method": "PUT", "path": "/originals/"}
A_PART: Final = r"\bpart(Number)?="
# Servers that were killed are healed in seconds.
IMPATIENT = {"UPLOAD_LEASE_S": "5", "SWEEP_EVERY_S": "2"}


@dataclass(frozen=True)
class GatedSite:
    """`to_store` is the gate that bytes go through, `slots` of them at a time: on a local store the site's own."""

    name: str
    site: Site
    to_site: FaultGate
    to_store: FaultGate
    slots: int

    def heal(self) -> None:
        for gate in (self.to_site, self.to_store):
            gate.heal()
            gate.forget()

    def stored_keys(self, upload_ids: set[str]) -> list[str]:
        """Every object that the store has of these uploads."""
        listing = (
            "from galleries.objects.base import default_store; "
            "print(*[stored.key for stored in default_store().list('originals/')], sep='\\n')"
        )
        keys = self.site.manage("shell", "--verbosity", "0", "--command", listing).split()
        return [key for key in keys if key.split("/")[2] in upload_ids]


@contextmanager
def local_behind_gates(folder: Path) -> Iterator[GatedSite]:
    port = free_port()
    with (
        FaultGate.start(f"http://127.0.0.1:{port}") as gate,
        started(folder, {"SITE_URL": gate.url}, port) as site,
    ):
        yield GatedSite("local", replace(site, base_url=gate.url), gate, gate, OWN_ORIGIN_SLOTS)


@contextmanager
def swift_behind_gates(folder: Path, endpoint: str, store: Mapping[str, str]) -> Iterator[GatedSite]:
    """Browsers reach the site and the store through a gate each; the server asks the store itself."""
    port = free_port()
    with FaultGate.start(f"http://127.0.0.1:{port}") as to_site, FaultGate.start(endpoint) as to_store:
        addresses = {"SITE_URL": to_site.url, "S3_PUBLIC_ENDPOINT_URL": to_store.url}
        with started(folder, {**store, **addresses}, port) as site:
            seen = replace(site, base_url=to_site.url)
            yield GatedSite("swift", seen, to_site, to_store, OTHER_ORIGIN_SLOTS)


@contextmanager
def started(folder: Path, settings: Mapping[str, str], port: int) -> Iterator[Site]:
    """Stopped at the end, whatever the end is."""
    site = site_service.start(folder, store={**IMPATIENT, **settings}, port=port)
    try:
        yield site
    finally:
        site.stop()


@dataclass
class Stopwatch:
    since: float
    seconds: float = math.inf


class SentBytes:
    """The bodies that a gate has seen on their way, and which of them an interruption may have cost."""

    def __init__(self, gate: FaultGate) -> None:
        self.gate = gate
        self._lost: list[list[Call]] = []

    @property
    def counts(self) -> Counts:
        return self.gate.counts.where(**BODIES)

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """What is on its way while the body runs may have to be sent again: of that alone nothing may be heard."""
        over = {id(call) for call in self.counts.calls if call.is_over}
        yield
        self._lost.append(
            [call for call in self.counts.calls if id(call) not in over and not was_heard(call)]
        )

    @contextmanager
    def resumed(self, within_s: float = 30.0) -> Iterator[Stopwatch]:
        """Ends when another body has begun; says how long after its own beginning that was."""
        known, watch = self.counts.requests, Stopwatch(time.monotonic())
        yield watch
        self.gate.wait_until(lambda _: self.counts.requests > known, within_s)
        watch.seconds = time.monotonic() - watch.since

    def __str__(self) -> str:
        return (
            f"{self.again_bytes() / MIB:.1f} MiB sent again of at most {self.lost_bytes() / MIB:.1f} MiB "
            f"that were on their way ({self.most_lost_at_once()} files and parts at once)"
        )

    def most_lost_at_once(self) -> int:
        """Files and parts: while a server is away one of them may be tried more than once."""
        return max(len({target(call) for call in calls}) for calls in self._lost)

    def lost_bytes(self) -> int:
        """Of all that was on its way at the interruptions, whole files and parts."""
        sizes = self.sizes()
        return sum(sizes[target(call)] for calls in self._lost for call in calls)

    def sizes(self) -> dict[str, int]:
        """What each file or part is in bytes, once it was sent whole."""
        sizes: dict[str, int] = {}
        for call in self.counts.calls:
            sizes[target(call)] = max(sizes.get(target(call), 0), call.received_bytes)
        return sizes

    def again_bytes(self) -> int:
        return self.counts.received_bytes - sum(self.sizes().values())


def was_heard(call: Call) -> bool:
    return call.is_over and call.status is not None and call.status // 100 == 2


def target(call: Call) -> str:
    """A file, or one part of it: a signed URL is another one each time."""
    [part] = (re.findall(r"\bpart(?:Number)?=(\d+)", call.query) or [""])[:1]
    return f"{call.path}#{part}"
