"""In the child: no file can be opened any more but the interpreter's own, to read. Linux 5.13 and later.

Numbers and layouts: linux/landlock.h and https://docs.kernel.org/userspace-api/landlock.html. The call numbers are the
same on every architecture.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# By version: what is refused unless a rule allows it.
_FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP_BIND_AND_CONNECT, _TCP_SINCE = 0b11, 4
_SCOPE_SOCKETS_AND_SIGNALS, _SCOPE_SINCE = 0b11, 6

_libc = ctypes.CDLL(None, use_errno=True)


def read_only_beneath(roots: Iterable[str]) -> bool:
    """Needs no_new_privs. False where the kernel has no Landlock or refuses it; then nothing has changed."""
    version = _call(_CREATE_RULESET, None, 0, _ASK_VERSION) if sys.platform == "linux" else -1
    if version < 1:
        return False
    ruleset = _ruleset(version)
    if ruleset < 0:
        return False
    try:
        for root in roots:
            _allow_reading(ruleset, root)
        return _call(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _ruleset(version: int) -> int:
    rights = max(mask for since, mask in _FILE_RIGHTS.items() if since <= version)
    network = _TCP_BIND_AND_CONNECT if version >= _TCP_SINCE else 0
    scope = _SCOPE_SOCKETS_AND_SIGNALS if version >= _SCOPE_SINCE else 0
    fields = [rights] + [network] * (version >= _TCP_SINCE) + [scope] * (version >= _SCOPE_SINCE)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    return _call(_CREATE_RULESET, attributes, len(attributes), 0)


def _allow_reading(ruleset: int, root: str) -> None:
    try:
        descriptor = os.open(root, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this system
        return
    try:
        rights = _READ_FILE | _READ_DIR if os.path.isdir(root) else _READ_FILE  # noqa: PTH112
        rule = struct.pack("=Qi", rights, descriptor)
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes | None) -> int:
    return int(_libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)))
