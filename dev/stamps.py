"""Remembers by content what a step was made from, so that the next start repeats and fetches nothing."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def digest_of(files: Iterable[Path], *words: str) -> str:
    """One hash of all names and contents below `files` (folders are walked) and of `words`."""
    whole = hashlib.sha256()
    for file in sorted(_files_in(files)):
        whole.update(f"{os.path.relpath(file, ROOT)}\0{file.stat().st_size}\0".encode())
        whole.update(file.read_bytes())
    whole.update("\0".join(words).encode())
    return whole.hexdigest()


def _files_in(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from (file for file in path.rglob("*") if file.is_file())
        elif path.is_file():
            yield path


def is_current(stamp: Path, digest: str) -> bool:
    return stamp.is_file() and stamp.read_text() == digest


def write(stamp: Path, digest: str) -> None:
    """Written last: a step that was interrupted has none and is done again."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)
