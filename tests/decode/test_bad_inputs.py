"""Whatever a stranger sends ends as a picture or with its code, in good time, and harms no other photo."""

import io
import time

import psutil
import pytest

from galleries.decode.developer import MIB, Developer
from galleries.errors import DecoderDied, GalleryError
from tests import bad_photos, pictures
from tests.bad_photos import ALL, NO_PHOTO, SHOWN
from uploads.sniff import SNIFF_BYTES, sniff

# On a machine that does much else; alone the slowest takes one second.
PATIENCE_S = 30
NEIGHBOUR = pictures.jpeg(pictures.compass(800, 600), exif=pictures.camera_exif(6))


def end_of(developer: Developer, photo: bytes) -> str:
    media_type = sniff(photo[:SNIFF_BYTES])
    if media_type is None:
        return NO_PHOTO
    try:
        developed = developer.develop(io.BytesIO(photo), media_type=media_type)
    except GalleryError as refusal:
        return refusal.code
    return SHOWN if developed.renditions else "nothing"


def renditions(developer: Developer, photo: bytes) -> list[bytes]:
    return [
        each.content.read()
        for each in developer.develop(io.BytesIO(photo), media_type="image/jpeg").renditions
    ]


@pytest.fixture(scope="module")
def neighbour(developer) -> list[bytes]:
    """What a good photo becomes when nothing bad came before it."""
    return renditions(developer, NEIGHBOUR)


@pytest.mark.parametrize("bad", ALL, ids=[each.name for each in ALL])
def test_a_bad_file_ends_as_it_should_and_harms_no_other(developer, neighbour, bad):
    photo = bad.make()
    began = time.monotonic()

    end = end_of(developer, photo)

    assert end == bad.ends
    assert time.monotonic() - began < PATIENCE_S
    assert renditions(developer, NEIGHBOUR) == neighbour


def test_no_bad_file_kills_its_child_by_a_signal():
    """Such an end counts as nobody's fault and is tried again: it would hold up the queue three times."""
    assert DecoderDied.code not in {each.ends for each in ALL}


def test_a_header_is_refused_at_once_and_costs_no_memory(developer):
    renditions(developer, NEIGHBOUR)
    child = psutil.Process(developer.pid)
    before = child.memory_info().rss
    bomb = bad_photos.png_bomb(20_000, 20_000, bits=8, colour=6, bands=4)
    assert len(bomb) < 2 * MIB

    assert end_of(developer, bomb) == bad_photos.TOO_MANY

    renditions(developer, NEIGHBOUR)
    assert psutil.Process(developer.pid).memory_info().rss < before + 100 * MIB
