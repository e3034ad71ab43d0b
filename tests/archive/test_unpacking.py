"""What people unpack archives with accepts ours, also where numbers stop fitting: real programs on sparse files."""

from __future__ import annotations

import subprocess
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pytest

from dev.services import zip_tools
from galleries.archive.layout import FULL_16, FULL_32, Entry, Layout, Part
from uploads.crc32 import combine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.services

WHEN = datetime(2026, 6, 1, 14, 30, tzinfo=UTC)
NOTE = b"what lies beside it"
NOTED = Entry("note.txt", len(NOTE), zlib.crc32(NOTE), WHEN)


@cache
def crc_of_zeros(size: int) -> int:
    if size < 1024:
        return zlib.crc32(bytes(size))
    half = crc_of_zeros(size // 2)
    return combine(combine(half, half, size // 2), crc_of_zeros(size % 2), size % 2)


def entry_of_zeros(name: str, size: int) -> Entry:
    return Entry(name, size, crc_of_zeros(size), WHEN)


def write(path: Path, entries: Sequence[Entry]) -> Path:
    """Entries as long as NOTE have that content; all others are zeros, which take no room on the disk."""
    layout = Layout(entries)
    with path.open("wb") as file:
        for piece in layout.pieces(0, layout.size):
            if isinstance(piece, Part) and piece.length != len(NOTE):
                file.seek(piece.length, 1)
            else:
                file.write(NOTE if isinstance(piece, Part) else piece)
        assert file.tell() == layout.size
    return path


def run(*command: object, stdin: Path | None = None) -> bytes:
    """Raises: AssertionError with the program's words where it finds anything wrong, be it a warning."""
    with stdin.open("rb") if stdin else open("/dev/null", "rb") as source:  # noqa: PTH123
        ended = subprocess.run(
            list(map(str, command)), stdin=source, capture_output=True, timeout=250, check=False
        )
    assert ended.returncode == 0, (command, ended.stdout[-500:], ended.stderr[-500:])
    return ended.stdout


@dataclass(frozen=True)
class Programs:
    unzip: str
    seven_zip: str
    bsdtar: str


@pytest.fixture(scope="module")
def by() -> Programs:
    return Programs(zip_tools.ensure("unzip"), zip_tools.ensure_7zip(), zip_tools.ensure("bsdtar"))


@pytest.mark.parametrize("count", [FULL_16 - 1, FULL_16, FULL_16 + 1])
def test_counts_around_two_to_the_sixteenth(tmp_path, by, count):
    path = write(
        tmp_path / "many.zip", [*(entry_of_zeros(f"{number}", 0) for number in range(count - 1)), NOTED]
    )

    assert run(by.unzip, "-Z1", path).count(b"\n") == count
    assert run(by.unzip, "-p", path, "note.txt") == NOTE
    assert f"{count} files".encode() in run(by.seven_zip, "l", path)[-200:]
    assert run(by.bsdtar, "-tf", path).count(b"\n") == count
    assert run(by.bsdtar, "-tf", "-", stdin=path).count(b"\n") == count
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == count
        assert archive.read("note.txt") == NOTE


BEFORE = 30 + len("large.bin")
DIRECTORY_BEHIND = BEFORE + 30 + len("note.txt") + len(NOTE)


@pytest.mark.parametrize("step", [-1, 0, 1])
@pytest.mark.parametrize(
    ("size", "is_first"),
    [
        # The size of a file stops fitting. It comes last: unzip 6.00 takes the size of a file before, of exactly four
        # gibibytes less one, for the sign that the next one has a large size.
        (FULL_32, False),
        (FULL_32 - BEFORE, True),  # the place of the next file does
        (FULL_32 - DIRECTORY_BEHIND, True),  # that of the directory does
    ],
)
def test_numbers_around_four_gibibytes(tmp_path, by, size, is_first, step):
    large = entry_of_zeros("large.bin", size + step)
    path = write(tmp_path / "large.zip", [large, NOTED] if is_first else [NOTED, large])

    assert run(by.unzip, "-p", path, "note.txt") == NOTE
    assert str(large.size).encode() in run(by.unzip, "-v", path)
    assert run(by.seven_zip, "e", "-so", path, "note.txt") == NOTE
    assert f"Size = {large.size}".encode() in run(by.seven_zip, "l", "-slt", path)
    assert run(by.bsdtar, "-xOf", path, "note.txt") == NOTE
    with zipfile.ZipFile(path) as archive:
        assert archive.read("note.txt") == NOTE
        assert archive.getinfo("large.bin").file_size == large.size


@pytest.mark.slow
def test_what_lies_behind_four_gibibytes_comes_out_of_a_pipe(tmp_path, by):
    path = write(tmp_path / "large.zip", [entry_of_zeros("large.bin", FULL_32 + 1), NOTED])

    assert run(by.bsdtar, "-xOf", "-", "note.txt", stdin=path) == NOTE


@pytest.mark.parametrize("size", [1, 1024, 70_000, 1_000_001])
def test_a_file_is_found_good_by_every_program(tmp_path, by, size):
    path = write(tmp_path / "small.zip", [entry_of_zeros("large.bin", size), NOTED])

    run(by.unzip, "-tqq", path)
    assert b"Everything is Ok" in run(by.seven_zip, "t", path)
    assert run(by.bsdtar, "-xOf", "-", stdin=path) == bytes(size) + NOTE
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def test_names_and_times_are_what_they_were(tmp_path, by):
    names = ["IMG_1.jpg", "Ünï (2).jpg", "花火 🎆.heic", "it's & 100%.jpg", "contact-sheet/0001.webp"]
    path = write(tmp_path / "names.zip", [*(entry_of_zeros(name, 9) for name in names), NOTED])

    for number, command in enumerate((
        (by.unzip, "-qq", path, "-d"), (by.bsdtar, "-xf", path, "-C"), (by.seven_zip, "x", "-y", path),
    )):  # fmt: skip
        folder = tmp_path / str(number)
        folder.mkdir()
        run(*command, f"-o{folder}" if command[0] == by.seven_zip else folder)
        assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == {
            *names,
            NOTED.name,
        }
        local = datetime.fromtimestamp((folder / "note.txt").stat().st_mtime)  # noqa: DTZ006 - as people see it
        assert (local.hour, local.minute) == (14, 30)
