"""Gives the bucket the rules that uploads need, or says which of them is wrong."""

from argparse import ArgumentParser
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from galleries.errors import GalleryError
from galleries.objects.base import store_named

# What sets up each class of store: create_bucket, set_rules and check_rules.
SETUPS: Final = {"GcsStore": "uploads.lanes.gcs_setup", "S3Store": "uploads.lanes.s3_setup"}


class Command(BaseCommand):
    help = "Sets CORS, and on S3 the 7-day rule for unfinished uploads, on the photo bucket, and reads them back."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--create", action="store_true", help="make the bucket first, if it is missing")
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a rule is wrong")
        parser.add_argument("--store", default=settings.PHOTO_STORE, help="an alias of STORAGES")

    def handle(self, *, create: bool, check: bool, store: str, **_: Any) -> None:
        photo_store: Any = store_named(store)
        module = SETUPS.get(type(photo_store).__name__)
        if module is None:
            self.stdout.write(f"{store}: has no bucket, nothing to set up")
            return
        origins = list(dict.fromkeys([settings.SITE_URL, *settings.CSRF_TRUSTED_ORIGINS]))
        try:
            findings = set_up(import_module(module), photo_store.bucket, origins, create=create, check=check)
        except GalleryError as error:
            raise CommandError(f"the bucket of {store} can't be asked: {error.code}") from error
        for finding in findings:
            self.stdout.write(": ".join(filter(None, [finding.subject, finding.verdict, finding.why])))
        if any(finding.verdict == "wrong" for finding in findings):
            raise CommandError(f"the bucket of {store} is not set up")


def set_up(setup: Any, bucket: Any, origins: list[str], *, create: bool, check: bool) -> list[Any]:
    if create and not check:
        setup.create_bucket(bucket)
    if not check:
        setup.set_rules(bucket, origins)
    findings: list[Any] = setup.check_rules(bucket, origins)
    return findings
