"""All tests in four runs: TypeScript, Python on SQLite, what uses a database on PostgreSQL, the browser.

The browser has a process of its own because Playwright's synchronous API keeps an event loop running in the
thread that uses it, where neither asyncio tests nor Django's ORM would work.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from dev import front_end
from dev.places import NODE_MODULES
from dev.refusal import run_or_refuse
from dev.services import chromium, postgres
from dev.steps import Step, run_all


def main() -> int:
    chromium.ensure(Path(sys.executable))
    node = front_end.ensure_node()
    pytest = (sys.executable, "-m", "pytest", "-q")
    with tempfile.TemporaryDirectory(prefix="safelight-") as folder:
        database = postgres.start(Path(folder))
        try:
            return run_all(
                (
                    Step(
                        "vitest",
                        (node.node, NODE_MODULES / "vitest" / "vitest.mjs", "run"),
                        node.environment(),
                    ),
                    Step("pytest on SQLite", (*pytest, "-m", "not browser")),
                    Step(
                        "pytest on PostgreSQL",
                        (*pytest, "-m", "not browser", "--only-database"),
                        {**os.environ, "DATABASE_URL": database.url},
                    ),
                    Step("pytest in Chromium", (*pytest, "-m", "browser")),
                )
            )
        finally:
            database.stop()


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
