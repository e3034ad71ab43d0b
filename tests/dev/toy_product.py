"""Programs under the real supervisor, for its tests: python -m tests.dev.toy_product FOLDER JSON.

JSON is a list of [name, command, seconds to stop]. It says "up" once all have been started; with UNREADY
set it goes on waiting for a start that never comes, with READY_AFTER for so many seconds.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from dev.console import Console
from dev.refusal import run_or_refuse
from dev.supervisor import Program, StopRequested, Supervisor


def main() -> int:
    console = Console(sys.stdout.fileno())
    supervisor = Supervisor(console, os.environ, Path(sys.argv[1]) / "pids")
    programs = [Program(*described) for described in json.loads(sys.argv[2])]
    try:
        for program in programs:
            supervisor.keep(program)
        if patience_s := os.environ.get("READY_AFTER"):
            supervisor.wait_until(lambda: False, within_s=float(patience_s))
        console.say("up")
        if "UNREADY" in os.environ:
            supervisor.wait_until(lambda: False)
        supervisor.run_for_ever()
    except StopRequested:
        return 0
    finally:
        supervisor.stop(*((program.name,) for program in reversed(programs)))


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
