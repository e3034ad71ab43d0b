"""The child. It starts with no environment, puts up its walls, then takes one file after another from its worker.

A file comes as an open, read-only descriptor beside the request; renditions go back as bytes, so that the child needs
to write to nothing at all.
"""

import array
import os
import socket
import sys
from pathlib import Path
from typing import Any

from galleries.decode import landlock, seccomp, walls
from galleries.decode.wire import LENGTH_BYTES, framed, read_frame


def main(socket_descriptor: int, parent_pid: int) -> None:
    walls.die_with(parent_pid)
    has_no_network = walls.leave_the_network()
    walls.die_with(parent_pid)  # a change of namespace forgets it
    from galleries.decode.develop import warm_up

    warm_up()
    walls.bound_the_process()
    standing = {
        "network": has_no_network,
        "files": landlock.read_only_beneath(_readable_roots()),
        "calls": seccomp.forbid_calls(),
    }
    worker = socket.socket(fileno=socket_descriptor)
    worker.sendall(framed({"walls": standing}))
    while _serve(worker):
        pass


def _readable_roots() -> list[str]:
    """The interpreter and its libraries, for what is imported when first needed. Of the product, this room alone."""
    here = str(Path(__file__).parent)
    return [
        f"{sys.prefix}/lib",
        f"{sys.base_prefix}/lib",
        here,
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
    from galleries.blanking import as_rows
    from galleries.decode.develop import develop
    from galleries.decode.places import find_blanks
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
    blanks = find_blanks(descriptor, media_type)
    return {
        "width": made.negative.width_px,
        "height": made.negative.height_px,
        "captured_at": notes.captured_at.isoformat() if notes.captured_at else "",
        "camera": notes.camera,
        "details": notes.details,
        "thumbhash": made.thumbhash.hex(),
        "warnings": made.warnings,
        "blanks": None if blanks is None else as_rows(blanks),
        "sizes": [len(picture) for picture in made.pictures],
    }, made.pictures
