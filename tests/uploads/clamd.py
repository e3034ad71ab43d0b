"""A daemon that speaks clamd's INSTREAM as the real one does, with one signature."""

from __future__ import annotations

import socketserver
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNATURE: Final = b"a harmful thing of these tests"
NAME: Final = "Test.Harmful-1"


class Daemon:
    """What it was shown, and how it behaves."""

    def __init__(self, stream_max_bytes: int = 1 << 30) -> None:
        self.stream_max_bytes = stream_max_bytes
        self.signatures = {SIGNATURE: NAME}
        self.seen: list[bytes] = []
        self.answer: bytes | None = None  # said instead of a verdict
        self.is_silent = False

    def verdict_on(self, content: bytes) -> bytes:
        if self.answer is not None:
            return self.answer
        for signature, name in self.signatures.items():
            if signature in content:
                return f"stream: {name} FOUND\0".encode()
        return b"stream: OK\0"


class Handler(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        daemon: Daemon = self.server.daemon
        if self.rfile.read(len(b"zINSTREAM\0")) != b"zINSTREAM\0":
            self.wfile.write(b"UNKNOWN COMMAND\0")
            return
        content = b""
        while size := struct.unpack("!I", self.rfile.read(4))[0]:
            if len(content) + size > daemon.stream_max_bytes:
                self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
                return
            content += self.rfile.read(size)
        daemon.seen.append(content)
        if not daemon.is_silent:
            self.wfile.write(daemon.verdict_on(content))


@contextmanager
def running_clamd(daemon: Daemon, socket_path: Path | None = None) -> Iterator[str]:
    """The URL of it: on a socket of that path, else on a free port."""
    if socket_path is not None:
        server: socketserver.BaseServer = socketserver.ThreadingUnixStreamServer(str(socket_path), Handler)
        url = f"clamd://{socket_path}"
    else:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        url = f"clamd://127.0.0.1:{server.server_address[1]}"
    server.daemon = daemon
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
