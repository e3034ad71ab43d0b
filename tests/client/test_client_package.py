"""What makes it installable by itself: whatever it imports is its own, or declared."""

import argparse
import ast
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from client.cli import EXITS, add_arguments
from client.outcome import Exit
from client.stream import events
from dev.places import ROOT

CLIENT = ROOT / "client"
SOURCES = sorted(CLIENT.rglob("*.py"))
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())
PAGE = (ROOT / "docs" / "client.md").read_text()


def absolute_imports(source) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: str(each.relative_to(CLIENT)))
def test_it_goes_by_any_name_and_needs_what_it_says(source):
    declared = {each.partition(">")[0] for each in PROJECT["project"]["dependencies"]}
    installed = packages_distributions()

    for name in absolute_imports(source) - sys.stdlib_module_names:
        assert set(installed[name]) & declared, f"{source.name} imports {name}"


def test_every_folder_of_it_is_packed():
    packages = {
        f"gallery_upload.{folder.name}" for folder in CLIENT.iterdir() if (folder / "__init__.py").exists()
    }

    assert {"gallery_upload", *packages} == set(PROJECT["tool"]["setuptools"]["packages"])


def test_the_page_names_every_word_event_and_exit():
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    words = {word for action in parser._actions for word in action.option_strings}

    assert {word for word in words if word not in PAGE} == set()
    assert all(f"| {int(each)} |" in PAGE for each in Exit)
    assert all(str(int(each)) in EXITS for each in Exit)
    assert all(event.__name__ in PAGE for event in events.Event.__args__)
