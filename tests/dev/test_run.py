"""`make run` as a person meets it: one sentence where it cannot start, all of it gone when it stops."""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.env import TRUE_WORDS
from dev import processes
from dev import product as product_module
from dev.places import ROOT
from dev.services import site as site_service
from tests.dev.test_setup import only_sentence_of
from tests.dev.test_supervisor import is_alive

PROGRAMS = ("redis", "web", "worker", "sweeper", "beat")


def product(module: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - of the port
def test_a_port_in_use_is_one_sentence_with_the_port_and_how_to_take_another(tmp_path, host) -> None:
    with socket.create_server((host, 0)) as other:
        port = other.getsockname()[1]

        ended = product("dev.run", PORT=str(port), DATA_DIR=str(tmp_path))

    sentence, _, other_port = only_sentence_of(ended).removesuffix(" make run").rpartition("=")
    assert sentence == f"safelight: port {port} is in use; choose another one: PORT"
    assert not processes.port_is_taken(int(other_port))


def test_the_port_that_is_suggested_is_not_in_use_either(tmp_path) -> None:
    first, second = two_neighbours()
    with first, second:
        ended = product("dev.run", PORT=str(first.getsockname()[1]), DATA_DIR=str(tmp_path))

        suggested = int(only_sentence_of(ended).removesuffix(" make run").rpartition("=")[2])
        assert suggested != second.getsockname()[1]
        assert not processes.port_is_taken(suggested)


def two_neighbours() -> tuple[socket.socket, socket.socket]:
    """Two ports in a row, both taken."""
    while True:
        first = socket.create_server(("127.0.0.1", 0))
        try:
            return first, socket.create_server(("127.0.0.1", first.getsockname()[1] + 1))
        except (OSError, OverflowError):
            first.close()


def web_command(tmp_path) -> tuple[str, ...]:
    programs = product_module._programs(product_module.Surroundings(8000, tmp_path, None))
    return next(tuple(program.command) for program in programs if program.name == "web")


@pytest.mark.parametrize(
    ("behind_proxy", "flag"),
    [
        (None, "--no-proxy-headers"),
        ("", "--no-proxy-headers"),
        ("false", "--no-proxy-headers"),
        *((word, "--proxy-headers") for word in (*sorted(TRUE_WORDS), " True ")),
    ],
)
def test_addresses_that_callers_claim_are_believed_behind_a_proxy_alone(
    monkeypatch, tmp_path, behind_proxy, flag
) -> None:
    monkeypatch.delenv("BEHIND_PROXY", raising=False)
    if behind_proxy is not None:
        monkeypatch.setenv("BEHIND_PROXY", behind_proxy)

    assert [word for word in web_command(tmp_path) if "proxy-headers" in word] == [flag]


@pytest.fixture
def slow_web(tmp_path):
    """The web server as the product starts it, but for the site behind: one answer that takes for ever."""
    (tmp_path / "slow.py").write_text(
        "import asyncio\n"
        "async def site(scope, receive, send):\n"
        "    if scope['type'] == 'http':\n"
        "        print('asked', flush=True)\n"
        "        await asyncio.sleep(1000)\n"
    )
    port = processes.free_port()
    exact = {"config.asgi:application": "slow:site", "8000": str(port), "4": "1"}
    command = [exact.get(word, word) for word in web_command(tmp_path)]
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    server = processes.Server(command, log=tmp_path / "web.log", env=env, cwd=ROOT)
    server.wait_until(lambda: processes.port_is_taken(port), within_s=20)
    yield server, port
    server.kill()


def test_a_request_that_is_cut_off_by_the_end_is_told_without_an_error(slow_web) -> None:
    server, port = slow_web
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.wait_until(lambda: "asked" in server.log.read_text(), within_s=20)

        server.stop()

    said = server.log.read_text()
    assert "INFO uvicorn.error open requests cut off: 1; their pages go on after the next start" in said
    assert "ERROR" not in said


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80a", "٨٠٨٠", "123456"])
def test_a_port_that_is_none_is_one_sentence(tmp_path, port) -> None:
    ended = product("dev.run", PORT=port, DATA_DIR=str(tmp_path))

    assert only_sentence_of(ended) == f"safelight: PORT must be a number from 1 to 65535, not {port!r}."


def test_a_data_dir_that_cannot_be_made_is_one_sentence(tmp_path) -> None:
    (tmp_path / "file").touch()
    data_dir = tmp_path / "file" / "data"

    ended = product("dev.run", PORT=str(processes.free_port()), DATA_DIR=str(data_dir))

    assert only_sentence_of(ended) == f"safelight: DATA_DIR {data_dir} cannot be made: Not a directory."


def test_a_second_run_on_the_same_data_is_one_sentence(tmp_path) -> None:
    with (tmp_path / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4321")
        lock.flush()

        ended = product("dev.product", PORT=str(processes.free_port()), DATA_DIR=str(tmp_path))

    assert (
        only_sentence_of(ended) == f"safelight: DATA_DIR {tmp_path} is in use by another run (process 4321)."
    )


@pytest.fixture
def site(short_folder, tmp_path):
    """A run of its own, for tests which end it."""
    site = site_service.start(short_folder / f"run-{tmp_path.name[-40:]}")
    yield site
    site.server.kill()


def pids_of(site) -> list[int]:
    """Everything that runs for this site, from the outermost process down."""
    return [site.server.pid, *processes.descendants_of(site.server.pid)]


def status_of(site, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.services
def test_a_run_is_ready_when_it_says_so_stops_whole_and_starts_again_with_its_data(site) -> None:
    assert status_of(site, "/healthz") == 200
    assert site.log().startswith(
        "Preparing the database …\nStarting web server, worker and sweeper …\n\nSafelight is ready: "
    )
    assert f"Sign in as demo with the password {site.password}\n" in site.log()
    before = pids_of(site)
    token = site.api_token()

    site.server.stop(with_signal=signal.SIGTERM, within_s=40)

    assert not any(map(is_alive, before))
    site.start_again()
    assert status_of(site, "/healthz") == 200
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", "/api/galleries", headers={"Authorization": f"Bearer {token}"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.slow
@pytest.mark.services
def test_every_program_that_is_killed_comes_back(site_local, eventually) -> None:
    site = site_local

    for name in PROGRAMS:
        site.kill(name)

    eventually(lambda: all(site.pid_of(name) for name in PROGRAMS))
    eventually(lambda: answers_200(site), within_s=60)


def answers_200(site) -> bool:
    try:
        return status_of(site, "/healthz") == 200
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.parametrize("which", ["outer", "inner"])
def test_nothing_outlives_a_run_that_is_killed_outright(site, eventually, which) -> None:
    everything = pids_of(site)
    victim = everything[0] if which == "outer" else everything[1]

    os.kill(victim, signal.SIGKILL)

    eventually(lambda: not any(is_alive(pid) for pid in everything if pid != site.server.pid), within_s=40)


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.parametrize("how", ["SIGTERM to make", "Ctrl-C in its terminal"])
def test_whoever_stops_make_stops_everything(short_folder, tmp_path, eventually, how) -> None:
    port = processes.free_port()
    log = tmp_path / "log"
    env = {**os.environ, "PORT": str(port), "DATA_DIR": str(short_folder / f"make-{len(how)}")}
    with log.open("wb") as output:
        make = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        eventually(lambda: "Safelight is ready" in log.read_text(), within_s=120)
        everything = processes.descendants_of(make.pid)

        if how == "SIGTERM to make":
            make.terminate()
        else:
            os.killpg(make.pid, signal.SIGINT)  # a terminal tells the whole foreground group

        eventually(lambda: not any(map(is_alive, everything)), within_s=40)
    finally:
        make.kill()
        make.wait()


@pytest.mark.slow
@pytest.mark.services
def test_what_is_kept_is_readable_by_its_owner_alone(site_local) -> None:
    site = site_local

    open_to_others = [
        file
        for file in site.data_dir.rglob("*")
        if file.is_file()
        and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
        and file.name != "site.log"  # the fixture's own
        and site.data_dir / "static" not in file.parents  # what everybody may see anyhow
    ]

    assert open_to_others == []


@pytest.mark.slow
@pytest.mark.services
def test_a_redis_that_was_given_is_used_and_none_is_started(short_folder, redis_server, tmp_path) -> None:
    site = site_service.start(short_folder / "given-redis", store={"REDIS_URL": redis_server.url})

    started = site.pid_of("redis")

    site.stop()
    assert started is None


def test_the_secret_key_is_made_once_and_kept_to_its_owner(tmp_path) -> None:
    from dev.product import _kept_secret

    first = _kept_secret(tmp_path / "secret_key")

    assert _kept_secret(tmp_path / "secret_key") == first
    assert len(first) >= 50
    assert Path(tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
