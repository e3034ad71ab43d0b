"""The command that gives a bucket its rules, and the one that only looks."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from galleries.objects.base import forget_stores, store_named


def run(*arguments):
    output = StringIO()
    call_command("setup_bucket", "--store", "s3", *arguments, stdout=output)
    return output.getvalue().splitlines()


def client_of(stage):
    return stage.store.bucket.client, stage.store.bucket.name


def test_a_bucket_without_rules_is_wrong_and_is_right_once_they_are_set(moto_stage):
    with pytest.raises(CommandError):
        run("--check")

    assert run() == ["cors: right", "lifecycle: right"]
    assert run("--check") == ["cors: right", "lifecycle: right"]


def test_the_site_may_send_what_is_signed_and_nobody_else_may(moto_stage, settings):
    settings.SITE_URL = "https://photos.example.com"
    settings.CSRF_TRUSTED_ORIGINS = ["https://photos.example.com", "https://www.example.com"]

    run()

    client, name = client_of(moto_stage)
    [rule] = client.get_bucket_cors(Bucket=name)["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://photos.example.com", "https://www.example.com"]
    assert rule["AllowedMethods"] == ["PUT", "GET", "HEAD"]
    assert rule["AllowedHeaders"] == ["content-type", "if-none-match", "x-amz-checksum-crc32"]


def test_unfinished_uploads_are_aborted_after_seven_days_and_nothing_expires(moto_stage):
    run()

    client, name = client_of(moto_stage)
    [rule] = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "Expiration" not in rule


def test_rules_of_others_are_kept_and_ours_are_not_doubled(moto_stage):
    client, name = client_of(moto_stage)
    theirs = {"ID": "theirs", "AllowedOrigins": ["https://other.example"], "AllowedMethods": ["GET"]}
    client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [theirs]})

    run()
    run()

    rules = client.get_bucket_cors(Bucket=name)["CORSRules"]
    assert [rule["ID"] for rule in rules] == ["theirs", "safelight"]


def test_a_bucket_of_another_site_is_wrong(moto_stage, settings, capsys):
    run()
    settings.SITE_URL = "https://elsewhere.example.com"
    forget_stores()

    with pytest.raises(CommandError):
        run("--check")


@pytest.mark.parametrize(("days", "is_right"), [(6, False), (7, True), (8, False)])
def test_only_seven_days_are_right(moto_stage, days, is_right):
    run()
    client, name = client_of(moto_stage)
    rule = {
        "ID": "safelight",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
    }
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})

    if is_right:
        assert run("--check")[1] == "lifecycle: right"
    else:
        with pytest.raises(CommandError):
            run("--check")


def test_a_rule_that_expires_objects_is_wrong(moto_stage):
    run()
    client, name = client_of(moto_stage)
    rules = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    rules.append(
        {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "originals/"}, "Expiration": {"Days": 30}}
    )
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})

    with pytest.raises(CommandError):
        run("--check")


@pytest.mark.services
def test_a_store_that_cannot_tell_is_unknown_and_not_wrong(swift_stage):
    unknown = ["cors: unknown: this store does not tell", "lifecycle: unknown: this store does not tell"]

    assert run() == unknown
    assert run("--check") == unknown


def test_a_missing_bucket_is_made_once(bucket_stage, settings):
    settings.STORAGES["s3"]["OPTIONS"] |= {"bucket_name": f"{bucket_stage.store.bucket.name}-new"}
    forget_stores()

    run("--create")
    run("--create")

    assert store_named("s3").find(bucket_stage.key()) is None


def test_the_local_store_has_nothing_to_set_up(local_stage):
    output = StringIO()

    call_command("setup_bucket", "--store", "local", "--check", stdout=output)

    assert output.getvalue() == "local: has no bucket, nothing to set up\n"
