"""A private Redis: the command line the product starts it with, and a server for tests.

It listens on a socket file alone, which only its user may open, and keeps what it has below its directory.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from dev.processes import Server

OLDEST_USABLE: Final = (6, 2)  # GETDEL, and what the channel layer asks for
# sun_path holds 108 bytes with its closing zero (unix(7)); macOS has 104.
MAX_SOCKET_PATH_BYTES: Final = 103
_PRIVATE_FOLDER_PREFIX: Final = "safelight-redis-"


def find_executable(*, besides: tuple[Path, ...] = ()) -> Path | None:
    """The first server new enough: on PATH, else among the files named."""
    on_path = [Path(found) for name in ("redis-server", "valkey-server") if (found := shutil.which(name))]
    return next((path for path in (*on_path, *besides) if _is_usable(path)), None)


def _is_usable(executable: Path) -> bool:
    try:
        answer = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.search(r"v=(\d+)\.(\d+)", answer)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_USABLE


def socket_below(directory: Path) -> Path:
    """A socket path in `directory`, or in a new private one of the system where that would be too long."""
    wanted = directory / "redis.sock"
    if len(os.fsencode(wanted)) <= MAX_SOCKET_PATH_BYTES:
        return wanted
    return (
        Path(tempfile.mkdtemp(prefix=_PRIVATE_FOLDER_PREFIX, dir="/tmp")) / "redis.sock"
    )  # TMPDIR may be as long


def forget_socket(socket_path: Path) -> None:
    """Removes the private folder that `socket_below` may have made."""
    if socket_path.parent.name.startswith(_PRIVATE_FOLDER_PREFIX):
        shutil.rmtree(socket_path.parent, ignore_errors=True)


def command(executable: Path, directory: Path, socket_path: Path) -> list[str]:
    """Arguments of a server which listens on that socket alone; killed, it loses a second at most."""
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(directory),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(executable), *(word for name, value in options.items() for word in (f"--{name}", value))]


def mend(executable: Path, directory: Path) -> None:
    """Makes what a power cut may have left readable again: a server refuses a log whose end is no record.

    The log is cut after its last whole record; one that cannot be mended is set aside. Nothing here is the only
    copy of anything.
    """
    for log in (directory / "appendonlydir" / "appendonly.aof.manifest", directory / "appendonly.aof"):
        if not log.exists() or log.stat().st_size == 0:
            continue
        # One program under several names: called so, a server checks a log instead of serving.
        checked = subprocess.run(
            ["redis-check-aof", "--fix", log],
            executable=executable,
            input=b"y\n",
            capture_output=True,
            check=False,
        )
        if checked.returncode:
            log.rename(log.with_name(f"{log.name}.unreadable"))


def url_of(socket_path: Path) -> str:
    return f"unix://{socket_path}"


def answers(socket_path: Path) -> bool:
    """Whether a server listens there and has loaded its data."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


class RedisServer:
    """A running server; `kill` and `start_again` keep the address and, but for a second's worth, the data."""

    def __init__(self, server: Server, socket_path: Path) -> None:
        self._server = server
        self.socket_path = socket_path
        self.url = url_of(socket_path)
        self._wait()

    def _wait(self) -> None:
        self._server.wait_until(lambda: answers(self.socket_path), within_s=10)

    def forget_everything(self) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket_path))
            connection.sendall(b"FLUSHALL\r\n")
            if not connection.recv(64).startswith(b"+OK"):
                raise OSError("redis did not flush")

    def start_again(self) -> None:
        self._server.start_again()
        self._wait()

    def stop(self) -> None:
        self._server.stop()
        forget_socket(self.socket_path)

    def kill(self) -> None:
        self._server.kill()


def start(directory: Path, executable: Path) -> RedisServer:
    """Starts a server whose data stay below `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    socket_path = socket_below(directory)
    server = Server(command(executable, directory, socket_path), log=directory / "redis.log")
    return RedisServer(server, socket_path)
