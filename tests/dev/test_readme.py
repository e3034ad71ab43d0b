"""What the README promises about commands is so."""

from __future__ import annotations

import re

import pytest

from dev.places import ROOT

README = (ROOT / "README.md").read_text()
PAGES = {"README.md": README, "docs/operations.md": (ROOT / "docs" / "operations.md").read_text()}


def test_every_benchmark_is_named() -> None:
    (row,) = [line for line in README.splitlines() if "dev.bench NAME" in line]
    benchmarks = sorted(file.stem for file in (ROOT / "benchmarks").glob("[!_]*.py"))

    assert re.findall(r"`(\w+)`", row) == benchmarks


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_django_are_given_with_the_python_that_can_run_them(page) -> None:
    bare = re.findall(r"`manage\.py \w+[^`]*`", PAGES[page])

    assert bare == []


def test_every_target_of_make_that_is_named_is_there() -> None:
    named = set(re.findall(r"(?:`|^)make (\w+)", README, re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert named
    assert named <= targets
