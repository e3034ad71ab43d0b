"""In the child: the calls to the kernel which drawing a picture never needs are refused: sockets, programs, processes.

A list of what is forbidden, not of what is allowed: what libraries call changes with every release of the C library,
and the other walls stand behind this one. Layouts: linux/seccomp.h, linux/filter.h, linux/audit.h; numbers:
asm/unistd_64.h and asm-generic/unistd.h.
"""

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Final

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_X32_BIT: Final = 0x40000000
_CLONE_THREAD: Final = 0x10000


@dataclass(frozen=True)
class _Machine:
    audit: int
    clone: int
    forbidden: tuple[int, ...]


# clone3 hides its flags behind a pointer, which a filter cannot follow: "not there" sends the C library back to clone.
_CLONE3: Final = 435
# pidfd_send_signal, io_uring_setup, _enter, _register, pidfd_open, pidfd_getfd: the same everywhere.
_EVERYWHERE: Final = (424, 425, 426, 427, 434, 438)
# socket, connect, accept, bind, listen, socketpair, accept4, execve, execveat, kill, ptrace, process_vm_readv and
# _writev, unshare, setns, mount, bpf, perf_event_open, add_key, request_key, keyctl, userfaultfd, init_module,
# finit_module, open_by_handle_at; x86 also has fork and vfork.
_MACHINES: Final = {
    "x86_64": _Machine(
        audit=0xC000003E,
        clone=56,
        forbidden=(
            41, 42, 43, 49, 50, 53, 288, 59, 322, 62, 101, 310, 311, 272, 308, 165, 321, 298, 248, 249, 250, 323, 175,
            313, 304, 57, 58, *_EVERYWHERE,
        ),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        clone=220,
        forbidden=(
            198, 203, 202, 200, 201, 199, 242, 221, 281, 129, 117, 270, 271, 97, 268, 40, 280, 241, 217, 218, 219, 282,
            105, 273, 265, *_EVERYWHERE,
        ),
    ),
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_calls() -> bool:
    """For every thread started from here on. Needs no_new_privs. False where machine or kernel have no such filter."""
    machine = _MACHINES.get(platform.machine()) if sys.platform == "linux" else None
    if machine is None:
        return False
    instructions = _filter_for(machine)
    program = _Program(len(instructions) // 8, instructions)
    return int(_libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)) == 0


def _filter_for(machine: _Machine) -> bytes:
    lines = [
        _line(_LOAD, _ARCHITECTURE_AT),
        _line(_JUMP_EQUAL, machine.audit, if_so=1),
        _line(_RETURN, _KILL_PROCESS),
        _line(_LOAD, _NUMBER_AT),
        _line(_JUMP_AT_LEAST, _X32_BIT, if_not=1),
        _line(_RETURN, _KILL_PROCESS),
        _line(_JUMP_EQUAL, _CLONE3, if_not=1),
        _line(_RETURN, _REFUSE | errno.ENOSYS),
    ]
    for number in machine.forbidden:
        lines += [_line(_JUMP_EQUAL, number, if_not=1), _line(_RETURN, _REFUSE | errno.EPERM)]
    lines += [
        _line(_JUMP_EQUAL, machine.clone, if_not=3),
        _line(_LOAD, _FIRST_ARGUMENT_AT),
        _line(_JUMP_ANY_BIT, _CLONE_THREAD, if_so=1),
        _line(_RETURN, _REFUSE | errno.EPERM),
        _line(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


def _line(code: int, value: int, *, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)
