"""Pure: what can go wrong between a client and a store, and for which of its requests.

| fault | the store | the client |
|---|---|---|
| `Answer` | never hears of it | gets this answer, with or without CORS headers; a 200 may hold `<Error>` |
| `Silence` | never hears of it | sends all of it and waits for ever |
| `Held` | hears of it after `gate.release(rule)` | waits that long |
| `Late` | hears of it so many seconds later | waits that long |
| `LoseAnswer` | does it and answers | is reset instead |
| `Lie` | does it and answers | gets another answer |
| `Break` | gets, or sends, the body up to a byte | is reset, sees the end, or waits for ever |
| `Flip` | gets, or sends, a body with one bit changed | notices nothing |
| `Slow` | gets, or sends, the body at this rate | notices nothing |

For `Break`, `Flip` and `Slow`, `way` names the body that is meant. A body that is shorter than `after_bytes`
breaks at its end: before the store has answered, or after the whole answer.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Way = Literal["request", "answer"]
Ending = Literal["reset", "end", "stall"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`allowed_origin` makes it one that a page may read; without it, the page sees a dead network."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    allowed_origin: str | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    pass


@dataclass(frozen=True, slots=True)
class Held:
    pass


@dataclass(frozen=True, slots=True)
class Late:
    seconds: float


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    pass


@dataclass(frozen=True, slots=True)
class Lie:
    answer: Answer


@dataclass(frozen=True, slots=True)
class Break:
    way: Way
    after_bytes: int
    ending: Ending = "reset"


@dataclass(frozen=True, slots=True)
class Flip:
    way: Way
    at_byte: int


@dataclass(frozen=True, slots=True)
class Slow:
    way: Way
    bytes_per_s: int


Fault = Answer | Silence | Held | Late | LoseAnswer | Lie | Break | Flip | Slow


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """`fault` for the requests of which method, path and query (regular expressions, found anywhere) fit.

    `calls` are those of the fitting requests that it happens to, counted from 1; None: all of them. They are
    counted for each target (path and part number) where `counted_by` says so: then `calls={1}` is the first try
    of every file and every part. A browser's preflights are requests too: name the method.
    """

    fault: Fault
    method: str | None = None
    path: str = ""
    query: str = ""
    calls: Collection[int] | None = None
    counted_by: Literal["rule", "target"] = "rule"

    def fits(self, method: str, path: str, query: str) -> bool:
        return (
            self.method in {None, method}
            and re.search(self.path, path) is not None
            and re.search(self.query, query) is not None
        )


def target_of(path: str, query: str) -> str:
    """A signed URL is another one each time; what it writes to is not."""
    [part] = parse_qs(query).get("partNumber", [""])
    return f"{path}#{part}"


class RuleBook:
    """The rules in force. The first one whose turn it is happens."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._seen: Counter[tuple[Rule, str]] = Counter()

    def add(self, rule: Rule) -> None:
        self._rules.append(rule)

    def remove(self, rule: Rule) -> None:
        self._rules.remove(rule)

    @property
    def rules(self) -> Sequence[Rule]:
        return tuple(self._rules)

    def choose(self, method: str, path: str, query: str) -> Rule | None:
        """Counts the request in every rule that it fits."""
        chosen = None
        for rule in self._rules:
            if not rule.fits(method, path, query):
                continue
            counted = (rule, "" if rule.counted_by == "rule" else target_of(path, query))
            self._seen[counted] += 1
            if chosen is None and (rule.calls is None or self._seen[counted] in rule.calls):
                chosen = rule
        return chosen
