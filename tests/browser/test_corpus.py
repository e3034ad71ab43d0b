"""Every file below the folder that PHOTO_CORPUS names goes the whole way: a photo, or a coded reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.conftest import digests_of

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.slow]
CORPUS = os.environ.get("PHOTO_CORPUS")

if CORPUS:

    def test_every_file_of_the_corpus_is_shown_or_refused_with_a_code(gallery_page) -> None:
        files = [file for file in sorted(Path(CORPUS).rglob("*")) if file.is_file()]

        gallery_page.drop(Path(CORPUS))
        gallery_page.page.wait_for_selector("[data-gallery-state=complete]", timeout=600_000)

        by_state: dict[str, list[str]] = {}
        for upload in gallery_page.uploads():
            by_state.setdefault(upload["state"], []).append(upload["name"])
            assert (upload["state"] == "verified") == (upload["error"] is None), upload
        assert set(by_state) <= {"verified", "failed"}
        refused_here = gallery_page.page.locator("[data-upload-state=invalid]").count()
        assert len(gallery_page.photos()) > 0
        assert sum(map(len, by_state.values())) + refused_here <= len(files)
        sent = {digest for file in files for digest in digests_of([file]).values()}
        assert set(gallery_page.original_digests().values()) <= sent
