"""`manage.py regenerate [--dry-run]`: says how many photos are stale, and has them developed again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import pluralize

from uploads import announce, regenerate, sweep
from uploads.models import Regeneration


class Command(BaseCommand):
    help = "Photos made by older recipes are developed again by idle workers. The sweeper plans them by itself, too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")

    def handle(self, *, dry_run: bool, **_: Any) -> None:
        count = regenerate.stale_photos().count()
        failed_count = Regeneration.objects.exclude(error_code="").count()
        self.stdout.write(
            f"{count} photo{pluralize(count)} made by older recipes, {failed_count} of them can't be made anew"
        )
        if not dry_run:
            while regenerate.unplanned_photos().exists():
                sweep.only("regenerations")
            announce.quietly(announce.ring)
