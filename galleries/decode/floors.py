"""For the start-up check: are the decoders of this installation past the holes that are known?

Asked in a fresh process, so that no image library comes into a server. Sources: libvips 8.18.7 (release notes,
2026-09-26); libheif GHSA-g89c-p67h-r497, GHSA-x8r2-mggj-j6wr and GHSA-w7mc-p8jc-p853, the last of them fixed in 1.23.3;
LibRaw CVE-2025-43961 to CVE-2025-43964, fixed in 0.21.4.
"""

import json
import os
import subprocess
import sys
from typing import Final

LEAST_LIBVIPS: Final = (8, 18, 7)
LEAST_LIBHEIF: Final = (1, 23, 3)
LEAST_LIBRAW: Final = (0, 21, 4)
_START_LIMIT_S: Final = 60

# An SVG that would draw, for the block to refuse.
_ASK: Final = """
import json, pyvips, pillow_heif, rawpy
try:
    pyvips.Image.svgload_buffer(b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
    is_blocked = False
except pyvips.Error as error:
    is_blocked = "blocked" in str(error)
print(json.dumps({
    "libvips": [pyvips.version(part) for part in range(3)],
    "libheif": pillow_heif.libheif_version(),
    "libraw": list(rawpy.libraw_version),
    "is_blocked": is_blocked,
}))
"""


def check_decoders() -> list[str]:
    """One sentence for each thing that is wrong; empty when all is well. About 0.3 s."""
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-c", _ASK],
            env={"VIPS_BLOCK_UNTRUSTED": "1"},
            cwd=os.sep,
            capture_output=True,
            check=True,
            timeout=_START_LIMIT_S,
        )
        found = json.loads(asked.stdout)
    except (subprocess.SubprocessError, ValueError, OSError) as error:
        return [f"The decoders of photos cannot be loaded: {_last_line(error)}"]
    return wrong_with(
        libvips=tuple(found["libvips"]),
        libheif=_numbers(found["libheif"]),
        libraw=tuple(found["libraw"]),
        is_blocked=found["is_blocked"],
    )


def wrong_with(
    *, libvips: tuple[int, ...], libheif: tuple[int, ...], libraw: tuple[int, ...], is_blocked: bool
) -> list[str]:
    wrong = [
        f"{name} {_dotted(version)} has known holes: {_dotted(least)} or later is needed."
        for name, version, least in (
            ("libvips", libvips, LEAST_LIBVIPS),
            ("libheif", libheif, LEAST_LIBHEIF),
            ("LibRaw", libraw, LEAST_LIBRAW),
        )
        if version < least
    ]
    return wrong if is_blocked else [*wrong, "libvips does not block its untrusted loaders."]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _last_line(error: Exception) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else b""
    lines = (said or str(error).encode()).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else type(error).__name__
