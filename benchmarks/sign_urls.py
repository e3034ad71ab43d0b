"""What a signed URL costs: by our lane, by boto3, and by botocore's signer without the client around it.

Each repetition signs the same thousand files and parts in the same second, and the URLs are compared.
"""

from __future__ import annotations

import base64
import os
import statistics
import sys
import tempfile
import time
import uuid
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials

from benchmarks._report import Line, at_most, interleaved, median_ratio, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COUNT: Final = 1_000
REPETITIONS: Final = 7
BUDGET_US: Final = 20.0
ACCESS_KEY: Final = "AKIDEXAMPLE"
SECRET_KEY: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 - the example of the AWS manual
REGION: Final = "us-east-1"
ENDPOINT: Final = "https://s3.us-east-1.amazonaws.com"
BUCKET: Final = "photos"
SESSION: Final = "VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA"
LIFE_S: Final = 900
SIZE_BYTES: Final = 3_000_000
TYPE: Final = "image/jpeg"


class Wanted:
    """A thousand keys with their checksums, as our wire and as S3 write them."""

    def __init__(self) -> None:
        ids = [uuid.uuid4() for _ in range(COUNT)]
        self.keys = [f"originals/{each.hex[-2:]}/{each}/1" for each in ids]
        self.crc32s = [f"{zlib.crc32(each.bytes):08x}" for each in ids]
        self.checksums = [base64.b64encode(bytes.fromhex(crc32)).decode() for crc32 in self.crc32s]


def by_our_lane(lanes: Any, wanted: Wanted, call: str) -> list[str]:
    if call == "put":
        return [
            lanes.sign_put(key, size_bytes=SIZE_BYTES, content_type=TYPE, crc32=crc32).url
            for key, crc32 in zip(wanted.keys, wanted.crc32s, strict=True)
        ]
    key = wanted.keys[0]
    return [
        lanes.sign_part(key, SESSION, number=number, size_bytes=SIZE_BYTES, crc32=crc32).url
        for number, crc32 in enumerate(wanted.crc32s, 1)
    ]


def by_boto3(client: Any, wanted: Wanted, call: str) -> list[str]:
    common = {"Bucket": BUCKET, "ContentLength": SIZE_BYTES}
    if call == "put":
        return [
            client.generate_presigned_url(
                "put_object",
                Params=common
                | {"Key": key, "ContentType": TYPE, "IfNoneMatch": "*", "ChecksumCRC32": checksum},
                ExpiresIn=LIFE_S,
            )
            for key, checksum in zip(wanted.keys, wanted.checksums, strict=True)
        ]
    part = common | {"Key": wanted.keys[0], "UploadId": SESSION}
    return [
        client.generate_presigned_url(
            "upload_part", Params=part | {"PartNumber": number, "ChecksumCRC32": checksum}, ExpiresIn=LIFE_S
        )
        for number, checksum in enumerate(wanted.checksums, 1)
    ]


def by_botocore(auth: S3SigV4QueryAuth, wanted: Wanted, call: str) -> list[str]:
    common = {"content-length": str(SIZE_BYTES)}
    if call == "put":
        common |= {"content-type": TYPE, "if-none-match": "*"}
        addresses = [f"{ENDPOINT}/{BUCKET}/{key}" for key in wanted.keys]
    else:
        address = f"{ENDPOINT}/{BUCKET}/{wanted.keys[0]}?uploadId={SESSION}&partNumber="
        addresses = [f"{address}{number}" for number in range(1, COUNT + 1)]
    return [
        signed_by_botocore(auth, address, common | {"x-amz-checksum-crc32": checksum})
        for address, checksum in zip(addresses, wanted.checksums, strict=True)
    ]


def signed_by_botocore(auth: S3SigV4QueryAuth, address: str, headers: dict[str, str]) -> str:
    request = AWSRequest("PUT", address, headers=headers)
    request.context["signing"] = {}
    request.context["payload_signing_enabled"] = False
    auth.add_auth(request)
    return str(request.url)


def microseconds_a_url(sign: Callable[[], list[str]]) -> float:
    began = time.perf_counter()
    urls = sign()
    return (time.perf_counter() - began) * 1e6 / len(urls)


def configured_lanes() -> Any:
    """The product's own lane, with the product's own settings."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": tempfile.gettempdir(),
        "S3_BUCKET": BUCKET,
        "S3_ENDPOINT_URL": ENDPOINT,
        "S3_REGION": REGION,
        "S3_ACCESS_KEY_ID": ACCESS_KEY,
        "S3_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    from uploads.lanes.base import lanes_of

    return lanes_of("s3")


def are_the_same(signers: Mapping[str, Callable[[], list[str]]]) -> bool:
    """Whether all sign alike; tried again when a second passed between them."""
    while True:
        batches = [sign() for sign in signers.values()]
        parsed = [[parse_qs(urlsplit(url).query) for url in batch] for batch in batches]
        if len({query["X-Amz-Date"][0] for batch in parsed for query in batch}) == 1:
            signatures = [[query["X-Amz-Signature"] for query in batch] for batch in parsed]
            return all(each == signatures[0] for each in signatures)


def main() -> int:
    wanted = Wanted()
    lanes = configured_lanes()
    client = boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        ),
    )
    auth = S3SigV4QueryAuth(BotocoreCredentials(ACCESS_KEY, SECRET_KEY), "s3", REGION, expires=LIFE_S)
    lines: list[Line] = []
    for call in ("put", "part"):
        signers = {
            "ours": partial(by_our_lane, lanes, wanted, call),
            "boto3": partial(by_boto3, client, wanted, call),
            "botocore": partial(by_botocore, auth, wanted, call),
        }
        if not are_the_same(signers):
            print(f"the signatures of a {call} differ")
            return 1
        measured = interleaved(
            {name: partial(microseconds_a_url, sign) for name, sign in signers.items()},
            repetitions=REPETITIONS,
        )
        ours = statistics.median(measured["ours"])
        lines.append(
            at_most(
                f"a signed {call}, beside boto3",
                ours,
                BUDGET_US,
                unit="µs",
                peer=peer_text(measured["boto3"]),
            )
        )
        ratio = median_ratio(measured["ours"], measured["botocore"])
        lines.append(
            Line(
                f"a signed {call}, beside botocore's signer",
                f"{ours:,.4g} µs",
                peer_text(measured["botocore"]),
                ratio=ratio,
            )
        )
    return show(f"Signing {COUNT:,} URLs, median of {REPETITIONS}", lines)


def peer_text(values: list[float]) -> str:
    return f"{statistics.median(values):,.4g} µs"


if __name__ == "__main__":
    sys.exit(main())
