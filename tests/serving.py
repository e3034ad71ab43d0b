"""The product as a server in a thread of the test, on the test's own rows: what clients see, connections and all."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from config.asgi import application

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Its address. The test needs a database that other threads see: `django_db(transaction=True)`."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()
