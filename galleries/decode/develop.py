"""In the child: from an opened photo to its renditions. It is decoded once; each size is made from the larger."""

from dataclasses import dataclass
from typing import Any, Final

import pyvips

from galleries.decode.codes import says_cut_short
from galleries.decode.loaders import Negative, has_profile, open_negative
from galleries.decode.thumbhash import thumbhash
from galleries.renditions import GRID, VIEW, Recipe

THUMBHASH_SIDE_PX: Final = 32  # it keeps 7 waves a side; more pixels only cost time

_WHITE: Final = 255


@dataclass(frozen=True)
class Print:
    negative: Negative
    thumbhash: bytes
    pictures: list[bytes]  # in the order of RECIPES
    warnings: list[str]


def develop(descriptor: int, media_type: str) -> Print:
    """Raises: Refused; pyvips.Error or MemoryError, which mean the file."""
    negative = open_negative(descriptor, media_type)
    warnings = list(negative.warnings)
    view = _view(negative, warnings)
    grid = view.thumbnail_image(GRID.longest_side_px, height=GRID.longest_side_px, size="down").copy_memory()
    return Print(
        negative=negative,
        thumbhash=_thumbhash(grid),
        pictures=[_jpeg(view, VIEW), _webp(grid, GRID)],
        warnings=warnings,
    )


def _view(negative: Negative, warnings: list[str]) -> pyvips.Image:
    """Raises: pyvips.Error."""
    try:
        return _upright_srgb(negative.image, warnings)
    except pyvips.Error as error:
        if negative.forgiving is None or says_cut_short(str(error.detail)):
            raise
    warnings.append("flawed_data")
    return _upright_srgb(negative.forgiving(), warnings)


def _upright_srgb(image: pyvips.Image, warnings: list[str]) -> pyvips.Image:
    """At most 1600 px a side, in memory, 8 bits, one or three bands and perhaps alpha, turned as it was taken."""
    if (
        image.interpretation == "cmyk"
    ):  # inks have no colour of their own: libvips' profile for print stands in
        small = _fit(image, input_profile="cmyk", output_profile="srgb", intent="relative")
    else:
        small = _from_profile(_fit(image), warnings)
    if small.interpretation not in {"srgb", "b-w"}:
        small = small.colourspace("srgb")
    return small if small.format == "uchar" else small.cast("uchar")


def _fit(image: pyvips.Image, **options: Any) -> pyvips.Image:
    side_px = VIEW.longest_side_px
    return image.thumbnail_image(side_px, height=side_px, size="down", **options).copy_memory()


def _from_profile(small: pyvips.Image, warnings: list[str]) -> pyvips.Image:
    """The profile is applied after shrinking: to 2 megapixels instead of 24."""
    if not has_profile(small):
        return small
    try:
        return small.icc_transform(
            "srgb", embedded=True, intent="relative", black_point_compensation=True
        ).copy_memory()
    except pyvips.Error:
        warnings.append("color_profile_ignored")
        return small


def _thumbhash(grid: pyvips.Image) -> bytes:
    tiny = grid.thumbnail_image(THUMBHASH_SIDE_PX, height=THUMBHASH_SIDE_PX, size="down").colourspace("srgb")
    if not tiny.hasalpha():
        tiny = tiny.bandjoin(_WHITE)
    return thumbhash(tiny.width, tiny.height, bytes(tiny.write_to_memory()))


def _jpeg(picture: pyvips.Image, recipe: Recipe) -> bytes:
    if picture.hasalpha():
        picture = picture.flatten(background=_WHITE)
    return bytes(picture.jpegsave_buffer(Q=recipe.quality, keep="none"))


def _webp(picture: pyvips.Image, recipe: Recipe) -> bytes:
    return bytes(picture.webpsave_buffer(Q=recipe.quality, keep="none"))


def warm_up() -> None:
    """Loads what every photo needs while there are no walls; turns off what would remember one for the next."""
    pyvips.block_untrusted_set(state=True)
    pyvips.cache_set_max(0)
    white = pyvips.Image.black(64, 64, bands=3) + _WHITE
    jpeg = _jpeg(white.cast("uchar").copy(interpretation="srgb"), VIEW)
    _webp(pyvips.Image.jpegload_buffer(jpeg).thumbnail_image(16), GRID)
