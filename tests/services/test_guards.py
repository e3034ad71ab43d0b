"""What no test may do."""

from __future__ import annotations

import socket
import urllib.request

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.com", 443)])
def test_no_test_reaches_the_world(address) -> None:
    with socket.socket() as connection, pytest.raises(PermissionError, match="tried to reach"):
        connection.connect(address)


def test_no_library_reaches_the_world_either() -> None:
    with pytest.raises(OSError, match="tried to reach"):
        urllib.request.urlopen("http://192.0.2.1/", timeout=5)


def test_loopback_is_near() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as near,
    ):
        assert near.getpeername() == server.getsockname()
