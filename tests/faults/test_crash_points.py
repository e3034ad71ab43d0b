"""A process killed at any point of the way: whoever comes next picks it up, nothing is lost, nothing is twice."""

from __future__ import annotations

import re
from itertools import count

import pytest
from django.core.exceptions import ImproperlyConfigured

from dev.places import ROOT
from tests.builders import jpeg
from tests.faults.small_product import SOUND, File
from uploads import crash_points

IN_SWEEPS = [point for point in crash_points.POINTS if point.startswith("sweep.")]
# What workers do besides has tests of its own.
BESIDES = ("sweep.", "regenerate.", "mail.")
ON_THE_WAY = [point for point in crash_points.POINTS if not point.startswith(BESIDES)]
numbers = count(1)


def some_files() -> list[File]:
    number = next(numbers)
    return [
        File(f"put-{number}", jpeg(3 * number)),
        File(f"parts-{number}", jpeg(3 * number + 1), lane="multipart"),
        File(f"session-{number}", jpeg(3 * number + 2), lane="resumable"),
    ]


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.parametrize("point", ON_THE_WAY)
def test_a_process_killed_there_costs_nothing(small_product, inspector, point) -> None:
    gallery = small_product.make_gallery()
    small_product.arm(point)

    gallery.send(some_files())
    gallery.wait_until_done()

    assert small_product.has_struck(point)
    gallery.assert_nothing_lost_or_doubled()
    assert inspector.look() == SOUND


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.parametrize("point", IN_SWEEPS)
def test_a_sweeper_killed_there_is_followed_by_one_that_ends_its_work(
    small_product, inspector, point
) -> None:
    gallery = small_product.make_gallery()
    kept, cancelled = some_files(), some_files()
    gallery.send(kept)
    gallery.wait_until_done()
    ids = [row["id"] for row in gallery.register(cancelled)]
    small_product.call("POST", "/uploads/sign", {"uploads": [{"id": each} for each in ids]})
    small_product.call("POST", "/uploads/cancel", {"ids": ids})
    deleted = gallery.photos()[0]["id"]
    small_product.call("POST", "/photos/delete", {"ids": [deleted]})
    small_product.arm(point)

    assert inspector.look() is None

    assert small_product.has_struck(point)
    assert inspector.look() == SOUND
    assert [photo["id"] for photo in gallery.photos() if photo["id"] == deleted] == []
    assert len(gallery.photos()) == len(kept) - 1


def test_every_point_is_passed_somewhere_and_every_point_passed_is_known() -> None:
    passed = set()
    for file in (ROOT / "uploads").rglob("*.py"):
        passed |= {*re.findall(r'crash_points\.reached\(f?"([^"]+)"\)', file.read_text())}
    by_rendition = {"verify.after_view", "verify.after_grid"}

    assert passed - {"verify.after_{made.name}"} | by_rendition == {*crash_points.POINTS}


@pytest.mark.parametrize("word", ["verify.nowhere", "batch"])
def test_an_unknown_point_is_refused(word) -> None:
    with pytest.raises(ImproperlyConfigured, match="no crash point"):
        crash_points.armed_with(word)


@pytest.mark.parametrize(
    "site", ["https://photos.example.com", "http://192.0.2.7", "https://localhost.example"]
)
def test_a_site_that_others_reach_refuses_to_be_armed(settings, site) -> None:
    settings.SITE_URL = site

    assert crash_points.armed_with("") == ""
    with pytest.raises(ImproperlyConfigured, match="for tests"):
        crash_points.armed_with("verify.mid_read")


def test_a_named_point_ends_whoever_comes_by_and_no_other(monkeypatch) -> None:
    deaths: list[int] = []
    monkeypatch.setattr(crash_points, "die", lambda: deaths.append(1))

    crash_points.reached("verify.mid_read")
    monkeypatch.setattr(crash_points, "ARMED", "verify.mid_read")
    for point in crash_points.POINTS:
        crash_points.reached(point)

    assert deaths == [1]
