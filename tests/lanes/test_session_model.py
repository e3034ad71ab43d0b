"""A resumable session against a small model: whatever is sent, lost, killed or cancelled, they agree."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from galleries.objects.base import original_key
from galleries.objects.local import LocalStore
from uploads.errors import ChecksumConflict, RangeGap, SessionGone, SessionTaken
from uploads.lanes import local_sessions
from uploads.lanes.base import Wanted
from uploads.lanes.local_sessions import LocalSession, LocalSessions

if TYPE_CHECKING:
    from galleries.errors import GalleryError

CONTENT = bytes(number * 7 % 251 for number in range(1000))
SYNCED_EVERY_BYTES = 300
KEY = original_key(UUID(int=7), 1)

places = st.integers(0, len(CONTENT) - 1)
ranges = st.tuples(places, places).map(sorted)
# Most of what clients send begins where the session stands.
lengths = st.integers(1, 400)


class Session(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sl-session-"))
        self.patch = mock.patch.object(local_sessions, "SYNCED_EVERY_BYTES", SYNCED_EVERY_BYTES)
        self.patch.start()
        self.store = LocalStore("local", {"location": self.folder})
        self.uri = LocalSessions(self.store).begin(Wanted(KEY, len(CONTENT), "", ""), now_s=0)
        self.stored = b""
        self.is_gone = False

    def teardown(self) -> None:
        self.patch.stop()
        shutil.rmtree(self.folder)

    def session(self) -> LocalSession:
        """As any process finds it, with nothing remembered."""
        return LocalSessions(LocalStore("local", {"location": self.folder})).find(self.uri, now_s=0)

    @rule(span=ranges, wrong_at=st.none() | places, cut=st.integers(1, 500))
    def send(self, span: list[int], wrong_at: int | None, cut: int) -> None:
        self.deliver(span[0], sent(span[0], span[1] + 1, wrong_at), cut)

    @rule(length=lengths, cut=st.integers(1, 500))
    def send_on(self, length: int, cut: int) -> None:
        first = min(len(self.stored), len(CONTENT) - 1)
        self.deliver(first, CONTENT[first : first + length], cut)

    def deliver(self, first: int, content: bytes, cut: int) -> None:
        if refusal := self.refusal_of(first, content):
            with pytest.raises(refusal):
                self.push(first, content, cut)
            return
        stored_bytes = self.push(first, content, cut)
        self.stored += content[len(self.stored) - first :]
        assert stored_bytes == len(self.stored)

    def push(self, first: int, content: bytes, cut: int) -> int:
        with self.session().writer(first) as writer:
            for start in range(0, len(content), cut):
                writer.write([content[start : start + cut]])
            return writer.end().offset_bytes

    def refusal_of(self, first: int, content: bytes) -> type[GalleryError] | None:
        if self.is_gone:
            return SessionGone
        if first > len(self.stored):
            return RangeGap
        overlap = self.stored[first : first + len(content)]
        return None if content.startswith(overlap) else ChecksumConflict

    @precondition(lambda self: not self.is_gone)
    @rule(length=lengths, cut=st.integers(1, 500))
    def be_killed(self, length: int, cut: int) -> None:
        """What was synced on the way counts, what came after it does not."""
        first = len(self.stored)
        content = CONTENT[first : first + length]
        if not content:
            return
        writer = self.session().writer(first)
        for start in range(0, len(content), cut):
            writer.write([content[start : start + cut]])
            written = first + start + len(content[start : start + cut])
            if written - len(self.stored) >= SYNCED_EVERY_BYTES:
                self.stored = self.stored + CONTENT[len(self.stored) : written]
        writer.close()

    @precondition(lambda self: not self.is_gone)
    @rule(length=lengths)
    def hang_up(self, length: int) -> None:
        first = len(self.stored)
        if not (content := CONTENT[first : first + length]):
            return
        with self.session().writer(first) as writer:
            writer.write([content])
            writer.keep()
        self.stored += content

    @precondition(lambda self: len(self.stored) < len(CONTENT) and not self.is_gone)
    @rule(length=lengths)
    def be_overtaken(self, length: int) -> None:
        first = len(self.stored)
        content = CONTENT[first : first + length]
        with self.session().writer(first) as older, self.session().writer(first) as newer:
            newer.write([content])
            for refused in (lambda: older.write([b"x" * 9]), older.end):
                try:
                    refused()
                except SessionTaken:
                    continue
            newer.end()
        self.stored += content

    @rule()
    def cancel(self) -> None:
        try:
            self.session().cancel()
        except SessionGone:
            assert self.is_gone
        self.is_gone = True

    @invariant()
    def they_agree(self) -> None:
        is_whole = len(self.stored) == len(CONTENT)
        if self.is_gone:
            assert not (self.folder / ".resumable").exists() or not any(
                (self.folder / ".resumable").iterdir()
            )
            return
        standing = self.session().standing()
        assert (standing.offset_bytes, standing.is_whole) == (len(self.stored), is_whole)
        if is_whole:
            assert b"".join(self.store.read(KEY)) == self.stored
        else:
            assert self.store.find(KEY) is None


def sent(first: int, end: int, wrong_at: int | None) -> bytes:
    content = bytearray(CONTENT)
    if wrong_at is not None:
        content[wrong_at] ^= 0xFF
    return bytes(content[first:end])


TestSession = Session.TestCase
TestSession.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
