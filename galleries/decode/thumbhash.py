"""Pure: a photo in about 20 bytes, for what is shown before it has come. Browsers draw it back into a blurred picture.

The format is Evan Wallace's ThumbHash (https://evanw.github.io/thumbhash/): a few cosine waves of lightness, two sets
of them for colour and one for opacity, each wave rounded to four bits.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi
from operator import mul
from typing import Final

MAX_SIDE_PX: Final = 100

_WAVES_OPAQUE, _WAVES_WITH_ALPHA = 7, 5
_COLOUR_WAVES, _ALPHA_WAVES = 3, 5
_NOISE: Final = 1e-9

Channel = list[list[float]]  # rows of samples


@dataclass(frozen=True)
class _Waves:
    mean: float
    others: list[float]  # each in -scale..scale
    scale: float

    def nibbles(self) -> list[int]:
        # A picture of one colour has waves of rounding errors only.
        return [round(7.5 + 7.5 * wave / self.scale) if self.scale > _NOISE else 0 for wave in self.others]


def thumbhash(width_px: int, height_px: int, rgba: bytes) -> bytes:
    """At most 25 bytes. Raises: ValueError for more than 100 px a side, or a length other than the size says."""
    if max(width_px, height_px) > MAX_SIDE_PX or len(rgba) != width_px * height_px * 4:
        raise ValueError(f"{width_px} x {height_px} px in {len(rgba)} bytes")
    light, yellow_blue, red_green, opacity = _channels(width_px, height_px, rgba)
    has_alpha = min(rgba[3::4]) < 255  # noqa: PLR2004
    most = _WAVES_WITH_ALPHA if has_alpha else _WAVES_OPAQUE
    across = max(1, round(most * width_px / max(width_px, height_px)))
    down = max(1, round(most * height_px / max(width_px, height_px)))
    lightness = _waves(light, max(3, across), max(3, down))
    p, q = (_waves(channel, _COLOUR_WAVES, _COLOUR_WAVES) for channel in (yellow_blue, red_green))

    is_landscape = width_px > height_px
    head = (
        round(63 * lightness.mean)
        | round(31.5 + 31.5 * p.mean) << 6
        | round(31.5 + 31.5 * q.mean) << 12
        | round(31 * lightness.scale) << 18
        | has_alpha << 23
        | (down if is_landscape else across) << 24
        | round(63 * p.scale) << 27
        | round(63 * q.scale) << 33
        | is_landscape << 39
    ).to_bytes(5, "little")
    nibbles = lightness.nibbles() + p.nibbles() + q.nibbles()
    if has_alpha:
        alpha = _waves(opacity, _ALPHA_WAVES, _ALPHA_WAVES)
        head += bytes([round(15 * alpha.mean) | round(15 * alpha.scale) << 4])
        nibbles += alpha.nibbles()
    nibbles += [0] * (len(nibbles) % 2)
    return head + bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _channels(width_px: int, height_px: int, rgba: bytes) -> list[Channel]:
    """Lightness, yellow-blue, red-green and opacity, 0 to 1; what is see-through takes the picture's mean colour."""
    opacity = [alpha / 255 for alpha in rgba[3::4]]
    solid = sum(opacity)
    colours = []
    for samples in (rgba[0::4], rgba[1::4], rgba[2::4]):
        mean = sum(map(mul, samples, opacity)) / 255 / solid if solid else 0.0
        colours.append(
            [mean * (1 - a) + a * sample / 255 for sample, a in zip(samples, opacity, strict=True)]
        )
    red, green, blue = colours
    flat = [
        [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)],
        [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)],
        [r - g for r, g in zip(red, green, strict=True)],
        opacity,
    ]
    return [[line[y * width_px : (y + 1) * width_px] for y in range(height_px)] for line in flat]


def _waves(channel: Channel, across: int, down: int) -> _Waves:
    """The lower triangle of a cosine transform, rows first."""
    height_px, width_px = len(channel), len(channel[0])
    in_rows = [[sum(map(mul, row, _wave(width_px, x))) for row in channel] for x in range(across)]
    coefficients = [
        sum(map(mul, in_rows[x], _wave(height_px, y))) / (width_px * height_px)
        for y in range(down)
        for x in range(across)
        if x * down < across * (down - y)
    ]
    mean, *others = coefficients
    return _Waves(mean, others, max((abs(wave) for wave in others), default=0.0))


@lru_cache(maxsize=512)
def _wave(length: int, number: int) -> list[float]:
    return [cos(pi / length * number * (at + 0.5)) for at in range(length)]
