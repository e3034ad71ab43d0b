"""The state of a gallery, from one table."""

import re
from itertools import product
from pathlib import Path

import pytest

from galleries.states import TABLE, GalleryState, gallery_state

PAGE = (Path(__file__).parents[2] / "docs" / "states.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Gallery")[2].partition("\n## ")[0]
WORDS = (
    "registered",
    "signed",
    "uploading",
    "uploaded",
    "verifying",
    "verified",
    "failed",
    "cancelled",
    "expired",
)


@pytest.mark.parametrize(
    ("files", "photos", "state"),
    [
        ({}, 0, "empty"),
        ({}, 1, "ready"),
        ({"verified": 3}, 3, "ready"),
        ({"registered": 1, "failed": 2, "verifying": 4}, 9, "receiving"),
        ({"uploading": 1}, 0, "receiving"),
        ({"signed": 1}, 0, "receiving"),
        ({"uploaded": 1, "failed": 1}, 5, "processing"),
        ({"verifying": 1}, 5, "processing"),
        ({"failed": 1, "verified": 9}, 9, "attention"),
        ({"failed": 0}, 2, "ready"),
        ({"cancelled": 3, "expired": 1}, 0, "empty"),
    ],
)
def test_a_gallery_is_in_the_first_state_that_holds(files, photos, state):
    assert gallery_state(files, photos) == state


def test_every_mixture_has_a_state():
    for counts in product((0, 1), repeat=len(WORDS)):
        assert gallery_state(dict(zip(WORDS, counts, strict=True)), 0) in set(GalleryState)


def test_the_page_lists_the_states_in_the_order_of_the_table():
    shown = re.findall(r"^\| `(\w+)` \|", SECTION, re.MULTILINE)

    assert shown == [state.value for state, _ in TABLE]


@pytest.mark.parametrize("state", ["receiving", "processing", "attention"])
def test_the_page_names_the_files_that_decide(state):
    line = next(line for line in SECTION.splitlines() if line.startswith(f"| `{state}` |"))
    named = set(re.findall(r"`(\w+)`", line)) - {state}

    assert named == {word for word in WORDS if gallery_state({word: 1}, 0) == state}
