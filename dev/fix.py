"""`make fix`: formats everything, and mends what the linters can mend themselves."""

from __future__ import annotations

import sys

from dev import front_end, setup
from dev.check import biome, tool
from dev.places import ROOT
from dev.refusal import run_or_refuse
from dev.steps import Step, run_all


def main() -> int:
    setup.ready_to_check()
    node = front_end.ensure_node()
    return run_all(
        (
            Step("ruff check", (tool("ruff"), "check", "--fix", ".")),
            Step("ruff format", (tool("ruff"), "format", ".")),
            Step("djhtml", (tool("djhtml"), *sorted((ROOT / "templates").rglob("*.html")))),
            Step("biome", biome(node, "check", "--write"), node.environment()),
        )
    )


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
