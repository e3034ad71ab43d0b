"""Runs what fetches and builds; its words go to a file, and a failure becomes one sentence."""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING, Final

from dev.places import BUILD, ROOT
from dev.processes import in_child_dying_with_parent
from dev.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# What pip, uv and npm say when nobody answers.
_NO_ANSWER: Final = re.compile(
    r"NewConnectionError|Failed to establish a new connection|Name or service not known|name resolution"
    r"|Network is unreachable|Connection refused|ConnectTimeout|[Rr]ead timed out|ProxyError"
    r"|error sending request|dns error|tcp connect error"
    r"|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRESET|ENETUNREACH|EHOSTUNREACH|network request to"
)


def run(
    command: Sequence[str | Path], *, name: str, doing: str, source: str, env: Mapping[str, str] | None = None
) -> None:
    """Runs one command to its end, in the checkout.

    Args:
        command: program and arguments.
        name: of the log file below .build.
        doing: what it does, for people: "install the Python packages".
        source: whom it asks over the network: "a Python package index".
        env: its environment; ours when None.

    Raises:
        Refusal: it failed; with another sentence where nobody answered.
    """
    BUILD.mkdir(exist_ok=True)
    log = BUILD / f"{name}.log"
    with log.open("wb") as output:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            preexec_fn=in_child_dying_with_parent(signal.SIGTERM),
        )
    if ended.returncode == 0:
        return
    said = log.read_text(errors="replace")
    if _NO_ANSWER.search(said):
        raise Refusal(
            f"could not {doing}: {source} did not answer. The first start needs one, later ones do not."
        )
    raise Refusal(f"could not {doing}: {_last_words(said)} (all of it is in {log.relative_to(ROOT)})")


def _last_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(npm )?error\b", line, re.IGNORECASE)]
    return (errors or lines or ["it said nothing"])[-1]
