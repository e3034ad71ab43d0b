"""The programs of the product, in the order in which they start and stop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from dev import processes, python_packages
from dev.console import Console
from dev.places import ROOT
from dev.refusal import Refusal, run_or_refuse
from dev.services import redis
from dev.supervisor import Program, StopRequested, Supervisor

DEFAULT_PORT: Final = 8000
LAST_PORT: Final = 65_535
MAX_PORTS_TRIED: Final = 100
# As config/env.py reads them, which needs Django; this must run without. Its refusal of other words stands.
TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})
WEB_LOG: Final = ROOT / "dev" / "web_log.json"
DEMO_USER: Final = "demo"
# Progress reports are the largest thing a socket takes: 100 rows of some 60 bytes, ten times over.
MAX_SOCKET_MESSAGE_BYTES: Final = 65_536
# Messages are a few hundred bytes: packing them costs more than sending them, and a window of memory a socket.
SOCKET_OPTIONS: Final = (
    *("--ws-max-size", str(MAX_SOCKET_MESSAGE_BYTES)),
    *("--ws-per-message-deflate", "false"),
)
# Together with the pauses between them these stay below 40 s, after which nothing may be left.
WEB_STOPS_WITHIN_S: Final = 6.0
WORKERS_STOP_WITHIN_S: Final = 18.0
REDIS_STOPS_WITHIN_S: Final = 4.0
READY_WITHIN_S: Final = 120
WORKER_PROCESSES: Final = 2
_OTHERS_READ_NOTHING: Final = 0o077


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the environment says about where and how to run."""

    port: int
    data_dir: Path
    redis_url: str | None

    @classmethod
    def read(cls) -> Surroundings:
        """Raises: Refusal for a PORT that is none."""
        port = os.environ.get("PORT") or str(DEFAULT_PORT)
        if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= LAST_PORT:
            raise Refusal(f"PORT must be a number from 1 to {LAST_PORT}, not {port!r}.")
        data_dir = Path(os.environ.get("DATA_DIR") or ROOT / "var").expanduser().resolve()
        return cls(int(port), data_dir, os.environ.get("REDIS_URL") or None)

    def refuse_if_impossible(self) -> None:
        """Cheap to ask before minutes of set-up.

        Raises:
            Refusal: somebody listens on the port, or DATA_DIR cannot be written.
        """
        try:
            is_taken = processes.port_is_taken(self.port)
        except OSError as error:
            raise Refusal(f"port {self.port} cannot be listened on: {error.strerror}.") from error
        if is_taken:
            raise Refusal(
                f"port {self.port} is in use; choose another one: PORT={_port_near(self.port)} make run"
            )
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Refusal(f"DATA_DIR {self.data_dir} cannot be made: {error.strerror}.") from error
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise Refusal(f"DATA_DIR {self.data_dir} is not writable.")


def _port_near(taken: int) -> int:
    """The next one that can be had, else any."""
    for port in range(taken + 1, min(taken + MAX_PORTS_TRIED, LAST_PORT) + 1):
        with contextlib.suppress(OSError):
            if not processes.port_is_taken(port):
                return port
    return processes.free_port()


def main() -> int:
    surroundings = Surroundings.read()
    surroundings.refuse_if_impossible()
    os.umask(_OTHERS_READ_NOTHING)
    with _only_run_of(surroundings.data_dir):
        return _run(surroundings)


def _only_run_of(data_dir: Path) -> IO[str]:
    """Holds DATA_DIR until closed, or until the process ends in whatever way.

    Raises:
        Refusal: another run has it.
    """
    lock = (data_dir / "run.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        raise Refusal(
            f"DATA_DIR {data_dir} is in use by another run (process {lock.read().strip()})."
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _run(surroundings: Surroundings) -> int:
    console = Console(sys.stdout.fileno())
    redis_socket = None if surroundings.redis_url else redis.socket_below(surroundings.data_dir / "redis")
    supervisor = Supervisor(console, _environment(surroundings, redis_socket), surroundings.data_dir / "pids")
    try:
        console.say("Preparing the database …")
        if redis_socket is not None:
            _start_redis(supervisor, surroundings.data_dir, redis_socket)
        supervisor.complete(_python("prepare", "-m", "dev.prepare_data"))
        console.say("Starting web server, worker and sweeper …")
        for program in _programs(surroundings):
            supervisor.keep(program)
        supervisor.complete(
            _python("ready", "-m", "dev.wait_for_site", str(surroundings.port), str(READY_WITHIN_S))
        )
        console.say(_welcome(surroundings))
        supervisor.run_for_ever()
    except StopRequested:
        console.say("Stopping; a second Ctrl-C hastens.")
        return 0
    finally:
        supervisor.stop(("web", "beat"), ("worker", "sweeper"), ("redis",))
        if redis_socket is not None:
            redis.forget_socket(redis_socket)


def _start_redis(supervisor: Supervisor, data_dir: Path, socket_path: Path) -> None:
    folder = data_dir / "redis"
    folder.mkdir(exist_ok=True)
    executable = python_packages.ensure_redis()
    redis.mend(executable, folder)
    command = redis.command(executable, folder, socket_path)
    supervisor.keep(Program("redis", command, stops_within_s=REDIS_STOPS_WITHIN_S))
    if not supervisor.wait_until(lambda: redis.answers(socket_path), within_s=30):
        raise Refusal("redis did not answer within 30 s; what it said is above.")


def _programs(surroundings: Surroundings) -> tuple[Program, ...]:
    uvicorn = (
        "-m",
        "uvicorn",
        "config.asgi:application",
        "--host",
        "127.0.0.1",
        "--port",
        str(surroundings.port),
    )
    # It warns of root because root could be had through pickles; the product takes JSON alone.
    quiet = ("-W", "ignore:You're running the worker with superuser privileges")
    celery = (*quiet, "-m", "celery", "--quiet", "--app", "config")
    alone = ("--without-gossip", "--without-mingle")  # talk among workers; there is one of each
    schedule = surroundings.data_dir / "beat-schedule"
    return (
        _python(
            "web",
            *uvicorn,
            "--no-access-log",  # paths hold share tokens and signatures
            "--no-server-header",
            *("--log-level", "warning"),
            *("--log-config", str(WEB_LOG)),
            _proxy_headers(),
            *SOCKET_OPTIONS,
            *("--timeout-keep-alive", "75"),
            *("--timeout-graceful-shutdown", str(int(WEB_STOPS_WITHIN_S) - 2)),
            stops_within_s=WEB_STOPS_WITHIN_S,
        ),
        _python(
            "worker",
            *(*celery, "worker", "-Q", "work", "-c", str(WORKER_PROCESSES), "-n", "work@%h", *alone),
            stops_within_s=WORKERS_STOP_WITHIN_S,
        ),
        _python(
            "sweeper",
            *(*celery, "worker", "-Q", "sweep", "-c", "1", "-P", "solo", "-n", "sweep@%h", *alone),
            stops_within_s=WORKERS_STOP_WITHIN_S,
        ),
        _python("beat", *celery, "beat", "--schedule", str(schedule), "--pidfile="),
    )


def _proxy_headers() -> str:
    """Without a proxy of ours anybody on this machine could claim any address, and guess passwords as many."""
    is_behind = os.environ.get("BEHIND_PROXY", "").strip().lower() in TRUE_WORDS
    return "--proxy-headers" if is_behind else "--no-proxy-headers"


def _python(name: str, *arguments: str, stops_within_s: float = 5.0) -> Program:
    return Program(name, (sys.executable, *arguments), stops_within_s)


def _environment(surroundings: Surroundings, redis_socket: Path | None) -> dict[str, str]:
    """Ours, with what the programs must agree on."""
    env = dict(os.environ)
    env.update(
        PORT=str(surroundings.port),
        DATA_DIR=str(surroundings.data_dir),
        DJANGO_SETTINGS_MODULE="config.settings",
        PYTHONUNBUFFERED="1",
    )
    env["SECRET_KEY"] = env.get("SECRET_KEY") or _kept_secret(surroundings.data_dir / "secret_key")
    if redis_socket is not None:
        env["REDIS_URL"] = redis.url_of(redis_socket)
    return env


def _kept_secret(file: Path) -> str:
    """Made once, whole or not at all, and readable by its owner alone."""
    if not file.exists():
        unfinished = file.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_urlsafe(50))
        unfinished.rename(file)
    return file.read_text().strip()


def _welcome(surroundings: Surroundings) -> str:
    address = os.environ.get("SITE_URL") or f"http://localhost:{surroundings.port}"
    kept = surroundings.data_dir / "demo_password"
    password = os.environ.get("DEMO_PASSWORD") or (kept.read_text().strip() if kept.exists() else "")
    return (
        f"\nSafelight is ready: {address}\n"
        f"Sign in as {DEMO_USER} with the password {password}\n"
        f"Everything is kept in {surroundings.data_dir}. Ctrl-C stops it.\n"
    )


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
