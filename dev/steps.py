"""Runs named commands one after the other, all of them whatever happens, and tells how each ended."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Step:
    """A command with a name for people."""

    name: str
    command: Sequence[str | Path]
    env: Mapping[str, str] | None = None


def run_all(steps: Sequence[Step]) -> int:
    """0 when every step ended well, else 1."""
    outcomes = [(step.name, *_run(step)) for step in steps]
    width = max(len(name) for name, _code, _seconds in outcomes)
    print()
    for name, exit_code, seconds in outcomes:
        print(f"{name:<{width}}  {'ok' if exit_code == 0 else 'FAILED':<6}  {seconds:6.1f} s")
    sys.stdout.flush()
    return int(any(exit_code for _name, exit_code, _seconds in outcomes))


def _run(step: Step) -> tuple[int, float]:
    print(f"\n== {step.name}", flush=True)
    began = time.monotonic()
    try:
        exit_code = subprocess.run(step.command, cwd=ROOT, env=step.env, check=False).returncode
    except OSError as error:
        print(f"{step.command[0]}: {error.strerror}", flush=True)
        exit_code = 127
    return exit_code, time.monotonic() - began
