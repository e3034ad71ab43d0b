"""All tests: TypeScript, Python on SQLite, what uses a database on PostgreSQL, the browser; then what needs quiet.

The browser has a run of its own because Playwright's synchronous API keeps an event loop running in the
thread that uses it, where neither asyncio tests nor Django's ORM would work.

Each run has two processes, with servers, folders and ports of their own. A test marked `alone` has the machine to
itself at the end: what it measures is the product's time, not its neighbour's.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from dev import front_end
from dev.places import NODE_MODULES
from dev.refusal import run_or_refuse
from dev.services import chromium, postgres
from dev.steps import Step, run_all

# As many as the smallest machine has cores. Who has nothing left to do takes tests from the other.
TWO_PROCESSES: Final = ("-n", "2", "--dist", "worksteal")
# The tests of a file share a site, which takes longer to start than most of them.
TWO_PROCESSES_BY_FILE: Final = ("-n", "2", "--dist", "loadfile")


def main() -> int:
    chromium.ensure(Path(sys.executable))
    node = front_end.ensure_node()
    pytest = (sys.executable, "-m", "pytest", "-q")
    with tempfile.TemporaryDirectory(prefix="safelight-") as folder:
        database = postgres.start(Path(folder))
        try:
            on_postgres = {**os.environ, "DATABASE_URL": database.url}
            together = (*pytest, "-m", "not browser and not alone", *TWO_PROCESSES)
            alone = (*pytest, "-m", "alone")
            return run_all(
                (
                    Step(
                        "vitest",
                        (node.node, NODE_MODULES / "vitest" / "vitest.mjs", "run"),
                        node.environment(),
                    ),
                    Step("pytest on SQLite", together),
                    Step("pytest on PostgreSQL", (*together, "--only-database"), on_postgres),
                    Step(
                        "pytest in Chromium",
                        (*pytest, "-m", "browser and not alone", *TWO_PROCESSES_BY_FILE),
                    ),
                    Step("pytest alone on PostgreSQL", (*alone, "--only-database"), on_postgres),
                    Step("pytest alone", alone),
                )
            )
        finally:
            database.stop()


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
