"""Gives the bucket the two rules that uploads need, or says which of them is wrong."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from galleries.objects.base import store_named
from galleries.objects.s3 import S3Store
from uploads.lanes.s3_setup import check_rules, create_bucket, set_rules


class Command(BaseCommand):
    help = "Sets CORS and the 7-day rule for unfinished uploads on the photo bucket, and reads them back."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--create", action="store_true", help="make the bucket first, if it is missing")
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a rule is wrong")
        parser.add_argument("--store", default=settings.PHOTO_STORE, help="an alias of STORAGES")

    def handle(self, *, create: bool, check: bool, store: str, **_: Any) -> None:
        photo_store = store_named(store)
        if not isinstance(photo_store, S3Store):
            self.stdout.write(f"{store}: has no bucket, nothing to set up")
            return
        origins = list(dict.fromkeys([settings.SITE_URL, *settings.CSRF_TRUSTED_ORIGINS]))
        if create and not check:
            create_bucket(photo_store.bucket)
        if not check:
            set_rules(photo_store.bucket, origins)
        findings = check_rules(photo_store.bucket, origins)
        for finding in findings:
            self.stdout.write(": ".join(filter(None, [finding.subject, finding.verdict, finding.why])))
        if any(finding.verdict == "wrong" for finding in findings):
            raise CommandError(f"the bucket of {store} is not set up")
