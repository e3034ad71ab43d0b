"""A worker whose Redis is cut off between any two commands goes on, or ends; it never only sits there."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from config.celery import app
from dev.places import ROOT
from dev.processes import Server
from tests.faults.redis_gate import RedisGate
from tests.faults.toy_worker import PLAY, TOYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.services, pytest.mark.slow]
POOLS: Final = {"solo": ("--pool", "solo", "--concurrency", "1"), "prefork": ("--concurrency", "2")}
# A task, from the asking for it to the one after it, is some 13.
COMMANDS: Final = 16
# On a machine that does much else. Celery itself waits two seconds before it tries again.
PATIENCE_S: Final = 30.0
# As the sweeper rings for what waits.
GIVEN_AGAIN_AFTER_S: Final = 1.0


@dataclass
class Worker:
    """Celery with toys, and a gate between it and its Redis."""

    folder: Path
    gate: RedisGate
    options: Sequence[str]
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        words = ("-m", "celery", "--quiet", "--app", "tests.faults.toy_worker", "worker", "--queues", TOYS)
        environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "DATA_DIR": str(self.folder),
            "SECRET_KEY": "a key for sites that live as long as a test, and for nothing else",
            "REDIS_URL": self.gate.url,
        }
        self.server = Server(
            [sys.executable, *words, *self.options, "--without-gossip", "--without-mingle"],
            log=self.folder / "worker.log",
            env=environment,
            cwd=ROOT,
        )

    def give(self) -> int:
        """One more toy, past the gate."""
        number = next(self.numbers)
        app.send_task(PLAY, (number, str(self.folder)), queue=TOYS)
        return number

    def hold(self) -> int:
        """A toy that is played with until it is let go."""
        number = next(self.numbers)
        (self.folder / f"held-{number}").touch()
        app.send_task(PLAY, (number, str(self.folder)), queue=TOYS)
        self.wait_until(lambda: self.has("begun", number))
        return number

    def let_go(self, number: int) -> None:
        (self.folder / f"held-{number}").unlink()

    def has(self, what: str, number: int) -> bool:
        return (self.folder / f"{what}-{number}").exists()

    def plays(self) -> None:
        """With a toy given now, or again: Redis hands a message to whoever asked last, gone or not."""
        given = [self.give()]
        again_at = time.monotonic() + GIVEN_AGAIN_AFTER_S

        def has_played() -> bool:
            nonlocal again_at
            if time.monotonic() > again_at:
                given.append(self.give())
                again_at += GIVEN_AGAIN_AFTER_S
            return any(self.has("ended", number) for number in given)

        self.wait_until(has_played)

    def times_it_said(self, words: str) -> int:
        return self.server.log.read_text(errors="replace").count(words)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert self.server.is_running(), self.end_of_log()
            assert time.monotonic() < deadline, self.end_of_log()
            time.sleep(0.01)

    def end_of_log(self) -> str:
        return self.server.log.read_text(errors="replace")[-6_000:]


@pytest.fixture(scope="module", params=POOLS)
def worker(request, short_folder, redis_server) -> Iterator[Worker]:
    folder = short_folder / f"toys-{request.param}"
    folder.mkdir()
    gate = RedisGate(folder / "gate.sock", redis_server.socket_path)
    worker = Worker(folder, gate, POOLS[request.param])
    worker.plays()
    yield worker
    worker.server.kill()
    gate.stop()


def test_cut_off_at_any_command_it_takes_the_next_task(worker) -> None:
    for number in range(COMMANDS):
        worker.gate.fall_at(number, is_executed=number % 2 == 1)
        worker.give()
        worker.wait_until(worker.gate.has_fallen.is_set)

        worker.plays()


@pytest.mark.parametrize("listening_first", [True, False], ids=["listening first", "asking first"])
def test_cut_off_during_a_task_it_takes_the_next_one(worker, listening_first) -> None:
    refusals = worker.times_it_said("Cannot connect")
    held = worker.hold()

    worker.gate.shut(listening_first=listening_first)
    if "solo" not in worker.options:  # there nothing is noticed during a task
        worker.wait_until(lambda: worker.times_it_said("Cannot connect") > refusals)
    worker.let_go(held)
    worker.wait_until(lambda: worker.times_it_said("Cannot connect") > refusals)
    worker.gate.open()

    worker.plays()
    assert worker.has("ended", held)
