"""The worker's side of the locked room: hands in a file, takes back what it became, and believes none of it unseen."""

import hashlib
import io
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, NoReturn, Self

from galleries.blanking import Blank
from galleries.decode.plain_picture import plain_size
from galleries.decode.wire import (
    MAX_PIXELS,
    MAX_SIDE_PX,
    MIB,
    Answer,
    MalformedAnswer,
    Refusal,
    framed,
    read_frame,
)
from galleries.errors import (
    DamagedPhoto,
    DecoderDied,
    DecoderOverran,
    GalleryError,
    TooLongSide,
    TooManyPixels,
    UnsupportedPhoto,
)
from galleries.renditions import RECIPES, Recipe

logger = logging.getLogger(__name__)

GIB: Final = 1024 * MIB

# A child keeps nothing on purpose; a new one now and then bounds what it keeps by accident.
MAX_FILES_PER_CHILD: Final = 50
START_LIMIT_S: Final = 30

_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]
_BOOT: Final = (
    "import sys; sys.path.append(sys.argv[1])\n"
    "from galleries.decode.room import main\n"
    "main(int(sys.argv[2]), int(sys.argv[3]))"
)
# The whole of the child's environment: no secret, no address, no path of ours.
_ENVIRONMENT: Final = {
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",
    "VIPS_DISC_THRESHOLD": "16g",  # never a temporary file: what does not fit into memory is refused
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class RoomLimits:
    """What one file may use.

    Measured at 100 MP: baseline and progressive JPEG 240 and 490 MB of address space, interlaced 16-bit
    PNG 760, GIF 610. What is always decoded whole may be `wide_`: AVIF 1,610, WebP 2,070, HEIC 640.
    """

    address_space_bytes: int = 1536 * MIB
    wide_address_space_bytes: int = 3 * GIB
    cpu_s: int = 60
    wall_s: float = 120.0


@dataclass(frozen=True)
class DevelopedRendition:
    name: str
    media_type: str
    width: int
    height: int
    size_bytes: int
    crc32: str
    sha256: str
    content: BinaryIO  # at offset 0


@dataclass(frozen=True)
class Developed:
    """`width` and `height` are the upright photo's; `captured_at` is the camera's wall clock, written as if UTC."""

    width: int
    height: int
    captured_at: datetime | None
    camera: str
    details: dict[str, str]
    thumbhash: bytes
    renditions: list[DevelopedRendition]
    blanks: tuple[Blank, ...] | None = None  # where it says its place; None where that is not certain
    warnings: list[str] = field(default_factory=list)


# What a fault in a decoder ends in, once a stranger's bytes have found it; nobody kills a child by one of these.
_CRASHES: Final = frozenset({"SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"})

_WIDE_TYPES: Final = frozenset({"image/webp", "image/avif", "image/heic", "image/heif"})


class DecoderCrashed(DecoderDied):
    """It ended by its own fault. `is_first_file`: it had looked at nothing before."""

    def __init__(self, *, ended_by: str, is_first_file: bool) -> None:
        super().__init__(ended_by=ended_by)
        self.is_first_file = is_first_file


class Developer:
    """One warm child. Not thread safe; safe to carry across a fork, since the child is started when first needed.

    The child ends with `close`, and with this process however it ends.
    """

    def __init__(self, limits: RoomLimits | None = None) -> None:
        self._limits = limits or RoomLimits()
        self._room: _Room | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Safe to call twice; `develop` afterwards starts a new child."""
        room, self._room = self._room, None
        if room is not None:
            room.close()

    def develop(self, source: BinaryIO, *, media_type: str) -> Developed:
        """Makes every rendition of RECIPES. `source` is read from its beginning; its position is not used or kept.

        Raises: DamagedPhoto, TooManyPixels, TooLongSide, UnsupportedPhoto, DecoderOverran: the file's own, final end;
            DecoderDied: the child ended for a reason that need not be the file.
        """
        with _read_only(source) as descriptor:
            try:
                return self._developed(descriptor, media_type)
            except DecoderCrashed as crash:
                if crash.is_first_file:
                    raise DamagedPhoto(reason="decoder") from crash
            # A photo before this one may have left the child ill: only a well one tells whose fault it is.
            try:
                return self._developed(descriptor, media_type)
            except DecoderCrashed as crash:
                raise DamagedPhoto(reason="decoder") from crash

    def _developed(self, descriptor: int, media_type: str) -> Developed:
        room = self._warm_room()
        try:
            developed = room.develop(descriptor, media_type, self._limits)
        except BaseException:  # whatever ended the job, a child in an unknown state takes no other
            self.close()
            raise
        if room.file_count >= MAX_FILES_PER_CHILD:
            self.close()
        return developed

    @property
    def pid(self) -> int | None:
        """The child's, while there is one."""
        return self._room.process.pid if self._room else None

    @property
    def walls(self) -> dict[str, bool]:
        """Which of network, files and calls are walled off here, as the child says; empty while there is none."""
        return dict(self._room.walls) if self._room else {}

    def _warm_room(self) -> "_Room":
        room = self._room
        if (
            room is not None and room.owner_pid != os.getpid()
        ):  # this is a fork: the child belongs to somebody else
            room.forget()
            room = None
        if room is not None and room.process.poll() is not None:  # ended while idle, to nobody's harm
            room.close()
            room = None
        self._room = room or _Room()
        return self._room


@contextmanager
def _read_only(source: BinaryIO) -> Iterator[int]:
    """An own, read-only opening of the same file: the child can neither write the original nor move our place in it."""
    try:
        source.flush()
        shared = source.fileno()
    except (OSError, AttributeError):  # it has no descriptor: in memory, or streamed
        with tempfile.TemporaryFile() as copy:
            source.seek(0)
            shutil.copyfileobj(source, copy, MIB)
            copy.flush()
            with _read_only(copy) as descriptor:
                yield descriptor
        return
    try:
        descriptor = os.open(f"/proc/self/fd/{shared}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no /proc here
        descriptor = os.dup(shared)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Room:
    """The child process and the socket to it."""

    def __init__(self) -> None:
        """Raises: DecoderDied when it does not come up."""
        self.owner_pid = os.getpid()
        self.file_count = 0
        self._deadline = time.monotonic() + START_LIMIT_S
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                starting = _nursery(self.owner_pid).submit(_started, theirs.fileno(), self._complaints)
                self.process = starting.result()
        except OSError as error:  # no memory, no process, no interpreter
            self._let_go()
            raise DecoderDied(ended_by="start") from error
        self.walls = self._walls()
        logger.info("decode.room_started child_pid=%d walls=%s", self.process.pid, self.walls)

    def _walls(self) -> dict[str, bool]:
        """Waits for the child's first words."""
        try:
            standing = read_frame(self._read_exactly).get("walls")
        except (OSError, EOFError, MalformedAnswer) as error:
            logger.error("decode.room_not_started complaint=%s", self._last_complaint())  # noqa: TRY400
            self.close()
            raise DecoderDied(ended_by="start") from error
        return standing if isinstance(standing, dict) else {}

    def develop(self, descriptor: int, media_type: str, limits: RoomLimits) -> Developed:
        self.file_count += 1
        self._deadline = time.monotonic() + limits.wall_s
        try:
            socket.send_fds(self._socket, [framed(_request(media_type, limits))], [descriptor])
            message = read_frame(self._read_exactly)
            if "refused" in message:
                _refuse(Refusal.parse(message), media_type)
            answer = Answer.parse(message)
            pictures = [self._read_exactly(size_bytes) for size_bytes in answer.sizes_bytes]
            return _developed(answer, pictures)
        except TimeoutError as error:
            raise DecoderOverran(resource="wall") from error
        except MalformedAnswer as error:
            logger.warning("decode.malformed_answer child_pid=%d reason=%s", self.process.pid, error)
            raise DamagedPhoto(reason="decoder") from error
        except (OSError, EOFError) as error:
            raise self._why_it_ended() from error

    def forget(self) -> None:
        """In a fork: lets go of the parent's child without touching it."""
        self._let_go()
        self.process.returncode = 0  # so that nobody here waits for, or warns of, a process that is not ours

    def close(self) -> None:
        self.process.kill()  # it has nothing to finish
        self.process.wait()
        self._let_go()

    def _let_go(self) -> None:
        self._socket.close()
        self._complaints.close()

    def _read_exactly(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            chunk = self._socket.recv(min(size - len(received), MIB))
            if not chunk:
                raise EOFError
            received += chunk
        return bytes(received)

    def _why_it_ended(self) -> GalleryError:
        try:
            ended_by = -self.process.wait(timeout=max(1.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:  # it closed its socket and lives on
            return DecoderOverran(resource="wall")
        complaint = self._last_complaint()
        name = signal.Signals(ended_by).name if ended_by in set(signal.Signals) else f"exit_{-ended_by}"
        logger.warning("decode.room_died ended_by=%s complaint=%s", name, complaint)
        if ended_by == signal.SIGXCPU:
            return DecoderOverran(resource="cpu")
        if any(
            words in complaint.lower()
            for words in ("failed to allocate", "memoryerror", "bad_alloc", "out of memory")
        ):
            return DecoderOverran(resource="memory")
        if name in _CRASHES:
            return DecoderCrashed(ended_by=name, is_first_file=self.file_count == 1)
        return DecoderDied(ended_by=name)

    def _last_complaint(self) -> str:
        size = os.fstat(self._complaints.fileno()).st_size
        written = os.pread(self._complaints.fileno(), 2000, max(0, size - 2000))
        return "".join(char if char.isprintable() else " " for char in written.decode("utf-8", "replace"))


@cache
def _nursery(_pid: int) -> ThreadPoolExecutor:
    """The one thread that starts children: to the kernel they are its own, and end when it ends, with the process."""
    return ThreadPoolExecutor(1, thread_name_prefix="nursery")


def _started(descriptor: int, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    arguments = [str(_PACKAGE_ROOT), str(descriptor), str(os.getpid())]
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", _BOOT, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        cwd="/",
        env=_ENVIRONMENT,
        pass_fds=[descriptor],
        start_new_session=True,
    )


def _request(media_type: str, limits: RoomLimits) -> dict[str, Any]:
    # Camera RAW types are image/x-…
    is_wide = media_type in _WIDE_TYPES or media_type.startswith("image/x-")
    return {
        "media_type": media_type,
        "address_space_bytes": limits.wide_address_space_bytes if is_wide else limits.address_space_bytes,
        "cpu_s": limits.cpu_s,
    }


def _refuse(refusal: Refusal, media_type: str) -> NoReturn:
    match refusal.code:
        case "too_many_pixels":
            raise TooManyPixels(width=refusal.width_px, height=refusal.height_px, limit_pixels=MAX_PIXELS)
        case "too_long_side":
            raise TooLongSide(width=refusal.width_px, height=refusal.height_px, limit_px=MAX_SIDE_PX)
        case "unsupported_format":
            raise UnsupportedPhoto(media_type=media_type, reason=refusal.reason)
        case "memory":
            raise DecoderOverran(resource="memory")
        case "damaged_photo":
            raise DamagedPhoto(reason=refusal.reason)
        case _:
            raise MalformedAnswer(f"an unknown code {refusal.code}")


def _developed(answer: Answer, pictures: list[bytes]) -> Developed:
    return Developed(
        width=answer.width_px,
        height=answer.height_px,
        captured_at=answer.captured_at,
        camera=answer.camera,
        details=answer.details,
        thumbhash=answer.thumbhash,
        renditions=[_rendition(recipe, picture) for recipe, picture in zip(RECIPES, pictures, strict=True)],
        blanks=answer.blanks,
        warnings=answer.warnings,
    )


def _rendition(recipe: Recipe, picture: bytes) -> DevelopedRendition:
    width, height = plain_size(picture, recipe)
    return DevelopedRendition(
        name=recipe.name,
        media_type=recipe.media_type,
        width=width,
        height=height,
        size_bytes=len(picture),
        crc32=f"{zlib.crc32(picture):08x}",
        sha256=hashlib.sha256(picture).hexdigest(),
        content=io.BytesIO(picture),
    )
