"""`manage.py upload FOLDER --gallery ID`: the terminal uploader beside the site's own data, without its web process.

It is the same program: what it asks of the site is answered by the site's own application in this process.
"""

import argparse
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from accounts.models import ApiToken, User, digest_of, issue_token
from client.cli import add_arguments, options_from, trouble_in
from client.command import run
from client.galleries import id_in
from galleries.models import Gallery


class Command(BaseCommand):
    help = "Sends photos to a gallery, as its owner or as --user. The same command goes on where the last one stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)
        parser.add_argument("--user", default="", help="whose gallery it is, where it is named by its title")

    def handle(self, *_: Any, **options: Any) -> None:
        given = argparse.Namespace(**options)
        if trouble := trouble_in(given):
            raise CommandError(trouble)
        user = sender_of(given.gallery, given.user)
        token = issue_token(user)
        try:
            how = run(options_from(given, settings.SITE_URL), token, own_application())
        finally:
            ApiToken.objects.filter(digest=digest_of(token)).delete()
        if how:
            raise SystemExit(int(how))


def sender_of(gallery: str, username: str) -> User:
    """Raises: CommandError."""
    if username:
        user = User.objects.filter(username=username, is_active=True).first()
    else:
        gallery_id = id_in(gallery)
        if not gallery_id:
            raise CommandError("Name the gallery by its id, or say by --user whose it is.")
        found = Gallery.objects.filter(pk=gallery_id).select_related("owner").first()
        user = found.owner if found else None
    if user is None:
        raise CommandError("There is no such user or gallery.")
    return user


def own_application() -> httpx.ASGITransport:
    """A fault in it is a 500 as anywhere else, and is tried again."""
    return httpx.ASGITransport(import_string(settings.ASGI_APPLICATION), raise_app_exceptions=False)
