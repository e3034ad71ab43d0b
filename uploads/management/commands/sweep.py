"""`manage.py sweep [--dry-run] [--only STEP]`: what the sweeper does, now and to the end of every listing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from uploads import sweep
from uploads.janitor.deed import Deed


class Command(BaseCommand):
    help = "Sweeps once, with all listings. Safe beside the sweeper that runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
        parser.add_argument(
            "--only", choices=[*sweep.STEPS], action="append", default=[], help="a step alone"
        )

    def handle(self, *, dry_run: bool, only: list[str], **_: Any) -> None:
        if dry_run:
            for deed in sweep.rehearse(*only):
                self.say(deed)
            return
        try:
            self.sweep(only)
        except ExceptionGroup as failed:
            raise CommandError(
                "; ".join(str(error) or repr(error) for error in failed.exceptions)
            ) from failed

    def sweep(self, only: list[str]) -> None:
        if not only:
            sweep.sweep_everything()
        for name in only:
            sweep.only(name)

    def say(self, deed: Deed) -> None:
        for subject in deed.subjects:
            self.stdout.write(f"{deed.verb} {subject}")
