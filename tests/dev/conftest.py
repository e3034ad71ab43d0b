from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOOLS_OF_EVERY_MACHINE = ("sh", "dirname", "env", "cat", "uname")


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until something is so, and fails when it never is."""

    def wait(is_so: Callable[[], object], *, within_s: float = 15) -> None:
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, "it never came about"
            time.sleep(0.01)

    return wait


@pytest.fixture
def bare_path(tmp_path) -> Path:
    """A PATH with a shell and little else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS_OF_EVERY_MACHINE:
        (folder / name).symlink_to(shutil.which(name))
    return folder


@pytest.fixture
def program(bare_path) -> Callable[[str, str], Path]:
    """Puts a shell script on the bare PATH."""

    def make(name: str, script: str) -> Path:
        file = bare_path / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    return make


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A fresh copy of what the commands are made of: no environment, no packages, nothing built."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "dev", copy / "dev", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "requirements-dev.txt", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def nowhere(tmp_path, bare_path) -> dict[str, str]:
    """The environment of a machine whose package indexes do not answer."""
    return {
        "PATH": str(bare_path),
        "HOME": str(tmp_path / "home"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
        "PIP_RETRIES": "1",
        "npm_config_registry": "http://127.0.0.1:1/",
        "npm_config_cache": str(tmp_path / "npm-cache"),
        "npm_config_fetch_retries": "0",
    }


@pytest.fixture
def run(checkout) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in the fresh copy, to its end."""

    def run_there(*command: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=checkout, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    return run_there
