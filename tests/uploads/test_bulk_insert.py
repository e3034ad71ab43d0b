"""Many rows written by one statement."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.builders import make_upload
from uploads.bulk_insert import update
from uploads.models import Upload

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_each_row_gets_its_own_values_by_one_statement(gallery):
    one, other, left_alone = make_upload(gallery), make_upload(gallery), make_upload(gallery)
    one.crc32, other.crc32, left_alone.crc32 = "0000000a", "0000000b", "0000000c"
    one.part_crcs, one.url_expires_at, one.is_wanted_copy = {"1": "0000000d"}, NOON, True
    other.url_expires_at = None
    one.name = "not asked for"

    with CaptureQueriesContext(connection) as asked:
        update([one, other], ["crc32", "part_crcs", "url_expires_at", "is_wanted_copy"])

    assert len(asked) == 1
    written = [Upload.objects.get(pk=each.pk) for each in (one, other, left_alone)]
    assert [each.crc32 for each in written] == ["0000000a", "0000000b", ""]
    assert [each.part_crcs for each in written] == [{"1": "0000000d"}, {}, {}]
    assert [each.url_expires_at for each in written][:2] == [NOON, None]
    assert [each.is_wanted_copy for each in written] == [True, False, False]
    assert written[0].name != "not asked for"
