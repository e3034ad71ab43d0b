"""What a careful script does with photos: no checks, no rows, no store. The peers of whatever develops photos."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# The photo decoded once, the small size made from the large one; says when each is done.
BARE_LOOP: Final = """
import sys, pyvips
for line in sys.stdin:
    image = pyvips.Image.thumbnail(line.strip(), 1600, height=1600, size="down").copy_memory()
    image.jpegsave_buffer(Q=82, keep="none")
    image.thumbnail_image(400, height=400, size="down").webpsave_buffer(Q=80, keep="none")
    print("done", flush=True)
"""
# What `vipsthumbnail` does for a size, in a process of Python: where the program can't be had.
LIKE_VIPSTHUMBNAIL: Final = """
import sys, pyvips
for line in sys.stdin:
    for side, save in ((1600, dict(suffix=".jpg", Q=82)), (400, dict(suffix=".webp", Q=80))):
        image = pyvips.Image.thumbnail(line.strip(), side, height=side, size="down")
        image.write_to_buffer(save.pop("suffix"), keep="none", **save)
"""
ONE_THREAD: Final = {**os.environ, "VIPS_CONCURRENCY": "1"}


def bare_loop() -> subprocess.Popen[str]:
    """One warm process of it: a path a line goes in, a word comes out."""
    return subprocess.Popen(
        [sys.executable, "-c", BARE_LOOP],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ONE_THREAD,
    )  # fmt: skip


def seconds_bare(files: Sequence[Path], processes: int) -> float:
    """Seconds of so many bare loops, their starts counted; each takes every n-th file."""
    return seconds_of(files, processes, lambda _share: [sys.executable, "-c", BARE_LOOP])


def has_vipsthumbnail() -> bool:
    """Found, else brought by apt where we are root."""
    if shutil.which("vipsthumbnail") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libvips-tools"]
        subprocess.run(words, check=False, env=quiet, capture_output=True, timeout=600)
    return shutil.which("vipsthumbnail") is not None


def seconds_of_vipsthumbnail(files: Sequence[Path], processes: int, folder: Path) -> float:
    """Each size is a run of its own: the program can't make one from the other, so it decodes each photo twice."""
    if not has_vipsthumbnail():
        return seconds_of(files, processes, lambda _share: [sys.executable, "-c", LIKE_VIPSTHUMBNAIL])

    def seconds_of_size(longest_side_px: int, form: str) -> float:
        size = f"{longest_side_px}x{longest_side_px}>"
        words = ["vipsthumbnail", "--size", size, "-o", f"{folder}/%s{form}"]
        return seconds_of(files, processes, lambda share: [*words, *map(str, share)])

    view_s = seconds_of_size(1600, "_view.jpg[Q=82,strip]")
    return view_s + seconds_of_size(400, "_grid.webp[Q=80,strip]")


def seconds_of(
    files: Sequence[Path], processes: int, command: Callable[[Sequence[Path]], list[str]]
) -> float:
    """Raises: CalledProcessError when one of them fails."""
    began = time.perf_counter()
    running = []
    for number in range(processes):
        share = files[number::processes]
        process = subprocess.Popen(
            command(share), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=ONE_THREAD
        )
        if process.stdin is not None:
            try:
                process.stdin.write("".join(f"{file}\n" for file in share))
                process.stdin.close()
            except BrokenPipeError:  # it has been told by its command
                pass
        running.append(process)
    for process in running:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command([])[0])
    return time.perf_counter() - began
