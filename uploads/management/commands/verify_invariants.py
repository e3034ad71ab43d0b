"""`manage.py verify_invariants [--json]`: 0 all hold, 1 one is broken, 2 a store did not answer."""

import json
import sys
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from uploads.ops.breach import Report
from uploads.ops.invariants import verify_invariants

BROKEN: Final = 1
NOT_ALL_KNOWN: Final = 2


class Command(BaseCommand):
    help = "Checks on the live system what must always hold: rows, histories, stores. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the report as one JSON object")
        parser.add_argument(
            "--rows-only", action="store_true", help="ask no store: seconds, also for millions"
        )
        parser.add_argument(
            "--read-bytes",
            action="store_true",
            help="read every original and take its checksum: hours for a large store",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        report = verify_invariants(stores=not options["rows_only"], read_bytes=options["read_bytes"])
        self.stdout.write(json.dumps(report.as_json(), indent=2) if options["json"] else in_words(report))
        if not report.is_whole:
            sys.exit(BROKEN)
        if report.unanswered:
            sys.exit(NOT_ALL_KNOWN)


def in_words(report: Report) -> str:
    body = report.as_json()
    lines = [f"The store {store} does not answer." for store in report.unanswered]
    broken: Any = body["broken"]
    for each in broken:
        lines.append(f"{each['invariant']} {each['rule']}: {each['means']} ({each['count']:,})")
        lines += [f"    {example}" for example in each["examples"]]
    return "\n".join(lines) or "Everything that must hold, holds."
