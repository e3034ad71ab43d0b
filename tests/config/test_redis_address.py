"""Which Redis a command talks to that is run beside the product."""

import os
import socket
import subprocess
import sys

import pytest

from dev.places import ROOT

SAID = "from django.conf import settings; print(settings.REDIS_URL, settings.CELERY_BROKER_URL)"


def told(data_dir, **given: str) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key != "REDIS_URL"}
    environment |= {"DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "config.settings", **given}
    return subprocess.run(
        [sys.executable, "-c", SAID], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.fixture
def data_dir(short_folder):
    folder = short_folder / "beside"
    (folder / "redis").mkdir(parents=True, exist_ok=True)
    return folder


def test_a_command_beside_the_product_finds_its_private_redis(data_dir):
    path = data_dir.resolve() / "redis" / "redis.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        try:
            assert told(data_dir) == [f"unix://{path}", f"redis+socket://{path}"]
            assert told(data_dir, REDIS_URL="redis://elsewhere/1") == ["redis://elsewhere/1"] * 2
        finally:
            path.unlink()


def test_without_it_the_address_is_that_of_the_system(data_dir):
    assert told(data_dir) == ["redis://127.0.0.1:6379/0"] * 2
