import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts.models import User

DEMO_USERNAME = "demo"


class Command(BaseCommand):
    help = "Makes the first user (demo). DEMO_PASSWORD wins; else one is drawn once and kept in DATA_DIR."

    def handle(self, *_args: Any, **_options: Any) -> None:
        password = os.environ.get("DEMO_PASSWORD") or kept_password(settings.DATA_DIR / "demo_password")
        user = User.objects.filter(username=DEMO_USERNAME).first()
        if user is None:
            user = User.objects.create_user(DEMO_USERNAME, "demo@example.com", password)
            user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_staff", "is_superuser"])
        elif not user.check_password(password) and os.environ.get("DEMO_PASSWORD"):
            user.set_password(password)
            user.save(update_fields=["password"])


def kept_password(file: Path) -> str:
    """Safe to call twice: the second call reads what the first wrote. Written aside, so that it is never half there."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(9))
        aside.replace(file)
    return file.read_text().strip()
