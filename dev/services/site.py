"""The whole product on a free port, as `make run` starts it, with a DATA_DIR of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dev.places import ROOT
from dev.processes import Server, free_port, send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSWORD: Final = "correct horse"  # noqa: S105 - of a user who lives as long as a test
_READY: Final = "Safelight is ready"
_READY_WITHIN_S: Final = 150.0
# 40 s is what the product promises; the rest is for a machine that is busy.
_STOPS_WITHIN_S: Final = 45.0
# What would make this site share something with another one.
_NOT_INHERITED: Final = (
    *("PORT", "DATA_DIR", "DEMO_PASSWORD", "DATABASE_URL", "REDIS_URL", "SITE_URL", "SECRET_KEY", "DEBUG"),
    *("ALLOWED_HOSTS", "PHOTO_STORE", "MAKELEVEL", "DJANGO_SETTINGS_MODULE"),
    *("LOG_FORMAT", "LOG_LEVEL", "METRICS_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """A running product. The programs are called redis, web, worker, sweeper and beat."""

    base_url: str
    port: int
    username: str
    password: str
    data_dir: Path
    environment: Mapping[str, str]
    server: Server

    def pid_of(self, program: str) -> int | None:
        """The process that it is just now; None between two lives."""
        try:
            return int((self.data_dir / "pids" / program).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def kill(self, program: str) -> None:
        """Kills a program outright; it is started again at once. Returns when it is gone."""
        pid = self.pid_of(program)
        if pid is None:
            return
        send(pid, signal.SIGKILL)
        while self.pid_of(program) == pid:
            time.sleep(0.01)

    def pause(self, program: str) -> None:
        """Stops it where it is, as a hung process would, until `go_on`."""
        if (pid := self.pid_of(program)) is not None:
            send(pid, signal.SIGSTOP)

    def go_on(self, program: str) -> None:
        if (pid := self.pid_of(program)) is not None:
            send(pid, signal.SIGCONT)

    def manage(self, *words: str) -> str:
        """What a management command prints, run beside the site on the same data."""
        ended = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={**self.environment, **self._redis()},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            said = f"{ended.stdout[-4000:]}\n{ended.stderr[-2000:]}"
            raise RuntimeError(f"manage.py {' '.join(words)} ended with {ended.returncode}:\n{said}")
        return ended.stdout

    def _redis(self) -> dict[str, str]:
        return {"REDIS_URL": f"unix://{self.data_dir / 'redis' / 'redis.sock'}"}

    def api_token(self) -> str:
        return self.manage("api_token", self.username).strip()

    def log(self) -> str:
        return self.server.log.read_text(errors="replace")

    def stop(self) -> None:
        """As SIGTERM to `make run` does it. Safe to call twice."""
        self.server.stop(within_s=_STOPS_WITHIN_S)

    def start_again(self) -> None:
        """The same site on the same port and data, after `stop`. Returns when it is ready."""
        self.server.log.write_text("")
        self.server.start_again()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        self.server.wait_until(lambda: _READY in self.log(), within_s=_READY_WITHIN_S)


def start(data_dir: Path, *, store: Mapping[str, str] | None = None, port: int | None = None) -> Site:
    """Starts the product and returns when it is ready.

    Args:
        data_dir: made when missing; short, since sockets lie in it.
        store: further environment, such as `SwiftServer.environment(bucket)` or a DATABASE_URL.
        port: a free one when None.

    Raises:
        TimeoutError: it was not ready in time; the end of its log is in the text.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not _is_of_another_site(name)},
        "PORT": str(port),
        "DATA_DIR": str(data_dir),
        "DEMO_PASSWORD": PASSWORD,
        "SECRET_KEY": "a key for sites that live as long as a test, and for nothing else",
        **(store or {}),
    }
    server = Server([sys.executable, "-m", "dev.run"], log=data_dir / "site.log", env=environment, cwd=ROOT)
    site = Site(f"http://localhost:{port}", port, "demo", PASSWORD, data_dir, environment, server)
    site.wait_until_ready()
    return site


def _is_of_another_site(name: str) -> bool:
    return name in _NOT_INHERITED or name.startswith(("S3_", "GCS_"))
