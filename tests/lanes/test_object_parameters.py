"""Storage class, encryption and cache control: on every object, whichever way it came."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from galleries.objects.base import bound_key, forget_stores, store_named
from uploads.lanes.base import Wanted, lanes_of
from uploads.lanes.s3_setup import signed_headers

PHOTO = b"a photo of ten kinds"
TYPE = "image/jpeg"
SITE = "http://localhost:8000"
OF_S3 = {
    "StorageClass": "STANDARD_IA",
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "arn:aws:kms:us-east-1:111122223333:key/photos",
    "CacheControl": "private, max-age=60",
}
OF_GCS = {"storage_class": "NEARLINE", "cache_control": "private, max-age=60"}


@pytest.fixture
def s3_with(moto_stage, settings):
    settings.STORAGES["s3"]["OPTIONS"] |= {"object_parameters": OF_S3}
    forget_stores()
    moto_stage.store, moto_stage.lanes = store_named("s3"), lanes_of("s3")
    return moto_stage


@pytest.fixture
def gcs_with(gcs_stage, settings):
    settings.STORAGES["gcs"]["OPTIONS"] |= {"object_parameters": OF_GCS}
    forget_stores()
    gcs_stage.store, gcs_stage.lanes = store_named("gcs"), lanes_of("gcs")
    return gcs_stage


def put(stage):
    request = stage.lanes.sign_put(stage.key(), size_bytes=len(PHOTO), content_type=TYPE, crc32=None)
    assert stage.send(request, PHOTO).is_ok
    return stage.key()


def multipart(stage):
    session = stage.lanes.create_multipart(stage.key(), content_type=TYPE)
    part = stage.lanes.sign_part(stage.key(), session, number=1, size_bytes=len(PHOTO), crc32=None)
    assert stage.send(part, PHOTO).is_ok
    stage.lanes.complete_multipart(stage.key(), session, stage.lanes.list_parts(stage.key(), session))
    return stage.key()


def resumable(stage):
    session_uri = stage.lanes.begin_resumable(Wanted(stage.key(), len(PHOTO), TYPE, SITE))
    headers = {"content-range": f"bytes 0-{len(PHOTO) - 1}/{len(PHOTO)}"}
    assert stage.ask("PUT", session_uri, PHOTO, headers).is_ok
    return stage.key()


def rendition(stage):
    return stage.store.put_bytes(stage.key(), PHOTO, content_type=TYPE).key


def bound_copy(stage):
    source = stage.store.put_bytes(stage.key(), PHOTO, content_type=TYPE)
    return stage.store.copy(source.key, bound_key(stage.upload_id, 1), if_match=source.etag).key


@pytest.mark.parametrize("way", [put, multipart, rendition, bound_copy])
def test_an_object_in_s3_has_the_parameters_whichever_way_it_came(s3_with, way):
    found = s3_with.store.bucket.client.head_object(Bucket=s3_with.store.bucket.name, Key=way(s3_with))

    assert found["ContentType"] == TYPE
    assert {name: found.get(name) for name in OF_S3} == OF_S3


@pytest.mark.services
@pytest.mark.parametrize("way", [put, resumable, rendition, bound_copy])
def test_an_object_of_google_has_the_parameters_whichever_way_it_came(gcs_with, way):
    blob = gcs_with.store.bucket.blob(way(gcs_with))
    blob.reload()

    assert blob.content_type == TYPE
    assert {name: getattr(blob, name) for name in OF_GCS} == OF_GCS


@pytest.mark.services
@pytest.mark.parametrize("way", [put, resumable, rendition, bound_copy])
def test_an_object_of_google_may_be_kept_by_who_may_see_it(gcs_stage, way):
    blob = gcs_stage.store.bucket.blob(way(gcs_stage))
    blob.reload()

    assert blob.cache_control == "private, max-age=31536000, immutable"


def test_what_is_signed_is_what_the_uploader_is_told_to_send(s3_with):
    request = s3_with.lanes.sign_put(s3_with.key(), size_bytes=1, content_type=TYPE, crc32=None)

    assert request.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert "x-amz-storage-class" in request.url
    assert set(request.headers) <= {*signed_headers(s3_with.store.bucket)}


def test_a_parameter_of_s3_that_cannot_be_signed_is_refused_at_once(moto_stage, settings):
    settings.STORAGES["s3"]["OPTIONS"] |= {"object_parameters": {"Metadata": {"a": "b"}}}
    forget_stores()

    with pytest.raises(ImproperlyConfigured, match="Metadata"):
        store_named("s3")
