"""What the locked room costs: photos through Developers, beside a bare libvips loop that makes the same renditions.

Photos are 24 megapixels of gradients, detail and grain at quality 88, about 6.7 MB each. Both sides run one or two
processes, read from warm files, hash nothing else and keep nothing; the starts of the processes are counted in neither.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import psutil
from PIL import Image

from benchmarks._bare import bare_loop
from benchmarks._report import Line, interleaved, median_ratio, show
from galleries.decode.developer import Developer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PHOTO_COUNT: Final = 8
REPETITIONS: Final = 9
WIDTH_PX, HEIGHT_PX = 6000, 4000
LEAST_RATIO: Final = 0.9


def make_photos(folder: Path) -> list[Path]:
    made = np.random.default_rng(1)
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype("float32")
    small = made.integers(0, 256, (500, 750, 3)).astype("uint8")
    detail = np.asarray(
        Image.fromarray(small).resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)
    ).astype("float32")
    return [
        make_photo(folder / f"{number:02d}.jpg", number, (x, y), detail, made)
        for number in range(PHOTO_COUNT)
    ]


def make_photo(
    path: Path,
    number: int,
    place: tuple[NDArray[np.float32], NDArray[np.float32]],
    detail: NDArray[np.float32],
    made: np.random.Generator,
) -> Path:
    x, y = place
    sky = np.stack(
        [
            127 + 100 * np.sin((x + 997 * number) / 900),
            127 + 100 * np.cos((y - 311 * number) / 700),
            127 + 90 * np.sin((x + y) / (800 + number)),
        ],
        -1,
    )
    grain = made.normal(0, 7, sky.shape).astype("float32")
    pixels = np.clip(0.7 * sky + 0.3 * np.roll(detail, 37 * number, 1) + grain, 0, 255).astype("uint8")
    Image.fromarray(pixels).save(path, quality=88)
    return path


class Hand(Protocol):
    """Something that develops one photo at a time."""

    @property
    def pid(self) -> int | None: ...
    def develop(self, path: Path) -> None: ...
    def close(self) -> None: ...


class BareLoop:
    """One warm process of it."""

    def __init__(self) -> None:
        self.process = bare_loop()

    @property
    def pid(self) -> int:
        return self.process.pid

    def develop(self, path: Path) -> None:
        assert self.process.stdin  # noqa: S101
        assert self.process.stdout  # noqa: S101
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise RuntimeError("the bare loop died")

    def close(self) -> None:
        self.process.communicate()


class Room:
    """One Developer, fed from a file as the worker feeds it."""

    def __init__(self) -> None:
        self.developer = Developer()

    @property
    def pid(self) -> int | None:
        return self.developer.pid

    def develop(self, path: Path) -> None:
        with path.open("rb") as file:
            self.developer.develop(file, media_type="image/jpeg")

    def close(self) -> None:
        self.developer.close()


@dataclass(frozen=True)
class Pace:
    photos_per_s: float
    cpu_ms_per_photo: float  # of the processes that decode, and of this one, which hands in and checks


def pace(hands: Sequence[Hand], photos: list[Path]) -> Pace:
    """Each hand takes every n-th photo."""
    started, used = time.perf_counter(), cpu_s(hands)
    with ThreadPoolExecutor(len(hands)) as threads:
        shares = [photos[index :: len(hands)] for index in range(len(hands))]
        for done in [
            threads.submit(develop_all, hand, share) for hand, share in zip(hands, shares, strict=True)
        ]:
            done.result()
    wall_s = time.perf_counter() - started
    return Pace(len(photos) / wall_s, (cpu_s(hands) - used) * 1000 / len(photos))


def cpu_s(hands: Sequence[Hand]) -> float:
    return time.process_time() + sum(sum(psutil.Process(hand.pid).cpu_times()[:2]) for hand in hands)


def develop_all(hand: Hand, photos: list[Path]) -> None:
    for photo in photos:
        hand.develop(photo)


def measured(process_count: int, photos: list[Path]) -> list[Line]:
    bare: list[Hand] = [BareLoop() for _ in range(process_count)]
    rooms: list[Hand] = [Room() for _ in range(process_count)]
    try:
        for hand in (
            *bare,
            *rooms,
        ):  # so that no start is measured
            hand.develop(photos[0])
        paces = interleaved(
            {"bare": partial(pace, bare, photos), "rooms": partial(pace, rooms, photos)},
            repetitions=REPETITIONS,
        )
    finally:
        for hand in (*bare, *rooms):
            hand.close()
    rates = {name: [each.photos_per_s for each in measured] for name, measured in paces.items()}
    costs = {name: [each.cpu_ms_per_photo for each in measured] for name, measured in paces.items()}
    ratio = median_ratio(rates["rooms"], rates["bare"])
    what = f"{process_count} process" + "es" * (process_count > 1)
    return [
        Line(
            what, f"{median(rates['rooms']):.1f} photos/s", f"{median(rates['bare']):.1f} photos/s",
            f">= {LEAST_RATIO} x", ratio, ratio >= LEAST_RATIO,
        ),
        Line(
            f"{what}, CPU", f"{median(costs['rooms']):.0f} ms/photo", f"{median(costs['bare']):.0f} ms/photo",
            ratio=median_ratio(costs["rooms"], costs["bare"]),
        ),
    ]  # fmt: skip


def main() -> int:
    print("making photos …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        photos = make_photos(Path(folder))
        lines = [line for count in (1, 2) for line in measured(count, photos)]
    return show(
        f"Developing {PHOTO_COUNT} photos of 24 MP beside a bare libvips loop, median of {REPETITIONS}", lines
    )


if __name__ == "__main__":
    sys.exit(main())
