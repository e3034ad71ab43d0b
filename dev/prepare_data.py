"""Brings database, static files and first user up to date: one Django start for all three."""

from __future__ import annotations

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    call_command("ensure_demo_user")


if __name__ == "__main__":
    main()
