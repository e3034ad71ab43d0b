"""Packages of npm that are no part of the product: each set in a folder of its own below .build, at pinned versions."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from dev import front_end, installers, stamps
from dev.places import BUILD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLACES: Final = BUILD / "peers"
# A client of Google's resumable protocol that others have published: the local store must suit it as it is. It was
# compiled for a page that brings the run time of generators along.
RESUMABLE_CLIENT: Final = {
    "dependencies": {"gcs-browser-upload": "1.0.2", "regenerator-runtime": "0.14.1", "esbuild": "0.28.2"}
}


def installed(name: str, wanted: Mapping[str, object], *, doing: str) -> Path:
    """The folder with its node_modules. At once where it is there. `doing` is for people: "install …"."""
    place = PLACES / name
    place.mkdir(parents=True, exist_ok=True)
    manifest, stamp = place / "package.json", place / ".stamp"
    manifest.write_text(json.dumps({"name": f"{name}-peer", "private": True, **wanted}, indent=2))
    digest = stamps.digest_of([manifest])
    if stamps.is_current(stamp, digest):
        return place
    node = front_end.ensure_node()
    shutil.rmtree(place / "node_modules", ignore_errors=True)
    installers.run(
        [
            *node.npm,
            "install",
            "--prefix",
            place,
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
        ],
        name=f"npm-{name}",
        doing=doing,
        source="an npm registry",
        env=node.environment(),
    )
    stamps.write(stamp, digest)
    return place


def ensure_resumable_client() -> Path:
    """One script for any page; it leaves the client in `window.GcsUpload`."""
    place = installed("gcs-browser-upload", RESUMABLE_CLIENT, doing="install gcs-browser-upload to test with")
    entry, script = place / "page.js", place / "page.built.js"
    entry.write_text(
        'import "regenerator-runtime/runtime.js";\n'
        'import client from "gcs-browser-upload";\n'
        "window.GcsUpload = client.default ?? client;\n"
    )
    esbuild = place / "node_modules" / ".bin" / "esbuild"
    subprocess.run(
        [esbuild, entry, "--bundle", "--format=iife", "--log-level=error", f"--outfile={script}"],
        check=True,
        env=front_end.ensure_node().environment(),
    )
    return script
