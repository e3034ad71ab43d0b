"""The servers that other tests rely on do what those tests rely on."""

from __future__ import annotations

import boto3
import psycopg
import pytest
import redis
from botocore.config import Config
from botocore.exceptions import ClientError

from dev.python_packages import ensure_redis
from dev.services import redis as redis_service

pytestmark = pytest.mark.services


def client_of(swift, secret_key=None):
    return boto3.client(
        "s3",
        endpoint_url=swift.endpoint,
        region_name=swift.region,
        aws_access_key_id=swift.access_key,
        aws_secret_access_key=secret_key or swift.secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def test_redis_keeps_what_it_was_told_when_it_is_killed(redis_server) -> None:
    client = redis.Redis.from_url(redis_server.url)
    client.set("kept", "yes")
    client.bgrewriteaof()
    redis_server.kill()

    redis_server.start_again()

    assert client.get("kept") == b"yes"


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b"*3\r\n$3\r\nSET\r\n$4\r\nha"], ids=["zeros", "half a record"]
)
def test_redis_starts_with_what_was_whole_after_a_power_cut(short_folder, tail) -> None:
    executable = ensure_redis()
    server = redis_service.start(short_folder / f"cut-{len(tail)}", executable)
    redis.Redis.from_url(server.url).set("kept", "yes")
    server.stop()
    folder = server.socket_path.parent
    log = next(folder.rglob("*.incr.aof"), folder / "appendonly.aof")  # Redis 7, Redis 6
    with log.open("ab") as end:
        end.write(tail)

    redis_service.mend(executable, folder)

    server.start_again()
    kept = redis.Redis.from_url(server.url).get("kept")
    server.stop()
    assert kept == b"yes"


def test_redis_starts_empty_where_nothing_was_whole(tmp_path) -> None:
    executable = ensure_redis()
    (tmp_path / "appendonly.aof").write_bytes(b"nothing of the kind")

    redis_service.mend(executable, tmp_path)

    server = redis_service.start(tmp_path, executable)
    key_count = redis.Redis.from_url(server.url).dbsize()
    server.stop()
    assert key_count == 0


def test_postgres_takes_sessions_and_comes_back_after_a_kill(postgres) -> None:
    postgres.kill()

    postgres.start_again()

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_swift_refuses_a_wrong_signature(swift, swift_bucket) -> None:
    stranger = client_of(swift, secret_key="guessed")

    with pytest.raises(ClientError) as refusal:
        stranger.put_object(Bucket=swift_bucket, Key="a", Body=b"x")

    assert refusal.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_swift_keeps_objects_and_unfinished_uploads_when_it_is_killed(swift, swift_bucket) -> None:
    client = client_of(swift)
    client.put_object(Bucket=swift_bucket, Key="whole", Body=b"x" * 1000)
    upload_id = client.create_multipart_upload(Bucket=swift_bucket, Key="half")["UploadId"]
    named = {"Bucket": swift_bucket, "Key": "half", "UploadId": upload_id}
    client.upload_part(**named, PartNumber=10_000, Body=b"y")
    swift.kill()

    swift.start_again()

    assert client.head_object(Bucket=swift_bucket, Key="whole")["ContentLength"] == 1000
    assert [part["PartNumber"] for part in client.list_parts(**named, PartNumberMarker=9_999)["Parts"]] == [
        10_000
    ]


def test_making_a_bucket_twice_is_no_error(swift, swift_bucket) -> None:
    assert swift.make_bucket(swift_bucket) == swift_bucket
