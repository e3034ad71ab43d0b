"""The rules of a bucket of Google's: our site's pages may send to it, and nothing in it expires.

Resumable sessions need no rule: each answers the origin it was begun for, and Google forgets it after a week.
https://docs.cloud.google.com/storage/docs/cross-origin
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from google.api_core.exceptions import Conflict, GoogleAPICallError
from google.cloud.storage import Bucket

from galleries.objects.gcs_bucket import RETRY, TIMEOUT_S, GcsBucket
from uploads.lanes.bucket_rules import METHODS, PREFLIGHT_KEPT_S, Finding, Rule, judged, missing_permission

# Rules have no names here. A header that nobody sends names ours, so that those of others are kept.
OUR_RULE: Final = "x-safelight"
SENT_HEADERS: Final = ("content-type", "x-goog-content-length-range", "x-goog-if-generation-match")
READ_HEADERS: Final = ("content-length", "content-range", "etag", "range")
KEPT_FOLDERS: Final = ("originals/", "renditions/")
# A rule with one of these never reaches what is there now.
OF_OLD_VERSIONS: Final = ("daysSinceNoncurrentTime", "noncurrentTimeBefore", "numNewerVersions")
CANNOT_TELL: Final = frozenset(
    {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)


def create_bucket(bucket: GcsBucket) -> None:
    """Private for good: no object of it can be made public by mistake. Safe to call twice."""
    handle = bucket.client.bucket(bucket.name)
    handle.iam_configuration.uniform_bucket_level_access_enabled = True
    handle.iam_configuration.public_access_prevention = "enforced"
    with bucket.asked("create_bucket"):
        try:
            bucket.client.create_bucket(handle, timeout=TIMEOUT_S, retry=RETRY)
        except Conflict:
            return  # ours already, or somebody else's: whether it serves, the rules tell


def set_rules(bucket: GcsBucket, origins: Sequence[str]) -> None:
    """Replaces our own rule and keeps those of others. A store that has no such rules is left as it is."""
    found = told(bucket)
    if found is None:
        return
    found.cors = [*others(found.cors), wanted_cors(bucket, origins)]
    with bucket.asked("setup_bucket"):
        found.patch(timeout=TIMEOUT_S, retry=RETRY, if_metageneration_match=found.metageneration)


def check_rules(bucket: GcsBucket, origins: Sequence[str]) -> list[Finding]:
    found = told(bucket)
    return [
        judged("cors", None if found is None else found.cors, cors_fault_of(bucket, origins)),
        judged("lifecycle", None if found is None else list(found.lifecycle_rules), lifecycle_fault),
    ]


def cors_fault_of(bucket: GcsBucket, origins: Sequence[str]) -> Callable[[list[Rule]], str]:
    headers = sent_headers(bucket)

    def fault(rules: list[Rule]) -> str:
        return missing_permission(
            origins,
            headers,
            lambda origin, method: any(rule_allows(rule, origin, method, headers) for rule in rules),
        )

    return fault


def rule_allows(rule: Rule, origin: str, method: str, headers: Sequence[str]) -> bool:
    allowed = {name.lower() for name in rule.get("responseHeader", ())}
    return (
        bool({origin, "*"} & set(rule.get("origin", ())))
        and bool({method, "*"} & set(rule.get("method", ())))
        and ("*" in allowed or allowed.issuperset(headers))
    )


def lifecycle_fault(rules: list[Rule]) -> str:
    if any(deletes_photos(rule) for rule in rules):
        return "a rule deletes objects; only a photo's own row may"
    return ""


def deletes_photos(rule: Rule) -> bool:
    condition: dict[str, Any] = rule.get("condition", {})
    if rule["action"]["type"] != "Delete" or condition.get("isLive") is False:
        return False
    if any(name in condition for name in OF_OLD_VERSIONS):
        return False
    prefixes = condition.get("matchesPrefix") or [""]
    return any(
        folder.startswith(prefix) or prefix.startswith(folder)
        for prefix in prefixes
        for folder in KEPT_FOLDERS
    )


def wanted_cors(bucket: GcsBucket, origins: Sequence[str]) -> Rule:
    return {
        "origin": list(origins),
        "method": list(METHODS),
        # One list for what pages may send and for what they may read.
        "responseHeader": [*sent_headers(bucket), *READ_HEADERS, OUR_RULE],
        "maxAgeSeconds": PREFLIGHT_KEPT_S,
    }


def sent_headers(bucket: GcsBucket) -> list[str]:
    return [*SENT_HEADERS, *bucket.signed_parameters]


def others(rules: Sequence[Rule]) -> list[Rule]:
    return [rule for rule in rules if OUR_RULE not in rule.get("responseHeader", ())]


def told(bucket: GcsBucket) -> Bucket | None:
    """The bucket with its rules; None where the store cannot tell, or not us."""
    found = bucket.client.bucket(bucket.name)
    with bucket.asked("setup_bucket"):
        try:
            found.reload(timeout=TIMEOUT_S, retry=RETRY)
        except GoogleAPICallError as error:
            if error.code in CANNOT_TELL:
                return None
            raise
    return found
