"""Where benchmarks keep things while they run, and real servers with an end."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dev import python_packages
from dev.services import postgres, site, swift

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dev.services.postgres import PostgresServer
    from dev.services.site import Site
    from dev.services.swift import SwiftServer


@contextmanager
def folder() -> Iterator[Path]:
    """Short, since sockets lie in it; gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="sl-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running_swift(path: Path) -> Iterator[SwiftServer]:
    server = swift.start(path / "swift", python_packages.ensure_swift())
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_postgres(path: Path) -> Iterator[PostgresServer]:
    server = postgres.start(path / "postgres")
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_site(path: Path, environment: Mapping[str, str] | None = None) -> Iterator[Site]:
    """The product as `make run` starts it; without an environment on SQLite and the local disk."""
    started = site.start(path, store=environment)
    try:
        yield started
    finally:
        started.stop()
