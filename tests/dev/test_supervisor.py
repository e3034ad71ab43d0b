"""The supervisor restarts what dies and leaves nothing behind, whatever ends it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dev import processes
from dev.console import Console
from dev.places import ROOT
from dev.refusal import run_or_refuse
from dev.supervisor import DEATHS_BEFORE_READY

SLEEPER = ("sleep", "1000")
DEAF = ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
# Its child leaves the session and the group, as a daemon does.
WITH_A_RUNAWAY = (
    "sh",
    "-c",
    "setsid sh -c \"echo runaway \\$\\$; trap '' TERM; while :; do sleep 0.05; done\" & wait",
)


class Toy:
    """A supervisor with toy programs, in a process of its own."""

    def __init__(self, folder: Path, *programs: tuple[str, tuple[str, ...], float], **env: str) -> None:
        self.folder = folder
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.dev.toy_product", str(folder), json.dumps(programs)],
                cwd=ROOT,
                env=os.environ | env,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def pid_of(self, name: str) -> int | None:
        file = self.folder / "pids" / name
        words = file.read_text().split() if file.exists() else []
        return int(words[0]) if words else None

    def said(self) -> str:
        return self.output.read_text()

    def is_up(self) -> bool:
        return "up\n" in self.said()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def toy(tmp_path):
    started: list[Toy] = []

    def start(*programs: tuple[str, tuple[str, ...], float], **env: str) -> Toy:
        started.append(Toy(tmp_path, *programs, **env))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def test_a_program_that_is_killed_is_started_again(toy, eventually) -> None:
    product = toy(("web", SLEEPER, 5))
    eventually(product.is_up)
    first = product.pid_of("web")

    os.kill(first, signal.SIGKILL)

    eventually(lambda: product.pid_of("web") not in {None, first})
    assert "web ended by SIGKILL; starting it again in 0.25 s\n" in product.said()


def test_a_program_that_keeps_dying_is_started_again_ever_later(toy, eventually) -> None:
    product = toy(("web", ("false",), 5))

    eventually(lambda: "starting it again in 1 s" in product.said())

    assert [line.rpartition(" in ")[2] for line in product.said().splitlines() if "again" in line][:3] == [
        "0.25 s",
        "0.5 s",
        "1 s",
    ]


def test_a_program_that_never_starts_ends_the_start(toy) -> None:
    product = toy(("web", ("sh", "-c", "echo no such module; exit 3"), 5), UNREADY="1")

    exit_code = product.process.wait(20)

    assert exit_code == 1
    assert product.said().count("web      | no such module\n") == DEATHS_BEFORE_READY
    assert product.said().endswith("safelight: web does not start; the reason is above.\n")


def test_a_full_disk_ends_nobody_and_what_dies_meanwhile_comes_back(toy, eventually, tmp_path) -> None:
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "web").symlink_to("/dev/full")
    product = toy(("web", SLEEPER, 5))
    eventually(product.is_up)
    (first,) = processes.descendants_of(product.process.pid)
    eventually(lambda: product.pid_of("web") == first)

    os.kill(first, signal.SIGKILL)

    eventually(lambda: product.pid_of("web") not in {None, first})
    noted = "web runs, but its process id could not be noted: No space left on device\n"
    assert product.said().count(noted) == 1


def test_a_program_that_cannot_be_started_is_tried_again_until_it_can(toy, eventually, tmp_path) -> None:
    server = tmp_path / "server"
    product = toy(("redis", SLEEPER, 5), ("web", (str(server),), 5))
    eventually(lambda: "web cannot be started" in product.said())

    unfinished = tmp_path / "unfinished"
    unfinished.write_text("#!/bin/sh\nexec sleep 1000\n")
    unfinished.chmod(0o755)
    unfinished.rename(server)

    eventually(lambda: product.pid_of("web") is not None)
    product.process.terminate()
    assert product.process.wait(20) == 0


def test_output_to_a_full_disk_goes_on_when_there_is_room() -> None:
    with Path("/dev/full").open("wb") as full, tempfile.TemporaryFile() as roomy:
        console = Console(full.fileno())
        console.say("web ended")
        os.dup2(roomy.fileno(), full.fileno())

        console.write_what_fits()

        roomy.seek(0)
        assert roomy.read() == b"web ended\n"


def test_a_command_that_meets_a_full_disk_says_so_in_one_sentence(capsys) -> None:
    def fill() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "var/run.lock")

    assert run_or_refuse(fill) == 1
    assert capsys.readouterr().err == "safelight: the disk is full: var/run.lock could not be written.\n"


CHATTY = ("sh", "-c", "echo a logo; while [ ! -e news ]; do sleep 0.02; done; echo the news; exec sleep 1000")


def test_what_programs_say_before_all_are_up_is_not_shown_and_what_comes_after_is(
    toy, eventually, tmp_path
) -> None:
    chatty = (*CHATTY[:2], CHATTY[2].replace("news ]", f"{tmp_path}/news ]"))
    product = toy(("web", chatty, 5), READY_AFTER="0.5")
    eventually(product.is_up)

    (tmp_path / "news").touch()

    eventually(lambda: "web      | the news\n" in product.said())
    assert "a logo" not in product.said()


def test_what_programs_said_is_shown_when_the_start_fails(toy, eventually) -> None:
    product = toy(("redis", CHATTY, 5), ("web", ("false",), 5), UNREADY="1")

    product.process.wait(20)

    assert product.said().count("redis    | a logo\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_everything(toy, eventually, number) -> None:
    product = toy(("redis", SLEEPER, 5), ("web", SLEEPER, 5))
    eventually(product.is_up)
    pids = [product.pid_of("redis"), product.pid_of("web")]

    product.process.send_signal(number)

    assert product.process.wait(20) == 0
    assert not any(map(is_alive, pids))


def test_programs_stop_in_order(toy, eventually) -> None:
    tells = "trap 'echo stopped; exit' TERM; while :; do sleep 0.02; done"
    product = toy(
        ("redis", ("sh", "-c", tells), 5), ("worker", ("sh", "-c", tells), 5), ("web", ("sh", "-c", tells), 5)
    )
    eventually(product.is_up)

    product.process.terminate()
    product.process.wait(20)

    assert [line.split()[0] for line in product.said().splitlines() if "stopped" in line] == [
        "web",
        "worker",
        "redis",
    ]


def test_a_program_that_is_deaf_is_killed_when_its_time_is_up(toy, eventually) -> None:
    product = toy(("web", DEAF, 0.5))
    eventually(product.is_up)
    deaf = product.pid_of("web")

    product.process.terminate()

    assert product.process.wait(20) == 0
    assert not is_alive(deaf)


def test_a_second_signal_hastens(toy, eventually) -> None:
    product = toy(("redis", SLEEPER, 5), ("web", DEAF, 1000))
    eventually(product.is_up)

    def impatient_person_got_there() -> bool:
        product.process.send_signal(signal.SIGINT)
        return product.process.poll() is not None

    eventually(impatient_person_got_there)

    assert product.process.returncode == 0


def test_the_same_wish_twice_at_once_hastens_nothing(toy, eventually) -> None:
    """A SIGTERM to a whole process group arrives so: once by itself, once by way of make."""
    finishes = "trap 'sleep 0.3; echo finished; exit' TERM; while :; do sleep 0.02; done"
    product = toy(("redis", SLEEPER, 5), ("worker", ("sh", "-c", finishes), 20))
    eventually(product.is_up)

    for _ in range(2):
        product.process.send_signal(signal.SIGTERM)
    product.process.wait(20)

    assert "worker   | finished\n" in product.said()


def test_what_a_program_started_ends_with_it(toy, eventually) -> None:
    product = toy(("web", WITH_A_RUNAWAY, 5))
    eventually(lambda: "runaway" in product.said())
    runaway = int(product.said().partition("runaway ")[2].split()[0])

    product.process.terminate()
    product.process.wait(20)

    assert not is_alive(runaway)


def test_programs_end_with_a_supervisor_that_is_killed(toy, eventually) -> None:
    product = toy(("redis", SLEEPER, 5), ("web", SLEEPER, 5))
    eventually(product.is_up)
    pids = [product.pid_of("redis"), product.pid_of("web")]

    product.process.kill()

    eventually(lambda: not any(map(is_alive, pids)))


def test_lines_are_relayed_whole_under_the_name_of_their_program(toy, eventually) -> None:
    product = toy(("web", ("sh", "-c", "printf 'a b'; sleep 0.1; printf 'c\\n\\nlast'; exec sleep 1000"), 5))

    eventually(lambda: "web      | a bc\n" in product.said())
    product.process.terminate()
    product.process.wait(20)

    assert "web      | last\n" in product.said()


def test_a_reader_who_does_not_read_stops_nobody(tmp_path, eventually) -> None:
    """More than a pipe and the supervisor's patience hold together; the program must get to its end."""
    line = "head -c 65536 /dev/zero | tr '\\0' x; echo"
    flood = f"i=0; while [ $i -lt 40 ]; do {line}; i=$((i+1)); done; touch {tmp_path}/wrote"
    programs = json.dumps([("web", ("sh", "-c", f"{flood}; exec sleep 1000"), 5)])
    unread = subprocess.Popen(
        [sys.executable, "-m", "tests.dev.toy_product", str(tmp_path), programs],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )

    eventually((tmp_path / "wrote").exists)

    unread.terminate()
    unread.communicate(timeout=20)
    assert unread.returncode == 0


def test_a_reader_who_leaves_stops_nobody(tmp_path, eventually) -> None:
    chatter = ("sh", "-c", f"while :; do echo again; echo x >> {tmp_path}/count; sleep 0.01; done")
    left = subprocess.Popen(
        [sys.executable, "-m", "tests.dev.toy_product", str(tmp_path), json.dumps([("web", chatter, 5)])],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    eventually((tmp_path / "count").exists)
    left.stdout.close()
    seen = (tmp_path / "count").stat().st_size

    eventually(lambda: (tmp_path / "count").stat().st_size > seen + 100)

    left.terminate()
    assert left.wait(20) == 0
