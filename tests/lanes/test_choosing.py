"""Which lane a file takes, and when a copy must be bound out of reach of its URLs."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from uploads.errors import LaneUnsupported
from uploads.lanes import gcs, s3
from uploads.lanes.base import Capabilities, UploadLanes, choose_lane, lanes_of
from uploads.lanes.local import LocalLanes
from uploads.limits import PREFERRED_PART_BYTES

STORAGE_DOC = Path(__file__).parents[2] / "docs" / "storage.md"


@pytest.mark.parametrize(("more_bytes", "lane"), [(-1, "put"), (0, "put"), (1, "multipart")])
def test_a_file_of_one_part_is_put_and_a_larger_one_is_sent_in_parts(local_stage, more_bytes, lane):
    assert choose_lane(local_stage.lanes, size_bytes=PREFERRED_PART_BYTES + more_bytes) == lane


@pytest.mark.services
@pytest.mark.parametrize(("more_bytes", "lane"), [(-1, "put"), (0, "put"), (1, "resumable")])
def test_where_the_store_takes_no_parts_a_larger_file_has_a_session_of_its_own(gcs_stage, more_bytes, lane):
    assert choose_lane(gcs_stage.lanes, size_bytes=PREFERRED_PART_BYTES + more_bytes) == lane


@pytest.mark.services
def test_parts_are_refused_where_the_store_takes_none(gcs_stage):
    with pytest.raises(LaneUnsupported):
        choose_lane(gcs_stage.lanes, size_bytes=PREFERRED_PART_BYTES + 1, preferred="multipart")


def test_a_larger_file_is_sent_in_parts_where_the_store_takes_both(local_stage):
    local_stage.lanes.capabilities = replace(local_stage.lanes.capabilities, resumable="declared")

    assert choose_lane(local_stage.lanes, size_bytes=PREFERRED_PART_BYTES + 1) == "multipart"


def test_a_small_file_may_be_sent_in_parts_when_asked_for(local_stage):
    assert choose_lane(local_stage.lanes, size_bytes=1, preferred="multipart") == "multipart"


@pytest.mark.parametrize("preferred", ["resumable", "carrier pigeon", ""])
def test_a_lane_the_store_lacks_is_refused_and_never_replaced(moto_stage, preferred):
    with pytest.raises(LaneUnsupported):
        choose_lane(moto_stage.lanes, size_bytes=1, preferred=preferred)


@pytest.mark.parametrize(("more_bytes", "is_refused"), [(-1, False), (0, False), (1, True)])
def test_a_file_that_does_not_fit_through_one_put_is_refused(local_stage, more_bytes, is_refused):
    size_bytes = PREFERRED_PART_BYTES + more_bytes

    if is_refused:
        with pytest.raises(LaneUnsupported):
            choose_lane(local_stage.lanes, size_bytes=size_bytes, preferred="put")
    else:
        assert choose_lane(local_stage.lanes, size_bytes=size_bytes, preferred="put") == "put"


@pytest.mark.parametrize(
    ("lacks", "lane", "is_all_signed", "is_needed"),
    [
        ((), "put", True, False),
        ((), "put", False, False),
        (("conditional_put",), "put", True, True),
        ((), "multipart", True, False),
        ((), "multipart", False, True),
        (("signed_part_checksum",), "multipart", True, True),
        (("conditional_put", "signed_part_checksum"), "resumable", False, False),
    ],
)
def test_a_copy_is_bound_where_a_used_url_could_still_write(
    moto_stage, lacks, lane, is_all_signed, is_needed
):
    lanes = without(moto_stage.lanes, *lacks)

    assert lanes.needs_bound_copy(lane, is_all_signed=is_all_signed) is is_needed


def without(lanes: UploadLanes, *names: str) -> UploadLanes:
    lanes.capabilities = replace(lanes.capabilities, **dict.fromkeys(names))
    return lanes


def test_what_a_store_is_said_to_lack_is_not_asked_of_it(moto_stage, settings):
    settings.PHOTO_STORE_LACKS = {"s3": ["conditional_put", "signed_checksum", "signed_part_checksum"]}
    lanes = s3.S3Lanes(moto_stage.store)
    key = moto_stage.key()

    put = lanes.sign_put(key, size_bytes=1, content_type="image/png", crc32="cbf43926")
    part = lanes.sign_part(key, "session", number=1, size_bytes=1, crc32="cbf43926")

    assert put.headers == {"content-type": "image/png"}
    assert part.headers == {}


@pytest.mark.services
def test_what_a_store_like_googles_is_said_to_lack_is_not_asked_of_it(gcs_stage, settings):
    settings.PHOTO_STORE_LACKS = {"gcs": ["conditional_put"]}
    lanes = gcs.GcsLanes(gcs_stage.store)

    request = lanes.sign_put(gcs_stage.key(), size_bytes=1, content_type="image/png", crc32=None)

    assert "x-goog-if-generation-match" not in request.headers
    assert lanes.needs_bound_copy("put", is_all_signed=True)


@pytest.mark.parametrize("name", ["nowhere", "staticfiles"])
def test_a_store_that_no_setting_describes_is_refused(name):
    with pytest.raises(ImproperlyConfigured, match=name):
        lanes_of(name)


def test_the_documented_capabilities_are_those_of_the_code():
    rows = [
        [cell.strip(" `") for cell in line.strip("| \n").split("|")]
        for line in STORAGE_DOC.read_text().splitlines()
        if line.startswith("| `")
    ]
    documented = {row[0]: tuple(row[1:4]) for row in rows}

    assert documented == {
        field.name: tuple(
            getattr(of_store, field.name) or "no"
            for of_store in (LocalLanes.capabilities, s3.CAPABILITIES, gcs.CAPABILITIES)
        )
        for field in fields(Capabilities)
    }
