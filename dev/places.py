"""Where things lie in a checkout. Everything made here is ignored by git and may be deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
VENV: Final = ROOT / ".venv"
SWIFT_VENV: Final = ROOT / ".venv-swift"
BUILD: Final = ROOT / ".build"
NODE_MODULES: Final = ROOT / "node_modules"
DIST: Final = ROOT / "static" / "dist"
