"""Our URLs are boto3's, byte for byte."""

import base64
import datetime as dt
from functools import cache
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from galleries.objects.sigv4 import BucketAddress, Credentials, QuerySigner
from galleries.objects.url_life import Life

KEYS = st.text("0123456789abcdef-/_.~", min_size=1, max_size=80).filter(
    lambda key: not key.startswith("/") and "//" not in key and not set(key.split("/")) & {".", ".."}
)
# Anything a header may carry: the name of a download is a person's own.
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_characters="\x7f"), max_size=60
)
STYLES = st.sampled_from(["path", "virtual"])
REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "auto"])
TOKENS = st.sampled_from([None, "short", "FwoG+Zs/Xyz=="])
ENDPOINTS = st.sampled_from(
    ["https://s3.example.com", "http://127.0.0.1:9000", "https://s3.example.com:8443"]
)
MOMENTS = st.integers(min_value=1_700_000_000, max_value=1_900_000_000)
LIVES_S = st.integers(min_value=1, max_value=604_800)
CHECKSUMS = st.binary(min_size=4, max_size=4).map(lambda crc: base64.b64encode(crc).decode())


@cache
def boto3_client(endpoint, region, style, token):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        aws_session_token=token,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": style},
            request_checksum_calculation="when_required",
        ),
    )


@cache
def our_signer(endpoint, region, style, token):
    return QuerySigner(
        BucketAddress.of(endpoint, "photos", style=style),
        region,
        Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token),
    )


def boto3_url(account, call, life, **parameters):
    moment = dt.datetime.fromtimestamp(life.begins_at_s, dt.UTC).replace(tzinfo=None)
    with patch("botocore.auth.get_current_datetime", return_value=moment):
        return boto3_client(*account).generate_presigned_url(
            call, Params={"Bucket": "photos", **parameters}, ExpiresIn=life.lasts_s
        )


ACCOUNTS = st.tuples(ENDPOINTS, REGIONS, STYLES, TOKENS)
LIVES = st.builds(Life, MOMENTS, LIVES_S)


@settings(max_examples=200, deadline=None)
@given(ACCOUNTS, KEYS, LIVES, st.integers(min_value=0, max_value=2**31), CHECKSUMS)
def test_a_url_for_a_whole_file_is_that_of_boto3(account, key, life, size_bytes, checksum):
    theirs = boto3_url(
        account,
        "put_object",
        life,
        Key=key,
        ContentLength=size_bytes,
        ContentType="image/x-canon-cr3",
        ChecksumCRC32=checksum,
        IfNoneMatch="*",
    )

    ours = our_signer(*account).url(
        "PUT",
        key,
        life,
        headers={
            "content-length": str(size_bytes),
            "content-type": "image/x-canon-cr3",
            "if-none-match": "*",
            "x-amz-checksum-crc32": checksum,
        },
    )

    assert ours == theirs


@settings(max_examples=200, deadline=None)
@given(
    ACCOUNTS,
    KEYS,
    LIVES,
    st.tuples(
        st.text("abcXYZ019+/=._-~%", min_size=1, max_size=60), st.integers(min_value=1, max_value=10_000)
    ),
    st.one_of(st.none(), CHECKSUMS),
)
def test_a_url_for_a_part_is_that_of_boto3(account, key, life, part, checksum):
    session, number = part
    given_checksum = {} if checksum is None else {"ChecksumCRC32": checksum}
    signed_checksum = {} if checksum is None else {"x-amz-checksum-crc32": checksum}
    theirs = boto3_url(
        account,
        "upload_part",
        life,
        Key=key,
        UploadId=session,
        PartNumber=number,
        ContentLength=5,
        **given_checksum,
    )

    ours = our_signer(*account).url(
        "PUT",
        key,
        life,
        headers={"content-length": "5", **signed_checksum},
        query=[("uploadId", session), ("partNumber", str(number))],
    )

    assert ours == theirs


@settings(max_examples=200, deadline=None)
@given(ACCOUNTS, KEYS, LIVES, VALUES, VALUES)
def test_a_url_to_read_from_is_that_of_boto3(account, key, life, disposition, content_type):
    theirs = boto3_url(
        account,
        "get_object",
        life,
        Key=key,
        ResponseCacheControl="private, max-age=31536000",
        ResponseContentDisposition=disposition,
        ResponseContentType=content_type,
    )

    ours = our_signer(*account).url(
        "GET",
        key,
        life,
        query=[
            ("response-cache-control", "private, max-age=31536000"),
            ("response-content-disposition", disposition),
            ("response-content-type", content_type),
        ],
    )

    assert ours == theirs


def test_the_key_of_yesterday_does_not_sign_today():
    midnight_s = 1_800_000_000 - 1_800_000_000 % 86_400
    account = ("https://s3.example.com", "us-east-1", "path", None)
    signer = our_signer(*account)

    for second in (midnight_s - 1, midnight_s, midnight_s - 1):
        life = Life(second, 900)
        assert signer.url("GET", "a", life) == boto3_url(account, "get_object", life, Key="a")


@pytest.mark.parametrize(
    ("endpoint", "bucket"),
    [
        ("https://s3.example.com", "photos"),
        ("http://localhost:9000", "photos"),
        ("http://127.0.0.1:9000", "photos"),
        ("http://s3.example.com", "photos.example.com"),
        ("https://s3.example.com", "photos.example.com"),
    ],
)
def test_a_bucket_is_a_host_name_only_where_boto3_makes_it_one(endpoint, bucket):
    address = BucketAddress.of(endpoint, bucket, style="virtual")

    theirs = boto3_client(endpoint, "us-east-1", "virtual", None).generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "a"}
    )

    assert theirs.startswith(f"{address.base}{address.path_prefix}a?")


def test_an_endpoint_below_a_path_keeps_it():
    signer = our_signer("https://example.com/s3", "us-east-1", "path", None)

    assert urlsplit(signer.url("GET", "a/b", Life(1_800_000_000, 900))).path == "/s3/photos/a/b"


@pytest.mark.parametrize("endpoint", ["https://s3.example.com:443", "https://s3.example.com"])
def test_the_port_everybody_knows_is_left_out(endpoint):
    address = BucketAddress.of(endpoint, "photos", style="virtual")

    assert (address.base, address.host) == ("https://photos.s3.example.com", "photos.s3.example.com")


def test_no_secret_is_in_a_url():
    url = our_signer("https://s3.example.com", "us-east-1", "path", None).url("GET", "a", Life(1, 900))

    assert "wJalrXUtnFEMI" not in url
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["900"]
