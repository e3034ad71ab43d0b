"""`make check`: what tools can say about the code without running it. All run, whatever the others say."""

from __future__ import annotations

import os
import secrets
import sys
from typing import TYPE_CHECKING, Final

from dev import front_end, setup
from dev.places import NODE_MODULES, ROOT, VENV
from dev.refusal import run_or_refuse
from dev.steps import Step, run_all

if TYPE_CHECKING:
    from pathlib import Path


# Tests are read by people and run by pytest; their functions carry no types.
TYPED: Final = ("manage.py", "accounts", "config", "galleries", "uploads", "dev", "client", "benchmarks")

# Programs that show mails know no style sheets: what a mail looks like stands in its lines.
LINTED_TEMPLATES: Final = (
    *("--lint", "--quiet", "--profile", "django", "templates"),
    *("--per-file-ignores", "templates/mail/.*", "H021"),
)


def main() -> int:
    setup.ready_to_check()
    return run_all((*_python_steps(), *_browser_steps(), *_django_steps()))


def _python_steps() -> tuple[Step, ...]:
    return (
        Step("ruff check", (tool("ruff"), "check", ".")),
        Step("ruff format", (tool("ruff"), "format", "--check", ".")),
        Step("mypy", (tool("mypy"), *_typed())),
        Step("layers", (tool("lint-imports"),)),
        Step("dead code", (tool("vulture"),)),
        Step("reachable", (tool("python"), "-m", "dev.reachable")),
        Step("templates", (tool("djlint"), *LINTED_TEMPLATES)),
        Step("indentation", (tool("djhtml"), "--check", *sorted((ROOT / "templates").rglob("*.html")))),
    )


def _typed() -> list[str]:
    return [name for name in TYPED if (ROOT / name).is_file() or any((ROOT / name).rglob("*.py"))]


def _browser_steps() -> tuple[Step, ...]:
    node = front_end.ensure_node()
    return (
        Step("tsc", (node.node, NODE_MODULES / "typescript" / "bin" / "tsc", "--noEmit"), node.environment()),
        Step("biome", biome(node, "check"), node.environment()),
    )


def _django_steps() -> tuple[Step, ...]:
    python = tool("python")
    production = {
        **os.environ,
        "SITE_URL": "https://photos.example.com",
        "ALLOWED_HOSTS": "photos.example.com",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "DEBUG": "false",
    }
    return (
        Step("migrations", (python, "manage.py", "makemigrations", "--check", "--dry-run")),
        Step("deploy", (python, "manage.py", "check", "--deploy", "--fail-level", "WARNING"), production),
    )


def tool(name: str) -> Path:
    return VENV / "bin" / name


def biome(node: front_end.Node, *words: str) -> tuple[str | Path, ...]:
    return (node.node, NODE_MODULES / "@biomejs" / "biome" / "bin" / "biome", *words, ".")


if __name__ == "__main__":
    sys.exit(run_or_refuse(main))
