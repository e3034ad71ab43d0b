"""Photos of real size for benchmarks: the folder PHOTO_CORPUS, else some made by code, each another picture."""

from __future__ import annotations

import math
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".tif", ".tiff"})
PROCESSES: Final = 2
# A phone, a compact and a full-frame camera.
SHAPES_PX: Final = ((4032, 3024), (4608, 3456), (6000, 4000))
SEED_WIDTH_PX: Final = 600
# Pixels cost a second each to make; what is sent, hashed, decoded and kept is the same for a scene taken again.
SCENES: Final = 40


def photos(folder: Path, *, count: int) -> list[Path]:
    """At most so many; those made by code are JPEGs of 3 to 12 MB."""
    if corpus := os.environ.get("PHOTO_CORPUS"):
        found = (path for path in sorted(Path(corpus).rglob("*")) if path.suffix.lower() in ENDINGS)
        return list(found)[:count]
    folder.mkdir(parents=True, exist_ok=True)
    # Not forked: libvips has threads.
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        scenes = list(pool.map(partial(make_photo, folder), range(min(count, SCENES)), chunksize=4))
    return scenes + [take_again(scenes[number % SCENES], number) for number in range(SCENES, count)]


def take_again(scene: Path, number: int) -> Path:
    """The same pixels as another file of other bytes: a JPEG comment after the first marker."""
    original = scene.read_bytes()
    comment = f"number {number}".encode()
    path = scene.with_name(f"IMG_{number:04d}.jpg")
    path.write_bytes(
        original[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + original[2:]
    )
    return path


def make_photo(folder: Path, number: int) -> Path:
    """A soft scene scaled up, with the grain of a sensor on it."""
    import pyvips

    width_px, height_px = SHAPES_PX[number % len(SHAPES_PX)]
    seed_height_px = SEED_WIDTH_PX * height_px // width_px
    place = pyvips.Image.xyz(SEED_WIDTH_PX, seed_height_px)
    angle = number * 0.7
    waves = [
        (place[0] * math.cos(angle + band) + place[1] * math.sin(angle + band)) * (0.4 + 0.1 * band)
        + 31 * number
        for band in range(3)
    ]
    scene = waves[0].sin().bandjoin([waves[1].sin(), waves[2].cos()]) * 70 + 128
    leaves = pyvips.Image.gaussnoise(SEED_WIDTH_PX, seed_height_px, mean=0, sigma=25, seed=number)
    large = (scene + leaves).cast("uchar").resize(width_px / SEED_WIDTH_PX, vscale=height_px / seed_height_px)
    grain = pyvips.Image.gaussnoise(512, 512, mean=0, sigma=5 + number % 6, seed=number).copy_memory()
    tiled = grain.replicate(math.ceil(width_px / 512), math.ceil(height_px / 512)).crop(
        0, 0, large.width, large.height
    )
    path = folder / f"IMG_{number:04d}.jpg"
    (large + tiled).cast("uchar").copy(interpretation="srgb").jpegsave(str(path), Q=88)
    return path
