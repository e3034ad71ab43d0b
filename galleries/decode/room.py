"""The child. It starts with no environment, puts up its walls, then takes one file after another from its worker.

It is started by path and argument, never imported by the product: `python -I -c BOOT <package root> <socket> <parent>`.
A file comes as an open, read-only descriptor beside the request; renditions go back as bytes, so that the child needs
to write to nothing at all.
"""

import array
import os
import socket
import sys
from typing import Any

from galleries.decode import walls
from galleries.decode.wire import LENGTH_BYTES, framed, read_frame


def main(socket_descriptor: int, parent_pid: int) -> None:
    walls.die_with(parent_pid)
    standing = {"network": walls.leave_the_network()}
    walls.die_with(parent_pid)  # a change of namespace forgets it
    from galleries.decode.develop import warm_up

    warm_up()
    walls.bound_the_process()
    standing |= {"files": walls.close_the_files(_readable_roots()), "calls": walls.forbid_calls()}
    worker = socket.socket(fileno=socket_descriptor)
    worker.sendall(framed({"walls": standing}))
    while _serve(worker):
        pass


def _readable_roots() -> list[str]:
    """The interpreter and its libraries, for what is imported when first needed. Nothing of the product but this room."""
    return [
        sys.prefix,
        sys.base_prefix,
        os.path.dirname(__file__),
        "/lib",
        "/lib64",
        "/usr/lib",
        "/etc/ld.so.cache",
    ]


def _serve(worker: socket.socket) -> bool:
    """One file. False when the worker has gone."""
    received = _receive(worker)
    if received is None:
        return False
    request, descriptor = received
    try:
        walls.bound_the_job(address_space_bytes=request["address_space_bytes"], cpu_s=request["cpu_s"])
        answer, pictures = _answer(descriptor, request["media_type"])
    finally:
        os.close(descriptor)
    worker.sendall(framed(answer))
    for picture in pictures:
        worker.sendall(picture)
    return True


def _receive(worker: socket.socket) -> tuple[dict[str, Any], int] | None:
    length, ancillary, _, _ = worker.recvmsg(LENGTH_BYTES, socket.CMSG_SPACE(array.array("i").itemsize))
    if not length:
        return None
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    rest = iter([length])
    return read_frame(lambda size: next(rest, None) or _exactly(worker, size)), descriptors[0]


def _exactly(worker: socket.socket, size: int) -> bytes:
    return worker.recv(size, socket.MSG_WAITALL)


def _answer(descriptor: int, media_type: str) -> tuple[dict[str, Any], list[bytes]]:
    from galleries.decode.develop import develop
    from galleries.decode.refusals import ANSWERED, refusal_for

    try:
        made = develop(descriptor, media_type)
    except ANSWERED as error:  # anything else is a fault of ours, and ends the child with a traceback
        refused = refusal_for(error)
        return {
            "refused": {
                "code": refused.code, "reason": refused.reason, "width": refused.width_px, "height": refused.height_px,
            }
        }, []  # fmt: skip
    notes = made.negative.notes
    return {
        "width": made.negative.width_px,
        "height": made.negative.height_px,
        "captured_at": notes.captured_at.isoformat() if notes.captured_at else "",
        "camera": notes.camera,
        "details": notes.details,
        "thumbhash": made.thumbhash.hex(),
        "warnings": made.warnings,
        "sizes": [len(picture) for picture in made.pictures],
    }, made.pictures
