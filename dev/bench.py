"""`make bench`: every script of benchmarks/, one after the other; each prints its own table.

`dev/python -m dev.bench NAME…` runs those alone.
"""

from __future__ import annotations

import sys

from dev import setup
from dev.check import tool
from dev.places import ROOT
from dev.refusal import Refusal, run_or_refuse
from dev.steps import Step, run_all


def main() -> int:
    known = sorted(file.stem for file in (ROOT / "benchmarks").glob("[!_]*.py"))
    chosen = sys.argv[1:] or known
    if unknown := [name for name in chosen if name not in known]:
        raise Refusal(f"there is no benchmark {unknown[0]}; there are {', '.join(known)}.")
    if not chosen:
        raise Refusal("benchmarks/ is empty.")
    setup.ready_to_test()
    return run_all([Step(name, (tool("python"), "-m", f"benchmarks.{name}")) for name in chosen])


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
