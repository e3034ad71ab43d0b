"""`gallery-upload FOLDER --to URL --gallery TITLE`: the words of the program."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from .choosing import Filters
from .command import PIPE, Options, run
from .outcome import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_VARIABLE: Final = "GALLERY_UPLOAD_TOKEN"  # noqa: S105 - the name of a variable
EXITS: Final = """\
exit codes: 0 all there, 1 some files failed, 2 wrong words, 3 refused by the site, 4 unreachable,
5 the same command is running, 130 paused, 141 nobody reads stdout. The same command goes on where the last one
stopped."""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("gallery-upload", description="Sends photos to a gallery.", epilog=EXITS)
    parser.add_argument("--to", required=True, metavar="URL", help="the site, as in the browser")
    parser.add_argument(
        "--token-file", type=Path, help=f"a file with the API token; else the variable {TOKEN_VARIABLE}"
    )
    add_arguments(parser)
    given = parser.parse_args(words)
    url = str(given.to).rstrip("/")
    if urlsplit(url).scheme not in {"http", "https"}:
        parser.error("--to must begin with http:// or https://")
    if trouble := trouble_in(given):
        parser.error(trouble)
    token = token_from(given.token_file)
    if not token:
        parser.error(f"no token: set {TOKEN_VARIABLE}, or give --token-file")
    return run(options_from(given, url), token)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words that every door has."""
    parser.add_argument("sources", nargs="+", metavar="FOLDER", help="folders, files or globs; - is stdin")
    parser.add_argument("--gallery", required=True, help="its id, or its title: made where there is none")
    parser.add_argument("--include", action="append", default=[], metavar="GLOB", help="only what fits")
    parser.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="but not what fits")
    parser.add_argument("--name", default="", help="the name of what comes from stdin, with its ending")
    parser.add_argument("--concurrency", type=int, default=6, help="bodies on their way at once (6)")
    parser.add_argument("--patience", type=float, default=600.0, metavar="SECONDS",
                        help="how long a site or store that does not answer is waited for (600)")  # fmt: skip
    parser.add_argument("--watch", action="store_true", help="go on with what is added, until Ctrl-C")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="an object a line on stdout, for programs")
    parser.add_argument("--receipt", type=Path, metavar="FILE", help="write what the site has, with SHA-256")
    parser.add_argument("--state", type=Path, metavar="FILE", help="where to remember what is under way")


def trouble_in(given: argparse.Namespace) -> str:
    """Of words that do not go together; empty where all is well."""
    if PIPE in given.sources and (len(given.sources) > 1 or given.watch or not given.name):
        return "stdin (-) goes alone, once, and with --name"
    return "" if given.concurrency > 0 else "--concurrency must be 1 or more"


def options_from(given: argparse.Namespace, url: str) -> Options:
    return Options(
        sources=tuple(given.sources),
        url=url,
        gallery=given.gallery,
        filters=Filters(tuple(given.include), tuple(given.exclude)),
        pipe_name=given.name,
        at_once=given.concurrency,
        patience_s=given.patience,
        state=given.state,
        receipt=given.receipt,
        is_watching=given.watch,
        is_dry=given.dry_run,
        as_json=given.json,
    )


def token_from(file: Path | None) -> str:
    """Never a word of the command: others on the machine can read those."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        return file.read_text().strip()
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(Exit.USAGE) from error
