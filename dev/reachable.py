"""Part of `make check`: no refusal that nothing raises, no move that nothing makes, no state that nothing leads to."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Final

from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCT: Final = ("accounts", "config", "galleries", "uploads")
# The row is born in it; it needs no move.
FIRST_STATE: Final = "REGISTERED"


def main() -> int:
    complaints = [*unraised_refusals(), *unmade_moves(), *unreached_states()]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def sources() -> Iterator[tuple[str, ast.Module]]:
    for app in PRODUCT:
        for file in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in file.parts:
                yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def unraised_refusals() -> Iterator[str]:
    """A class with a code must be named outside its own definition: raised, returned or handed on."""
    defined, used = {}, set()
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and name.endswith("/errors.py") and code_of(node):
                defined[node.name] = code_of(node)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                used.add(node.func.id)
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
                used.add(node.exc.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr == "code":
                used.add(node.value.id)
            elif isinstance(node, ast.Dict):  # a table from words to refusals
                used |= {value.id for value in node.values if isinstance(value, ast.Name)}
    return (f"nothing raises {name} ({code})" for name, code in defined.items() if name not in used)


def code_of(node: ast.ClassDef) -> str:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Tuple):
            names = [each.id for each in statement.targets[0].elts if isinstance(each, ast.Name)]
            if "code" in names and isinstance(statement.value, ast.Tuple):
                value = statement.value.elts[names.index("code")]
                return str(value.value) if isinstance(value, ast.Constant) else ""
    return ""


def unmade_moves() -> Iterator[str]:
    """Every event of the table is given to a move somewhere outside it."""
    made = {
        node.attr
        for name, tree in sources()
        if name != "uploads/states.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }
    return (f"nothing makes the move {event}" for event in members_of("Event") if event not in made)


def unreached_states() -> Iterator[str]:
    """Every state but the first is where some move leads; every state has a move that starts from it."""
    tree = dict(sources())["uploads/states.py"]
    targets, starts = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "move":
            targets |= {each.value.attr for each in node.keywords if isinstance(each.value, ast.Attribute)}
            starts |= {each.attr for each in node.args if isinstance(each, ast.Attribute)}
    for state in members_of("State"):
        if state not in targets | {FIRST_STATE}:
            yield f"no move leads to {state}"
        if state not in starts:
            yield f"no move leads out of {state}"


def members_of(enum: str) -> list[str]:
    tree = dict(sources())["uploads/states.py"]
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == enum)
    return [
        each.targets[0].id
        for each in found.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    ]


if __name__ == "__main__":
    sys.exit(main())
