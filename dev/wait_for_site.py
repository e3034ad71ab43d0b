"""Waits until /healthz says that everything answers: `python -m dev.wait_for_site PORT SECONDS`."""

from __future__ import annotations

import http.client
import os
import sys
import time
from contextlib import closing
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

_PAUSE_S: Final = 0.2
# Behind https the site sends whoever comes by http elsewhere; then it is up, as far as can be seen from here.
_UP: Final = frozenset({HTTPStatus.OK, HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})


def main() -> int:
    port, patience_s = int(sys.argv[1]), float(sys.argv[2])
    deadline = time.monotonic() + patience_s
    answer = "nothing"
    while time.monotonic() < deadline:
        try:
            status, answer = _ask(port)
        except (OSError, http.client.HTTPException) as error:
            answer = str(error)
        else:
            if status in _UP:
                return 0
        time.sleep(_PAUSE_S)
    print(f"not ready after {patience_s:g} s; /healthz says: {answer}")
    return 1


def _ask(port: int) -> tuple[int, str]:
    host = urlsplit(os.environ.get("SITE_URL") or f"http://localhost:{port}").netloc
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/healthz", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read(2000).decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
