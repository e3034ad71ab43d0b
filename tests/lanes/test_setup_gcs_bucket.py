"""The same command for a bucket of Google's: one rule of ours, which has no name there, and none that deletes."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from galleries.errors import ObjectChanged
from galleries.objects.base import forget_stores, on_store_call, store_named
from uploads.lanes import gcs_setup

pytestmark = pytest.mark.services

THEIRS = {
    "origin": ["https://other.example"],
    "method": ["GET"],
    "responseHeader": ["etag"],
    "maxAgeSeconds": 5,
}


def run(*arguments):
    output = StringIO()
    call_command("setup_bucket", "--store", "gcs", *arguments, stdout=output)
    return output.getvalue().splitlines()


def bucket_of(stage):
    bucket = stage.store.bucket.client.bucket(stage.store.bucket.name)
    bucket.reload()
    return bucket


def with_lifecycle(stage, **rule):
    bucket = bucket_of(stage)
    bucket.lifecycle_rules = [rule]
    bucket.patch()


def test_a_bucket_without_rules_is_wrong_and_is_right_once_they_are_set(gcs_stage):
    with pytest.raises(CommandError):
        run("--check")

    assert run() == ["cors: right", "lifecycle: right"]
    assert run("--check") == ["cors: right", "lifecycle: right"]


def test_the_site_may_send_what_is_signed_and_nobody_else_may(gcs_stage, settings):
    settings.SITE_URL = "https://photos.example.com"
    settings.CSRF_TRUSTED_ORIGINS = ["https://photos.example.com", "https://www.example.com"]

    run()

    [rule] = bucket_of(gcs_stage).cors
    signed = gcs_stage.lanes.sign_put(gcs_stage.key(), size_bytes=1, content_type="image/png", crc32=None)
    assert rule["origin"] == ["https://photos.example.com", "https://www.example.com"]
    assert rule["method"] == ["PUT", "GET", "HEAD"]
    assert set(signed.headers) <= set(rule["responseHeader"])


def test_a_page_of_the_site_is_answered_and_a_page_of_another_is_not(gcs_stage, settings):
    settings.SITE_URL = "https://photos.example.com"
    settings.CSRF_TRUSTED_ORIGINS = []
    run()
    request = gcs_stage.lanes.sign_put(gcs_stage.key(), size_bytes=1, content_type="image/png", crc32=None)

    def asked_by(origin):
        asking = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        return gcs_stage.ask("OPTIONS", request.url, None, asking).headers

    assert (
        asked_by("https://photos.example.com")["access-control-allow-origin"] == "https://photos.example.com"
    )
    assert "access-control-allow-origin" not in asked_by("https://other.example")


def test_rules_of_others_are_kept_and_ours_is_not_doubled(gcs_stage):
    bucket = bucket_of(gcs_stage)
    bucket.cors = [THEIRS]
    bucket.patch()
    with_lifecycle(
        gcs_stage, action={"type": "SetStorageClass", "storageClass": "COLDLINE"}, condition={"age": 90}
    )

    run()
    run()

    found = bucket_of(gcs_stage)
    assert found.cors[0] == THEIRS
    assert len(found.cors) == 2
    assert [rule["action"]["type"] for rule in found.lifecycle_rules] == ["SetStorageClass"]


def test_a_bucket_of_another_site_is_wrong(gcs_stage, settings):
    run()
    settings.SITE_URL = "https://elsewhere.example.com"

    with pytest.raises(CommandError):
        run("--check")


def test_a_parameter_that_pages_may_not_send_is_wrong(gcs_stage, settings):
    run()
    settings.STORAGES["gcs"]["OPTIONS"] |= {"object_parameters": {"storage_class": "NEARLINE"}}
    forget_stores()

    with pytest.raises(CommandError):
        run("--check")


@pytest.mark.parametrize(
    ("condition", "is_right"),
    [
        ({"age": 30}, False),
        ({"age": 30, "matchesPrefix": ["originals/"]}, False),
        ({"age": 30, "matchesPrefix": ["rend"]}, False),
        ({"age": 30, "matchesPrefix": ["logs/", "renditions/0a/"]}, False),
        ({"age": 30, "matchesPrefix": ["logs/"]}, True),
        ({"age": 30, "isLive": False}, True),
        ({"age": 30, "isLive": True}, False),
        ({"numNewerVersions": 1}, True),
        ({"daysSinceNoncurrentTime": 7}, True),
    ],
)
def test_a_rule_that_deletes_photos_is_wrong(gcs_stage, condition, is_right):
    run()
    with_lifecycle(gcs_stage, action={"type": "Delete"}, condition=condition)

    if is_right:
        assert run("--check")[1] == "lifecycle: right"
    else:
        with pytest.raises(CommandError):
            run("--check")


def test_to_check_changes_nothing(gcs_stage):
    before = bucket_of(gcs_stage).metageneration

    with pytest.raises(CommandError):
        run("--check", "--create")

    assert bucket_of(gcs_stage).metageneration == before


def test_a_missing_bucket_is_named_and_is_made_once(gcs_stage, settings):
    settings.STORAGES["gcs"]["OPTIONS"] |= {"bucket_name": f"{gcs_stage.store.bucket.name}-new"}
    forget_stores()
    with pytest.raises(CommandError, match="object_missing"):
        run("--check")

    assert run("--create") == ["cors: right", "lifecycle: right"]
    assert run("--create") == ["cors: right", "lifecycle: right"]
    assert store_named("gcs").find(gcs_stage.key()) is None


def test_rules_changed_by_another_meanwhile_are_not_written_over(gcs_stage):
    calls = []

    def overtake(store, verb):
        calls.append(verb)
        if len(calls) == 2:  # read, and about to be written
            with_lifecycle(gcs_stage, action={"type": "Delete"}, condition={"numNewerVersions": 1})

    on_store_call.append(overtake)
    try:
        with pytest.raises(ObjectChanged):
            gcs_setup.set_rules(gcs_stage.store.bucket, ["https://photos.example.com"])
    finally:
        on_store_call.remove(overtake)
    assert bucket_of(gcs_stage).cors == []
