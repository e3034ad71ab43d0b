"""ClamAV, asked over the socket of its daemon: https://docs.clamav.net/manual/Usage/Scanning.html, `man clamd`."""

import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from uploads.errors import Infected, ScannerUnavailable
from uploads.limits import MIB, SCAN_WITHIN_S

DEFAULT_PORT: Final = 3310
CONNECT_WITHIN_S: Final = 3.0
# Each chunk is announced by its length; it must not exceed the daemon's StreamMaxLength.
CHUNK_BYTES: Final = MIB
LENGTH: Final = struct.Struct("!I")
MAX_ANSWER_BYTES: Final = 4_096
MAX_NAME_CHARS: Final = 100
FOUND: Final = re.compile(r"stream: (.+) FOUND")


@dataclass(frozen=True)
class ClamAv:
    """One daemon. A connection for each file: it forgets nothing and is forgotten by nobody."""

    address: str | tuple[str, int]  # the path of its socket, or host and port

    @classmethod
    def at(cls, url: str) -> "ClamAv":
        """`clamd://host:3310` or `clamd:///path/of/its/socket`."""
        parsed = urlsplit(url)
        return cls((parsed.hostname, parsed.port or DEFAULT_PORT) if parsed.hostname else parsed.path)

    def scan(self, file: BinaryIO) -> None:
        """Raises: Infected. ScannerUnavailable, also for a file longer than the daemon's StreamMaxLength."""
        try:
            answer = self.answer_about(file)
        except (OSError, UnicodeDecodeError) as error:
            raise ScannerUnavailable(reason=type(error).__name__) from error
        if answer == "stream: OK":
            return
        if found := FOUND.fullmatch(answer):
            raise Infected(found=plain(found[1]))
        raise ScannerUnavailable(reason=plain(answer) or "no answer")

    def answer_about(self, file: BinaryIO) -> str:
        until_s = time.monotonic() + SCAN_WITHIN_S
        with self.connected() as daemon:
            daemon.sendall(b"zINSTREAM\0")
            file.seek(0)
            try:
                while chunk := file.read(CHUNK_BYTES):
                    daemon.settimeout(left_s(until_s))
                    daemon.sendall(LENGTH.pack(len(chunk)))
                    daemon.sendall(chunk)
                daemon.sendall(LENGTH.pack(0))
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough, and has said why
            return read_answer(daemon, until_s)

    def connected(self) -> socket.socket:
        if isinstance(self.address, tuple):
            return socket.create_connection(self.address, timeout=CONNECT_WITHIN_S)
        daemon = socket.socket(socket.AF_UNIX)
        daemon.settimeout(CONNECT_WITHIN_S)
        try:
            daemon.connect(self.address)
        except OSError:
            daemon.close()
            raise
        return daemon


def left_s(until_s: float) -> float:
    """Raises: TimeoutError when nothing is left."""
    left = until_s - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def read_answer(daemon: socket.socket, until_s: float) -> str:
    answer = bytearray()
    while not answer.endswith(b"\0") and len(answer) < MAX_ANSWER_BYTES:
        daemon.settimeout(left_s(until_s))
        if not (more := daemon.recv(MAX_ANSWER_BYTES)):
            break
        answer += more
    return answer.rstrip(b"\0\n").decode()


def plain(text: str) -> str:
    """What a stranger's file may have had a say in, on one short line."""
    return "".join(char for char in text if char.isprintable())[:MAX_NAME_CHARS]
