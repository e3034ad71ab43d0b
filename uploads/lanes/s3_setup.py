"""The two rules a bucket needs: our site's pages may send to it, and it forgets what was never finished."""

from collections.abc import Callable, Sequence
from typing import Final

from botocore.exceptions import ClientError

from galleries.objects.s3_bucket import S3Bucket, code_of
from uploads.lanes.base import CHECKSUM_HEADER
from uploads.lanes.bucket_rules import METHODS, PREFLIGHT_KEPT_S, Finding, Rule, judged, missing_permission

RULE_ID: Final = "safelight"
# Later than the site's own six days, so that a session never ends while its row still counts on it.
ABORT_AFTER_DAYS: Final = 7

# How stores say that they keep such rules elsewhere, or not for us.
CANNOT_TELL: Final = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405", "AccessDenied", "403"})
NONE_SET: Final = frozenset({"NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration"})
BUCKET_IS_OURS: Final = "BucketAlreadyOwnedByYou"


def create_bucket(bucket: S3Bucket) -> None:
    """Safe to call twice."""
    # us-east-1 is the one region that S3 refuses to be told.
    place: Rule = {}
    if bucket.region != "us-east-1":
        place = {"CreateBucketConfiguration": {"LocationConstraint": bucket.region}}
    with bucket.asked("create_bucket"):
        try:
            bucket.client.create_bucket(Bucket=bucket.name, **place)
        except ClientError as error:
            if code_of(error) != BUCKET_IS_OURS:
                raise


def set_rules(bucket: S3Bucket, origins: Sequence[str]) -> None:
    """Replaces our own rules and keeps those of others. A store that has no such rules is left as it is."""
    client = bucket.client
    if (rules := cors_rules(bucket)) is not None:
        wanted = [*others(rules), wanted_cors(bucket, origins)]
        client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration={"CORSRules": wanted})
    if (rules := lifecycle_rules(bucket)) is not None:
        wanted = [*others(rules), wanted_lifecycle()]
        client.put_bucket_lifecycle_configuration(
            Bucket=bucket.name, LifecycleConfiguration={"Rules": wanted}
        )


def check_rules(bucket: S3Bucket, origins: Sequence[str]) -> list[Finding]:
    return [
        judged("cors", cors_rules(bucket), lambda rules: cors_fault(rules, bucket, origins)),
        judged("lifecycle", lifecycle_rules(bucket), lifecycle_fault),
    ]


def cors_fault(rules: list[Rule], bucket: S3Bucket, origins: Sequence[str]) -> str:
    headers = signed_headers(bucket)
    return missing_permission(
        origins,
        headers,
        lambda origin, method: any(rule_allows(rule, origin, method, headers) for rule in rules),
    )


def rule_allows(rule: Rule, origin: str, method: str, headers: Sequence[str]) -> bool:
    allowed = {name.lower() for name in rule.get("AllowedHeaders", ())}
    return (
        bool({origin, "*"} & set(rule.get("AllowedOrigins", ())))
        and method in rule.get("AllowedMethods", ())
        and ("*" in allowed or allowed.issuperset(headers))
    )


def lifecycle_fault(rules: list[Rule]) -> str:
    live = [rule for rule in rules if rule.get("Status") == "Enabled"]
    if any("Expiration" in rule for rule in live):
        return "a rule expires objects; only a photo's own row may"
    if not any(aborts_in_time(rule) for rule in live):
        return f"open multipart uploads are not aborted after {ABORT_AFTER_DAYS} days"
    return ""


def aborts_in_time(rule: Rule) -> bool:
    days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    prefix = rule.get("Filter", {}).get("Prefix", rule.get("Prefix", ""))
    return days == ABORT_AFTER_DAYS and "originals/".startswith(prefix)


def wanted_cors(bucket: S3Bucket, origins: Sequence[str]) -> Rule:
    return {
        "ID": RULE_ID,
        "AllowedOrigins": list(origins),
        "AllowedMethods": list(METHODS),
        "AllowedHeaders": signed_headers(bucket),
        "MaxAgeSeconds": PREFLIGHT_KEPT_S,
    }


def wanted_lifecycle() -> Rule:
    return {
        "ID": RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": "originals/"},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABORT_AFTER_DAYS},
    }


def signed_headers(bucket: S3Bucket) -> list[str]:
    return ["content-type", "if-none-match", CHECKSUM_HEADER, *bucket.signed_parameters]


def others(rules: list[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.get("ID") != RULE_ID]


def cors_rules(bucket: S3Bucket) -> list[Rule] | None:
    return told(bucket, lambda: bucket.client.get_bucket_cors(Bucket=bucket.name), "CORSRules")


def lifecycle_rules(bucket: S3Bucket) -> list[Rule] | None:
    return told(bucket, lambda: bucket.client.get_bucket_lifecycle_configuration(Bucket=bucket.name), "Rules")


def told(bucket: S3Bucket, ask: Callable[[], Rule], name: str) -> list[Rule] | None:
    """None where the store cannot tell. Some answer 200 to any question, with something else."""
    with bucket.asked("setup_bucket"):
        try:
            answer = ask()
        except ClientError as error:
            if code_of(error) in NONE_SET:
                return []
            if code_of(error) in CANNOT_TELL:
                return None
            raise
    rules: list[Rule] | None = answer.get(name)
    return rules
