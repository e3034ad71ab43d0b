"""What is said of the rules of a bucket, whichever cloud keeps them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Verdict = Literal["right", "wrong", "unknown"]
Rule = dict[str, Any]

METHODS: Final = ("PUT", "GET", "HEAD")
PREFLIGHT_KEPT_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Finding:
    subject: str
    verdict: Verdict
    why: str = ""


def judged(subject: str, rules: list[Rule] | None, fault: Callable[[list[Rule]], str]) -> Finding:
    if rules is None:
        return Finding(subject, "unknown", "this store does not tell")
    found = fault(rules)
    return Finding(subject, "wrong", found) if found else Finding(subject, "right")


def missing_permission(
    origins: Sequence[str], headers: Sequence[str], is_allowed: Callable[[str, str], bool]
) -> str:
    """What a page of one of those origins may not do, or nothing."""
    for origin in origins:
        for method in METHODS:
            if not is_allowed(origin, method):
                return f"{origin} may not {method} with {', '.join(headers)}"
    return ""
