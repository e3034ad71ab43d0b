"""What a start refuses: stores that are half described, and stores with no way in for some files."""

import json
import os
import subprocess
import sys

import pytest
from django.core.checks import run_checks

from config.checks import check_photo_stores, refuse_unusable_stores
from dev.places import ROOT
from galleries.objects.base import forget_stores


@pytest.fixture
def gcs_options(settings, google_account):
    """Google's store described as the environment would, with a key; no server answers there."""
    described = {"bucket_name": "photos", "custom_endpoint": "http://127.0.0.1:9"}
    settings.STORAGES = settings.STORAGES | {
        "gcs": {"BACKEND": "storages.backends.gcloud.GoogleCloudStorage", "OPTIONS": described}
    }
    settings.PHOTO_STORE_KEY_FILES = {"gcs": str(google_account)}
    settings.PHOTO_STORE_PUBLIC_ENDPOINTS = {"gcs": "http://127.0.0.1:9"}
    settings.PHOTO_STORE = "gcs"
    forget_stores()
    return described


def complaints():
    return [(message.id, message.msg) for message in check_photo_stores()]


def test_the_settings_as_they_come_are_right():
    assert complaints() == []


def test_google_with_a_bucket_and_a_key_is_right(gcs_options):
    assert complaints() == []


def test_the_check_is_one_of_those_that_every_start_runs(settings):
    settings.PHOTO_STORE = "nowhere"

    assert "safelight.E001" in {message.id for message in run_checks()}


@pytest.mark.parametrize(("store", "variable"), [("gcs", "GCS_BUCKET"), ("s3", "S3_BUCKET")])
def test_a_store_without_a_bucket_is_refused_by_naming_the_variable(settings, store, variable):
    settings.PHOTO_STORE = store

    [(code, sentence)] = complaints()

    assert code == "safelight.E001"
    assert f"set {variable}" in sentence


def test_an_unknown_alias_is_refused_by_naming_those_that_are_there(settings):
    settings.PHOTO_STORE = "attic"

    [(code, sentence)] = complaints()

    assert code == "safelight.E001"
    assert "local" in sentence


@pytest.mark.parametrize(
    "name", ["PHOTO_STORE_PUBLIC_ENDPOINTS", "PHOTO_STORE_KEY_FILES", "PHOTO_STORE_LACKS"]
)
def test_a_setting_for_a_store_that_is_not_there_is_refused(settings, name):
    setattr(settings, name, {"attic": ""})

    assert complaints() == [("safelight.E004", f"{name} names 'attic', which is no photo store.")]


def test_what_no_store_could_have_cannot_be_lacked(settings):
    settings.PHOTO_STORE_LACKS = {"local": ["wings"]}

    [(code, sentence)] = complaints()

    assert code == "safelight.E004"
    assert "wings" in sentence


def no_key(tmp_path):
    return ""


def missing_key(tmp_path):
    return str(tmp_path / "nothing.json")


def folder_for_key(tmp_path):
    return str(tmp_path)


def text_for_key(tmp_path):
    (tmp_path / "text.json").write_text("not a key")
    return str(tmp_path / "text.json")


def key_of_a_person(tmp_path):
    (tmp_path / "person.json").write_text(json.dumps({"type": "authorized_user", "client_id": "1"}))
    return str(tmp_path / "person.json")


@pytest.mark.parametrize("key_file", [no_key, missing_key, folder_for_key, text_for_key, key_of_a_person])
def test_google_without_a_key_that_can_sign_is_refused(gcs_options, settings, tmp_path, key_file):
    settings.PHOTO_STORE_KEY_FILES = {"gcs": key_file(tmp_path)}

    [(code, sentence)] = complaints()

    assert code == "safelight.E001"
    assert "credentials" in sentence or "key" in sentence


def test_a_store_that_only_older_photos_name_is_looked_at_too(gcs_options, settings):
    settings.PHOTO_STORE, settings.PHOTO_STORE_KEY_FILES = "local", {}

    [(code, sentence)] = complaints()

    assert code == "safelight.E001"
    assert "'gcs'" in sentence


@pytest.mark.parametrize(
    ("parameters", "word"), [({"metadata": {"a": "b"}}, "metadata"), ({"acl": "publicRead"}, "acl")]
)
def test_object_parameters_that_google_cannot_be_given_are_refused(gcs_options, parameters, word):
    gcs_options["object_parameters"] = parameters

    [(code, sentence)] = complaints()

    assert code == "safelight.E001"
    assert word in sentence


@pytest.mark.parametrize(("lacks", "size"), [("put", "up to 8 MiB"), ("multipart", "above 8 MiB")])
def test_a_store_without_a_way_in_for_some_files_is_refused(settings, lacks, size):
    settings.STORAGES = settings.STORAGES | {
        "s3": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {"bucket_name": "photos", "access_key": "key", "secret_key": "secret"},
        }
    }
    settings.PHOTO_STORE, settings.PHOTO_STORE_LACKS = "s3", {"s3": [lacks]}
    forget_stores()

    [(code, sentence)] = complaints()

    assert code == "safelight.E002"
    assert size in sentence


def test_a_process_without_checks_of_its_own_refuses_in_the_same_words(settings):
    refuse_unusable_stores()
    settings.PHOTO_STORE = "gcs"

    with pytest.raises(Exception, match="set GCS_BUCKET"):
        refuse_unusable_stores()


def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own; killed when it has not ended after a minute."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("S3_", "GCS_", "PHOTO_"))
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **kept,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "for this test",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_web_process_does_not_start_with_a_store_it_cannot_use(tmp_path):
    ended = started("-c", "import config.asgi", PHOTO_STORE="gcs", DATA_DIR=str(tmp_path))

    assert ended.returncode != 0
    assert "PHOTO_STORE is 'gcs', which nothing describes: set GCS_BUCKET." in ended.stderr


@pytest.mark.parametrize("pool", [["-P", "solo", "-Q", "sweep"], ["-c", "1", "-Q", "work"]])
def test_a_worker_does_not_start_with_a_store_it_cannot_use(tmp_path, redis_server, pool):
    worker = ["-m", "celery", "--quiet", "--app", "config", "worker", *pool]

    ended = started(*worker, PHOTO_STORE="gcs", DATA_DIR=str(tmp_path), REDIS_URL=redis_server.url)

    assert ended.returncode == 1
    assert "PHOTO_STORE is 'gcs', which nothing describes: set GCS_BUCKET." in ended.stderr
    assert "Traceback" not in ended.stderr


SETTINGS = """
import django, json
django.setup()
from django.conf import settings
from config.checks import check_photo_stores
print(json.dumps({
    "store": settings.PHOTO_STORE,
    "gcs": settings.STORAGES.get("gcs", {}).get("OPTIONS"),
    "s3": settings.STORAGES.get("s3", {}).get("OPTIONS"),
    "connect": settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["connect-src"],
    "images": settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["img-src"],
    "wrong": [message.msg for message in check_photo_stores()],
}))
"""


def settings_of(tmp_path, **environment):
    ended = started("-c", SETTINGS, DATA_DIR=str(tmp_path), **environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_bucket_of_google_in_the_environment_is_where_photos_go(tmp_path, google_account):
    found = settings_of(
        tmp_path,
        GCS_BUCKET="photos",
        GCS_PROJECT="project",
        GCS_CREDENTIALS=str(google_account),
        GCS_OBJECT_PARAMETERS="storage_class=NEARLINE; cache_control=private, max-age=60",
    )

    assert (found["store"], found["wrong"]) == ("gcs", [])
    assert found["gcs"] == {
        "bucket_name": "photos",
        "project_id": "project",
        "custom_endpoint": None,
        "object_parameters": {"storage_class": "NEARLINE", "cache_control": "private, max-age=60"},
    }


def test_pages_may_talk_to_every_store_that_is_described(tmp_path, google_account):
    found = settings_of(
        tmp_path,
        PHOTO_STORE="local",
        GCS_BUCKET="photos",
        GOOGLE_APPLICATION_CREDENTIALS=str(google_account),
        S3_BUCKET="photos",
        S3_ENDPOINT_URL="http://10.0.0.7:9000",
        S3_PUBLIC_ENDPOINT_URL="https://s3.example.com",
        S3_ACCESS_KEY_ID="key",
        S3_SECRET_ACCESS_KEY="secret",
    )

    for directive in (found["connect"], found["images"]):
        assert {"https://storage.googleapis.com", "https://s3.example.com"} <= set(directive)
        assert "http://10.0.0.7:9000" not in directive
    assert found["wrong"] == []


def test_pages_talk_to_the_endpoint_that_browsers_are_given(tmp_path):
    found = settings_of(
        tmp_path,
        GCS_BUCKET="photos",
        GCS_ENDPOINT_URL="https://inside.example",
        GCS_PUBLIC_ENDPOINT_URL="https://outside.example",
    )

    assert "https://outside.example" in found["connect"]
    assert "https://inside.example" not in found["connect"]


@pytest.mark.parametrize("word", ["StorageClass", "=GLACIER", "StorageClass=", "StorageClass=X; Tagging"])
def test_object_parameters_that_are_no_pairs_are_refused(tmp_path, word):
    ended = started("-c", SETTINGS, S3_BUCKET="photos", S3_OBJECT_PARAMETERS=word, DATA_DIR=str(tmp_path))

    assert ended.returncode != 0
    assert "S3_OBJECT_PARAMETERS must look like Name=value; Name=value" in ended.stderr
