from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User, issue_token


class Command(BaseCommand):
    help = "Prints a new bearer token of a user, and nothing else. It can't be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {options['username']!r}.")
        self.stdout.write(issue_token(user))
